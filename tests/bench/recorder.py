"""What recording costs. Run: python -m tests.bench.recorder [DIRECTORY]

Prints CPU microseconds (and wall-clock ones) of an append of 100 bytes, of a simple transaction (a statement's event
with the query, a result's event with the answer), of 60 KB, and milliseconds of a GiB in pieces of 256 KiB; of opening
and closing a recording; and the bytes of Python objects that an idle one keeps. Each is the best of some runs, in both
ways of appending, with hashes and signatures.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.task import Clock

from hoopgate.codecs.postgresql import messages
from hoopgate.config.model import Limits
from hoopgate.frames import Phase
from hoopgate.recorders.events import result_event, statement_event, statement_prefix
from hoopgate.recorders.spool import Append, FileRecorder, FileRecording
from tests.recorders.fakes import FakeSession

MODES: tuple[Append, ...] = ("mapped", "written")
_ids: Iterator[int] = itertools.count()


def measured(call: Callable[[], object], count: int, runs: int = 5) -> tuple[float, float]:
    """(CPU, wall) nanoseconds per call, the best of some runs."""
    found = []
    for _ in range(runs):
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(count):
            call()
        found.append(((time.process_time_ns() - cpu) / count, (time.perf_counter_ns() - wall) / count))
    return min(found)


def recorder_in(directory: Path, append: Append) -> FileRecorder:
    return FileRecorder(directory, Ed25519PrivateKey.generate(), Clock(), Limits(), append=append)


def opened(recorder: FileRecorder) -> FileRecording:
    return recorder.open(FakeSession(id=f"{next(_ids):026d}"))


def done(recording: FileRecording) -> None:
    recording.close("done")
    recording.path.unlink()


def appends(recorder: FileRecorder, size: int, count: int, runs: int = 5) -> tuple[float, float]:
    recording, data = opened(recorder), os.urandom(size)
    found = measured(lambda: recording.data(1, data), count, runs)
    done(recording)
    return found


def transactions(recorder: FileRecorder, *, repeated: bool) -> tuple[float, float]:
    """``pgbench -S``: the simple protocol, whose texts differ; or the same text again and again, as of what is
    prepared."""
    recording = opened(recorder)
    prefix = statement_prefix("allow", "readers", ["read"])
    texts = itertools.cycle(
        [f"SELECT abalance FROM pgbench_accounts WHERE aid = {n * 7919 % 100_000};" for n in range(20_000)]
    )
    number = itertools.count(1)
    query, answer = messages.query(next(texts)), os.urandom(100)
    text = next(texts)

    def transaction() -> None:
        at = next(number)
        said = text if repeated else next(texts)
        recording.later(statement_event(prefix, said, at, Phase.SIMPLE))
        recording.data(0, query)
        recording.later(result_event(at, "SELECT 1"))
        recording.data(1, answer)

    found = measured(transaction, 20_000)
    done(recording)
    return found


def sessions(recorder: FileRecorder) -> tuple[float, float]:
    def session() -> None:
        done(opened(recorder))

    return measured(session, 500)


def idle(recorder: FileRecorder, count: int = 1000) -> float:
    """Bytes of Python objects of a recording that was used and then left alone."""
    keys = [FakeSession(id=f"{next(_ids):026d}") for _ in range(count)]
    clock = recorder.clock
    assert isinstance(clock, Clock)
    done(opened(recorder))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    recordings = [recorder.open(key) for key in keys]
    for recording in recordings:
        for _ in range(20):
            recording.data(1, b"x" * 100)
    for _ in range(10_000):
        clock.advance(1.0)
        if not clock.getDelayedCalls():
            break
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    for recording in recordings:
        done(recording)
    return (after - before) / count


def main(parent: str | None) -> None:
    directory = Path(tempfile.mkdtemp(dir=parent))
    try:
        for mode in MODES:
            recorder = recorder_in(directory, mode)
            if mode == "mapped" and not recorder.mapped:
                print(f"{directory}: recordings cannot be mapped here")
                continue
            figures = {
                "append of 100 bytes, us": (appends(recorder, 100, 50_000), 1e3),
                "simple transaction, us": (transactions(recorder, repeated=False), 1e3),
                "the same text again, us": (transactions(recorder, repeated=True), 1e3),
                "append of 4 KB, us": (appends(recorder, 4096, 5_000), 1e3),
                "append of 60 KB, us": (appends(recorder, 60_000, 1_000), 1e3),
                "a GiB, ms": (appends(recorder, 256 * 1024, 256), 1e6 / 4096),
                "open and close, us": (sessions(recorder), 1e3),
            }
            for name, ((cpu, wall), unit) in figures.items():
                print(f"{mode:<8} {name:<26} CPU {cpu / unit:8.2f}   wall {wall / unit:8.2f}")
            print(f"{mode:<8} {'idle, bytes of Python':<26}     {idle(recorder):8.0f}")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
