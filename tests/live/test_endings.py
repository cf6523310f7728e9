"""How sessions end: as they would without a gateway between."""

from __future__ import annotations

from typing import Any

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import Wire, brief, error, extended, types

SETTINGS = {
    "SET idle_session_timeout = '200ms'": ("57P05", b""),
    "SET idle_in_transaction_session_timeout = '200ms'": ("25P03", b"BEGIN"),
    "SET transaction_timeout = '200ms'": ("25P04", b"BEGIN; SELECT pg_sleep(3)"),
}


@pytest.fixture(params=["direct", "open", "watched"])
def wire(request: pytest.FixtureRequest, gate: Gate, world: World) -> Any:
    """A session directly, or through the gateway: the same must hold of each."""
    world.behind("TRUNCATE wide")
    with world.direct() if request.param == "direct" else gate.wire(request.param) as opened:
        yield opened


def test_what_came_before_terminate_is_answered(wire: Wire, world: World) -> None:
    wire.send(m.query(b"SELECT 'a', pg_sleep(0.2)") + m.query(b"INSERT INTO wide VALUES (99, 'x')") + m.terminate())
    assert types(wire.closed()) == "TDCZCZ"
    assert world.behind("SELECT count(*) FROM wide") == "1"


def test_what_was_not_synced_before_terminate_is_not_committed(wire: Wire, world: World) -> None:
    wire.send(extended("INSERT INTO wide VALUES (99, 'x')", sync=False, describe=False) + m.flush())
    wire.until("12C")
    wire.send(m.terminate())
    assert wire.closed() == []
    assert world.behind("SELECT count(*) FROM wide") == "0"


def test_a_client_that_leaves_without_a_word(wire: Wire, world: World) -> None:
    """A statement under way runs to its end, as PostgreSQL's do; a transaction rolls back."""
    wire.query("BEGIN")
    wire.query("INSERT INTO wide VALUES (99, 'x')")
    wire.close()
    gone = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    wait_for(lambda: world.behind(gone) == "0", "the end upstream")
    assert world.behind("SELECT count(*) FROM wide") == "0"


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_targets_own_last_words_are_the_last(wire: Wire, setting: str) -> None:
    """Nothing is said behind them."""
    sqlstate, then = SETTINGS[setting]
    wire.query(setting)
    if then:
        wire.send(m.query(then))
    got = [raw for raw in wire.closed() if raw[:1] not in (b"C", b"Z", b"T")]
    assert types(got) == "E", [brief(raw) for raw in got]
    assert (error(got)["S"], error(got)["C"]) == ("FATAL", sqlstate)


def test_the_reason_is_recorded(gate: Gate, world: World) -> None:
    with gate.wire("open") as wire:
        wire.query("SET idle_session_timeout = '200ms'")
        wire.closed()
    wait_for(lambda: "SQLSTATE 57P05" in gate.log(), "the reason in the log")
    with gate.wire("open") as wire:
        wire.send(m.terminate())
        wire.closed()
    newest = max(gate.recordings(), key=lambda path: path.name)
    wait_for(lambda: gate.verify(newest).ok, "the recording's end")
    assert (gate.verify(newest).end or {})["reason"] == "the client ended the session"
