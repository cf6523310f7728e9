"""FROM lists: tables, sub-selects, functions and joins become the entries of a scope.

Source: PostgreSQL's ``parser/parse_clause.c`` (transformFromClauseItem, extractRemainingColumns, buildMergedJoinVar).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, evolve, field

from hoopgate.catalogue.exposure import Exposed
from hoopgate.catalogue.snapshot import Function
from hoopgate.policy.lineage.calls import strings
from hoopgate.policy.lineage.expressions import Expressions
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.relations import Source, item_of, name_of
from hoopgate.policy.lineage.results import SourceRead
from hoopgate.policy.lineage.scope import At, Item, Level
from hoopgate.policy.lineage.values import CLEAR, Column, Node, Taint, Value, computed, either, taints_of

_RECORD: Final = 2249  # needs a column definition list, or tells its columns by OUT parameters


@define(eq=False)
class FromClause(Expressions):
    """Adds the reading of FROM lists. ``reads``: relations that are to be read through their masked form."""

    reads: list[SourceRead] = field(factory=list)
    read_here: bool = True
    """Whether the FROM lists stand in the message's own text, so that they can be spelled anew."""

    def from_list(self, nodes: Sequence[Node], at: At) -> None:
        """Put the entries of a FROM list into the scope."""
        for node in nodes:
            at.level.items += self._from(node, at)

    def target(self, range_var: Node, *, name: str | None = None) -> tuple[Item, tuple[Source, ...]]:
        """The relation that a statement writes: never a WITH query, and never its masked form."""
        sources = self.relations.find(range_var, write=True)
        self.scrub = True
        item = item_of(range_var, sources)
        return (item if name is None else evolve(item, name=name)), sources

    def _from(self, node: Node, at: At) -> list[Item]:
        """The entries that come into sight with one item."""
        (kind, value), *more = node.items()
        read = _FROM.get(kind)
        if read is None or more:
            raise refuse(f"the gateway does not know {kind} in FROM", "unknown")
        return read(self, value, at)

    def _range_var(self, node: Node, at: At) -> list[Item]:
        schema, name = name_of(node)
        if schema is None and name in at.ctes:
            return [at.ctes[name].as_item(_alias(node) or name, _names(node))]
        sources = self.relations.find(node)
        for source in sources:
            for probed in source.probes:
                self.probe([Taint(probed.mask, probed.column)], narrow=probed.narrow)
            if any(each.read_masked for each in sources):  # of several, the statement has to say which
                self.reads.append(SourceRead(int(node.get("location", 0)) if self.read_here else -1, source.oid))
        return [item_of(node, sources, masked_form=True)]

    def _sub_select(self, node: Node, at: At) -> list[Item]:
        # Only a lateral one sees what stands before it; another sees the enclosing queries alone.
        scope = at.level if node.get("lateral") else at.level.parent or Level()
        rows = self.query(node["subquery"], At(scope, at.ctes))
        return [_hidden_if_unnamed(rows.as_item(_alias(node), _names(node)), node)]

    def _function(self, node: Node, at: At) -> list[Item]:
        columns: list[Column] = []
        rest: Value | None = None
        parts = [part["List"]["items"] for part in node.get("functions", ())]
        first = ""
        for function, *definitions in parts:
            value = computed([self.value(function, at)])
            names = strings(function.get("FuncCall", {}).get("funcname", ()))
            exposed = self._exposed(function, names)
            if exposed is None:
                self.probe(value.taints)  # how many rows it gives
            first = first or (names[-1] if names else next(iter(function), "").lower())
            known = _defined([*definitions, node.get("coldeflist", [])])
            made = [Column(name, value) for name in known] if known else None
            if made is None:
                made = self._columns_of(function, names, value, _alias(node) if len(parts) == 1 else "")
                if made is not None and exposed is not None:
                    made = _covered(made, exposed)
            columns += made or []
            if made is None or (value.taints and not known and exposed is None):
                rest = either([value, *([rest] if rest is not None else [])])
        if node.get("ordinality"):
            columns.append(Column("ordinality", CLEAR))
        return [Item("", tuple(columns), rest).renamed(_alias(node) or first, _names(node))]

    def _exposed(self, function: Node, names: Sequence[str]) -> tuple[Function, Exposed] | None:
        """What a user's function shows by itself, where it is given nothing but constants; None if not just that."""
        arguments = function.get("FuncCall", {}).get("args", ())
        found = self.calls.functions(names) if names else ()
        if len(found) != 1 or found[0].system or any(not {"A_Const", "ParamRef"} & set(each) for each in arguments):
            return None
        return found[0], self.relations.index.function(found[0].oid)

    def _columns_of(self, function: Node, names: Sequence[str], value: Value, alias: str) -> list[Column] | None:
        """A function's columns; None if they are not known."""
        if "FuncCall" not in function:
            return [Column(alias or next(iter(function)).lower(), value)]
        given = len(function["FuncCall"].get("args", ()))
        if names[-1] == "unnest":
            return [Column(alias or "unnest", value)] * given
        found = self.calls.functions(names)
        fitting = [each for each in found if len(each.parameters) == given] or found
        shapes = [self._shape(each, alias or names[-1]) for each in fitting]
        first = shapes[0] if shapes else None
        if first is None or any(each is None or [*each] != [*first] for each in shapes):
            return None
        return [Column(name, evolve(value, type_oid=kind if len(shapes) == 1 else 0)) for name, kind in first.items()]

    def _shape(self, function: Function, name: str) -> dict[str, int] | None:
        """Names and types of the columns that a function gives."""
        snapshot = self.relations.index.snapshot
        if function.columns:
            return {column.name: column.type_oid for column in function.columns}
        if function.returns == _RECORD:
            return None
        row = snapshot.relations.get(snapshot.row_of(function.returns))
        if row is not None:
            return {column.name: column.type_oid for column in row.columns}
        return {name: function.returns}

    def _table_function(self, node: Node, at: At) -> list[Item]:
        """XMLTABLE and JSON_TABLE."""
        value = self.value({key: each for key, each in node.items() if key != "alias"}, at)
        self.probe(value.taints)
        names = _table_columns(node.get("columns", ()))
        item = Item("", tuple(Column(name, value) for name in names))
        return [item.renamed(_alias(node) or ("json_table" if "context_item" in node else "xmltable"), _names(node))]

    def _sample(self, node: Node, at: At) -> list[Item]:
        self.order([node.get("args"), node.get("repeatable")], at)
        return self._from(node["relation"], at)

    def _join(self, node: Node, at: At) -> list[Item]:
        left = self._from(node["larg"], at)
        right = self._from(node["rarg"], At(Level(at.level.parent, [*at.level.items, *left]), at.ctes, at.windows))
        items = [*left, *right]
        names = self._merged_names(node, left, right)
        joined = self._joined(node, _visible(left), _visible(right), names)
        self.condition(node.get("quals"), At(Level(at.level.parent, items), at.ctes, at.windows))
        for item in items:
            item.by_column = False
        merged_alias = node.get("join_using_alias", {}).get("aliasname")
        alias = _alias(node)
        if alias:
            return [joined.renamed(alias, _names(node))]
        joined.by_table = False
        if merged_alias:
            merged = joined.columns[: len(names)] if names is not None else ()
            items.append(Item(merged_alias, merged, joined.rest, by_column=False))
        return [*items, joined]

    def _merged_names(self, node: Node, left: Sequence[Item], right: Sequence[Item]) -> list[str] | None:
        """The columns that USING or NATURAL merges; None if not known."""
        if not node.get("isNatural"):
            return strings(node.get("usingClause", ()))
        one, other = _visible(left), _visible(right)
        if one.rest is not None or other.rest is not None:
            return None
        return [column.name for column in one.columns if other.surely_has(column.name)]

    def _joined(self, node: Node, left: Item, right: Item, names: list[str] | None) -> Item:
        """All columns of a join: those merged, then what is left of both sides."""
        rests = [item.rest for item in (left, right) if item.rest is not None]
        rest = either(rests) if rests else None
        if names is None:
            # Whatever is named alike is compared.
            values = [column.value for item in (left, right) for column in item.columns]
            self.probe(taints_of([*values, *rests]))
            both = [*left.columns, *right.columns]
            return Item("", tuple(both), either([*values, *rests]), unordered=True)
        merged: list[Column] = []
        for name in names:
            one, other = (side.find(name) or self._nowhere(name) for side in (left, right))
            self.probe(taints_of([one, other]))
            merged.append(Column(name, _merge(str(node.get("jointype", "")), one, other)))
        kept = [column for item in (left, right) for column in item.columns if column.name not in names]
        return Item("", (*merged, *kept), rest, unordered=left.unordered or right.unordered)


