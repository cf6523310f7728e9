"""Finding bytes in many: eight at a time where that is compiled, by the interpreter's own search where it is not.

In ``x ^ pattern`` the sought byte is zero, and ``(x - ONES) & ~x`` marks the highest bit of the first zero byte (and
perhaps of some behind it): see "Determine if a word has a zero byte" in Sean Anderson's "Bit Twiddling Hacks".
"""

from __future__ import annotations

import re
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from librt.strings import read_i64_le

if TYPE_CHECKING:
    from mypy_extensions import i64

ONES: Final = 0x0101010101010101
NUMBERS: Final = 0x0001020304050607
NEAR: Final = 256  # bytes within which this is quicker than a call of bytes.find


def find(data: bytes, byte: int, start: i64, end: i64) -> i64:
    """Where ``byte`` first stands in ``data[start:end]``, -1 if nowhere. ``end`` lies within the data."""
    if not COMPILED:
        return data.find(byte, start, end)
    ones: i64 = ONES
    highs = ones << 7
    sought: i64 = byte
    pattern = sought * ones
    near = start + NEAR
    if near > end:
        near = end
    position = start
    while position + 8 <= near:
        word = read_i64_le(data, position) ^ pattern
        hit = (word - ones) & ~word & highs
        if hit != 0:
            return position + first_marked(hit)
        position += 8
    while position < near:
        if data[position] == sought:
            return position
        position += 1
    if position < end:
        return data.find(byte, position, end)
    return -1


def is_ascii(data: bytes, start: i64, end: i64) -> bool:
    """Whether ``data[start:end]`` holds no byte over 0x7F."""
    if not COMPILED:
        return data[start:end].isascii()
    ones: i64 = ONES
    highs = ones << 7
    position = start
    while position + 8 <= end:
        if read_i64_le(data, position) & highs != 0:
            return False
        position += 8
    while position < end:
        if data[position] > 0x7F:
            return False
        position += 1
    return True


def first_marked(hit: i64) -> i64:
    """Which of the eight bytes, from the lowest on, is the first with its highest bit set; no other bit may be."""
    ones: i64 = ONES
    # A one in byte n moves the byte that holds n to the top: their order there is that of NUMBERS.
    return ((hit & -hit) >> 7 & ones) * NUMBERS >> 56 & 7


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
        ones: i64 = ONES
        highs = ones << 7
        first, second, third = self._first * ones, self._second * ones, self._third * ones
        position = start
        last: i64 = len(data) - 8
        while position < end and position <= last:
            word: i64 = read_i64_le(data, position)
            a = word ^ first
            b = word ^ second
            c = word ^ third
            hit = ((a - ones) & ~a | (b - ones) & ~b | (c - ones) & ~c) & highs
            if hit != 0:
                position += first_marked(hit)
                return position if position < end else end
            position += 8
        return self._near_the_end(data, position, end)

    def _near_the_end(self, data: bytes, position: i64, end: i64) -> i64:
        while position < end:
            byte: i64 = data[position]
            if byte in (self._first, self._second, self._third):
                return position
            position += 1
        return end


_this: Any = find
COMPILED: Final = not isinstance(_this, FunctionType)
