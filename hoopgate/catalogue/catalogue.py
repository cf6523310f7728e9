"""A target's catalogue, kept fresh: a cheap poll, a full read when something changed, one read at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hoopgate.catalogue import bodies, flows
from hoopgate.catalogue.queries import BUILTINS, FINGERPRINT, STATE, Row, actions_query, bodies_query
from hoopgate.catalogue.snapshot import Function, Mentions, Reads, Snapshot
from hoopgate.catalogue.state import State, builtins_of

log = Logger()

Query = Callable[[str], "Deferred[list[Row]]"]

_TREES_A_QUESTION: Final = 200
_STALE_AFTER: Final = 3  # missed polls


class Catalogue:
    """What the gateway knows of one database.

    ``query`` runs one SELECT and gives its rows as text; its connection is the caller's, with ``statement_timeout``,
    ``lock_timeout`` and an empty ``search_path`` set. Every ``refresh_every`` seconds a fingerprint is asked for (one
    row); only if it changed the rest is read: one statement, and the trees of rules that are new. ``refreshed`` is told
    of each check whether it went well.
    """

    def __init__(
        self,
        query: Query,
        clock: IReactorTime,
        *,
        refresh_every: float = 5.0,
        refreshed: Callable[[bool], None] = lambda ok: None,
    ) -> None:
        self._query = query
        self._refreshed = refreshed
        self._clock = clock
        self._every = refresh_every
        self._waiting: list[Deferred[Snapshot]] | None = None
        self._reads: dict[int, tuple[str, Reads]] = {}
        self._bodies: dict[int, tuple[str, Reads | Mentions]] = {}
        self._builtins: dict[str, tuple[Function, ...]] = {}
        self._poll: LoopingCall | None = None
        self._serial = 0
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
        if self.snapshot is None or self.checked is None:
            return None
        age = self._clock.seconds() - self.checked
        if age > _STALE_AFTER * self._every:
            return None
        if age > self._every and self._waiting is None:
            self._tick()
        return self.snapshot

    def current(self) -> Deferred[Snapshot]:
        """A snapshot that is not older than a few polls; fails if none can be had (then nothing may pass)."""
        fresh = self.fresh
        return self.refresh() if fresh is None else succeed(fresh)

    def refresh(self) -> Deferred[Snapshot]:
        """Check now, and read what changed. Single flight: callers during a refresh share its outcome."""
        caller: Deferred[Snapshot] = Deferred()
        if self._waiting is not None:
            self._waiting.append(caller)
            return caller
        self._waiting = [caller]
        self._read().addBoth(self._done)
        return caller

    def _done(self, outcome: Any) -> None:
        waiting, self._waiting = self._waiting or [], None
        self._refreshed(isinstance(outcome, Snapshot))
        for caller in waiting:
            caller.callback(outcome)  # a Failure goes down the errback

    @inlineCallbacks
    def _read(self) -> Generator[Deferred[Any], Any, Snapshot]:
        began = self._clock.seconds()
        # The fingerprint comes first: what changes while the rest is read is found by the next poll.
        rows = yield self._query(FINGERPRINT)
        fingerprint = rows[0][0] or ""
        if self.snapshot is None or self.snapshot.fingerprint != fingerprint:
            state = State((yield self._query(STATE)))
            reads = yield self._rules(state)
            read_bodies = yield self._sources(state)
            if not self._builtins:
                self._builtins = builtins_of((yield self._query(BUILTINS)))
            self._serial += 1
            self.snapshot = state.snapshot(self._serial, fingerprint, reads, read_bodies, self._builtins)
        self.checked = began
        return self.snapshot

    @inlineCallbacks
    def _rules(self, state: State) -> Generator[Deferred[Any], Any, dict[int, Reads]]:
        """What each rule reads; only rules with a new version are fetched."""
        known = {oid: kept for oid, kept in self._reads.items() if state.rules.get(oid, ("",))[0] == kept[0]}
        missing = [oid for oid in state.rules if oid not in known]
        for start in range(0, len(missing), _TREES_A_QUESTION):
            rows = yield self._query(actions_query(missing[start : start + _TREES_A_QUESTION]))
            for oid, version, action, condition in rows:
                functions = frozenset(state.calls.get(int(oid), ()))
                known[int(oid)] = (version, flows.reads(action or "", functions, condition or ""))
        self._reads = known
        return {oid: read for oid, (_, read) in known.items()}

    @inlineCallbacks
    def _sources(self, state: State) -> Generator[Deferred[Any], Any, dict[int, Reads | Mentions]]:
        """What each user's function in SQL reads; only new versions are fetched."""
        known = {oid: kept for oid, kept in self._bodies.items() if state.sources.get(oid) == kept[0]}
        missing = [oid for oid in state.sources if oid not in known]
        for start in range(0, len(missing), _TREES_A_QUESTION):
            rows = yield self._query(bodies_query(missing[start : start + _TREES_A_QUESTION]))
            for oid, version, source, tree in rows:
                functions = frozenset(state.calls.get(int(oid), ()))
                known[int(oid)] = (version, flows.reads(tree, functions) if tree else bodies.mentions(source, 65_536))
        self._bodies = known
        return {oid: read for oid, (_, read) in known.items()}

    def _tick(self) -> Deferred[None]:
        def failed(failure: Any) -> None:
            log.warn("the catalogue could not be read: {error}", error=failure.getErrorMessage())

        return self.refresh().addCallbacks(lambda snapshot: None, failed)
