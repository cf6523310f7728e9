"""What a run says: JSON with every figure, and a table in Markdown with medians, ratios and their spread."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator
from typing import Any

from tests.bench.measure import Result
from tests.bench.peers import Bench

Results = dict[str, dict[str, list[Result]]]  # workload -> peer -> one of each round


def as_json(bench: Bench, results: Results, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "processor": _processor(),
            "python": platform.python_version(),
        },
        "settings": settings,
        "peers": {peer.name: peer.version for peer in bench.peers},
        "missing": bench.missing,
        "results": {
            workload: {
                peer: [
                    {"per_second": one.per_second, "cpu_us": one.cpu, "p99_ms": one.p99 if one.p99 >= 0 else None}
                    for one in rounds
                ]
                for peer, rounds in peers.items()
            }
            for workload, peers in results.items()
        },
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def as_markdown(bench: Bench, results: Results) -> str:
    return "\n".join(_lines(bench, results)) + "\n"


def _lines(bench: Bench, results: Results) -> Iterator[str]:
    yield f"{os.cpu_count()} cores, {_processor()}, Linux {platform.release()}, Python {platform.python_version()}."
    yield ", ".join(f"{peer.name}: {peer.version}" for peer in bench.peers) + "."
    for name, reason in bench.missing.items():
        yield f"\n**{name} is missing**: {reason}"
    for workload, peers in results.items():
        rounds = max(len(found) for found in peers.values())
        yield f"\n### {workload} ({rounds} rounds)\n"
        yield "| through | per second | of direct | of pgbouncer | CPU µs each | p99 ms | added p99 ms |"
        yield "|---|---|---|---|---|---|---|"
        for peer, found in peers.items():
            yield _row(peer, found, peers)


def _row(peer: str, found: list[Result], peers: dict[str, list[Result]]) -> str:
    direct = peers.get("direct", [])
    p99 = [one.p99 for one in found if one.p99 >= 0]
    added = [one.p99 - other.p99 for one, other in zip(found, direct, strict=False) if one.p99 >= 0 <= other.p99]
    cells = [
        peer,
        spread([one.per_second for one in found], "{:,.0f}"),
        spread(_ratios(found, direct), "{:.2f}"),
        spread(_ratios(found, peers.get("pgbouncer", [])), "{:.2f}"),
        "-" if peer == "direct" else spread([one.cpu for one in found], "{:.2f}"),
        spread(p99, "{:.2f}"),
        "-" if peer == "direct" else spread(added, "{:+.2f}"),
    ]
    return f"| {' | '.join(cells)} |"


def _ratios(found: list[Result], others: list[Result]) -> list[float]:
    """Round by round: what ran beside each other is compared, not averages of different times."""
    return [one.per_second / other.per_second for one, other in zip(found, others, strict=False)]


def spread(values: list[float], form: str) -> str:
    """The median, and the least and the greatest where there are several."""
    if not values:
        return "-"
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}…{form.format(max(values))})"
