"""Workloads of many rows: scans and COPY, by a client that only throws away what comes."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator

from tests.bench.data import PERSON
from tests.bench.peers import USER, Peer
from tests.bench.processes import cpu_seconds, forget_peak, memory
from tests.bench.replay import SCAN
from tests.bench.result import FailedRunError, Result
from tests.bench.wire import READY, RefusedError, Wire, connected, encrypted, message, tls_context

CHUNK = 64 * 1024  # about what libpq sends at once
WARMING = 1.0  # seconds until every client has had its first rows
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


def several_scans(peer: Peer, *, rows: int, clients: int, seconds: float) -> Result:
    """Scans of ``rows`` rows by several clients, over and over; a unit is a row.

    So many clients, and a time rather than a number of rows for all: the kernel deals connections out to workers by
    lot, and each worker has to be busy to the end. Bytes are counted: in that time few scans end, and all at once.
    """
    with session(peer) as first:
        size = first.query(SCAN)
    wires = [session(peer) for _ in range(clients)]
    readers = Readers(wires)
    readers.read(WARMING)
    pids = peer.pids()
    before, began = cpu_seconds(pids), time.perf_counter()
    try:
        scans = readers.read(seconds) / size
    except (OSError, RefusedError) as error:
        raise FailedRunError(f"{peer.name}: {error}") from error
    took, used = time.perf_counter() - began, cpu_seconds(pids) - before
    for wire in wires:
        wire.socket.close()
    if not scans:
        raise FailedRunError(f"{peer.name}: nothing came")
    return Result(rows * scans / took, used / rows / scans * 1e6)


class Readers:
    """Clients that scan over and over, in one thread: with many, one that has to wait makes all others wait."""

    def __init__(self, wires: list[Wire]) -> None:
        self._epoll = select.epoll()
        self._wires = {wire.socket.fileno(): wire for wire in wires}
        self._tails = dict.fromkeys(self._wires, b"")
        self._view = memoryview(bytearray(MEGABYTE))
        for number, wire in self._wires.items():
            self._epoll.register(number, select.EPOLLIN)
            wire.begin(SCAN)

    def read(self, seconds: float) -> int:
        """How many bytes came in that time."""
        end, size = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            for number, _ in self._epoll.poll(0.1):
                count = self._wires[number].socket.recv_into(self._view)
                if not count:
                    raise RefusedError("closed during a scan")
                size += count
                tail = self._tails[number] = (self._tails[number] + bytes(self._view[max(count - 6, 0) : count]))[-6:]
                if tail in READY:
                    self._wires[number].begin(SCAN)
        return size


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
