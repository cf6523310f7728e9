"""Reading and building the fields of PostgreSQL messages (manual, "Message Formats"): integers, strings, bytes.

A whole message is one type byte, an Int32 length that counts itself, and the body. Everything here raises
:class:`RemoteProtocolError` for what a peer sent and :class:`LocalProtocolError` for what our own code asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from hoopgate.errors import LocalProtocolError, RemoteProtocolError

HEADER = 5  # type byte and length
MESSAGE_MAXIMUM = 0x3FFFFFFF  # PostgreSQL's own bound on one message (PQ_LARGE_MESSAGE_LIMIT, MaxAllocSize - 1)

Text = str | bytes


class Reader:
    """Walks one whole message by offset; every read is bounded by the message's end."""

    __slots__ = ("end", "position", "raw")

    def __init__(self, raw: bytes, types: bytes) -> None:
        """Check the header: a type byte among ``types`` and a length that matches ``raw`` exactly."""
        size = len(raw)
        if size < HEADER or raw[0] not in types:
            raise RemoteProtocolError(f"expected a message of type {types!r}, got {raw[:1]!r}")
        if int.from_bytes(raw[1:5], "big") != size - 1:
            raise RemoteProtocolError("message length does not match its contents")
        self.raw = raw
        self.position = HEADER
        self.end = size

    def byte(self) -> bytes:
        return self.take(1)

    def int16(self) -> int:
        """A signed Int16."""
        return int.from_bytes(self.take(2), "big", signed=True)

    def count(self) -> int:
        """An Int16 that counts something; PostgreSQL reads parameter counts as unsigned (up to 65535)."""
        return int.from_bytes(self.take(2), "big")

    def int32(self) -> int:
        """A signed Int32."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def uint32(self) -> int:
        """An Int32 that holds an object id or a process id."""
        return int.from_bytes(self.take(4), "big")

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        start = self.position
        stop = start + size
        if size < 0 or stop > self.end:
            raise RemoteProtocolError("insufficient data left in message")
        self.position = stop
        return self.raw[start:stop]

    def string(self) -> bytes:
        """A NUL-terminated string, without its NUL."""
        start = self.position
        stop = self.raw.find(b"\0", start, self.end)
        if stop < 0:
            raise RemoteProtocolError("invalid string in message")
        self.position = stop + 1
        return self.raw[start:stop]

    def value(self) -> bytes | None:
        """A value with its Int32 length before it; length -1 is NULL."""
        size = self.int32()
        if size == -1:
            return None
        return self.take(size)

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
