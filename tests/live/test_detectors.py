"""Detectors and canaries on the wire: what looks like a secret never arrives, whatever type and format it comes in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.detectors.samples import JWT, KEY
from tests.live.gate import Gate, World
from tests.live.wire import extended

CARD = "4111111111111111"
CANARY = "blackbird-7741-canary"
TEXT = """
[[detector]]
name = "secrets"
find = ["secrets", "financial", "email"]
patterns = ["ACME-[0-9]{4}"]
target = ["open", "both"]

[[mask]]
name = "names"
columns = ["*.*.fullname"]
target = ["both"]

[[detector]]
name = "people"
plugin = "shouted"
options = { least = 6 }
target = ["plugged"]

[[canary]]
name = "vault"
value = "file:$directory/secrets/canary"
target = ["planted"]
"""
PLUGIN = """
import re
from zope.interface import implementer
from hoopgate.interfaces import IDetector

@implementer(IDetector)
class Shouted:
    def __init__(self, options):
        self.pattern = re.compile("[A-Z]{%d,}" % options["least"])

    def find(self, text):
        if "KABOOM" in text:
            raise ValueError("no")
        return [(*found.span(), "shouted") for found in self.pattern.finditer(text)]
"""
SECRETS = (CARD, "4111 1111", "alice@example.com", JWT, "MHcCAQEEI", "ACME-1234", "DE8937040044")


@pytest.fixture(scope="module")
def gate(world: World, home: Path) -> Iterator[Gate]:
    targets = "".join(world.target(name) for name in ("open", "both", "planted", "plugged", "plain"))
    running = Gate(world, home / "detectors", targets + TEXT).prepare()
    running.environment = {"PYTHONPATH": f"{plugin(home / 'plugin')}:{os.environ.get('PYTHONPATH', '')}"}
    running.secret("canary", CANARY)
    yield running.start()
    running.remove()


def plugin(directory: Path) -> Path:
    """A third party's detector, installed: words in capitals."""
    info = directory / "shouting-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hoopgate.detectors]\nshouted = shouting:Shouted\n")
    (directory / "shouting.py").write_text(PLUGIN)
    return directory


def test_a_plug_in_finds_what_no_pattern_does(gate: Gate) -> None:
    with gate.connect("plugged") as connection:
        rows = connection.execute("SELECT i, 'to ZACHARIAS ' || i, 'BOB' FROM generate_series(1, 5000) i").fetchall()
        assert rows == [(at, f"to **** {at}", "BOB") for at in range(1, 5001)]
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="select the rows"):
            connection.cursor().copy("COPY (SELECT 1) TO STDOUT").__enter__()


def test_a_plug_in_that_raises_ends_the_session(gate: Gate) -> None:
    with gate.connect("plugged") as connection, pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 'KABOOM here, and the rest'")


def ask(gate: Gate, sql: str, *, target: str = "open", binary: bool = False) -> list[tuple[object, ...]]:
    with gate.connect(target) as connection, connection.cursor(binary=binary) as cursor:
        return cursor.execute(sql).fetchall()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (f"'pay {CARD} now'::text", "pay **** now"),
        ("'4111 1111 1111 1111'::varchar(40)", "****"),
        (f"'{CARD}'::bpchar(20)", "****    "),
        (f"'{KEY}'::text", "****"),
        ("'see ACME-1234'::name", "see ****"),
        (f"""'{{"a": "{JWT}", "n": {CARD}, "k": 1.50}}'::json""", {"a": "****", "n": "****", "k": 1.5}),
        ("""'{"a": ["alice@example.com", "\\u0041CME-1234"]}'::jsonb""", {"a": ["****", "****"]}),
        (f"{CARD}::int8", 0),
        (f"{CARD}::numeric", Decimal(0)),
        (f"{CARD}.00::numeric", Decimal(0)),
        (f"'{CARD}'::bytea", b"****"),
        ("'x@y'::text", "x@y"),
        ("12345::int8", 12345),
        ("'2024-05-01'::date::text", "2024-05-01"),
        ("""'{"plain": [1, "\\u0041", null]}'::jsonb""", {"plain": [1, "A", None]}),
        ("NULL::text", None),
    ],
)
def test_every_type(gate: Gate, value: str, shown: object, binary: bool) -> None:
    assert ask(gate, f"SELECT 1, {value}, 'beside'", binary=binary) == [(1, shown, "beside")]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        f"ARRAY['a', '{CARD}']",
        f"ARRAY[{CARD}]::int8[]",
        "ROW(1, 'alice@example.com')",
        "'<a>&#52;111111111111111</a>'::xml",
        "to_tsvector('simple', 'alice@example.com')",
        f"'\"k\"=>\"{CARD}\"'::text",
        f"json_build_object('{CARD}', 1)",
        f"row_to_json(t) FROM (SELECT '{JWT}' AS a) t",
    ],
)  # fmt: skip
def test_nothing_arrives_in_composed_values(gate: Gate, value: str, binary: bool) -> None:
    try:
        shown = repr(ask(gate, f"SELECT {value}", binary=binary))
    except psycopg.errors.FeatureNotSupported:
        assert "xml" in value  # this build of the server has none
        return
    assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize("options", ["", "WITH (FORMAT csv, HEADER)", "WITH (FORMAT binary)", "WITH (DELIMITER '|')"])
