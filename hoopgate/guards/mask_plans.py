"""From a result's columns to the plan that masks its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import WHOLE_ROW
from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.copy import unmaskable
from hoopgate.codecs.postgresql.rows import CopyPlan
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.errors import MaskingError
from hoopgate.frames import Column, Columns
from hoopgate.guards.witness import COLUMN, DERIVED, UNTOLD, Cell
from hoopgate.masks import nothing, transform
from hoopgate.policy.lineage.results import CopyShape
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import pack_event
from hoopgate.transforms import Transform
from hoopgate.verdicts import Verdict

Keys = Mapping[str, bytes]  # mask's name -> its secret
MULTIBYTE_WITH_ASCII = frozenset({"cp932", "cp936", "cp949", "cp950", "gb18030", "johab"})
"""Python's names of encodings whose characters may hold a delimiter's byte."""


class Planned:
    """What becomes of every result with the same lineage and columns, and the event that tells of it.

    ``masked``: how many columns are masked; with none of them the event is empty. ``doubted``: of how many of these
    the two witnesses did not say the same. ``masks`` are named.
    """

    def __init__(self, verdict: Verdict, event: bytes, masked: int, doubted: int, masks: frozenset[str]) -> None:
        self.verdict = verdict
        self.event = event
        self.masked = masked
        self.doubted = doubted
        self.masks = masks


def planned(verdict: Verdict, cells: Sequence[Cell | None], names: Sequence[str]) -> Planned:
    """The verdict with its ``masked`` event: the names of masks and columns, and never a value.

    ``derived`` and ``doubted`` name those of the columns that are hidden whole since they are computed with masked
    ones, and since the witnesses disagree.
    """
    found = [(name, cell) for name, cell in zip(names, cells, strict=True) if cell is not None]
    if not found:
        return Planned(verdict, b"", 0, 0, frozenset())
    masks = frozenset([cell.mask.name for _, cell in found])
    fields = {"masks": sorted(masks), "columns": [name for name, _ in found]}
    derived = [name for name, cell in found if cell.why == DERIVED]
    doubted = [name for name, cell in found if cell.doubted]
    if derived:
        fields["derived"] = derived
    if doubted:
        fields["doubted"] = doubted
    return Planned(verdict, pack_event("masked", prepared(fields)), len(found), len(doubted), masks)


def row_plan(
    columns: Sequence[Column], cells: Sequence[Cell | None], index: MaskIndex, keys: Keys, encoding: str
) -> Plan:
    """The plan for rows of these columns."""
    made = [
        None if cell is None else _transform(cell, column, index, keys, encoding)
        for cell, column in zip(cells, columns, strict=True)
    ]
    return Plan(tuple(made))


def _transform(cell: Cell, column: Column, index: MaskIndex, keys: Keys, encoding: str) -> Transform:
    if column.table_oid and column.attnum == WHOLE_ROW:
        return nothing
    mask, types = cell.mask, index.snapshot.types
    key = keys.get(mask.name)
    return transform(
        mask, column.type_oid, column.format, key=key, types=types, encoding=encoding, derived=cell.derived
    )


def copy_cells(shape: CopyShape, width: int) -> list[Cell | None]:
    """What becomes of each column of a COPY, which has one witness alone; of one with another width than was worked
    out, all are masked."""
    outputs = shape.outputs
    if len(outputs) != width:
        return [UNTOLD] * width
    return [
        None if each.mask is None else Cell(each.mask, each.derived, DERIVED if each.derived else COLUMN)
        for each in outputs
    ]


def copy_plan(
    frame: Columns, shape: CopyShape, cells: Sequence[Cell | None], index: MaskIndex, keys: Keys, encoding: str
) -> CopyPlan:
    """The plan for a COPY OUT. Raises MaskingError if its format is not the one that was worked out."""
    overall, _ = messages.parse_copy_out_response(frame.raw)
    if bool(overall) != (shape.options.format == "binary"):
        raise MaskingError("COPY's format is not what it was when the statement was judged")
    told = len(cells) == len(shape.outputs)
    made = [
        None
        if cell is None
        else transform(
            cell.mask,
            shape.outputs[place].type_oid if told else 0,
            overall,
            key=keys.get(cell.mask.name),
            types=index.snapshot.types,
            encoding=encoding,
            derived=cell.derived,
        )
        for place, cell in enumerate(cells)
    ]
    return CopyPlan(Plan(tuple(made)), evolve(shape.options, encoding=shape.encoding or "UTF8"))


def copy_problem(shape: CopyShape, encoding: str, *, sure: bool) -> str:
    """Why this COPY cannot be masked, in words for its author; empty if it can.

    ``encoding``: the client's; ``sure``: nothing ran behind which the target has not yet said that it is still so.
    """
    if not shape.masked:
        return ""
    if shape.options.format != "binary" and not shape.encoding:
        if encoding in MULTIBYTE_WITH_ASCII:
            return "masked columns cannot be copied in this client_encoding"
        if not sure:
            return "masked columns cannot be copied behind what may have changed client_encoding, before a Sync"
    return unmaskable(evolve(shape.options, encoding=shape.encoding or "UTF8"))
