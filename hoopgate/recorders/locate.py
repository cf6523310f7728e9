"""Naming the one bad byte: if putting a byte back makes the chain fit, that byte was it.

The chain alone says which record was changed. A record is short enough (32 KiB) to try: first every single-bit
change, then every other value of every byte, until the time given is over.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from hoopgate.recorders import format as layout
from hoopgate.recorders.heads import SHAPES, V2, Shape


class Locator:
    """Searches in ``file``, whose records have this ``shape``; ``patience`` is seconds in all."""

    def __init__(self, file: BinaryIO, patience: float, shape: Shape = V2) -> None:
        self.shape = shape
        self._file = file
        self._patience = patience

    def in_file_head(self, packed: bytes) -> int | None:
        """Which byte of the file's head was changed, judged by the first record's tag."""
        for shape in SHAPES.values():  # the version may be what was changed
            first = self._next(len(packed), shape)
            if first is not None:
                content, tag = first
                return self._search(hashlib.sha256(), packed + content, tag, len(packed))
        return None

    def in_record(self, before: Any, content: bytes, tag: bytes) -> int | None:
        """Which byte of ``content`` (a record's header without its mark, and payload) was changed."""
        return self._search(before, content, tag, len(content))

    def in_record_head(self, before: Any, offset: int, packed: bytes) -> int | None:
        """Which byte of a header with a wrong CRC was changed, as an offset in the file."""
        for at, repaired in _variants(packed, len(packed)):
            if self.shape.intact(repaired) and self._agrees(before, offset, repaired):
                return offset + at
        return None

    def agrees(self, before: Any, offset: int, packed: bytes) -> int | None:
        """Where the record with this header ends, if it is whole and continues the chain."""
        if not self.shape.intact(packed) or not self._agrees(before, offset, packed):
            return None
        return offset + self.shape.overhead + self.shape.unpack(packed).length

    def _agrees(self, before: Any, offset: int, packed: bytes) -> bool:
        """A record that is not there to its end is taken to agree: nothing speaks against it."""
        length = self.shape.unpack(packed).length
        self._file.seek(offset + len(packed))
        rest = self._file.read(length + layout.TAG_SIZE)
        chain = before.copy()
        chain.update(packed[self.shape.marked :])
        chain.update(rest[:length])
        return len(rest) < length + layout.TAG_SIZE or chain.digest()[: layout.TAG_SIZE] == rest[length:]

    def next_agrees(self, chain: Any, offset: int) -> bool:
        """Whether the record at ``offset`` continues this chain."""
        following = self._next(offset, self.shape)
        if following is None:
            return False
        content, tag = following
        continued = chain.copy()
        continued.update(content)
        return bool(continued.digest()[: layout.TAG_SIZE] == tag)

    def _next(self, offset: int, shape: Shape) -> tuple[bytes, bytes] | None:
        """What is hashed of the record at ``offset``, and its tag, if it is whole."""
        self._file.seek(offset)
        packed = self._file.read(shape.head_size)
        if len(packed) < shape.head_size or not shape.intact(packed):
            return None
        length = shape.unpack(packed).length
        rest = self._file.read(length + layout.TAG_SIZE)
        if len(rest) < length + layout.TAG_SIZE:
            return None
        return packed[shape.marked :] + rest[:length], rest[length:]

    def _search(self, before: Any, content: bytes, tag: bytes, until: int) -> int | None:
        """The one byte among the first ``until`` whose change makes the tag fit."""
        started = time.monotonic()
        for flips in (_BITS, _OTHERS):
            chain = before.copy()
            for at in range(until):
                if time.monotonic() - started > self._patience:
                    return None
                rest = content[at + 1 :]
                for flip in flips:
                    trial = chain.copy()
                    trial.update(bytes((content[at] ^ flip,)))
                    trial.update(rest)
                    if trial.digest()[: layout.TAG_SIZE] == tag:
                        return at
                chain.update(content[at : at + 1])
        return None


_BITS: Final = tuple(1 << bit for bit in range(8))
_OTHERS: Final = tuple(value for value in range(1, 256) if value not in _BITS)


def _variants(packed: bytes, until: int) -> Iterator[tuple[int, bytes]]:
    """Every way to change one byte: where, and the outcome."""
    for at in range(until):
        for flip in range(1, 256):
            yield at, packed[:at] + bytes((packed[at] ^ flip,)) + packed[at + 1 :]
