"""Cancel keys: what a client must show to cancel, and whose session it names (PostgreSQL, "Canceling Requests").

The process id that clients see carries the worker's number in its highest byte, so that any worker knows the owner
of a CancelRequest. The key is chance, compared in constant time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hmac import compare_digest
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

Owner = TypeVar("Owner")
SHORT, LONG = 4, 32  # bytes of a key in protocol 3.0 and 3.2


def worker_of(pid: int) -> int:
    """Which worker's session a process id names."""
    return pid >> 24 & 0xFF


class CancelKeys(Generic[Owner]):
    """The keys of this process's sessions. ``worker`` is 0 to 127."""

    def __init__(self, worker: int = 0) -> None:
        self._worker = worker
        self._owners: dict[int, tuple[bytes, Owner]] = {}
        self._pids: dict[Owner, int] = {}

    def issue(self, owner: Owner, *, long: bool) -> tuple[int, bytes]:
        """A process id and a key for one session, in place of those that it may have had."""
        self.forget(owner)
        while True:
            pid = self._worker << 24 | secrets.randbits(24)
            if pid and pid not in self._owners:
                break
        key = secrets.token_bytes(LONG if long else SHORT)
        self._owners[pid] = (key, owner)
        self._pids[owner] = pid
        return pid, key

    def owner(self, pid: int, key: bytes) -> Owner | None:
        """Whose key this is; None for a wrong one."""
        expected, owner = self._owners.get(pid, (b"", None))
        return owner if owner is not None and compare_digest(expected, key) else None

    def forget(self, owner: Owner) -> None:
        """The session ended."""
        pid = self._pids.pop(owner, None)
        if pid is not None:
            del self._owners[pid]


class Pace:
    """At most so many a second: ``limit()``, counted in whole seconds of ``clock``."""

    def __init__(self, clock: IReactorTime, limit: Callable[[], int]) -> None:
        self._clock = clock
        self._limit = limit
        self._second = 0
        self._count = 0

    def allows(self) -> bool:
        """Count one more; False where it is one too many."""
        second = int(self._clock.seconds())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count <= self._limit()


class SingleFlight(Generic[Owner]):
    """One thing under way for each owner: who asks again meanwhile gets one more after it, however often it asked.

    A cancel that is asked for while another is on its way may mean a later statement, so it is not dropped; but a
    client that asks a thousand times does not make a thousand connections.
    """

    def __init__(self, start: Callable[[Owner], Deferred[None]]) -> None:
        self._start = start
        self._again: dict[Owner, bool] = {}

    def ask(self, owner: Owner) -> None:
        """Start, or start again once what is under way has ended."""
        if owner in self._again:
            self._again[owner] = True
            return
        self._again[owner] = False
        self._start(owner).addBoth(self._ended, owner)

    def _ended(self, outcome: object, owner: Owner) -> None:
        if self._again.pop(owner):
            self.ask(owner)
