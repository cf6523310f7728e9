"""A running gateway takes a new policy whole or not at all; access that ends, ends sessions; grants open and shut."""

from __future__ import annotations

import re
import signal
import time
from typing import Any

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import ClosedError, Wire, error, rows, types

READS = """
[[rule]]
name = "readers"
who = { groups = ["analysts"] }
what = { effect = ["read", "session"] }
then = "allow"
"""
GRANTED = """
[[rule]]
name = "emergency"
who = { groups = ["agents"] }
what = { target = ["open"] }
then = "allow"
grant = true
approvers = { groups = ["approvers"] }
"""


def works(wire: Wire) -> bool:
    return types(wire.query("SELECT 1")) == "TDCZ"


def test_next_statements_are_judged_by_the_new_rules(make_gate: Any, world: World) -> None:
    gate = make_gate(READS + world.target("open", allow=False))
    with gate.wire("open") as wire:
        assert error(wire.query("INSERT INTO wide VALUES (1)"))["C"] == "42501"
        before = gate.status().config_version
        status = gate.reload(READS.replace('"read"', '"read", "write"') + world.target("open", allow=False))
        assert status.reload.ok
        assert status.config_version != before
        assert types(wire.query("INSERT INTO wide VALUES (1)")) == "CZ"
        assert gate.reload(READS + world.target("open", allow=False)).reload.ok
        assert gate.status().config_version == before
        assert error(wire.query("INSERT INTO wide VALUES (1)"))["C"] == "42501"


def test_masks_come_and_go(make_gate: Any, world: World) -> None:
    masks = '[[mask]]\nname = "secrets"\ncolumns = ["*.vault.secret*"]\n'
    gate = make_gate(world.target("open"))
    sql = "SELECT secret_key FROM vault WHERE id = 1"
    with gate.wire("open") as wire:
        wire.ask(m.parse_message(b"p", sql) + m.sync())
        again = m.bind(b"", b"p") + m.execute(b"", 0) + m.sync()
        assert rows(wire.query(sql)) == rows(wire.ask(again)) == [[b"sk_clear_1"]]
        assert gate.reload(masks + world.target("open")).reload.ok
        assert rows(wire.query(sql)) == [[b"****"]]
        assert rows(wire.ask(again)) == [[b"****"]]  # prepared before there was a mask
        assert gate.reload(world.target("open")).reload.ok
        assert rows(wire.query(sql)) == rows(wire.ask(again)) == [[b"sk_clear_1"]]


def test_masks_that_come_while_a_portal_is_open(make_gate: Any, world: World) -> None:
    masks = '[[mask]]\nname = "secrets"\ncolumns = ["*.vault.secret*"]\n'
    gate = make_gate(world.target("open"))
    with gate.wire("open") as wire:
        wire.query("BEGIN")
        first = wire.ask(m.parse_message(b"", "SELECT secret_key FROM vault") + m.bind(b"c", b"") + m.execute(b"c", 1)
                         + m.sync())  # fmt: skip
        assert rows(first) == [[b"sk_clear_1"]]
        assert gate.reload(masks + world.target("open")).reload.ok
        try:
            got = wire.ask(m.execute(b"c", 2) + m.sync())
        except ClosedError as closed:
            got = closed.so_far
        assert b"sk_clear" not in b"".join(got)


BAD = {
    "not TOML": "[[rule]\n",
    "an unknown key": "[limits]\nsesion = 3\n",
    "a wrong type": '[limits]\nsession = "soon"\n',
    "a dangling reference": '[[rule]]\nname = "x"\nthen = "mask"\nmasks = ["nothing"]\n',
    "a rule that never matches": '[[rule]]\nname = "x"\nthen = "deny"\nwhat = { target = ["nowhere"] }\n',
    "an example that fails": READS.rstrip() + '\nexamples = [{ statement = "DROP TABLE x", expect = "allow" }]\n',
    "a secret in the file": '[[target]]\nname = "x"\nprotocol = "postgresql"\nhosts = ["h:1"]\n[target.role.a]\npassword = "swordfish"\n',  # noqa: E501
}


@pytest.fixture(scope="module")
def reader(world: World, home: Any) -> Any:
    gate = Gate(world, home / "reader", READS + world.target("open", allow=False)).start()
    yield gate
    gate.remove()


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_changes_nothing(reader: Gate, fault: str) -> None:
    gate, good = reader, reader.text
    with gate.wire("open") as wire:
        before = gate.status().config_version
        try:
            status = gate.reload(BAD[fault] + good)
            assert not status.reload.ok
            assert status.reload.errors
            assert "swordfish" not in str(status) + gate.log()
            assert str(gate.config) in status.reload.errors[0]
            assert status.config_version == before
            assert works(wire)
            with gate.wire("open") as another:
                assert works(another)
        finally:
            assert gate.reload(good).reload.ok
    assert not gate.faults()
    gate.check_recordings()