def test_copy(gate: Gate, options: str) -> None:
    query = (
        f"""SELECT i, 'pay {CARD}', 'a\tb@x' || i, '{{"m": "alice@example.com"}}'::json FROM generate_series(1, 3) i"""
    )
    with gate.connect("open") as connection, connection.cursor().copy(f"COPY ({query}) TO STDOUT {options}") as copy:
        came = b"".join(bytes(chunk) for chunk in copy).decode("latin-1")
    assert came.count("****") == 6
    assert not any(secret in came for secret in SECRETS)


UNEDITABLE = "COPY (SELECT '{}') TO STDOUT WITH (NULL 'zz')"


def test_a_copy_that_cannot_be_edited_passes_where_nothing_is_found(gate: Gate) -> None:
    with gate.connect("open") as connection, connection.cursor().copy(UNEDITABLE.format("all quiet")) as copy:
        assert b"".join(bytes(chunk) for chunk in copy) == b"all quiet\n"


def test_a_copy_that_cannot_be_edited_ends_where_something_is_found(gate: Gate) -> None:
    with gate.wire("open") as wire:
        wire.send(m.query(UNEDITABLE.format(f"pay {CARD}").encode()))
        came = b"".join(wire.closed())
    assert CARD.encode() not in came
    assert b"hidden by detectors" in came


def test_errors_and_notices(gate: Gate) -> None:
    said: list[str] = []
    with gate.connect("open") as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        connection.execute("DO $$BEGIN RAISE NOTICE 'mail to %', 'alice@example.com'; END$$")
        assert said == ["mail to ****"]
        with pytest.raises(psycopg.errors.InvalidTextRepresentation) as caught:
            connection.execute(f"SELECT ('ACME-' || '{CARD}')::int")
    assert CARD not in str(caught.value)


def test_masks_and_detectors_add_up(gate: Gate) -> None:
    with gate.connect("both") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS people_seen (id int, fullname text, note text)")
        connection.execute("INSERT INTO people_seen VALUES (1, 'Ada', 'card ' || %s)", (CARD,))
        row = connection.execute("SELECT id, fullname, note FROM people_seen").fetchone()
        connection.execute("DROP TABLE people_seen")
    assert row == (1, "****", "card ****")


def test_other_targets_are_not_concerned(gate: Gate) -> None:
    assert ask(gate, f"SELECT '{CARD}', '{CANARY}'", target="plain") == [(CARD, CANARY)]


