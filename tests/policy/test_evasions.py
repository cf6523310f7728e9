"""Denied effects in every spelling that somebody thought of: each has its effect on a real server, and is seen.

``statements/evasions.sql`` holds them, ``statements/honest.sql`` what only looks like it and has to pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import pq

from hoopgate.config.model import What
from hoopgate.development import postgres
from hoopgate.policy.operations import EFFECTS, PARTS, SQL_PARTS
from hoopgate.policy.sql.effects import operations
from hoopgate.policy.sql.parser import parse
from tests.policy.evasions import SCHEMA, Evasion, evasions, honest
from tests.policy.samples import config, decide, rule

EVASIONS, HONEST = evasions(), honest()


@pytest.mark.parametrize("evasion", EVASIONS, ids=lambda one: f"{one.effect}: {one.sql}")
def test_the_effect_is_seen(evasion: Evasion) -> None:
    assert evasion.effect in (*EFFECTS, *PARTS)
    found = operations(parse(evasion.sql))
    seen = [one for one in found if evasion.effect in (one.effect, one.name)]
    assert seen, found
    if evasion.unbounded:
        assert any(one.bounded is False for one in seen), seen


def test_every_part_of_an_effect_that_sql_has_is_shown() -> None:
    shown = {one.effect for one in EVASIONS} | {"schema.temporary", "schema.code", "transfer.remote"}
    assert set(SQL_PARTS) - shown == {"execute.block", "unknown.function", "unknown.text"}


# -- what only looks like it


DANGER = ("delete.truncate", "schema.drop", "execute", "admin", "unknown")
NO = (
    rule("never", "deny", what=What(effect=DANGER)),
    rule("all-rows", "deny", what=What(effect=("write", "delete"), bounded=False)),
)
DAILY = ("session", "read", "write", "delete", "transfer.in", "transfer.out", "schema.temporary")
APPLICATION = config(*NO, rule("daily", "allow", what=What(effect=DAILY)))
MIGRATIONS = config(
    rule("blocks", "allow", what=What(effect=("execute.block",))),
    *NO,
    rule("daily", "allow", what=What(effect=(*DAILY, "schema"))),
)


@pytest.mark.parametrize(("part", "sql"), HONEST, ids=[sql for _, sql in HONEST])
def test_an_honest_statement_passes(part: str, sql: str) -> None:
    found = decide(MIGRATIONS if part == "migrations" or sql.startswith("COMMENT") else APPLICATION, sql)
    assert found.then == "allow", found.reason


def test_there_are_enough_honest_statements() -> None:
    assert len(HONEST) >= 190


# -- on a real server


class Server:
    """A connection of the superuser's to a database with ``schema.sql``."""

    def __init__(self, server: postgres.PostgresServer) -> None:
        server.execute("CREATE DATABASE effects")
        self._server = server
        self._dsn = server.dsn("effects")
        self._connection = self._connect()
        self.run(SCHEMA)
        self.has_xml = not self._connection.exec_(b"SELECT xml '<a/>'").error_message
        self.version = self._connection.server_version // 10_000

    def run(self, sql: str) -> pq.abc.PGresult:
        result = self._connection.exec_(sql.encode())
        error = result.error_message.decode()
        assert not error, error
        return result

    def begin(self) -> None:
        self.anew()
        self.run("BEGIN")

    def fault(self, sql: str) -> str:
        """The SQLSTATE of the error, or nothing."""
        found = self._connection.exec_(sql.encode()).error_field(pq.DiagnosticField.SQLSTATE)
        return (found or b"").decode()

    def is_true(self, query: str) -> bool:
        return self.run(query).get_value(0, 0) == b"t"

    def anew(self) -> None:
        self._connection.finish()
        self._connection = self._connect()

    def close(self) -> None:
        self._connection.finish()
        self._server.execute("DROP DATABASE effects (FORCE)")
        self._server.execute("DROP ROLE victim; DROP ROLE other")

    def _connect(self) -> pq.PGconn:
        connection = pq.PGconn.connect(self._dsn.encode())
        assert connection.status == pq.ConnStatus.OK, connection.error_message
        connection.notice_handler = None
        return connection


@pytest.fixture(scope="module")
def newest(embedded_postgres: postgres.EmbeddedPostgres) -> Iterator[Server]:
    server = Server(embedded_postgres)
    yield server
    server.close()


@pytest.fixture(scope="module")
def older() -> Iterator[Server]:
    programs = postgres.system_programs()
    if programs is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql")
    running = postgres.PostgresServer(programs).start()
    yield Server(running)
    running.stop()


@pytest.mark.parametrize("evasion", [one for one in EVASIONS if not one.judged], ids=lambda one: one.sql)
def test_it_has_the_effect(newest: Server, evasion: Evasion) -> None:
    shown(newest, evasion)


@pytest.mark.parametrize(
    "evasion", [one for one in EVASIONS if not one.judged and not one.since], ids=lambda one: one.sql
)
def test_it_has_the_effect_on_an_older_server(older: Server, evasion: Evasion) -> None:
    if "regexp_like" in evasion.sql and older.version < 15:
        pytest.skip("regexp_like came with 15")
    shown(older, evasion)


@pytest.mark.parametrize(("part", "sql"), HONEST, ids=[sql for _, sql in HONEST])
def test_an_honest_statement_is_one(newest: Server, part: str, sql: str) -> None:
    """The server knows what it means, whether or not its tables are there."""
    newest.begin()
    assert newest.fault(sql) not in ("42601", "22023", "42883")


def shown(server: Server, evasion: Evasion) -> None:
    if evasion.xml and not server.has_xml:
        pytest.skip("this server was built without libxml")
    if evasion.outside:
        server.run(evasion.sql)
        try:
            assert server.is_true(evasion.proof)
        finally:
            server.run(evasion.undo)
        return
    server.run("BEGIN")
    try:
        server.run(evasion.sql)
        assert server.is_true(evasion.proof)
    finally:
        server.anew()
