"""Masks that hold where relations are read, on the wire: no byte depends on a masked value, and work goes on."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from attrs import evolve

from hoopgate.codecs.postgresql import messages as m
from hoopgate.recorders.export import export
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import Wire, error, extended, rows, types
from tests.masks.test_respell import FAULTS, SCHEMA, SECRETS, STATEMENTS

MASKS = """
[[target]]
name = "$name"
protocol = "postgresql"
hosts = ["127.0.0.1:$port"]
database = "$name"
tls = "disable"
[target.role.app]
user = "$user"
password = "file:$directory/secrets/app"

[[rule]]
name = "all-of-$name"
what = { target = ["$name"] }
then = "allow"
"""
RULES = """
[[rule]]
name = "held"
what = { target = ["one"], effect = ["read"], object = ["public.asked"] }
then = "hold"
approvers = { groups = ["approvers"] }
reason = "ask first"
timeout = 20
"""
MASK = """
[[mask]]
name = "emails"
columns = ["public.users.email", "public.users.odd*", "public.users.card"]
reading = "source"
[[mask]]
name = "rest"
columns = ["*.*.secret", "public.collated.home"]
reading = "source"
kind = "fixed"
"""


def target(world: World, name: str) -> str:
    values = {"name": name, "port": str(world.server.port), "user": world.user}
    text = MASKS
    for key, value in values.items():
        text = text.replace(f"${key}", value)
    return text


def config(world: World, masks: str = MASK) -> str:
    return RULES + target(world, "one") + target(world, "other") + masks


@pytest.fixture(scope="module")
def sources_world(world: World) -> World:
    password = secrets.token_urlsafe(18)
    world.server.execute(f"CREATE ROLE sources_app SUPERUSER LOGIN PASSWORD '{password}'")
    for name, secret in zip(("one", "other"), SECRETS, strict=False):
        world.server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        world.server.execute(SCHEMA.replace("{secret}", secret), name)
        world.server.execute("CREATE VIEW asked AS SELECT id, email AS contact FROM users", name)
    return evolve(world, database="one", user="sources_app", password=password)


@pytest.fixture(scope="module")
def sources_gate(sources_world: World, home: Path) -> Iterator[Gate]:
    running = Gate(sources_world, home / "sources", config(sources_world)).start()
    yield running
    assert not running.faults()
    running.remove()


@pytest.fixture(scope="module")
def wires(sources_gate: Gate) -> Iterator[list[Wire]]:
    made = [sources_gate.wire(name) for name in ("one", "other")]
    yield made
    for wire in made:
        wire.close()


@pytest.fixture
def wire(sources_gate: Gate) -> Iterator[Wire]:
    with sources_gate.wire("one") as made:
        yield made


def seen(messages: list[bytes]) -> list[object]:
    """Every byte, but for the ids that the two databases give to the same tables and types."""
    return [
        [
            (c.name, c.table_oid > 0, c.attnum, c.type_oid if c.type_oid < 16384 else 0, c.type_modifier, c.format)
            for c in m.parse_row_description(raw)
        ]
        if raw[:1] == b"T"
        else raw
        for raw in messages
    ]


@pytest.mark.parametrize("sql", [*STATEMENTS, *FAULTS])
def test_no_byte_depends_on_a_masked_value(wires: list[Wire], sql: str) -> None:
    came = []
    for wire in wires:
        got = [wire.query(f"BEGIN; {sql}" if "; " in sql else "BEGIN")]
        got += [] if "; " in sql else [wire.query(sql)]
        got.append(wire.query("ROLLBACK"))
        if "; " not in sql:
            got += [wire.query("BEGIN"), wire.ask(extended(sql, describe=True)), wire.query("ROLLBACK")]
        came.append([seen(each) for each in got])
        everything = b"".join(raw for each in got for raw in each).replace(b"strtoint32", b"")
        assert b"s1" not in everything
        assert b"t3" not in everything
    assert came[0] == came[1]


def test_what_runs_is_masked_and_the_rest_is_as_it_was(wire: Wire, sources_world: World) -> None:
    got = wire.query("SELECT id, email, name FROM users WHERE email = '****' ORDER BY id LIMIT 2")
    assert rows(got) == [[b"1", b"****", b"n1"], [b"2", b"****", b"n2"]]
    columns = m.parse_row_description(next(raw for raw in got if raw[:1] == b"T"))
    assert [(column.table_oid > 0, column.type_modifier) for column in columns] == [(True, -1), (False, 24), (True, -1)]
    assert rows(wire.query("SELECT count(*) FROM users WHERE email = 's1'")) == [[b"0"]]
    assert rows(wire.query("SELECT upper(email), md5(card) FROM users WHERE id = 1"))[0][0] == b"****"


def test_parameters_names_and_portals(wire: Wire) -> None:
    wire.ask(m.parse_message("byname", "SELECT email, $2::text FROM users WHERE id = $1", (23,)) + m.sync())
    described = wire.ask(m.describe(b"S", "byname") + m.sync())
    assert types(described) == "tTZ"
    assert m.parse_parameter_description(described[0]) == (23, 25)
    for number in (b"1", b"2"):
        got = wire.ask(m.bind("p", "byname", (), (number, b"x")) + m.execute("p", 1) + m.close(b"P", "p") + m.sync())
        assert rows(got) == [[b"****", b"x"]]
    again = wire.ask(m.parse_message("byname", "SELECT 1") + m.sync())
    assert error(again)["C"] == "42P05"
    got = wire.query("EXECUTE byname (1, 'y')")
    assert rows(got) == [[b"****", b"y"]]
    wire.query("DEALLOCATE byname")


def test_prepare_and_cursors_in_sql(wire: Wire) -> None:
    assert types(wire.query("PREPARE s (int) AS SELECT email FROM users WHERE id = $1")) == "CZ"
    assert rows(wire.query("EXECUTE s (1)")) == [[b"****"]]
    wire.query("BEGIN")
    wire.query("DECLARE c SCROLL CURSOR FOR SELECT id, card FROM users ORDER BY id")
    assert rows(wire.query("FETCH 2 FROM c")) == [[b"1", b"****"], [b"2", b"****"]]
    wire.query("DECLARE u CURSOR FOR SELECT id, email FROM users WHERE id = 3 FOR UPDATE")
    wire.query("FETCH u")
    assert types(wire.query("UPDATE users SET name = 'changed' WHERE CURRENT OF u")) == "CZ"
    wire.query("ROLLBACK")


@pytest.mark.parametrize("by", ["protocol", "sql"])
def test_what_was_prepared_to_read_otherwise_is_prepared_again(
    sources_gate: Gate, sources_world: World, by: str
) -> None:
    plain = config(sources_world, "")
    sources_gate.reload(plain)
    try:
        with sources_gate.wire("one") as wire:
            if by == "protocol":
                wire.ask(m.parse_message("old", "SELECT email FROM users WHERE id = 1") + m.sync())
            else:
                wire.query("PREPARE old AS SELECT email FROM users WHERE id = 1")
            assert rows(wire.query("EXECUTE old")) == [[b"s1"]]
            sources_gate.reload(config(sources_world))
            if by == "protocol":
                got = wire.ask(m.bind("", "old") + m.execute() + m.sync())
                assert error(got)["C"] == "26000"
                assert error(got)["H"] == "Prepare it again."
            got = wire.query("EXECUTE old")
            assert error(got)["C"] == "26000"
            wire.query("DEALLOCATE old")
            wire.query("PREPARE old AS SELECT email FROM users WHERE id = 1")
            assert rows(wire.query("EXECUTE old")) == [[b"****"]]
    finally:
        sources_gate.reload(config(sources_world))


def test_a_search_path_changes_what_prepared_statements_read(wire: Wire) -> None:
    wire.query("CREATE SCHEMA IF NOT EXISTS elsewhere")
    wire.query("CREATE TABLE IF NOT EXISTS elsewhere.users (id int, email text)")
    wire.query("INSERT INTO elsewhere.users VALUES (1, 'plain')")
    wire.ask(m.parse_message("where", "SELECT email FROM users WHERE id = 1") + m.sync())
    assert rows(wire.ask(m.bind("", "where") + m.execute() + m.sync())) == [[b"****"]]
    wire.query("SET search_path = elsewhere, public")
    got = wire.ask(m.bind("", "where") + m.execute() + m.sync())
    assert error(got)["C"] == "26000"
    assert rows(wire.query("SELECT email FROM users WHERE id = 1")) == [[b"plain"]]
    wire.query("RESET search_path")
    assert rows(wire.ask(m.bind("", "where") + m.execute() + m.sync())) == [[b"****"]]
    wire.query("DROP SCHEMA elsewhere CASCADE")


def test_psql_points_into_what_was_typed(sources_gate: Gate) -> None:
    sql = "SELECT id, email\n  FROM users u\n WHERE u.id = 1 AND u.nope = 2"
    done = sources_gate.run("ada", sources_gate.psql("one", "-c", sql))
    assert done.code == 1
    assert "LINE 3:  WHERE u.id = 1 AND u.nope = 2" in done.err
    caret = done.err.splitlines()[2]
    assert caret.index("^") - len("LINE 3: ") == sql.splitlines()[2].index("u.nope")
    verbose = sources_gate.run("ada", sources_gate.psql("one", "-v", "VERBOSITY=verbose", "-c", "SELECT x FROM users"))
    assert "ERROR:  42703:" in verbose.err
    assert "LOCATION:  errorMissingColumn" in verbose.err
    assert "CASE WHEN" not in verbose.err


def test_psql_shows_tables(sources_gate: Gate) -> None:
    done = sources_gate.run("ada", sources_gate.psql("one", "-c", "TABLE users", "-c", "\\d users", "-c", "\\dt app.*"))
    assert done.code == 0, done.err
    assert "1|****|n1|****|c1|****" in done.out
    assert "email|character varying(20)" in done.out


def test_psycopg(sources_gate: Gate) -> None:
    with sources_gate.connect("one") as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                for _ in range(8):  # prepared from the fifth on
                    cursor.execute("SELECT id, email, card FROM users WHERE id = %s", (1,))
                    assert cursor.fetchall() == [(1, "****", "****")]
                cursor.executemany("SELECT card FROM users WHERE id = %s", [(n,) for n in range(3)], returning=True)
        with connection.transaction(), connection.cursor("named") as named:
            named.execute("SELECT email FROM users WHERE name <> %s ORDER BY id", ("n5",))
            assert named.fetchmany(2) == [("****",), ("****",)]
        with connection.pipeline():
            found = [connection.execute("SELECT email FROM users WHERE id = %s", (n,)) for n in (1, 2, 5)]
        assert [each.fetchone() for each in found] == [("****",), ("****",), (None,)]
        with connection.cursor().copy("COPY (SELECT id, email FROM users ORDER BY id LIMIT 1) TO STDOUT") as copy:
            assert b"".join(copy) == b"1\t****\n"
        with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
            connection.execute("SELECT 'é', nope FROM users")
        assert caught.value.diag.statement_position == "13"


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench(sources_gate: Gate, sources_world: World, tmp_path: Path, mode: str) -> None:
    script = tmp_path / "script.sql"
    script.write_text(
        "\\set id random(1, 12)\nSELECT u.email, o.note FROM users u JOIN app.orders o ON o.user_id = u.id "
        "WHERE u.id = :id;\nUPDATE app.orders SET note = 'x' FROM users u WHERE u.id = user_id AND u.id = :id;\n"
    )
    pgbench = str(sources_world.server.programs.program("pgbench"))
    done = sources_gate.run("ada", [pgbench, "-n", "-M", mode, "-c", "3", "-t", "60", "-f", str(script),
                                    sources_gate.dsn("one")])  # fmt: skip
    assert done.code == 0, done.err
    assert "processed: 180/180" in done.out


def test_the_recording_has_the_clients_text_and_what_ran(sources_gate: Gate) -> None:
    with sources_gate.wire("one") as wire:
        wire.query("SELECT email FROM users WHERE id = 77")
        wire.ask(extended("SELECT card FROM users WHERE id = 78"))
        wire.query("SELECT 79")
    newest = max(sources_gate.recordings(), key=lambda path: path.name)
    wait_for(lambda: sources_gate.verify(newest).ok, "the recording's end")
    lines = [json.loads(line) for line in export(newest, "json")]
    told = [(each.get("kind", each.get("event")), each) for each in lines]
    ran = [each for kind, each in told if kind == "respelled"]
    assert [("from" in each, "FROM (SELECT" in each.get("text", "")) for each in ran] == [
        (False, True), (True, True), (False, False),
    ]  # fmt: skip
    texts = [each["text"] for kind, each in told if kind == "statement"]
    assert texts == ["SELECT email FROM users WHERE id = 77", "SELECT card FROM users WHERE id = 78", "SELECT 79"]


def test_what_is_approved_is_what_runs(sources_gate: Gate) -> None:
    with sources_gate.wire("one") as wire:
        wire.send(m.query("SELECT contact FROM asked WHERE id = 1"))
        (request,) = wait_for(sources_gate.pending, "the request")
        shown = sources_gate.request(request["id"])["statement"]
        assert shown.startswith(
            "SELECT contact FROM asked WHERE id = 1\n-- Runs on masks, as:\nSELECT contact FROM (SEL"
        )
        sources_gate.approve(request["id"])
        assert rows(wire.until("Z")) == [[b"****"]]


@pytest.mark.parametrize("way", ["simple", "extended"])
def test_names_do_not_move_while_a_statement_is_held(sources_gate: Gate, way: str) -> None:
    """Whom masks are for takes away no table that was meant, so that the name would fall to one that has masks."""
    sql = "SELECT (SELECT count(*) FROM users WHERE card = 's1'), count(*) FROM asked"
    with sources_gate.wire("one") as wire, sources_gate.wire("one") as other:
        other.query("CREATE SCHEMA shadow; CREATE TABLE shadow.users (card text)")
        try:
            wire.query("SET search_path = shadow, public")
            wire.send(m.query(sql) if way == "simple" else extended(sql))
            (request,) = wait_for(sources_gate.pending, "the request")
            assert "shadow" in sources_gate.request(request["id"])["search_path"]
            assert "E" in types(other.query("DROP TABLE shadow.users"))
            sources_gate.approve(request["id"])
            got = wire.until("Z")
            assert rows(got) == [[b"0", b"12"]]
        finally:
            sources_gate.world.behind("DROP SCHEMA shadow CASCADE")


def test_what_cannot_be_spelled_is_refused_with_a_hint(wire: Wire) -> None:
    told = error(wire.query("SELECT ctid, * FROM users"))
    assert (told["C"], told["H"]) == ("0A000", "Name the columns in place of * or of the whole row.")
    assert 'rule "emails"' in told["D"]
    assert rows(wire.query("SELECT 1")) == [[b"1"]]


def test_other_encodings(wire: Wire) -> None:
    wire.query("SET client_encoding = 'LATIN1'")
    got = wire.ask(m.query("SELECT 'é', email FROM users WHERE name <> 'ü' AND id = 1".encode("latin-1")))
    assert rows(got) == [["é".encode("latin-1"), b"****"]]
    got = wire.ask(m.query("SELECT 'é', nope FROM users".encode("latin-1")))
    assert error(got)["P"] == "13"
    wire.query("SET client_encoding = 'SJIS'")
    got = wire.ask(m.query("SELECT 'ソ', email FROM users WHERE id = 1".encode("shift_jis")))
    assert rows(got)[0][1] == b"****"


def test_long_statements(wire: Wire) -> None:
    numbers = ", ".join(str(number) for number in range(20_000))
    got = wire.query(f"SELECT count(*), min(email) FROM users WHERE id IN ({numbers})")
    assert rows(got) == [[b"12", b"****"]]
    text = "x" * 100_000
    got = wire.query(f"SELECT length('{text}'), email FROM users WHERE id = 1")
    assert rows(got) == [[b"100000", b"****"]]
    got = wire.query(f"SELECT email FROM users WHERE id IN ({', '.join(str(number) for number in range(200_000))})")
    assert error(got)["C"] in ("0A000", "42601", "54000")
    assert rows(wire.query("SELECT 1")) == [[b"1"]]
