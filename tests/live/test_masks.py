"""Masks on the wire: what attackers send to a gateway whose rules allow everything, and every byte that comes back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import Wire, error, extended, rows, types
from tests.masks.corpus import HONEST, MASKED, PROBES, REFUSED, USES

SECRETS = (b"SECRET", b"4111999", b"1977-07-07", b"deadbeef", b"534543524554", b"U0VDUkVU")
MASKS = """
$targets
[[mask]]
inference = 1000000
name = "emails"
columns = ["*.*.email"]
kind = "replace"
[[mask]]
inference = 1000000
name = "fixed"
columns = ["public.customers.card", "public.customers.born", "public.customers.prefs", "public.customers.uid"]
kind = "fixed"
[[mask]]
inference = 1000000
name = "phones"
columns = ["public.customers.phone"]
kind = "keep-last"
keep = 2
[[mask]]
inference = 1000000
name = "passwords"
columns = ["*.*.password", "*.*.token", "public.masked_people.mail", "public.events_2024.payload",
           "public.vouched_view.contact"]
kind = "replace"
[[mask]]
inference = 1000000
name = "nulls"
columns = ["public.customers.feeling", "app.users.tags"]
kind = "null"
"""
UNDONE_BY_POSTGRESQL = ("25001", "2BP01", "0A000", "23505", "57014")


@pytest.fixture(scope="module")
def masked_world(world: World) -> World:
    """A database whose masked values are easy to recognise, and a role that may do everything."""
    password = secrets.token_urlsafe(18)
    world.server.execute(f"CREATE ROLE masked_app SUPERUSER LOGIN PASSWORD '{password}'; CREATE DATABASE masked")
    schema = Path(__file__).parents[1] / "masks" / "schema.sql"
    world.server.execute(schema.read_text(), "masked")
    return evolve(world, database="masked", user="masked_app", password=password)


def open_text(world: World) -> str:
    return world.target("open")


def masked_text(world: World) -> str:
    return MASKS.replace("$targets", world.target("open"))


@pytest.fixture(scope="module")
def masked_gate(masked_world: World, home: Path) -> Iterator[Gate]:
    running = Gate(masked_world, home / "masked", masked_text(masked_world)).start()
    yield running
    assert not running.faults()
    running.remove()


@pytest.fixture
def wire(masked_gate: Gate) -> Iterator[Wire]:
    with masked_gate.wire("open") as made:
        yield made


def leaks(messages: list[bytes], sent: str = "") -> list[bytes]:
    """Marks of secrets in what came, but where it only repeats what was sent."""
    came = b"".join(messages).replace(sent.encode(), b"").lower() if sent else b"".join(messages).lower()
    return [mark for mark in SECRETS if mark.lower() in came]


def run(wire: Wire, sql: str) -> list[bytes]:
    """A simple query, where COPY IN gets no data."""
    wire.send(m.query(sql.encode()))
    got: list[bytes] = []
    while not got or got[-1][:1] != b"Z":
        got.append(wire.message())
        if got[-1][:1] == b"G":
            wire.send(m.copy_fail("no data here"))
    return got


def undone(wire: Wire, sql: str) -> list[bytes]:
    """Run in a transaction that is rolled back."""
    run(wire, "ROLLBACK")
    run(wire, "BEGIN")
    got = run(wire, sql)
    run(wire, "ROLLBACK")
    run(wire, "DISCARD ALL")
    return got


def test_the_corpus(wire: Wire) -> None:
    """What must be refused gives an error, what else touches masks shows no secret, and honest work passes."""
    wrong = []
    for sql in REFUSED:
        got = undone(wire, sql)
        if "E" not in types(got) or leaks(got, sql):
            wrong.append(sql)
    for sql in (*PROBES, *USES[::11]):
        if leaks(undone(wire, sql), sql):
            wrong.append(sql)
    for sql in MASKED:
        got = undone(wire, sql)
        if "E" in types(got) or leaks(got, sql):
            wrong.append(sql)
    for sql in [sql for sql in HONEST if "safe_add" not in sql]:  # no functions are vouched for here
        got = undone(wire, sql)
        if "E" in types(got) and error(got)["C"] not in UNDONE_BY_POSTGRESQL:
            wrong.append(sql)
    assert wrong == []


@pytest.mark.parametrize("result", [(), (1,)])
def test_the_corpus_pipelined_without_describe(wire: Wire, result: tuple[int, ...]) -> None:
    """The gateway works out the columns by itself, in both formats."""
    for sql in [sql for sql in MASKED if ";" not in sql and not sql.startswith(("EXECUTE", "FETCH"))]:
        run(wire, "BEGIN")
        got = wire.ask(extended(sql, result=result, describe=False))
        run(wire, "ROLLBACK")
        assert not leaks(got, sql), sql


def test_formats_are_those_of_each_execution(wire: Wire) -> None:
    """Two portals of one statement, one text and one binary, by turns; the statement was described as text."""
    begun = m.parse_message(b"s", b"SELECT email, card, id FROM customers", ()) + m.describe(b"S", b"s")
    begun += m.bind(b"p1", b"s", (), (), (0,)) + m.bind(b"p2", b"s", (), (), (1,))
    turns = (m.execute(b"p1", 1) + m.execute(b"p2", 1)) * 2
    got = wire.ask(begun + turns + m.sync())
    zero = b"\0" * 8
    assert [row[:2] for row in rows(got)] == [[b"****", b"0"], [b"****", zero]] * 2
    assert not leaks(got)


def test_cursors_and_prepared_statements(wire: Wire) -> None:
    run(wire, "BEGIN")
    run(wire, "DECLARE k BINARY SCROLL CURSOR WITH HOLD FOR SELECT email, card FROM customers")
    run(wire, "COMMIT")
    run(wire, "PREPARE p AS SELECT email FROM customers")
    for data in (
        m.query(b"FETCH 2 FROM k"),
        m.query(b"FETCH BACKWARD 1 FROM k"),
        extended("FETCH ALL FROM k"),
        extended("FETCH BACKWARD ALL FROM k", result=(1,), describe=False),
        m.query(b"EXECUTE p"),
        extended("EXECUTE p", describe=False),
        m.bind(b"", b"p", (), (), ()) + m.execute(b"", 0) + m.sync(),
    ):
        got = wire.ask(data)
        if "E" not in types(got):
            assert rows(got)
        assert not leaks(got)


BEFORE = {
    "a cursor over an expression": ["BEGIN", "DECLARE k CURSOR FOR SELECT upper(email) FROM customers"],
    "a held cursor": ["DECLARE k CURSOR WITH HOLD FOR SELECT upper(email) FROM customers"],
    "a cursor over the column": ["BEGIN", "DECLARE k CURSOR FOR SELECT email FROM customers"],
}


@pytest.fixture
def turning_gate(masked_world: World, home: Path) -> Iterator[Gate]:
    running = Gate(masked_world, home / "turning", open_text(masked_world)).start()
    yield running
    assert not running.faults()
    running.remove()


def test_what_was_opened_before_masks_came(turning_gate: Gate, masked_world: World) -> None:
    """Cursors, portals and prepared statements of before a reload show nothing after it."""
    before = open_text(masked_world)
    wires = []
    for texts in BEFORE.values():
        made = turning_gate.wire("open")
        for sql in texts:
            run(made, sql)
        wires.append((made, m.query(b"FETCH 1 FROM k")))
    made = turning_gate.wire("open")
    run(made, "PREPARE p AS SELECT upper(email) FROM customers")
    wires.append((made, m.query(b"EXECUTE p")))
    for sql in (b"SELECT upper(email) FROM customers", b"SELECT email FROM customers"):
        made = turning_gate.wire("open")
        run(made, "BEGIN")
        bound = m.parse_message(b"s", sql, ()) + m.bind(b"p", b"s", (), (), ()) + m.describe(b"P", b"p")
        assert leaks(made.ask(bound + m.execute(b"p", 1) + m.sync()))
        wires.append((made, m.execute(b"p", 1) + m.sync()))
        again = turning_gate.wire("open")
        again.ask(m.parse_message(b"s", sql, ()) + m.describe(b"S", b"s") + m.sync())
        wires.append((again, m.bind(b"", b"s", (), (), (1,)) + m.execute(b"", 0) + m.sync()))
    assert before != masked_text(masked_world)
    assert turning_gate.reload(masked_text(masked_world)).reload.ok
    for made, data in wires:
        got = made.ask(data)
        assert not leaks(got), got
        made.close()


# --- lexers out of step


def test_an_encoding_that_python_reads_otherwise_is_not_judged(masked_gate: Gate) -> None:
    """SHIFT_JIS_2004: our overline would be the server's tilde, our yen sign its backslash."""
    with masked_gate.wire("open", settings={"client_encoding": "SHIFT_JIS_2004"}) as wire:
        got = run(wire, "SELECT 'SECRET1@example.com'~email FROM customers")
        assert "E" in types(got)
        assert not rows(got)


