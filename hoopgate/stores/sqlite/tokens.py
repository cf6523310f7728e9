"""Gateway-issued tokens in SQLite: hashes only. Every function runs in one transaction of its caller's."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from hoopgate.identity.tokens import TokenRecord
from hoopgate.stores.sqlite import changes

_COLUMNS = "id, hash, identity, issued, expires, targets, revoked"


def add(connection: sqlite3.Connection, record: TokenRecord) -> None:
    connection.execute(
        f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            record.id, record.hash, json.dumps(record.identity), record.issued, record.expires,
            json.dumps(record.targets), record.revoked,
        ),
    )  # fmt: skip


def by_hash(connection: sqlite3.Connection, token_hash: bytes) -> TokenRecord | None:
    return _record(connection.execute(f"SELECT {_COLUMNS} FROM tokens WHERE hash = ?", (token_hash,)).fetchone())  # noqa: S608


def by_id(connection: sqlite3.Connection, token: str) -> TokenRecord | None:
    return _record(connection.execute(f"SELECT {_COLUMNS} FROM tokens WHERE id = ?", (token,)).fetchone())  # noqa: S608


def revoke(connection: sqlite3.Connection, token: str, at: float, reason: str, by: str) -> bool:
    done = connection.execute("UPDATE tokens SET revoked = ? WHERE id = ? AND revoked IS NULL", (at, token))
    if done.rowcount == 1:
        changes.append(connection, "token", token, "revoked", at, reason, by)
    return done.rowcount == 1


def prune(connection: sqlite3.Connection, before: float) -> None:
    connection.execute("DELETE FROM tokens WHERE expires < ?", (before,))


def _record(row: Any) -> TokenRecord | None:
    if row is None:
        return None
    token, token_hash, identity, issued, expires, targets, revoked = row
    return TokenRecord(token, token_hash, json.loads(identity), issued, expires, tuple(json.loads(targets)), revoked)
