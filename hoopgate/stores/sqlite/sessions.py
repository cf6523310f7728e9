"""Nodes and sessions in SQLite. Every function runs in one transaction of its caller's."""

from __future__ import annotations

import json
import sqlite3

from hoopgate.stores.records import Audience, SessionRecord, identity_from_json, identity_to_json
from hoopgate.stores.sqlite import changes, requests

_COLUMNS = "id, node, identity, person, target, role, protocol, client, started, ended, reason"


def heartbeat(connection: sqlite3.Connection, node: str, at: float) -> None:
    connection.execute(
        "INSERT INTO nodes (name, heartbeat) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET heartbeat = excluded.heartbeat",
        (node, at),
    )


def interrupt(connection: sqlite3.Connection, node: str, at: float, reason: str) -> int:
    """End what a dead process of this name left open."""
    connection.execute("UPDATE sessions SET ended = ?, reason = ? WHERE node = ? AND ended IS NULL", (at, reason, node))
    return len(requests.finish_where(connection, "node = ?", (node,), "interrupted", at, reason))


def interrupt_silent(connection: sqlite3.Connection, before: float, at: float, reason: str) -> int:
    silent = [name for (name,) in connection.execute("SELECT name FROM nodes WHERE heartbeat < ?", (before,))]
    connection.execute("DELETE FROM nodes WHERE heartbeat < ?", (before,))
    return sum(interrupt(connection, node, at, reason) for node in silent)


def add(connection: sqlite3.Connection, record: SessionRecord) -> None:
    connection.execute(
        f"INSERT INTO sessions ({_COLUMNS}, identity_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            record.id, record.node, json.dumps(identity_to_json(record.identity, claims=False)), record.person,
            record.target, record.role, record.protocol, record.client, record.started, record.ended, record.reason,
            record.identity.key,
        ),
    )  # fmt: skip


def close(connection: sqlite3.Connection, session: str, at: float, reason: str) -> None:
    connection.execute(
        "UPDATE sessions SET ended = ?, reason = ? WHERE id = ? AND ended IS NULL", (at, reason, session)
    )
    requests.finish_where(connection, "session = ?", (session,), "withdrawn", at, f"the session ended: {reason}")


def end(connection: sqlite3.Connection, session: str, at: float, reason: str, by: str) -> bool:
    live = connection.execute("SELECT 1 FROM sessions WHERE id = ? AND ended IS NULL", (session,)).fetchone()
    if live:
        changes.append(connection, "session", session, "end", at, reason, by)
    return live is not None


def one(connection: sqlite3.Connection, session: str) -> SessionRecord | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM sessions WHERE id = ?", (session,)).fetchone()  # noqa: S608
    return _record(row) if row else None


def many(
    connection: sqlite3.Connection, audience: Audience | None, live: bool, limit: int
) -> tuple[SessionRecord, ...]:
    where, values = ["1"], []
    if audience is not None:
        where.append("(identity_key = ? OR person = ?)")
        values += [audience.key, audience.person]
    if live:
        where.append("ended IS NULL")
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions WHERE {' AND '.join(where)} ORDER BY serial DESC LIMIT ?",  # noqa: S608
        (*values, limit),
    )
    return tuple(_record(row) for row in rows)


def live(connection: sqlite3.Connection, prefix: str) -> tuple[SessionRecord, ...]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions WHERE ended IS NULL AND substr(node, 1, ?) = ? ORDER BY serial",  # noqa: S608
        (len(prefix), prefix),
    )
    return tuple(_record(row) for row in rows)


def prune(connection: sqlite3.Connection, before: float) -> None:
    connection.execute("DELETE FROM sessions WHERE ended < ?", (before,))


def _record(row: tuple[str, ...]) -> SessionRecord:
    session, node, identity, *rest = row
    return SessionRecord(session, node, identity_from_json(json.loads(identity)), *rest)  # type: ignore[arg-type]