@pytest.fixture(scope="module")
def planted(world: World) -> Iterator[None]:
    world.behind(f"CREATE TABLE nest (id int, secret text); INSERT INTO nest VALUES (1, '{CANARY}')")
    world.behind(f"GRANT SELECT ON nest TO {world.user}")
    yield
    world.behind("DROP TABLE nest")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "expression",
    [
        "secret",
        "'x' || secret || 'y'",
        "encode(convert_to(secret, 'UTF8'), 'hex')",
        "encode(convert_to('ab' || secret, 'UTF8'), 'base64')",
        "convert_to(secret, 'UTF8')",
        "reverse(secret)",
        "row_to_json(nest)",
        "ARRAY[secret]",
        "nest",
    ],
)
@pytest.mark.usefixtures("planted")
def test_a_canary_ends_the_session(gate: Gate, expression: str, binary: bool) -> None:
    before = metric(gate)
    with gate.connect("planted") as connection, connection.cursor(binary=binary) as cursor:
        assert cursor.execute("SELECT id FROM nest").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="nobody has business with") as caught:
            cursor.execute(f"SELECT 1, {expression} FROM nest")
    assert CANARY not in str(caught.value)
    assert metric(gate) == before + 1
    assert "canary vault: session" in gate.log()


@pytest.mark.usefixtures("planted")
def test_a_canary_in_copy_and_in_an_error(gate: Gate) -> None:
    for sql in ("COPY nest TO STDOUT", "COPY nest TO STDOUT WITH (FORMAT binary)", "SELECT secret::int FROM nest"):
        with gate.wire("planted") as wire:
            wire.send(m.query(sql.encode()))
            came = b"".join(wire.closed())
        assert CANARY.encode() not in came
        assert b"nobody has business with" in came


@pytest.mark.parametrize(
    "options", ["FORMAT csv, QUOTE 'b', FORCE_QUOTE *", "DELIMITER '-'", "FORMAT csv, DELIMITER '7'"]
)
@pytest.mark.usefixtures("planted")
def test_a_canary_that_copy_spells_otherwise(gate: Gate, options: str) -> None:
    """Its bytes are found in the field, wherever COPY puts quotes and escapes between them."""
    with gate.wire("planted") as wire:
        wire.send(m.query(f"COPY nest TO STDOUT ({options})".encode()))
        came = b"".join(wire.closed())
    assert b"ackb" not in came
    assert b"ackbird" not in came.replace(b"bb", b"b")
    assert b"nobody has business with" in came


@pytest.mark.usefixtures("planted")
def test_a_copy_in_which_no_canary_can_be_sought_ends_the_session(gate: Gate) -> None:
    with gate.wire("planted") as wire:
        wire.send(m.query(b"COPY nest TO STDOUT; COPY nest TO STDOUT"))
        came = b"".join(wire.closed())
    assert CANARY.encode() not in came
    assert b"cannot be searched for canaries" in came


NAMED = "CREATE TEMP VIEW named AS SELECT 1 AS "
PLANTED_NAME = f"DO $$ BEGIN EXECUTE (SELECT '{NAMED}' || quote_ident(secret) FROM nest); END $$"
TELLING = {
    "notice": ([], m.query(b"DO $$ BEGIN RAISE NOTICE '%', (SELECT secret FROM nest); END $$")),
    "error": ([], m.query(b"DO $$ BEGIN RAISE EXCEPTION '%', (SELECT secret FROM nest); END $$")),
    "name": ([PLANTED_NAME], m.query(b"SELECT * FROM named")),
    "portal": ([PLANTED_NAME], extended("SELECT * FROM named")),
    "described": ([PLANTED_NAME], m.parse_message("", "TABLE named") + m.describe(b"S", "") + m.sync()),
}


@pytest.mark.parametrize("way", TELLING)
@pytest.mark.usefixtures("planted")
def test_a_canary_in_what_is_said_before_any_row(gate: Gate, way: str) -> None:
    """As the first thing that the session hears."""
    before, telling = TELLING[way]
    with gate.wire("planted") as wire:
        for sql in before:
            wire.query(sql)
        wire.send(telling)
        came = b"".join(wire.closed())
    assert CANARY.encode() not in came
    assert b"nobody has business with" in came


def metric(gate: Gate) -> float:
    _, text = gate.http("/metrics")
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("hoopgate_canaries_total"))


def test_a_canary_that_cannot_be_read_lets_no_rows_pass(gate: Gate) -> None:
    secret = gate.directory / "secrets/canary"
    secret.unlink()
    try:
        assert gate.reload().reload  # forgets the cached secret
        with gate.connect("planted") as connection, pytest.raises(psycopg.OperationalError, match="cannot be sought"):
            connection.execute("SELECT 1")
    finally:
        gate.secret("canary", CANARY)
