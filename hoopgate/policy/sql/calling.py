"""Definitions that make functions run under another name, or by themselves: operators, casts, triggers, rules.

What a function of PostgreSQL's own does counts where it gets such a name, since its calls will not show it: an operator
over ``pg_terminate_backend``, an aggregate over ``set_config``.
"""

from __future__ import annotations

from typing import Any, Final

from hoopgate.policy.sql.extraction import Extraction, Scope, Visitor
from hoopgate.policy.sql.functions import deferred_effect
from hoopgate.policy.sql.names import effect_on, named, relation, words
from hoopgate.policy.sql.tree import Node


def define(x: Extraction, body: Node, scope: Scope) -> None:
    """Aggregates, operators and the like make functions run under names of their own: those functions count."""
    object_type = words(body.get("kind", ""))
    command = f"CREATE {object_type}"
    x.add(effect_on(object_type), command, (named(body.get("defnames", []), object_type.lower()),))
    for item in body.get("definition", ()):
        calls(x, command, item.get("DefElem", {}).get("arg"))


def calls(x: Extraction, command: str, name: Any) -> None:
    """Note what a function does that will be called by another name: an operator's, a cast's, a trigger's."""
    if not isinstance(name, dict | list):
        return
    thing = named(name, "function")
    effect, why = deferred_effect(thing.schema, thing.name)
    if effect is not None:
        x.add(effect, command, (thing,), why=why)


def create_cast(x: Extraction, body: Node, scope: Scope) -> None:
    binary = "func" not in body and not body.get("inout")
    target = named({"TypeName": body.get("targettype", {})}, "type")
    x.add("admin.language" if binary else "schema.code", "CREATE CAST", (target,))
    calls(x, "CREATE CAST", {"ObjectWithArgs": body.get("func", {})})


def create_trigger(x: Extraction, body: Node, scope: Scope) -> None:
    """Whoever changes the table calls the function: it is an object of what is made."""
    thing = named(body.get("funcname", []), "function")
    x.add("schema.code", "CREATE TRIGGER", (relation(body.get("relation", {})), thing))
    calls(x, "CREATE TRIGGER", body.get("funcname"))
    x.rest(body, scope, ("relation", "funcname", "args", "constrrel"))


def create_rule(x: Extraction, body: Node, scope: Scope) -> None:
    """Its actions run for others: each is judged by its own effects. OLD and NEW are no tables."""
    x.add("schema.code", "CREATE RULE", (relation(body.get("relation", {})),))
    x.rest(body, scope.inside({"old": (0, {}), "new": (0, {})}, 1), ("relation",))


def named_code(command: str, field: str, kind: str, function: str, effect: str = "schema.code") -> Visitor:
    def visit(x: Extraction, body: Node, scope: Scope) -> None:
        x.add(effect, command, (named(body.get(field, ""), kind),))
        calls(x, command, body.get(function))

    return visit


def operator_class(x: Extraction, body: Node, scope: Scope) -> None:
    kind = "operator class"
    x.add("schema.code", "CREATE OPERATOR CLASS", (named(body.get("opclassname", []), kind),))
    for item in body.get("items", ()):
        fields = item.get("CreateOpClassItem", {})
        if "OPERATOR" not in str(fields.get("itemtype", "")):
            calls(x, "CREATE OPERATOR CLASS", {"ObjectWithArgs": fields.get("name", {})})


VISITORS: Final[dict[str, Visitor]] = {
    "CreateCastStmt": create_cast,
    "CreateConversionStmt": named_code("CREATE CONVERSION", "conversion_name", "conversion", "func_name"),
    "CreateEventTrigStmt": named_code("CREATE EVENT TRIGGER", "trigname", "event trigger", "funcname", "admin.code"),
    "CreateOpClassStmt": operator_class,
    "CreateTrigStmt": create_trigger,
    "DefineStmt": define,
    "RuleStmt": create_rule,
}