def _covered(columns: Sequence[Column], exposed: tuple[Function, Exposed]) -> list[Column]:
    """A function's columns with what covers each."""
    function, shown = exposed
    made: list[Column] = []
    for number, column in enumerate(columns):
        covered = shown.at(number + 1)
        taints = () if covered is None else (Taint(covered.mask, f"{function}()"),)
        made.append(Column(column.name, evolve(column.value, taints=taints)))
    return made


def _merge(kind: str, left: Value, right: Value) -> Value:
    """The value of a merged column. Which side an inner join shows depends on whether one has to be cast."""
    if kind == "JOIN_FULL":
        return Value(taints_of([left, right]))
    shown = right if kind == "JOIN_RIGHT" else left
    if left.type_oid and left.type_oid == right.type_oid and shown.type_oid not in _MODIFIED:
        return shown
    if kind == "JOIN_INNER":
        origins = tuple(origin for side in (left, right) for origin in side.perhaps().others)
        return Value(taints_of([left, right]), plain=True, others=origins)
    return shown.perhaps()


_MODIFIED: Final = frozenset({1042, 1043, 1700, 1560, 1562, 1083, 1114, 1184, 1266, 1186})
"""Types whose columns may differ in a length or precision: bpchar, varchar, numeric, bits, times, interval."""


