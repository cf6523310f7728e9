"""Long polls on approvals: a caller waits, for a bounded time, until something that concerns it changes."""

from __future__ import annotations

from collections import Counter
from typing import Final

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.approvals import visible
from hoopgate.console.problems import too_many
from hoopgate.interfaces import Identity, IStore
from hoopgate.stores.feed import ChangeFeed
from hoopgate.stores.records import RESET, Change, Request

WAITING: Final = 200  # callers that wait at once
WAITING_EACH: Final = 4  # of one identity
_LOOKED_AT: Final = 200  # changes read when a caller comes back; more, and it is told everything that is pending


@frozen
class News:
    """``sequence`` is what to come back with. ``requests`` None: too much happened, list what is pending."""

    sequence: int
    requests: tuple[Request, ...] | None


@define(eq=False)
class _Caller:
    """``since``: the last change it knows; the feed may still bring earlier ones."""

    viewer: Identity
    since: int
    news: Deferred[News] = field(repr=False)


class Watch:
    """Each change is read from the store once, however many wait for it."""

    log = Logger()

    def __init__(self, store: IStore, feed: ChangeFeed, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        self._callers: list[_Caller] = []
        self._reading = DeferredLock()
        feed.subscribe("approval", self._changed)

    async def news(self, viewer: Identity, since: int, seconds: float) -> News:
        """What changed after ``since`` for the viewer, as soon as there is any; nothing after ``seconds``.

        Raises Problem where too many wait already.
        """
        caller = self._admit(viewer, since)
        try:
            earlier = await self._earlier(viewer, since)
            if earlier.requests is None or earlier.requests:
                return earlier
            caller.since = earlier.sequence
            timer = self._clock.callLater(seconds, self._tell, caller, News(earlier.sequence, ()))
            try:
                return await caller.news
            finally:
                if timer.active():
                    timer.cancel()
        finally:
            self._callers.remove(caller)

    def _admit(self, viewer: Identity, since: int) -> _Caller:
        own = Counter(each.viewer.key for each in self._callers)[viewer.key]
        if len(self._callers) >= WAITING or own >= WAITING_EACH:
            raise too_many("others wait for news already")
        # From now on it hears of changes, so that none falls between looking back and waiting.
        caller = _Caller(viewer, since, Deferred())
        self._callers.append(caller)
        return caller

    async def _earlier(self, viewer: Identity, since: int) -> News:
        changes = await self._store.changes(since, _LOOKED_AT)
        if len(changes) >= _LOOKED_AT or any(change.kind == RESET for change in changes):
            return News(await self._store.latest(), None)
        subjects = dict.fromkeys(change.subject for change in changes if change.kind == "approval")
        known = [await self._store.request(subject) for subject in subjects]
        seen = tuple(each for each in known if each is not None and visible(each, viewer))
        return News(changes[-1].sequence if changes else since, seen)

    def _changed(self, change: Change) -> None:
        if not self._callers:
            return
        if change.kind == RESET:
            for caller in tuple(self._callers):
                self._tell(caller, News(change.sequence, None))
            return
        # One after the other: a caller that is told of a change will never ask for earlier ones again.
        reading: Deferred[Request | None] = self._reading.run(self._store.request, change.subject)
        reading.addCallbacks(self._spread, self._unread, (change.sequence,))

    def _spread(self, known: Request | None, sequence: int) -> None:
        for caller in tuple(self._callers):
            if known is not None and sequence > caller.since and visible(known, caller.viewer):
                self._tell(caller, News(sequence, (known,)))

    def _tell(self, caller: _Caller, news: News) -> None:
        if not caller.news.called:
            caller.news.callback(news)

    def _unread(self, failure: Failure) -> None:
        """The callers wait on; when they come back they look at the store themselves."""
        self.log.error("a changed request could not be read: {error}", error=failure.value)
