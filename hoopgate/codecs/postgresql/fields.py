"""Reading and building the fields of PostgreSQL messages (manual, "Message Formats"): integers, strings, bytes.

A whole message is one type byte, an Int32 length that counts itself, and the body. Everything here raises
:class:`RemoteProtocolError` for what a peer sent and :class:`LocalProtocolError` for what our own code asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from librt.strings import read_i16_be, read_i32_be

from hoopgate.codecs.seek import find
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from mypy_extensions import i64

HEADER: Final = 5  # type byte and length
MESSAGE_MAXIMUM: Final = 0x3FFFFFFF  # PostgreSQL's own bound on one message (PQ_LARGE_MESSAGE_LIMIT, MaxAllocSize - 1)

Text = str | bytes


class Reader:
    """Walks one whole message by offset; every read is bounded by the message's end."""

    __slots__ = ("end", "position", "raw")

    def __init__(self, raw: bytes, types: bytes) -> None:
        """Check the header: a type byte among ``types`` and a length that matches ``raw`` exactly."""
        size: i64 = len(raw)
        if size < HEADER or raw[0] not in types:
            raise RemoteProtocolError(f"expected a message of type {types!r}, got {raw[:1]!r}")
        if read_i32_be(raw, 1) != size - 1:
            raise RemoteProtocolError("message length does not match its contents")
        self.raw = raw
        self.position: i64 = HEADER
        self.end = size

    def byte(self) -> bytes:
        return self.take(1)

    def int16(self) -> int:
        """A signed Int16."""
        return read_i16_be(self.raw, self._behind(2))

    def count(self) -> int:
        """An Int16 that counts something; PostgreSQL reads parameter counts as unsigned (up to 65535)."""
        signed: int = read_i16_be(self.raw, self._behind(2))
        return signed & 0xFFFF

    def int32(self) -> int:
        """A signed Int32."""
        return read_i32_be(self.raw, self._behind(4))

    def uint32(self) -> int:
        """An Int32 that holds an object id or a process id."""
        signed: int = read_i32_be(self.raw, self._behind(4))
        return signed & 0xFFFFFFFF

    def take(self, size: i64) -> bytes:
        """Exactly ``size`` bytes."""
        start = self._behind(size)
        return self.raw[start : start + size]

    def _behind(self, size: i64) -> i64:
        """Go on behind ``size`` bytes; returns where they begin."""
        start = self.position
        if size < 0 or size > self.end - start:
            raise RemoteProtocolError("insufficient data left in message")
        self.position = start + size
        return start

    def string(self) -> bytes:
        """A NUL-terminated string, without its NUL."""
        start = self.position
        stop = find(self.raw, 0, start, self.end)
        if stop < 0:
            raise RemoteProtocolError("invalid string in message")
        self.position = stop + 1
        return self.raw[start:stop]

    def value(self) -> bytes | None:
        """A value with its Int32 length before it; length -1 is NULL."""
        size: int = read_i32_be(self.raw, self._behind(4))
        return None if size == -1 else self.take(size)

    def rest(self) -> bytes:
        start = self.position
        self.position = self.end
        return self.raw[start : self.end]

    def done(self) -> None:
        """Raise unless everything was read (pq_getmsgend)."""
        if self.position != self.end:
            raise RemoteProtocolError("invalid message format")


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A whole message of type ``kind``."""
    size = len(body) + 4
    if size > MESSAGE_MAXIMUM:
        raise LocalProtocolError(f"a message of {size} bytes is over the protocol's bound")
    return kind + size.to_bytes(4, "big") + body


def string(text: Text) -> bytes:
    """A NUL-terminated string; ``str`` goes out as UTF-8."""
    raw = text.encode() if isinstance(text, str) else text
    if b"\0" in raw:
        raise LocalProtocolError("a protocol string cannot hold NUL")
    return raw + b"\0"


def int16s(values: Sequence[int]) -> bytes:
    """An Int16 count and that many Int16."""
    return count(len(values)) + b"".join(int16(value) for value in values)


def uint32s(values: Sequence[int]) -> bytes:
    """An Int16 count and that many object ids."""
    return count(len(values)) + b"".join(uint32(value) for value in values)


def values_of(values: Sequence[bytes | None]) -> bytes:
    """An Int16 count and that many values, each with its length; None is NULL."""
    parts = [count(len(values))]
    for value in values:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            parts.append(len(value).to_bytes(4, "big"))
            parts.append(value)
    return b"".join(parts)


def count(value: int) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise LocalProtocolError(f"{value} does not fit an Int16 count")
    return value.to_bytes(2, "big")


def int16(value: int) -> bytes:
    if not -0x8000 <= value <= 0x7FFF:
        raise LocalProtocolError(f"{value} does not fit an Int16")
    return value.to_bytes(2, "big", signed=True)


def int32(value: int) -> bytes:
    if not -0x80000000 <= value <= 0x7FFFFFFF:
        raise LocalProtocolError(f"{value} does not fit an Int32")
    return value.to_bytes(4, "big", signed=True)


def uint32(value: int) -> bytes:
    if not 0 <= value <= 0xFFFFFFFF:
        raise LocalProtocolError(f"{value} does not fit an unsigned Int32")
    return value.to_bytes(4, "big")
