"""A target's catalogue, kept fresh: a cheap poll, a reading of what changed, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Protocol

from attrs import frozen
from twisted.internet import defer
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.indexes import Indexes
from hoopgate.catalogue.queries import FINGERPRINT
from hoopgate.catalogue.reading import Query, Reading
from hoopgate.catalogue.snapshot import Snapshot
from hoopgate.catalogue.sure import Sure
from hoopgate.config.limits import Limits
from hoopgate.config.model import Mask
from hoopgate.errors import CatalogueError

log = Logger()

_STALE_AFTER: Final = 3  # missed polls
_SOON: Final = 0.1  # seconds between two looks whether a session has come to rest
_DEFINERS: Final = 1000  # sessions whose definitions have not been looked at
_TURN: Final = 0.005  # seconds of work before others have their turn


class Definer(Protocol):
    """A session that defines something. ``batch``: what it sends now is of that one; ``rested``: the last one at whose
    end no transaction was open; ``transaction``: what was said of it last ("I" for none)."""

    @property
    def batch(self) -> int: ...

    @property
    def rested(self) -> int: ...

    @property
    def transaction(self) -> str: ...


@frozen(eq=False)
class Definition:
    """A session has changed definitions: when it comes to rest at the end of ``batch`` or a later one, that is
    committed or undone. ``over``: it is already."""

    batch: int
    over: bool = False

    def ended(self, session: Definer) -> bool:
        """It is committed, or undone."""
        return self.over or session.rested >= self.batch

    def may_count(self, session: Definer) -> bool:
        """Others may see it: outside an explicit block that may be at any moment from now on."""
        return self.ended(session) or session.transaction == "I"


def _at_once() -> Deferred[None]:
    return succeed(None)


class Catalogue:
    """What the gateway knows of one database.

    ``query`` runs one SELECT and gives its rows as text; its connection is the caller's, with ``statement_timeout``,
    ``lock_timeout`` and an empty ``search_path`` set, and a Deferred of it that is cancelled ends the query. Every
    ``refresh_every`` seconds a fingerprint is asked for (one row); only if it changed, what changed is read.
    ``refreshed`` is told of each check whether it went well. ``breathe`` gives a Deferred that fires when others have
    had their turn: long work is done in portions between which it is waited for. ``tell``: called where definitions
    change, or may have, so that other processes look anew too.
    """

    def __init__(
        self,
        query: Query,
        clock: IReactorTime,
        *,
        refresh_every: float = 5.0,
        refreshed: Callable[[bool], None] = lambda ok: None,
        limits: Limits | None = None,
        breathe: Callable[[], Deferred[None]] = _at_once,
        tell: Callable[[], None] | None = None,
    ) -> None:
        self._query = query
        self._refreshed = refreshed
        self._clock = clock
        self._every = refresh_every
        self._limits = limits or Limits()
        self._breathe = breathe
        self._tell = tell
        self._turn = 0.0
        self._reading = Reading(query, self._limits, self._pause)
        self._indexes = Indexes()
        self._flight: list[Deferred[Snapshot]] | None = None  # who waits for the check under way
        self._next: list[Deferred[Snapshot]] = []  # and for one that begins later
        self._definers: dict[Definer, Definition] = {}
        self._changed = self._seen = 0  # how often others told of definitions, and of how many this snapshot knows
        self._defining: dict[Definer, int] = {}  # by the batch that they are in with it
        self._poll: LoopingCall | None = None
        self._serial = 0
        self.sure = Sure(clock)  # what `fresh` would say without looking
        self.changes = 0
        """Counts what may change the meaning of names, from before it is sent on."""
        self.snapshot: Snapshot | None = None
        self.checked: float | None = None
        """When the snapshot was last known to be true, in the clock's seconds."""

    def start(self) -> None:
        """Begin to poll. A poll that fails is logged; what it left stale is then refreshed on use."""
        if self._poll is None:
            self._poll = LoopingCall(self._tick)
            self._poll.clock = self._clock
            self._poll.start(self._every)

    def stop(self) -> None:
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.stop()

    @property
    def fresh(self) -> Snapshot | None:
        """A snapshot that is good to use at once; None if one has to be awaited.

        One that is older than a poll is checked in the background meanwhile, so that a catalogue that nobody polls
        costs a statement now and then no time either.
        """
        if self.snapshot is None or self.checked is None or self._seen != self._changed:
            return None
        if self._definers and any(each.may_count(session) for session, each in self._definers.items()):
            return None
        age = self._clock.seconds() - self.checked
        if age > self._every:
            if age > _STALE_AFTER * self._every:
                return None
            if self._flight is None:
                self._tick()
        elif not self._definers:
            self.sure.trust(self.snapshot, self.checked + self._every)
        return self.snapshot

    def current(self) -> Deferred[Snapshot]:
        """A snapshot that is not older than a few polls, nor than what sessions of this process have defined; fails
        if none can be had (then nothing may pass)."""
        fresh = self.fresh
        return self.refresh() if fresh is None else succeed(fresh)

    def refresh(self) -> Deferred[Snapshot]:
        """Check now, and read what changed.

        One check at a time: who calls during one may have seen what it has not, and waits, with all others who do,
        for another behind it.
        """
        caller: Deferred[Snapshot] = Deferred()
        if self._flight is not None:
            self._next.append(caller)
        else:
            self._check([caller])
        return caller

    def defined(self, session: Definer, *, over: bool = False) -> None:
        """A session of this process has changed definitions, perhaps in a transaction that is still open. From the
        moment when that is at its end (``over``: now), nothing older counts."""
        if len(self._definers) >= _DEFINERS:
            # Those whose transactions have ended are as well told of by the snapshot's age.
            self._definers = {one: each for one, each in self._definers.items() if not each.ended(one)}
            self.checked = None
        self._definers[session] = Definition(session.rested + 1, over)
        self.changes += 1
        self.sure.doubt()
        self._tell_of(session, session.rested)

    def _tell_of(self, session: Definer, rested: int) -> None:
        """Tell others now, and until the session has come to rest again: what stands in an explicit block counts from
        its COMMIT, of which we hear."""
        if self._tell is not None:
            self._tell()
            if session.rested <= rested and session.transaction == "I":
                self._clock.callLater(_SOON, self._tell_of, session, rested)

    def defining(self, session: Definer) -> None:
        """A session under masks is about to change what names mean: to statements that were judged, but that the
        target has not read yet, that may matter before anybody hears of it (see :meth:`moving`)."""
        if len(self._defining) >= _DEFINERS:
            self._defining = {one: batch for one, batch in self._defining.items() if one.rested < batch}
        self._defining[session] = session.batch
        self.sure.defining = True
        self.changes += 1
        if self._tell is not None:
            self._tell()

    def moving(self, session: Definer) -> bool:
        """Others than this session change what names mean, or may have done so a moment ago."""
        self._defining = {one: batch for one, batch in self._defining.items() if one.rested < batch}
        self.sure.defining = bool(self._defining)
        return any(one is not session for one in self._defining)

    def outdated(self) -> None:
        """Definitions were changed elsewhere: nothing that was read until now counts."""
        self._changed += 1
        self.changes += 1
        self.sure.doubt()

    def index(self, snapshot: Snapshot, masks: Sequence[Mask], functions_safe: Sequence[str]) -> MaskIndex:
        """The snapshot under these masks. Kept, and made anew in the background before a newer snapshot is shown."""
        return self._indexes.index(snapshot, tuple(masks), tuple(functions_safe))

    @inlineCallbacks
    def prepared(
        self, masks: Sequence[Mask], functions_safe: Sequence[str]
    ) -> Generator[Deferred[Any], Any, MaskIndex]:
        """The same of the newest snapshot, made in portions. Fails as :meth:`current` does."""
        snapshot = yield self.current()
        for _ in self._indexes.making(snapshot, tuple(masks), tuple(functions_safe)):
            yield self._pause()
        return self.index(snapshot, masks, functions_safe)

    def _check(self, waiting: list[Deferred[Snapshot]]) -> None:
        self._flight = waiting
        read = self._read()
        read.addTimeout(self._limits.catalogue_read, self._clock)
        read.addErrback(self._late).addBoth(self._done)

    def _late(self, failure: Failure) -> Failure:
        if failure.check(defer.TimeoutError) is None:
            return failure
        seconds = f"{self._limits.catalogue_read:g} seconds"
        return Failure(CatalogueError(f"the target's catalogue was not read within {seconds} (limits.catalogue_read)"))

    def _done(self, outcome: Any) -> None:
        waiting, self._flight = self._flight or [], None
        later, self._next = self._next, []
        self._refreshed(isinstance(outcome, Snapshot))
        if later:
            self._check(later)
        for caller in waiting:
            caller.callback(outcome)  # a Failure goes down the errback

    @inlineCallbacks
    def _read(self) -> Generator[Deferred[Any], Any, Snapshot]:
        began = self._turn = self._clock.seconds()
        done = {session: each for session, each in self._definers.items() if each.ended(session)}
        changed = self._changed
        # The fingerprint comes first: what changes while the rest is read is found by the next check.
        rows = yield self._query(FINGERPRINT)
        fingerprint = rows[0][0] or ""
        if self.snapshot is None or self.snapshot.fingerprint != fingerprint:
            self._serial += 1
            snapshot = yield self._reading.snapshot(self._serial, fingerprint)
            for _ in self._indexes.renewing(snapshot):
                yield self._pause()
            self.snapshot = snapshot
            self.sure.doubt()
        self.checked = began
        self._seen = changed
        for session, definition in done.items():
            if self._definers.get(session) is definition:
                del self._definers[session]
        return self.snapshot

    def _pause(self) -> Deferred[None]:
        """Let others have their turn, if this one was long."""
        now = self._clock.seconds()
        if now - self._turn < _TURN:
            return succeed(None)
        return self._breathe().addCallback(self._resumed)

    def _resumed(self, result: None) -> None:
        self._turn = self._clock.seconds()

    def _tick(self) -> Deferred[None]:
        def failed(failure: Any) -> None:
            log.warn("the catalogue could not be read: {error}", error=failure.getErrorMessage())

        if self._flight is not None:
            return succeed(None)
        return self.refresh().addCallbacks(lambda snapshot: None, failed)
