"""Rules over objects where a session looks for names: no turn of the search_path carries a name past them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from attrs import evolve

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import Wire, error, extended, rows, types

SETUP = """
CREATE SCHEMA closed; CREATE TABLE closed.things (id int, v text); INSERT INTO closed.things VALUES (1, 'closed');
CREATE TABLE things (id int, v text); INSERT INTO things VALUES (1, 'open');
CREATE SCHEMA pathed_app; CREATE TABLE pathed_app.mine (v text); INSERT INTO pathed_app.mine VALUES ('closed');
CREATE TABLE mine (v text); INSERT INTO mine VALUES ('open');
ALTER ROLE pathed_app SET search_path = closed, public;
"""
RULES = """
[[rule]]
name = "closed"
what = { target = ["pathed"], object = ["closed.*", "pathed_app.*"] }
then = "deny"

[[rule]]
name = "open"
what = { target = ["pathed"], effect = ["session", "read", "write", "delete", "schema", "execute", "transfer"] }
then = "allow"
"""


@pytest.fixture(scope="module")
def pathed_gate(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A role whose search_path begins with a schema that rules deny."""
    password = secrets.token_urlsafe(18)
    world.server.execute(f"CREATE ROLE pathed_app SUPERUSER LOGIN PASSWORD '{password}'; CREATE DATABASE pathed")
    world.server.execute(SETUP, "pathed")
    mine = evolve(world, database="pathed", user="pathed_app", password=password)
    running = Gate(mine, tmp_path_factory.mktemp("pathed") / "gate", mine.target("pathed", allow=False) + RULES).start()
    yield running
    assert not running.faults()
    running.remove()


TO_PUBLIC = ("SET search_path TO public", "SELECT 1 FROM things, mine")


@pytest.mark.parametrize(
    "texts",
    [
        ("SELECT v FROM things",),
        (*TO_PUBLIC, "RESET search_path", "SELECT v FROM things"),
        (*TO_PUBLIC, "RESET search_path; SELECT v FROM things"),
        (*TO_PUBLIC, "RESET ALL; SELECT v FROM things"),
        (*TO_PUBLIC, "SET search_path TO DEFAULT; SELECT v FROM things"),
        (*TO_PUBLIC, 'SET search_path TO "$user"; SELECT v FROM mine'),
        (*TO_PUBLIC, """SELECT set_config('search_path', '"$user"', false); SELECT v FROM mine"""),
        ("BEGIN", "SET LOCAL search_path TO public", "SELECT v FROM things", "ROLLBACK; SELECT v FROM things"),
        ("BEGIN", "SET LOCAL search_path TO public", "SELECT v FROM things", "COMMIT; SELECT v FROM things"),
        ("BEGIN", "SAVEPOINT a", "SET search_path TO public", "SELECT v FROM things",
         "ROLLBACK TO a; SELECT v FROM things"),
        (*TO_PUBLIC, "PREPARE p AS SELECT v FROM things", "RESET search_path", "EXECUTE p"),
        (*TO_PUBLIC, "PREPARE p AS SELECT v FROM things; RESET search_path", "EXECUTE p"),
    ],
    ids=lambda texts: texts[-1],
)  # fmt: skip
def test_no_turn_leads_past_a_rule(pathed_gate: Gate, texts: tuple[str, ...]) -> None:
    with pathed_gate.wire("pathed") as wire:
        for text in texts:
            got = wire.query(text)
        assert error(got)["D"] == 'Refused by rule "closed".'
        assert [b"closed"] not in rows(got)


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN; SELECT v FROM public.things; COMMIT",
        "SELECT v FROM things; RESET search_path",
        "SET statement_timeout = 0; SELECT v FROM things",
        "BEGIN; SELECT v FROM things; COMMIT",
        "PREPARE p AS SELECT v FROM things; EXECUTE p",
    ],
)
def test_what_turns_nothing_passes(pathed_gate: Gate, text: str) -> None:
    with pathed_gate.wire("pathed") as wire:
        wire.query(TO_PUBLIC[0])
        got = wire.query(text)
        assert "E" not in types(got)
        assert [b"open"] in rows(got)


def test_the_protocols_own_statements(pathed_gate: Gate) -> None:
    """Names are judged as they are bound, in a pipeline too."""
    with pathed_gate.wire("pathed") as wire:
        wire.query(TO_PUBLIC[0])
        reset = extended("RESET search_path", sync=False, describe=False)
        got = wire.ask(extended("SELECT v FROM things", sync=False) + reset + extended("SELECT v FROM things"))
        assert rows(got) == [[b"open"]]
        assert "E" in types(got)
        wire.query(TO_PUBLIC[0])
        begun = m.parse_message(b"s", b"SELECT v FROM things", ())
        got = wire.ask(begun + reset + m.bind(b"", b"s", (), (), ()) + m.execute(b"", 0) + m.sync())
        assert rows(got) == []
        assert "E" in types(got)


def started(text: str) -> bytes:
    return extended(text, sync=False, describe=False)


def seen(wire: Wire) -> list[list[bytes | None]]:
    """What two queries show, of which the first may be what ends the batch."""
    return [row for _ in range(2) for row in rows(wire.query("SELECT v FROM things"))]


@pytest.mark.parametrize("path", ["SET LOCAL search_path TO public", "SET search_path TO public"])
@pytest.mark.parametrize("amid", ["", "SELECT 1", "SELECT v FROM things"])
def test_a_query_amid_a_batch_does_not_end_it(pathed_gate: Gate, path: str, amid: str) -> None:
    """Newer PostgreSQL goes on with the batch's transaction, and the next Sync, whose ever it is, undoes the path."""
    with pathed_gate.wire("pathed") as wire:
        wire.send(started(path) + m.flush())
        wire.until("C")
        if amid:
            wire.query(amid)
        assert [b"closed"] not in seen(wire)
        wire.ask(started("SELECT 1/0") + m.sync())
        assert seen(wire) == []


@pytest.mark.parametrize("path", ["SET LOCAL search_path TO public", "SET search_path TO public"])
def test_a_sync_that_a_copy_swallowed_ends_no_batch(pathed_gate: Gate, path: str) -> None:
    """It was sent before the target said that COPY began, and is ignored: what the batch ran may still be undone."""
    with pathed_gate.wire("pathed") as wire:
        wire.send(started(path) + started("COPY public.things FROM STDIN") + m.sync())
        wire.until("G")
        wire.send(m.copy_done() + m.flush())
        wire.until("C")
        assert [b"closed"] not in seen(wire)
        wire.ask(started("SELECT v FROM things") + started("SELECT 1/0") + m.sync())
        assert seen(wire) == []
