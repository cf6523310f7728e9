"""Who has appended something lately: two seconds later it is signed, and two more later the file is given back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from hoopgate.recorders.recording import FileRecording

SECONDS: Final = 2.0
_TURN: Final = 64  # signatures in one turn of the reactor, about 3 ms


class Tails:
    """One timer for all recordings of a process; none while all of them are idle."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._due: dict[FileRecording, float] = {}  # in the order in which they are
        self._timer: IDelayedCall | None = None

    def add(self, recording: FileRecording) -> None:
        """Look at it in two seconds."""
        self._due[recording] = self._clock.seconds() + SECONDS
        self._arm()

    def discard(self, recording: FileRecording) -> None:
        """It was closed."""
        self._due.pop(recording, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._due:
            first = next(iter(self._due.values()))
            self._timer = self._clock.callLater(max(0.0, first - self._clock.seconds()), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for recording in _first(self._due, now):
            del self._due[recording]
            if recording.tail():
                self._due[recording] = now + SECONDS
        self._arm()


def _first(due: dict[FileRecording, float], now: float) -> Iterable[FileRecording]:
    """Those whose time has come, as many as fit one turn."""
    chosen: list[FileRecording] = []
    for recording, at in due.items():
        if at > now or len(chosen) == _TURN:
            break
        chosen.append(recording)
    return chosen
