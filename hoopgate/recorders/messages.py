"""PostgreSQL messages out of recorded wire bytes, one after another, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

LIMIT: Final = 1024 * 1024
_HEADER: Final = 5


@frozen
class Whole:
    """A message: type byte, length, body."""

    raw: bytes


@frozen
class Oversized:
    """A message too long to be shown: its type and size in bytes."""

    kind: bytes
    size: int


class NotUnderstoodError(ValueError):
    """These bytes are no messages of protocol 3."""


class Splitter:
    """Cuts one direction's bytes into messages; those above ``limit`` are passed over, whatever their size."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Whole | Oversized]:
        """The messages that end, or are passed over, in ``data``. Raises NotUnderstoodError."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= _HEADER:
            size = int.from_bytes(self._buffer[at + 1 : at + _HEADER], "big") + 1
            if size < _HEADER:
                raise NotUnderstoodError("a message is shorter than its own length field")
            if size > self._limit:
                yield Oversized(bytes(self._buffer[at : at + 1]), size)
                there = min(size, len(self._buffer) - at)
                self._skip = size - there
                at += there
                continue
            if len(self._buffer) - at < size:
                break
            yield Whole(bytes(self._buffer[at : at + size]))
            at += size
        del self._buffer[:at]
