"""Denied effects through a gateway: by parameters of every format, by settings at connect, in other encodings."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from attrs import evolve

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import error, types

SETUP = """
CREATE TABLE a (id int PRIMARY KEY, name text, flag bool); CREATE TABLE b (id int); CREATE SCHEMA scratch;
INSERT INTO a SELECT n, 'Name ' || n, false FROM generate_series(1, 5) n;
CREATE FUNCTION order_total(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
"""
RULES = """
[[rule]]
name = "never"
what = { target = ["effects"], effect = ["admin", "unknown", "schema.drop", "delete.truncate"] }
then = "deny"

[[rule]]
name = "all-rows"
what = { target = ["effects"], effect = ["write", "delete"], bounded = false }
then = "deny"

[[rule]]
name = "calls"
what = { target = ["effects"], effect = ["execute"], object = ["public.order_total"] }
then = "allow"

[[rule]]
name = "daily"
what = { target = ["effects"], effect = ["session", "read", "write", "delete", "schema"] }
then = "allow"
"""

NARROW = """
[[rule]]
name = "narrow-calls"
what = { target = ["narrow"], effect = ["execute"], object = ["plpgsql", "scratch.*"] }
then = "allow"

[[rule]]
name = "narrow-reads"
what = { target = ["narrow"], effect = ["session", "read", "schema.temporary"] }
then = "allow"

[[rule]]
name = "narrow-all-rows"
what = { target = ["narrow"], effect = ["write", "delete"], bounded = false }
then = "deny"

[[rule]]
name = "narrow-own"
what = { target = ["narrow"], effect = ["schema", "write", "delete"], object = ["scratch.*", "pg_temp.*"] }
then = "allow"

[[rule]]
name = "narrow-b"
what = { target = ["narrow"], effect = ["write", "delete"], object = ["public.b"] }
then = "allow"
"""


@pytest.fixture(scope="module")
def effects_gate(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    password = secrets.token_urlsafe(18)
    world.server.execute(f"CREATE ROLE effects_app SUPERUSER LOGIN PASSWORD '{password}'; CREATE DATABASE effects")
    world.server.execute("CREATE ROLE effects_victim", "effects")
    world.server.execute(SETUP, "effects")
    mine = evolve(world, database="effects", user="effects_app", password=password)
    target = mine.target("effects", allow=False).replace(
        'name = "effects"\n', 'name = "effects"\nstartup_parameters = ["client_encoding", "role", "search_path"]\n', 1
    )
    narrow = mine.target("narrow", allow=False)
    running = Gate(mine, tmp_path_factory.mktemp("effects") / "gate", target + narrow + RULES + NARROW).start()
    yield running
    assert not running.faults()
    running.remove()


def _count(gate: Gate) -> str:
    return gate.world.server.execute("SELECT count(*) FROM a", "effects")


PARAMETERS: list[tuple[str, tuple[Any, ...], bool]] = [
    ("DELETE FROM a WHERE name LIKE %s", ("nobody%",), True),
    ("DELETE FROM a WHERE name LIKE %s", ("%",), False),
    ("DELETE FROM a WHERE name LIKE '%%' || %s || '%%'", ("nobody",), True),
    ("DELETE FROM a WHERE name LIKE '%%' || %s || '%%'", ("",), False),
    ("DELETE FROM a WHERE id = %s OR %s", (-1, False), True),
    ("DELETE FROM a WHERE id = %s OR %s", (-1, True), False),
    ("DELETE FROM a WHERE id IN (SELECT id + 100 FROM a LIMIT %s)", (2,), True),
    ("DELETE FROM a WHERE id IN (SELECT id FROM a LIMIT %s)", (None,), False),
    ("DELETE FROM a WHERE id IN (SELECT id FROM a LIMIT %s)", (2**40,), False),
    ("SELECT set_config(%s, %s, true)", ("app.tenant", "7"), True),
    ("SELECT set_config(%s, %s, true)", ("role", "effects_victim"), False),
    ("SELECT set_config(%s, %s, true)", ("Search_Path", "pg_toast"), False),
    ("UPDATE a SET name = name WHERE %s", (True,), False),
    ("UPDATE a SET name = name WHERE %s::text IS NULL OR name = %s", ("x", "x"), True),
    ("UPDATE a SET name = name WHERE %s::text IS NULL OR name = %s", (None, "x"), False),
]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("prepare", [False, True])
def test_parameters_count_each_time(effects_gate: Gate, binary: bool, prepare: bool) -> None:
    before = _count(effects_gate)
    with effects_gate.connect("effects", autocommit=True) as connection:
        for _ in range(2):  # what is known already, too
            for sql, values, fine in PARAMETERS:
                text = sql.replace("%s", "%b") if binary else sql.replace("%s", "%t")
                if fine:
                    connection.execute(text, values, prepare=prepare)
                else:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(text, values, prepare=prepare)
        assert connection.execute("SELECT current_user").fetchone() == ("effects_app",)
    assert _count(effects_gate) == before


@pytest.mark.parametrize(
    "options",
    ["-c role=effects_victim", "-crole=effects_victim", "--role=effects_victim", "-c search_path=pg_toast"],
)
def test_settings_at_connect_need_the_rule_that_set_needs(effects_gate: Gate, options: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"never|denied"):
        effects_gate.connect("effects", options=options)


def test_functions_are_judged_as_they_are_made(effects_gate: Gate) -> None:
    with effects_gate.connect("effects", autocommit=True) as connection:
        for sql in (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM a'",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM a; END'",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE ''SELECT 1''; END'",
            "CREATE OR REPLACE FUNCTION order_total(int) RETURNS int LANGUAGE sql AS 'SELECT 7'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "DO 'BEGIN SET ROLE effects_victim; END'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql)
        assert connection.execute("SELECT order_total(3)").fetchone() == (3,)
        connection.execute("CREATE FUNCTION fine(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN n + 1; END'")


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TEMP VIEW b AS SELECT * FROM a", "DELETE FROM b WHERE id = 1"),
        ("CREATE TEMP VIEW b AS SELECT * FROM a; DELETE FROM b WHERE id = 1",),
        ("DO 'BEGIN CREATE TEMP VIEW b AS TABLE a; DELETE FROM b WHERE id = 1; END'",),
        ("CREATE VIEW scratch.v AS SELECT * FROM a", "DELETE FROM scratch.v WHERE id = 1"),
        ("DO '#variable_conflict use_column BEGIN DELETE FROM a WHERE id = 1; END'",),
        ("CREATE FUNCTION scratch.f() RETURNS void LANGUAGE sql SET search_path = public, pg_temp"
         " AS 'DELETE FROM a WHERE id = 1'", "SET search_path = ''", "SELECT scratch.f()"),
        ("CREATE TABLE scratch.a (id int)", "CREATE FUNCTION scratch.f() RETURNS void LANGUAGE sql"
         " SET search_path = scratch BEGIN ATOMIC DELETE FROM a WHERE id = 1; END", "SELECT scratch.f()"),
        ("CREATE TABLE scratch.a (id int)", "CREATE FUNCTION scratch.f() RETURNS void LANGUAGE sql"
         " SET search_path = scratch AS 'DELETE FROM a WHERE id = 1'", "ALTER FUNCTION scratch.f() RESET ALL",
         "SELECT scratch.f()"),
    ],
)  # fmt: skip
def test_no_other_name_leads_to_a_table_that_is_denied(effects_gate: Gate, statements: tuple[str, ...]) -> None:
    before = _count(effects_gate)
    with effects_gate.connect("narrow", autocommit=True) as connection:
        refused = 0
        for sql in statements:
            try:
                connection.execute(sql)
            except psycopg.Error as error:  # what stands behind what is refused finds nothing
                refused += isinstance(error, psycopg.errors.InsufficientPrivilege)
    effects_gate.world.server.execute("DROP SCHEMA scratch CASCADE; CREATE SCHEMA scratch", "effects")
    assert refused
    assert _count(effects_gate) == before


# -- encodings: the client's bytes, as the server will read them


@pytest.mark.parametrize(
    ("encoding", "character"),
    [
        ("SJIS", b"\x95\x5c"),
        ("BIG5", b"\xa5\x5c"),
        ("GBK", b"\x81\x5c"),
        ("UHC", b"\x81\x5a"),
        ("GB18030", b"\x81\x5c"),
    ],
)
def test_a_backslash_inside_of_a_character_hides_nothing(effects_gate: Gate, encoding: str, character: bytes) -> None:
    """To who reads bytes, the character's second one takes the quote behind it: a DROP inside of a string."""
    with effects_gate.wire("effects", settings={"client_encoding": encoding}) as wire:
        for text in (
            b"SELECT E'" + character + b"'; DROP TABLE b; --'",
            b"SELECT '" + character + b"'; DROP TABLE b; --'",
        ):
            wire.send(m.query(text))
            assert error(wire.until("Z"))["C"] == "42501"
        wire.send(m.query(b"SELECT '" + character + b"; DROP TABLE b; --'"))
        assert "D" in types(wire.until("Z"))
    assert effects_gate.world.server.execute("SELECT to_regclass('b') IS NOT NULL", "effects") == "t"


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT '\xff'; DROP TABLE b; --'",
        b"SELECT '\xc0\xa7; DROP TABLE b; --'",  # an overlong quote
        b"SELECT '\xed\xa0\x80'; DROP TABLE b",
        b"\xef\xbb\xbfDROP TABLE b",
        b"DROP\xc2\xa0TABLE b",
        b"DROP TABLE b",
        b"D\xef\xbc\xb2OP TABLE b",
    ],
)
def test_odd_bytes_never_run_what_is_denied(effects_gate: Gate, text: bytes) -> None:
    with effects_gate.wire("effects") as wire:
        wire.send(m.query(text))
        assert "E" in types(wire.until("Z"))
    assert effects_gate.world.server.execute("SELECT to_regclass('b') IS NOT NULL", "effects") == "t"
