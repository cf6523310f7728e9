"""Workloads of many rows: scans and COPY, by a client that only throws away what comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from tests.bench.data import PERSON
from tests.bench.peers import USER, Peer
from tests.bench.processes import cpu_seconds, forget_peak, memory
from tests.bench.result import FailedRunError, Result
from tests.bench.wire import RefusedError, Wire, connected, encrypted, message, tls_context

CHUNK = 64 * 1024  # about what libpq sends at once
MEGABYTE = 1 << 20


def session(peer: Peer, *, tls: bool = False) -> Wire:
    """Logged in through the peer. Raises FailedRunError."""
    try:
        connection = connected(peer.tls_port if tls else peer.port)
        secured = encrypted(connection, tls_context(), direct=peer.tls_direct) if tls else connection
        return Wire(secured, USER, peer.database, peer.password)
    except (OSError, RefusedError) as error:
        raise FailedRunError(f"{peer.name}: {error}") from error


def scan(peer: Peer, *, rows: int, binary: bool, tls: bool = False) -> Result:
    """A whole table as rows; a unit is a row."""
    return _timed(peer, rows, tls, lambda wire: wire.fetch("SELECT * FROM people", binary=binary))


def copy_out(peer: Peer, *, rows: int, binary: bool, tls: bool = False) -> Result:
    """The same table by COPY; a unit is a row."""
    sql = f"COPY people TO STDOUT (FORMAT {'binary' if binary else 'text'})"
    return _timed(peer, rows, tls, lambda wire: wire.query(sql))


def copy_in(peer: Peer, *, size: int, tls: bool = False) -> Result:
    """``size`` bytes by COPY FROM STDIN, as text; a unit is a MB.

    The server reads every row and keeps none, so that its disk is no part of it.
    """
    lines = PERSON % 1234567 * (CHUNK // len(PERSON))
    chunk = message(b"d", lines)
    count = size // len(lines)

    def work(wire: Wire) -> None:
        wire.copy_in("COPY sink FROM STDIN WHERE false", _repeated(chunk, count))

    return _timed(peer, count * len(lines) / MEGABYTE, tls, work, watch_memory=True)


def _repeated(chunk: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield chunk


def several_scans(peer: Peer, *, rows: int, clients: int) -> Result:
    """As many scans at once; a unit is a row."""
    wires = [session(peer) for _ in range(clients)]
    failed: list[Exception] = []

    def work(wire: Wire) -> None:
        try:
            wire.fetch("SELECT * FROM people", binary=False)
        except (OSError, RefusedError) as error:
            failed.append(error)

    pids = peer.pids()
    before, began = cpu_seconds(pids), time.perf_counter()
    running = [threading.Thread(target=work, args=(wire,)) for wire in wires]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    took, used = time.perf_counter() - began, cpu_seconds(pids) - before
    for wire in wires:
        wire.close()
    if failed:
        raise FailedRunError(f"{peer.name}: {failed[0]}")
    return Result(rows * clients / took, used / rows / clients * 1e6)


def _timed(
    peer: Peer, units: float, tls: bool, work: Callable[[Wire], object], *, watch_memory: bool = False
) -> Result:
    with session(peer, tls=tls) as wire:
        pids = peer.pids()
        for pid in pids if watch_memory else ():
            forget_peak(pid)
        before, began = cpu_seconds(pids), time.perf_counter()
        try:
            work(wire)
        except (OSError, RefusedError) as error:
            raise FailedRunError(f"{peer.name}: {error}") from error
        took, used = time.perf_counter() - began, cpu_seconds(pids) - before
        peak = max((memory(pid).peak for pid in pids), default=0) / MEGABYTE if watch_memory and pids else None
        return Result(units / took, used / units * 1e6, peak=peak)
