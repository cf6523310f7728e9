"""Masking columns of DataRow messages: walk by offset, copy what is untouched, patch lengths and masked cells.

This is the inner loop of every masked result, so it is plain typed code: no object per row, no slice per cell that
is not masked. PostgreSQL manual, "Message Formats": DataRow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter, read_i16_be, read_i32_be, write_i32_be

from hoopgate.codecs.postgresql.fields import MESSAGE_MAXIMUM
from hoopgate.codecs.seek import COMPILED
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.transforms import Constant, KeepLast, Transform

if TYPE_CHECKING:
    from mypy_extensions import i64

DATA_ROW: Final = 0x44
SHORT: Final = 20  # bytes that are sooner written one by one than cut out, where that is compiled
MOST_KEPT: Final = 1 << 20  # bytes of a writer that is used again


class Plan:
    """One transform a column of the result, None where the column stays as it is.

    ``seek``, where there is one, says of a run of rows whether any but the transforms of ``least`` may change it: a
    look at the whole of it costs less than one at each cell.
    """

    __slots__ = ("last", "least", "masked", "seek", "steps", "transforms")

    def __init__(
        self,
        transforms: tuple[Transform | None, ...],
        least: Plan | None = None,
        seek: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.transforms = transforms
        self.least = least
        self.seek = seek
        masked = [(index, transform) for index, transform in enumerate(transforms) if transform is not None]
        self.masked: tuple[tuple[int, Transform], ...] = tuple(masked)
        self.last = masked[-1][0] if masked else -1
        self.steps: list[Step] | None = None  # what a Splicer makes of it: there is one for each result

    def joined(self, other: Plan) -> Plan:
        """This plan, and ``other``'s transforms for the columns that this one leaves as they are."""
        if len(other.transforms) != len(self.transforms):
            raise LocalProtocolError("two plans for one result differ in their columns")
        pairs = zip(self.transforms, other.transforms, strict=True)
        transforms = tuple([theirs if own is None else own for own, theirs in pairs])
        if other.least is None or self.least is not None:
            return Plan(transforms)
        return Plan(transforms, self.joined(other.least), other.seek)

    def __repr__(self) -> str:
        return f"<Plan: {len(self.masked)} of {len(self.transforms)} columns masked>"


class Step:
    """How many cells to pass over, then what to do with the one behind them.

    ``shown`` is the cell that takes the place of any value but NULL where ``constant``, and of those whose end is not
    kept where there is a ``keep``.
    """

    __slots__ = ("constant", "gap", "index", "keep", "shown", "transform")

    def __init__(
        self, index: int, gap: int, transform: Transform, written: Callable[[bytes | None, int], bytes]
    ) -> None:
        self.index: i64 = index
        self.gap: i64 = gap
        self.transform = transform
        self.constant = False
        self.keep: KeepLast | None = None
        self.shown = b""
        if isinstance(transform, Constant):
            self.constant = True
            self.shown = written(transform.value, index)
        elif isinstance(transform, KeepLast):
            self.keep = transform
            self.shown = written(transform.shown, index)


def steps_of(plan: Plan, written: Callable[[bytes | None, int], bytes]) -> list[Step]:
    """The plan as a walk over the cells of a row; ``written(value, column)`` is the cell that stands for a value."""
    steps = []
    before = -1
    for index, transform in plan.masked:
        steps.append(Step(index, index - before - 1, transform, written))
        before = index
    return steps


def counted(value: bytes | None, _column: int = 0) -> bytes:
    """The cell of a DataRow or of binary COPY: the value with its length before it."""
    out = BytesWriter()
    _write_counted(out, value)
    return out.getvalue()


