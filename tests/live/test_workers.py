"""Several workers: they share the work and what was decided, and the death of one ends no other's sessions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hoopgate.cancel import worker_of
from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World, wait_for
from tests.live.rules import SHARED
from tests.live.test_holds import held
from tests.live.test_login import gateway_token, revoke
from tests.live.wire import Wire, error, rows, types

WORKERS = 3
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile=", "hoopgate"]


@pytest.fixture(scope="module")
def running(world: World, home: Path) -> Iterator[Gate]:
    gate = Gate(world, home / "workers", SHARED(world), workers=WORKERS).start()
    yield gate
    gate.remove()


@pytest.fixture
def gate(running: Gate) -> Iterator[Gate]:
    yield running
    assert running.alive(), running.log()[-4000:]
    assert not running.faults()
    wait_for(lambda: health(running) == "ok", "health", 5)
    running.check_recordings()


def works(wire: Wire) -> bool:
    return types(wire.query("SELECT 1")) == "TDCZ"


def on(gate: Gate, number: int, target: str = "open", **options: Any) -> Wire:
    """A session of worker ``number``: the kernel chooses, so we try."""
    for _ in range(200):
        wire = gate.wire(target, **options)
        if worker_of(wire.pid) == number:
            return wire
        wire.close()
    raise AssertionError(f"worker {number} is given no connection")


def on_each(gate: Gate, target: str = "open", **options: Any) -> list[Wire]:
    return [on(gate, number, target, **options) for number in range(WORKERS)]


def health(gate: Gate) -> str:
    return str(json.loads(gate.http("/healthz")[1])["status"])


def workers(gate: Gate) -> list[dict[str, Any]]:
    return list(json.loads(gate.http("/workers")[1]))


def process(gate: Gate, number: int) -> int:
    return int(workers(gate)[number]["pid"])


def metric(gate: Gate, name: str) -> float:
    lines = [line for line in gate.http("/metrics")[1].splitlines() if line.startswith(name)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def id_of(gate: Gate, wire: Wire) -> str:
    """The id of a session, as the target is told it."""
    got = wire.query("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    [[name]] = rows(got)
    assert name is not None
    return name.decode().split()[0].removeprefix("hg:")


def end_of(gate: Gate, session: str) -> str | None:
    """Why the store says that a session has ended; None while it lives."""
    with contextlib.closing(sqlite3.connect(gate.directory / "state/hoopgate.sqlite3", timeout=10)) as store:
        ended, reason = store.execute("SELECT ended, reason FROM sessions WHERE id = ?", (session,)).fetchone()
    return None if ended is None else str(reason)


def cancel(gate: Gate, pid: int, key: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gate.ports["plain"]), 5) as connection:
        connection.sendall(m.cancel_request(pid, key))
        assert connection.recv(1) == b""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_all_serve_and_are_shown_as_one(gate: Gate) -> None:
    before = metric(gate, "hoopgate_statements_total")
    wires = on_each(gate)
    for number, wire in enumerate(wires):
        for _ in range(number + 1):
            assert works(wire)
    assert metric(gate, "hoopgate_statements_total") == before + 6
    assert metric(gate, "hoopgate_sessions_open") >= WORKERS
    listed = gate.hoopgate("operator", "status", "--json")
    told = json.loads(listed.out)
    assert [each["state"] for each in told["workers"]] == ["serving"] * WORKERS
    assert len({each["pid"] for each in told["workers"]}) == WORKERS
    assert all(each["sessions"] >= 1 and each["pss"] > 0 and each["core"] for each in told["workers"])
    status, answer = gate.api("operator", "GET", "/v1/sessions")
    assert status == 200
    shown = {each["id"] for each in answer["sessions"]}
    assert {id_of(gate, wire) for wire in wires} <= shown
    for wire in wires:
        wire.close()


def test_nothing_that_is_open_is_shared(gate: Gate) -> None:
    """A worker has no socket of another's, and not the lock of the state directory."""
    own = [os.readlink(path) for path in Path(f"/proc/{gate.pid}/fd").iterdir()]
    for number in range(1, WORKERS):
        theirs = []
        for path in Path(f"/proc/{process(gate, number)}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                theirs.append(os.readlink(path))
        assert not {name for name in theirs if name.startswith("socket:")} & set(own)
        assert not any(name.endswith("hoopgate.pid") for name in theirs)


def test_a_statement_held_by_one_is_decided_through_another(gate: Gate, world: World) -> None:
    world.behind("TRUNCATE held; INSERT INTO held VALUES (1, 'n')")
    with on(gate, 2, "ruled") as wire:
        wire.send(m.query(b"DELETE FROM held"))
        request = held(wire)
        began = time.monotonic()
        gate.approve(request)
        assert wire.until("Z")[0] == m.command_complete("DELETE 1")
        assert time.monotonic() - began < 3


def test_a_revoked_token_ends_its_sessions_in_all(gate: Gate) -> None:
    given = gateway_token(gate, "ada")
    wires = on_each(gate, token=str(given["token"]))
    others = on_each(gate)
    revoke(gate, given)
    began = time.monotonic()
    for wire in wires:
        assert "revoked" in error(wire.closed(seconds=5))["M"]
    assert time.monotonic() - began < 2
    assert all(works(wire) for wire in others)
    for wire in others:
        wire.close()


def test_an_operator_ends_a_session_of_any(gate: Gate) -> None:
    with on(gate, 1) as wire:
        session = id_of(gate, wire)
        done = gate.api("operator", "POST", f"/v1/sessions/{session}/end", {"reason": "enough"})
        assert done[0] in (200, 202), done
        assert "enough" in error(wire.closed(seconds=3))["M"]


def test_a_cancel_request_finds_its_worker(gate: Gate) -> None:
    """Where it comes in, the kernel decides: with twelve of them all but surely also where its session is not."""
    for wire in [wire for _ in range(4) for wire in on_each(gate)]:
        wire.send(m.query(b"SELECT pg_sleep(20)"))
        time.sleep(0.05)
        cancel(gate, wire.pid, wire.key)
        got = wire.until("Z", 5)
        assert error(got)["C"] == "57014"
        assert works(wire)
        wire.close()


def test_a_cancel_request_with_a_wrong_key_or_of_nobody_does_nothing(gate: Gate) -> None:
    with on(gate, 1) as wire:
        wire.send(m.query(b"SELECT pg_sleep(1)"))
        for pid, key in ((wire.pid, b"none"), (99 << 24 | 7, wire.key), (wire.pid ^ 1 << 24, wire.key)):
            for _ in range(4):
                cancel(gate, pid, key)
        assert types(wire.until("Z")) == "TDCZ"


def test_a_worker_that_dies_is_replaced_and_its_sessions_are_ended(gate: Gate, world: World) -> None:
    world.behind("TRUNCATE held; INSERT INTO held VALUES (1, 'n')")
    survivors = [on(gate, 0), on(gate, 2)]
    with on(gate, 1) as dying, on(gate, 1, "ruled") as waiting:
        session = id_of(gate, dying)
        for number in range(20):
            dying.query(f"SELECT {number}, repeat('x', 3000)")
        waiting.send(m.query(b"DELETE FROM held"))
        request = held(waiting)
        counted = metric(gate, "hoopgate_statements_total")
        pid = process(gate, 1)
        died = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        dying.closed(2)
        assert wait_for(lambda: end_of(gate, session), "the session's end in the store", 2) == "its process died"
        assert gate.request(request)["state"] == "interrupted"
        wait_for(lambda: process(gate, 1) not in (pid, 0), "the new worker's start", 2)
        wait_for(lambda: health(gate) == "ok", "the new worker", 2)
        assert time.monotonic() - died < 2
        assert all(works(wire) for wire in survivors)
        on(gate, 1).close()
    path = gate.recorded(session)
    wait_for(lambda: gate.verify(path).ok, "the seal")
    report = gate.verify(path)
    assert report.end is not None
    assert report.end["reason"] == "its process died"
    assert 0 <= report.end["sealed"]["proven"] <= report.size  # it may have died before its first checkpoint
    assert path.read_bytes().count(b"x" * 3000) >= 20
    assert metric(gate, "hoopgate_statements_total") >= counted
    for wire in survivors:
        wire.close()


def test_who_dies_again_and_again_is_tried_less_often(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(world.target("open"), workers=2)
    for _ in range(4):
        pid = wait_for(lambda: workers(gate)[1]["state"] == "serving" and process(gate, 1), "the worker", 8)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: workers(gate)[1]["state"] != "serving", "its death", 2)
    code, text = gate.http("/healthz")
    told = json.loads(text)
    assert (code, told["status"]) == (200, "degraded")
    assert "worker 1 is dead" in told["checks"]["workers"]
    assert gate.status().workers[0].deaths >= 3
    assert gate.hoopgate("ada", "status").code == 1
    with on(gate, 0) as wire:
        assert works(wire)
    wait_for(lambda: health(gate) == "ok", "the replacement", 10)


READS = """
[[rule]]
name = "readers"
what = { effect = ["read", "session"] }
then = "allow"
"""
INSERT = "INSERT INTO wide VALUES (1)"


def test_a_reload_reaches_all_or_none(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(READS + world.target("open", allow=False), workers=WORKERS)
    wires = on_each(gate)
    assert all(error(wire.query(INSERT))["C"] == "42501" for wire in wires)
    more = READS.replace('"read"', '"read", "write"') + world.target("open", allow=False)
    began = time.monotonic()
    status = gate.reload(more)
    assert time.monotonic() - began < 2
    assert status.reload is not None
    assert status.reload.ok
    assert {each.config_version for each in status.workers} == {status.config_version}
    assert all(types(wire.query(INSERT)) == "CZ" for wire in wires)
    refused = gate.reload("[nonsense]\n" + more)
    assert refused.reload is not None
    assert not refused.reload.ok
    assert {each["config_version"] for each in workers(gate)} == {status.config_version}
    assert all(types(wire.query(INSERT)) == "CZ" for wire in wires)
    # one that comes later has the policy in force, not the one of the beginning
    os.kill(process(gate, 1), signal.SIGKILL)
    wait_for(lambda: health(gate) != "ok" or "died" in gate.log(), "the death", 2)
    wait_for(lambda: health(gate) == "ok", "the replacement", 5)
    with on(gate, 1) as wire:
        assert types(wire.query(INSERT)) == "CZ"
    for each in wires:
        each.close()


def test_a_worker_that_cannot_follow_is_ended(make_gate: Any, world: World) -> None:
    """Stopped, it can take no new policy: rather than judge by the old one when it wakes up, it goes."""
    gate: Gate = make_gate(world.target("open"), workers=2)
    with on(gate, 1) as wire:
        pid = process(gate, 1)
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        assert gate.reload(READS + world.target("open", allow=False)).reload.ok  # type: ignore[union-attr]
        assert time.monotonic() - began < 4
        wait_for(lambda: gone(pid), "its end", 2)
        wire.closed(2)
        wait_for(lambda: health(gate) == "ok", "the replacement", 5)
    with on(gate, 1) as wire:
        assert error(wire.query(INSERT))["C"] == "42501"


def test_a_drain_reaches_all(make_gate: Any, world: World) -> None:
    world.behind("TRUNCATE wide")
    gate: Gate = make_gate(world.target("open"), workers=2)
    idle = [on(gate, number) for number in (0, 1)]
    busy = [on(gate, number) for number in (0, 1)]
    for wire in busy:
        wire.query("BEGIN")
        wire.query("INSERT INTO wide VALUES (1, 'kept')")
    pids = [each["pid"] for each in workers(gate)]
    gate.signal(signal.SIGTERM)
    for wire in idle:
        assert error(wire.closed(4))["C"] == "57P01"
    for wire in busy:
        assert types(wire.query("COMMIT")) == "CZ"
        assert error(wire.closed(4))["C"] == "57P01"
    gate.ended(5)
    assert all(gone(pid) for pid in pids)
    assert world.behind("SELECT count(*) FROM wide WHERE b = 'kept'") == "2"
    assert all(gate.verify(path).ok for path in gate.recordings())


def test_workers_end_with_their_supervisor(make_gate: Any, world: World) -> None:
    gate: Gate = make_gate(world.target("open"), workers=2)
    with on(gate, 0) as first, on(gate, 1) as second:
        assert works(first)
        assert works(second)
        sessions = [id_of(gate, wire) for wire in (first, second)]
        pid = process(gate, 1)
        gate.kill()
        second.closed(3)
        wait_for(lambda: gone(pid), "the worker's end", 5)
    kept = gate.verify(gate.recorded(sessions[1]))
    assert kept.ok  # by the worker itself, which had the time
    gate.start()
    wait_for(lambda: gate.verify(gate.recorded(sessions[0])).ok, "the seal of what the supervisor itself served")
    end = gate.verify(gate.recorded(sessions[0])).end
    assert end is not None
    assert end["reason"] == "the gateway restarted"
    assert all(end_of(gate, each) for each in sessions)


def test_a_port_of_another_gateway_is_in_use(make_gate: Any, world: World) -> None:
    """Sharing ports among workers does not mean to share them with strangers."""
    first: Gate = make_gate(world.target("open"), workers=2)
    second: Gate = make_gate(world.target("open"), start=False, workers=2)
    second.ports = first.ports
    second.write()
    done = subprocess.run(
        [*TWISTD, "-c", str(second.config)], capture_output=True, text=True, timeout=30, cwd=second.directory,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "in use" in done.stdout + done.stderr
    assert works(first.wire("open"))


def test_any_worker_resumes_the_tls_sessions_of_all(gate: Gate) -> None:
    context = ssl.create_default_context(cafile=str(gate.directory / "gateway.crt"))
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2  # its tickets come with the handshake
    session, reused = None, []
    for _ in range(4 * WORKERS):
        connection = socket.create_connection(("127.0.0.1", gate.ports["tls"]), 5)
        connection.sendall(m.ssl_request())
        assert connection.recv(1) == b"S"
        with context.wrap_socket(connection, session=session) as secured:
            reused.append(bool(secured.session_reused))
            session = secured.session
    assert reused == [False] + [True] * (4 * WORKERS - 1), "some worker did not know the ticket"


MASKED = """
[[mask]]
name = "mails"
columns = ["told.people.email"]
kind = "replace"
unless = { groups = ["agents"] }
"""


def done(wire: Wire, sql: str) -> bool:
    return "E" not in types(wire.query(sql))


def shown(wire: Wire) -> list[bytes | None] | str:
    """What a view's column shows that lineage alone can tell of, since it is computed with; or the error."""
    got = wire.query("SELECT upper(c) FROM told.shown")
    return error(got)["M"] if "E" in types(got) else [cell for row in rows(got) for cell in row]


def test_what_one_worker_defines_the_others_know(make_gate: Any, world: World) -> None:
    """Somebody whom no mask covers gives a view another meaning: nobody else would look for that so soon."""
    gate: Gate = make_gate(MASKED + world.target("open"), workers=2)
    with on(gate, 0, person="scout") as one, on(gate, 1) as other:
        try:
            assert done(one, "CREATE SCHEMA told; CREATE TABLE told.people (name text, email text)")
            assert done(one, "INSERT INTO told.people VALUES ('ada', 'secret@example.org')")
            for _ in range(3):
                assert done(one, "CREATE OR REPLACE VIEW told.shown AS SELECT name AS c FROM told.people")
                time.sleep(0.1)  # a message between processes is on its way
                assert shown(other) == [b"ADA"]
                assert done(one, "CREATE OR REPLACE VIEW told.shown AS SELECT email AS c FROM told.people")
                time.sleep(0.1)
                assert shown(other) == [b"****"]
        finally:
            one.query("DROP SCHEMA told CASCADE")
