"""The log of changes in SQLite: appended in the transaction of what changed, read by every process."""

from __future__ import annotations

import sqlite3

from hoopgate.stores.records import RESET, Change


def append(
    connection: sqlite3.Connection, kind: str, subject: str, action: str, at: float, reason: str = "", by: str = ""
) -> None:
    connection.execute(
        "INSERT INTO changes (kind, subject, action, at, reason, done_by) VALUES (?, ?, ?, ?, ?, ?)",
        (kind, subject, action, at, reason, by),
    )


def latest(connection: sqlite3.Connection) -> int:
    """The last sequence given out, pruned or not."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def read(connection: sqlite3.Connection, since: int, limit: int) -> tuple[Change, ...]:
    (floor,) = connection.execute("SELECT sequence FROM pruned").fetchone()
    lost = (Change(floor, RESET, "", RESET, 0.0),) if since < floor else ()
    rows = connection.execute(
        "SELECT sequence, kind, subject, action, at, reason, done_by FROM changes"
        " WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (max(since, floor), limit),
    )
    return lost + tuple(Change(*row) for row in rows)


def prune(connection: sqlite3.Connection, before: float) -> None:
    """Forget the oldest lines, up to the last one older than ``before``, and remember how far."""
    (last,) = connection.execute("SELECT max(sequence) FROM changes WHERE at < ?", (before,)).fetchone()
    if last is not None:
        connection.execute("DELETE FROM changes WHERE sequence <= ?", (last,))
        connection.execute("UPDATE pruned SET sequence = ?", (last,))
