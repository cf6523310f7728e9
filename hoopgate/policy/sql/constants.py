"""What a constant says in a condition: truth, nothing, a number, or a bound that every row is within.

Constants are literals, and parameters whose value is known (:mod:`hoopgate.policy.sql.bound`). A parameter that is
not known is taken for the worst.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hoopgate.policy.sql.columns import nodes, operator
from hoopgate.policy.sql.names import folded, strings
from hoopgate.policy.sql.tree import Node

HOPE: Final = "\0"
"""The text of a parameter that is not known yet, where the best is to be taken for granted until it is. No text of a
client's can hold it."""

MOST: Final = 100_000
"""Rows up to which a LIMIT is a bound."""

# PostgreSQL's boolin: any beginning of true, false, yes, no; on and off whole, or enough of them to tell
_TRUE: Final = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})
_FALSE: Final = frozenset({"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"})

_FROM_ZERO: Final = frozenset({
    "abs", "array_length", "bit_length", "cardinality", "char_length", "character_length", "jsonb_array_length",
    "json_array_length", "length", "octet_length", "position", "regexp_count", "sqrt", "strpos",
})  # fmt: skip
_CUTTING: Final = frozenset({"left", "lpad", "repeat", "right", "rpad", "substr", "substring"})
_LARGEST: Final = frozenset({2**15 - 1, 2**15, 2**31 - 1, 2**31, 2**31 + 1})
_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]{1,40}\s*")


def constant(node: Any) -> Node | None:
    """The A_Const of a node, through casts; None where it is anything else."""
    while isinstance(node, dict) and "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    found = (node or {}).get("A_Const") if isinstance(node, dict) else None
    return found if isinstance(found, dict) else None


def text_of(fields: Node) -> str | None:
    """The text of a string constant."""
    return str(fields["sval"].get("sval", "")) if "sval" in fields else None


def number(node: Any) -> float | None:
    """The value of a constant that is a number, or a string that reads as a whole one; None for others."""
    if isinstance(node, dict) and "A_Expr" in node and "lexpr" not in node["A_Expr"]:
        inner = number(node["A_Expr"].get("rexpr"))
        return -inner if inner is not None and operator(node["A_Expr"]) == "-" else None
    fields = constant(node)
    if fields is None:
        return None
    if "ival" in fields:
        return float(fields["ival"].get("ival", 0))
    if "fval" in fields:
        return _float(str(fields["fval"].get("fval", "")))
    text = text_of(fields)
    return _float(text) if text is not None and _INTEGER.fullmatch(text) else None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # 0x1F and 1_000, which nobody writes as a bound of all rows
        return None


def truth(node: Any) -> bool | None:
    """What a constant says as a condition; NULL is no: it picks no row. None: no constant, or none that is known."""
    fields = constant(node)
    if fields is None:
        return None
    if "boolval" in fields:
        return bool(fields["boolval"].get("boolval", False))
    if "isnull" in fields or text_of(fields) == HOPE:
        return False
    if "ival" in fields:
        return bool(fields["ival"].get("ival", 0))
    word = folded((text_of(fields) or "").strip())
    return True if word in _TRUE else False if word in _FALSE else None


def is_null(node: Any) -> bool:
    """Is it the constant NULL?"""
    fields = constant(node)
    return fields is not None and "isnull" in fields


def equal(left: Any, right: Any) -> bool | None:
    """Are two constants the same? None where that depends on their type, or one of them is none."""
    one, two = constant(left), constant(right)
    if one is None or two is None:
        return None
    if "isnull" in one or "isnull" in two:
        return False
    first, second = text_of(one), text_of(two)
    if first is None or second is None:
        return None
    if HOPE in (first, second):
        return False
    if first == second:
        return True
    return False if (not first and second.strip()) or (not second and first.strip()) else None


