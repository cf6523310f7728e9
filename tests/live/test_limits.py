"""Everything is bounded: unauthenticated work, statements, values, memory, time."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import ClosedError, Wire, error, extended, rows, types

MIB = 1024 * 1024
LONG = pytest.mark.long


@contextlib.contextmanager
def half_open(gate: Gate, count: int, listener: str = "plain", first: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that say ``first`` and then nothing, from ten addresses of loopback."""
    sockets: list[socket.socket] = []
    try:
        for number in range(count):
            connection = socket.socket()
            connection.bind((f"127.0.0.{2 + number % 20}", 0))
            connection.connect(("127.0.0.1", gate.ports[listener]))
            connection.sendall(first)
            sockets.append(connection)
        yield sockets
    finally:
        for each in sockets:
            each.close()


def login_seconds(gate: Gate, listener: str = "plain") -> float:
    began = time.monotonic()
    with gate.connect("open", listener=listener) as connection:
        connection.execute("SELECT 1")
    return time.monotonic() - began


FIRST = {
    "silent": b"",
    "half a packet": b"\0\0\0\x40\0\3",
    "asked for a password": m.startup_message({"user": "app", "database": "open"}, (3, 0)),
}


@pytest.mark.parametrize("first", ["silent", "asked for a password", pytest.param("half a packet", marks=LONG)])
def test_a_thousand_half_open_connections_delay_nobody(make_gate: Any, world: World, first: str) -> None:
    gate = make_gate(world.target("open"))
    login_seconds(gate)  # what is cached from now on
    with half_open(gate, 1000, first=FIRST[first]), gate.wire("open"):
        for listener in ("plain", "tls"):
            assert login_seconds(gate, listener) < 2
        assert gate.memory() < 400 * MIB
    wait_for(lambda: login_seconds(gate) < 1, "quiet again")


def test_a_thousand_in_the_tls_handshake_delay_nobody(make_gate: Any, world: World) -> None:
    gate = make_gate(world.target("open"))
    login_seconds(gate, "tls")
    with half_open(gate, 1000, "tls", m.ssl_request()) as sockets:
        assert {each.recv(1) for each in sockets[-50:]} == {b"S"}
        for listener in ("plain", "tls"):
            assert login_seconds(gate, listener) < 2


def test_one_address_cannot_take_all_places(make_gate: Any, world: World) -> None:
    gate = make_gate("[limits]\nhalf_open_per_address = 5\n" + world.target("open"))
    held = [socket.create_connection(("127.0.0.1", gate.ports["plain"]), source_address=("127.0.0.9", 0))
            for _ in range(12)]  # fmt: skip
    try:
        time.sleep(0.2)
        told = [each for each in held if select.select([each], [], [], 0)[0]]
        assert len(told) == 7
        assert error([told[0].recv(4096)])["C"] == "53300"
        assert login_seconds(gate) < 2
    finally:
        for each in held:
            each.close()


def test_the_handshake_has_a_time_limit(make_gate: Any, world: World) -> None:
    gate = make_gate('[limits]\nhandshake = "1s"\n' + world.target("open"))
    with contextlib.ExitStack() as stack:
        began = time.monotonic()
        opened = [stack.enter_context(half_open(gate, 1, first=first))[0] for first in FIRST.values()]
        [silent] = stack.enter_context(half_open(gate, 1, "tls", m.ssl_request()))
        for connection in (*opened, silent):
            connection.settimeout(5)
            data = b""
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(4096):
                    data += piece
            assert 0.5 < time.monotonic() - began < 4
            assert connection is silent or b"took too long" in data


def test_session_and_idle_limits(make_gate: Any, world: World) -> None:
    gate = make_gate('[limits]\nsession = "4s"\nidle = "1500ms"\n'.replace("1500ms", "2s") + world.target("open"))
    with gate.wire("open") as idle, gate.wire("open") as busy:
        began = time.monotonic()
        ended = threading.Thread(target=lambda: idle_until_ended(idle, "limits.idle"))
        ended.start()
        with contextlib.suppress(ClosedError, ConnectionError):
            while time.monotonic() - began < 8:
                busy.query("SELECT pg_sleep(0.2)")
        assert 3.5 < time.monotonic() - began < 6
        ended.join()


def idle_until_ended(wire: Wire, rule: str) -> None:
    fields = error(wire.closed(8))
    assert fields["C"] == "57P01"
    assert rule in fields["D"]


def test_a_running_statement_is_not_idle(make_gate: Any, world: World) -> None:
    gate = make_gate('[limits]\nidle = "1s"\n' + world.target("open"))
    with gate.wire("open") as wire:
        assert types(wire.query("SELECT pg_sleep(3)")) == "TDCZ"


