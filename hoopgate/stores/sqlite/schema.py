"""The schema of the SQLite store, as numbered migrations; ``PRAGMA user_version`` says which have run.

Migrations are only ever added. They keep to SQLite 3.24, which old distributions still have.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from hoopgate.stores.records import StoreError

_FIRST: Final = (
    """CREATE TABLE nodes (
        name TEXT PRIMARY KEY,
        heartbeat REAL NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE sessions (
        serial INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        node TEXT NOT NULL,
        identity TEXT NOT NULL,
        identity_key TEXT NOT NULL,
        person TEXT NOT NULL,
        target TEXT NOT NULL,
        role TEXT NOT NULL,
        protocol TEXT NOT NULL,
        client TEXT NOT NULL,
        started REAL NOT NULL,
        ended REAL,
        reason TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX sessions_live ON sessions (node) WHERE ended IS NULL",
    """CREATE TABLE requests (
        serial INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('approval', 'grant')),
        node TEXT NOT NULL,
        requester TEXT NOT NULL,
        requester_key TEXT NOT NULL,
        person TEXT NOT NULL,
        target TEXT NOT NULL,
        rule TEXT NOT NULL,
        requirements TEXT NOT NULL,
        created REAL NOT NULL,
        expires REAL NOT NULL,
        session TEXT NOT NULL,
        scope TEXT NOT NULL,
        digest TEXT NOT NULL,
        policy_version TEXT NOT NULL,
        seconds REAL,
        details TEXT NOT NULL,
        state TEXT NOT NULL,
        decided REAL,
        ends REAL,
        decided_by TEXT NOT NULL DEFAULT '[]',
        reason TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX requests_state ON requests (kind, state, serial)",
    "CREATE INDEX requests_pending ON requests (requester_key) WHERE state = 'pending'",
    """CREATE TABLE request_groups (
        request TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        PRIMARY KEY (name, request)
    ) WITHOUT ROWID""",
    "CREATE INDEX request_groups_request ON request_groups (request)",
    """CREATE TABLE votes (
        request TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
        person TEXT NOT NULL,
        voter_key TEXT NOT NULL,
        voter_groups TEXT NOT NULL,
        approve INTEGER NOT NULL CHECK (approve IN (0, 1)),
        reason TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (request, person),
        UNIQUE (request, voter_key)
    ) WITHOUT ROWID""",
    """CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        identity TEXT NOT NULL,
        issued REAL NOT NULL,
        expires REAL NOT NULL,
        targets TEXT NOT NULL,
        revoked REAL
    ) WITHOUT ROWID""",
    # AUTOINCREMENT: a sequence is never used twice, even after its line was pruned.
    """CREATE TABLE changes (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        action TEXT NOT NULL,
        at REAL NOT NULL,
        reason TEXT NOT NULL,
        done_by TEXT NOT NULL
    )""",
    "CREATE TABLE pruned (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), sequence INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO pruned VALUES (1, 0)",
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)


def migrate(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Run what has not run yet, all in the caller's one transaction. Raises StoreError for a newer schema."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise StoreError(
            f"the store has schema {version}, this hoopgate knows {len(migrations)}: install the newer hoopgate again"
        )
    for number, statements in enumerate(migrations[version:], version + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number:d}")
