"""The rounds: all peers, all workloads, interleaved, so that a noisy machine is noisy for all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from tests.bench.bars import Results
from tests.bench.result import FailedRunError
from tests.bench.stage import Stage
from tests.bench.workloads import Workload

Say = Callable[[str], None]


def measure(
    stage: Stage,
    work: list[Workload],
    rounds: int,
    say: Say,
    until: float | None = None,
    wanted: Mapping[str, set[str]] | None = None,
) -> tuple[Results, list[str]]:
    """``rounds`` rounds; in each, every workload meets every peer, in an order drawn by lot. Also what failed.

    With ``until`` (``time.monotonic()``) no round but the first begins that would end later, and only in the first all
    meet: in the others those whom ``wanted`` names for the workload.
    """
    results: Results = {}
    failed: list[str] = []
    lot = random.Random(1)
    took = 0.0
    for number in range(rounds):
        began = time.monotonic()
        if until is not None and number and began + took > until:
            say(f"no time for round {number + 1}")
            break
        for workload in work:
            peers = workload.peers if until is None or not number else _among(workload, wanted or {})
            for name in lot.sample(peers, len(peers)):
                peer = stage.peer(name)
                if peer is None:
                    continue
                try:
                    result = workload.run(peer)
                except FailedRunError as error:
                    failed.append(f"{workload.name}: {error}")
                    say(f"round {number + 1}: {workload.name}: FAILED: {error}")
                    continue
                finally:
                    peer.tidy()
                results.setdefault(workload.name, {}).setdefault(name, []).append(result)
                say(f"round {number + 1}: {workload.name}: {name}: {result.per_second:,.0f}/s, {result.cpu:.2f} µs")
        took = time.monotonic() - began
    return _in_order(results, work), failed


def _among(workload: Workload, wanted: Mapping[str, set[str]]) -> tuple[str, ...]:
    return tuple(name for name in workload.peers if name in wanted.get(workload.name, ()))


def _in_order(results: Results, work: list[Workload]) -> Results:
    return {
        each.name: {name: results[each.name][name] for name in each.peers if name in results[each.name]}
        for each in work
        if each.name in results
    }
