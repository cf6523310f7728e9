"""The guards of one session in their order, and what they say together of a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.frames import Frame, Statement
from hoopgate.verdicts import ALLOW, Block, Hold, Mask, Rewrite, Verdict

log = Logger()
TWICE: Final = Block(
    "two of the gateway's guards hold this statement, and an approval would be of one alone",
    rule="guards",
    hint="Tell the gateway's operators.",
)
_places: Final[dict[tuple[frozenset[type[Frame]], ...], dict[type[Frame], tuple[int, ...]]]] = {}
"""For each row of guards, by what they want, and each class of frames: the places of those who want them. There are as
many rows as there are ways to configure a gateway, and as many sessions as there are clients."""


class Chain:
    """Asks each guard that wants a frame, in order.

    The first Block decides. Masks add up: an earlier guard's go before a later one's. A Hold stands unless a later
    guard blocks: nobody is asked to approve what would be refused anyway. What two guards hold is blocked, since an
    approval is given to one of them alone. What was both held and rewritten is held as
    it was rewritten. A guard that raises blocks (fail closed).
    """

    __slots__ = ("_by_kind", "guards")

    def __init__(self, guards: Iterable[Any]) -> None:
        self.guards = tuple(guards)
        wishes = tuple([frozenset(guard.wants) for guard in self.guards])
        self._by_kind = _places.setdefault(wishes, {})

    def wanted(self, kind: type[Frame]) -> tuple[int, ...]:
        """Which of the guards want frames of exactly this class."""
        found = self._by_kind.get(kind)
        if found is None:
            found = tuple([at for at, guard in enumerate(self.guards) if kind in guard.wants])
            self._by_kind[kind] = found
        return found

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        """The verdict of all; a Deferred if one of them takes its time. Never raises."""
        if isinstance(frame, Statement) and frame.fault is not None:
            return frame.fault
        order = self._by_kind.get(type(frame))
        if order is None:
            order = self.wanted(type(frame))
        return self._from(order, 0, frame, ALLOW) if order else ALLOW

    def closed(self, reason: str) -> None:
        """Tell each guard that the session ended; one that raises does not keep the others from hearing."""
        for guard in self.guards:
            try:
                guard.closed(reason)
            except Exception:
                log.failure("guard {guard} failed at the session's end", guard=type(guard).__name__)

    def _from(self, order: tuple[int, ...], index: int, frame: Frame, so_far: Verdict) -> Verdict | Deferred[Verdict]:
        guards = self.guards
        for at in range(index, len(order)):
            guard = guards[order[at]]
            try:
                verdict = guard.inspect(frame)
            except Exception:
                return self._broken(guard)
            if verdict is ALLOW:
                continue
            # A mask is nothing to wait for; to ask whether something is a Deferred, which is an ABC, takes long.
            if type(verdict) is not Mask and isinstance(verdict, Deferred):
                return self._later(verdict, order, at, frame, so_far)
            ended, frame, so_far = self._weigh(guard, verdict, frame, so_far)
            if ended:
                return so_far
        return so_far

    def _later(
        self, answer: Deferred[Verdict], order: tuple[int, ...], at: int, frame: Frame, so_far: Verdict
    ) -> Deferred[Verdict]:
        guard = self.guards[order[at]]

        def answered(verdict: Verdict) -> Any:
            if verdict is ALLOW:
                return self._from(order, at + 1, frame, so_far)
            ended, changed, weighed = self._weigh(guard, verdict, frame, so_far)
            return weighed if ended else self._from(order, at + 1, changed, weighed)

        def failed(failure: Failure) -> Verdict:
            # a lane that stops cancels what it waits for: no guard is at fault
            if failure.check(CancelledError):
                failure.raiseException()
            return self._broken(guard, failure)

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
                return (True, frame, TWICE) if verdict.rule != so_far.rule else (False, frame, so_far)
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
