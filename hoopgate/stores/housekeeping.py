"""What a process owes the store while it runs: a sign of life, and tidying after the dead and the old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hoopgate.interfaces import IStore
from hoopgate.stores.records import StoreError

BEAT: Final = 5.0  # seconds between signs of life
SILENT: Final = 60.0  # seconds without one after which a node counts as dead
PRUNE_EVERY: Final = 3600.0
KEEP_CHANGES: Final = 24 * 3600.0  # how long a reader may be away without having to load afresh
KEEP_RECORDS: Final = 30 * 24 * 3600.0  # of what is over; recordings are the lasting record


class Housekeeping:
    """``node`` names this process, such as ``gate-1/0``; no two living ones may share a name.

    Of the processes of one gateway one ``tidies``; the others only give signs of life.
    """

    log = Logger()

    def __init__(self, store: IStore, clock: IReactorTime, node: str, *, tidies: bool = True) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._tidies = tidies
        self._beat = self._every(self._live)
        self._prune = self._every(self._forget)

    def _every(self, work: Callable[[], Deferred[None]]) -> LoopingCall:
        loop = LoopingCall(work)
        loop.clock = self._clock
        return loop

    def start(self) -> Deferred[int]:
        """Mark what an earlier process of this name left behind; fires with how many requests that were."""
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> int:
        now = self._clock.seconds()
        left = await self._store.interrupt(self._node, now, "the gateway restarted")
        await self._store.heartbeat(self._node, now)
        self._beat.start(BEAT, now=False)
        if self._tidies:
            self._prune.start(PRUNE_EVERY, now=True)
        return left

    def stop(self) -> None:
        for loop in (self._beat, self._prune):
            if loop.running:
                loop.stop()

    def _live(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._guarded(self._tidy))

    def _forget(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._guarded(self._drop))

    async def _guarded(self, work: Callable[[], Deferred[None]]) -> None:
        """A store that fails once is asked again at the next beat; a loop that died would never be."""
        try:
            await work()
        except StoreError as error:
            self.log.error("housekeeping failed: {error}", error=error)
        except Exception:  # of a store of another maker, or of a record that makes no sense
            self.log.failure("housekeeping failed")

    def _tidy(self) -> Deferred[None]:
        async def tidy() -> None:
            now = self._clock.seconds()
            await self._store.heartbeat(self._node, now)
            if not self._tidies:
                return
            await self._store.interrupt_silent(now - SILENT, now, "its node went silent")
            await self._store.sweep(now)

        return Deferred.fromCoroutine(tidy())

    def _drop(self) -> Deferred[None]:
        now = self._clock.seconds()
        return self._store.prune(now - KEEP_CHANGES, now - KEEP_RECORDS)
