"""One channel's output as detectors and canaries look at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from hoopgate.detectors.canaries import Canaries
from hoopgate.detectors.finder import Finder
from hoopgate.detectors.planted import Planted
from hoopgate.detectors.stream import LONGEST, Stream
from hoopgate.frames import Channel


class Guard(Protocol):
    """Who looks."""

    def told(self, looking: Looking) -> None: ...

    def later(self, call: Callable[[], None]) -> Any: ...


class Looking:
    """Of each of the channel's streams: canaries first, then one detector after another.

    ``transfer``: nothing may be changed, so nothing is kept back. ``hidden``: a detector has found something.
    ``canary``: which was seen.
    """

    def __init__(self, guard: Guard, channel: Channel, finders: list[Any], canaries: Canaries, transfer: bool) -> None:
        self.channel = channel
        self.transfer = transfer
        self.hidden = False
        self.canary = ""
        self._guard = guard
        self._tally: Counter[str] = Counter()
        self._delayed: Any = None
        stream = Search if transfer else Stream
        self._planted = [Planted(canaries, holding=not transfer) for _ in range(2)]
        self._streams: list[list[Any]] = [[stream(finder) for finder in finders] for _ in range(2)]

    def feed(self, data: bytes, error: bool) -> bytes:
        """What may go on."""
        out = self._through(self._planted[error].feed(data), error)
        self.canary = self.canary or self._planted[error].found
        if self.channel.pty and self._delayed is None:
            self._delayed = self._guard.later(self._waited)
        return out

    def end(self) -> None:
        """No more comes: what was kept back goes out."""
        self.stop()
        for error in (False, True):
            data = self._flushed(error)
            if data:
                self.channel.inject("target", data, error=error)
        self._guard.told(self)

    def stop(self) -> None:
        """Wait for nothing."""
        delayed, self._delayed = self._delayed, None
        if delayed is not None and delayed.active():
            delayed.cancel()

    def take(self) -> Counter[str]:
        """What was found since, by kind."""
        taken, self._tally = self._tally, Counter()
        return taken

    def _through(self, data: bytes, error: bool) -> bytes:
        for stream in self._streams[error]:
            data = stream.feed(data)
            self._count(stream)
        return data

    def _flushed(self, error: bool) -> bytes:
        data = self._planted[error].flush()
        for stream in self._streams[error]:
            data = stream.feed(data)
            self._count(stream)
            data += stream.flush()
            self._count(stream)
        return data

    def _count(self, stream: Any) -> None:
        if stream.found:
            self.hidden = True
            self._tally.update([span.kind for span in stream.found])

    def _waited(self) -> None:
        """Somebody sits before it."""
        self._delayed = None
        self.end()


class Search:
    """Looks at a stream that cannot be changed: it goes on at once, and what was seen last is context."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._context = b""
        self.found: list[Any] = []

    def feed(self, data: bytes) -> bytes:
        whole = self._context + data
        self.found = self._finder.spans(whole)
        begins = min(self._finder.opening(whole), max(0, len(whole) - 2))
        self._context = whole[max(begins, len(whole) - LONGEST) :]
        return data

    def flush(self) -> bytes:
        self.found = []
        return b""
