"""Does it stay as it is? ``python -m tests.bench.soak --minutes N``: mixed load, and what the gateway holds meanwhile.

Statements under rules and masks, scans, COPY both ways, connections that come and go, clients that vanish, statements
that are held or cancelled. The gateway's memory, descriptors, threads and store are watched throughout; at the end they
must be within bounds.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from attrs import define, field, frozen

from hoopgate.development.accounts import fresh_directory
from tests.bench import bulk
from tests.bench.gateways import Gateway, Kind
from tests.bench.logins import Login
from tests.bench.peers import USER, Peer
from tests.bench.pgbench import Shape, steady
from tests.bench.processes import cpu_seconds, descriptors, memory, threads
from tests.bench.result import FailedRunError
from tests.bench.stage import Stage, staged
from tests.bench.wire import RefusedError

EVERY = 1.0  # seconds between two looks
SETTLING = 5.0  # seconds after the last client
WARMING = 0.4  # share of the time in which caches fill, and memory may grow
LONGEST = 30.0  # seconds: no session of the load lasts longer
HELD = 0.3  # seconds until who is held gives up
MEGABYTE = 1 << 20
# The bounds.
GROWTH_LEAST, GROWTH_SHARE = 4.0, 0.05  # MB, and the share of what it was, that memory may grow by after the warming
DESCRIPTORS = 12  # more than before the load: the store's and the threads' own
THREADS = 24
STORE_BASE, STORE_EACH = 512 * 1024, 2048  # bytes, and for each session that was
IDLE = 0.05  # of a processor, once all have left


@frozen
class Sample:
    """What all processes of the gateway hold together. ``store`` in bytes, memory in MB."""

    at: float
    resident: float
    descriptors: int
    threads: int
    store: int


@define
class Tally:
    """What the load did; ``failed`` is what it could not do and should have."""

    done: dict[str, int] = field(factory=dict)
    failed: list[str] = field(factory=list)
    stopped: threading.Event = field(factory=threading.Event)
    _lock: threading.Lock = field(factory=threading.Lock)

    def count(self, name: str, error: str = "") -> None:
        with self._lock:
            self.done[name] = self.done.get(name, 0) + 1
            if error:
                self.failed.append(f"{name}: {error}")


Activity = Callable[[], None]


def look(gateway: Gateway) -> Sample:
    pids = gateway.pids()
    state = gateway.directory / "state"
    store = sum(path.stat().st_size for path in state.glob("*.sqlite3*"))
    held = [memory(pid).rss for pid in pids]
    return Sample(
        time.monotonic(), sum(held) / MEGABYTE, sum(map(descriptors, pids)), sum(map(threads, pids)), store
    )  # fmt: skip


def per_hour(samples: Sequence[Sample]) -> float:
    """MB by which memory grows in an hour: the slope of the line through the samples."""
    if len(samples) < 2:
        return 0.0
    line = statistics.linear_regression([one.at for one in samples], [one.resident for one in samples])
    return float(line.slope) * 3600


def complaints(before: Sample, during: Sequence[Sample], after: Sample, sessions: int, idle: float) -> Iterator[str]:
    """What is out of bounds. ``during`` is in order; ``idle`` is CPU seconds a second once all have left."""
    steady = during[int(len(during) * WARMING) :]
    quarter = max(len(steady) // 4, 1)
    first, last = (statistics.median(one.resident for one in part) for part in (steady[:quarter], steady[-quarter:]))
    if last - first > max(GROWTH_LEAST, first * GROWTH_SHARE):
        yield f"memory grew from {first:.1f} to {last:.1f} MB after the warming"
    if after.descriptors > before.descriptors + DESCRIPTORS:
        yield f"{after.descriptors} descriptors are open, {before.descriptors} were before"
    if after.threads > THREADS:
        yield f"{after.threads} threads"
    if after.store > before.store + STORE_BASE + sessions * STORE_EACH:
        yield f"the store has {after.store:,} bytes after {sessions} sessions, {before.store:,} before"
    if idle > IDLE:
        yield f"{idle:.1%} of a processor is used when nobody is there"


# --- the load


def _activities(ruled: Peer, masked: Peer, rows: int) -> dict[str, Activity]:
    lot = random.Random(7)
    return {
        "statements, prepared": lambda: _quiet(steady(ruled, Shape(("-S",), "prepared", 4, 2.0))),
        "statements, masked": lambda: _quiet(steady(masked, Shape(("-S",), "simple", 2, 2.0))),
        "writes": lambda: _quiet(steady(ruled, Shape(("-b", "tpcb-like"), "extended", 2, 2.0))),
        "scan, masked": lambda: _quiet(bulk.scan(masked, rows=rows, binary=lot.random() < 0.5)),
        "COPY OUT, masked": lambda: _quiet(bulk.copy_out(masked, rows=rows, binary=False)),
        "COPY IN": lambda: _quiet(bulk.copy_in(ruled, size=8 * MEGABYTE, tls=True)),
        "comes and goes": Login(ruled, "plain"),
        "comes and goes, TLS": Login(masked, "resumed"),
        "vanishes in a scan": lambda: _vanish(masked),
        "cancels": lambda: _cancelled(ruled, "SELECT pg_sleep(20)"),
        "is held and gives up": lambda: _cancelled(ruled, "DELETE FROM people"),
        "is held and leaves": lambda: _leaves(ruled, "DELETE FROM people"),
    }


def _quiet(_: object) -> None:
    """A result that nobody looks at."""


def _vanish(peer: Peer) -> None:
    """Ask for everything, and close with most of it unread: the gateway is sent a RST."""
    wire = bulk.session(peer)
    wire.begin("SELECT * FROM people")
    wire.socket.recv(1000)
    wire.socket.close()


def _connect(peer: Peer) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1", port=peer.port, user=USER, dbname=peer.database, password=peer.password, sslmode="disable",
        autocommit=True,
    )  # fmt: skip


def _cancelled(peer: Peer, statement: str) -> None:
    with _connect(peer) as connection:
        timer = threading.Timer(HELD, connection.cancel)
        timer.start()
        try:
            connection.execute(statement)
        except psycopg.Error:
            return
        finally:
            timer.join()
        raise FailedRunError(f"{statement} was not cancelled")


def _leaves(peer: Peer, statement: str) -> None:
    connection = _connect(peer)
    connection.pgconn.send_query(statement.encode())
    connection.pgconn.flush()
    time.sleep(HELD)
    connection.close()


@contextmanager
def _running(activities: dict[str, Activity]) -> Iterator[Tally]:
    """All of them at once, each over and over."""
    tally = Tally()
    running = [threading.Thread(target=_over_and_over, args=(*item, tally)) for item in activities.items()]
    for thread in running:
        thread.start()
    try:
        yield tally
    finally:
        tally.stopped.set()
        for thread in running:
            thread.join()


def _over_and_over(name: str, activity: Activity, tally: Tally) -> None:
    while not tally.stopped.is_set():
        try:
            activity()
            tally.count(name)
        except (FailedRunError, RefusedError, OSError, psycopg.Error) as error:
            tally.count(name, str(error))
        tally.stopped.wait(0.05)


# --- the run


def soak(stage: Stage, seconds: float, say: Callable[[str], None]) -> list[str]:
    """Load for so long; returns what is out of bounds and what failed."""
    kind = Kind(stage.tree, "policy")
    gateway = stage.gateway(kind)
    ruled, masked = stage.peer("hoopgate, rules"), stage.peer("hoopgate, masking")
    assert ruled is not None
    assert masked is not None
    activities = _activities(ruled, masked, stage.rows)
    with suppress(FailedRunError):
        bulk.scan(masked, rows=stage.rows, binary=False)  # what is made once is made
    time.sleep(SETTLING)
    before, during = look(gateway), []
    end = time.monotonic() + seconds
    with _running(activities) as tally:
        while time.monotonic() < end:
            time.sleep(EVERY)
            during.append(look(gateway))
            ruled.tidy(LONGEST)
            say(_line(during[-1], tally))
    time.sleep(SETTLING)
    used, began = cpu_seconds(gateway.pids()), time.monotonic()
    time.sleep(SETTLING)
    idle = (cpu_seconds(gateway.pids()) - used) / (time.monotonic() - began)
    after = look(gateway)
    grown = per_hour(during[int(len(during) * WARMING) :])
    say(f"after: {_line(after, tally)}; {grown:+.1f} MB an hour; idle {idle:.1%}")
    say(", ".join(f"{name}: {count}" for name, count in sorted(tally.done.items())))
    return [*complaints(before, during, after, _sessions(tally), idle), *tally.failed[:20]]


def _sessions(tally: Tally) -> int:
    """How many there were, at most."""
    return 8 * sum(tally.done.values())


def _line(one: Sample, tally: Tally) -> str:
    return (
        f"{one.resident:.1f} MB, {one.descriptors} descriptors, {one.threads} threads, store {one.store:,} bytes, "
        f"{sum(tally.done.values())} done, {len(tally.failed)} failed"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--no-compile", action="store_true", help="the interpreted core")
    options = parser.parse_args(arguments)
    directory = fresh_directory(None, "hoopgate-soak-")
    directory.chmod(0o755)
    try:
        with staged(directory, rows=options.rows, trees={}, compiled=not options.no_compile) as stage:
            wrong = soak(stage, options.minutes * 60, lambda text: print(text, file=sys.stderr, flush=True))
            if wrong:
                _show_log(stage)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def _show_log(stage: Stage) -> None:
    for peer in stage.peers.values():
        if isinstance(peer.log, Path) and peer.log.exists():
            print(peer.log.read_text()[-3000:], file=sys.stderr)
            return


if __name__ == "__main__":
    sys.exit(main())
