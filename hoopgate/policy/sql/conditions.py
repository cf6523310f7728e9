"""Does a WHERE restrict the rows of the table that a DELETE or UPDATE changes?

Judged by form, never by a literal's value (but for patterns such as ``LIKE '%'``): a condition restricts if it
compares something of the target table with something that is not the same column of the same table. In doubt it
does not. So ``true``, ``1=1``, ``id = id``, ``x IS NOT NULL``, ``... OR true`` and conditions on other tables alone
do not restrict; ``id = 5``, ``id > 0`` and ``t.id = u.id`` do. Arithmetic is not evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from attrs import evolve, frozen

from hoopgate.policy.sql.alternatives import one_is_true
from hoopgate.policy.sql.columns import Column, Side, Table, nodes, others, side, tables, ties
from hoopgate.policy.sql.columns import column as column_of
from hoopgate.policy.sql.comparisons import compared
from hoopgate.policy.sql.constants import HOPE, constant, limits, text_of, truth, unknown_parameter
from hoopgate.policy.sql.names import strings
from hoopgate.policy.sql.patterns import keeps_all
from hoopgate.policy.sql.tree import Node

_PREDICATES: Final = {"starts_with": "^@", "regexp_like": "~"}


class Queries(Protocol):
    """The CTEs in sight, by name."""

    def get(self, name: str, /) -> Node | None: ...

    def __contains__(self, name: str, /) -> bool: ...


@frozen
class Restriction:
    """``effective``: the condition restricts. ``literal``, ``parameter``: the value of one was looked at to say so."""

    effective: bool
    literal: bool = False
    parameter: bool = False


def restriction(
    where: Node | None,
    target: Node,
    neighbours: Iterable[Node] = (),
    queries: Queries | None = None,
    trail: Trail | None = None,
) -> Restriction:
    """Judge ``where`` for the RangeVar ``target`` beside the FROM items ``neighbours``; ``queries`` are the CTEs."""
    if where is None:
        return Restriction(False)
    table = (target.get("schemaname", ""), target.get("relname", ""))
    alias = target.get("alias", {}).get("aliasname", "") or table[1]
    trail = trail or Trail()
    judge = Judge(trail, alias, table, {}, queries if queries is not None else {}, sole=True)
    try:
        items = list(neighbours)
        if items:
            judge = judge.beside(items)
        return Restriction(judge.restricts(where, False), trail.literal, trail.parameter)
    except (TooComplexError, RecursionError):
        return Restriction(False, trail.literal, trail.parameter)


def reads_whole(query: Node, target: Node, queries: Queries) -> bool:
    """May ``query`` give all rows of ``target``? In doubt it may."""
    table = (target.get("schemaname", ""), target.get("relname", ""))
    try:
        return Judge(Trail(), table[1], table, {}, queries).reads_whole(query)
    except (TooComplexError, RecursionError):
        return True


class TooComplexError(Exception):
    """The condition takes more steps to judge than anybody's ordinary one."""


class Trail:
    """How far the judging went: steps left, and whether a literal was looked at."""

    def __init__(self, steps: int = 5_000) -> None:
        self.steps = steps
        self.literal = False
        self.parameter = False

    def looked(self, node: Any) -> None:
        """The value of a constant was looked at, or would have been."""
        self.parameter = self.parameter or unknown_parameter(node)
        self.literal = True

    def spend(self, steps: int = 1) -> None:
        """Nested sub-selects over several tables would otherwise multiply."""
        self.steps -= steps
        if self.steps < 0:
            raise TooComplexError


