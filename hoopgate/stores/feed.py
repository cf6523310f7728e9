"""What other processes did, seen within two seconds: the store's log of changes, polled once a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hoopgate.interfaces import IStore
from hoopgate.stores.records import RESET, Change, StoreError

Subscriber = Callable[[Change], None]

INTERVAL: Final = 1.0  # seconds between polls
BLIND: Final = 10.0  # seconds without a successful poll after which revocations can no longer be relied on
_BATCH: Final = 1000


class ChangeFeed:
    """Tells subscribers of each change once, in order, those of this very process included.

    A change of kind ``reset`` goes to everybody: something was missed, load afresh.
    """

    log = Logger()

    def __init__(self, store: IStore, clock: IReactorTime, interval: float = INTERVAL) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._subscribers: list[tuple[str, Subscriber]] = []
        self._since = 0
        self._asked: float | None = None  # when the first poll began that the store has not answered
        self._polling: Deferred[None] | None = None
        self._again = False
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock

    @property
    def blind(self) -> bool:
        """Nobody looks, or the store has not answered for ``BLIND`` seconds: what can be revoked must fail closed.

        It is reckoned from an unanswered question, not from the last answer: a machine that was suspended is not
        blind when it wakes, it has only not asked yet.
        """
        waiting = self._asked is not None and self._clock.seconds() - self._asked > BLIND
        return waiting or not self._loop.running

    def subscribe(self, kind: str, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber(change)`` for every change of ``kind``; the returned function ends that."""
        entry = (kind, subscriber)
        self._subscribers.append(entry)

        def unsubscribe() -> None:
            if entry in self._subscribers:
                self._subscribers.remove(entry)

        return unsubscribe

    def start(self) -> Deferred[None]:
        """Begin after what the store has now; subscribers load their state after this."""
        return self._store.latest().addCallback(self._started)

    def _started(self, latest: int) -> None:
        self._since = latest
        self._loop.start(self._interval, now=False)

    def stop(self) -> Deferred[None]:
        if self._loop.running:
            self._loop.stop()
        self._again = False
        return self._wait()

    def poll(self) -> Deferred[None]:
        """Look now. Only one look is under way at a time; one that is asked for meanwhile follows it."""
        if self._polling is not None:
            self._again = True
            return self._wait()
        if self._asked is None:
            self._asked = self._clock.seconds()
        done = self._polling = Deferred.fromCoroutine(self._poll())
        done.addCallback(self._polled)
        return self._wait()

    def _wait(self) -> Deferred[None]:
        """Fires when the look under way has ended."""
        if self._polling is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._polling.addCallback(waiting.callback)
        return waiting

    def _tick(self) -> None:
        # Not returned to the loop: a slow store must not shift the beat, and poll() is single flight.
        self.poll()

    def _polled(self, outcome: None) -> None:
        self._polling = None
        if self._again:
            self._again = False
            self.poll()

    async def _poll(self) -> None:
        try:
            changes = await self._store.changes(self._since, _BATCH)
        except StoreError as error:
            self.log.error("the store's changes cannot be read: {error}", error=error)
            return
        except Exception:
            # A store of another maker may fail in its own ways; the next poll must come all the same.
            self.log.failure("the store's changes cannot be read")
            return
        self._asked = None
        for change in changes:
            self._since = max(self._since, change.sequence)
            self._tell(change)
        self._again = self._again or len(changes) >= _BATCH

    def _tell(self, change: Change) -> None:
        for kind, subscriber in tuple(self._subscribers):
            if change.kind not in (kind, RESET):
                continue
            try:
                subscriber(change)
            except Exception:
                # One subscriber's fault must not keep a revocation from the next.
                self.log.failure("a subscriber of {kind} changes failed", kind=change.kind)
