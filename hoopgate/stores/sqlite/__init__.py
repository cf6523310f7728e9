"""The embedded store: one SQLite file in WAL mode, reached by a few threads of its own, never from the reactor's."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.config.model import Config
from hoopgate.identity.tokens import TokenRecord
from hoopgate.interfaces import IStore
from hoopgate.stores.records import (
    Audience,
    Change,
    Request,
    SessionRecord,
    State,
    StoreError,
    Vote,
)
from hoopgate.stores.sqlite import changes, requests, schema, sessions, tokens
from hoopgate.stores.sqlite.writing import Writer

T = TypeVar("T")

THREADS: Final = 3
BUSY_TIMEOUT: Final = 5.0  # seconds to wait for another process's write
UNDER_WAY: Final = 2000  # operations waiting or running; more are refused, so that a stuck disk cannot fill memory


def factory(config: Config, reactor: Any) -> SqliteStore:
    """The plugin's factory: the file that ``store.path`` names, or ``hoopgate.sqlite3`` in the state directory."""
    return SqliteStore(config.store.path or config.gateway.state / "hoopgate.sqlite3", reactor)


def _open(connection: sqlite3.Connection) -> None:
    """Settings that each connection needs. FULL: a committed decision outlives a loss of power."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}")


@implementer(IStore)
class SqliteStore:
    """``path`` is made with mode 0600 where it is missing; its directory must exist."""

    def __init__(self, path: Path, reactor: Any) -> None:
        self._path = path
        self._reactor = reactor
        self._pool: Any = None
        self._writer: Writer | None = None
        self._under_way: set[Deferred[Any]] = set()

    def start(self) -> Deferred[None]:
        try:
            _private_file(self._path)
        except OSError as error:
            return fail(StoreError(f"cannot open the store {self._path}: {error.strerror}"))
        except StoreError as error:
            return fail(error)
        # adbapi is untyped.
        self._pool = cast(Any, ConnectionPool)(
            "sqlite3", str(self._path), timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False,
            cp_reactor=self._reactor, cp_min=1, cp_max=THREADS, cp_noisy=False, cp_openfun=_open,
        )  # fmt: skip
        self._pool.start()
        self._writer = Writer(self._pool)
        return self._write(schema.migrate).addErrback(self._not_started)

    def _not_started(self, failure: Failure) -> Deferred[None]:
        told = StoreError(f"{self._path} cannot be used: {failure.getErrorMessage()}")
        return self.close().addCallback(lambda _: Failure(told) if failure.check(StoreError) else failure)

    def close(self) -> Deferred[None]:
        pool, self._pool = self._pool, None
        if pool is None:
            return succeed(None)
        closed: Deferred[None] = Deferred()
        DeferredList(list(self._under_way)).addCallback(lambda _: closed.callback(pool.close()))
        return closed

    def _write(self, work: Callable[..., T], *args: object) -> Deferred[T]:
        writer = self._writer
        return self._run(lambda: cast(Writer, writer).write(work, args))  # there is one wherever there is a pool

    def _read(self, work: Callable[..., T], *args: object) -> Deferred[T]:
        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN")
            return work(connection, *args)

        return self._run(lambda: self._pool.runWithConnection(transaction))

    def _run(self, start: Callable[[], Deferred[T]]) -> Deferred[T]:
        if self._pool is None:
            return fail(StoreError("the store is closed"))
        if len(self._under_way) >= UNDER_WAY:
            return fail(StoreError("the store has too much to do"))
        done = start()
        self._under_way.add(done)
        return done.addBoth(self._finished, done)

    def _finished(self, outcome: T | Failure, done: Deferred[T]) -> T | Failure:
        self._under_way.discard(done)
        if isinstance(outcome, Failure) and isinstance(outcome.value, sqlite3.Error):
            return Failure(StoreError(f"the store failed: {outcome.value}"))
        return outcome

    # --- nodes and sessions

    def heartbeat(self, node: str, at: float) -> Deferred[None]:
        return self._write(sessions.heartbeat, node, at)

    def interrupt(self, node: str, at: float, reason: str) -> Deferred[int]:
        return self._write(sessions.interrupt, node, at, reason)

    def interrupt_silent(self, before: float, at: float, reason: str) -> Deferred[int]:
        return self._write(sessions.interrupt_silent, before, at, reason)

    def open_session(self, record: SessionRecord) -> Deferred[None]:
        return self._write(sessions.add, record)

    def close_session(self, session_id: str, at: float, reason: str) -> Deferred[None]:
        return self._write(sessions.close, session_id, at, reason)

    def end_session(self, session_id: str, at: float, reason: str, by: str) -> Deferred[bool]:
        return self._write(sessions.end, session_id, at, reason, by)

    def session(self, session_id: str) -> Deferred[SessionRecord | None]:
        return self._read(sessions.one, session_id)

    def live_sessions(self, prefix: str) -> Deferred[tuple[SessionRecord, ...]]:
        return self._read(sessions.live, prefix)

    def sessions(self, *, audience: Audience | None, live: bool, limit: int) -> Deferred[tuple[SessionRecord, ...]]:
        return self._read(sessions.many, audience, live, limit)

    # --- requests

    def add_request(self, request: Request, *, per_identity: int, per_session: int) -> Deferred[None]:
        return self._write(requests.add, request, per_identity, per_session)

    def request(self, request_id: str) -> Deferred[Request | None]:
        return self._read(requests.one, request_id)

    def requests(
        self, kind: str, *, states: tuple[State, ...], audience: Audience | None, limit: int
    ) -> Deferred[tuple[Request, ...]]:
        return self._read(requests.many, kind, states, audience, limit)

    def vote(self, request_id: str, vote: Vote) -> Deferred[Request]:
        return self._write(requests.vote, request_id, vote).addCallback(_or_raise)

    def finish(
        self, request_id: str, state: State, at: float, *, reason: str, by: str, only: tuple[State, ...]
    ) -> Deferred[Request]:
        return self._write(requests.finish, request_id, state, at, reason, by, only)

    def finish_stale(self, node: str, policy_version: str, at: float, reason: str) -> Deferred[tuple[str, ...]]:
        where = "kind = 'approval' AND node = ? AND policy_version <> ?"
        return self._write(requests.finish_where, where, (node, policy_version), "stale", at, reason)

    def sweep(self, at: float) -> Deferred[None]:
        return self._write(requests.sweep, at)

    # --- tokens

    def add_token(self, record: TokenRecord) -> Deferred[None]:
        return self._write(tokens.add, record)

    def token(self, token_hash: bytes) -> Deferred[TokenRecord | None]:
        return self._read(tokens.by_hash, token_hash)

    def token_by_id(self, token_id: str) -> Deferred[TokenRecord | None]:
        return self._read(tokens.by_id, token_id)

    def revoke_token(self, token_id: str, at: float, reason: str, by: str) -> Deferred[bool]:
        return self._write(tokens.revoke, token_id, at, reason, by)

    # --- changes

    def latest(self) -> Deferred[int]:
        return self._read(changes.latest)

    def changes(self, since: int, limit: int = 1000) -> Deferred[tuple[Change, ...]]:
        return self._read(changes.read, since, limit)

    def prune(self, changes_before: float, records_before: float) -> Deferred[None]:
        return self._write(_prune, changes_before, records_before)


def _or_raise(outcome: Request | StoreError) -> Request:
    """A refused vote whose transaction was kept (it recorded that the request had expired)."""
    if isinstance(outcome, StoreError):
        raise outcome
    return outcome


def _prune(connection: sqlite3.Connection, changes_before: float, records_before: float) -> None:
    changes.prune(connection, changes_before)
    sessions.prune(connection, records_before)
    requests.prune(connection, records_before)
    tokens.prune(connection, records_before)


def _private_file(path: Path) -> None:
    """Make the file before SQLite would (by umask), or see that an old one is ours alone; -wal and -shm inherit it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        known = path.lstat()
        if not stat.S_ISREG(known.st_mode):
            raise StoreError(f"the store {path} is not a regular file") from None
        if known.st_uid != os.geteuid():
            raise StoreError(f"the store {path} belongs to somebody else: give it to the gateway's user") from None
        if stat.S_IMODE(known.st_mode) & 0o077:
            raise StoreError(f"the store {path} is open to others: run chmod 600 {path}") from None
