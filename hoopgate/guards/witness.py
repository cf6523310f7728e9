"""Two witnesses on each column of a result: lineage, and the origin that PostgreSQL itself names on the wire.

Lineage (:mod:`hoopgate.policy.lineage`) says from which columns a value is made, the RowDescription from which table
and column it is taken unchanged, if from any. They come to it by different ways, so a value passes in clear only where
both say so and mean the same column; else the severer word counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import FIRST_USER_OID, WHOLE_ROW, ColumnKey, Relation
from hoopgate.config.model import Mask
from hoopgate.frames import Column
from hoopgate.policy.lineage.relations import UNSEEN, own_masks
from hoopgate.policy.lineage.results import Output

UNWITNESSED: Final = Mask(name="unwitnessed", columns=("*",), kind="fixed")
"""Covers a column of which the two say different things, and neither names a mask."""

COLUMN: Final = "column"  # why a column is masked: it is a masked column, say both...
DERIVED: Final = "derived"  # ...it is computed with one...
DISAGREED: Final = "disagreed"  # ...lineage and the wire do not mean the same...
UNKNOWN: Final = "unknown"  # ...or nobody knows what it is

_SEVERITY: Final = {"keep-last": 0, "hash": 1, "replace": 2, "fixed": 2, "null": 3}


@frozen
class Cell:
    """What becomes of one column: ``derived`` hides each value whole. ``why``: one of the words above."""

    mask: Mask
    derived: bool
    why: str

    @property
    def doubted(self) -> bool:
        """The two do not say the same of it."""
        return self.why in (DISAGREED, UNKNOWN)


UNTOLD: Final = Cell(UNWITNESSED, True, UNKNOWN)
"""Of a column of which nobody says anything."""


@frozen
class Own:
    """What only one session knows: relations by oid as it sees them, and masked values that it moved into tables of
    its own, by relation and column."""

    learnt: Mapping[int, Relation]
    moved: Mapping[str, Mapping[str, Mask]]


NOTHING_OWN: Final = Own({}, {})


def witnessed(
    outputs: Sequence[Output] | None, columns: Sequence[Column], index: MaskIndex, own: Own, *, clear: bool
) -> tuple[list[Cell | None], bool]:
    """What becomes of each column (None: it passes), and whether the origin of some column is not known.

    ``outputs`` None: lineage cannot tell. ``clear``: it says that the statement reaches no masked value at all.
    """
    seen = [_seen(column, index, own) for column in columns]
    unknown = any(each is not None and each.mask is UNSEEN for each in seen)
    if outputs is None:
        return [_alone(column, each, clear) for column, each in zip(columns, seen, strict=True)], unknown
    if len(outputs) != len(columns):
        return [Cell(UNWITNESSED if each is None else each.mask, True, DISAGREED) for each in seen], unknown
    return [_both(*each) for each in zip(outputs, columns, seen, strict=True)], unknown


def severer(one: Mask, other: Mask) -> Mask:
    """Which of two masks shows less."""
    return other if _SEVERITY[other.kind] > _SEVERITY[one.kind] else one


def _both(output: Output, column: Column, seen: Cell | None) -> Cell | None:
    said, origin = output.mask, _origin(column)
    agreed = origin == output.origin or origin in output.others
    if seen is None:
        if said is not None:
            return Cell(said, True, DERIVED if output.derived or (agreed and origin is None) else DISAGREED)
        if agreed or column.attnum < WHOLE_ROW:  # the system's columns hold nothing of the row's values
            return None
        return Cell(UNWITNESSED, True, DISAGREED)
    if said is None:
        return evolve(seen, derived=True, why=UNKNOWN if seen.mask is UNSEEN else DISAGREED)
    if agreed and said == seen.mask:
        return evolve(seen, derived=seen.derived or output.derived, why=DERIVED if output.derived else seen.why)
    return Cell(severer(said, seen.mask), True, DERIVED if agreed and output.derived else DISAGREED)


def _alone(column: Column, seen: Cell | None, clear: bool) -> Cell | None:
    """The wire's word, where lineage has none."""
    if seen is not None or clear or column.table_oid:
        return seen
    return UNTOLD


def _origin(column: Column) -> ColumnKey | None:
    return (column.table_oid, column.attnum) if column.table_oid else None


def _seen(column: Column, index: MaskIndex, own: Own) -> Cell | None:
    """What is to become of a column by its origin alone; with UNSEEN if that is not known."""
    table, attnum = column.table_oid, column.attnum
    if table == 0:
        return None
    mask = index.mask_of(table, attnum)
    if table < FIRST_USER_OID:
        return _plain(mask)
    if index.knows(table, attnum):
        relation = index.snapshot.relations[table]
        return _moved(relation, attnum, mask, own) if relation.schema.startswith("pg_temp") else _plain(mask)
    learnt = own.learnt.get(table)
    if learnt is None or learnt.kind in "vm":
        return Cell(UNSEEN, True, UNKNOWN)
    masks = own_masks(index, learnt)
    if attnum == WHOLE_ROW:
        return _moved(learnt, attnum, next(iter(masks.values()), None), own)
    if attnum < WHOLE_ROW or any(each.attnum == attnum for each in learnt.columns):
        return _moved(learnt, attnum, masks.get(attnum), own)
    return Cell(UNSEEN, True, UNKNOWN)


def _plain(mask: Mask | None) -> Cell | None:
    return None if mask is None else Cell(mask, False, COLUMN)


def _moved(relation: Relation, attnum: int, mask: Mask | None, own: Own) -> Cell | None:
    """Of a table of the session's own: what was moved into it may have been computed on the way."""
    columns = own.moved.get(relation.name)
    if not columns:
        return _plain(mask)
    if attnum == WHOLE_ROW:
        moved: Mask | None = next(iter(columns.values()))
    else:
        moved = next((columns.get(each.name) for each in relation.columns if each.attnum == attnum), None)
    if moved is None:
        return _plain(mask)
    return Cell(moved if mask is None else severer(mask, moved), True, DERIVED)
