"""Back-pressure by counted reasons: a producer runs only while nobody has a reason to pause it."""

from __future__ import annotations

from typing import Protocol


class Producer(Protocol):
    """What a transport offers (twisted.internet.interfaces.IPushProducer)."""

    def pauseProducing(self) -> object: ...

    def resumeProducing(self) -> object: ...


class Pauser:
    """Pauses ``producer`` while at least one reason stands; giving the same reason twice is one reason."""

    __slots__ = ("_producer", "_reasons")

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._reasons: tuple[str, ...] = ()

    @property
    def paused(self) -> bool:
        return bool(self._reasons)

    def pause(self, reason: str) -> None:
        if not self._reasons:
            self._producer.pauseProducing()
        if reason not in self._reasons:
            self._reasons += (reason,)

    def resume(self, reason: str) -> None:
        if reason in self._reasons:
            self._reasons = tuple([each for each in self._reasons if each != reason])
            if not self._reasons:
                self._producer.resumeProducing()


class Throttle:
    """A consumer's wish to be spared, as a reason of the other side's pauser."""

    __slots__ = ("_pauser", "_reason")

    def __init__(self, pauser: Pauser, reason: str) -> None:
        self._pauser = pauser
        self._reason = reason

    def pauseProducing(self) -> None:
        self._pauser.pause(self._reason)

    def resumeProducing(self) -> None:
        self._pauser.resume(self._reason)

    def stopProducing(self) -> None:
        """The consumer is gone; its connectionLost says so too."""
