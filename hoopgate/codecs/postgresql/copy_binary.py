"""Masking COPY TO's binary format (manual, COPY, "Binary Format")."""

from __future__ import annotations

import enum
from struct import Struct
from typing import Final

from hoopgate.codecs.postgresql.copy_rows import over_limit, wrong_width
from hoopgate.codecs.postgresql.splice import NULL, Plan
from hoopgate.errors import RemoteProtocolError

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEAD: Final = len(SIGNATURE) + 8  # signature, flags, length of the header's extension
_CRITICAL: Final = 0xFFFF0000  # flags that a reader must know; we know none (16: object ids, gone in PostgreSQL 12)
_size = Struct(">i").unpack_from
_count = Struct(">h").unpack_from


class _Part(enum.Enum):
    HEADER = enum.auto()
    ROWS = enum.auto()
    TRAILER = enum.auto()


class BinaryRows:
    """A header, rows that count their fields, a trailer of -1 and nothing behind it."""

    def __init__(self, plan: Plan, limit_row: int) -> None:
        self._transforms = plan.transforms
        self._width = len(plan.transforms)
        self._limit = limit_row
        self._part = _Part.HEADER
        self._pending = bytearray()  # a header or row that is not whole yet
        self._needed = _HEAD  # bytes of pending before anything more can be read

    def splice(self, payload: bytes) -> bytes:
        pending = self._pending
        source: bytes | bytearray = payload
        if pending:
            pending += payload
            if len(pending) < self._needed:
                return b""
            source = pending
        parts: list[bytes] = []
        position = self._all(source, parts)
        if source is pending:
            del pending[:position]
        else:
            pending += payload[position:]
        masked = b"".join(parts)
        return payload if masked == payload else masked

    def finish(self) -> bytes:
        if self._part is not _Part.TRAILER:
            raise RemoteProtocolError("binary COPY ended without its trailer")
        return b""

    def _all(self, data: bytes | bytearray, parts: list[bytes]) -> int:
        """Append what is whole to ``parts``; returns up to where data was read, and sets ``_needed`` from there."""
        position = 0
        if self._part is _Part.HEADER:
            position = self._header(data)
            if position:
                parts.append(bytes(data[:position]))
                self._part = _Part.ROWS
        while self._part is _Part.ROWS:
            stop = self._row(data, position, parts)
            if stop == position:
                return position
            position = stop
        if self._part is _Part.TRAILER and position != len(data):
            raise RemoteProtocolError("binary COPY has data behind its trailer")
        return position

    def _header(self, data: bytes | bytearray) -> int:
        """Where the header ends, 0 if it is not whole yet."""
        if not data.startswith(SIGNATURE[: len(data)]):
            raise RemoteProtocolError("binary COPY does not begin with its signature")
        if len(data) < _HEAD:
            return 0
        flags = int.from_bytes(data[11:15], "big")
        if flags & _CRITICAL:
            raise RemoteProtocolError("binary COPY has unknown critical flags")
        extension: int = _size(data, 15)[0]
        if extension < 0:
            raise RemoteProtocolError("binary COPY has an invalid header")
        if extension > self._limit:
            raise over_limit(self._limit)
        self._needed = _HEAD + extension
        return self._needed if len(data) >= self._needed else 0

    def _row(self, data: bytes | bytearray, start: int, parts: list[bytes]) -> int:
        """Append the row at ``start``, or the trailer, to ``parts``; returns its end, ``start`` if it is not whole."""
        size = len(data)
        self._needed = 2
        if size - start < 2:
            return start
        width: int = _count(data, start)[0]
        if width == -1:
            self._part = _Part.TRAILER
            parts.append(b"\xff\xff")
            return start + 2
        if width != self._width:
            raise wrong_width(width, self._width)
        stop = self._row_end(data, start)
        if stop > start:
            self._mask(data, start, stop, parts)
        return stop

    def _row_end(self, data: bytes | bytearray, start: int) -> int:
        size = len(data)
        position = start + 2
        for _ in range(self._width):
            self._needed = position + 4 - start
            if position + 4 > size:
                return start
            cell: int = _size(data, position)[0]
            if cell < -1:
                raise RemoteProtocolError("a field of binary COPY has an invalid length")
            position += 4 if cell == -1 else 4 + cell
            if position - start > self._limit:
                raise over_limit(self._limit)
        self._needed = position - start
        return position if position <= size else start

    def _mask(self, data: bytes | bytearray, start: int, stop: int, parts: list[bytes]) -> None:
        copied = start
        position = start + 2
        for transform in self._transforms:
            cell = position + 4
            size: int = _size(data, position)[0]
            position = cell if size == -1 else cell + size
            if transform is None or size == -1:
                continue
            old = bytes(data[cell:position])
            new = transform(old)
            if new == old:
                continue
            parts.append(bytes(data[copied : cell - 4]))
            parts.append(NULL if new is None else len(new).to_bytes(4, "big") + new)
            copied = position
        parts.append(bytes(data[copied:stop]))