@pytest.mark.parametrize(
    ("table", "name"),
    [('[store]\npath = "/tmp/elsewhere.sqlite3"\n', "store"), ("[limits]\nparse_time = 9\n", "limits.parse_time")],
)
def test_what_cannot_be_reloaded_says_so(reader: Gate, table: str, name: str) -> None:
    good = reader.text
    status = reader.reload(table + good)
    assert not status.reload.ok
    assert name in status.reload.errors[0]
    assert "estart" in status.reload.errors[0]
    assert reader.reload(good).reload.ok


def test_hoopgate_reload(make_gate: Any, world: World) -> None:
    gate = make_gate(READS + world.target("open", allow=False))
    done = gate.hoopgate("operator", "reload")
    assert done.code == 0, done
    assert gate.status().config_version[:12] in done.out
    gate.write(BAD["an unknown key"] + gate.text)
    before = gate.status()
    done = gate.hoopgate("operator", "reload")
    assert done.code == 1
    assert "hoopgate.toml" in done.out
    assert "sesion" in done.out
    assert gate.status() == before  # the service was not even told
    gate.write(READS + world.target("open", allow=False))
    gate.stop()
    assert gate.hoopgate("operator", "reload").code == 2


def test_sessions_without_access_end_and_the_rule_is_named(make_gate: Any, world: World) -> None:
    everybody = '[[rule]]\nname = "everybody"\nwhat = { target = ["open"] }\nthen = "allow"\n'
    shut = '[[rule]]\nname = "analysts-out"\nwho = { groups = ["analysts"] }\nthen = "deny"\nreason = "Audit."\n'
    gate = make_gate(everybody + world.target("open", allow=False))
    with gate.wire("open", "ada") as out, gate.wire("open", "scout") as stays, gate.wire("open", "ada") as busy:
        busy.query("BEGIN")
        busy.query("INSERT INTO wide VALUES (1, 'never committed')")
        began = time.monotonic()
        assert gate.reload(shut + everybody + world.target("open", allow=False)).reload.ok
        for wire in (out, busy):
            got = wire.closed()
            assert types(got) == "E"
            fields = error(got)
            assert (fields["S"], fields["C"]) == ("FATAL", "57P01")
            assert "analysts-out" in fields["D"]
        assert time.monotonic() - began < 2
        assert works(stays)
    assert world.behind("SELECT count(*) FROM wide WHERE b = 'never committed'") == "0"
    assert "analysts-out" in gate.log() or "Audit" in gate.log()


def test_a_session_in_the_middle_of_a_result_ends_too(make_gate: Any, world: World) -> None:
    everybody = '[[rule]]\nname = "everybody"\nwhat = { target = ["open"] }\nthen = "allow"\n'
    shut = '[[rule]]\nname = "nobody"\nwho = { groups = ["analysts"] }\nthen = "deny"\n'
    gate = make_gate(everybody + world.target("open", allow=False))
    with gate.wire("open") as wire:
        wire.send(m.query(b"SELECT g, pg_sleep(0.01) FROM generate_series(1, 100000) g"))
        wire.until("D")
        gate.reload(shut + everybody + world.target("open", allow=False))
        began = time.monotonic()
        wire.closed()
        assert time.monotonic() - began < 3
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.01)%' AND pid <> pg_backend_pid()"
    wait_for(lambda: world.behind(running) == "0", "the query's end", 3)


def test_a_target_that_is_gone(make_gate: Any, world: World) -> None:
    gate = make_gate(world.target("open") + world.target("other"))
    with gate.wire("open") as wire, gate.wire("other") as other:
        assert gate.reload(world.target("open")).reload.ok
        assert error(other.closed())["C"] == "57P01"
        assert works(wire)


def test_many_reloads_under_load(make_gate: Any, world: World) -> None:
    """No statement is lost, judged by half a policy, or answered wrongly while policies change."""
    write = READS.replace('"read"', '"read", "write"')
    gate = make_gate(READS + world.target("open", allow=False))
    with gate.wire("open") as wire:
        for number in range(10):
            gate.write((write if number % 2 else READS) + world.target("open", allow=False))
            gate.signal(signal.SIGHUP)
            for _ in range(20):
                assert works(wire)
                assert types(wire.query("INSERT INTO wide VALUES (5)")) in ("CZ", "EZ")


# --- grants


