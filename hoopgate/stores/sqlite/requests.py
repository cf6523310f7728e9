"""Requests and their votes in SQLite. Every function runs in one transaction of its caller's."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from hoopgate.errors import LimitError
from hoopgate.stores.records import (
    AlreadyVotedError,
    Audience,
    NoSuchRecordError,
    Request,
    RequestClosedError,
    State,
    StoreError,
    Vote,
    identity_from_json,
    identity_to_json,
)
from hoopgate.stores.sqlite import changes
from hoopgate.verdicts import Approvers
from hoopgate.voting import settled

_COLUMNS = (
    "id, kind, node, requester, person, target, rule, requirements, created, expires, session, scope, digest,"
    " policy_version, seconds, details, state, decided, ends, decided_by, reason"
)


def add(connection: sqlite3.Connection, request: Request, per_identity: int, per_session: int) -> None:
    _bound(connection, request, "requester_key", request.requester.key, per_identity, "limits.holds_per_identity")
    if request.session:
        _bound(connection, request, "session", request.session, per_session, "limits.holds_per_session")
    connection.execute(
        f"INSERT INTO requests ({_COLUMNS}, requester_key) VALUES ({', '.join('?' * 22)})",  # noqa: S608
        (
            request.id, request.kind, request.node, json.dumps(identity_to_json(request.requester, claims=False)),
            request.person, request.target, request.rule,
            json.dumps([[each.groups, each.count] for each in request.requirements]),
            request.created, request.expires, request.session, request.scope, request.digest, request.policy_version,
            request.seconds, json.dumps(request.details), request.state, request.decided, request.ends,
            json.dumps(request.by), request.reason, request.requester.key,
        ),
    )  # fmt: skip
    groups = {group for each in request.requirements for group in each.groups}
    connection.executemany(
        "INSERT INTO request_groups (request, name) VALUES (?, ?)", [(request.id, group) for group in groups]
    )
    changes.append(connection, request.kind, request.id, request.state, request.created, by=request.requester.key)


def _bound(connection: sqlite3.Connection, request: Request, column: str, value: str, most: int, limit: str) -> None:
    if not most:
        return
    (count,) = connection.execute(
        f"SELECT count(*) FROM requests WHERE state = 'pending' AND kind = ? AND {column} = ?",  # noqa: S608
        (request.kind, value),
    ).fetchone()
    if count >= most:
        raise LimitError(f"{count} requests are waiting already", limit=limit)


def one(connection: sqlite3.Connection, request: str) -> Request | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM requests WHERE id = ?", (request,)).fetchone()  # noqa: S608
    return _request(connection, row) if row else None


def many(
    connection: sqlite3.Connection, kind: str, states: tuple[State, ...], audience: Audience | None, limit: int
) -> tuple[Request, ...]:
    where, values = ["kind = ?"], [kind]
    if states:
        where.append(f"state IN ({', '.join('?' * len(states))})")
        values += states
    if audience is not None:
        groups = _known_groups(connection, audience.groups)
        marks = ", ".join("?" * len(groups))
        theirs = f"id IN (SELECT request FROM request_groups WHERE name IN ({marks}))"  # noqa: S608
        where.append(f"(requester_key = ? OR person = ? OR {theirs})")
        values += [audience.key, audience.person, *groups]
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM requests WHERE {' AND '.join(where)} ORDER BY serial DESC LIMIT ?",  # noqa: S608
        (*values, limit),
    ).fetchall()
    return tuple(_request(connection, row) for row in rows)


def vote(connection: sqlite3.Connection, request: str, ballot: Vote) -> Request | StoreError:
    """Count a vote. A StoreError is returned where the transaction must be kept although the vote is refused."""
    known = _existing(connection, request)
    if known.state == "pending" and known.expires <= ballot.at:
        _finish(connection, known, "expired", known.expires, "nobody decided in time", ())
        return RequestClosedError("this request expired before the vote came", state="expired")
    if known.state != "pending":
        raise RequestClosedError(f"this request has ended: {known.state}", state=known.state)
    earlier = [each for each in known.votes if each.person == ballot.person or each.key == ballot.key]
    if ballot.approve and earlier:
        raise AlreadyVotedError("you have approved this request already; others must now")
    _replace_vote(connection, request, ballot)
    return _after_vote(connection, known, ballot)


def _after_vote(connection: sqlite3.Connection, before: Request, ballot: Vote) -> Request:
    now = _existing(connection, before.id)
    if not ballot.approve:
        _finish(connection, now, "denied", ballot.at, ballot.reason, (ballot.key,))
    elif settled(now.requirements, now.votes):
        _finish(connection, now, "approved", ballot.at, "", tuple(each.key for each in now.votes))
    else:
        changes.append(connection, now.kind, now.id, "voted", ballot.at, by=ballot.key)
    return _existing(connection, before.id)


def finish(
    connection: sqlite3.Connection,
    request: str,
    state: State,
    at: float,
    reason: str,
    by: str,
    only: tuple[State, ...],
) -> Request:
    known = _existing(connection, request)
    if known.state in only:
        _finish(connection, known, state, at, reason, (by,) if by else ())
    return _existing(connection, request)


def finish_where(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...], state: State, at: float, reason: str
) -> tuple[str, ...]:
    """End every pending request that ``where`` selects; returns their ids."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM requests WHERE state = 'pending' AND {where}",  # noqa: S608
        values,
    ).fetchall()
    for row in rows:
        _finish(connection, _request(connection, row), state, at, reason, ())
    return tuple(row[0] for row in rows)


