"""Does a comparison in a WHERE keep any row out? One side is of the target, and no column meets itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hoopgate.policy.sql.columns import Side, nodes, operator, side
from hoopgate.policy.sql.constants import (
    all_within,
    constant,
    equal,
    flattens,
    is_null,
    looks_at_literals,
    never_negative,
    unknown_parameter,
)
from hoopgate.policy.sql.names import strings
from hoopgate.policy.sql.patterns import OPERATORS, keeps_all
from hoopgate.policy.sql.tree import Node

if TYPE_CHECKING:
    from hoopgate.policy.sql.conditions import Judge, Trail


def compared(judge: Judge, body: Node, negated: bool) -> bool:
    kind, name = body.get("kind", ""), operator(body)
    if kind not in _COMPARING or "lexpr" not in body or (kind == "AEXPR_OP" and name in _VALUES):
        return False
    if kind == "AEXPR_OP_ANY" and negated:
        return False  # as `<> ALL`: of an array that may be empty
    left, right = body.get("lexpr", {}), body.get("rexpr", {})
    if "DISTINCT" in kind and (is_null(left) or is_null(right)):
        return (kind == "AEXPR_NOT_DISTINCT") is not negated
    if kind == "AEXPR_OP" and _without_columns(left) and _without_columns(right):
        return _constants(judge.trail, name, left, right, negated)
    positive = negated is name.startswith("!") and kind not in _NEGATIVE
    if positive and _keeps_all(judge.trail, name.removeprefix("!"), kind, right):
        return False
    if _holds_for_all(judge, name, kind, left, right, negated):
        return False
    if _leaves_out(judge, name, kind, left, right, negated):
        return True
    if kind == "AEXPR_OP_ANY" and any(judge.draws_on_own(link, True) for link in side(right).sublinks):
        return False
    return judge.independent(_side(judge, left), _side(judge, right))


def _side(judge: Judge, expression: Any) -> Side:
    def same_for_all(kind: str, body: Node) -> bool:
        if not looks_at_literals(kind, body):
            return flattens(kind, body)
        judge.trail.looked(body)
        return unknown_parameter(body) or flattens(kind, body)

    return side(expression, same_for_all)


def _without_columns(expression: Any) -> bool:
    return not any(kind in ("ColumnRef", "SubLink") for kind, _ in nodes(expression))


def _constants(trail: Trail, name: str, left: Any, right: Any, negated: bool) -> bool:
    """``$1 = ''`` beside ``OR``: no matter what the rows hold. Two literals are taken as they look."""
    if name not in ("=", "<>", "!=") or not (_bound(left) or _bound(right)):
        trail.parameter = trail.parameter or unknown_parameter(left) or unknown_parameter(right)
        return False
    same = equal(left, right)
    return same is not None and same is ((name != "=") is not negated)


def _bound(node: Any) -> bool:
    fields = constant(node) or {}
    return "bound" in fields


def _holds_for_all(judge: Judge, name: str, kind: str, left: Any, right: Any, negated: bool) -> bool:
    """Is the comparison so for any row, by arithmetic, or since it compares with the table's own least or most?"""
    if negated:
        return False
    if kind == "AEXPR_BETWEEN":
        bounds = right.get("List", {}).get("items", [{}, {}])
        pairs = [(">=", bounds[0]), ("<=", bounds[-1])]
    elif kind == "AEXPR_OP" and name in _ORDER:
        pairs = [(name, right)]
    else:
        return False
    if never_negative(left) and unknown_parameter(right):
        judge.trail.parameter = True
        return True
    for _, bound in pairs:
        if constant(bound) is not None or constant(left) is not None:
            judge.trail.literal = True
    return all(all_within(one, left, bound) or _own_extreme(judge, one, left, bound) for one, bound in pairs)


_ORDER: Final = frozenset({"<", "<=", ">", ">=", "<>", "!="})
_NEGATIVE: Final = frozenset({"AEXPR_NOT_BETWEEN", "AEXPR_NOT_BETWEEN_SYM"})


def _leaves_out(judge: Judge, name: str, kind: str, left: Any, right: Any, negated: bool) -> bool:
    """Comparisons of a column with itself that are no tautologies.

    ``name <> trim(name)`` is so for what trim changes; ``t.id < other.id`` of the same table leaves its last row out.
    """
    if negated or kind not in ("AEXPR_OP", "AEXPR_DISTINCT"):
        return False
    one, two = side(left), side(right)
    if len(one.columns) != 1 or len(two.columns) != 1 or one.sublinks or two.sublinks or one.doubtful or two.doubtful:
        return False
    mine = [judge.is_target(part.columns[0]) for part in (one, two)]
    if name in ("<", ">"):
        return (
            "ColumnRef" in left
            and "ColumnRef" in right
            and one.columns[0].origin != two.columns[0].origin
            and any(mine)
        )
    called = strings(right.get("FuncCall", {}).get("funcname"))[-1:]
    return name in ("<>", "!=") and "ColumnRef" in left and all(mine) and called in _NORMALIZING


_NORMALIZING: Final = (["btrim"], ["ltrim"], ["rtrim"], ["lower"], ["upper"], ["initcap"], ["round"], ["trunc"])


def _own_extreme(judge: Judge, name: str, left: Any, right: Any) -> bool:
    """``id >= (SELECT min(id) FROM the_same)``. With ``<`` and ``>`` a plain aggregate leaves one row out."""
    for part in (left, right):
        link = part.get("SubLink", {}) if isinstance(part, dict) else {}
        if link.get("subLinkType") != "EXPR_SUBLINK" or not judge.draws_on_own(link, name in ("<=", ">=")):
            continue
        targets = link.get("subselect", {}).get("SelectStmt", {}).get("targetList", [{}])
        plain = "FuncCall" in targets[0].get("ResTarget", {}).get("val", {})
        if not plain or name in ("<=", ">="):
            return True
    return False


_COMPARING: Final = frozenset({
    "AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT", "AEXPR_IN", "AEXPR_LIKE", "AEXPR_ILIKE",
    "AEXPR_SIMILAR", "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN", "AEXPR_BETWEEN_SYM", "AEXPR_NOT_BETWEEN_SYM",
})  # fmt: skip
_VALUES: Final = frozenset({"+", "-", "*", "/", "%", "^", "||", "->", "->>", "#>", "#>>"})


def _keeps_all(trail: Trail, name: str, kind: str, pattern: Node) -> bool:
    """True for a pattern that everything matches: here a literal's value counts."""
    if kind == "AEXPR_SIMILAR":
        name = "~"
    if name not in OPERATORS:
        return False
    trail.looked(pattern)
    return keeps_all(name, kind, pattern)
