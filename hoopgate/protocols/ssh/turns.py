"""Whose key exchange comes next: so many a second, one address after the other.

A key exchange costs more than anything else that somebody unknown can ask for. So that those who ask for many delay
neither sessions nor others, there is a rate for all. Turns go by threes: to the address that came last (behind however
many that came before), to the one that has waited longest, and to one that has had a turn and asks for more.
"""

from __future__ import annotations

from collections import OrderedDict, deque
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
        self._new: OrderedDict[str, Go] = OrderedDict()  # by address, the first that it asked for
        self._more: OrderedDict[str, deque[Go]] = OrderedDict()  # what it asked for while that waits, or soon after
        self._turn = 0
        self._timer: Any = None

    def ask(self, address: str, go: Go) -> None:
        """Call ``go`` as soon as it is this one's turn, which may be at once."""
        if address in self._new or address in self._more:
            self._more.setdefault(address, deque()).append(go)
        else:
            self._new[address] = go
        self._serve()

    def leave(self, address: str, go: Go) -> None:
        """``go`` waits no more, if it did."""
        if self._new.get(address) == go:
            del self._new[address]
        queue = self._more.get(address)
        if queue is not None and go in queue:
            queue.remove(go)
            if not queue:
                del self._more[address]

    def _serve(self) -> None:
        now, rate = self._clock.seconds(), self._rate()
        self._left = min(max(1.0, rate * _BURST), self._left + max(0.0, now - self._looked) * rate)
        self._looked = now
        while (self._new or self._more) and self._left >= 1:
            self._left -= 1
            try:
                self._next()()
            except Exception:  # one connection's fault is not the others'
                log.failure("a connection could not begin its key exchange")
        if (self._new or self._more) and self._timer is None:
            self._timer = self._clock.callLater(_TICK, self._again)

    def _next(self) -> Go:
        self._turn = (self._turn + 1) % 3
        if self._new and (self._turn or not self._more):
            return self._new.popitem(last=self._turn != 2)[1]
        address, queue = self._more.popitem(last=False)
        go = queue.popleft()
        if queue:
            self._more[address] = queue  # behind all others
        return go

    def _again(self) -> None:
        self._timer = None
        self._serve()
