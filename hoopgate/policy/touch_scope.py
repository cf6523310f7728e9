"""Scopes of a query: what its FROM list offers, and whether a column reference may mean a masked column.

In doubt it may. Names are looked for as PostgreSQL does (source, ``parser/parse_relation.c``), level by level, but only
an alias that is found ends the search.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import define, field, frozen

from hoopgate.config.model import Mask
from hoopgate.policy.touch_sources import Source

Node = dict[str, Any]


@frozen
class Mention:
    """A reference that reaches masked values.

    ``what`` is column, row, star, or call: a whole row, if there is a function of the name, since PostgreSQL reads
    ``c.f`` as f(c) where c has no column f (source, ``parser/parse_func.c``).
    """

    mask: Mask
    label: str
    what: str

    def __str__(self) -> str:
        if self.what == "column":
            return f"column {self.label}"
        return f"* of {self.label}" if self.what == "star" else f"a whole row of {self.label}"


@define(eq=False)
class Item:
    """One entry of a FROM list. ``sources`` is empty for what only shows clear values (subqueries, functions).

    ``members`` are the entries under a join's alias. ``schema`` is set for a table without an alias.
    """

    name: str = ""
    sources: tuple[Source, ...] = ()
    members: tuple[Item, ...] = ()
    schema: str | None = None
    range_var: Node | None = None

    def every_source(self) -> Iterator[Source]:
        yield from self.sources
        for member in self.members:
            yield from member.every_source()

    def mask_of(self, column: str) -> tuple[Mask, str] | None:
        for source in self.every_source():
            mask = source.mask_of(column)
            if mask is not None:
                return mask, f'"{column}" of {source.label}'
        return None

    def any_mask(self) -> tuple[Mask, str] | None:
        for source in self.every_source():
            mask = source.any_mask
            if mask is not None:
                return mask, source.label
        return None

    def surely_has(self, column: str) -> bool:
        """Whatever relation is meant, it has this column."""
        if self.members:
            return any(member.surely_has(column) for member in self.members)
        return bool(self.sources) and all(source.has(column) for source in self.sources)

    def names(self) -> set[str] | None:
        """All column names it may offer; None if not known."""
        if self.members:
            return union(self.members)
        if not self.sources or any(source.hidden for source in self.sources):
            return None
        return {column.name for source in self.sources for column in source.columns}

    def masked_names(self) -> set[str]:
        return {name for source in self.every_source() for name in source.masked}


def union(items: Iterable[Item]) -> set[str] | None:
    found: set[str] = set()
    for item in items:
        names = item.names()
        if names is None:
            return None
        found |= names
    return found


@define(eq=False)
class Level:
    """One query's FROM list inside those of the enclosing queries.

    ``complete`` is False while the list is being read: then not all of it is visible, and finding a name here does
    not mean that PostgreSQL stops here. ``merged``: a USING or NATURAL join changes what ``*`` means.
    """

    parent: Level | None = None
    items: list[Item] = field(factory=list)
    complete: bool = False
    merged: bool = False

    def mention(self, reference: Node) -> Mention | None:
        """What a ColumnRef reaches; None if it surely reaches nothing masked."""
        names, star = names_in(reference)
        if star:
            return self._star(names)
        if len(names) == 1:
            return self._bare(names[0])
        return self._qualified(names)

    def _star(self, names: Sequence[str]) -> Mention | None:
        if not names:
            return _first(self.items, "star")
        for level in self._levels():
            found = _first((item for item in level.items if item.name == names[-1]), "star")
            if found is not None:
                return found
        return None

    def _bare(self, name: str) -> Mention | None:
        for level in self._levels():
            for item in level.items:
                found = item.mask_of(name)
                if found is not None:
                    return Mention(found[0], found[1], "column")
            for item in level.items:
                masked = item.any_mask() if item.name == name and not item.surely_has(name) else None
                if masked is not None:
                    return Mention(masked[0], masked[1], "row")
            # No stop where a table has such a column: the name might mean another table by now (a new temporary one),
            # and then PostgreSQL goes on outwards.
        return None

    def _qualified(self, names: Sequence[str]) -> Mention | None:
        qualifier, column = names[-2], names[-1]
        for level in self._levels():
            meant = [item for item in level.items if item.name == qualifier]
            for item in meant:
                found = item.mask_of(column)
                if found is not None:
                    return Mention(found[0], found[1], "column")
                masked = item.any_mask()
                if masked is not None and not item.surely_has(column) and not column_of_system(column):
                    return Mention(masked[0], masked[1], "call")
            if meant and level.complete and len(names) == 2:
                return None
        return None

    def surely_column(self, names: Sequence[str]) -> bool:
        """A qualified name that is a column of a table here, and no call of a function on a row."""
        for level in self._levels():
            for item in level.items:
                if item.name == names[-2]:
                    return item.surely_has(names[-1]) or column_of_system(names[-1])
        return False

    def _levels(self) -> Iterator[Level]:
        level: Level | None = self
        while level is not None:
            yield level
            level = level.parent


def column_of_system(name: str) -> bool:
    return name in ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")


def _first(items: Iterable[Item], what: str) -> Mention | None:
    for item in items:
        masked = item.any_mask()
        if masked is not None:
            return Mention(masked[0], masked[1], what)
    return None


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


@frozen
class Ctes:
    """Names of the WITH queries in sight."""

    names: frozenset[str] = frozenset()
    parent: Ctes | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.names or (self.parent is not None and name in self.parent)