def limits(count: Any) -> bool:
    """Does this LIMIT keep the rows few?"""
    if not count or is_null(count):
        return False
    fields = constant(count)
    if fields is not None and text_of(fields) == HOPE:
        return True
    raw = _parameter(count).get("raw")
    if raw is not None:  # LIMIT takes a bigint, whatever the client calls it
        return len(raw) == 8 and int.from_bytes(raw, "big", signed=True) <= MOST
    value = number(count)
    return value is not None and value <= MOST


def _parameter(node: Any) -> Node:
    while isinstance(node, dict) and "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    found = node.get("ParamRef", {}) if isinstance(node, dict) else {}
    return found if isinstance(found, dict) else {}


def unknown_parameter(node: Any) -> bool:
    """Does it hold a parameter whose value is not known?"""
    return any(kind == "ParamRef" for kind, _ in nodes(node))


# -- comparisons that hold for all rows, whatever they hold


def all_within(compare: str, left: Any, right: Any) -> bool:
    """Is ``left OPERATOR right`` so for any row: ``length(x) >= 0``, ``id < 2147483648``, ``t > '-infinity'``?"""
    if constant(left) is not None or number(left) is not None:
        left, right, compare = right, left, _TURNED.get(compare, compare)
    if compare not in (">", ">=", "<", "<=", "<>", "!="):
        return False
    value = number(right)
    if value is not None:
        return _beyond(compare, value) or (never_negative(left) and _below(compare, value))
    text = text_of(constant(right) or {})
    if text is None:
        return False
    text = text.strip().lower()
    if not text:
        return compare == ">="
    return (compare[0] == ">" and text in ("-infinity", "-inf")) or (
        compare in ("<", "<=") and text in ("infinity", "inf", "+infinity", "nan")
    )


_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _beyond(compare: str, value: float) -> bool:
    far = abs(value) in _LARGEST or abs(value) >= 2**63 - 1
    return far and (compare in ("<>", "!=") or (compare[0] == ">") is (value < 0))


def _below(compare: str, value: float) -> bool:
    return value < 0 if compare in (">", "<>", "!=") else compare == ">=" and value <= 0


def never_negative(node: Any) -> bool:
    """Is it a length, an absolute value, a count or the like?"""
    call = node.get("FuncCall", {}) if isinstance(node, dict) else {}
    absolute = "A_Expr" in node and operator(node["A_Expr"]) == "@" if isinstance(node, dict) else False
    if isinstance(node, dict) and "SubLink" in node:
        targets = node["SubLink"].get("subselect", {}).get("SelectStmt", {}).get("targetList") or [{}]
        call = targets[0].get("ResTarget", {}).get("val", {}).get("FuncCall", {})
        return strings(call.get("funcname"))[-1:] == ["count"]
    return absolute or bool(_FROM_ZERO.intersection(strings(call.get("funcname"))[-1:]))


def flattens(kind: str, body: Node) -> bool:
    """Is the expression the same for all rows though it names a column: ``id * 0``, ``id % 1``, ``left(x, 0)``?"""
    if kind == "A_Expr":
        name, left, right = operator(body), number(body.get("lexpr")), number(body.get("rexpr"))
        if name in ("*", "&"):
            return 0 in (left, right)
        return (name == "%" and right in (1, -1)) or (name == "^" and (right == 0 or left == 1))
    if kind == "FuncCall":
        arguments = body.get("args", [])
        name = "".join(strings(body.get("funcname"))[-1:])
        zero = any(number(argument) == 0 for argument in arguments)
        return (name in _CUTTING and zero) or (name == "mod" and number(arguments[-1]) in (1, -1))
    if kind == "CoalesceExpr":
        first = constant((body.get("args") or [{}])[0])
        return first is not None and "isnull" not in first
    return kind == "MinMaxExpr" and any(constant(argument) is not None for argument in body.get("args", ()))


def looks_at_literals(kind: str, body: Node) -> bool:
    """Could :func:`flattens` be another answer for other literals?"""
    if kind == "A_Expr":
        return operator(body) in ("*", "&", "%", "^")
    return kind == "FuncCall" and bool((_CUTTING | {"mod"}).intersection(strings(body.get("funcname"))[-1:]))