def _visible(items: Sequence[Item]) -> Item:
    """The columns that ``*`` would show of these entries."""
    shown = [item for item in items if item.by_column]
    rests = [item.rest for item in shown if item.rest is not None]
    columns = tuple(column for item in shown for column in item.columns)
    return Item("", columns, either(rests) if rests else None, any(item.unordered for item in shown))


def _hidden_if_unnamed(item: Item, node: Node) -> Item:
    item.by_table = bool(_alias(node))
    return item


def _alias(node: Node) -> str:
    return str(node.get("alias", {}).get("aliasname", ""))


def _names(node: Node) -> list[str]:
    return strings(node.get("alias", {}).get("colnames", ()))


def _defined(nodes: Any) -> list[str]:
    """Names of a column definition list, wherever in these nodes it stands."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, list):
            found += _defined(node)
        elif "List" in node:
            found += _defined(node["List"].get("items", ()))
        elif "ColumnDef" in node:
            found.append(node["ColumnDef"].get("colname", ""))
    return found


def _table_columns(nodes: Sequence[Node]) -> list[str]:
    found: list[str] = []
    for node in nodes:
        ((_, column),) = node.items()
        if "columns" in column:
            found += _table_columns(column["columns"])
        else:
            found.append(column.get("colname") or column.get("name", ""))
    return found


_FROM: dict[str, Callable[[FromClause, Node, At], list[Item]]] = {
    "RangeVar": FromClause._range_var,
    "RangeSubselect": FromClause._sub_select,
    "RangeFunction": FromClause._function,
    "RangeTableFunc": FromClause._table_function,
    "JsonTable": FromClause._table_function,
    "RangeTableSample": FromClause._sample,
    "JoinExpr": FromClause._join,
}