def test_too_many_sessions(make_gate: Any, world: World) -> None:
    gate = make_gate("[limits]\nsessions = 2\n" + world.target("open"))
    with gate.wire("open"), gate.wire("open"):
        with pytest.raises(ClosedError) as caught:
            gate.wire("open")
        assert error(caught.value.so_far)["C"] == "53300"
    wait_for(lambda: opened(gate), "a place")


def opened(gate: Gate) -> bool:
    try:
        gate.wire("open").close()
    except ClosedError:
        return False
    return True


# --- sizes


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_statement_over_the_limit_is_refused_and_the_session_lives(
    make_gate: Any, world: World, protocol: str
) -> None:
    gate = make_gate("[limits]\nstatement = 200_000\n" + world.target("open"))
    with gate.wire("open") as wire:
        for size in (150_000, 199_000):
            sql = "SELECT length('" + "x" * size + "')"
            got = wire.query(sql) if protocol == "simple" else wire.ask(extended(sql))
            assert rows(got) == [[str(size).encode()]]
        for size in (201_000, 3_000_000):
            sql = "SELECT length('" + "x" * size + "')"
            got = wire.query(sql) if protocol == "simple" else wire.ask(extended(sql))
            assert types(got) == "EZ"
            fields = error(got)
            assert (fields["C"], fields["S"]) == ("54000", "ERROR")
            assert "limits.statement" in fields["D"]
            assert rows(wire.query("SELECT 'alive'")) == [[b"alive"]]


def test_long_statements_are_parsed_elsewhere(make_gate: Any, world: World) -> None:
    """Above limits.statement_inline: judged by a worker process, and others do not wait."""
    gate = make_gate(world.target("open"))
    values = ", ".join(f"({number}, 'x{number}')" for number in range(60_000))
    with gate.wire("open") as wire, gate.wire("open") as other:
        wire.query("CREATE TEMP TABLE t (a int, b text)")
        wire.send(m.query(f"INSERT INTO t VALUES {values}".encode()))
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            other.query("SELECT 1")
            slowest = max(slowest, time.monotonic() - began)
        got = wire.until("Z")
        assert got[0] == m.command_complete("INSERT 0 60000"), got
        assert slowest < 1.0
        got = wire.query("SELECT " + "(" * 40_000 + "1" + ")" * 40_000)  # deep nesting harms nobody
        assert types(got) == "EZ"
        assert types(other.query("SELECT 1")) == "TDCZ"


def test_a_value_of_64_mib_each_way(make_gate: Any, world: World) -> None:
    """As a parameter and as a column, text and binary; the gateway's memory stays bounded."""
    gate = make_gate(world.target("open"))
    size = 64 * MIB
    with gate.connect("open", autocommit=True) as connection:
        connection.execute("SELECT 1")
        before = gate.peak_memory()
        blob = b"\xa5" * size
        got = connection.execute("SELECT length(%b::bytea), %b::bytea", (blob, b"")).fetchone()
        assert got == (size, b"")
        row = connection.cursor(binary=True).execute("SELECT convert_to(repeat('x', %s), 'UTF8')", (size,)).fetchone()
        assert row is not None
        assert len(row[0]) == size
        assert gate.peak_memory() - before < 150 * MIB
    gate.stop()


@pytest.mark.parametrize("target", ["open", pytest.param("watched", marks=LONG)])
def test_copy_of_300_mb_each_way(make_gate: Any, world: World, target: str) -> None:
    """In and out; with a mask in force too, then the rows of a masked column at that."""
    megabytes = 300 if target == "open" else 60
    masks = '[[mask]]\nname = "b"\ncolumns = ["*.bulk.secret"]\n' if target == "watched" else ""
    gate = make_gate(masks + world.target(target))
    world.behind(f"DROP TABLE IF EXISTS bulk; CREATE UNLOGGED TABLE bulk (id int, line text, secret text); "
                 f"ALTER TABLE bulk OWNER TO {world.user}")  # fmt: skip
    chunk = b"".join(b"%d\t%s\tclear\n" % (number, b"x" * 1000) for number in range(1000))
    count = megabytes * MIB // len(chunk)
    with gate.connect(target) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        before = gate.peak_memory()
        with cursor.copy("COPY bulk FROM STDIN") as copy:
            for _ in range(count):
                copy.write(chunk)
        assert cursor.rowcount == count * 1000
        received = 0
        with cursor.copy("COPY bulk TO STDOUT") as copy:
            for data in copy:
                received += len(data)
        if target == "open":
            assert received == len(chunk) * count
        else:
            assert b"\t****\n" in bytes(data)
        assert gate.peak_memory() - before < 150 * MIB
    world.behind("DROP TABLE bulk")
    for path in gate.recordings():
        wait_for(lambda path=path: gate.verify(path).ok, "the recording's end")
        path.unlink()


