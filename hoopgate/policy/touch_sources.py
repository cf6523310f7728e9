"""Which relations a name in a statement may mean, with their masked columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import WHOLE_ROW, ColumnInfo, Relation
from hoopgate.config.model import Mask
from hoopgate.policy.touch_results import RelationName, refuse

UNSEEN: Final = Mask(name="unseen-relation", columns=("*",), kind="fixed")
"""Covers every column of a relation that nobody can see."""

HINT: Final = "Select masked columns as they are in the outermost SELECT, or leave them out."


@frozen(eq=False)
class Source:
    """One relation that a name may mean. ``hidden``: unseen, so that every column is masked."""

    label: str
    oid: int = 0
    columns: tuple[ColumnInfo, ...] = ()
    masked: Mapping[str, Mask] = field(factory=dict)
    hidden: bool = False
    primary_key: tuple[int, ...] = ()

    def mask_of(self, column: str) -> Mask | None:
        return UNSEEN if self.hidden else self.masked.get(column)

    def has(self, column: str) -> bool:
        return any(each.name == column for each in self.columns)

    @property
    def any_mask(self) -> Mask | None:
        return UNSEEN if self.hidden else next(iter(self.masked.values()), None)


class Sources:
    """Resolves names against the catalogue, any schema for an unqualified one, and what the session itself sees.

    ``session`` maps a name to the relation that the client's session sees under it, or None for no such relation.
    Names found nowhere are collected in ``missing``.
    """

    def __init__(self, index: MaskIndex, session: Mapping[RelationName, Relation | None] | None) -> None:
        self.index = index
        self._session = {} if session is None else session
        self.missing: set[RelationName] = set()
        self.met: set[str] = set()

    def find(self, range_var: Mapping[str, Any], *, write: bool = False) -> tuple[Source, ...]:
        """All relations that may be meant. Raises Refusal for those that must not be read (or written)."""
        key = name_of(range_var)
        if key[1].startswith("pg_toast_"):
            raise refuse("TOAST tables hold stored values, and masks are in force", "server-values")
        if write and key[1] == "pg_settings":
            raise refuse("settings are changed by SET, not by UPDATE, while masks are in force", "server-values")
        found = [self._source(relation) for relation in self.index.relations(*key)]
        own = self._session.get(key)
        if own is not None:
            found.append(self._own(own))
        for source in found:
            self._check(source, write=write)
        if not found:
            if key not in self._session:
                self.missing.add(key)
                return ()
            found.append(Source(dotted(key), hidden=True))
        self.met.update(mask.name for source in found if (mask := source.any_mask) is not None)
        return tuple(found)

    def exact(self, range_var: Mapping[str, Any]) -> Source | None:
        """The one relation that the session sees under this name; None (and missing) until it was asked."""
        key = name_of(range_var)
        if key not in self._session:
            self.missing.add(key)
            return None
        own = self._session[key]
        return Source(dotted(key), hidden=True) if own is None else self._own(own)

    def _check(self, source: Source, *, write: bool) -> None:
        taint = self.index.tainted.get(source.oid)
        if taint is None and write:
            taint = self.index.write_tainted.get(source.oid)
        if taint is not None:
            raise refuse(f"{source.label} cannot be used: {taint.reason}", taint.mask, HINT)

    def _source(self, relation: Relation) -> Source:
        masks = self.index.masked.get(relation.oid, {})
        named = {column.name: masks[column.attnum] for column in relation.columns if column.attnum in masks}
        return Source(str(relation), relation.oid, relation.columns, named, primary_key=relation.primary_key)

    def _own(self, relation: Relation) -> Source:
        """As the session sees it: the catalogue's masks by attribute number, and the globs by today's names.

        A view that only the session sees may read anything; a table holds what this session could write into it,
        which is never a masked value.
        """
        if relation.oid not in self.index.snapshot.relations and relation.kind in "vm":
            return Source(str(relation), relation.oid, relation.columns, hidden=True)
        named = own_masks(self.index, relation)
        by_name = {column.name: named[column.attnum] for column in relation.columns if column.attnum in named}
        return Source(str(relation), relation.oid, relation.columns, by_name, primary_key=relation.primary_key)


def own_masks(index: MaskIndex, relation: Relation) -> dict[int, Mask]:
    """The masks of a relation as the client's session sees it, by attribute number."""
    known = index.masked.get(relation.oid, {})
    found: dict[int, Mask] = {}
    for column in relation.columns:
        mask = known.get(column.attnum) or index.selectors.mask(relation.schema, relation.name, column.name)
        if mask is not None and not relation.system:
            found[column.attnum] = mask
        elif mask is not None and column.attnum in known:
            found[column.attnum] = known[column.attnum]
    return found


def name_of(range_var: Mapping[str, Any]) -> RelationName:
    return range_var.get("schemaname"), range_var["relname"]


def dotted(key: RelationName) -> str:
    return f"{key[0]}.{key[1]}" if key[0] else key[1]


__all__ = ["HINT", "UNSEEN", "WHOLE_ROW", "Source", "Sources", "dotted", "name_of", "own_masks"]
