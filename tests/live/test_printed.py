"""What recordings, their exports and approvals show of values beside masked columns, every byte of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.recorders.export import export
from tests.live.conftest import Make
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import error, extended, notice, types

VALUE = "5553331234"
RULES = """
[[mask]]
name = "cards"
columns = ["*.printed.card"]
[[rule]]
name = "waits"
what = {{ target = ["open"], object = ["public.printed"], effect = ["delete"] }}
then = "hold"
approvers = {{ groups = ["approvers"] }}
timeout = "20s"
[[rule]]
name = "no-drops"
what = {{ target = ["open"], command = ["DROP *"] }}
then = "deny"
[[rule]]
name = "all"
what = {{ target = ["open"] }}
then = "allow"
[recorder]
directory = "$directory/recordings"
literals = "{literals}"
"""


def text_of(world: World, literals: str) -> str:
    return world.target("open", allow=False) + RULES.format(literals=literals)


@pytest.fixture(scope="module", autouse=True)
def table(world: World) -> None:
    world.behind(
        "CREATE TABLE printed (id int, label text, card text); INSERT INTO printed VALUES (1, 'a', 'b'), (3, 'c', 'd');"
        f"ALTER TABLE printed OWNER TO {world.user}"
    )


@pytest.fixture
def start(make_gate: Make, world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Gate]:
    """A gateway whose recorder is told what to do with literals (the tables of BASE cannot be repeated)."""
    from tests.live import gate

    base = gate.BASE.replace('[recorder]\ndirectory = "$directory/recordings"\n', "")
    assert base != gate.BASE
    monkeypatch.setattr(gate, "BASE", base)
    return lambda literals: make_gate(text_of(world, literals))


def session(made: Gate) -> None:
    """One of everything that carries a value beside a masked column, and statements that are refused."""
    with made.wire("open") as wire:
        for sql in (
            f"SELECT id FROM printed WHERE id = 7 AND card = '{VALUE}'",
            f"SELECT id FROM printed WHERE card LIKE '{VALUE[:8]}%'",
            f"UPDATE printed SET label = 'shown', card = '{VALUE}' WHERE id = 0",
            f"SELECT e FROM (SELECT card AS e FROM printed) v WHERE e = '{VALUE}'",
            f"DROP TABLE printed -- '{VALUE[:2]}'",
            f"SELECT '{VALUE}'::no_such_type FROM printed",
        ):
            wire.query(sql)
        value = VALUE.encode()
        for formats in ((), (1,)):
            wire.ask(m.parse_message(b"", b"SELECT id FROM printed WHERE card = $1", ())
                     + m.bind(b"", b"", formats, (value,), ()) + m.execute(b"", 0) + m.sync())  # fmt: skip
        wire.ask(extended("UPDATE printed SET card = $1 WHERE label = $2", value, b"shown", describe=False))
        wire.query("PREPARE q (text) AS SELECT id FROM printed WHERE card = $1")
        wire.query(f"EXECUTE q ('{VALUE}')")
        wire.query("BEGIN")
        wire.send(m.query(b"COPY printed (id, label, card) FROM STDIN"))
        wire.until("G")
        wire.send(b"".join(m.copy_data(b"%d\tx\t%s\n" % (100 + n, value)) for n in range(5)) + m.copy_done())
        assert "E" not in types(wire.until("Z"))
        wire.query("ROLLBACK")
        wire.query("SELECT label FROM printed WHERE id = 3")


def held_of(got: list[bytes]) -> str:
    """The id of the request, from the notice."""
    found = re.search(r"held for approval as (\S+)", notice(got)["M"])
    assert found
    return found[1]


def everything(made: Gate) -> tuple[bytes, str]:
    """Every byte of the recordings' records, and all exports."""
    raw, told = b"", ""
    for path in made.recordings():
        wait_for(lambda path=path: b'"event":"end"' in path.read_bytes(), "the end")  # type: ignore[misc]
        raw += path.read_bytes()
        for kind in ("sql", "json", "text"):
            told += "\n".join(export(path, kind))  # type: ignore[arg-type]
    return raw, told


def test_recordings_hold_masks_where_that_is_chosen(start: Callable[[str], Gate]) -> None:
    made = start("masked")
    session(made)
    raw, told = everything(made)
    assert VALUE[:8].encode() not in raw
    assert VALUE[:8].encode().hex().encode() not in raw
    assert VALUE[:8] not in told
    assert "label = 'shown', card = '****' WHERE" in told
    assert "WHERE id = 3" in told
    assert "not recorded" in told
    made.check_recordings()


def test_recordings_are_evidence_else(start: Callable[[str], Gate]) -> None:
    made = start("kept")
    session(made)
    raw, told = everything(made)
    assert raw.count(VALUE.encode()) > 8
    assert f"card = '{VALUE}'" in told


@pytest.mark.parametrize("bound", [False, True])
def test_approvers_see_masks(start: Callable[[str], Gate], world: World, bound: bool) -> None:
    """And what they approve is what runs."""
    made = start("kept")
    world.behind(f"INSERT INTO printed VALUES (900, 'l', '{VALUE}')")
    try:
        with made.wire("open") as wire:
            if bound:
                wire.send(extended("DELETE FROM printed WHERE id = $2 AND card = $1", VALUE.encode(), b"900"))
            else:
                wire.send(m.query(f"DELETE FROM printed WHERE id = 900 AND card = '{VALUE}'".encode()))
            request = held_of(wire.until("N"))
            shown = made.request(request)
            assert VALUE not in str(shown)
            assert "****" in str(shown)
            assert "900" in str(shown)
            made.approve(request)
            got = wire.until("Z")
            assert m.command_complete("DELETE 1") in got, error(got)
    finally:
        world.behind("DELETE FROM printed WHERE id = 900")


def test_the_admin_pages_and_the_log_hold_no_values(start: Callable[[str], Gate]) -> None:
    made = start("masked")
    session(made)
    assert VALUE[:8] not in made.log()
    assert VALUE[:8] not in made.http("/metrics")[1]
    assert VALUE[:8] not in "".join(path.name for path in Path(made.directory).rglob("*"))
