"""Expressions with effects of their own: function calls, set_config, operators by schema, TABLESAMPLE methods."""

from __future__ import annotations

from typing import Any, Final

from hoopgate.policy.operations import Object
from hoopgate.policy.sql.constants import HOPE, unknown_parameter
from hoopgate.policy.sql.extraction import Extraction, Scope, Visitor
from hoopgate.policy.sql.functions import call_effect
from hoopgate.policy.sql.names import folded, strings
from hoopgate.policy.sql.settings import setting_effect
from hoopgate.policy.sql.tree import Node

_HIDDEN: Final = "runs code that the statement does not show"


def call(x: Extraction, body: Node, scope: Scope) -> None:
    parts = strings(body.get("funcname"))
    name = parts[-1] if parts else ""
    schema = parts[-2] if len(parts) > 1 else ""
    if name == "set_config" and schema in ("", "pg_catalog"):
        _set_config(x, body)
    else:
        effect, why = call_effect(schema, name)
        if effect == "read":
            x.read(Object("", "large objects", "large object"))
        elif effect is not None:
            x.add(effect, f"CALL {name}".upper(), (Object(schema, name, "function"),), why=why)
    x.rest(body, scope, ("funcname",))


def _set_config(x: Extraction, body: Node) -> None:
    """``set_config(name, value, is_local)`` is SET by another name; a name made at run time may be any setting."""
    x.literal = True
    arguments = [literal(argument) for argument in body.get("args", ())]
    name = arguments[0] if arguments else None
    x.parameter = x.parameter or any(map(unknown_parameter, body.get("args", ())))
    if name == HOPE:
        x.add("session", "SET", (Object("", "*", "setting"),))
        return
    if name is None:
        x.add("admin.become", "SET", (Object("", "*", "setting"),), why="sets a setting that only shows at run time")
        return
    value = arguments[1] if len(arguments) > 1 else None
    effect, why = setting_effect(name, None if value is None else [value])
    x.add(effect, "SET", (Object("", folded(name), "setting"),), why=why)


def literal(argument: Node) -> str | None:
    """The text of a constant, through casts that leave it as it is; None where it is computed.

    ``'role.x'::varchar(4)`` is computed: it is ``role``.
    """
    while "TypeCast" in argument:
        if not _keeps_text(argument["TypeCast"].get("typeName", {})):
            return None
        argument = argument["TypeCast"].get("arg", {})
    constant: dict[str, Any] = argument.get("A_Const", {})
    if "sval" in constant:
        return str(constant["sval"].get("sval", ""))
    if "ival" in constant:
        return str(constant["ival"].get("ival", 0))
    if "fval" in constant:
        return str(constant["fval"].get("fval", ""))
    if "boolval" in constant:
        return "true" if constant["boolval"].get("boolval") else "false"
    return None


def _keeps_text(type_name: Node) -> bool:
    """A cast to plain text. Of intervals too, which SET TIME ZONE writes: their text is no name of anything."""
    names = strings(type_name.get("names"))
    if names[:-1] not in ([], ["pg_catalog"]):
        return False
    return names[-1:] == ["interval"] or (names[-1:] in (["text"], ["varchar"]) and not type_name.get("typmods"))


def _operator(field: str) -> Visitor:
    """Visit a node whose ``field`` names an operator: ``OPERATOR(s.=)`` calls the function of a user-defined one.

    A plain operator is taken for the system's.
    """

    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        parts = strings(body.get(field))
        if len(parts) > 1 and parts[-2] != "pg_catalog":
            x.add("execute.function", "OPERATOR", (Object(parts[-2], parts[-1], "operator"),), why=_HIDDEN)
        x.rest(body, scope, (field,))

    return visit


def sample(x: Extraction, body: Node, scope: Scope) -> None:
    parts = strings(body.get("method"))
    if parts[-1:] not in (["bernoulli"], ["system"]) or parts[:-1] not in ([], ["pg_catalog"]):
        thing = Object(parts[-2] if len(parts) > 1 else "", parts[-1] if parts else "", "function")
        x.add("execute.function", "TABLESAMPLE", (thing,), why=_HIDDEN)
    x.rest(body, scope, ("method",))


VISITORS: Final[dict[str, Visitor]] = {
    "A_Expr": _operator("name"),
    "FuncCall": call,
    "RangeTableSample": sample,
    "SortBy": _operator("useOp"),
    "SubLink": _operator("operName"),
}
