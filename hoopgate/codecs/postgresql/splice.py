"""Masking columns of DataRow messages: walk by offset, copy what is untouched, patch lengths and masked cells.

This is the inner loop of every masked result, so it is plain typed code: no object per row, no slice per cell that
is not masked. PostgreSQL manual, "Message Formats": DataRow.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from hoopgate.codecs.postgresql.fields import MESSAGE_MAXIMUM
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

Transform = Callable[[bytes], bytes | None]
"""What becomes of a value, in the column's own format; None makes it NULL. NULL itself is never passed in."""

DATA_ROW: Final = 0x44
NULL: Final = b"\xff\xff\xff\xff"
_head = Struct(">BIH").unpack_from  # type, length, number of columns
_size = Struct(">i").unpack_from


class Plan:
    """One transform a column of the result, None where the column stays as it is."""

    __slots__ = ("last", "masked", "transforms")

    def __init__(self, transforms: tuple[Transform | None, ...]) -> None:
        self.transforms = transforms
        masked = [(index, transform) for index, transform in enumerate(transforms) if transform is not None]
        self.masked: tuple[tuple[int, Transform], ...] = tuple(masked)
        self.last = masked[-1][0] if masked else -1

    def __repr__(self) -> str:
        return f"<Plan: {len(self.masked)} of {len(self.transforms)} columns masked>"


class Splicer:
    """Applies one plan to the rows of one result. ``limit_row``: bytes of one DataRow message, at most."""

    __slots__ = ("_limit", "_masked_last", "_steps", "_width")

    def __init__(self, plan: Plan, limit_row: int) -> None:
        self._width = len(plan.transforms)
        self._limit = min(limit_row, MESSAGE_MAXIMUM)
        self._masked_last = plan.last + 1 == self._width
        # How many cells to pass over, then what to do with the one behind them.
        self._steps: list[tuple[int, Transform]] = []
        before = -1
        for index, transform in plan.masked:
            self._steps.append((index - before - 1, transform))
            before = index

    def splice(self, data: bytes, start: int, end: int) -> bytes:
        """The masked form of ``data[start:end]``, a run of whole DataRow messages.

        Returns ``data`` itself if that is the whole of it and nothing changed. Raises RemoteProtocolError for a
        malformed row, a row over the limit, and a row that has not exactly the plan's columns.
        """
        if not 0 <= start <= end <= len(data):
            raise LocalProtocolError("the span lies outside of the data")
        parts: list[bytes] = []
        copied = start
        position = start
        limit = self._limit
        while position < end:
            if end - position < 7:
                raise RemoteProtocolError("truncated DataRow")
            kind, size, width = _head(data, position)
            stop: int = position + 1 + size
            if kind != DATA_ROW or size < 6 or size >= limit or stop > end:
                raise self._malformed(kind, size)
            if width != self._width:
                raise RemoteProtocolError(f"a row has {width} columns, its description {self._width}")
            copied = self._row(data, position, stop, copied, parts)
            position = stop
        if not parts:
            return data if end - start == len(data) else data[start:end]
        parts.append(data[copied:end])
        return b"".join(parts)

    def _row(self, data: bytes, start: int, stop: int, copied: int, parts: list[bytes]) -> int:
        """Append the masked cells of the row ``data[start:stop]`` to ``parts``; returns up to where data is copied.

        Cells behind the last masked one are not looked at: both ends read those the same way.
        """
        length_at = -1  # where in parts the row's new length belongs
        length = stop - start - 1
        position = start + 7
        last = stop - 4  # where the last cell may begin
        for gap, transform in self._steps:
            if gap:
                position = _behind(data, position, gap, last)
            if position > last:
                raise RemoteProtocolError("truncated DataRow")
            size: int = _size(data, position)[0]
            position += 4
            if size == -1:
                continue
            cell = position
            position += size
            if size < -1 or position > stop:
                raise RemoteProtocolError("a cell exceeds its row")
            old = data[cell:position]
            new = transform(old)
            if new == old:
                continue
            if length_at < 0:
                parts.append(data[copied : start + 1])
                length_at = len(parts)
                parts.append(b"")
                copied = start + 5
            parts.append(data[copied : cell - 4])
            copied = position
            parts.append(NULL if new is None else len(new).to_bytes(4, "big"))
            if new:
                parts.append(new)
                length += len(new)
            length -= size
        if self._masked_last and position != stop:
            raise RemoteProtocolError("a row has bytes behind its last cell")
        if length_at >= 0:
            parts[length_at] = _length(length)
        return copied

    def _malformed(self, kind: int, size: int) -> RemoteProtocolError:
        if kind != DATA_ROW:
            return RemoteProtocolError(f"expected DataRow, got message type {kind}")
        if size >= self._limit:
            return RemoteProtocolError(f"a masked row of {size} bytes is over the limit (limits.row)", "54000")
        return RemoteProtocolError("truncated DataRow")


def _behind(data: bytes, position: int, cells: int, last: int) -> int:
    """Where the cell begins that follows ``cells`` cells; none of those may begin behind ``last``."""
    for _ in range(cells):
        if position > last:
            raise RemoteProtocolError("truncated DataRow")
        size: int = _size(data, position)[0]
        if size < -1:
            raise RemoteProtocolError("a cell has an invalid length")
        position += 4 if size == -1 else 4 + size
    return position


def _length(size: int) -> bytes:
    if size > MESSAGE_MAXIMUM:
        raise LocalProtocolError("a mask made a row longer than a message may be")
    return size.to_bytes(4, "big")
