"""The process: readiness, health, drain, what the log says, and a recorder that fails."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import ClosedError, Wire, error, rows, types


def works(wire: Wire) -> bool:
    return types(wire.query("SELECT 1")) == "TDCZ"


# --- start and stop


def test_it_tells_systemd_of_its_life(make_gate: Any, world: World, home: Path) -> None:
    """READY=1 only once it listens; RELOADING and READY around a reload; STOPPING at the end."""
    address = str(home / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        channel.settimeout(20)
        gate: Gate = make_gate(world.target("open"), start=False, environment={"NOTIFY_SOCKET": address})
        gate.start(wait=False)
        assert channel.recv(4096).startswith(b"READY=1")
        assert works(gate.wire("open"))
        gate.reload()
        told = channel.recv(4096).decode()
        assert re.match(r"RELOADING=1\nMONOTONIC_USEC=\d+", told)
        assert channel.recv(4096).startswith(b"READY=1")
        gate.signal(signal.SIGTERM)
        assert channel.recv(4096).startswith(b"STOPPING=1")
        gate.ended()
    Path(address).unlink()


def test_a_gateway_that_cannot_start_says_why_and_fails(make_gate: Any, world: World) -> None:
    first = make_gate(world.target("open"))
    second: Gate = make_gate(world.target("open"), start=False)
    second.ports = first.ports
    second.write()
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile=",
               "hoopgate", "-c", str(second.config)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=second.directory, env=os.environ)
    assert done.returncode != 0
    assert "in use" in done.stdout + done.stderr
    second.config.write_text("[nonsense]\n")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=second.directory, env=os.environ)
    assert done.returncode != 0
    assert "nonsense" in done.stdout + done.stderr
    assert works(first.wire("open"))


def test_two_gateways_do_not_share_one_state_directory(make_gate: Any, world: World) -> None:
    first = make_gate(world.target("open"))
    second: Gate = make_gate(world.target("open"), start=False)
    second.choose_ports()
    second.write()
    text = second.config.read_text().replace(f"{second.directory}/state", f"{first.directory}/state")
    second.config.write_text(text)
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile=",
               "hoopgate", "-c", str(second.config)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=second.directory, env=os.environ)
    assert done.returncode != 0
    assert works(first.wire("open"))


def test_sigterm_drains(make_gate: Any, world: World) -> None:
    """Idle sessions end at once with 57P01; a transaction in progress may finish; nobody new comes in."""
    world.behind("TRUNCATE wide")
    gate = make_gate(world.target("open"))
    with gate.wire("open") as idle, gate.wire("open") as transaction, gate.wire("open") as busy:
        transaction.query("BEGIN")
        transaction.query("INSERT INTO wide VALUES (1, 'kept')")
        busy.send(m.query(b"INSERT INTO wide SELECT 2, 'kept' FROM pg_sleep(1.5)"))
        time.sleep(0.2)
        gate.signal(signal.SIGTERM)
        fields = error(idle.closed(4))
        assert (fields["S"], fields["C"]) == ("FATAL", "57P01")
        assert wait_for(lambda: not accepts(gate), "closed doors", 3)
        assert works_in(transaction)
        assert types(transaction.query("COMMIT")) == "CZ"
        assert error(transaction.closed(4))["C"] == "57P01"
        got = busy.until("Z")
        assert got[0] == m.command_complete("INSERT 0 1")
        assert error(busy.closed(4))["C"] == "57P01"
        gate.ended(5)
    assert world.behind("SELECT count(*) FROM wide WHERE b = 'kept'") == "2"
    assert all(gate.verify(path).ok for path in gate.recordings())


def works_in(wire: Wire) -> bool:
    return rows(wire.query("SELECT 'still'")) == [[b"still"]]


def accepts(gate: Gate) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", gate.ports["plain"]), 1):
            return True
    except OSError:
        return False


def test_the_drain_has_an_end(make_gate: Any, world: World) -> None:
    world.behind("TRUNCATE wide")
    gate = make_gate('[limits]\ndrain = "1s"\n' + world.target("open"))
    with gate.wire("open") as wire, gate.wire("open") as running:
        wire.query("BEGIN")
        wire.query("INSERT INTO wide VALUES (1, 'lost')")
        running.send(m.query(b"SELECT pg_sleep(60)"))
        gate.signal(signal.SIGTERM)
        assert error(wire.closed(5))["C"] == "57P01"
        running.closed(5)
        gate.ended(5)
    assert world.behind("SELECT count(*) FROM wide") == "0"
    assert all(gate.verify(path).ok for path in gate.recordings())
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
    wait_for(lambda: world.behind(sleeping) == "0", "the end of what ran", 5)


def test_a_hold_may_be_decided_in_the_drain_and_ends_with_it(make_gate: Any, world: World) -> None:
    hold = ('[[rule]]\nname = "wait"\nwhat = { effect = ["delete"] }\nthen = "hold"\n'
            'approvers = { groups = ["approvers"] }\n')  # fmt: skip
    gate = make_gate('[limits]\ndrain = "2s"\n' + hold + world.target("open"))
    with gate.wire("open") as wire, gate.wire("open") as other:
        for each in (wire, other):
            each.send(m.query(b"DELETE FROM wide"))
            each.until("N")
        requests = gate.pending()
        gate.signal(signal.SIGTERM)
        gate.approve(requests[0]["id"])
        with contextlib.suppress(ClosedError):
            got = [wire.closed(5), other.closed(5)]
        assert sorted(map(types, got)) == ["CZE", "E"]
        assert [error(each)["C"] for each in got] == ["57P01", "57P01"]
        gate.ended(5)
    gate.start()
    status, answer = gate.api("grace", "GET", "/v1/approvals")
    assert status == 200
    assert [each["state"] for each in answer["approvals"]] in (["approved", "withdrawn"], ["withdrawn", "approved"])


# --- health, metrics, log


def test_health_and_metrics(gate: Gate) -> None:
    with gate.connect("open") as connection:
        connection.execute("SELECT 1")
        code, text = gate.http("/healthz")
        assert (code, text.strip() or "ok") != (503, "")
        assert code == 200, text
        code, text = gate.http("/metrics")
        assert code == 200
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        live = [float(value) for name, value in values.items() if "sessions" in name and 'target="open"' in name]
        assert live
        assert max(live) >= 1
    code, _ = gate.http("/nothing")
    assert code == 404


def test_metrics_carry_no_sql_and_no_names(gate: Gate) -> None:
    with gate.connect("open") as connection:
        connection.execute("SELECT 'needle in the haystack'")
    _, text = gate.http("/metrics")
    assert "needle" not in text
    assert "ada" not in text


def test_health_tells_when_the_store_is_gone(make_gate: Any, world: World) -> None:
    """A store that does not answer: no new logins, /healthz says so; nothing is open that should be shut."""
    gate = make_gate(world.target("open"))
    assert gate.http("/healthz")[0] == 200
    [store] = gate.directory.glob("state/*.sqlite3")
    import sqlite3

    blocker = sqlite3.connect(store, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    try:
        time.sleep(0.5)
        began = time.monotonic()
        with pytest.raises((ClosedError, TimeoutError)):
            gate.wire("open")
        assert time.monotonic() - began < 25
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    assert wait_for(lambda: opened(gate), "recovery", 20)


def opened(gate: Gate) -> bool:
    try:
        gate.wire("open").close()
    except ClosedError:
        return False
    return True


def test_the_log_is_structured_and_holds_no_secrets(gate: Gate, world: World) -> None:
    with gate.connect("open", listener="tls") as connection:
        connection.execute("SELECT 'a literal in a statement'")
        connection.execute("SELECT %s", ("a parameter",))
    with pytest.raises(ClosedError):
        gate.wire("open", token="sekret-token-that-fails")
    text = gate.log()
    secrets = [gate.token(person) for person in ("ada", "grace", "scout")] + [world.password, "sekret-token-that-fails"]
    for secret in secrets:
        assert secret not in text
        assert secret.split(".")[-1] not in text
    assert "a literal in a statement" not in text
    assert "a parameter" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert len(lines) > 5
    assert {"level", "message"} <= set(lines[-1])
    opened = [line for line in lines if "opened" in line["message"]]
    assert all(line.get("session") for line in opened)


def test_files_are_private(gate: Gate) -> None:
    for path in [*(gate.directory / "state").rglob("*"), *(gate.directory / "recordings").rglob("*")]:
        mode = path.stat().st_mode & 0o777
        if path.name.startswith("public-key"):
            continue
        assert mode & 0o077 == 0, f"{path} {mode:o}"


# --- the recorder


def test_kill_leaves_recordings_that_verify_as_cut_off(make_gate: Any, world: World) -> None:
    gate = make_gate(world.target("open"))
    with gate.wire("open") as wire, gate.wire("open") as ended:
        assert works(ended)
        ended.send(m.terminate())
        ended.closed()
        for number in range(50):
            wire.query(f"SELECT {number}, repeat('x', 1000)")
        wait_for(lambda: sorted(gate.verify(path).ok for path in gate.recordings()) == [False, True], "one end")
        wait_for(lambda: all(gate.verify(path).proven for path in gate.recordings()), "a checkpoint", 4)
        gate.kill()
        reports = sorted((gate.verify(path) for path in gate.recordings()), key=lambda report: report.ok)
        assert [(each.ok, each.truncated) for each in reports] == [(False, True), (True, False)]
        assert reports[0].proven > 0
        text = gate.recordings()
        assert any(b"SELECT 49, repeat" in path.read_bytes() for path in text)
    [cut] = [path for path in gate.recordings() if not gate.verify(path).ok]
    gate.start()
    with gate.wire("open") as wire:
        assert works(wire)
    status, answer = gate.api("operator", "GET", "/v1/sessions")
    assert status == 200
    assert not [each for each in answer["sessions"] if each.get("ended") is None and each.get("state") == "live"]
    wait_for(lambda: gate.verify(cut).ok, "the seal")
    end = gate.verify(cut).end
    assert end is not None
    assert end["reason"] == "the gateway restarted"
    assert end["sealed"]["proven"] == reports[0].proven


def test_a_recording_that_cannot_be_opened_refuses_the_session(make_gate: Any, world: World) -> None:
    gate = make_gate(world.target("open"))
    directory = gate.directory / "recordings"
    moved = gate.directory / "elsewhere"
    directory.rename(moved)
    try:
        with pytest.raises(ClosedError) as caught:
            gate.wire("open")
        assert error(caught.value.so_far)["C"] == "58030"
    finally:
        moved.rename(directory)
    with gate.wire("open") as wire:
        assert works(wire)


def test_a_recorder_that_cannot_write_ends_the_session(make_gate: Any, world: World) -> None:
    """The disk takes no more (RLIMIT_FSIZE): nothing passes that is not recorded; others begin and end likewise."""
    size = 2 * 1024 * 1024
    gate: Gate = make_gate(world.target("open"), command=["prlimit", f"--fsize={size}"])
    world.behind("TRUNCATE wide")
    with gate.wire("open") as wire:
        assert works(wire)
        wire.send(m.query(b"SELECT repeat('x', 10000) FROM generate_series(1, 1000)"))
        got = wire.closed()
    [path] = gate.recordings()
    report = gate.verify(path)
    assert not report.ok
    assert report.truncated, report
    assert 0 < b"".join(got).count(b"x") <= path.read_bytes().count(b"x")  # what the client saw is there
    with gate.wire("open") as wire:  # the next one has a file of its own
        assert works(wire)
        with contextlib.suppress(ClosedError, ConnectionError):
            for _ in range(400):
                wire.query("INSERT INTO wide VALUES (1, '" + "y" * 10_000 + "')")
            raise AssertionError("it goes on without a recording")
    # a statement that was not recorded was not run
    inserted = int(world.behind("SELECT count(*) FROM wide"))
    recorded = sum(each.read_bytes().count(b"y") for each in gate.recordings()) // 10_000
    assert 0 < inserted <= recorded


def test_recordings_show_what_the_client_saw(gate: Gate) -> None:
    """Post-mask bytes, in both directions, in order; password literals never."""
    with gate.connect("watched", application_name="seen") as connection:
        session = gate.world.behind(
            f"SELECT split_part(application_name, ' ', 1) FROM pg_stat_activity WHERE pid = {backend(connection)}"
        )[3:]
        connection.execute("SELECT label, secret_key FROM vault WHERE id = 3")
        connection.execute("SELECT %s::text", ("the parameter",))
    with gate.connect("open") as connection:
        role = "CREATE ROLE nobody_at_all PASSWORD 'swordfish-1'"
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(role)
    path = gate.recorded(session)
    wait_for(lambda: gate.verify(path).ok, "the recording's end")
    data = path.read_bytes()
    assert b"label 3" in data
    assert b"****" in data
    assert b"the parameter" in data
    assert b"sk_clear_3" not in data
    for each in gate.recordings():
        assert b"swordfish-1" not in each.read_bytes(), each
        for person in ("ada", "grace"):
            assert gate.token(person).encode() not in each.read_bytes()


def backend(connection: Any) -> int:
    return int(connection.execute("SELECT pg_backend_pid()").fetchone()[0])


def test_live_and_ended_sessions_are_listed(gate: Gate) -> None:
    with gate.connect("open") as connection:
        pid = backend(connection)
        session = gate.world.behind(
            f"SELECT split_part(application_name, ' ', 1) FROM pg_stat_activity WHERE pid = {pid}"
        )[3:]
        listed = gate.hoopgate("ada", "sessions", "list", "--json").out
        assert session in listed
    done = gate.hoopgate("ada", "sessions", "verify", session)
    assert done.code in (0, 3), done
    wait_for(lambda: gate.hoopgate("ada", "sessions", "verify", session).code == 0, "the end")


def test_nothing_waits_for_one_slow_client(gate: Gate) -> None:
    """A hundred sessions at once, all served."""
    results: list[Any] = []

    def work() -> None:
        with gate.wire("open") as wire:
            for _ in range(5):
                results.append(types(wire.query("SELECT pg_sleep(0.01)")))

    threads = [threading.Thread(target=work) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["TDCZ"] * 300