class Splicer:
    """Applies one plan to the rows of one result. ``limit_row``: bytes of one DataRow message, at most."""

    __slots__ = ("_limit", "_masked_last", "_out", "_steps", "_width")

    def __init__(self, plan: Plan, limit_row: int) -> None:
        self._width: i64 = len(plan.transforms)
        self._limit: i64 = min(limit_row, MESSAGE_MAXIMUM)
        self._masked_last = plan.last + 1 == len(plan.transforms)
        steps = plan.steps
        if steps is None:
            steps = plan.steps = steps_of(plan, counted)
        self._steps = steps
        self._out = BytesWriter()

    def splice(self, data: bytes, start: i64, end: i64) -> bytes:
        """The masked form of ``data[start:end]``, a run of whole DataRow messages.

        Returns ``data`` itself if that is the whole of it and nothing changed. Raises RemoteProtocolError for a
        malformed row, a row over the limit, and a row that has not exactly the plan's columns.
        """
        total: i64 = len(data)
        if not 0 <= start <= end <= total:
            raise LocalProtocolError("the span lies outside of the data")
        out = self._out = emptied(self._out)
        copied = position = start
        width, limit = self._width, self._limit
        while position < end:
            if end - position < 7:
                raise RemoteProtocolError("truncated DataRow")
            size: int = read_i32_be(data, position + 1)
            stop = position + 1 + size
            if data[position] != DATA_ROW or size < 6 or size >= limit or stop > end:
                raise self._malformed(data[position], size)
            cells: int = read_i16_be(data, position + 5)
            if cells != width:
                raise RemoteProtocolError(f"a row has {cells & 0xFFFF} columns, its description {width}")
            copied = self._row(data, position, stop, copied, out)
            position = stop
        if copied == start:
            return data if end - start == total else data[start:end]
        out.write(data[copied:end])
        return out.getvalue()

    def _row(self, data: bytes, start: i64, stop: i64, copied: i64, out: BytesWriter) -> i64:
        """Write the row ``data[start:stop]`` up to its last masked cell; returns up to where data is written.

        Cells behind the last masked one are not looked at: both ends read those the same way.
        """
        before: i64 = len(out) - copied
        position = start + 7
        last = stop - 4  # where the last cell may begin
        for step in self._steps:
            gap = step.gap
            while gap >= 0:
                if position > last:
                    raise RemoteProtocolError("truncated DataRow")
                size: int = read_i32_be(data, position)
                cell = position + 4
                position = cell if size == -1 else cell + size
                if size < -1 or position > stop:
                    raise RemoteProtocolError("a cell exceeds its row")
                gap -= 1
            if size != -1:
                copied = write_masked(step, data, copied, cell, position, out)
        if self._masked_last and position != stop:
            raise RemoteProtocolError("a row has bytes behind its last cell")
        grown: i64 = len(out) - copied - before
        if grown:
            patch(out, before + start + 1, stop - start - 1, stop - start - 1 + grown)
        return copied

    def _malformed(self, kind: int, size: int) -> RemoteProtocolError:
        if kind != DATA_ROW:
            return RemoteProtocolError(f"expected DataRow, got message type {kind}")
        if not 0 <= size < self._limit:
            text = f"a masked row of {size & 0xFFFFFFFF} bytes is over the limit (limits.row)"
            return RemoteProtocolError(text, "54000")
        return RemoteProtocolError("truncated DataRow")


def emptied(out: BytesWriter) -> BytesWriter:
    """A writer for the next run: the last one's memory, unless that is much."""
    if len(out) > MOST_KEPT:
        return BytesWriter()
    out.truncate(0)
    return out


def write_span(out: BytesWriter, data: bytes, start: i64, end: i64) -> None:
    """Write ``data[start:end]``."""
    if COMPILED and end - start < SHORT:
        while start < end:
            out.append(data[start])
            start += 1
    else:
        out.write(data[start:end])


def write_masked(step: Step, data: bytes, copied: i64, cell: i64, end: i64, out: BytesWriter) -> i64:
    """Write what is left before the value ``data[cell:end]``, and what takes its place, unless that stays as it is.

    Returns up to where data is written.
    """
    if step.constant:
        write_span(out, data, copied, cell - 4)
        out.write(step.shown)
        return end
    keep = step.keep
    if keep is not None:
        tail = keep.tail(data, cell, end)
        if tail >= 0:
            write_span(out, data, copied, cell - 4)
            size: int = len(keep.shown) + end - tail
            write_i32_be(out, size)
            out.write(keep.shown)
            return tail
    old = data[cell:end]
    new = step.transform(old)
    if new == old:
        return copied
    out.write(data[copied : cell - 4])
    _write_counted(out, new)
    return end


def _write_counted(out: BytesWriter, value: bytes | None) -> None:
    """Write a cell, its length before it."""
    if value is None:
        write_i32_be(out, -1)
        return
    size = len(value)
    if size > MESSAGE_MAXIMUM:
        raise LocalProtocolError("a mask made a row longer than a message may be")
    write_i32_be(out, size)
    out.write(value)


def patch(out: BytesWriter, position: i64, before: int, length: int) -> None:
    """Write the Int32 ``length`` over ``before``, which stands at ``position``."""
    if length > MESSAGE_MAXIMUM:
        raise LocalProtocolError("a mask made a row longer than a message may be")
    out[position + 3] = length & 0xFF
    if length >> 8 != before >> 8:
        out[position] = length >> 24
        out[position + 1] = length >> 16 & 0xFF
        out[position + 2] = length >> 8 & 0xFF
