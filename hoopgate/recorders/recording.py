"""One session's recording as it is written: events and bytes of a turn become one append to its file.

Whatever is not a whole, quick append poisons the recording: this call and every later one raise RecordingError, and
the session ends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import classImplements

from hoopgate.errors import RecordingError
from hoopgate.interfaces import IRecording
from hoopgate.recorders import format as layout
from hoopgate.recorders.chain import Chain
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.spoolfile import SMALL, SpoolFile

_EVENT: Final = 2
_SLICE: Final = layout.DATA_SLICE
_GROUP: Final = 1024 * 1024  # of large data that is written at once
_MARK: Final = b"R"
_KEPT: Final = 64 * 1024  # bytes of events that wait for data
_SAMPLED: Final = 63  # of appends to the mapping every 64th is timed
_LATE: Final = 2_500_000  # microseconds unsigned after which an append signs, since timers are late
_KIND_AT: Final = 10  # where an event's kind begins: {"event":"

log = Logger()


class Watch(Protocol):
    """Calls ``tail`` two seconds later, and again as long as that says True."""

    def add(self, recording: Any) -> None: ...

    def discard(self, recording: Any) -> None: ...


class FileRecording:
    """Made by ``FileRecorder.open``. ``monotonic`` is a nanosecond clock, ``clock`` the reactor's.

    ``observe`` hears of appends' durations in nanoseconds, ``limit`` is how many one may take.
    """

    __slots__ = (
        "_ahead", "_began", "_chain", "_clock", "_closed", "_dirty", "_dirty_since", "_events", "_file", "_kept",
        "_kept_size", "_limit", "_logins", "_masked", "_monotonic", "_observe", "_received", "_results", "_sent",
        "_started", "_statements", "_watch", "_watched",
    )  # fmt: skip

    def __init__(
        self,
        file: SpoolFile,
        chain: Chain,
        clock: IReactorTime,
        monotonic: Callable[[], int],
        observe: Callable[[int], None],
        limit: int,
        watch: Watch,
    ) -> None:
        self._file = file
        self._chain = chain
        self._clock: Any = clock
        self._monotonic: Any = monotonic
        self._observe: Any = observe
        self._limit = limit
        self._watch: Any = watch
        self._began: int = monotonic()
        self._started = 0
        self._ahead = 0  # the wall clock's microseconds before the monotonic one's
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._sent = 0
        self._received = 0
        self._statements = 0
        self._results = 0
        self._logins = 0
        self._masked = 0
        self._events: dict[str, int] | None = None  # of all other kinds but ``open``; few sessions have any
        self._dirty = False  # something is not signed...
        self._dirty_since = 0  # ...since then
        self._watched = False
        self._closed = False

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def mapped(self) -> bool:
        return self._file.mapped

    def begin(self, head: layout.FileHead, opening: dict[str, Any]) -> None:
        """Write the head and the ``open`` event."""
        self._started = head.started
        elapsed = self._elapsed()
        self._correct(elapsed)
        packed = self._chain.begin(head)
        content = self._chain.record(_EVENT, layout.pack_event("open", prepared(opening)), b"", elapsed, self._ahead)
        self._file.begin(packed + _MARK + content + self._chain.tag())
        self._observed(elapsed)
        self._soil(elapsed)

    def data(self, direction: int, data: bytes) -> None:
        """Append wire bytes of direction 0 (client to target) or 1 (target to client)."""
        size = len(data)
        if direction:
            self._received += size
        else:
            self._sent += size
        if size > SMALL:
            self._large(direction, data)
        else:
            self._append(direction, self._take() if self._kept else b"", data)

    def event(self, kind: str, fields: dict[str, Any]) -> None:
        """Append an event; statements in it lose their password literals, long values their ends."""
        self._keep(layout.pack_event(kind, prepared(fields)))
        self._append(_EVENT, self._take(), b"")

    def later(self, payload: bytes) -> None:
        """Keep an encoded event until something is appended, or for two seconds."""
        if self._file.poison:
            raise RecordingError(self._file.poison)
        self._keep(payload)
        if self._kept_size > _KEPT:
            self._append(_EVENT, self._take(), b"")
        elif not self._watched:
            self._watched = True
            self._watch.add(self)

    def close(self, reason: str) -> None:
        """Append the signed end and close the file.

        Raises RecordingError if the end cannot be written; a second call, or one after a failure that was
        raised already, only makes sure that the file is closed.
        """
        if self._closed:
            return
        self._closed = True
        self._watch.discard(self)
        try:
            if not self._file.poison:
                self._end(reason)
        finally:
            self._file.close()

    def tail(self) -> bool:
        """Two seconds are over: sign what is not signed, or give the file back. False: until something is appended,
        there is nothing more to do."""
        try:
            if self._kept:
                self._append(_EVENT, self._take(), b"")
            if self._dirty:
                self._sign(self._elapsed())
                return True
            self._file.release()
        except RecordingError as error:  # poisoned: the session's next byte meets it, nothing passes until then
            log.critical("recording of {path} failed: {error}", path=self.path.stem, error=str(error))
        self._watched = False
        return False

    def _append(self, kind: int, events: bytes, data: bytes) -> None:
        chain = self._chain
        file = self._file
        elapsed: int = (self._monotonic() - self._began) // 1000
        content = chain.record(kind, events, data, elapsed, elapsed + self._ahead)
        file.put(content, chain.tag())
        if file.called or chain.records & _SAMPLED == 0:
            self._observed(elapsed)
        if not self._dirty:
            self._soil(elapsed)
        elif chain.due or elapsed - self._dirty_since > _LATE:
            self._sign(elapsed)

    def _large(self, direction: int, data: bytes) -> None:
        """Long data is cut into records, which are written together."""
        if self._kept:
            self._append(_EVENT, self._take(), b"")
        whole = memoryview(data)
        for at in range(0, len(data), _GROUP):
            self._group(direction, whole[at : at + _GROUP])

    def _group(self, direction: int, data: memoryview) -> None:
        chain = self._chain
        before = chain.size
        elapsed = self._elapsed()
        parts: list[Any] = []
        for at in range(0, len(data), _SLICE):
            piece = data[at : at + _SLICE]
            parts += (_MARK, chain.head(direction, piece, elapsed, elapsed + self._ahead), piece, chain.tag())
        self._file.write(parts, chain.size - before)
        self._observed(elapsed)
        if not self._dirty:
            self._soil(elapsed)
        if chain.due:
            self._sign(elapsed)

    def _soil(self, elapsed: int) -> None:
        """From now on something is not signed."""
        self._dirty = True
        self._dirty_since = elapsed
        self._correct(elapsed)
        if not self._watched:
            self._watched = True
            self._watch.add(self)

    def _sign(self, elapsed: int) -> None:
        """A checkpoint behind all that was appended."""
        self._file.verify()
        self._correct(elapsed)
        content = self._chain.checkpoint(elapsed, elapsed + self._ahead)
        self._file.put(content, self._chain.tag())
        self._dirty = False

    def _end(self, reason: str) -> None:
        if self._kept:
            self._append(_EVENT, self._take(), b"")
        self._file.verify()
        self._file.settle()  # so that the file ends with the end
        elapsed = self._elapsed()
        summary = {
            "reason": reason[:1000],
            "records": self._chain.records,
            "bytes": [self._sent, self._received],
            "events": self._counted(),
            "seconds": elapsed / 1e6,
        }
        body = layout.pack_event("end", prepared(summary))
        content = self._chain.end(body, elapsed, elapsed + self._ahead)
        tag = self._chain.tag()
        self._file.write([_MARK, content, tag], len(content) + 1 + layout.TAG_SIZE)

    def _keep(self, payload: bytes) -> None:
        self._kept.append(payload)
        self._kept_size += len(payload)
        if payload.startswith(b"statement", _KIND_AT):
            self._statements += 1
        elif payload.startswith(b"result", _KIND_AT):
            self._results += 1
        elif payload.startswith(b'masked"', _KIND_AT):
            self._masked += 1
        elif payload.startswith(b'login"', _KIND_AT):
            self._logins += 1
        else:
            kind = payload[_KIND_AT : payload.index(b'"', _KIND_AT)].decode()
            if self._events is None:
                self._events = {}
            self._events[kind] = self._events.get(kind, 0) + 1

    def _take(self) -> bytes:
        """What was kept, an event a line."""
        kept = self._kept
        events = kept[0] if len(kept) == 1 else b"\n".join(kept)
        kept.clear()
        self._kept_size = 0
        return events

    def _counted(self) -> dict[str, int]:
        counts = {"open": 1, "login": self._logins, "statement": self._statements, "result": self._results}
        counts["masked"] = self._masked
        counts |= self._events or {}
        return {kind: count for kind, count in counts.items() if count}

    def _elapsed(self) -> int:
        elapsed: int = (self._monotonic() - self._began) // 1000
        return elapsed

    def _correct(self, elapsed: int) -> None:
        """Look at the wall clock, which between two looks is reckoned by the monotonic one."""
        wall: float = self._clock.seconds() * 1e6
        self._ahead = int(wall) - self._started - elapsed

    def _observed(self, elapsed: int) -> None:
        """Time an append that began at ``elapsed``."""
        self._file.called = False
        took: int = self._monotonic() - self._began - elapsed * 1000
        self._observe(took)
        if took > self._limit:
            reason = f"the recorder is too slow: {took / 1e9:.3f} s for one append (limits.recorder_write)"
            raise self._file.failed(reason)


classImplements(FileRecording, IRecording)