@pytest.mark.parametrize("way", ["'standard_conforming'||'_strings','off'", "$1,$2"])
def test_strings_that_change_in_mid_pipeline(wire: Wire, way: str) -> None:
    values = (b"standard_conforming_strings", b"off") if "$" in way else ()
    data = extended(f"SELECT set_config({way},false)", *values, sync=False, describe=False)
    data += extended(r"SELECT '\' || ', upper(email) || '' FROM customers --'", describe=False)
    got = wire.ask(data)
    assert "E" in types(got)
    assert not leaks(got)


def test_a_long_statement_is_judged_whole(wire: Wire, masked_gate: Gate) -> None:
    """What a worker parses is shortened first, and no position may be lost in that."""
    ones = ",".join("1" * 60)
    before = probes(masked_gate)
    for sql in (
        f"SELECT 1, email FROM customers ORDER BY {ones},2,{ones}",
        f"SELECT 1, email, count(*) FROM customers GROUP BY {ones},2,{ones}",
        f"SELECT 1, upper(email) FROM customers WHERE id IN ({ones})",
    ):
        got = run(wire, f"{sql} /* {'x' * 70_000} */")
        assert "E" not in types(got)
        assert not leaks(got)
        assert b"****" in b"".join(got)
    assert probes(masked_gate) == before + 2  # order and groups were seen to be of masked values


