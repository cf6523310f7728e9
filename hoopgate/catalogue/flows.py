"""Of what a stored query is made: the columns, aggregates and functions behind each output, and behind its conditions.

Works on the tree of an analysed Query (PostgreSQL source, ``nodes/parsenodes.h`` and ``primnodes.h``, versions 13 to
18), where each name is resolved: VAR is a column of the range table ``varlevelsup`` levels out. What cannot be followed
makes the query opaque, never harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import define, field

from hoopgate.catalogue.nodetree import Malformed, Node
from hoopgate.catalogue.snapshot import WHOLE_ROW, ColumnKey, Flow

# RTEKind
_RELATION, _SUBQUERY, _JOIN, _FUNCTION, _TABLE_FUNCTION, _VALUES, _CTE, _RESULT, _GROUP = (
    *("0", "1", "2", "3", "4", "5", "6", "8", "9"),
)
_SELECT: Final = "1"  # CmdType
_UNION: Final = "1"  # SetOperation
_SCALAR, _ARRAY = "4", "6"  # SubLinkType; the others compare
_CALLS: Final = ("funcid", "opfuncid", "aggfnoid", "winfnoid")
_ROW_CONDITIONS: Final = ("jointree", "havingQual", "limitOffset", "limitCount", "mergeJoinCondition")
_MOST_STEPS: Final = 2_000_000
"""Nodes and merged columns of one rule; more make it opaque."""


@define(eq=False)
class Made:
    """A :class:`Flow` that still grows."""

    origin: ColumnKey | None = None
    used: set[ColumnKey] = field(factory=set)
    aggregated: set[tuple[ColumnKey, int]] = field(factory=set)
    functions: set[int] = field(factory=set)

    def add(self, other: Made) -> None:
        self.used |= other.used
        self.aggregated |= other.aggregated
        self.functions |= other.functions

    def flow(self) -> Flow:
        # What is shown as it is was noted as used on the way there.
        used = frozenset() if self.origin is not None else frozenset(self.used)
        return Flow(self.origin, used, frozenset(self.aggregated), frozenset(self.functions))


@define(eq=False)
class Result:
    """Of one Query: outputs by resno; ``narrow``: what its conditions look at, ``wide``: what its order does."""

    outputs: dict[int, Made] = field(factory=dict)
    narrow: Made = field(factory=Made)
    wide: Made = field(factory=Made)
    recursive: Made | None = None

    def output(self, number: int) -> Made:
        if self.recursive is not None:
            return self.recursive
        if number not in self.outputs:
            raise Malformed("a column that a query has not")
        return self.outputs[number]

    def all(self) -> Made:
        made = Made()
        for each in (self.recursive,) if self.recursive is not None else self.outputs.values():
            made.add(each)
        return made


@define(eq=False)
class Level:
    """A Query and those around it."""

    query: Node
    outer: Level | None
    result: Result
    tables: list[Any] = field(init=False)
    sorts: dict[str, Node] = field(init=False)  # targets by ressortgroupref

    def __attrs_post_init__(self) -> None:
        self.tables = self.query.items("rtable")
        targets = [entry for entry in self.query.items("targetList") if isinstance(entry, Node)]
        self.sorts = {ref: entry for entry in targets if (ref := entry.word("ressortgroupref")) not in ("", "0")}

    def up(self, levels: int) -> Level:
        level: Level | None = self
        for _ in range(levels):
            level = None if level is None else level.outer
        if level is None:
            raise Malformed("a column of no query")
        return level

    def table(self, number: int) -> Node:
        if not 1 <= number <= len(self.tables) or not isinstance(self.tables[number - 1], Node):
            raise Malformed("a column of no table")
        found: Node = self.tables[number - 1]
        return found


class Analysis:
    """Follows one rule. Each Query is looked at once; VARs of it are then answered from what was found."""

    def __init__(self) -> None:
        self._results: dict[int, Result | None] = {}  # by the Query's identity; None while under way
        self._steps = 0
        self.writes = False
        self.tables: set[int] = set()

    def query(self, query: Node, outer: Level | None) -> Result:
        known = self._results.get(id(query))
        if known is not None:
            return known
        if id(query) in self._results:
            raise Malformed("a query that contains itself")
        self._results[id(query)] = None
        result = Result()
        level = Level(query, outer, result)
        self._conditions(level, result)
        self._tables(level, result)
        self._outputs(level, result)
        self._results[id(query)] = result
        return result

    # --- the parts of a Query

    def _outputs(self, level: Level, result: Result) -> None:
        query = level.query
        operations = query.node("setOperations")
        leaves = self._leaves(operations, level, result) if operations is not None else []
        select = query.word("commandType") == _SELECT
        for entry in _nodes(query.items("targetList" if select else "returningList")):
            if entry.word("resjunk") != "false":
                continue
            number = entry.integer("resno")
            if leaves:
                made = Made()
                for leaf in leaves:
                    made.add(leaf.output(number))
            else:
                made = self.expression(entry.fields.get("expr", []), level)
                made.origin = self._origin(entry.fields.get("expr", [None])[0], level)
            result.outputs[number] = made
        if not select:
            self.writes = True
            for name in ("targetList", "onConflict", "mergeActionList"):
                result.narrow.add(self.expression(query.fields.get(name, []), level))
        elif query.word("hasTargetSRFs") == "true":  # they make rows
            result.narrow.add(result.all())

    def _leaves(self, operations: Node, level: Level, result: Result) -> list[Result]:
        leaves: list[Result] = []
        distinct = False
        pending = [operations]
        while pending:
            node = pending.pop()
            if node.kind == "RANGETBLREF":
                leaves.append(self._subquery(level.table(node.integer("rtindex")), level))
            elif node.kind == "SETOPERATIONSTMT":
                distinct |= node.word("op") != _UNION or node.word("all") != "true"
                pending += _nodes([node.fields.get(side, [None])[0] for side in ("rarg", "larg")])
            else:
                raise Malformed("set operations")
        for leaf in leaves if distinct else ():
            result.narrow.add(leaf.all())
        return leaves

    def _conditions(self, level: Level, result: Result) -> None:
        query = level.query
        for name in _ROW_CONDITIONS:
            result.narrow.add(self.expression(query.fields.get(name, []), level))
        for name in ("groupClause", "distinctClause"):
            result.narrow.add(self._sorted(query.items(name), level))
        for clause in _nodes(query.items("groupingSets")):
            result.narrow.add(self.expression([clause], level))
        result.wide.add(self._sorted(query.items("sortClause"), level))

    def _sorted(self, clauses: Iterable[Any], level: Level) -> Made:
        """The targets that these SORTGROUPCLAUSEs refer to."""
        made = Made()
        for clause in _nodes(clauses):
            target = level.sorts.get(clause.word("tleSortGroupRef"))
            if target is None:
                raise Malformed("an order by nothing")
            made.add(self.expression(target.fields.get("expr", []), level))
        return made

    def _tables(self, level: Level, result: Result) -> None:
        """What stands in FROM and WITH decides which rows there are, used or not."""
        for table in _nodes(level.tables):
            kind = table.word("rtekind")
            if kind == _SUBQUERY:
                self._rows(self._subquery(table, level), result)
            elif kind in (_FUNCTION, _TABLE_FUNCTION):
                result.narrow.add(self.expression(list(table.fields.values()), level))
            elif kind == _RELATION:
                self.tables.add(table.integer("relid"))
            elif kind not in (_JOIN, _VALUES, _CTE, _RESULT, _GROUP):
                raise Malformed(f"a range table entry of kind {kind}")
            for name in ("tablesample", "securityQuals"):
                result.narrow.add(self.expression(table.fields.get(name, []), level))
        for entry in _nodes(level.query.items("cteList")):
            self._rows(self._cte(entry, level), result)

    @staticmethod
    def _rows(inner: Result, result: Result) -> None:
        result.narrow.add(inner.narrow)
        result.wide.add(inner.wide)

    def _subquery(self, table: Node, level: Level) -> Result:
        query = table.node("subquery")
        if query is None:
            raise Malformed("a sub-select without a query")
        return self.query(query, level)

    def _cte(self, entry: Node, level: Level) -> Result:
        query = entry.node("ctequery")
        if query is None:
            raise Malformed("WITH without a query")
        if entry.word("cterecursive") != "true":
            return self.query(query, level)
        if id(entry) not in self._results:
            # Its own rows come in again, so each column may hold what any part of it reads.
            self._results[id(entry)] = Result(recursive=Made())
            made = _whole(self.query(query, level))
            self._results[id(entry)] = Result(recursive=made, narrow=made)
        known = self._results[id(entry)]
        if known is None:
            raise Malformed("WITH RECURSIVE")
        return known

    # --- expressions

    def expression(self, values: list[Any], level: Level) -> Made:
        """All that a value, or the rows of a part, depend on."""
        made = Made()
        pending = list(values)
        while pending:
            self._step()
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, Node):
                pending += self._node(value, level, made)
        return made

    def _node(self, node: Node, level: Level, made: Made) -> list[Any]:
        """Note what this node itself brings; the rest of it is returned."""
        kind = node.kind
        if kind == "VAR":
            return self._variable(node, level, made)
        if kind == "QUERY":
            made.add(_whole(self.query(node, level)))
            return []
        if kind == "SUBLINK":
            return self._sublink(node, level, made)
        made.functions.update(number for name in _CALLS if (number := _oid(node, name)))
        if kind == "AGGREF":
            return self._aggregate(node, level, made)
        if kind == "WINDOWFUNC":
            made.add(self._window(node, level))
        elif kind == "GROUPINGFUNC":
            return []
        return list(node.fields.values())

    def _sublink(self, node: Node, level: Level, made: Made) -> list[Any]:
        query = node.node("subselect")
        if query is None:
            raise Malformed("a sub-select without a query")
        result = self.query(query, level)
        if node.word("subLinkType") in (_SCALAR, _ARRAY) and not result.wide.used:
            made.add(result.all())
            level.result.narrow.add(result.narrow)  # which row it finds: as much as conditions around it tell
        else:
            made.add(_whole(result))
        return node.fields.get("testexpr", [])

    def _aggregate(self, node: Node, level: Level, made: Made) -> list[Any]:
        """Plain columns as arguments are noted with the aggregate, since a mask may allow it."""
        name = node.integer("aggfnoid")
        for entry in _nodes(node.items("args")):
            argument = entry.fields.get("expr", [None])[0]
            inner = self.expression([argument], level)
            if isinstance(argument, Node) and argument.kind == "VAR":
                made.aggregated.update((key, name) for key in inner.used)
                made.aggregated |= inner.aggregated
                made.functions |= inner.functions
            else:
                made.add(inner)
        return [values for field_, values in node.fields.items() if field_ != "args"]

    def _window(self, node: Node, level: Level) -> Made:
        made = Made()
        for clause in _nodes(level.query.items("windowClause")):
            if clause.word("winref") == node.word("winref"):
                made.add(self._sorted(clause.items("partitionClause"), level))
                made.add(self._sorted(clause.items("orderClause"), level))
                made.add(self.expression([clause.fields.get(each, []) for each in ("startOffset", "endOffset")], level))
        return made

    def _variable(self, variable: Node, level: Level, made: Made) -> list[Any]:
        level = level.up(variable.integer("varlevelsup"))
        table, attnum = level.table(variable.integer("varno")), variable.integer("varattno")
        kind = table.word("rtekind")
        if kind == _RELATION:
            made.used.add((table.integer("relid"), attnum))
        elif kind in (_SUBQUERY, _CTE):
            result = self._subquery(table, level) if kind == _SUBQUERY else self._named(table, level)
            found = result.all() if attnum == WHOLE_ROW else result.output(attnum)
            self._step(len(found.used))
            made.add(found)
        elif kind in (_JOIN, _GROUP):
            made.add(self.expression(_columns(table, attnum), level))
        elif kind == _VALUES:
            for row in table.items("values_lists"):
                made.add(self.expression(row if attnum == WHOLE_ROW else row[attnum - 1 : attnum], level))
        elif kind in (_FUNCTION, _TABLE_FUNCTION):
            made.add(self.expression(list(table.fields.values()), level))
        elif kind != _RESULT:
            raise Malformed(f"a range table entry of kind {kind}")
        return []

    def _named(self, table: Node, level: Level) -> Result:
        """The WITH query that this entry of the range table names."""
        level = level.up(table.integer("ctelevelsup"))
        for entry in _nodes(level.query.items("cteList")):
            if entry.word("ctename") == table.word("ctename"):
                return self._cte(entry, level)
        raise Malformed("a WITH query that is not there")

    def _origin(self, expression: Any, level: Level) -> ColumnKey | None:
        """The column that an expression shows unchanged."""
        if not isinstance(expression, Node) or expression.kind != "VAR":
            return None
        level = level.up(expression.integer("varlevelsup"))
        table, attnum = level.table(expression.integer("varno")), expression.integer("varattno")
        kind = table.word("rtekind")
        if attnum <= WHOLE_ROW:
            return None
        if kind == _RELATION:
            return table.integer("relid"), attnum
        if kind in (_SUBQUERY, _CTE):
            result = self._subquery(table, level) if kind == _SUBQUERY else self._named(table, level)
            return result.output(attnum).origin
        if kind in (_JOIN, _GROUP):
            return self._origin(next(iter(_columns(table, attnum)), None), level)
        return None

    def _step(self, number: int = 1) -> None:
        self._steps += number
        if self._steps > _MOST_STEPS:
            raise Malformed("a query that is too large")


def _whole(result: Result) -> Made:
    made = result.all()
    made.add(result.narrow)
    made.add(result.wide)
    return made


def _nodes(values: Iterable[Any]) -> Iterator[Node]:
    for value in values:
        if not isinstance(value, Node):
            raise Malformed("a list of nodes")
        yield value


def _columns(table: Node, attnum: int) -> list[Any]:
    """What a column of a join, or of a grouping, stands for; WHOLE_ROW for all of them."""
    columns = table.items("joinaliasvars" if table.word("rtekind") == _JOIN else "groupexprs")
    if attnum == WHOLE_ROW:
        return columns
    if not 1 <= attnum <= len(columns):
        raise Malformed("a column that a join has not")
    return columns[attnum - 1 : attnum]


def _oid(node: Node, name: str) -> int:
    return node.integer(name) if name in node.fields else 0
