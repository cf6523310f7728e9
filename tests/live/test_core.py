"""Ways round the core, tried on a live gateway: names, batches, transactions, and who is asked what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World, wait_for
from tests.live.test_holds import SYNC, alive, count, held
from tests.live.wire import Wire, error, rows, types

DELETE = "DELETE FROM held"
READ = "SELECT id, label FROM vault ORDER BY id LIMIT 2"
SECRET = "SELECT id, secret_key FROM vault ORDER BY id LIMIT 2"
LONG = "n" * 63


@pytest.fixture
def ruled(gate: Gate, world: World) -> Iterator[Wire]:
    world.behind("TRUNCATE held, wide; INSERT INTO held SELECT n, 'n' FROM generate_series(1, 5) n")
    with gate.wire("ruled") as wire:
        yield wire
    assert count(world) == 5, "what nobody approved has run"


@pytest.fixture
def watched(gate: Gate) -> Iterator[Wire]:
    with gate.wire("watched") as wire:
        yield wire


def refused(wire: Wire, data: bytes, until: str = "Z") -> dict[str, str]:
    return error(wire.ask(data, until))


# --- what is held does not run by another way


def test_executing_by_sql_what_the_protocol_prepared(ruled: Wire) -> None:
    """Parse is not held, Bind is: SQL's EXECUTE must not come between."""
    assert types(ruled.ask(m.parse_message("s", DELETE) + SYNC)) == "1Z"
    for sql in ("EXECUTE s", 'EXECUTE "s"', "EXPLAIN ANALYZE EXECUTE s"):
        assert refused(ruled, m.query(sql))["C"] == "42501"
    alive(ruled)


@pytest.mark.parametrize("closer", ["b", "c"])
def test_names_that_only_differ_where_postgresql_does_not_look(ruled: Wire, gate: Gate, closer: str) -> None:
    ruled.ask(m.parse_message(LONG + "a", "SELECT 1") + SYNC)
    ruled.ask(m.close(b"S", LONG + closer) + SYNC)
    ruled.ask(m.parse_message(LONG + "d", DELETE) + SYNC)
    ruled.send(m.bind("", LONG + "a") + m.execute() + SYNC)
    gate.deny(held(ruled), "no")
    ruled.until("Z")


def test_two_batches_that_fail_before_their_parse(ruled: Wire, gate: Gate) -> None:
    ruled.ask(m.parse_message("", DELETE) + SYNC)
    bad = m.bind("", "nowhere")
    ruled.ask(
        bad + m.parse_message("", "SELECT 1") + SYNC + bad + m.parse_message("", "SELECT 2") + SYNC, "ZZ"
    )  # fmt: skip
    ruled.send(m.bind("", "") + m.execute() + SYNC)
    gate.deny(held(ruled), "no")
    ruled.until("Z")


def test_a_failed_transaction_whose_end_is_under_way(ruled: Wire, gate: Gate) -> None:
    """While it had failed nobody could be asked where names are; what is pipelined behind its end still is judged."""
    ruled.send(m.query("BEGIN") + m.query("SELECT 1/0") + m.query("ROLLBACK") + m.query(DELETE))
    ruled.until("ZZZ")
    gate.deny(held(ruled), "no")
    ruled.until("Z")
    alive(ruled)


def test_ending_a_failed_transaction_and_more_in_one_message(ruled: Wire) -> None:
    ruled.query("BEGIN")
    ruled.query("SELECT 1/0")
    assert error(ruled.query(f"ROLLBACK; {DELETE}"))["C"] == "25P02"
    assert ruled.query("ROLLBACK")[-1] == m.ready_for_query(b"I")
    alive(ruled)


def test_a_question_that_sql_spoils_is_asked_all_the_same(ruled: Wire, gate: Gate) -> None:
    """The reserved name taken by SQL, as a statement and as a cursor."""
    ruled.query("PREPARE hoopgate_question AS SELECT 'spoiled'")
    ruled.query("BEGIN")
    ruled.query("DECLARE hoopgate_question CURSOR FOR SELECT 'spoiled'")
    ruled.query("SET search_path = public")
    ruled.send(m.query(DELETE))
    gate.deny(held(ruled), "no")
    ruled.until("Z")
    ruled.query("ROLLBACK")


def test_statement_timeout_of_the_clients_own_ends_no_session(ruled: Wire) -> None:
    """Questions run under the client's settings: one that fails refuses the statement, and that is all."""
    ruled.query("SET statement_timeout = 1")
    for _ in range(5):
        got = ruled.query("SELECT count(*) FROM held h, generate_series(1, 10) g")
        assert got[-1] == m.ready_for_query(b"I")
    ruled.query("SET statement_timeout = 0")
    alive(ruled)


