"""``set_config(name, ...) FROM pg_settings WHERE name = 'constant'``, as pg_dump sets what not every server has.

Its row has that very name, so the statement sets what the constant says. Only this form, whole, is read so.
"""

from __future__ import annotations

from hoopgate.policy.sql.names import strings
from hoopgate.policy.sql.tree import Node

_CLAUSES = frozenset({"targetList", "fromClause", "whereClause", "limitOption", "op"})


def pinned(body: Node) -> Node:
    """The SelectStmt with the constant in the column's place; ``body`` itself if it is of no such form."""
    condition = body.get("whereClause", {}).get("A_Expr", {})
    constant = condition.get("rexpr", {})
    if not (
        _CLAUSES.issuperset(body)
        and _only_settings(body.get("fromClause", []))
        and condition.get("kind") == "AEXPR_OP"
        and strings(condition.get("name")) == ["="]
        and _is_name(condition.get("lexpr", {}))
        and "sval" in constant.get("A_Const", {})
    ):
        return body
    return {**body, "targetList": [_with(target, constant) for target in body.get("targetList", [])]}


def _only_settings(tables: list[Node]) -> bool:
    relation = tables[0].get("RangeVar", {}) if len(tables) == 1 else {}
    schema = relation.get("schemaname", "pg_catalog")
    return relation.get("relname") == "pg_settings" and schema == "pg_catalog" and "alias" not in relation


def _is_name(node: Node) -> bool:
    return strings(node.get("ColumnRef", {}).get("fields")) == ["name"]


def _with(target: Node, constant: Node) -> Node:
    result = target.get("ResTarget", {})
    call = result.get("val", {}).get("FuncCall", {})
    arguments = call.get("args", [])
    if strings(call.get("funcname"))[-1:] != ["set_config"] or not arguments or not _is_name(arguments[0]):
        return target
    return {"ResTarget": {**result, "val": {"FuncCall": {**call, "args": [constant, *arguments[1:]]}}}}
