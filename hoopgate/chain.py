"""The guards of one session in their order, and what they say together of a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.frames import Frame, Statement
from hoopgate.verdicts import ALLOW, Block, Hold, Mask, Rewrite, Verdict

log = Logger()


class Chain:
    """Asks each guard that wants a frame, in order.

    The first Block decides. Masks add up: an earlier guard's go before a later one's. A Hold stands unless a later
    guard blocks: nobody is asked to approve what would be refused anyway. What was both held and rewritten is held as
    it was rewritten. A guard that raises blocks (fail closed).
    """

    __slots__ = ("_by_kind", "guards")

    def __init__(self, guards: Iterable[Any]) -> None:
        self.guards = tuple(guards)
        self._by_kind: dict[type[Frame], tuple[Any, ...]] = {}

    def wanted(self, kind: type[Frame]) -> tuple[Any, ...]:
        """The guards that want frames of exactly this class."""
        found = self._by_kind.get(kind)
        if found is None:
            found = self._by_kind[kind] = tuple([guard for guard in self.guards if kind in guard.wants])
        return found

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        """The verdict of all; a Deferred if one of them takes its time. Never raises."""
        if isinstance(frame, Statement) and frame.fault is not None:
            return frame.fault
        guards = self._by_kind.get(type(frame))
        if guards is None:
            guards = self.wanted(type(frame))
        return self._from(guards, 0, frame, ALLOW) if guards else ALLOW

    def closed(self, reason: str) -> None:
        """Tell each guard that the session ended; one that raises does not keep the others from hearing."""
        for guard in self.guards:
            try:
                guard.closed(reason)
            except Exception:
                log.failure("guard {guard} failed at the session's end", guard=type(guard).__name__)

    def _from(self, guards: tuple[Any, ...], index: int, frame: Frame, so_far: Verdict) -> Verdict | Deferred[Verdict]:
        for at in range(index, len(guards)):
            guard = guards[at]
            try:
                verdict = guard.inspect(frame)
            except Exception:
                return self._broken(guard)
            if verdict is ALLOW:
                continue
            if isinstance(verdict, Deferred):
                return self._later(verdict, guards, at, frame, so_far)
            ended, frame, so_far = self._weigh(guard, verdict, frame, so_far)
            if ended:
                return so_far
        return so_far

    def _later(
        self, answer: Deferred[Verdict], guards: tuple[Any, ...], at: int, frame: Frame, so_far: Verdict
    ) -> Deferred[Verdict]:
        def answered(verdict: Verdict) -> Any:
            if verdict is ALLOW:
                return self._from(guards, at + 1, frame, so_far)
            ended, changed, weighed = self._weigh(guards[at], verdict, frame, so_far)
            return weighed if ended else self._from(guards, at + 1, changed, weighed)

        def failed(failure: Failure) -> Verdict:
            # a lane that stops cancels what it waits for: no guard is at fault
            if failure.check(CancelledError):
                failure.raiseException()
            return self._broken(guards[at], failure)

        answer.addCallback(answered)
        return answer.addErrback(failed)

    def _weigh(self, guard: Any, verdict: Any, frame: Frame, so_far: Verdict) -> tuple[bool, Frame, Verdict]:
        if isinstance(verdict, Block):
            return True, frame, verdict
        if isinstance(verdict, Mask):
            return False, frame, Mask(so_far.plan.joined(verdict.plan)) if isinstance(so_far, Mask) else verdict
        if isinstance(so_far, Mask):
            return True, frame, self._broken(guard, Failure(TypeError(f"{verdict!r} of what is masked already")))
        if isinstance(verdict, Hold):
            if isinstance(so_far, Hold):
                return False, frame, so_far
            return False, frame, evolve(verdict, frame=frame) if isinstance(so_far, Rewrite) else verdict
        if isinstance(verdict, Rewrite):
            return False, verdict.frame, evolve(so_far, frame=verdict.frame) if isinstance(so_far, Hold) else verdict
        return True, frame, self._broken(guard, Failure(TypeError(f"{verdict!r} is no verdict")))

    def _broken(self, guard: Any, failure: Any = None) -> Block:
        name = type(guard).__name__
        log.failure("guard {guard} failed: the frame is blocked", failure=failure, guard=name)
        return Block(
            "a guard of the gateway failed, so the statement was not run",
            rule=f"guard.{name}",
            hint="Tell the gateway's operators; their log names the fault.",
            sqlstate="XX000",
        )
