"""Who tells the catalogue that definitions changed, and what becomes of its connection when a target is silent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed

from hoopgate.codecs.postgresql import backend
from hoopgate.frames import SIMPLE, Reply, Statement
from hoopgate.guards.record import RecordGuard
from hoopgate.protocols.postgresql.query import Queries


def told(tag: str, text: str = "whatever") -> bool:
    """Does the witness tell the gateway of a statement that ended with this tag?"""
    seen: list[Any] = []
    session = SimpleNamespace(later=lambda event: None, gateway=SimpleNamespace(defined=seen.append))
    statement = Statement(b"", text, SIMPLE)
    RecordGuard(session).inspect(Reply(b"", statement, tag))
    return seen == [session]


@pytest.mark.parametrize(
    "tag",
    [
        "CREATE VIEW",
        "ALTER TABLE",
        "DROP FUNCTION",
        "DO",
        "CALL",
        "IMPORT FOREIGN SCHEMA",
        "COMMIT PREPARED",
        "CREATE TABLE AS",
    ],
)
def test_what_may_define_is_told(tag: str) -> None:
    assert told(tag)


@pytest.mark.parametrize("tag", ["SELECT 1", "INSERT 0 1", "DELETE 3", "COMMIT", "COPY 5", "UPDATE 1", "BEGIN", ""])
def test_what_cannot_is_not(tag: str) -> None:
    assert not told(tag)


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("CREATE TEMP TABLE t (a int)", False),
        ("create local temporary table t (a int);", False),
        ("CREATE TABLE t (a int)", True),
        ("CREATE TEMP VIEW v AS SELECT 1", True),
        ("CREATE TEMP TABLE t (a int); ALTER TABLE u ADD b int", True),
    ],
)
def test_a_temporary_table_concerns_its_session_alone(text: str, tells: bool) -> None:
    assert told("CREATE TABLE", text) is tells


class Connection:
    """A target's connection as far as plain queries need one."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False
        self.transport = SimpleNamespace(write=self.written.append, abortConnection=self._abort)
        self.received: Any = None
        self.lost: Any = None

    def _abort(self) -> None:
        self.aborted = True

    def take_over(self, received: Any, lost: Any) -> None:
        self.received, self.lost = received, lost


def test_a_query_that_is_given_up_takes_its_connection_with_it() -> None:
    made: list[Connection] = []

    def connect() -> Deferred[Any]:
        made.append(Connection())
        return succeed(made[-1])

    queries = Queries(connect)
    silent = queries.query("SELECT 1")
    second = queries.query("SELECT 2")
    failures: list[Any] = []
    silent.addErrback(failures.append)
    silent.cancel()
    assert failures[0].check(CancelledError)
    assert made[0].aborted
    assert b"SELECT 2" in made[1].written[0]
    late = backend.command_complete("SELECT 1") + backend.ready_for_query(b"I")
    made[0].received(late)  # an answer that comes after all is nobody's
    made[0].lost(None)
    assert not second.called
    made[1].received(late)
    answered: list[Any] = []
    second.addCallback(answered.append)
    assert answered == [[]]