def sweep(connection: sqlite3.Connection, at: float) -> None:
    finish_where(connection, "expires <= ?", (at,), "expired", at, "nobody decided in time")
    over = connection.execute(
        f"SELECT {_COLUMNS} FROM requests WHERE kind = 'grant' AND state = 'approved' AND ends <= ?",  # noqa: S608
        (at,),
    ).fetchall()
    for row in over:
        known = _request(connection, row)
        connection.execute("UPDATE requests SET state = 'ended' WHERE id = ?", (known.id,))
        changes.append(connection, "grant", known.id, "ended", at, "its time is over")


def prune(connection: sqlite3.Connection, before: float) -> None:
    connection.execute(
        "DELETE FROM requests WHERE state <> 'pending' AND decided < ? AND (ends IS NULL OR ends < ?)", (before, before)
    )


def _finish(
    connection: sqlite3.Connection, known: Request, state: State, at: float, reason: str, by: tuple[str, ...]
) -> None:
    """The one place where a request ends; an approved grant's end is reckoned from now."""
    ends = known.ends
    if state == "approved" and known.seconds is not None:
        ends = at + known.seconds
    elif ends is not None:
        ends = min(ends, at)
    connection.execute(
        "UPDATE requests SET state = ?, decided = ?, reason = ?, decided_by = ?, ends = ? WHERE id = ?",
        (state, at, reason, json.dumps(by), ends, known.id),
    )
    changes.append(connection, known.kind, known.id, state, at, reason, by[-1] if by else "")


def _replace_vote(connection: sqlite3.Connection, request: str, ballot: Vote) -> None:
    connection.execute(
        "DELETE FROM votes WHERE request = ? AND (person = ? OR voter_key = ?)", (request, ballot.person, ballot.key)
    )
    connection.execute(
        "INSERT INTO votes (request, person, voter_key, voter_groups, approve, reason, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            request, ballot.person, ballot.key, json.dumps(sorted(ballot.groups)), int(ballot.approve),
            ballot.reason, ballot.at,
        ),
    )  # fmt: skip


def _existing(connection: sqlite3.Connection, request: str) -> Request:
    known = one(connection, request)
    if known is None:
        raise NoSuchRecordError("there is no such request")
    return known


def _known_groups(connection: sqlite3.Connection, groups: frozenset[str]) -> list[str]:
    """Those of the groups that any request names: a person may have more groups than a statement has parameters."""
    return [name for (name,) in connection.execute("SELECT DISTINCT name FROM request_groups") if name in groups]


def _request(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Request:
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = dict(zip(names, row, strict=True))
    values["requester"] = identity_from_json(json.loads(values["requester"]))
    values["requirements"] = tuple(Approvers(tuple(g), count) for g, count in json.loads(values["requirements"]))
    values["details"] = json.loads(values["details"])
    values["by"] = tuple(json.loads(values.pop("decided_by")))
    return Request(**values, votes=_votes(connection, values["id"]))


def _votes(connection: sqlite3.Connection, request: str) -> tuple[Vote, ...]:
    rows = connection.execute(
        "SELECT voter_key, person, voter_groups, approve, reason, at FROM votes WHERE request = ? ORDER BY at, person",
        (request,),
    )
    return tuple(
        Vote(key, person, frozenset(json.loads(groups)), bool(approve), reason, at)
        for key, person, groups, approve, reason, at in rows
    )
