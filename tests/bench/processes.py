"""What the kernel says of processes: CPU, memory, descriptors and threads. proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all below it that live: workers, the process that forks them, the one that parses."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [child for text in (task / "children").read_text().split() for child in family(int(text))]
    except OSError:
        return found  # it ended meanwhile
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Time on a processor of all threads of the processes, in nanoseconds' steps where the kernel says so."""
    return sum(_thread_seconds(Path(f"/proc/{pid}")) for pid in pids)


def _thread_seconds(process: Path) -> float:
    """/proc/PID/task/TID/schedstat, its first field; else /proc/PID/stat, fields 14 and 15. 0 for what ended."""
    try:
        return sum(int((task / "schedstat").read_text().split()[0]) for task in (process / "task").iterdir()) / 1e9
    except FileNotFoundError:
        pass
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


@frozen
class Memory:
    """Bytes: resident, the share of it that is this process's own by proportion, and the most ever resident."""

    rss: int
    pss: int
    peak: int


def memory(pid: int) -> Memory:
    """Raises OSError when there is no such process."""
    status, rollup = _kilobytes(f"/proc/{pid}/status"), _kilobytes(f"/proc/{pid}/smaps_rollup")
    return Memory(status["VmRSS"], rollup["Pss"], status["VmHWM"])


def forget_peak(pid: int) -> None:
    """Begin the peak of resident memory anew: proc(5), /proc/PID/clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def _kilobytes(path: str) -> dict[str, int]:
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}
