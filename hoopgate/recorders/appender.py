"""The one blocking call that the reactor allows itself: appending to a local file, whole, in time, or never again."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from hoopgate.errors import RecordingError
from hoopgate.recorders.chain import Parts

_JOIN: Final = 4096  # up to this many bytes one joined write is cheaper than a vector
_MOST_PARTS: Final = 1024  # IOV_MAX on Linux


class Appender:
    """Owns a descriptor opened O_APPEND.

    ``limit`` is how many nanoseconds one append may take, ``observe`` hears of each one's duration. The first
    failure poisons it: that call and each later one raise RecordingError.
    """

    __slots__ = ("_descriptor", "_limit", "_monotonic", "_observe", "_poison")

    def __init__(
        self, descriptor: int, limit: int, monotonic: Callable[[], int], observe: Callable[[int], None]
    ) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._monotonic = monotonic
        self._observe = observe
        self._poison = ""

    @property
    def alive(self) -> bool:
        return not self._poison

    def append(self, parts: Parts, size: int) -> None:
        """Write ``parts``, ``size`` bytes in all, in one system call."""
        if self._poison:
            raise RecordingError(self._poison)
        single = size <= _JOIN or len(parts) > _MOST_PARTS
        before = self._monotonic()
        try:
            if single:
                written = os.write(self._descriptor, b"".join(parts))
            else:
                written = os.writev(self._descriptor, parts)
        except OSError as error:
            raise self._poisoned(f"the recording cannot be written: {error.strerror}") from error
        took = self._monotonic() - before
        self._observe(took)
        if written != size:
            raise self._poisoned(f"the recording was cut short: {written} of {size} bytes were written")
        if took > self._limit:
            raise self._poisoned(f"the recorder is too slow: {took / 1e9:.3f} s for one append (limits.recorder_write)")

    def verify(self, size: int) -> None:
        """See that the file is still there and nobody else wrote to it."""
        if self._poison:
            raise RecordingError(self._poison)
        try:
            seen = os.fstat(self._descriptor)
        except OSError as error:
            raise self._poisoned(f"the recording cannot be examined: {error.strerror}") from error
        if seen.st_nlink == 0:
            raise self._poisoned("the recording was removed while it was being written")
        if seen.st_size != size:
            raise self._poisoned(f"the recording has {seen.st_size} bytes where {size} were written")

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        if self._descriptor < 0:
            return
        self._poison = self._poison or "the recording is closed"
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def _poisoned(self, reason: str) -> RecordingError:
        self._poison = reason
        return RecordingError(reason)
