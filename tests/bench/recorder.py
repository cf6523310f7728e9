"""What one append to a recording costs. Run: python -m tests.bench.recorder [DIRECTORY]

Prints nanoseconds per append for small, middle and large records, wall clock and CPU, signatures included, and the
same bytes written with a bare ``os.write`` for comparison.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.task import Clock

from hoopgate.config.model import Limits
from hoopgate.recorders.spool import FileRecorder
from tests.recorders.fakes import FakeSession

SIZES = ((100, 100_000), (8 * 1024, 20_000), (64 * 1024, 4_000))


def measured(call: Callable[[], object], count: int) -> tuple[float, float]:
    """(wall, CPU) nanoseconds per call, the best of three runs."""
    runs = []
    for _ in range(3):
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(count):
            call()
        runs.append(((time.perf_counter_ns() - wall) / count, (time.process_time_ns() - cpu) / count))
    return min(runs)


def main(parent: str | None) -> None:
    directory = Path(tempfile.mkdtemp(dir=parent))
    try:
        print(f"{'bytes':>8} {'ns/append':>10} {'CPU ns':>8} {'bare write':>10} {'CPU ns':>8}")
        for number, (size, count) in enumerate(SIZES):
            data = os.urandom(size)
            recorder = FileRecorder(directory, Ed25519PrivateKey.generate(), Clock(), Limits())
            recording = recorder.open(FakeSession(id=f"{number:026d}"))
            wall, cpu = measured(lambda: recording.data(1, data), count)  # noqa: B023 - called in this turn
            recording.close("done")
            recording.path.unlink()
            with (directory / "bare").open("ab", buffering=0) as bare:
                bare_wall, bare_cpu = measured(lambda: os.write(bare.fileno(), data), count)  # noqa: B023
            (directory / "bare").unlink()
            print(f"{size:>8} {wall:>10.0f} {cpu:>8.0f} {bare_wall:>10.0f} {bare_cpu:>8.0f}")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
