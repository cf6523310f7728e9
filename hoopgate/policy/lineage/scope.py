"""Scopes: what a query's FROM list offers, and what a name means in it, as PostgreSQL finds it.

Source: ``parser/parse_relation.c`` (scanNSItemForColumn, colNameToVar, refnameNamespaceItem) and
``parser/parse_expr.c`` (transformColumnRef). A level that knows the name ends the search. Where not all columns of an
entry are known, whatever the name may mean counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import define, evolve, field, frozen

from hoopgate.catalogue.snapshot import WHOLE_ROW
from hoopgate.policy.lineage.values import Column, Node, Value, computed, either, row_of

SYSTEM_COLUMNS: Final = {"ctid": -1, "xmin": -2, "cmin": -3, "xmax": -4, "cmax": -5, "tableoid": -6}


@define(eq=False)
class Item:
    """One entry of a FROM list (PostgreSQL's ParseNamespaceItem).

    ``rest`` is the value of columns beside ``columns`` of which nobody knows; None: there are none. ``unordered``: in
    which order they come is not known. ``schema`` is that of a table without an alias. ``oid`` is 0 for what is no
    relation, or not surely this one. ``by_table``: names that begin with the entry's reach it; ``by_column``: bare
    ones do.
    """

    name: str
    columns: tuple[Column, ...] = ()
    rest: Value | None = None
    unordered: bool = False
    schema: str | None = None
    oid: int = 0
    by_table: bool = True
    by_column: bool = True

    def find(self, name: str) -> Value | None:
        """The column of that name; None if there surely is none."""
        found = [column.value for column in self.columns if column.name == name]
        if found:
            return either(found)
        if self.rest is not None:
            return self.rest
        if self.oid and name in SYSTEM_COLUMNS:
            return Value(plain=True, origin=(self.oid, SYSTEM_COLUMNS[name]))
        return None

    def surely_has(self, name: str) -> bool:
        return any(column.name == name for column in self.columns)

    def row(self) -> Value:
        """The entry as a whole row."""
        if self.rest is not None:
            return computed([*(column.value for column in self.columns), self.rest])
        whole = row_of(self.columns, (self.oid, WHOLE_ROW) if self.oid else None)
        return evolve(whole, fields=None) if self.unordered else whole

    def renamed(self, name: str, columns: Sequence[str]) -> Item:
        """Under an alias, whose column list names the first columns anew."""
        made = tuple(
            Column(columns[at], column.value) if at < len(columns) else column for at, column in enumerate(self.columns)
        )
        rest = self.rest
        if (rest is not None or self.unordered) and columns:
            # Which columns are meant is not known.
            rest = self.row()
            made = tuple(Column(each, rest) for each in columns)
        return evolve(self, name=name, columns=made, rest=rest, schema=None)


@define(eq=False)
class Level:
    """One query's FROM list inside those of the enclosing queries."""

    parent: Level | None = None
    items: list[Item] = field(factory=list)

    def levels(self) -> Iterator[Level]:
        level: Level | None = self
        while level is not None:
            yield level
            level = level.parent

    def bare(self, name: str) -> Value | None:
        """The column that a name alone means; None if there is none."""
        unsure: list[Value] = []
        for level in self.levels():
            visible = [item for item in level.items if item.by_column]
            sure = [value for item in visible if item.rest is None and (value := item.find(name)) is not None]
            sure += [value for item in visible if item.rest is not None and item.surely_has(name)
                     and (value := item.find(name)) is not None]  # fmt: skip
            if sure:
                return _one_of([*unsure, *sure])
            unsure += [item.rest for item in visible if item.rest is not None]
        return _one_of(unsure) if unsure else None

    def own_column(self, name: str) -> bool:
        """Whether this level itself may have such a column."""
        return any(item.by_column and item.find(name) is not None for item in self.items)

    def table(self, name: str, schema: str | None = None) -> Item | None:
        """The entry of that name."""
        for level in self.levels():
            for item in level.items:
                if item.by_table and item.name == name and (schema is None or _in_schema(item, schema)):
                    return item
        return None


def _one_of(values: Sequence[Value]) -> Value:
    """One, or where it may be several: made of any, with all their origins."""
    if len(values) == 1:
        return values[0]
    origins = tuple(dict.fromkeys(value.origin for value in values if value.origin is not None))
    return evolve(either(values), others=origins, constants=None)


def _in_schema(item: Item, schema: str) -> bool:
    if item.schema is None:
        return False
    return item.schema == schema or (schema == "pg_temp" and item.schema.startswith("pg_temp_"))


def names_in(reference: Node) -> tuple[list[str], bool]:
    """The names of a ColumnRef, and whether a star ends it."""
    names: list[str] = []
    star = False
    for part in reference.get("fields", ()):
        if "String" in part:
            names.append(part["String"].get("sval", ""))
        else:
            star = True
    return names, star


@frozen(eq=False)
class Rows:
    """What a query gives: its columns, and ``rest`` where a star stands for columns that are not known."""

    columns: tuple[Column, ...] = ()
    rest: Value | None = None

    @property
    def every(self) -> tuple[Value, ...]:
        values = tuple(column.value for column in self.columns)
        return values if self.rest is None else (*values, self.rest)

    def as_item(self, name: str, columns: Sequence[str] = ()) -> Item:
        return Item(name, self.columns, self.rest).renamed(name, columns)


@frozen(eq=False)
class At:
    """Where a walk is: the scope, the WITH queries in sight, and the query's named windows."""

    level: Level = field(factory=Level)
    ctes: Mapping[str, Rows] = field(factory=dict)
    windows: Mapping[str, Node] = field(factory=dict)
