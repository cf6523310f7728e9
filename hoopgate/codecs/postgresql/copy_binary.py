"""Masking COPY TO's binary format (manual, COPY, "Binary Format")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter, read_i16_be, read_i32_be

from hoopgate.codecs.postgresql.copy_rows import Rows, over_limit, wrong_width
from hoopgate.codecs.postgresql.splice import Plan, counted, steps_of, write_masked
from hoopgate.errors import RemoteProtocolError

if TYPE_CHECKING:
    from mypy_extensions import i64

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEAD: Final = 19  # signature, flags, length of the header's extension
_CRITICAL: Final = 0xFFFF0000  # flags that a reader must know; we know none (16: object ids, gone in PostgreSQL 12)

_IN_HEADER: Final = 0
_IN_ROWS: Final = 1
_BEHIND_TRAILER: Final = 2


class BinaryRows(Rows):
    """A header, rows that count their fields, a trailer of -1 and nothing behind it."""

    def __init__(self, plan: Plan, limit_row: int) -> None:
        super().__init__(limit_row)
        self._steps = steps_of(plan, counted)
        self._width: i64 = len(plan.transforms)
        self._behind: i64 = len(plan.transforms) - 1 - plan.last  # columns behind the last masked one
        self._part = _IN_HEADER
        self._needed: i64 = _HEAD  # bytes of the header or row before anything more can be read

    def completes(self, payload: bytes, kept: int) -> bool:
        return kept >= self._needed

    def may_end(self) -> bool:
        return self._part == _BEHIND_TRAILER

    def row(self, data: bytes, start: i64, end: i64, out: BytesWriter) -> i64:
        if self._part != _IN_ROWS:
            return self._header(data, start, end)
        self._needed = 2
        if end - start < 2:
            return -1
        width: int = read_i16_be(data, start)
        if width == -1:
            self._part = _BEHIND_TRAILER
            return start + 2
        if width != self._width:
            raise wrong_width(width, self._width)
        position = start + 2
        for step in self._steps:
            cell = self._cell(data, start, position, end, step.gap)
            if cell < 0:
                return -1
            size: int = read_i32_be(data, cell)
            position = cell + 4
            if size != -1:
                position += size
                if self._beyond(start, position, end):
                    return -1
                self.copied = write_masked(step, data, self.copied, cell + 4, position, out)
        stop = self._cell(data, start, position, end, self._behind, False)
        if stop - start > self._limit:
            raise over_limit(self._limit)
        return stop

    def _cell(self, data: bytes, start: i64, position: i64, end: i64, gap: i64, more: bool = True) -> i64:
        """Where the cell begins that follows ``gap`` cells, -1 if they, or with ``more`` its length, are not here."""
        while gap > 0 or more:
            if self._beyond(start, position + 4, end):
                return -1
            size: int = read_i32_be(data, position)
            if size < -1:
                raise RemoteProtocolError("a field of binary COPY has an invalid length")
            if gap == 0:
                break
            position += 4 if size == -1 else 4 + size
            if self._beyond(start, position, end):
                return -1
            gap -= 1
        return position

    def _beyond(self, start: i64, position: i64, end: i64) -> bool:
        """The row that begins at ``start`` goes on up to ``position`` at least, which is not here yet."""
        if position <= end:
            return False
        self._needed = position - start
        if self._needed > self._limit:
            raise over_limit(self._limit)
        return True

    def _header(self, data: bytes, start: i64, end: i64) -> i64:
        """Where the header ends, -1 if it is not whole yet."""
        if self._part == _BEHIND_TRAILER:
            raise RemoteProtocolError("binary COPY has data behind its trailer")
        here = data[start:end]
        if not here.startswith(SIGNATURE[: len(here)]):
            raise RemoteProtocolError("binary COPY does not begin with its signature")
        if len(here) < _HEAD:
            return -1
        flags: int = read_i32_be(here, 11)
        if flags & _CRITICAL:
            raise RemoteProtocolError("binary COPY has unknown critical flags")
        extension: int = read_i32_be(here, 15)
        if extension < 0:
            raise RemoteProtocolError("binary COPY has an invalid header")
        if extension > self._limit:
            raise over_limit(self._limit)
        self._needed = _HEAD + extension
        if len(here) < self._needed:
            return -1
        self._part = _IN_ROWS
        return start + self._needed