def test_a_cancel_while_a_hold_is_being_made_ends_it(ruled: Wire, gate: Gate) -> None:
    ruled.send(m.query(DELETE))
    for _ in range(20):
        with Wire.tcp(("127.0.0.1", gate.ports["plain"]), {}, login=False) as other:
            other.socket.sendall(m.cancel_request(ruled.pid, ruled.key))
            other.closed()
    got = ruled.until("Z")
    assert error(got)["C"] == "57014"
    alive(ruled)
    wait_for(lambda: not [each for each in gate.pending() if each["statement"] == DELETE], "the request's end")


# --- batches


def test_what_stands_behind_an_error_that_was_already_answered_is_skipped(gate: Gate) -> None:
    with gate.wire("open") as wire:
        assert types(wire.ask(m.parse_message("", "nonsense") + m.flush(), "E")) == "E"
        got = wire.ask(m.parse_message("", "SELECT 1") + m.bind("", "") + m.execute() + m.query("SELECT 2") + SYNC)
        assert types(got) == "Z"
        alive(wire)


def test_a_copy_that_fails_in_a_batch(gate: Gate) -> None:
    with gate.wire("open") as wire:
        wire.ask(m.parse_message("", "COPY wide (a) FROM STDIN") + m.bind("", "") + m.execute() + m.flush(), "G")
        wire.ask(m.copy_data(b"bad\n"), "E")
        assert types(wire.ask(m.copy_data(b"1\n") + m.copy_done() + SYNC)) == "Z"
        alive(wire)


def test_a_pipeline_in_a_changing_encoding(gate: Gate) -> None:
    """PostgreSQL tells of a new encoding as the batch ends; what stands in it is read rightly all the same."""
    with gate.wire("open") as wire:
        data = b"".join(
            m.parse_message("", text) + m.bind("", "") + m.execute()
            for text in (b"SET client_encoding = 'LATIN1'", b"SELECT 'caf\xe9'", b"SELECT length('caf\xe9 \\')")
        )
        got = wire.ask(data + SYNC)
        assert [row[0] for row in rows(got)] == [b"caf\xe9", b"6"]
        back = wire.ask(m.query("SET client_encoding = 'UTF8'") + m.query("SELECT 'é'".encode()), "ZZ")
        assert rows(back) == [["é".encode()]]


# --- masks


def unmasked(messages: list[bytes]) -> bool:
    return b"sk_clear" in b"".join(messages) or b"pw_clear" in b"".join(messages)


def test_another_cursor_under_a_portals_name(watched: Wire) -> None:
    watched.query("BEGIN")
    watched.ask(m.parse_message("s", READ) + m.bind("p", "s") + SYNC)
    got = watched.query("CLOSE p") + watched.query(f"DECLARE p CURSOR FOR {SECRET}")
    got += watched.ask(m.execute("p") + SYNC)
    assert not unmasked(got)
    watched.query("ROLLBACK")


def test_another_cursor_under_a_portals_name_by_a_function(watched: Wire, world: World) -> None:
    world.behind(
        "CREATE OR REPLACE FUNCTION switch() RETURNS void LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'p'; BEGIN "
        "CLOSE c; OPEN c FOR SELECT id, secret_key FROM vault; END $$; GRANT EXECUTE ON FUNCTION switch() TO PUBLIC"
    )
    watched.query("BEGIN")
    watched.ask(m.parse_message("s", READ) + m.bind("p", "s") + SYNC)
    got = watched.query("SELECT switch()") + watched.ask(m.execute("p") + SYNC)
    assert not unmasked(got)
    watched.query("ROLLBACK")


def test_rows_of_a_portal_that_is_resumed_or_that_was_never_described(watched: Wire) -> None:
    bound = m.parse_message("s", SECRET) + m.bind("p", "s") + m.execute("p", 1) + m.execute("p", 1) + m.execute("p", 1)
    got = watched.ask(bound + SYNC)
    assert types(got) == "12DsDsCZ"
    assert not unmasked(got)
    assert len(rows(got)) == 2


def test_what_is_prepared_under_a_name_that_another_batch_voids(watched: Wire) -> None:
    bad = m.bind("", "nowhere")
    watched.ask(m.parse_message("", SECRET) + SYNC)
    got = watched.ask(bad + m.parse_message("", READ) + SYNC + m.bind("", "") + m.execute() + SYNC, "ZZ")
    assert not unmasked(got)
    assert len(rows(got)) == 2
