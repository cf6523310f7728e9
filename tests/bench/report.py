"""What a run says: JSON with every figure, and tables in Markdown with medians, ratios and their spread."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Iterator
from typing import Any

import attrs

from tests.bench.bars import Fact, Judged, Results, judge
from tests.bench.gateways import SOURCE
from tests.bench.result import Result
from tests.bench.stage import NAMES, Stage
from tests.bench.workloads import Workload

Figures = dict[str, Any]
COLUMNS = ("of direct", "of pgbouncer", "CPU, µs each", "CPU of pgbouncer's", "p99, ms", "added", "peak, MB")


def figures(stage: Stage, work: list[Workload], results: Results, facts: list[Fact], settings: Figures) -> Figures:
    """All of it, as JSON has it."""
    return {
        "machine": machine(),
        "commit": _commit(),
        "settings": settings,
        "peers": {name: peer.version for name, peer in sorted(stage.peers.items(), key=_place)},
        "missing": stage.missing,
        "not_compiled": stage.not_compiled,
        "units": {each.name: each.unit for each in work},
        "results": {
            workload: {peer: [attrs.asdict(one) for one in rounds] for peer, rounds in peers.items()}
            for workload, peers in results.items()
        },
        "facts": [attrs.asdict(fact) for fact in facts],
    }


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "processor": _processor(),
        "python": platform.python_version(),
    }


def read_results(given: Figures) -> tuple[Results, list[Fact]]:
    """What ``figures`` wrote."""
    results = {
        workload: {peer: [Result(**one) for one in rounds] for peer, rounds in peers.items()}
        for workload, peers in given["results"].items()
    }
    return results, [Fact(**{**fact, "values": tuple(fact["values"])}) for fact in given["facts"]]


def as_markdown(given: Figures) -> str:
    """The head, the bar, the facts, and a table for each workload."""
    return "\n".join(_lines(given)) + "\n"


def _lines(given: Figures) -> Iterator[str]:
    results, facts = read_results(given)
    where = given["machine"]
    cores, kernel, python = where["cores"], where["kernel"], where["python"]
    yield f"{cores} cores, {where['processor']}, Linux {kernel}, Python {python}, commit {given['commit']}."
    yield "; ".join(f"{name}: {version}" for name, version in given["peers"].items() if version) + "."
    for name, reason in given["missing"].items():
        yield f"\n**{name} is missing**: {reason}"
    if given["not_compiled"]:
        yield f"\n**The core is not compiled**: {given['not_compiled']}"
    judged = judge(results, facts)
    if judged:
        yield from (
            "",
            "### The bar",
            "",
            "| figure | median (spread) | bar | | who does least |",
            "|---|---|---|---|---|",
        )
        yield from map(_bar_row, judged)
    for workload, peers in results.items():
        rounds = max(len(found) for found in peers.values())
        unit = given["units"].get(workload, "unit")
        yield f"\n### {workload} ({rounds} round{'s' * (rounds > 1)})\n"
        yield f"| through | {unit}s a second | {' | '.join(COLUMNS)} |"
        yield "|---" * (len(COLUMNS) + 2) + "|"
        for peer, found in peers.items():
            yield _row(peer, found, peers)


def _bar_row(one: Judged) -> str:
    values = spread([one.least, one.value, one.greatest], "{:.2f}")
    bound = "-" if one.bound is None else f"{'≥' if one.at_least else '≤'} {one.bound:g}"
    verdict = "" if one.bound is None else "met" if one.met else "**missed**"
    return f"| {one.name} | {values} | {bound} | {verdict} | {one.floor} |"


def _row(peer: str, found: list[Result], peers: dict[str, list[Result]]) -> str:
    direct, bouncer = peers.get("direct", []), peers.get("pgbouncer", [])
    own = peer != "direct"
    cells = [
        peer,
        spread([one.per_second for one in found], "{:,.0f}"),
        spread(_ratios(found, direct), "{:.2f}"),
        spread(_ratios(found, bouncer), "{:.2f}"),
        spread([one.cpu for one in found if own], "{:.2f}"),
        spread([one.cpu / two.cpu for one, two in zip(found, bouncer, strict=False) if own and two.cpu], "{:.2f}"),
        spread([one.p99 for one in found if one.p99 is not None], "{:.2f}"),
        spread(_added(found, direct) if own else [], "{:+.2f}"),
        spread([one.peak for one in found if one.peak is not None], "{:.0f}"),
    ]
    return f"| {' | '.join(cells)} |"


def _ratios(found: list[Result], others: list[Result]) -> list[float]:
    """Round by round: what ran beside each other is compared, not averages of different times."""
    return [one.per_second / other.per_second for one, other in zip(found, others, strict=False)]


def _added(found: list[Result], direct: list[Result]) -> list[float]:
    return [
        one.p99 - other.p99
        for one, other in zip(found, direct, strict=False)
        if one.p99 is not None and other.p99 is not None
    ]


def spread(values: list[float], form: str) -> str:
    """The median, and the least and the greatest where there are several."""
    if not values:
        return "-"
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}…{form.format(max(values))})"


def _place(item: tuple[str, object]) -> int:
    """Where a peer comes in the order that the stage names them in; other trees come last."""
    return NAMES.index(item[0]) if item[0] in NAMES else len(NAMES)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "an unknown commit"
