"""A record's head, in the version that is written (2) and in the one that can still be read (1). No I/O."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

from attrs import frozen

from hoopgate.recorders.format import MAX_PAYLOAD, TAG_SIZE, Malformed

MARK: Final = b"R"
"""A record's first byte, written when all of it is there: before that a record is zeros, or torn."""

WRITTEN: Final = struct.Struct(">BIIqq")  # kind, size of events, size of data, elapsed, wall
_V1: Final = struct.Struct(">IBHIhI")
_CRC_SIZE: Final = 4
_U32: Final = 0xFFFFFFFF
_LAST_KIND: Final = 4


@frozen
class RecordHead:
    """``events`` and ``data``: the sizes of the payload's two parts; ``elapsed`` microseconds on the monotonic clock
    since the recording was opened; ``wall`` microseconds on the wall clock since ``FileHead.started`` (negative if that
    clock was set back)."""

    kind: int
    events: int
    data: int
    elapsed: int
    wall: int

    @property
    def length(self) -> int:
        return self.events + self.data


@frozen
class Shape:
    """How one version frames its records. ``marked``: 1 if a mark stands before the part that is hashed."""

    head_size: int
    marked: int
    intact: Callable[[bytes], bool]
    unpack: Callable[[bytes], RecordHead]
    checkpoint_context: bytes
    end_context: bytes

    @property
    def overhead(self) -> int:
        return self.head_size + TAG_SIZE


def _intact(packed: bytes) -> bool:
    """Whether mark and CRC fit and the values are ones a recorder writes."""
    head = packed[1:-_CRC_SIZE]
    if packed[:1] != MARK or zlib.crc32(head).to_bytes(_CRC_SIZE, "big") != packed[-_CRC_SIZE:]:
        return False
    kind, events, data, elapsed, _ = WRITTEN.unpack(head)
    return bool(kind <= _LAST_KIND and events + data <= MAX_PAYLOAD and elapsed >= 0)


def _unpack(packed: bytes) -> RecordHead:
    if not _intact(packed):
        raise Malformed("a record header is damaged")
    return RecordHead(*WRITTEN.unpack_from(packed, 1))


def _intact_1(packed: bytes) -> bool:
    head = packed[:-_CRC_SIZE]
    if zlib.crc32(head).to_bytes(_CRC_SIZE, "big") != packed[-_CRC_SIZE:]:
        return False
    return packed[4] <= _LAST_KIND and int.from_bytes(packed[:4], "big") <= MAX_PAYLOAD


def _unpack_1(packed: bytes) -> RecordHead:
    """Version 1: one size, clocks of 48 bits, no mark; events stood in records of their own."""
    if not _intact_1(packed):
        raise Malformed("a record header is damaged")
    length, kind, elapsed_high, elapsed_low, wall_high, wall_low = _V1.unpack_from(packed)
    return RecordHead(kind, 0, length, elapsed_high << 32 | elapsed_low, (wall_high << 32) | wall_low)


V1: Final = Shape(
    head_size=_V1.size + _CRC_SIZE,  # 21
    marked=0,
    intact=_intact_1,
    unpack=_unpack_1,
    checkpoint_context=b"hoopgate recording v1 checkpoint\x00",
    end_context=b"hoopgate recording v1 end\x00",
)
V2: Final = Shape(
    head_size=1 + WRITTEN.size + _CRC_SIZE,  # 30
    marked=1,
    intact=_intact,
    unpack=_unpack,
    checkpoint_context=b"hoopgate recording v2 checkpoint\x00",
    end_context=b"hoopgate recording v2 end\x00",
)
SHAPES: Final = {1: V1, 2: V2}
OVERHEAD: Final = V2.overhead  # 38
