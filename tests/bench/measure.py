"""One run of one workload through one peer: work done, time, CPU of what stands between, latencies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from tests.bench.peers import Peer

TICKS = os.sysconf("SC_CLK_TCK")
TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
DONE = re.compile(r"number of transactions actually processed: (\d+)")
FAILED = re.compile(r"number of failed transactions: ([1-9]\d*)")


class FailedRunError(Exception):
    """A client failed: there is nothing to compare."""


@frozen
class Result:
    """``per_second`` units a second, ``cpu`` microseconds of the proxy for each unit, ``p99`` milliseconds (or -1)."""

    per_second: float
    cpu: float
    p99: float = -1.0


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the processes: proc(5), fields 14 and 15 of /proc/PID/stat."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def client(name: str) -> str:
    """Debian's pgbench or psql where there is one: newer ones may lack TLS, and none is needed here."""
    found = shutil.which(name)
    if found is not None:
        return found
    from hoopgate.development.postgres import embedded_programs

    return str(embedded_programs().program(name))


def point_select(peer: Peer, *, clients: int, seconds: float, mode: str) -> Result:
    """pgbench's select-only transaction, by primary key."""
    with tempfile.TemporaryDirectory() as directory:
        command = [client("pgbench"), "-n", "-S", "-M", mode, "-c", str(clients), "-j", "1"]
        command += ["-T", str(max(1, round(seconds))), "-l", "--sampling-rate=1"]
        before = cpu_seconds(peer.pids())
        out = _run(command, peer, Path(directory))
        used = cpu_seconds(peer.pids()) - before
        done, tps = DONE.search(out), TPS.search(out)
        if done is None or tps is None or FAILED.search(out) or not int(done.group(1)):
            raise FailedRunError(f"{peer.name}: {out[-500:]}")
        count = int(done.group(1))
        return Result(float(tps.group(1)), used / count * 1e6, percentile(Path(directory)))


def percentile(directory: Path, share: float = 0.99) -> float:
    """Milliseconds within which that share of pgbench's logged transactions ended (its log's third column: µs)."""
    times = sorted(
        int(line.split()[2]) for path in directory.glob("pgbench_log.*") for line in path.read_text().splitlines()
    )
    return times[min(int(len(times) * share), len(times) - 1)] / 1000 if times else -1.0


def scan(peer: Peer, *, rows: int) -> Result:
    """A whole table as rows; psql fetches in pieces and throws them away. A unit is a row."""
    return _rows(peer, rows, f"SELECT * FROM pgbench_accounts LIMIT {rows}", ["-v", "FETCH_COUNT=5000"])


def copy_out(peer: Peer, *, rows: int) -> Result:
    """COPY TO STDOUT in text. A unit is a row."""
    return _rows(peer, rows, "COPY pgbench_accounts TO STDOUT", [])


def copy_in(peer: Peer, *, rows: int) -> Result:
    """COPY FROM STDIN of the rows into a table that is emptied before. A unit is a row."""
    line = f"1\t1\t1\t1\t2026-01-01\t{'x' * 22}\n"
    _psql(peer, "DELETE FROM pgbench_history", [])
    return _timed(peer, rows, lambda: _psql(peer, "COPY pgbench_history FROM STDIN", [], line * rows))


def _rows(peer: Peer, rows: int, sql: str, options: list[str]) -> Result:
    return _timed(peer, rows, lambda: _psql(peer, sql, options))


def _timed(peer: Peer, units: int, work: Callable[[], None]) -> Result:
    before, began = cpu_seconds(peer.pids()), time.perf_counter()
    work()
    took = time.perf_counter() - began
    return Result(units / took, (cpu_seconds(peer.pids()) - before) / units * 1e6)


def _psql(peer: Peer, sql: str, options: list[str], stdin: str = "") -> None:
    command = [client("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *options, "-c", sql, "-o", os.devnull]
    done = subprocess.run(
        command, input=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=peer.environment(),
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise FailedRunError(f"{peer.name}: {done.stderr[-500:]}")


def _run(command: list[str], peer: Peer, directory: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=peer.environment(), cwd=directory, check=False)
    if done.returncode:
        raise FailedRunError(f"{peer.name}: {done.stderr[-500:]}")
    return done.stdout
