"""One stream, one direction: frames leave in the order in which they came, however late a verdict is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.frames import Frame
from hoopgate.pauser import Pauser
from hoopgate.verdicts import ALLOW, Mask, Verdict
from hoopgate.wire import Wire

_ALLOW: Final = ALLOW


@mypyc_attr(allow_interpreted_subclasses=True)
class Lane(ABC):
    """Pulls frames from ``wire``, has each judged, and delivers what is made of frame and verdict.

    A protocol's direction says how, by the methods below. ``inspect`` or ``apply`` may answer with a Deferred: the lane
    then waits, and reads on from its peer until ``limit`` bytes are buffered (so that a peer that leaves is noticed).
    A turn is at most ``turn`` frames; then others have theirs, and the lane goes on by ``clock`` (IReactorTime).
    """

    __slots__ = (
        "_again", "_clock", "_frame", "_full", "_injected", "_judged", "_limit", "_out", "_pauser", "_pumping", "_rest",
        "_seen", "_turn", "_waiting", "between", "dead", "wire",
    )  # fmt: skip

    def __init__(self, wire: Wire, pauser: Pauser, *, limit: int, clock: Any, turn: int) -> None:
        self.wire = wire
        self._pauser = pauser
        self._limit = limit
        self._clock = clock
        self._turn = turn
        self._out: list[bytes] = []
        self._seen: list[bytes] | None = None  # what a recording may hold of _out, where it is not the same
        self._injected: list[bytes] | None = None
        self._waiting: Deferred[Any] | None = None
        self._frame: Frame | None = None  # what is waited for...
        self._judged = False  # ...has its verdict, and is being applied
        self._rest: Any = None  # the call by which the next turn comes
        self._pumping = False
        self._again = False  # somebody asked for more in the midst of a turn
        self._full = False
        self.between = True  # what was delivered ends where a message ends
        self.dead = False

    # --- what a direction does

    @abstractmethod
    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        """Judge a frame."""

    @abstractmethod
    def apply(self, frame: Frame, verdict: Verdict) -> bytes | Deferred[bytes]:
        """What goes on of a frame with this verdict."""

    @abstractmethod
    def deliver(self, data: bytes, witnessed: bytes) -> None:
        """Pass on what is ready at the end of a turn; ``witnessed`` is what a recording may hold of it."""

    @abstractmethod
    def failed(self, failure: Failure) -> None:
        """Something went wrong; the lane is dead."""

    @abstractmethod
    def moved(self) -> None:
        """A turn has ended."""

    def redacted(self, frame: Frame, data: bytes) -> bytes:
        """What a recording may hold of ``data``, which goes on for ``frame``; the same object if all of it."""
        return data

    # --- what others do with it

    @property
    def waiting(self) -> bool:
        """A verdict is still out."""
        return self._waiting is not None

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self.dead:
            return
        self.wire.receive(data)
        self.pump()

    def inject(self, data: bytes) -> None:
        """Send ``data`` of our own at the next place between two messages."""
        if self._injected is None:
            self._injected = []
        self._injected.append(data)
        self.pump()

    def send(self, data: bytes) -> None:
        """Deliver ``data`` of our own at once, behind what has already been judged; only between two frames."""
        self._put(data)
        self._flush()

    def pump(self) -> None:
        """Move every frame that can move, or as many as a turn may."""
        if self._pumping or self.dead:
            self._again = True
            return
        if self._rest is None:
            self._pumping = True
            try:
                self._move()
            except Exception:
                self._die(Failure())
            finally:
                self._pumping = False
        # A message that is being collected must go on growing (its own limit bounds it); what waits must not.
        stuck = self._waiting is not None or self._rest is not None or self.wire.waiting
        if stuck or self._full:
            self._press(stuck and not self.dead and self.wire.buffered > self._limit)
        if not self.dead:
            self.moved()

    def stop(self) -> None:
        """Judge and deliver nothing more."""
        self.dead = True
        rest, self._rest = self._rest, None
        if rest is not None:
            rest.cancel()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.addErrback(_unheard)
            waiting.cancel()

    # --- within

    def _press(self, full: bool) -> None:
        if full and not self._full:
            self._full = True
            self._pauser.pause("buffer")
        elif self._full and not full:
            self._full = False
            self._pauser.resume("buffer")

    def _move(self) -> None:
        """One turn, in which what is delivered may let more move."""
        left = self._frames(self._turn)
        while self._out:
            self._again = False
            self._flush()
            if not self._again:
                break
            left = self._frames(left)
        if left <= 0 and not self.dead and self._waiting is None:
            self._rest = self._clock.callLater(0, self._rested)

    def _rested(self) -> None:
        self._rest = None
        self.pump()

    def _frames(self, left: int) -> int:
        """Judge at most ``left`` frames; returns how many more this turn may have."""
        wire = self.wire
        while not self.dead:
            if self._injected is not None and wire.boundary:
                self._emit_injected()
            if self._waiting is not None or left <= 0:
                break
            frame = wire.next_frame()
            if frame is None:
                break
            left -= 1
            verdict = self.inspect(frame)
            # As in the chain: what mostly comes is no Deferred, and to ask takes long.
            if verdict is _ALLOW or type(verdict) is Mask or not isinstance(verdict, Deferred):
                self._applied(frame, verdict)
            else:
                self._await(verdict, frame, judged=False)
        return left

    def _applied(self, frame: Frame, verdict: Verdict) -> None:
        data = self.apply(frame, verdict)
        if isinstance(data, bytes):
            self._emit(frame, data)
        else:
            self._await(data, frame, judged=True)

    def _await(self, answer: Deferred[Any], frame: Frame, *, judged: bool) -> None:
        self._waiting = answer
        self._frame = frame
        self._judged = judged
        answer.addBoth(self._answered)

    def _answered(self, result: Any) -> None:
        frame, self._frame = self._frame, None
        if self.dead or frame is None:
            return
        self._waiting = None
        try:
            if isinstance(result, Failure):
                result.raiseException()
            if self._judged:
                self._emit(frame, result)
            else:
                self._applied(frame, result)
        except Exception:
            self._die(Failure())
            return
        self.pump()

    def _emit(self, frame: Frame, data: bytes) -> None:
        if not data:
            return
        seen = self.redacted(frame, data)
        if seen is not data and self._seen is None:
            self._seen = self._out.copy()
        if self._seen is not None:
            self._seen.append(seen)
        self._out.append(data)

    def _put(self, data: bytes) -> None:
        self._out.append(data)
        if self._seen is not None:
            self._seen.append(data)

    def _emit_injected(self) -> None:
        injected, self._injected = self._injected, None
        for data in injected or ():
            self._put(data)

    def _flush(self) -> None:
        out, seen = self._out, self._seen
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._seen = None
        self.deliver(data, data if seen is None else b"".join(seen))
        if not self.dead:  # or it was not passed on: its recording failed, and the session is over
            self.between = self.wire.boundary

    def _die(self, failure: Failure) -> None:
        self.dead = True
        self.failed(failure)


def _unheard(failure: Failure) -> None:
    """Nobody is left to hear of it."""
