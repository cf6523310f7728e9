"""The data types of SSH (RFC 4251, section 5), read strictly: what ends early is an error, never a short slice."""

from __future__ import annotations

from struct import Struct
from typing import Final

UINT32: Final = Struct(">I")
UINT64: Final = Struct(">Q")


class MalformedError(ValueError):
    """Bytes of the peer's that are not what the protocol says."""


class Fields:
    """Reads ``data`` from ``at`` on, field by field. Each method raises MalformedError where it ends early."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        stop = self._at + size
        if stop > len(self._data):
            raise MalformedError("a field ends behind its message")
        taken = self._data[self._at : stop]
        self._at = stop
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def boolean(self) -> bool:
        return self.take(1) != b"\0"

    def uint32(self) -> int:
        number: int = UINT32.unpack(self.take(4))[0]
        return number

    def uint64(self) -> int:
        number: int = UINT64.unpack(self.take(8))[0]
        return number

    def string(self) -> bytes:
        return self.take(self.uint32())

    def names(self) -> list[bytes]:
        """A name-list: names with commas between them."""
        text = self.string()
        return text.split(b",") if text else []

    @property
    def empty(self) -> bool:
        """Nothing is left."""
        return self._at == len(self._data)

    @property
    def rest(self) -> bytes:
        """What is left."""
        return self._data[self._at :]

    def end(self) -> None:
        """Raises MalformedError where something is left."""
        if not self.empty:
            raise MalformedError("a message goes on behind its last field")


def string(data: bytes) -> bytes:
    """``data`` as a string: its length, then itself."""
    return UINT32.pack(len(data)) + data


def mpint(number: bytes) -> bytes:
    """A natural number, given in big-endian bytes, as an mpint."""
    stripped = number.lstrip(b"\0")
    if stripped and stripped[0] & 0x80:
        stripped = b"\0" + stripped
    return string(stripped)
