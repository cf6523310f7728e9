"""Workloads that pgbench makes: point selects, TPC-B, statements that nobody has seen before, new connections."""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

from tests.bench.peers import Peer
from tests.bench.processes import cpu_seconds
from tests.bench.programs import client
from tests.bench.result import FailedRunError, Result

TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
DONE = re.compile(r"number of transactions actually processed: (\d+)")
FAILED = re.compile(r"number of failed transactions: ([1-9]\d*)")
PATIENCE = 30.0  # seconds for the logins
# Every text is another, also without its literals: nothing that a gateway remembers fits.
UNSEEN = r"""
\set a random(1, 100000)
\set n random(1, 1000000000)
SELECT abalance AS b:n FROM pgbench_accounts WHERE aid = :a;
"""


@frozen
class Shape:
    """How pgbench is run: its ``options`` choose the script, ``mode`` is the protocol."""

    options: tuple[str, ...]
    mode: str
    clients: int
    seconds: float
    tls: bool = False
    script: str = ""


@frozen
class Entry:
    """One transaction: when it ended (epoch seconds) and how long it took (ms)."""

    ended: float
    took: float


def steady(peer: Peer, shape: Shape) -> Result:
    """Watch ``shape.seconds`` of a run in which everybody has logged in; the unit is a transaction.

    Raises FailedRunError.
    """
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        process = _started(peer, shape, place)
        try:
            _wait_until(process, peer, lambda: _newest(place) > 0)
            pids = peer.pids()
            began, before = time.time(), cpu_seconds(pids)
            time.sleep(shape.seconds)
            ended, after = time.time(), cpu_seconds(pids)
            _wait_until(process, peer, lambda: _newest(place) > ended)  # what pgbench had not written yet
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                stream.close()  # type: ignore[union-attr]
        entries = [entry for entry in _entries(place) if began <= entry.ended < ended]
        return _result(entries, ended - began, after - before)


def _started(peer: Peer, shape: Shape, place: Path) -> subprocess.Popen[str]:
    command = [client("pgbench"), "-n", "-M", shape.mode, "-c", str(shape.clients), "-j", "1", "-l", *shape.options]
    command += ["-T", str(math.ceil(shape.seconds + 3 * PATIENCE))]
    if shape.script:
        (place / "script.sql").write_text(shape.script)
        command += ["-f", "script.sql"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=peer.environment(tls=shape.tls), cwd=place, **pipes)


def _wait_until(process: subprocess.Popen[str], peer: Peer, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None:
            out, err = process.communicate()
            raise FailedRunError(f"{peer.name}: {err[-500:]} {out[-300:]}")
        if time.monotonic() > end:
            raise FailedRunError(f"{peer.name}: no transaction within {PATIENCE:.0f} s")
        time.sleep(0.02)


def _newest(place: Path) -> float:
    """When the last transaction ended that pgbench has written of: some hundred are written at a time. 0 if none."""
    return max((_last(path) for path in place.glob("pgbench_log.*")), default=0.0)


def _last(path: Path) -> float:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 200, 0))
        whole = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2].split()
    return int(whole[4]) + int(whole[5]) / 1e6 if len(whole) >= 6 else 0.0


def _entries(place: Path) -> Iterable[Entry]:
    """pgbench's log: client, transaction, µs, script, epoch seconds and µs of its end."""
    for path in place.glob("pgbench_log.*"):
        for line in path.read_text().splitlines():
            fields = line.split()
            if len(fields) >= 6:  # the last line may be cut off
                yield Entry(int(fields[4]) + int(fields[5]) / 1e6, int(fields[2]) / 1000)


def _result(entries: list[Entry], seconds: float, used: float) -> Result:
    if not entries:
        raise FailedRunError("no transaction ended while we looked")
    times = sorted(entry.took for entry in entries)
    return Result(
        len(entries) / seconds, used / len(entries) * 1e6, percentile(times, 0.5), percentile(times, 0.99)
    )  # fmt: skip


def percentile(times: list[float], share: float) -> float:
    """``times`` in order, not empty."""
    return times[min(int(len(times) * share), len(times) - 1)]


def reconnecting(peer: Peer, *, clients: int, seconds: float, tls: bool = False) -> Result:
    """``pgbench -C``: a connection for each transaction, by libpq, which never resumes a TLS session."""
    command = [client("pgbench"), "-n", "-S", "-C", "-c", str(clients), "-j", "1", "-T", str(max(1, round(seconds)))]
    before = cpu_seconds(peer.pids())
    done = subprocess.run(command, capture_output=True, text=True, env=peer.environment(tls=tls), check=False)
    used = cpu_seconds(peer.pids()) - before
    count, rate = DONE.search(done.stdout), TPS.search(done.stdout)
    if done.returncode or count is None or rate is None or FAILED.search(done.stdout) or not int(count.group(1)):
        raise FailedRunError(f"{peer.name}: {done.stderr[-500:]}")
    return Result(float(rate.group(1)), used / int(count.group(1)) * 1e6)
