"""One stream, one direction: frames leave in the order in which they came, however late a verdict is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.frames import Frame
from hoopgate.pauser import Pauser
from hoopgate.verdicts import Verdict


class Wire(Protocol):
    """What a lane needs of a codec."""

    @property
    def buffered(self) -> int: ...

    @property
    def boundary(self) -> bool: ...

    @property
    def waiting(self) -> bool:
        """What is buffered cannot be read before the other direction has moved."""

    def receive(self, data: bytes) -> None: ...

    def next_frame(self) -> Frame | None: ...


Apply = Callable[[Frame, Verdict], "bytes | Deferred[bytes]"]


class Lane:
    """Pulls frames from ``wire``, has each judged, and delivers what ``apply`` makes of frame and verdict.

    ``inspect`` or ``apply`` may answer with a Deferred: the lane then waits, and reads on from its peer until
    ``limit`` bytes are buffered (so that a peer that leaves is noticed). ``deliver(data, witnessed)`` gets all that is
    ready at the end of a turn; ``witnessed`` is what a recording may hold of it. ``moved`` is called after each turn.
    ``failed`` gets what went wrong; the lane is dead then.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        inspect: Callable[[Frame], Verdict | Deferred[Verdict]],
        apply: Apply,
        deliver: Callable[[bytes, bytes], None],
        failed: Callable[[Failure], None],
        pauser: Pauser,
        limit: int,
        redact: Callable[[Frame, bytes], bytes] | None = None,
        moved: Callable[[], None] | None = None,
    ) -> None:
        self.wire = wire
        self._inspect = inspect
        self._apply = apply
        self._deliver = deliver
        self._failed = failed
        self._pauser = pauser
        self._limit = limit
        self._redact = redact
        self._moved = moved
        self._out: list[bytes] = []
        self._seen: list[bytes] = []
        self._redacted = False
        self._injected: list[bytes] = []
        self._waiting: Deferred[Any] | None = None
        self._pumping = False
        self.dead = False

    @property
    def waiting(self) -> bool:
        """A verdict is still out."""
        return self._waiting is not None

    @property
    def between(self) -> bool:
        """What was delivered ends where a message ends."""
        return self.wire.boundary and not self._out

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self.dead:
            return
        self.wire.receive(data)
        self.pump()

    def inject(self, data: bytes) -> None:
        """Send ``data`` of our own at the next place between two messages."""
        self._injected.append(data)
        self.pump()

    def send(self, data: bytes) -> None:
        """Deliver ``data`` of our own at once, behind what has already been judged; only between two frames."""
        self._out.append(data)
        self._seen.append(data)
        self._flush()

    def pump(self) -> None:
        """Move every frame that can move."""
        if self._pumping or self.dead:
            return
        self._pumping = True
        try:
            self._turn()
            while self._out:
                self._flush()
                self._turn()
        except Exception:
            self._die(Failure())
        finally:
            self._pumping = False
        # A message that is being collected must go on growing (its own limit bounds it); what waits must not.
        stuck = self._waiting is not None or self.wire.waiting
        if not self.dead and stuck and self.wire.buffered > self._limit:
            self._pauser.pause("buffer")
        else:
            self._pauser.resume("buffer")
        if self._moved is not None and not self.dead:
            self._moved()

    def stop(self) -> None:
        """Judge and deliver nothing more."""
        self.dead = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.addErrback(lambda failure: None)  # nobody is left to hear of it
            waiting.cancel()

    def _turn(self) -> None:
        while not self.dead:
            if self._injected and self.wire.boundary:
                self._emit_injected()
            if self._waiting is not None:
                return
            frame = self.wire.next_frame()
            if frame is None:
                return
            verdict = self._inspect(frame)
            if isinstance(verdict, Deferred):
                self._await(verdict, partial(self._applied, frame))
            else:
                self._applied(frame, verdict)

    def _applied(self, frame: Frame, verdict: Verdict) -> None:
        data = self._apply(frame, verdict)
        if isinstance(data, Deferred):
            self._await(data, partial(self._emit, frame))
        else:
            self._emit(frame, data)

    def _await(self, answer: Deferred[Any], then: Callable[[Any], None]) -> None:
        self._waiting = answer

        def answered(result: Any) -> None:
            if self.dead:
                return
            self._waiting = None
            try:
                if isinstance(result, Failure):
                    result.raiseException()
                then(result)
            except Exception:
                self._die(Failure())
                return
            self.pump()

        answer.addBoth(answered)

    def _emit(self, frame: Frame, data: bytes) -> None:
        if not data:
            return
        self._out.append(data)
        if self._redact is not None:
            seen = self._redact(frame, data)
            self._redacted = self._redacted or seen is not data
            self._seen.append(seen)

    def _emit_injected(self) -> None:
        for data in self._injected:
            self._out.append(data)
            self._seen.append(data)
        self._injected.clear()

    def _flush(self) -> None:
        out, self._out = self._out, []
        seen, self._seen = self._seen, []
        data = out[0] if len(out) == 1 else b"".join(out)
        witnessed = b"".join(seen) if self._redacted else data
        self._redacted = False
        self._deliver(data, witnessed)

    def _die(self, failure: Failure) -> None:
        self.dead = True
        self._failed(failure)
