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


class Locator:
    """Searches in ``file``; ``patience`` is seconds in all."""

    def __init__(self, file: BinaryIO, patience: float) -> None:
        self._file = file
        self._patience = patience

    def in_file_head(self, packed: bytes) -> int | None:
        """Which byte of the file's head was changed, judged by the first record's tag."""
        first = self._next(len(packed))
        if first is None:
            return None
        content, tag = first
        return self._search(hashlib.sha256(), packed + content, tag, len(packed))

    def in_record(self, before: Any, content: bytes, tag: bytes) -> int | None:
        """Which byte of ``content`` (a record's header and payload) was changed."""
        return self._search(before, content, tag, len(content))

    def in_record_head(self, before: Any, offset: int, packed: bytes) -> int | None:
        """Which byte of a header with a wrong CRC was changed, as an offset in the file."""
        for at, repaired in _variants(packed, len(packed)):
            if not layout.record_head_intact(repaired):
                continue
            length = layout.unpack_record_head(repaired).length
            self._file.seek(offset + len(packed))
            rest = self._file.read(length + layout.TAG_SIZE)
            chain = before.copy()
            chain.update(repaired)
            chain.update(rest[:length])
            if len(rest) < length + layout.TAG_SIZE or chain.digest()[: layout.TAG_SIZE] == rest[length:]:
                return offset + at
        return None

    def next_agrees(self, chain: Any, offset: int) -> bool:
        """Whether the record at ``offset`` continues this chain."""
        following = self._next(offset)
        if following is None:
            return False
        content, tag = following
        continued = chain.copy()
        continued.update(content)
        return bool(continued.digest()[: layout.TAG_SIZE] == tag)

    def _next(self, offset: int) -> tuple[bytes, bytes] | None:
        """The (header and payload, tag) at ``offset``, if there is a whole record."""
        self._file.seek(offset)
        packed = self._file.read(layout.HEAD_SIZE)
        if len(packed) < layout.HEAD_SIZE or not layout.record_head_intact(packed):
            return None
        length = layout.unpack_record_head(packed).length
        rest = self._file.read(length + layout.TAG_SIZE)
        if len(rest) < length + layout.TAG_SIZE:
            return None
        return packed + rest[:length], rest[length:]

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
