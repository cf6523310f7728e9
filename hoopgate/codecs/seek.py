"""Finding one byte in many: byte by byte where that is compiled and short, by the interpreter's own search else."""

from __future__ import annotations

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


_this: Any = find
COMPILED: Final = not isinstance(_this, FunctionType)
