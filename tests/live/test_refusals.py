"""A refused statement: PostgreSQL's own error language, in every phase, and a session that both sides agree on."""

from __future__ import annotations

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import Wire, error, extended, rows, types

DROP = "DROP TABLE plain"
SYNC = m.sync()


def refused(messages: list[bytes]) -> None:
    fields = error(messages)
    assert fields["S"] == fields["V"] == "ERROR"
    assert (fields["C"], fields["M"]) == ("42501", "Tables stay.")
    assert fields["D"] == 'Refused by rule "no-drops".'
    assert fields["H"] == "Ask the owner of the table."


def alive(wire: Wire, status: bytes = b"I") -> None:
    got = wire.query("SELECT 'alive'")
    assert rows(got) == [[b"alive"]]
    assert got[-1] == m.ready_for_query(status)


@pytest.fixture
def wire(gate: Gate, world: World) -> Wire:
    world.behind("TRUNCATE wide")
    return gate.wire("ruled")


def test_simple(wire: Wire) -> None:
    got = wire.query(DROP)
    assert types(got) == "EZ"
    refused(got)
    alive(wire)


def test_each_statement_of_a_message_is_judged_before_any_runs(wire: Wire, world: World) -> None:
    got = wire.query(f"INSERT INTO wide VALUES (1, 'x'); {DROP}; SELECT 1")
    assert types(got) == "EZ"
    refused(got)
    assert world.behind("SELECT count(*) FROM wide") == "0"
    alive(wire)


def test_parse(wire: Wire) -> None:
    got = wire.ask(m.parse_message(b"p", DROP) + SYNC)
    assert types(got) == "EZ"
    refused(got)
    got = wire.ask(m.bind(b"", b"p") + m.execute(b"", 0) + SYNC)
    assert types(got) == "EZ"
    assert error(got)["C"] == "26000"
    alive(wire)


def test_parse_in_its_own_batch_then_flush(wire: Wire) -> None:
    """As libpq's PQprepare in a pipeline: the error comes with Flush, the rest is skipped up to Sync."""
    got = wire.ask(m.parse_message(b"", DROP) + m.flush(), "E")
    refused(got)
    got = wire.ask(extended("SELECT 1", sync=False) + m.query(b"SELECT 2") + SYNC)
    assert types(got) == "Z"
    alive(wire)


@pytest.mark.parametrize("phase", ["bind", "execute"])
def test_bind_and_execute_are_judged_by_the_rules_of_their_own_moment(make_gate, world: World, phase: str) -> None:
    """What was prepared or bound before a reload forbade it does not run after."""
    gate = make_gate(world.target("open"))
    with gate.wire("open") as wire:
        world.behind("TRUNCATE wide; INSERT INTO wide VALUES (1, 'x')")
        wire.query("BEGIN")
        prepare = m.parse_message(b"p", "DELETE FROM wide WHERE a = 1")
        bind = m.bind(b"portal", b"p")
        sent = prepare + bind if phase == "execute" else prepare
        assert types(wire.ask(sent + SYNC)) == ("12Z" if phase == "execute" else "1Z")
        deny = """
[[rule]]
name = "no-deletes"
what = { effect = ["delete"] }
then = "deny"
reason = "Rows stay."
"""
        status = gate.reload(deny + gate.text)
        assert status.reload.ok, status
        got = wire.ask((b"" if phase == "execute" else bind) + m.execute(b"portal", 0) + SYNC)
        assert types(got) == "EZ"
        assert error(got)["D"] == 'Refused by rule "no-deletes".'
        assert got[-1] == m.ready_for_query(b"E")
        assert b"ROLLBACK" in wire.query("COMMIT")[0]
        assert world.behind("SELECT count(*) FROM wide") == "1"
        alive(wire)


def test_in_a_transaction(wire: Wire, world: World) -> None:
    wire.query("BEGIN")
    wire.query("INSERT INTO wide VALUES (1, 'x')")
    got = wire.query(DROP)
    refused(got)
    assert got[-1] == m.ready_for_query(b"E")
    got = wire.query("SELECT 1")
    assert error(got)["C"] == "25P02"
    got = wire.query(DROP)  # refused as what it is, also now
    refused(got)
    got = wire.query("COMMIT")
    assert got == [m.command_complete("ROLLBACK"), m.ready_for_query(b"I")]
    assert world.behind("SELECT count(*) FROM wide") == "0"
    alive(wire)


def test_in_a_transaction_with_savepoints(wire: Wire, world: World) -> None:
    wire.query("BEGIN; INSERT INTO wide VALUES (1, 'kept')")
    wire.query("SAVEPOINT s")
    refused(wire.query(DROP))
    assert wire.query("ROLLBACK TO s") == [m.command_complete("ROLLBACK"), m.ready_for_query(b"T")]
    alive(wire, b"T")
    assert wire.query("COMMIT")[0] == m.command_complete("COMMIT")
    assert world.behind("SELECT b FROM wide") == "kept"


def test_in_a_pipeline_what_stands_before_rolls_back(wire: Wire, world: World) -> None:
    insert = extended("INSERT INTO wide VALUES (1, 'x')", sync=False, describe=False)
    got = wire.ask(insert + extended(DROP, sync=False) + insert + SYNC + extended("SELECT 'next batch'"), "ZZ")
    assert types(got) == "12CEZ12TDCZ"
    refused(got)
    assert rows(got) == [[b"next batch"]]
    assert world.behind("SELECT count(*) FROM wide") == "0"
    alive(wire)