@frozen
class Judge:
    """One scope: the target's alias and table, its neighbours' aliases, and the CTEs that may be named.

    ``origins`` maps each neighbour's alias to its table, or to None where it is a query; ``whole`` holds the aliases
    whose rows may be all of the target's. ``sole``: an unqualified column can only be the target's.
    """

    trail: Trail
    alias: str
    table: Table
    origins: dict[str, Table | None]
    queries: Queries
    whole: frozenset[str] = frozenset()
    sole: bool = False

    def beside(self, items: list[Node]) -> Judge:
        """The same scope with more FROM items."""
        origins, whole = dict(self.origins), set(self.whole)
        for name, kind, body in tables(items):
            if kind == "RangeVar" and (body.get("schemaname") or body.get("relname") not in self.queries):
                origins[name] = (body.get("schemaname", ""), body.get("relname", ""))
                continue
            origins[name] = None
            query = self._query(kind, body)
            if query is not None and self.reads_whole(query):
                whole.add(name)
        return evolve(self, origins=origins, whole=frozenset(whole), sole=False)

    def _query(self, kind: str, body: Node) -> Node | None:
        if kind == "RangeVar":
            return self.queries.get(body.get("relname", ""))
        return body.get("subquery") if kind == "RangeSubselect" else None

    def restricts(self, node: Any, negated: bool) -> bool:
        """True if ``node`` (or its negation) holds for a part of the target's rows only."""
        self.trail.spend()
        for kind, body in (node or {}).items():
            test = _TESTS.get(kind)
            return test(self, body, negated) if test else False
        return False

    # -- whose column is it

    def is_target(self, column: Column) -> bool:
        if column.name == "tableoid":
            return False  # the same for all rows, but where there are children
        if not column.origin:
            return self.sole
        return column.origin == self.alias and column.origin not in self.origins

    def same(self, one: Column, other: Column) -> bool:
        """Could both be one column of one table?"""
        if one.origin in self.whole or other.origin in self.whole:
            return True
        if one.name != other.name and "*" not in (one.name, other.name):
            return False
        left, right = self._table(one), self._table(other)
        return left is None or right is None or left == right

    def _table(self, column: Column) -> Table | None:
        if column.origin and column.origin in self.origins:
            return self.origins[column.origin] or ("", f"({column.origin})")
        return self.table if self.is_target(column) else None

    def independent(self, left: Side, right: Side) -> bool:
        """True if one side is of the target and no column meets itself, on one side or across."""
        if left.doubtful or right.doubtful:
            return False
        ours = left.columns + self._outer(left)
        theirs = right.columns + self._outer(right)
        if not any(map(self.is_target, ours + theirs)) or self._reads_own(left) or self._reads_own(right):
            return False
        every = ours + theirs
        self.trail.spend(len(every) ** 2)
        return not any(self.same(one, two) for index, one in enumerate(every) for two in every[index + 1 :])

    def _outer(self, part: Side) -> list[Column]:
        """Columns that the sub-selects of a side take from this scope."""
        return [column for link in part.sublinks for column in self.correlated(link.get("subselect", {}))]

    def draws_on_own(self, link: Node, limited: bool) -> bool:
        """Is the sub-select over all of the target; with ``limited``, whatever its LIMIT leaves of it?"""
        query = link.get("subselect", {})
        body = query.get("SelectStmt", {})
        if limited and "limitCount" in body:
            query = {"SelectStmt": {key: value for key, value in body.items() if key != "limitCount"}}
        return self.reads_whole(query)

    def _reads_own(self, part: Side) -> bool:
        """True for ARRAY(SELECT ...) and the like over the whole target; a scalar sub-select is one value."""
        return any(
            link.get("subLinkType") != "EXPR_SUBLINK" and self.reads_whole(link.get("subselect", {}))
            for link in part.sublinks
        )

    # -- sub-selects

    def correlated(self, query: Node) -> list[Column]:
        """Columns in ``query`` that are surely this scope's: qualified ones, and all that no FROM of its own gives."""
        found, given, alone = [], set[str](), True
        for kind, fields in nodes(query):
            self.trail.spend()
            if kind == "ColumnRef":
                found.append(column_of(fields))
            elif kind in _GIVING:
                given |= _given(fields)
                alone = alone and kind in _OPEN and (kind != "RangeFunction" or _is_plain(fields))
        ours = [column for column in found if column.origin and self.is_target(column)]
        return ours + [column for column in found if alone and not column.origin and column.name not in given]

    def reads_whole(self, query: Node, seen: frozenset[str] = frozenset()) -> bool:
        """True if ``query`` may yield all of the target's rows: it reads the table with no restriction of its own."""
        self.trail.spend()
        body = query.get("SelectStmt")
        if body is None:  # a CTE that changes rows and returns them
            return any(fields.get("relation", {}).get("relname") == self.table[1] for fields in query.values())
        if "larg" in body:
            arms = ({"SelectStmt": body[arm]} for arm in ("larg", "rarg"))
            return any(self.reads_whole(arm, seen) for arm in arms)
        if "limitCount" in body and body.get("limitOption") != "LIMIT_OPTION_WITH_TIES":
            self.trail.looked(body["limitCount"])
            if limits(body["limitCount"]):
                return False
        items = body.get("fromClause", [])
        for _, kind, member in tables(items):
            name = member.get("relname", "")
            if kind == "RangeVar" and not member.get("schemaname") and name in self.queries:
                if name in seen or self.reads_whole(self.queries.get(name) or {}, seen | {name}):
                    return not self._inner(body, member, items)
            elif kind == "RangeSubselect":
                if self.reads_whole(member.get("subquery", {}), seen):
                    return not self._inner(body, member, items)
            elif kind == "RangeVar" and name == self.table[1] and not self._inner(body, member, items):
                return True
        return False

    def _inner(self, body: Node, member: Node, items: list[Node]) -> bool:
        """Does the sub-select's own WHERE restrict ``member`` of its FROM?"""
        conditions = [one for one in (body.get("whereClause"), *ties(items, member)) if one]
        return any(restriction(one, member, others(items, member), trail=self.trail).effective for one in conditions)


_OPEN: Final = frozenset({"RangeSubselect", "RangeFunction", "JoinExpr"})
_GIVING: Final = _OPEN | {"RangeVar", "RangeTableFunc", "JsonTable", "RangeTableSample"}


def _given(item: Node) -> set[str]:
    """The names that a FROM item says it gives."""
    alias = item.get("alias", {})
    defined = [column.get("ColumnDef", {}).get("colname", "") for column in item.get("coldeflist", ())]
    return {alias.get("aliasname", ""), *strings(alias.get("colnames")), *defined}


