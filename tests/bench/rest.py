"""What the gateway needs when nothing happens: to start, at rest, and for sessions that sit."""

from __future__ import annotations

import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from attrs import evolve

from hoopgate.development.processes import Kept, StartError, free_port
from tests.bench import gateways
from tests.bench.bars import Fact
from tests.bench.gateways import SOURCE, Gateway, Kind
from tests.bench.peers import USER, Peer, up
from tests.bench.processes import Memory, cpu_seconds, descriptors, memory
from tests.bench.result import FailedRunError
from tests.bench.stage import Stage
from tests.bench.wire import RefusedError, Wire, connected, encrypted, tls_context

MEGABYTE = 1 << 20
SESSIONS, TLS_SESSIONS = 10_000, 2_000
SOME = 200  # sessions: what the first ones cost is left out of the growth
SPARE = 500  # descriptors for everything else
SETTLING = 2.0  # seconds
WORKERS = 3
WATCHED = 10.0  # seconds for the idle CPU
Say = Callable[[str], None]


def facts(stage: Stage, say: Say, *, starts: int = 3, sessions: int = SESSIONS) -> tuple[list[Fact], list[str]]:
    """All of them, and what failed."""
    parts = {
        "starting": lambda: _starting(stage, starts),
        "workers": lambda: _workers(stage),
        "idle sessions": lambda: _sitting(stage, sessions, tls=False),
        "idle sessions, TLS": lambda: _sitting(stage, min(sessions, TLS_SESSIONS), tls=True),
    }
    found: list[Fact] = []
    failed: list[str] = []
    for name, part in parts.items():
        try:
            for fact in part():
                say(f"{fact.name}: {fact.values[0]:.2f} {fact.unit}")
                found.append(fact)
        except (FailedRunError, StartError) as error:
            failed.append(f"{name}: {error}")
    return found, failed


def _starting(stage: Stage, starts: int) -> Iterator[Fact]:
    """From the start of Python to the first connection that is accepted; then what the process holds."""
    times, resident, proportional = [], [], []
    for _ in range(starts):
        began = time.perf_counter()
        running = _gateway(stage, Kind(stage.tree))
        times.append(time.perf_counter() - began)
        time.sleep(SETTLING)
        held = memory(running.kept.pid)
        resident.append(held.rss / MEGABYTE)
        proportional.append(held.pss / MEGABYTE)
        running.kept.stop()
    yield Fact("cold start to ready", "s", tuple(times), 1.5)
    yield Fact("first process at rest, resident", "MB", tuple(resident), 90)
    yield Fact("first process at rest, its share", "MB", tuple(proportional))


def _workers(stage: Stage) -> Iterator[Fact]:
    """What a worker beyond the first takes from the machine: what all processes hold, with and without it.

    Its resident memory is mostly pages of the process that it was forked from, which are there once for all.
    """
    fewer, more = (_held(stage, workers) for workers in (WORKERS - 1, WORKERS))
    added = sum(held.pss for held in more) - sum(held.pss for held in fewer)
    yield Fact("further worker at rest, what it adds", "MB", (added / MEGABYTE,), 60)
    # The first is worker 0, and the smallest of the others the process that forks them.
    others = sorted(more[1:], key=lambda held: held.rss)[1:]
    yield Fact("further worker at rest, resident", "MB", tuple(held.rss / MEGABYTE for held in others))
    yield Fact("further worker at rest, its share", "MB", tuple(held.pss / MEGABYTE for held in others))


def _held(stage: Stage, workers: int) -> list[Memory]:
    """What each process of such a gateway holds, worker 0 first."""
    running = _gateway(stage, Kind(stage.tree, workers=workers))
    try:
        time.sleep(SETTLING)
        return [memory(pid) for pid in running.pids()]
    finally:
        running.kept.stop()


def _sitting(stage: Stage, wanted: int, tls: bool) -> Iterator[Fact]:
    """Sessions that have asked one thing and sit; the target is a stub, so that no server limits their number."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.stub", str(port)]
    log = stage.site.directory / f"stub-{port}.log"
    stub = up(Kept(command, log=log, directory=SOURCE), port, "the stub")
    running = _gateway(stage, Kind(stage.tree), upstream=port)
    peer = running.peer("hoopgate", "bench", "", stage.site.token)
    try:
        with _Sitters(peer, tls) as sitters:
            yield from _measured(running, sitters, wanted, ", TLS" * tls)
    finally:
        running.kept.stop()
        stub.stop()


def _measured(running: Gateway, sitters: _Sitters, wanted: int, how: str) -> Iterator[Fact]:
    before_any = descriptors(running.kept.pid)
    sitters.sit(SOME)
    time.sleep(SETTLING)
    each = (descriptors(running.kept.pid) - before_any) / SOME
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = int(min(wanted, (most - SPARE) / max(each, 1) - SOME)) - SOME
    before = [memory(pid) for pid in running.pids()]
    sitters.sit(count)
    time.sleep(SETTLING)
    after = [memory(pid) for pid in running.pids()]
    grown = [sum(getattr(one, part) for one in after) - sum(getattr(one, part) for one in before) for part in _PARTS]
    name = f"{count + SOME:,} idle sessions{how}"
    yield Fact(f"{name}, resident memory of each", "KB", (grown[0] / count / 1024,))
    yield Fact(f"{name}, memory of each by share", "KB", (grown[1] / count / 1024,), None if how else 8.0)
    used = cpu_seconds(running.pids())
    time.sleep(WATCHED)
    yield Fact(f"{name}, CPU of all", "ms a second", ((cpu_seconds(running.pids()) - used) / WATCHED * 1e3,), 10.0)


_PARTS = ("rss", "pss")


def _gateway(stage: Stage, kind: Kind, upstream: int = 0) -> Gateway:
    """One of its own, which nobody else uses. Returns as soon as it accepts."""
    name = f"at-rest-{time.monotonic_ns()}"
    return gateways.start(evolve(stage.site, upstream=upstream or stage.site.upstream), kind, name)


class _Sitters:
    """A process of its own, which has descriptors of its own."""

    def __init__(self, peer: Peer, tls: bool) -> None:
        forked = multiprocessing.get_context("fork")
        self._channel, theirs = forked.Pipe()
        self._process = forked.Process(target=_sit, args=(peer, tls, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> _Sitters:
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.kill()
        self._process.join()

    def sit(self, count: int) -> None:
        """Open so many more. Raises FailedRunError."""
        self._channel.send(count)
        try:
            failed = self._channel.recv()
        except EOFError:
            failed = "the client ended"
        if failed:
            raise FailedRunError(failed)


def _sit(peer: Peer, tls: bool, channel: Any) -> None:
    context, kept = tls_context(), []
    while True:
        try:
            for _ in range(channel.recv()):
                # 28,000 ports of ours to one of theirs are enough for 10,000, whatever waits for its end: ip(7).
                connection: socket.socket = connected(peer.tls_port if tls else peer.port)
                if tls:
                    connection = encrypted(connection, context)
                wire = Wire(connection, USER, peer.database, peer.password)
                wire.query("SELECT 1")
                kept.append(wire.leave_open())
            channel.send("")
        except (OSError, RefusedError) as error:
            channel.send(f"after {len(kept)} sessions: {error}")