def test_in_a_pipeline_with_a_sync_between_what_stands_before_stays(wire: Wire, world: World) -> None:
    insert = extended("INSERT INTO wide VALUES (1, 'x')", describe=False)
    got = wire.ask(insert + extended(DROP) + insert, "ZZZ")
    assert types(got) == "12CZEZ12CZ"
    refused(got)
    assert world.behind("SELECT count(*) FROM wide") == "2"


def test_queries_behind_each_other(wire: Wire) -> None:
    got = wire.ask(m.query(b"SELECT 1") + m.query(DROP.encode()) + m.query(b"SELECT 2"), "ZZZ")
    assert types(got) == "TDCZEZTDCZ"
    refused(got)


def test_a_refusal_waits_for_the_answers_before_it(wire: Wire) -> None:
    got = wire.ask(m.query(b"SELECT pg_sleep(0.3)") + m.query(DROP.encode()), "ZZ")
    assert types(got) == "TDCZEZ"


def test_a_refused_copy_takes_its_data_with_it(make_gate, world: World) -> None:
    """The client may have sent the data already, as psql does not but libpq's asynchronous users do."""
    deny = """
[[rule]]
name = "no-writes"
what = { effect = ["write", "transfer"] }
then = "deny"
reason = "No."
"""
    gate = make_gate(deny + world.target("open"))
    with gate.wire("open") as wire:
        got = wire.ask(m.query(b"COPY wide FROM STDIN") + m.copy_data(b"1\tx\n") + m.copy_done())
        assert types(got) == "EZ"
        alive(wire)
        got = wire.ask(extended("COPY wide FROM STDIN", sync=False) + m.copy_data(b"1\tx\n") + m.copy_done() + SYNC)
        assert types(got) == "EZ"
        alive(wire)


def test_function_calls_and_replication_commands(wire: Wire) -> None:
    """FunctionCall of pg_backend_pid() (oid 2026): only a rule that allows it lets it through, here one does."""
    call = b"F" + (4 + 4 + 2 + 2 + 2).to_bytes(4, "big") + (2026).to_bytes(4, "big") + b"\0\0\0\0\0\0"
    got = wire.ask(call)
    assert types(got) in ("VZ", "EZ")
    alive(wire)


def test_function_calls_need_a_rule(make_gate, world: World) -> None:
    gate = make_gate(
        world.target("open", allow=False)
        + '[[rule]]\nname = "reads"\nwhat = { effect = ["read", "session"] }\nthen = "allow"\n'
    )
    with gate.wire("open") as wire:
        call = b"F" + (4 + 4 + 2 + 2 + 2).to_bytes(4, "big") + (2026).to_bytes(4, "big") + b"\0\0\0\0\0\0"
        got = wire.ask(call)
        assert types(got) == "EZ"
        assert error(got)["C"] == "42501"
        assert types(wire.query("SELECT 'x'")) == "TDCZ"
        for sql in ("COPY plain TO PROGRAM 'cat'", "SELECT pg_read_file('x')", "READ_REPLICATION_SLOT x", "GARBAGE"):
            got = wire.query(sql)
            assert error(got)["C"] == "42501", sql
        alive(wire)


def test_psycopg_sees_an_ordinary_error(gate: Gate, world: World) -> None:
    with gate.connect("ruled", autocommit=False) as connection:
        connection.execute("INSERT INTO wide VALUES (4, 'x')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(DROP)
        assert caught.value.diag.message_detail == 'Refused by rule "no-drops".'
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM wide WHERE a = 4").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            pipeline(connection, "INSERT INTO wide VALUES (4, 'x')", DROP, "INSERT INTO wide VALUES (4, 'x')")
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM wide WHERE a = 4").fetchone() == (0,)


def pipeline(connection: psycopg.Connection, *statements: str) -> None:
    with connection.pipeline():
        for statement in statements:
            connection.execute(statement)


def test_refusals_are_recorded(gate: Gate) -> None:
    with gate.connect("ruled") as connection:
        session = connection.execute("SELECT current_setting('application_name')").fetchone()[0].split()[0][3:]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(DROP)
    shown = gate.hoopgate("ada", "sessions", "show", session).out
    assert DROP in shown
    assert "no-drops" in shown
    assert "Tables stay." in shown


def test_names_that_are_not_there_in_the_words_of_the_server(gate: Gate, world: World) -> None:
    """No policy decided, so no rule is named."""
    bound = m.bind(b"", b"nothing", (), (), ()) + m.sync()
    run = m.execute(b"nothing", 0) + m.sync()
    with gate.wire("open") as wire, world.direct() as direct:
        assert types(wire.query("PREPARE p AS SELECT 1")) == types(direct.query("PREPARE p AS SELECT 1"))
        for data in (bound, run, m.parse_message(b"p", "SELECT 2", ()) + m.sync()):
            said, own = error(wire.ask(data)), error(direct.ask(data))
            assert {code: said.get(code) for code in "SVCMDH"} == {code: own.get(code) for code in "SVCMDH"}