def _is_plain(item: Node) -> bool:
    """A function in FROM whose columns are all named there, so that it gives no others."""
    if item.get("coldeflist") or item.get("alias", {}).get("colnames"):
        return True
    names = [strings(fields.get("funcname"))[-1:] for kind, fields in nodes(item) if kind == "FuncCall"]
    return names[:1] in ([["unnest"]], [["generate_series"]])


# -- one function a kind of node


def _bool_expr(judge: Judge, body: Node, negated: bool) -> bool:
    arguments = body.get("args", [])
    if body.get("boolop") == "NOT_EXPR":
        return judge.restricts(arguments[0], not negated)
    conjunction = (body.get("boolop") == "AND_EXPR") is not negated
    answers = [judge.restricts(argument, negated) for argument in arguments]
    return any(answers) if conjunction else all(answers) and not one_is_true(judge.trail, arguments, negated)


def _column(judge: Judge, body: Node, negated: bool) -> bool:
    named = column_of(body)
    return judge.is_target(named) and named.name != "*"


def _null_test(judge: Judge, body: Node, negated: bool) -> bool:
    """``x IS NULL`` restricts. ``x IS NOT NULL`` holds for every row where x is a key: in doubt it does not."""
    is_null_test = (body.get("nulltesttype") == "IS_NULL") is not negated
    argument = body.get("arg", {})
    fields = constant(argument)
    if fields is not None:
        return text_of(fields) == HOPE or ("isnull" in fields) is not is_null_test
    if "ColumnRef" not in argument:
        judge.trail.parameter = judge.trail.parameter or unknown_parameter(argument)
        return False
    return is_null_test and _column(judge, argument["ColumnRef"], False)


def _boolean_test(judge: Judge, body: Node, negated: bool) -> bool:
    test = body.get("booltesttype", "")
    argument = body.get("arg", {})
    if test == "IS_TRUE" or test == "IS_FALSE":
        return judge.restricts(argument, negated is not (test == "IS_FALSE"))
    unknown = test == ("IS_NOT_UNKNOWN" if negated else "IS_UNKNOWN")
    plain = "ColumnRef" in argument and _column(judge, argument["ColumnRef"], False)
    return plain and (unknown or not test.endswith("UNKNOWN"))


def _constant(judge: Judge, body: Node, negated: bool) -> bool:
    """``OR false`` lets nothing through, and ``AND false`` neither."""
    said = truth({"A_Const": body})
    if "sval" in body or "ival" in body:
        judge.trail.literal = True
    if said is None:
        return False
    return "isnull" in body or text_of(body) == HOPE or said is negated


def _parameter(judge: Judge, body: Node, negated: bool) -> bool:
    judge.trail.parameter = True
    raw = body.get("raw")
    return raw is not None and len(raw) == 1 and (raw != b"\0") is negated


def _sublink(judge: Judge, body: Node, negated: bool) -> bool:
    query = body.get("subselect", {})
    kind = body.get("subLinkType")
    if kind == "EXISTS_SUBLINK":
        return _exists(judge, query.get("SelectStmt", {}))
    if kind != "ANY_SUBLINK" or judge.reads_whole(query):
        return False
    select = query.get("SelectStmt", {})
    if not (select.get("fromClause") or "larg" in select or "valuesLists" in select):
        return False
    tested = side(body.get("testexpr", {}))
    return judge.independent(tested, Side(columns=judge.correlated(query)))


def _exists(judge: Judge, select: Node) -> bool:
    """EXISTS restricts if the sub-select's own condition ties it to the target's row, by a qualified column."""
    items = select.get("fromClause", [])
    if not items or "larg" in select:
        return False
    inner = judge.beside(items)
    conditions = [select.get("whereClause")]
    conditions += [body.get("quals") for kind, body in nodes(items) if kind == "JoinExpr"]
    return any(inner.restricts(condition, False) for condition in conditions)


def _call(judge: Judge, body: Node, negated: bool) -> bool:
    arguments = body.get("args", [])
    name = "".join(strings(body.get("funcname"))[-1:])
    if name not in _PREDICATES or len(arguments) < 2:
        return False
    judge.trail.looked(arguments[1])
    if not negated and keeps_all(_PREDICATES[name], "AEXPR_OP", arguments[1]):
        return False
    return judge.independent(side(arguments[0]), side(arguments[1:]))


def _wrapped(judge: Judge, body: Node, negated: bool) -> bool:
    return judge.restricts(body.get("arg"), negated)


def _current_of(judge: Judge, body: Node, negated: bool) -> bool:
    return not negated


_TESTS: Final[dict[str, Callable[[Judge, Node, bool], bool]]] = {
    "A_Const": _constant,
    "A_Expr": compared,
    "BoolExpr": _bool_expr,
    "BooleanTest": _boolean_test,
    "CollateClause": _wrapped,
    "ColumnRef": _column,
    "CurrentOfExpr": _current_of,
    "FuncCall": _call,
    "NullTest": _null_test,
    "ParamRef": _parameter,
    "SubLink": _sublink,
    "TypeCast": _wrapped,
}
