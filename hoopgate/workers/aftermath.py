"""What a process that died leaves behind: sessions that the store lists as live, and recordings without an end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from hoopgate.errors import HoopgateError
from hoopgate.interfaces import IStore
from hoopgate.stores.records import SessionRecord, StoreError

log = Logger()
DIED: Final = "its process died"
RESTARTED: Final = "the gateway restarted"
AGAIN: Final = 1.0  # seconds until a store that failed is asked again


class Aftermath:
    """``nodes`` is what the names of this gateway's nodes begin with: the number of the worker follows."""

    def __init__(self, store: IStore, reactor: Any, nodes: str) -> None:
        self._store = store
        self._reactor = reactor
        self._nodes = nodes
        self._stopped = False
        self.left: tuple[SessionRecord, ...] = ()  # by an earlier gateway

    async def restarted(self) -> None:
        """End what an earlier gateway of this name left; its sessions are ``left``. For before any worker begins."""
        self.left = await self._store.live_sessions(self._nodes)
        for node in sorted({each.node for each in self.left}):
            await self._store.interrupt(node, self._reactor.seconds(), RESTARTED)

    async def clear_up(self, number: int, recorder: Any) -> None:
        """End in the store what worker ``number`` left, however long that takes; recordings get their end meanwhile."""
        while not self._stopped:
            try:
                left = await self.died(number)
            except StoreError as error:
                log.error("the sessions of worker {number} are not ended in the store yet: {error}", number=number,
                          error=error)  # fmt: skip
                await deferLater(self._reactor, AGAIN)
            else:
                self.seal(recorder, left, DIED)
                return

    async def died(self, number: int) -> tuple[SessionRecord, ...]:
        """End what worker ``number`` left, and return its sessions. For before another takes its place."""
        node = f"{self._nodes}{number}"
        left = [each for each in await self._store.live_sessions(node) if each.node == node]
        await self._store.interrupt(node, self._reactor.seconds(), DIED)
        return tuple(left)

    def seal(self, recorder: Any, sessions: Iterable[SessionRecord], reason: str) -> Deferred[None]:
        """Give the recordings of these sessions their end, one after the other and beside the reactor; never fails.

        A recorder of another maker need not be able to.
        """
        give = getattr(recorder, "seal", _unable)
        wanted = tuple(sessions)
        pool = self._reactor.getThreadPool()
        done: Deferred[None] = deferToThreadPool(self._reactor, pool, self._seal_all, give, wanted, reason)
        return done.addErrback(lambda failure: log.failure("recordings are not sealed", failure))

    def stop(self) -> None:
        """Begin with no further one."""
        self._stopped = True

    def _seal_all(self, give: Callable[[str, float, str], bool], wanted: tuple[SessionRecord, ...], why: str) -> None:
        for each in wanted:
            if self._stopped:
                return
            try:
                if give(each.id, each.started, why):
                    log.info("the recording of session {session} is sealed: {reason}", session=each.id, reason=why)
            except (HoopgateError, OSError) as error:
                log.error(
                    "the recording of session {session} is not sealed: {error}", session=each.id, error=str(error)
                )


def _unable(session: str, started: float, reason: str) -> bool:
    return False
