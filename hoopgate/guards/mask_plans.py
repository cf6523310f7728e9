"""From a result's columns to the plan that masks its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import FIRST_USER_OID, WHOLE_ROW, Relation
from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.copy import unmaskable
from hoopgate.codecs.postgresql.rows import CopyPlan
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.config.model import Mask
from hoopgate.errors import MaskingError
from hoopgate.frames import Column, Columns
from hoopgate.masks import nothing, transform
from hoopgate.policy.touch import CopyShape
from hoopgate.policy.touch_sources import UNSEEN, own_masks
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import pack_event
from hoopgate.transforms import Transform
from hoopgate.verdicts import Verdict

Keys = Mapping[str, bytes]  # mask's name -> its secret
MULTIBYTE_WITH_ASCII = frozenset({"cp932", "cp936", "cp949", "cp950", "gb18030", "johab"})
"""Python's names of encodings whose characters may hold a delimiter's byte."""


class Planned:
    """What becomes of every result with the same columns, and the event that tells of it.

    ``masked``: how many columns are masked; with none of them the event is empty.
    """

    def __init__(self, verdict: Verdict, event: bytes, masked: int) -> None:
        self.verdict = verdict
        self.event = event
        self.masked = masked


def planned(verdict: Verdict, masks: Sequence[Mask | None], names: Sequence[str]) -> Planned:
    """The verdict with its ``masked`` event: the names of masks and columns, and never a value."""
    met = sorted({mask.name for mask in masks if mask is not None})
    columns = [name for name, mask in zip(names, masks, strict=True) if mask is not None]
    event = pack_event("masked", prepared({"masks": met, "columns": columns})) if met else b""
    return Planned(verdict, event, len(columns))


def origins(
    columns: Sequence[Column], index: MaskIndex, learnt: Mapping[int, Relation]
) -> tuple[list[Mask | None], bool]:
    """The mask of each column by its origin, and whether some origin is unknown (then its mask is UNSEEN)."""
    masks = [_origin(column, index, learnt) for column in columns]
    return masks, any(mask is UNSEEN for mask in masks)


def _origin(column: Column, index: MaskIndex, learnt: Mapping[int, Relation]) -> Mask | None:
    table, attnum = column.table_oid, column.attnum
    if table == 0:
        return None
    mask = index.mask_of(table, attnum)
    if mask is not None or table < FIRST_USER_OID or index.knows(table, attnum):
        return mask
    own = learnt.get(table)
    if own is None or own.kind in "vm":
        return UNSEEN
    masks = own_masks(index, own)
    if attnum == WHOLE_ROW:
        return next(iter(masks.values()), None)
    known = attnum < WHOLE_ROW or any(each.attnum == attnum for each in own.columns)
    return masks.get(attnum) if known else UNSEEN


def row_plan(
    columns: Sequence[Column], masks: Sequence[Mask | None], index: MaskIndex, keys: Keys, encoding: str
) -> Plan:
    """The plan for rows of these columns."""
    return Plan(
        tuple(
            None if mask is None else _transform(mask, column, index, keys, encoding)
            for column, mask in zip(columns, masks, strict=True)
        )
    )


def _transform(mask: Mask, column: Column, index: MaskIndex, keys: Keys, encoding: str) -> Transform:
    if column.attnum == WHOLE_ROW:
        return nothing
    types = index.snapshot.types
    key = keys.get(mask.name)
    return transform(mask, column.type_oid, column.format, key=key, types=types, encoding=encoding)


def copy_plan(frame: Columns, shape: CopyShape, index: MaskIndex, keys: Keys, encoding: str) -> CopyPlan:
    """The plan for a COPY OUT. Raises MaskingError if what comes is not what was worked out."""
    overall, formats = messages.parse_copy_out_response(frame.raw)
    binary = shape.options.format == "binary"
    if bool(overall) != binary or len(formats) != len(shape.columns):
        raise MaskingError("COPY's columns are not what they were when the statement was judged")
    transforms = tuple(
        None
        if cell is None
        else transform(
            cell[0], cell[1], int(binary), key=keys.get(cell[0].name), types=index.snapshot.types, encoding=encoding
        )
        for cell in shape.columns
    )
    return CopyPlan(Plan(transforms), evolve(shape.options, encoding=shape.encoding or "UTF8"))


def copy_problem(shape: CopyShape, encoding: str) -> str:
    """Why this COPY cannot be masked, in words for its author; empty if it can. ``encoding``: the client's."""
    if not shape.masked:
        return ""
    if shape.options.format != "binary" and not shape.encoding and encoding in MULTIBYTE_WITH_ASCII:
        return "masked columns cannot be copied in this client_encoding"
    return unmaskable(evolve(shape.options, encoding=shape.encoding or "UTF8"))