def granted(gate: Gate, seconds: int = 60) -> str:
    done = gate.hoopgate("scout", "grants", "request", "emergency", "--for", f"{seconds}s", "--reason", "disk full")
    assert done.code == 0, done
    found = re.search(r"Asked for as (\w+)", done.out)
    assert found
    done = gate.hoopgate("grace", "grants", "approve", found[1])
    assert done.code == 0, done
    return found[1]


def denied(gate: Gate) -> dict[str, str]:
    with pytest.raises(ClosedError) as caught:
        gate.wire("open", "scout")
    return error(caught.value.so_far)


def test_a_grant_opens_access_and_ends_in_the_live_session(make_gate: Any, world: World) -> None:
    gate = make_gate(GRANTED + READS + world.target("open", allow=False))
    fields = denied(gate)
    assert fields["C"] == "42501"
    assert "grant" in fields["M"] + fields["H"]
    granted(gate, 4)
    began = time.monotonic()
    wire = wait_for(lambda: opened(gate), "the grant's effect", 2)
    with wire:
        assert works(wire)
        got = wire.closed(8)
        assert error(got)["C"] == "57P01"
        assert time.monotonic() - began < 6
    assert denied(gate)["C"] == "42501"


def opened(gate: Gate) -> Wire | None:
    try:
        return gate.wire("open", "scout")
    except ClosedError:
        return None


def test_a_revoked_grant_ends_the_session_within_two_seconds(make_gate: Any, world: World) -> None:
    gate = make_gate(GRANTED + READS + world.target("open", allow=False))
    grant = granted(gate)
    wire = wait_for(lambda: opened(gate), "the grant's effect", 2)
    with wire:
        wire.query("BEGIN")
        status, answer = gate.api("grace", "POST", f"/v1/grants/{grant}/revoke", {"reason": "over"})
        assert status == 200, answer
        began = time.monotonic()
        got = wire.closed(5)
        assert time.monotonic() - began < 2
        assert error(got)["C"] == "57P01"
    assert denied(gate)["C"] == "42501"


def test_a_grant_of_more_rights_for_who_has_access_already(make_gate: Any, world: World) -> None:
    """With the grant it may write, after its end the session stays and may not."""
    write = GRANTED.replace('what = { target = ["open"] }', 'what = { target = ["open"], effect = ["write"] }')
    reads = READS.replace('"analysts"', '"analysts", "agents"')
    gate = make_gate(write + reads + world.target("open", allow=False))
    with gate.wire("open", "scout") as wire:
        insert = "INSERT INTO wide VALUES (8)"
        fields = error(wire.query(insert))
        assert fields["C"] == "42501"
        assert "grant" in fields["H"] + fields["M"], fields
        grant = granted(gate)
        wait_for(lambda: types(wire.query(insert)) == "CZ", "the grant's effect", 2)
        gate.api("grace", "POST", f"/v1/grants/{grant}/revoke", {"reason": "over"})
        wait_for(lambda: types(wire.query(insert)) == "EZ", "the grant's end", 2)
        assert works(wire)


def test_an_operator_ends_a_session(make_gate: Any, world: World) -> None:
    gate = make_gate(world.target("open"))
    with gate.wire("open") as wire, gate.wire("open") as other:
        status, answer = gate.api("operator", "GET", "/v1/sessions")
        assert status == 200, answer
        live = [each for each in answer["sessions"] if each.get("ended") is None]
        assert len(live) == 2
        ended = live[0]["id"]
        status, _ = gate.api("scout", "POST", f"/v1/sessions/{ended}/end", {"reason": "I may not"})
        assert status in (403, 404)
        status, answer = gate.api("operator", "POST", f"/v1/sessions/{live[1]['id']}/end", {"reason": "lunch"})
        assert status == 202, answer
        assert any(error(each.closed(4))["C"] == "57P01" for each in (wire, other))


def test_what_runs_is_cancelled_with_the_access(make_gate: Any, world: World) -> None:
    """A statement of somebody whose access was ended does not run on to its commit."""
    everybody = '[[rule]]\nname = "everybody"\nwhat = { target = ["open"] }\nthen = "allow"\n'
    shut = '[[rule]]\nname = "nobody"\nwho = { groups = ["analysts"] }\nthen = "deny"\n'
    world.behind("TRUNCATE wide")
    gate = make_gate(everybody + world.target("open", allow=False))
    with gate.wire("open") as wire:
        wire.send(m.query(b"INSERT INTO wide SELECT 1, 'late' FROM pg_sleep(1.5)"))
        time.sleep(0.3)
        gate.reload(shut + everybody + world.target("open", allow=False))
        assert error(wire.closed())["C"] == "57P01"
    time.sleep(1.5)
    assert world.behind("SELECT count(*) FROM wide") == "0"
