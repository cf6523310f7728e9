"""Held statements: approved, denied, expired, withdrawn, interrupted; exactly what was approved runs, once."""

from __future__ import annotations

import re
import signal
import subprocess
import time

import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.development.clients import Waiting
from tests.live.gate import Gate, World, wait_for
from tests.live.rules import RULES
from tests.live.wire import Wire, error, extended, notice, rows, types

SYNC = m.sync()
DELETE = "DELETE FROM held"


def held(wire: Wire) -> str:
    """The id of the request, from the notice that comes."""
    fields = notice([wire.message()])
    assert fields["S"] == "NOTICE"
    found = re.search(r"held for approval as (\S+)", fields["M"])
    assert found, fields
    assert f"hoopgate approvals approve {found[1]}" in fields["H"]
    return found[1]


def count(world: World, table: str = "held") -> int:
    return int(world.behind(f"SELECT count(*) FROM {table}"))


@pytest.fixture
def wire(gate: Gate, world: World) -> Wire:
    world.behind("TRUNCATE held, two, brief, ledger, wide; INSERT INTO held SELECT n, 'n' FROM generate_series(1, 5) n;"
                 "INSERT INTO two VALUES (1, 'x'); INSERT INTO brief VALUES (1, 'x')")  # fmt: skip
    return gate.wire("ruled")


def alive(wire: Wire, status: bytes = b"I") -> None:
    got = wire.query("SELECT 'alive'")
    assert rows(got) == [[b"alive"]]
    assert got[-1] == m.ready_for_query(status)


def test_approved_it_runs(gate: Gate, world: World, wire: Wire) -> None:
    wire.send(m.query(DELETE.encode()))
    request = held(wire)
    wire.quiet()
    assert count(world) == 5
    seen = gate.request(request)
    assert (seen["statement"], seen["target"], seen["role"], seen["rule"]) == (DELETE, "ruled", "app", "unbounded")
    assert seen["in_transaction"] is False
    assert seen["locks"] == []
    gate.approve(request)
    got = wire.until("Z")
    assert got == [m.command_complete("DELETE 5"), m.ready_for_query(b"I")]
    assert count(world) == 0
    alive(wire)


def test_denied_it_does_not_and_the_reason_is_told(gate: Gate, world: World, wire: Wire) -> None:
    wire.send(m.query(DELETE.encode()))
    request = held(wire)
    gate.deny(request, "not on a Sunday")
    got = wire.until("Z")
    assert types(got) == "EZ"
    fields = error(got)
    assert fields["C"] == "42501"
    assert request in fields["M"]
    assert "grace" in fields["M"]
    assert "not on a Sunday" in fields["M"]
    assert count(world) == 5
    alive(wire)


def test_expired(gate: Gate, world: World, wire: Wire) -> None:
    began = time.monotonic()
    wire.send(m.query(b"DELETE FROM brief"))
    request = held(wire)
    got = wire.until("Z")
    assert time.monotonic() - began < 5
    assert types(got) == "EZ"
    assert error(got)["C"] == "57014"
    assert "expired" in error(got)["M"]
    assert gate.request(request)["state"] == "expired"
    assert count(world, "brief") == 1
    alive(wire)


def test_cancelled(gate: Gate, world: World, wire: Wire) -> None:
    wire.send(m.query(DELETE.encode()))
    request = held(wire)
    cancel(gate, wire)
    got = wire.until("Z")
    assert types(got) == "EZ"
    assert error(got)["C"] == "57014"
    assert error(got)["M"] == "canceling statement due to user request"
    wait_for(lambda: gate.request(request)["state"] == "withdrawn", "the withdrawal")
    assert count(world) == 5
    alive(wire)


def cancel(gate: Gate, wire: Wire) -> None:
    with Wire.tcp(("127.0.0.1", gate.ports["plain"]), {}, login=False) as other:
        other.socket.sendall(m.cancel_request(wire.pid, wire.key))
        assert other.closed() == []


def test_a_cancel_reaches_the_target_when_nothing_is_held(gate: Gate, wire: Wire) -> None:
    wire.send(m.query(b"SELECT pg_sleep(30)"))
    wire.quiet()
    cancel(gate, wire)
    assert error(wire.until("Z"))["C"] == "57014"
    with Wire.tcp(("127.0.0.1", gate.ports["plain"]), {}, login=False) as other:
        other.socket.sendall(m.cancel_request(wire.pid, bytes(len(wire.key))))  # a wrong key does nothing
        assert other.closed() == []
    alive(wire)


