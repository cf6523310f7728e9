"""Masks written back through the gateway, in every way that a client has, and what the session is like afterwards."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from attrs import evolve

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import Wire, error, extended, rows, types

SETUP = """
CREATE TABLE people (id int PRIMARY KEY, email text UNIQUE, card text, born date, balance int, uid uuid, note text);
INSERT INTO people SELECT n, 'SECRET' || n, '411122223333' || n, '1977-07-07', n * 1000,
    'deadbeef-0000-4000-8000-000000000001', 'note' FROM generate_series(1, 3) n;
CREATE VIEW people_view AS SELECT id, card FROM people;
CREATE TABLE parted (id int, card text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
"""
MASKS = """
$targets
[[mask]]
name = "emails"
columns = ["*.people.email"]
kind = "hash"
key = "file:$directory/secrets/hash"
[[mask]]
name = "cards"
columns = ["*.people.card", "*.parted.card"]
kind = "keep-last"
keep = 4
[[mask]]
name = "fixed"
columns = ["*.people.born", "*.people.balance", "*.people.uid"]
kind = "fixed"
"""
ROWS = "SELECT id, card FROM people ORDER BY id"
BEFORE = [[b"1", b"****3331"], [b"2", b"****3332"], [b"3", b"****3333"]]


@pytest.fixture(scope="module")
def written_world(world: World) -> World:
    password = secrets.token_urlsafe(18)
    world.server.execute(f"CREATE ROLE written_app SUPERUSER LOGIN PASSWORD '{password}'; CREATE DATABASE written")
    world.server.execute(SETUP, "written")
    return evolve(world, database="written", user="written_app", password=password)


@pytest.fixture(scope="module")
def written_gate(written_world: World, home: Path) -> Iterator[Gate]:
    running = Gate(written_world, home / "written", MASKS.replace("$targets", written_world.target("open"))).prepare()
    running.secret("hash", "k" * 32)
    running.start()
    yield running
    assert not running.faults()
    running.check_recordings()
    running.remove()


@pytest.fixture
def wire(written_gate: Gate, written_world: World) -> Iterator[Wire]:
    before = written_world.behind("SELECT * FROM people ORDER BY id")
    with written_gate.wire("open") as made:
        made.query(ROWS)
        yield made
        made.query("ROLLBACK")
        assert rows(made.query(ROWS)) == BEFORE  # the session goes on
    assert written_world.behind("SELECT * FROM people ORDER BY id") == before


def hashed(wire: Wire) -> str:
    value = rows(wire.query("SELECT email FROM people WHERE id = 1"))[0][0]
    assert value is not None
    return value.decode()


REFUSED = (
    "UPDATE people SET card = '****3331' WHERE id = 1",
    "UPDATE people SET card = 'x ****3331' WHERE id = 1",
    "UPDATE people SET (id, card) = (9, '****3331') WHERE id = 1",
    "UPDATE people SET (id, card) = (SELECT 9, '****3331') WHERE id = 1",
    "UPDATE people SET card = '****3331'::text WHERE id = 1",
    "UPDATE people SET card = CAST('****3331' AS varchar) WHERE id = 1",
    "UPDATE people SET card = E'\\x2a***3331' WHERE id = 1",
    "UPDATE people SET card = $$****3331$$ WHERE id = 1",
    "UPDATE people p SET card = v.c FROM (VALUES (1, '4111'), (2, '****3332')) v (i, c) WHERE v.i = p.id",
    "WITH v (i, c) AS (VALUES (2, '****3332')) UPDATE people p SET card = v.c FROM v WHERE v.i = p.id",
    "INSERT INTO people (id, card) VALUES (9, '****3331')",
    "INSERT INTO people (id, card) VALUES (9, '4111'), (10, '****3331')",
    "INSERT INTO people (id, card) SELECT 9, '****3331'",
    "INSERT INTO people VALUES (9, 'x', '****3331')",
    "INSERT INTO people (id, card) VALUES (1, '4111') ON CONFLICT (id) DO UPDATE SET card = '****3331'",
    "INSERT INTO people (id, card) VALUES (1, '****1') ON CONFLICT (id) DO UPDATE SET card = excluded.card",
    "MERGE INTO people p USING (VALUES (1)) v (i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET card = '****3331'",
    "MERGE INTO people p USING (VALUES (9, '****1')) v (i, c) ON p.id = v.i "
    "WHEN NOT MATCHED THEN INSERT (id, card) VALUES (v.i, v.c)",
    "UPDATE people_view SET card = '****3331' WHERE id = 1",
    "INSERT INTO parted VALUES (1, '****3331')",
    "UPDATE people SET born = '2000-01-01' WHERE id = 1",
    "INSERT INTO people (id, born) VALUES (9, date '2000-01-01')",
    "UPDATE people SET uid = '00000000-0000-0000-0000-000000000000'",
    "EXPLAIN ANALYZE UPDATE people SET card = '****3331' WHERE id = 1",
    "PREPARE p AS UPDATE people SET card = '****3331' WHERE id = 1",
)


@pytest.mark.parametrize("sql", REFUSED)
@pytest.mark.parametrize("way", ["simple", "extended"])
def test_literals(wire: Wire, sql: str, way: str) -> None:
    got = wire.query(sql) if way == "simple" else wire.ask(extended(sql, describe=False))
    assert "E" in types(got), got
    assert error(got)["C"] == "42501"
    assert "is masked (mask" in error(got)["M"]
    if way == "simple":  # the same again, from memory
        assert error(wire.query(sql))["M"] == error(got)["M"]


PARAMETERS = (
    ("UPDATE people SET card = $1 WHERE id = 1", b"****3331"),
    ("UPDATE people SET card = $1::text WHERE id = 1", b"****3331"),
    ("INSERT INTO people (id, card) VALUES (9, 'x'), (10, $1)", b"****3331"),
    ("INSERT INTO people (id, card) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET card = excluded.card", b"****"),
    ("UPDATE people p SET card = v.c FROM (VALUES (1, $1)) v (i, c) WHERE v.i = p.id", b"****3331"),
    ("MERGE INTO people p USING (VALUES (1)) v (i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET card = $1", b"****3331"),
)


@pytest.mark.parametrize(("sql", "value"), PARAMETERS)
def test_parameters_each_time_they_are_bound(wire: Wire, sql: str, value: bytes) -> None:
    """One prepared statement, by turns with honest values and masks, in text and in binary."""
    wire.query("BEGIN")
    wire.ask(m.parse_message(b"s", sql.encode(), ()) + m.sync())
    for formats in ((), (1,)):
        wire.query("SAVEPOINT a")
        honest = wire.ask(m.bind(b"", b"s", formats, (b"4111222233339999",), ()) + m.execute(b"", 0) + m.sync())
        assert "E" not in types(honest), honest
        wire.query("ROLLBACK TO a")
        got = wire.ask(m.bind(b"", b"s", formats, (value,), ()) + m.execute(b"", 0) + m.sync())
        assert error(got)["C"] == "42501"
        assert '"card"' in error(got)["M"]
        assert 'mask "cards"' in error(got)["M"]
        wire.query("ROLLBACK TO a")


def test_sql_execute_gives_the_mask(wire: Wire) -> None:
    wire.query("PREPARE q (text) AS UPDATE people SET card = $1 WHERE id = 1")
    assert error(wire.query("EXECUTE q ('****3331')"))["C"] == "42501"
    wire.query("BEGIN")
    assert "E" not in types(wire.query("EXECUTE q ('4111')"))


def test_hashes_and_constants(wire: Wire) -> None:
    value = hashed(wire)
    assert error(wire.query(f"UPDATE people SET email = '{value}' WHERE id = 2"))["C"] == "42501"
    assert error(wire.query(f"INSERT INTO people (id, email) VALUES (9, '{value}')"))["C"] == "42501"
    wire.query("BEGIN")
    assert "E" not in types(wire.query(f"UPDATE people SET email = '{'ab' * 32}' WHERE id = 2"))
    assert "E" not in types(wire.query("UPDATE people SET email = NULL, card = NULL WHERE id = 2"))


def test_zeros_only_over_what_was_shown(written_gate: Gate) -> None:
    """Who has not read the balance may set it to nothing; who was shown 0 for it has probably read that."""
    with written_gate.wire("open") as wire:
        wire.query("BEGIN")
        assert "E" not in types(wire.query("UPDATE people SET balance = 0 WHERE id = 1"))
        assert rows(wire.query("SELECT balance FROM people WHERE id = 2")) == [[b"0"]]
        assert "E" not in types(wire.query("INSERT INTO people (id, balance) VALUES (9, 0)"))
        assert error(wire.query("UPDATE people SET balance = 0 WHERE id = 1"))["C"] == "42501"
        wire.query("ROLLBACK")


def test_an_orm_that_saves_all_it_read(written_gate: Gate, written_world: World) -> None:
    """psycopg, whole rows written back as they were read, in text and in binary."""
    dsn = written_gate.dsn("open")
    before = written_world.behind("SELECT * FROM people ORDER BY id")
    with psycopg.connect(dsn, password=written_gate.token("ada")) as connection:
        for binary in (False, True):
            row = connection.execute("SELECT card, born, balance, uid, id FROM people WHERE id = 1", binary=binary)
            values = row.fetchone()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    "UPDATE people SET card = %b, born = %b, balance = %b, uid = %b WHERE id = %b" if binary else
                    "UPDATE people SET card = %s, born = %s, balance = %s, uid = %s WHERE id = %s", values,
                )  # fmt: skip
            connection.rollback()
            for column, value in (("born", values[1]), ("balance", values[2]), ("uid", values[3])):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"UPDATE people SET {column} = %s WHERE id = 1", (value,), prepare=True)
                connection.rollback()
    assert written_world.behind("SELECT * FROM people ORDER BY id") == before


def test_a_large_insert_is_looked_through(wire: Wire) -> None:
    """Of thousands of rows a few are judged one by one, so any text of the mask in it counts."""
    values = ", ".join(f"({n}, '4111222233{n:06}')" for n in range(1000, 6000))
    wire.query("BEGIN")
    assert "E" not in types(wire.query(f"INSERT INTO people (id, card) VALUES {values}"))
    wire.query("ROLLBACK")
    got = wire.query(f"INSERT INTO people (id, card) VALUES {values}, (9999, '****1111')")
    assert error(got)["C"] == "42501"


# --- COPY

BINARY = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def packed(*values: bytes) -> bytes:
    return struct.pack("!h", len(values)) + b"".join(struct.pack("!i", len(value)) + value for value in values)


COPIES = {
    "COPY people (id, card) FROM STDIN": b"8\t4111\n9\t****1234\n",
    "COPY people FROM STDIN": b"9\tx\t****1234\t\\N\t\\N\t\\N\t\\N\n",
    "COPY people (id, card) FROM STDIN (FORMAT csv)": b'8,4111\n9,"****1234"\n',
    "COPY people (id, card) FROM STDIN (FORMAT csv, NULL '****', FORCE_NOT_NULL (card))": b"9,****\n",
    "COPY people (id, card) FROM STDIN (FORMAT csv, HEADER, DELIMITER ';')": b"id;card\n9;****1234\n",
    "COPY people (id, card) FROM STDIN (FORMAT binary)": BINARY + packed(b"\0\0\0\x09", b"****1234") + b"\xff\xff",
    "COPY parted FROM STDIN": b"1\t****1234\n",
    "COPY people (id, born) FROM STDIN": b"9\t2000-01-01\n",
}


def copied(wire: Wire, start: bytes, data: bytes, end: bytes) -> list[bytes]:
    wire.send(start)
    while (raw := wire.message())[:1] != b"G":
        if raw[:1] == b"E":
            return [raw, *wire.until("Z")]
    wire.send(data + end)
    return wire.until("Z")


@pytest.mark.parametrize("sql", COPIES)
@pytest.mark.parametrize("size", [1, 13, 1 << 16])
def test_rows_of_copy(wire: Wire, sql: str, size: int) -> None:
    data = COPIES[sql]
    pieces = b"".join(m.copy_data(data[at : at + size]) for at in range(0, len(data), size))
    for start, end in (
        (m.query(sql.encode()), m.copy_done()),
        (extended(sql, sync=False, describe=False) + m.flush(), m.copy_done() + m.sync()),
    ):
        got = copied(wire, start, pieces, end)
        assert error(got)["C"] == "42501", got
        assert "is masked (mask" in error(got)["M"]
        assert types(got).count("E") == 1
        assert rows(wire.query("SELECT 1")) == [[b"1"]]
        assert rows(wire.query("SELECT count(*) FROM people WHERE id > 3")) == [[b"0"]]


def test_data_that_are_sent_before_they_are_asked_for(wire: Wire) -> None:
    sql, data = "COPY people (id, card) FROM STDIN", m.copy_data(b"9\t****1234\n")
    wire.send(m.query(sql.encode()) + data + m.copy_done() + m.query(b"SELECT 1"))
    got = wire.until("ZZ")
    assert error(got)["C"] == "42501"
    assert rows(got) == [[b"1"]]
    wire.send(extended(sql, sync=False, describe=False) + data + m.copy_done() + m.sync())
    assert error(wire.until("Z"))["C"] == "42501"


def test_a_large_message_that_passes_in_pieces(wire: Wire) -> None:
    """The target has its beginning when the mask is seen in it."""
    lines = b"".join(b"%d\t4111222233334444\n" % number for number in range(10, 40_010))
    for data in (lines + b"9\t****1234\n", b"9\t****1234\n" + lines):
        got = copied(wire, m.query(b"COPY people (id, card) FROM STDIN"), m.copy_data(data), m.copy_done())
        assert error(got)["C"] == "42501"
        assert rows(wire.query("SELECT 1")) == [[b"1"]]


def test_honest_rows_pass(wire: Wire) -> None:
    wire.query("BEGIN")
    data = b"".join(m.copy_data(b"%d\t4111222233334444\t**** in a note\n" % number) for number in range(10, 2010))
    got = copied(wire, m.query(b"COPY people (id, card, note) FROM STDIN"), data, m.copy_done())
    assert m.parse_command_complete(got[0]) == b"COPY 2000"


def test_a_transaction_fails_as_for_any_error(wire: Wire) -> None:
    wire.query("BEGIN")
    got = copied(
        wire, m.query(b"COPY people (id, card) FROM STDIN"), m.copy_data(b"9\t****1\n"), m.copy_done()
    )  # fmt: skip
    assert got[-1] == m.ready_for_query(b"E")
    assert error(wire.query("SELECT 1"))["C"] == "25P02"


def test_copies_of_masked_columns_are_sent_alone(wire: Wire) -> None:
    assert "alone" in error(wire.query("COPY people (id, card) FROM STDIN; SELECT 1"))["M"]
