"""Lineage over the life of prepared statements, portals and cursors: what runs is not always what a name means now.

Two schemas hold a table of one name; a mask covers the column of the one. Each attack lets the server resolve the name
at one moment, and the gateway judge it at another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import Wire, error, rows, types

SECRET = b"CCN4111222233334444"
MARKS = (SECRET, SECRET[::-1], b"3434333332323232", SECRET.lower(), SECRET.hex().encode(), b"4444", b"4111")
SCHEMA = f"""
CREATE TABLE public.people (id int PRIMARY KEY, name text, card text);
INSERT INTO public.people VALUES (1, 'ann', '{SECRET.decode()}'), (2, 'bob', '{SECRET.decode()}');
CREATE SCHEMA calm;
CREATE TABLE calm.people (id int, name text, card text);
INSERT INTO calm.people VALUES (1, 'calm', 'no card');
CREATE SCHEMA empty;
"""
MASKS = """
$target
[[mask]]
name = "cards"
columns = ["public.people.card"]
kind = "keep-last"
keep = 4
inference = 100000
"""
QUERIES = ("SELECT reverse(card) FROM people", "SELECT card || '' FROM people", "SELECT p FROM people p",
           "SELECT to_json(p)::text FROM people p", "SELECT array_agg(card)::text FROM people",
           "SELECT x FROM (SELECT md5(card), card AS x FROM people OFFSET 0) q")  # fmt: skip


@pytest.fixture(scope="module")
def lineage_gate(world: World, home: Path) -> Iterator[Gate]:
    password = secrets.token_urlsafe(18)
    world.server.execute(f"CREATE ROLE lineage_app SUPERUSER LOGIN PASSWORD '{password}'; CREATE DATABASE lineage")
    world.server.execute(SCHEMA, "lineage")
    mine = evolve(world, database="lineage", user="lineage_app", password=password)
    running = Gate(mine, home / "lineage", MASKS.replace("$target", mine.target("open"))).start()
    yield running
    assert not running.faults()
    running.remove()


@pytest.fixture
def wire(lineage_gate: Gate) -> Iterator[Wire]:
    with lineage_gate.wire("open") as made:
        yield made


def leaked(got: list[bytes]) -> bool:
    """A card of which more may be seen than its last four, behind asterisks."""
    came = b"".join(raw for raw in got if raw[:1] != b"T").lower().replace(b"****4444", b"")
    return any(mark.lower() in came for mark in MARKS)


def parse(text: str, name: bytes = b"s") -> bytes:
    return m.parse_message(name, text.encode())


def bind(portal: bytes = b"", name: bytes = b"s", formats: tuple[int, ...] = ()) -> bytes:
    return m.bind(portal, name, result_formats=formats)


RUN = m.execute(b"") + m.sync()


# --- first: that there is something to be seen at all


@pytest.mark.parametrize("query", QUERIES)
def test_without_masks_each_query_shows_the_card(lineage_gate: Gate, query: str) -> None:
    with lineage_gate.world.direct() as direct:
        assert leaked(direct.query(query))


@pytest.mark.parametrize("query", QUERIES)
def test_the_other_table_is_shown(wire: Wire, query: str) -> None:
    wire.query("SET search_path = calm")
    got = wire.query(query)
    assert types(got) == "TDCZ", error(got)
    assert b"****" not in b"".join(got)
    wire.query("SET search_path = public")
    assert not leaked(wire.query(query))
    wire.query("SET search_path = calm")
    assert b"****" not in b"".join(wire.query(query))


# --- the path moves between two phases

BEFORE = ("SET search_path = calm", "SET search_path = public")
MOVES = (
    BEFORE,
    BEFORE[::-1],
    ("SET search_path = calm", "SET search_path = empty, public"),
    ("SET search_path = calm, public", "RESET search_path"),
    ("SET search_path = calm", "SELECT set_config('search_path', 'public', false)"),
    ("SET search_path = public", "SELECT set_config('sear' || 'ch_path', 'calm', false)"),
    ("SET search_path = calm", "DISCARD ALL"),
    ("SET search_path = calm", "SET SCHEMA 'public'"),
    ("SET search_path = calm", "BEGIN; SET LOCAL search_path = public"),
    ("SET search_path = public", "BEGIN; SET LOCAL search_path = calm"),
    ("BEGIN; SET LOCAL search_path = calm", "COMMIT"),
    ("BEGIN; SET search_path = calm", "ROLLBACK"),
    ("BEGIN; SAVEPOINT a; SET search_path = calm", "ROLLBACK TO a"),
    ("SET search_path = calm", "ALTER ROLE lineage_app SET search_path = public"),
)


@pytest.mark.parametrize("formats", [(), (1,)])
@pytest.mark.parametrize("query", QUERIES[:4])
@pytest.mark.parametrize("move", MOVES)
def test_between_parse_and_bind(wire: Wire, move: tuple[str, str], query: str, formats: tuple[int, ...]) -> None:
    wire.query(move[0])
    wire.ask(parse(query) + m.sync())
    wire.query(move[1])
    assert not leaked(wire.ask(bind(formats=formats) + RUN))
    wire.query(move[0])
    assert not leaked(wire.ask(bind(formats=formats) + RUN))


@pytest.mark.parametrize("query", QUERIES[:4])
@pytest.mark.parametrize("move", MOVES[:8])
def test_between_bind_and_execute_in_one_batch(wire: Wire, move: tuple[str, str], query: str) -> None:
    turn = parse(move[1], b"t") + bind(b"t", b"t") + m.execute(b"t")
    wire.query(move[0])
    got = wire.ask(parse(query) + bind() + turn + m.execute(b"") + m.sync())
    assert not leaked(got)
    wire.query(move[0])
    got = wire.ask(parse(query, b"u") + bind(b"v", b"u") + m.describe(b"P", b"v") + turn.replace(b"t\0", b"w\0")
                   + m.execute(b"v") + m.sync())  # fmt: skip
    assert not leaked(got)


@pytest.mark.parametrize("query", QUERIES[:4])
def test_between_two_executes_of_a_portal(wire: Wire, query: str) -> None:
    wire.query("BEGIN")
    wire.query("SET LOCAL search_path = public")
    got = wire.ask(parse(query) + bind(b"p") + m.execute(b"p", 1) + m.sync())
    wire.query("SET LOCAL search_path = calm")
    got += wire.ask(m.execute(b"p", 1) + m.sync())
    got += wire.ask(m.describe(b"P", b"p") + m.execute(b"p", 0) + m.sync())
    assert b"E" not in types(got).encode(), error(got)
    assert len(rows(got)) == 2
    assert not leaked(got)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("move", MOVES[:8])
def test_prepared_and_executed_by_sql(wire: Wire, move: tuple[str, str], query: str) -> None:
    wire.query(move[0])
    wire.query(f"PREPARE p AS {query}")
    wire.query(move[1])
    got = wire.query("EXECUTE p")
    wire.query(move[0])
    got += wire.query("EXECUTE p")
    assert not leaked(got)


@pytest.mark.parametrize("query", QUERIES)
def test_parsed_by_the_protocol_and_executed_by_sql(wire: Wire, query: str) -> None:
    wire.query("SET search_path = public")
    wire.ask(parse(query) + m.sync())
    wire.query("SET search_path = calm")
    wire.query("CREATE TEMP TABLE people (id int, name text, card text)")
    assert not leaked(wire.query("EXECUTE s"))


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("hold", ["", " WITH HOLD"])
def test_a_cursor_shows_what_it_was_opened_over(wire: Wire, query: str, hold: str) -> None:
    wire.query("BEGIN; SET LOCAL search_path = public")
    wire.query(f"DECLARE k CURSOR{hold} FOR {query}")
    wire.query("SET LOCAL search_path = calm")
    got = wire.query("FETCH 1 FROM k")
    assert "D" in types(got), error(got)
    wire.query("CREATE TEMP TABLE people (id int, name text, card text)")
    got += wire.query("FETCH 1 FROM k")
    if hold:
        wire.query("COMMIT")
        got += wire.query("FETCH BACKWARD ALL FROM k")
    got += wire.ask(parse("FETCH ALL FROM k", b"f") + bind(b"", b"f") + RUN)
    assert not leaked(got)


def test_a_portal_fetched_from_by_sql(wire: Wire) -> None:
    wire.query("BEGIN; SET LOCAL search_path = public")
    wire.ask(parse(QUERIES[0]) + bind(b"door") + m.sync())
    wire.query("SET LOCAL search_path = calm")
    wire.query("CREATE TEMP TABLE people (id int, name text, card text)")
    got = wire.query("FETCH ALL FROM door")
    assert "D" in types(got), error(got)
    assert not leaked(got)


# --- another table hides the name, or ceases to


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("describe", [b"", m.describe(b"S", b"s") + m.sync()])
def test_a_temporary_table_hides_the_name_and_does_not(wire: Wire, query: str, describe: bytes) -> None:
    got: list[bytes] = []
    wire.query("CREATE TEMP TABLE people (id int, name text, card text)")
    wire.ask(parse(query) + m.sync())
    wire.query("ALTER TABLE pg_temp.people RENAME TO hidden")
    if describe:
        got += wire.ask(describe)
    wire.query("ALTER TABLE pg_temp.hidden RENAME TO people")
    got += wire.ask(bind() + RUN)
    wire.query("DROP TABLE pg_temp.people")
    got += wire.ask(bind() + RUN)
    wire.query("CREATE TEMP TABLE people (id int, name text, card text)")
    got += wire.ask(bind() + RUN)
    assert not leaked(got)


@pytest.mark.parametrize("query", QUERIES)
def test_a_temporary_table_that_is_rolled_back(wire: Wire, query: str) -> None:
    wire.query("BEGIN")
    wire.query("CREATE TEMP TABLE people (id int, name text, card text)")
    got = wire.query(query)
    wire.query("ROLLBACK")
    got += wire.query(query)
    wire.query("BEGIN; SAVEPOINT a")
    wire.query("CREATE TEMP TABLE people (id int, name text, card text)")
    got += wire.query(query)
    got += wire.query(f"ROLLBACK TO a; {query}")
    got += wire.query(f"DROP TABLE IF EXISTS pg_temp.people; {query}")
    assert not leaked(got)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("begin", ["SELECT 1", "BEGIN"])
def test_a_temporary_table_that_goes_with_its_batch(wire: Wire, query: str, begin: str) -> None:
    """The same text again and again, before and after."""
    wire.query(begin)
    made = "CREATE TEMP TABLE people (id int, name text, card text) ON COMMIT DROP"
    once = parse(query, b"") + bind(b"", b"") + m.execute(b"")
    got = wire.ask(parse(made, b"") + bind(b"", b"") + m.execute(b"") + 3 * once + m.sync())
    assert "E" not in types(got), error(got)
    for _ in range(2):
        got += wire.ask(once + m.sync())
    wire.query("COMMIT")
    for _ in range(2):
        got += wire.ask(once + m.sync())
    assert not leaked(got)


def test_somebody_elses_table_hides_the_name_for_a_while(lineage_gate: Gate, wire: Wire) -> None:
    """Tables come and go in a schema that is searched first."""
    wire.query("SET search_path = empty, public")
    with lineage_gate.wire("open") as other:
        got: list[bytes] = []
        for query in QUERIES:
            other.query("CREATE TABLE empty.people (id int, name text, card text)")
            got += wire.query(query)
            wire.ask(parse(query, b"q") + m.sync())
            other.query("DROP TABLE empty.people")
            got += wire.query(query)
            got += wire.ask(bind(b"", b"q") + RUN)
            got += wire.query("DEALLOCATE q")
            got += wire.query(query)
        assert not leaked(got)


# --- several statements in one message, or in one batch


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(
    "around",
    [
        "SELECT 1; {}",
        "{}; SELECT 1",
        "SET search_path = calm; {}; SET search_path = public; {}",
        "SET search_path = public; {}; SET search_path = calm; {}",
        "SELECT set_config('search_path', 'calm', false); {}; RESET search_path; {}",
        "BEGIN; SET LOCAL search_path = calm; {}; ROLLBACK; {}",
        "CREATE TEMP TABLE people (id int, name text, card text); {}; DROP TABLE pg_temp.people; {}",
        "BEGIN; CREATE TEMP TABLE people (id int, name text, card text); {}; ROLLBACK; {}",
        "SELECT 'clear' WHERE false; ; ; {}; SELECT name FROM people",
        "INSERT INTO calm.people VALUES (3) RETURNING id; {}; DELETE FROM calm.people WHERE id = 3",
        "DECLARE k CURSOR WITH HOLD FOR {}; FETCH ALL FROM k; CLOSE k",
        "PREPARE z AS {}; EXECUTE z; DEALLOCATE z",
        "BEGIN; DECLARE k CURSOR FOR {}; SET LOCAL search_path = calm; FETCH ALL FROM k; COMMIT",
        "SELECT name FROM people; {}; SELECT count(*) FROM people",
        "EXPLAIN {}; {}",
        "VALUES ('x'); {}; VALUES ('y')",
        "SHOW search_path; {}",
    ],
)
def test_in_one_message(wire: Wire, around: str, query: str) -> None:
    assert not leaked(wire.query(around.replace("{}", query)))


def test_results_of_one_message_are_masked_each_by_its_own(wire: Wire) -> None:
    texts = ("SELECT name", "SELECT upper(card)", "SET work_mem = '4MB'", "SELECT card", "SELECT upper(name), 7")
    got = wire.query(";".join(f"{text} FROM people WHERE id = 1" if "SET" not in text else text for text in texts))
    assert rows(got) == [[b"ann"], [b"****"], [b"****4444"], [b"ANN", b"7"]]


def test_pipelined_executions_are_masked_each_by_its_own(wire: Wire) -> None:
    batch = b""
    for number, text in enumerate(
        ("SELECT name FROM people", "SELECT reverse(card) FROM people", "SELECT card FROM people")
    ):
        name = b"n%d" % number
        batch += parse(text, name) + bind(name, name) + m.execute(name, 1)
    got = wire.ask(batch + m.sync())
    assert rows(got) == [[b"ann"], [b"****"], [b"****4444"]]
    again = b"".join(bind(b"n%d" % number, b"n%d" % number) for number in (2, 0, 1))
    got = wire.ask(again + m.execute(b"n1", 1) + m.execute(b"n2", 1) + m.execute(b"n0", 1) + m.sync())
    assert rows(got) == [[b"****"], [b"****4444"], [b"ann"]]


def test_derived_values_are_hidden_by_type_in_binary(wire: Wire) -> None:
    query = ("SELECT length(card), card::bytea, ARRAY[card], to_jsonb(card), card = 'x', p, name FROM people p"
             " WHERE id = 1")  # fmt: skip
    for formats in ((), (1,)):
        got = wire.ask(parse(query, b"") + bind(b"", b"", formats) + RUN)
        assert "E" not in types(got), error(got)
        (row,) = rows(got)
        assert row[5] is None
        assert row[6] == b"ann"
        assert not leaked(got)
        if formats:
            assert row[0] == b"\0\0\0\0"
            assert row[3] == b'\x01"****"'
        else:
            assert row[:5] == [b"0", b"\\x2a2a2a2a", b"{}", b'"****"', b"f"]


@pytest.mark.parametrize("how", ["text", "csv", "csv, HEADER", "binary", "csv, FORCE_QUOTE *"])
@pytest.mark.parametrize("query", QUERIES)
def test_copied(wire: Wire, query: str, how: str) -> None:
    got = wire.query(f"COPY ({query}) TO STDOUT (FORMAT {how})")
    assert not leaked(got)
    assert types(got)[0] in "HE"
    got = wire.ask(parse(f"COPY ({query}) TO STDOUT (FORMAT {how})", b"") + bind(b"", b"") + RUN)
    assert not leaked(got)


def test_honest_work_is_not_touched(wire: Wire) -> None:
    for _ in range(2):
        for query in ("SELECT id, upper(name), 1 FROM people ORDER BY id", "SELECT count(card), max(id) FROM people"):
            for got in (wire.query(query), wire.ask(parse(query, b"") + bind(b"", b"") + RUN)):
                assert b"****" not in b"".join(got)
                assert "D" in types(got)