def test_a_slow_reader_does_not_grow_memory(make_gate: Any, world: World) -> None:
    gate = make_gate(world.target("open"))
    with gate.wire("open") as slow, gate.wire("open") as other:
        other.query("SELECT 1")
        before = gate.memory()
        slow.send(m.query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)"))
        time.sleep(2)  # it reads nothing meanwhile
        assert gate.memory() - before < 50 * MIB
        began = time.monotonic()
        assert types(other.query("SELECT 1")) == "TDCZ"
        assert time.monotonic() - began < 1
        # and what it then reads is whole
        received = 0
        while True:
            raw = slow.message()
            received += raw[:1] == b"D"
            if raw[:1] == b"Z":
                break
        assert received == 100_000
    gate.stop()


def test_a_slow_target_does_not_grow_memory(make_gate: Any, world: World) -> None:
    """A client that pours COPY data into a target that does not read: it is the client that waits."""
    gate = make_gate(world.target("open"))
    world.behind("TRUNCATE wide")
    with gate.wire("open") as wire:
        wire.query("SELECT 1")
        pid = int(rows(wire.query("SELECT pg_backend_pid()"))[0][0] or 0)
        wire.ask(m.query(b"COPY wide FROM STDIN"), "G")
        before = gate.memory()
        lock = psycopg.connect(world.server.dsn(world.database))
        lock.execute("SELECT 1")
        import os
        import signal

        os.kill(pid, signal.SIGSTOP)
        try:
            data = m.copy_data(b"1\t" + b"x" * 60_000 + b"\n")
            wire.socket.setblocking(False)
            sent, end, left = 0, time.monotonic() + 2, memoryview(data)
            while time.monotonic() < end:
                try:
                    taken = wire.socket.send(left)
                    sent, left = sent + taken, left[taken:] or memoryview(data)
                except BlockingIOError:
                    time.sleep(0.02)
            assert sent < 60 * MIB
            assert gate.memory() - before < 50 * MIB
        finally:
            os.kill(pid, signal.SIGCONT)
        lock.close()


def test_a_held_statement_does_not_let_the_client_pile_up_data(make_gate: Any, world: World) -> None:
    hold = ('[[rule]]\nname = "wait"\nwhat = { effect = ["delete"] }\nthen = "hold"\n'
            'approvers = { groups = ["approvers"] }\n')  # fmt: skip
    gate = make_gate('[limits]\ndrain = "1s"\n' + hold + world.target("open"))
    with gate.wire("open") as wire:
        wire.query("SELECT 1")
        wire.send(m.query(b"DELETE FROM wide"))
        wire.until("N")
        before = gate.memory()
        wire.socket.setblocking(False)
        flood = m.query(b"SELECT '" + b"x" * 8000 + b"'") * 10
        sent, end = 0, time.monotonic() + 1.5
        while time.monotonic() < end:
            try:
                sent += wire.socket.send(flood)
            except BlockingIOError:
                time.sleep(0.02)
        assert sent < 30 * MIB
        assert gate.memory() - before < 40 * MIB


def test_a_flood_of_pipelined_statements(make_gate: Any, world: World) -> None:
    """Without reading an answer: the client waits, not the gateway's memory; then all answers come, in order."""
    gate = make_gate(world.target("open"))
    with gate.wire("open") as wire:
        wire.query("SELECT 1")
        before = gate.memory()
        count = 3_000
        batch = b"".join(extended("SELECT $1::int", str(number).encode(), describe=False) for number in range(count))
        wire.send(batch)
        got = wire.until("Z" * count)
        assert [int(each[0] or 0) for each in rows(got)] == list(range(count))
        assert gate.memory() - before < 80 * MIB


def test_prepared_statements_are_bounded(make_gate: Any, world: World) -> None:
    gate = make_gate("[limits]\nprepared_statements = 50\n" + world.target("open"))
    with gate.wire("open") as wire:
        parses = b"".join(m.parse_message(b"p%d" % number, f"SELECT {number}") + m.sync() for number in range(60))
        got = wire.ask(parses, "Z" * 60)
        assert types(got).count("1") == 50
        assert error(got)["C"] == "54000"
        wire.query("DEALLOCATE ALL")
        assert types(wire.ask(m.parse_message(b"again", "SELECT 1") + m.sync())) == "1Z"


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, b"Q\xff\xff\xff\xff", b"Q\0\0\0\3", b"\0" * 9, b"B\x40\0\0\0", m.query(b"SELECT 1")[:-1] + b"x",
     b"D\0\0\0\6XY\0", b"p\0\0\0\6x\0"],
)  # fmt: skip
def test_garbage_after_the_login_ends_that_session_alone(gate: Gate, garbage: bytes) -> None:
    with gate.wire("open") as wire, gate.wire("open") as other:
        with contextlib.suppress(ConnectionError):
            wire.send(garbage + m.sync())
            wire.socket.shutdown(socket.SHUT_WR)
            wire.closed(5)
        assert types(other.query("SELECT 1")) == "TDCZ"
