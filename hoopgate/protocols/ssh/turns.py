"""Whose key exchange comes next: so many a second, one address after the other.

A key exchange costs more than anything else that somebody unknown can ask for. So that those who ask for many delay
neither sessions nor each other, there is a rate for all, and each address that waits gets its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

log = Logger()
_TICK: Final = 0.05  # seconds between two looks at who waits
_BURST: Final = 0.25  # seconds' worth of the rate that may begin at once

Go = Callable[[], None]


class Turns:
    """``rate()`` is how many may begin a second (``limits.ssh_key_exchanges``)."""

    def __init__(self, clock: Any, rate: Callable[[], int]) -> None:
        self._clock = clock
        self._rate = rate
        self._left = max(1.0, rate() * _BURST)
        self._looked = clock.seconds()
        self._waiting: dict[str, deque[Go]] = {}  # in the order of their turns
        self._timer: Any = None

    def ask(self, address: str, go: Go) -> None:
        """Call ``go`` as soon as it is this one's turn, which may be at once."""
        self._waiting.setdefault(address, deque()).append(go)
        self._serve()

    def leave(self, address: str, go: Go) -> None:
        """``go`` waits no more, if it did."""
        queue = self._waiting.get(address)
        if queue is not None and go in queue:
            queue.remove(go)
            if not queue:
                del self._waiting[address]

    def _serve(self) -> None:
        now, rate = self._clock.seconds(), self._rate()
        self._left = min(max(1.0, rate * _BURST), self._left + max(0.0, now - self._looked) * rate)
        self._looked = now
        while self._waiting and self._left >= 1:
            self._left -= 1
            address = next(iter(self._waiting))
            queue = self._waiting.pop(address)
            go = queue.popleft()
            if queue:
                self._waiting[address] = queue  # behind all others
            try:
                go()
            except Exception:  # one connection's fault is not the others'
                log.failure("a connection could not begin its key exchange")
        if self._waiting and self._timer is None:
            self._timer = self._clock.callLater(_TICK, self._again)

    def _again(self) -> None:
        self._timer = None
        self._serve()