def test_psql_and_ctrl_c(gate: Gate, world: World, wire: Wire) -> None:
    command = gate.psql("ruled", "-c", DELETE, "-c", "SELECT 'after'")
    command[command.index("-v") + 1] = "ON_ERROR_STOP=0"
    waiting = Waiting(command, gate.environ("ada"))
    try:
        waiting.notice()
        waiting._process.send_signal(signal.SIGINT)
        done = waiting.finish()
    finally:
        waiting.kill()
    assert "canceling statement due to user request" in done.err
    assert count(world) == 5


def test_a_disconnect_withdraws(gate: Gate, world: World, wire: Wire) -> None:
    wire.send(m.query(DELETE.encode()))
    request = held(wire)
    wire.close()
    wait_for(lambda: gate.request(request)["state"] == "withdrawn", "the withdrawal")
    assert count(world) == 5
    body = {"digest": gate.request(request)["digest"], "reason": ""}
    status, _ = gate.api("grace", "POST", f"/v1/approvals/{request}/approve", body)
    assert status == 409
    assert count(world) == 5


def test_killed_client_withdraws(gate: Gate, world: World, wire: Wire) -> None:
    process = subprocess.Popen(gate.psql("ruled", "-c", DELETE), env=gate.environ("ada"), stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        request = re.search(rb"held for approval as (\S+)", process.stderr.readline())
        assert request
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    wait_for(lambda: gate.request(request[1].decode())["state"] == "withdrawn", "the withdrawal")
    assert count(world) == 5


def test_in_a_transaction_it_shows_locks_and_has_a_limit(gate: Gate, world: World, wire: Wire) -> None:
    wire.query("BEGIN")
    wire.query("UPDATE wide SET b = 'locked' WHERE a = 1")
    began = time.monotonic()
    wire.send(m.query(DELETE.encode()))
    request = held(wire)
    seen = gate.request(request)
    assert seen["in_transaction"] is True
    assert "RowExclusiveLock on public.wide" in seen["locks"]
    got = wire.until("Z")
    assert time.monotonic() - began < 8  # limits.hold_in_transaction is 3 s here
    assert types(got) == "EZ"
    assert error(got)["C"] == "57014"
    assert got[-1] == m.ready_for_query(b"E")
    assert wire.query("COMMIT")[0] == m.command_complete("ROLLBACK")
    assert count(world) == 5
    alive(wire)


def test_in_a_transaction_approved(gate: Gate, world: World, wire: Wire) -> None:
    wire.query("BEGIN")
    wire.query("INSERT INTO wide VALUES (1, 'x')")
    wire.send(m.query(DELETE.encode()))
    gate.approve(held(wire))
    assert wire.until("Z") == [m.command_complete("DELETE 5"), m.ready_for_query(b"T")]
    assert count(world) == 5
    assert wire.query("COMMIT")[0] == m.command_complete("COMMIT")
    assert count(world) == 0
    assert count(world, "wide") == 1


def test_in_a_failed_transaction_nothing_is_asked(gate: Gate, wire: Wire) -> None:
    wire.query("BEGIN")
    wire.query("SELECT 1/0")
    got = wire.query(DELETE)
    assert types(got) == "EZ"
    assert error(got)["C"] == "25P02"
    assert gate.pending() == [], gate.pending()
    wire.query("ROLLBACK")
    alive(wire)


def test_two_people_must_agree(gate: Gate, world: World, wire: Wire) -> None:
    wire.send(m.query(b"DELETE FROM two WHERE id = 1"))
    request = held(wire)
    assert gate.approve(request, "grace")["state"] == "pending"
    status, answer = gate.api("grace", "POST", f"/v1/approvals/{request}/approve",
                              {"digest": gate.request(request)["digest"]})  # fmt: skip
    assert status == 409, answer
    # the same person under another subject is no second person
    status, answer = gate.api("grace-too", "POST", f"/v1/approvals/{request}/approve",
                              {"digest": gate.request(request)["digest"]})  # fmt: skip
    assert status in (403, 409), answer
    wire.quiet()
    assert count(world, "two") == 1
    assert gate.approve(request, "edsger")["state"] == "approved"
    assert types(wire.until("Z")) == "CZ"
    assert count(world, "two") == 0


@pytest.mark.parametrize("person", ["ada", "scout", "visitor"])
def test_who_may_not_approve(gate: Gate, world: World, wire: Wire, person: str) -> None:
    """Not the requester, nor anyone in its chain, nor who is in none of the groups; none of them is a vote."""
    requester = "scout" if person == "ada" else "ada"
    with gate.wire("ruled", requester) as other:
        other.send(m.query(DELETE.encode()))
        request = held(other)
        digest = gate.request(request)["digest"]
        status, _ = gate.api(person, "POST", f"/v1/approvals/{request}/approve", {"digest": digest})
        assert status in (403, 404)
        assert gate.request(request)["state"] == "pending"
        other.quiet()
    assert count(world) == 5


def test_an_approver_may_not_approve_their_own(gate: Gate, world: World, wire: Wire) -> None:
    with gate.wire("ruled", "grace") as other:
        other.send(m.query(DELETE.encode()))
        request = held(other)
        digest = gate.request(request)["digest"]
        for person in ("grace", "grace-too"):
            status, answer = gate.api(person, "POST", f"/v1/approvals/{request}/approve", {"digest": digest})
            assert status == 403, answer
        other.quiet()
        assert gate.approve(request, "edsger")["state"] == "approved"
        assert types(other.until("Z")) == "CZ"


def test_extended_protocol_shows_the_parameters_and_runs_with_them(gate: Gate, world: World, wire: Wire) -> None:
    wire.send(extended("INSERT INTO ledger (note) VALUES ($1)", b"exactly this"))
    assert wire.message()[:1] == b"1"
    request = held(wire)
    seen = gate.request(request)
    assert seen["statement"] == "INSERT INTO ledger (note) VALUES ($1)"
    assert seen["parameters"] == ["exactly this"]
    gate.approve(request)
    assert types(wire.until("Z")) == "2nCZ"
    assert world.behind("SELECT note FROM ledger") == "exactly this"
    # the same again is a question of its own
    wire.send(extended("INSERT INTO ledger (note) VALUES ($1)", b"something else"))
    assert wire.message()[:1] == b"1"
    second = held(wire)
    assert gate.request(second)["digest"] != seen["digest"]
    gate.deny(second, "once was enough")
    assert types(wire.until("Z")) == "EZ"
    assert count(world, "ledger") == 1
    alive(wire)


def test_a_portal_is_released_once(gate: Gate, world: World, wire: Wire) -> None:
    """Executing the bound statement again asks again."""
    sql = "INSERT INTO ledger (note) VALUES ('x') RETURNING note"
    wire.query("BEGIN")
    wire.send(extended(sql, portal=b"p"))
    assert wire.message()[:1] == b"1"
    gate.approve(held(wire))
    assert types(wire.until("Z")) == "2TDCZ"
    assert wire.query("COMMIT")[0] == m.command_complete("COMMIT")
    assert count(world, "ledger") == 1


def test_a_pipelined_statement_is_held_and_what_follows_waits(gate: Gate, world: World, wire: Wire) -> None:
    insert = extended("INSERT INTO wide VALUES (1, 'x')", sync=False, describe=False)
    wire.send(insert + extended(DELETE, sync=False) + insert + SYNC + extended("SELECT 'next'"))
    assert types(wire.until("C1")) == "12C1"
    request = held(wire)
    wire.quiet()
    assert gate.request(request)["in_transaction"] is True  # the first INSERT stands in the same one
    gate.approve(request)
    assert types(wire.until("ZZ")) == "2nC12CZ12TDCZ"
    assert count(world) == 0
    assert count(world, "wide") == 2


def test_a_pipelined_statement_denied_rolls_its_batch_back(gate: Gate, world: World, wire: Wire) -> None:
    insert = extended("INSERT INTO wide VALUES (1, 'x')", sync=False, describe=False)
    wire.send(insert + extended(DELETE, sync=False) + insert + SYNC + extended("SELECT 'next'"))
    wire.until("C1")
    gate.deny(held(wire), "no")
    assert types(wire.until("ZZ")) == "EZ12TDCZ"
    assert count(world) == 5
    assert count(world, "wide") == 0
    alive(wire)


def test_psycopg_prepared_statements(gate: Gate, world: World, wire: Wire) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with gate.connect("ruled") as connection, ThreadPoolExecutor(1) as pool:
        for number in range(2):
            running = pool.submit(connection.execute, "UPDATE held SET note = %s", (f"v{number}",), prepare=True)
            [pending] = wait_for(gate.pending, "the request")
            assert pending["parameters"] == [f"v{number}"]
            gate.approve(pending["id"])
            assert running.result(20).rowcount == 5
            assert world.behind("SELECT DISTINCT note FROM held") == f"v{number}"


def test_it_may_not_vacuum_inside_a_batch_but_a_held_one_may(make_gate, world: World) -> None:
    """What PostgreSQL runs only outside transactions still runs after a hold, in both protocols."""
    gate = make_gate(HOLD_ADMIN + world.target("open"))
    for message in (m.query(b"VACUUM wide"), extended("VACUUM wide", describe=False)):
        with gate.wire("open") as wire:
            wire.send(message)
            while (raw := wire.message())[:1] != b"N":
                assert raw[:1] == b"1"
            gate.approve(re.search(r"held for approval as (\S+)", notice([raw])["M"])[1])
            assert types(wire.until("Z"))[-2:] == "CZ"


HOLD_ADMIN = """
[[rule]]
name = "vacuum-waits"
what = { command = ["VACUUM"] }
then = "hold"
approvers = { groups = ["approvers"] }
"""


def test_what_a_release_may_not_be_bound_to_is_refused(make_gate, world: World) -> None:
    """A statement longer than anybody can judge is not held, but refused; the session lives."""
    gate = make_gate(world.target("ruled", allow=False) + RULES.replace("[limits]", "[limits]\nhold_statement = 1024")
                     .replace('target = ["watched"]', 'target = ["ruled"]'))  # fmt: skip
    world.behind("TRUNCATE held")
    with gate.wire("ruled") as wire:
        got = wire.query(DELETE + " -- " + "x" * 2000)
        assert types(got) == "EZ"
        assert error(got)["C"] == "54000"
        wire.send(extended("INSERT INTO ledger (note) VALUES ($1)", b"y" * 3_000_000))
        got = wire.until("Z")
        assert error(got)["C"] in ("54000", "42501")
        alive(wire)
        assert gate.pending() == [], gate.pending()


def test_a_restart_interrupts(make_gate, world: World) -> None:
    gate = make_gate(HOLD_UNBOUNDED + world.target("open"))
    world.behind("TRUNCATE held; INSERT INTO held VALUES (1, 'x')")
    wire = gate.wire("open")
    wire.send(m.query(DELETE.encode()))
    request = held(wire)
    gate.kill()
    wire.close()
    gate.start()
    seen = gate.request(request)
    assert seen["state"] == "interrupted"
    status, _ = gate.api("grace", "POST", f"/v1/approvals/{request}/approve", {"digest": seen["digest"]})
    assert status == 409
    assert count(world) == 1
    # the crashed session's recording has been sealed, and says that its end was written afterwards
    (cut,) = gate.recordings()
    wait_for(lambda: gate.verify(cut).ok, "the seal")
    assert gate.verify(cut).end["sealed"]


HOLD_UNBOUNDED = """
[[rule]]
name = "unbounded"
what = { effect = ["delete"], bounded = false }
then = "hold"
approvers = { groups = ["approvers"] }
timeout = "1m"
"""


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_reload_asks_again_and_it_runs_once(make_gate, world: World, protocol: str) -> None:
    gate = make_gate(HOLD_UNBOUNDED + world.target("open"))
    world.behind("TRUNCATE ledger")
    sql = "WITH gone AS (DELETE FROM held) INSERT INTO ledger (note) VALUES ('ran')"
    with gate.wire("open") as wire:
        wire.send(m.query(sql.encode()) if protocol == "simple" else extended(sql, describe=False))
        if protocol == "extended":
            assert wire.message()[:1] == b"1"
        first = held(wire)
        assert gate.reload(gate.text.replace('timeout = "1m"', 'timeout = "2m"')).reload.ok
        second = held(wire)
        assert second != first
        assert gate.request(first)["state"] == "stale"
        status, _ = gate.api("grace", "POST", f"/v1/approvals/{first}/approve",
                             {"digest": gate.request(first)["digest"]})  # fmt: skip
        assert status == 409
        wire.quiet()
        assert count(world, "ledger") == 0
        gate.approve(second)
        assert types(wire.until("Z"))[-2:] == "CZ"
        assert count(world, "ledger") == 1
        alive(wire)


def test_a_reload_may_release_or_refuse_what_is_held(make_gate, world: World) -> None:
    gate = make_gate(HOLD_UNBOUNDED + world.target("open"))
    world.behind("TRUNCATE held; INSERT INTO held VALUES (1, 'x')")
    deny = HOLD_UNBOUNDED.replace('then = "hold"', 'then = "deny"').replace(
        'approvers = { groups = ["approvers"] }\n', ""
    )
    deny = deny.replace('timeout = "1m"\n', "")
    with gate.wire("open") as wire:
        wire.send(m.query(DELETE.encode()))
        held(wire)
        assert gate.reload(deny + world.target("open")).reload.ok
        got = wire.until("Z")
        assert types(got) == "EZ"
        assert error(got)["C"] == "42501"
        assert gate.reload(HOLD_UNBOUNDED + world.target("open")).reload.ok
        wire.send(m.query(DELETE.encode()))
        held(wire)
        assert gate.reload(world.target("open")).reload.ok
        assert types(wire.until("Z")) == "CZ"
        assert count(world) == 0


def test_a_reload_that_changes_no_policy_leaves_the_hold(make_gate, world: World) -> None:
    gate = make_gate(HOLD_UNBOUNDED + world.target("open"))
    with gate.wire("open") as wire:
        wire.send(m.query(DELETE.encode()))
        request = held(wire)
        assert gate.reload("# a comment\n" + gate.text).reload.ok
        wire.quiet()
        gate.approve(request)
        assert types(wire.until("Z")) == "CZ"


def test_the_session_may_end_while_it_is_held(make_gate, world: World) -> None:
    """A session limit does not wait for approvers, and nothing runs after it."""
    gate = make_gate('[limits]\nsession = "3s"\n' + HOLD_UNBOUNDED + world.target("open"))
    world.behind("TRUNCATE held; INSERT INTO held VALUES (1, 'x')")
    with gate.wire("open") as wire:
        wire.send(m.query(DELETE.encode()))
        request = held(wire)
        got = wire.closed()
        assert error(got)["C"] == "57P01"
        assert "limits.session" in error(got)["D"]
        wait_for(lambda: gate.request(request)["state"] == "withdrawn", "the withdrawal")
        assert count(world) == 1


def test_holds_are_recorded(gate: Gate, world: World, wire: Wire) -> None:
    session = wire.query("SHOW application_name")
    assert session
    wire.send(m.query(DELETE.encode()))
    request = held(wire)
    gate.approve(request)
    wire.until("Z")
    wire.close()
    path = wait_for(
        lambda: next((p for p in gate.recordings() if request.encode() in p.read_bytes()), None), "a record"
    )
    wait_for(lambda: gate.verify(path).ok, "its end")
    shown = gate.hoopgate("ada", "sessions", "show", path.stem).out
    assert "approved" in shown
    assert "grace" in shown


def test_several_hold_at_once(gate: Gate, world: World, wire: Wire) -> None:
    """One session's hold delays nobody else's statements."""
    wires = [gate.wire("ruled") for _ in range(5)]
    try:
        for each in wires:
            each.send(m.query(DELETE.encode()))
        requests = [held(each) for each in wires]
        assert len(set(requests)) == 5
        alive(wire)
        assert {each["id"] for each in gate.pending()} >= set(requests)
        for each, request in reversed(list(zip(wires, requests, strict=True))):
            gate.approve(request)
            assert types(each.until("Z")) == "CZ"
    finally:
        for each in wires:
            each.close()


def test_a_person_may_hold_only_so_many(make_gate, world: World) -> None:
    gate = make_gate("[limits]\nholds_per_identity = 1\n" + HOLD_UNBOUNDED + world.target("open"))
    with gate.wire("open") as first, gate.wire("open") as second:
        first.send(m.query(DELETE.encode()))
        request = held(first)
        got = second.query(DELETE)
        assert types(got) == "EZ"
        alive(second)
        gate.deny(request, "no")
        first.until("Z")


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_copy_in_waits_with_its_data(gate: Gate, world: World, wire: Wire, protocol: str) -> None:
    """The data may follow at once: they wait too, and reach the target, or go where refused statements go."""
    sql = "COPY ledger (note) FROM STDIN"
    copy = m.query(sql.encode()) if protocol == "simple" else extended(sql, sync=False, describe=False)
    data = b"".join(m.copy_data(b"line %d\n" % number) for number in range(1000)) + m.copy_done()
    for approved in (True, False):
        wire.send(copy + data + (b"" if protocol == "simple" else SYNC))
        while (raw := wire.message())[:1] != b"N":
            assert raw[:1] == b"1"
        request = re.search(r"held for approval as (\S+)", notice([raw])["M"])
        assert request
        if approved:
            gate.approve(request[1])
            assert types(wire.until("Z")) == ("GCZ" if protocol == "simple" else "2GCZ")
        else:
            gate.deny(request[1], "enough")
            assert types(wire.until("Z")) == "EZ"
        alive(wire)
    assert count(world, "ledger") == 1000
