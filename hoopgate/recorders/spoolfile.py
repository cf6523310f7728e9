"""A recording's file: whole appends at its end, most of them without a system call.

A busy session's file grows by segments of zeros that are mapped into memory, and a small append is a copy into them.
Zeros are written rather than ``fallocate``\\ d: that costs a quarter of the page faults of unwritten extents, and a
full disk is met there too. What is large, or comes now and then, is written by ``pwrite``. The first byte of an append,
its mark, is stored last, so that a process killed at any instruction leaves whole appends, then perhaps a torn one,
then zeros. An idle session has neither mapping nor descriptor.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hoopgate.errors import RecordingError
from hoopgate.recorders import places

_MARK: Final = b"R"
_MARK_BYTE: Final = 0x52
_UNMARKED: Final = b"\x00"
_TAG: Final = 8  # format.TAG_SIZE, as a literal that the compiler folds
_ONE: Final = 4  # pieces of one record
_PAGE: Final = mmap.PAGESIZE
FIRST_SEGMENT: Final = 64 * 1024
LAST_SEGMENT: Final = 1024 * 1024
SMALL: Final = 8 * 1024  # what is larger is written without a detour
STREAK: Final = 8  # small appends in a row that make a session busy
CAUTION: Final = 256  # and that are written before a segment is tried again where there was no room for it
_ZEROS: Final = bytes(LAST_SEGMENT + 2 * _PAGE)


class SpoolFile:
    """One file, created by ``places``. ``at`` is where it ends but for zeros; ``mappable`` lets it be mapped.

    The first failure poisons it: that call and each later one raise RecordingError.
    """

    __slots__ = (
        "_allocated", "_base", "_day", "_descriptor", "_directory", "_map", "_mappable", "_name", "_seen", "_segment",
        "_streak", "_until", "at", "called", "poison",
    )  # fmt: skip

    def __init__(self, directory: Path, day: str, name: str, descriptor: int, mappable: bool) -> None:
        self._directory: Any = directory
        self._day = day
        self._name = name
        self._descriptor = descriptor
        self._mappable = mappable
        seen = os.fstat(descriptor)
        self._seen: tuple[int, int] = (seen.st_dev, seen.st_ino)
        self.at = 0
        self.poison = ""
        self.called = False  # the system, since somebody set it to False
        self._allocated = 0  # the file's size
        self._map: Any = None
        self._base = 0  # where the mapping begins...
        self._until = 0  # ...and ends; 0 without one
        self._segment = FIRST_SEGMENT
        self._streak = 0

    @property
    def path(self) -> Path:
        path: Path = self._directory / self._day / self._name
        return path

    @property
    def mapped(self) -> bool:
        return self._until > 0

    @property
    def open(self) -> bool:
        return self._descriptor >= 0

    def put(self, content: bytes, tag: bytes) -> None:
        """Append one record: a mark, ``content``, ``tag``."""
        at = self.at
        end = at + len(content) + 1 + _TAG
        if end > self._until and not self._room(end):
            self.write([_MARK, content, tag], end - at)
            return
        mapping = self._map
        start = at - self._base
        stop = end - self._base
        mapping[start + 1 : stop] = content + tag
        mapping[start] = _MARK_BYTE
        self.at = end

    def write(self, parts: list[Any], size: int) -> None:
        """Append ``parts``, ``size`` bytes in all, in one system call; the first of them is a mark."""
        descriptor = self._ready()
        self.called = True
        if len(parts) > _ONE:
            self.settle()  # a torn write of several records must be the file's end
        inside = self.at < self._allocated  # among zeros, so that only the mark says that it is whole
        if inside:
            parts[0] = _UNMARKED
        try:
            if size > SMALL:
                written = os.pwritev(descriptor, parts, self.at)
            else:
                written = os.pwrite(descriptor, b"".join(parts), self.at)
        except OSError as error:
            raise self.failed(f"the recording cannot be written: {error.strerror}") from error
        if written != size:
            raise self.failed(f"the recording was cut short: {written} of {size} bytes were written")
        if inside:
            self._map[self.at - self._base] = _MARK_BYTE
        self.at += size
        if size > SMALL:
            self._streak = 0
        if self.at >= self._allocated:
            self._allocated = self.at
            self._drop()

    def begin(self, content: bytes) -> None:
        """Write what stands before the first record, and that one."""
        self.write([content], len(content))

    def verify(self) -> None:
        """See that the file is still there and nobody else wrote to it."""
        try:
            seen = os.fstat(self._ready())
        except OSError as error:
            raise self.failed(f"the recording cannot be examined: {error.strerror}") from error
        if seen.st_nlink == 0:
            raise self.failed("the recording was removed while it was being written")
        if seen.st_size != self._allocated:
            raise self.foreign(seen.st_size)

    def settle(self) -> None:
        """Cut the zeros off and unmap, so that what is appended next is the file's end."""
        try:
            self._unmap()
        except OSError as error:
            raise self.failed(f"the recording cannot be cut to its size: {error.strerror}") from error

    def release(self) -> None:
        """Give mapping and descriptor back, until the next append."""
        if self.poison or self._descriptor < 0:
            return
        self.settle()
        self._segment = FIRST_SEGMENT
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def close(self) -> None:
        """Nothing can be appended any more; idempotent."""
        self.poison = self.poison or "the recording is closed"
        self._drop()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def failed(self, reason: str) -> RecordingError:
        """Append nothing more, ever."""
        self.poison = reason
        with suppress(OSError):  # zeros behind the last whole append are no damage either
            self._unmap()
        return RecordingError(reason)

    def foreign(self, size: int) -> RecordingError:
        """Somebody else wrote, or cut: append nothing more, and leave the file as it is."""
        self.poison = f"the recording has {size} bytes where {self._allocated} were written"
        self._drop()
        return RecordingError(self.poison)

    def _ready(self) -> int:
        """The descriptor, opened again where it was given back."""
        if self.poison:
            raise RecordingError(self.poison)
        if self._descriptor < 0:
            self._reopen()
        return self._descriptor

    def _reopen(self) -> None:
        try:
            descriptor = places.reopen(self._directory, self._day, self._name)
        except FileNotFoundError as error:
            raise self.failed("the recording was removed while it was being written") from error
        except OSError as error:
            raise self.failed(f"the recording cannot be opened again: {error.strerror}") from error
        seen = os.fstat(descriptor)
        self._descriptor = descriptor
        if (seen.st_dev, seen.st_ino) != self._seen:
            raise self.failed("the recording was replaced while it was being written")
        if seen.st_size != self.at:
            raise self.foreign(seen.st_size)

    def _room(self, end: int) -> bool:
        """Whether the mapping now reaches to ``end``."""
        if not self._mappable or self.poison:
            return False
        if self._until == 0:
            self._streak += 1
            if self._streak < STREAK:
                return False
        return self._grow(end)

    def _grow(self, end: int) -> bool:
        """Map the next segment. Where that cannot be, appends are written, and meet whatever is wrong."""
        descriptor = self._ready()
        self.called = True
        base = self.at - self.at % _PAGE
        size = self._segment
        while base + size < end:
            size *= 2
        try:
            self._fill(descriptor, base + size)
            mapping = mmap.mmap(descriptor, size, mmap.MAP_SHARED, offset=base)
            self._drop()
        except OSError:
            self.settle()
            self._streak = -CAUTION
            return False
        self._map = mapping
        self._base = base
        self._until = base + size
        self._segment = min(2 * size, LAST_SEGMENT)
        return True

    def _fill(self, descriptor: int, until: int) -> None:
        """Zeros from the file's end on. Raises OSError where the disk is full."""
        while self._allocated < until:
            zeros = memoryview(_ZEROS)[: until - self._allocated]
            written = os.pwrite(descriptor, zeros, self._allocated)
            self._allocated += written

    def _unmap(self) -> None:
        """Let go of the mapping and of the zeros behind the last append."""
        self._drop()
        if self._allocated > self.at and self._descriptor >= 0:
            os.ftruncate(self._descriptor, self.at)
            self._allocated = self.at

    def _drop(self) -> None:
        mapping, self._map = self._map, None
        if mapping is not None:
            self._base = self._until = self._streak = 0
            mapping.close()
