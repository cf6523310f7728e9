"""What in an expression can tell of a value from outside: by failing, or by NULL, for one value and not for another."""

from __future__ import annotations

from typing import Any, Final

from hoopgate.policy.lineage.calls import named_already, strings
from hoopgate.policy.lineage.values import Node

NARROW_LIST: Final = 10
"""Constants after IN that still make a narrow probe."""

QUIET_NODES: Final = frozenset(
    {
        "A_Const", "A_ArrayExpr", "BooleanTest", "Boolean", "CoalesceExpr", "CollateClause", "ColumnRef", "Float",
        "GroupingFunc", "Integer", "List", "MinMaxExpr", "NullTest", "ParamRef", "RowExpr", "SQLValueFunction",
        "SetToDefault", "SortBy", "String", "TypeName", "WindowDef", "A_Star", "MergeSupportFunc",
    }
)  # fmt: skip

COMPARING: Final = frozenset({"A_ArrayExpr", "MinMaxExpr"})
COMPARING_CALLS: Final = frozenset({"array_agg", "max", "min", "mode", "percentile_disc"})
"""Nodes and functions that are quiet for values of one part. Of rows and arrays they fail where parts do not fit, and
whether it comes to that hangs on the values before: records are compared column by column up to the first that differs,
arrays in arrays have to be of one length (PostgreSQL's source, ``rowtypes.c``: record_cmp; ``arrayfuncs.c``)."""

ONE_PART: Final = frozenset(
    {
        16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 650, 700, 701, 774, 790, 829, 869, 1042, 1043, 1082, 1083, 1114,
        1184, 1186, 1266, 1560, 1562, 1700, 2950, 3614, 3802,
    }
)  # fmt: skip
"""Types that are neither rows nor arrays."""

QUIET_OPERATORS: Final = frozenset({"=", "<>", "<", ">", "<=", ">=", "||"})
QUIET_TYPES: Final = frozenset({"text", "varchar", "bpchar", "name", "char"})


def is_constant(node: Any) -> bool:
    """A constant that is not NULL."""
    while isinstance(node, dict) and "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    return isinstance(node, dict) and "A_Const" in node and not node["A_Const"].get("isnull")


def holds(root: Any, kind: str) -> bool:
    """Whether a tree holds a node of this kind."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if kind in node:
                return True
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return False


def constants(node: Any) -> int | None:
    """How many constants a list holds; None if there is anything else."""
    items = node.get("List", {}).get("items") if isinstance(node, dict) else None
    return len(items) if items is not None and all(is_constant(each) for each in items) else None


def is_narrow(node: Node) -> bool:
    """``column = constant`` and the like."""
    body = node.get("A_Expr", {})
    kind, sides = body.get("kind"), (body.get("lexpr", {}), body.get("rexpr", {}))
    if kind == "AEXPR_IN":
        items = sides[1].get("List", {}).get("items", ())
        return "ColumnRef" in sides[0] and len(items) <= NARROW_LIST and all(named_already(each) for each in items)
    equal = kind == "AEXPR_OP" and strings(body.get("name", ()))[-1:] in (["="], ["<>"])
    if not equal and kind not in ("AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT"):
        return False
    return any("ColumnRef" in one and named_already(other) for one, other in (sides, sides[::-1]))


def to_text(cast: Node) -> bool:
    names = strings(cast.get("typeName", {}).get("names", ()))
    return names[-1:] in [[name] for name in QUIET_TYPES] and names[:-1] in ([], ["pg_catalog"])
