"""Processes killed, stopped and hurried at random moments under load: what has passed is in the recordings."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.live.gate import Gate, World, wait_for
from tests.live.rules import SHARED
from tests.live.test_workers import gone, health, process, workers
from tests.live.wire import ClosedError

CLIENTS = 5
SECONDS = 7.0
GONE = (OSError, EOFError, ClosedError)  # what a client meets whose worker dies


class Load:
    """Clients that note what was answered, and reconnect whenever they are thrown out."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.seen: set[bytes] = set()
        self.cut = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(each,)) for each in range(CLIENTS)]

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(60)
            assert not each.is_alive()

    def _client(self, number: int) -> None:
        serial = 0
        while not self._stop.is_set():
            try:
                with self.gate.wire("open") as wire:
                    for _ in range(40):
                        if self._stop.is_set():
                            return
                        serial += 1
                        marker = b"mark-%d-%d-" % (number, serial)
                        size = (10, 3000, 40_000)[serial % 3]
                        got = wire.query(f"SELECT '{marker.decode()}' || repeat('x', {size})")
                        if any(marker in raw for raw in got if raw[:1] == b"D"):
                            self.seen.add(marker)
            except GONE:
                self.cut += 1
                time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def nursery_of(gate: Gate) -> int:
    [found] = [
        each for each in children(gate.pid) if Path(f"/proc/{each}/comm").read_text().strip() == "hoopgate-forks"
    ]
    return found


def kill_worker(gate: Gate, chance: random.Random) -> None:
    pid = process(gate, chance.choice((1, 2)))
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def hold_worker(gate: Gate, chance: random.Random) -> None:
    pid = process(gate, chance.choice((1, 2)))
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(chance.random() / 2)
            os.kill(pid, signal.SIGCONT)


def hurry_worker(gate: Gate, chance: random.Random) -> None:
    """SIGTERM to one that nobody asked to stop."""
    pid = process(gate, chance.choice((1, 2)))
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def storm(gate: Gate, chance: random.Random) -> None:
    broken = chance.random() < 0.5
    if broken:
        gate.config.write_text("[nonsense]\n")
    for _ in range(20):
        gate.signal(signal.SIGHUP)
    time.sleep(0.1)
    gate.write()


def check_everything_was_recorded(gate: Gate, load: Load) -> None:
    wait_for(lambda: all(gate.verify(path).ok for path in gate.recordings()), "the end of every recording", 30)
    recorded: Counter[bytes] = Counter()
    for path in gate.recordings():
        recorded.update(re.findall(rb"mark-\d+-\d+-", path.read_bytes()))
    assert load.seen
    missing = [each for each in load.seen if recorded[each] < 3]  # in the event, the statement and the answer
    assert not missing


@pytest.mark.parametrize("seed", [1, 2])
def test_random_violence_under_load(make_gate: Any, world: World, seed: int) -> None:
    gate: Gate = make_gate(SHARED(world), workers=3)
    chance = random.Random(seed)  # to be repeated
    with Load(gate) as load:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(chance.random() / 2)
            chance.choice((kill_worker, kill_worker, hold_worker, hurry_worker, storm))(gate, chance)
        wait_for(lambda: health(gate) == "ok", "all workers", 40)
        assert gate.alive()
        processes = [each["pid"] for each in workers(gate)][1:]
        nursery = nursery_of(gate)
        assert sorted(children(nursery)) == sorted(processes), "zombies, or workers that nobody knows"
        os.kill(nursery, signal.SIGKILL)
        gate.signal(signal.SIGKILL)  # and all that is left lives on without either
    gate.ended()
    wait_for(lambda: all(gone(each) for each in processes), "the end of the workers", 8)
    gate.start()
    check_everything_was_recorded(gate, load)
