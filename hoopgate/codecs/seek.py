"""Finding one byte in many: byte by byte where that is compiled and short, by the interpreter's own search else."""

from __future__ import annotations

import re
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

NEAR: Final = 96  # bytes within which a compiled loop is quicker than a call of bytes.find


def find(data: bytes, byte: int, start: i64, end: i64) -> i64:
    """Where ``byte`` first stands in ``data[start:end]``, -1 if nowhere. ``end`` lies within the data."""
    if not COMPILED:
        return data.find(byte, start, end)
    sought: i64 = byte
    near = start + NEAR
    if near > end:
        near = end
    position = start
    while position < near:
        if data[position] == sought:
            return position
        position += 1
    return data.find(byte, position, end) if position < end else -1


class AnyOf:
    """Finds the first of up to three bytes."""

    __slots__ = ("_first", "_pattern", "_second", "_third")

    def __init__(self, wanted: bytes) -> None:
        self._first: i64 = wanted[0]
        self._second: i64 = wanted[1 % len(wanted)]
        self._third: i64 = wanted[2 % len(wanted)]
        self._pattern = re.compile(b"[" + re.escape(wanted) + b"]")

    def find(self, data: bytes, start: i64, end: i64) -> i64:
        """Where the first of them stands in ``data[start:end]``, ``end`` if none does."""
        if not COMPILED:
            found = self._pattern.search(data, start, end)
            return found.start() if found else end
        first, second, third = self._first, self._second, self._third
        position = start
        while position < end:
            byte: i64 = data[position]
            if byte in (first, second, third):
                break
            position += 1
        return position


_this: Any = find
COMPILED: Final = not isinstance(_this, FunctionType)