def probes(gate: Gate) -> float:
    _, text = gate.http("/metrics")
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("hoopgate_mask_probes_total"))


# --- what servers say


DEFERRED = """
CREATE TABLE deferred (id int);
CREATE FUNCTION tell_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'saw %', (SELECT email FROM customers LIMIT 1);
    RAISE EXCEPTION 'saw %', (SELECT email FROM customers LIMIT 1);
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tell_late();
"""


def test_what_comes_late_is_scrubbed_too(wire: Wire, masked_world: World) -> None:
    """Deferred code speaks at Sync or COMMIT, behind statements that touch nothing."""
    masked_world.behind(DEFERRED)
    insert = extended("INSERT INTO deferred VALUES (1)", sync=False, describe=False)
    for last in ("SELECT 1", "SHOW work_mem"):
        got = wire.ask(insert + extended(last, describe=False))
        assert "E" in types(got)
        assert not leaks(got)
    for last in ("COMMIT", "SELECT 1; COMMIT; SELECT 2", "END AND CHAIN", "SET CONSTRAINTS ALL IMMEDIATE"):
        run(wire, "ROLLBACK")
        run(wire, "BEGIN")
        run(wire, "INSERT INTO deferred VALUES (1)")
        got = run(wire, last)
        assert "E" in types(got)
        assert not leaks(got)


@pytest.mark.parametrize("settings", ["client_min_messages=debug5", "debug_print_plan=on", "debug_print_parse=on"])
def test_what_the_server_logs_to_the_client(wire: Wire, settings: str) -> None:
    run(wire, "SET client_min_messages = log")
    run(wire, f"SET {settings}")
    got = run(wire, "SELECT email FROM customers; UPDATE customers SET city = city; COPY customers TO STDIN")
    assert not leaks(got)
    assert not leaks(run(wire, "SELECT email FROM customers WHERE id = 1"))


# --- tools


COMMANDS = r"""
\d
\d customers
\d+ customers
\d+ direct_view
\d+ events
\d+ computed
\dt *.*
\di+
\df+ peek
\dn+
\du+
\dp
\dT
\dx+
\des+
\dew+
\dP+
\dX
\sf peek
\sv direct_view
\z customers
SELECT id, email FROM customers \gdesc
\copy customers to '/dev/stdout'
\copy (select id, email from customers) to '/dev/stdout' csv header
"""


@pytest.mark.parametrize("listener", ["plain", "tls"])
def test_psql_works_and_sees_masks(masked_gate: Gate, listener: str) -> None:
    command = masked_gate.psql("open", "-f", "-", listener=listener)
    try:
        done = masked_gate.run("ada", command, input=COMMANDS)
    except FileNotFoundError:
        pytest.skip("no psql on this system: the embedded one has no TLS")
    assert "ERROR" not in done.err, done.err
    shown = (done.out + done.err).encode().replace(b"SECRETsad", b"").replace(b"SECRETgay", b"")
    assert not leaks([shown.replace(b"SECRET1%", b"")])  # a view's text holds a pattern of its author's


def test_pg_dump_writes_masks(masked_gate: Gate, masked_world: World) -> None:
    """A dump through the gateway is whole, and its data are masked."""
    program = masked_world.server.psql.with_name("pg_dump")
    if not program.exists():
        pytest.skip("the embedded server comes without pg_dump")
    command = [str(program), "-d", masked_gate.dsn("open"), "--data-only", "--disable-triggers"]
    done = masked_gate.run("ada", command, timeout=90)
    assert done.code == 0, done.err
    assert "COPY public.customers " in done.out
    assert [line for line in done.out.splitlines() if leaks([line.encode()], "secret_to_be")] == []


def test_views_of_the_server_show_no_options_of_mappings(wire: Wire, masked_world: World) -> None:
    masked_world.behind(
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER away FOREIGN DATA WRAPPER nothing OPTIONS (dbname 'x');"
        "CREATE USER MAPPING FOR masked_app SERVER away OPTIONS (user 'x', password 'SECRETmapping')"
    )
    for sql in (
        "TABLE pg_user_mapping",
        "TABLE pg_user_mappings",
        "TABLE information_schema.user_mapping_options",
        "TABLE information_schema._pg_user_mappings",
    ):
        got = run(wire, sql)
        assert rows(got)
        assert not leaks(got)
    assert rows(run(wire, "TABLE pg_foreign_server"))
