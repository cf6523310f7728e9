"""What the figures must reach. A ratio is taken in each round, of what ran beside each other; the median counts."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Literal

from attrs import evolve, frozen

from tests.bench.result import Result

Results = dict[str, dict[str, list[Result]]]  # workload -> peer -> one of each round
Measure = Literal["rate", "CPU", "added p99", "MB"]
LEAST_ADDED = 0.1  # ms: a smaller added latency of the reference says nothing
LEAST_WORK = ("relay", "direct")
"""Who shows what can be reached at all: a proxy that looks at nothing; where there is none, the server by itself."""


@frozen
class Fact:
    """A figure that stands alone: memory, a time. ``bound`` is the most it may be, None where it is only reported."""

    name: str
    unit: str
    values: tuple[float, ...]
    bound: float | None = None


@frozen
class Bar:
    """``peer``'s ``measure`` of a workload, as a share of ``reference``'s of ``reference_workload`` (the same)."""

    workload: str
    peer: str
    measure: Measure
    reference: str
    bound: float

    @property
    def name(self) -> str:
        return f"{self.workload}: {self.measure} of {self.peer} / {self.reference}"

    @property
    def at_least(self) -> bool:
        return self.measure == "rate"


@frozen
class Judged:
    """``value`` is the median, between ``least`` and ``greatest`` over the rounds. ``floor``: the same of who does
    least, in words."""

    name: str
    value: float
    least: float
    greatest: float
    bound: float | None
    at_least: bool
    floor: str = ""

    @property
    def met(self) -> bool:
        return self.bound is None or (self.value >= self.bound if self.at_least else self.value <= self.bound)


def bars() -> Iterator[Bar]:
    """The bar, row by row."""
    ours = "hoopgate"
    for mode in ("simple", "extended", "prepared"):
        for clients in ("1 client", "8 clients", "64 clients"):
            name = f"point select, {mode}, {clients}"
            yield Bar(name, ours, "rate", "pgbouncer", 0.85)
            yield Bar(name, ours, "CPU", "pgbouncer", 1.4)
            yield Bar(name, ours, "added p99", "pgbouncer", 2.0)
            yield Bar(name, f"{ours}, rules", "rate", ours, 0.95)
            yield Bar(name, f"{ours}, masking", "rate", ours, 0.95)
    for mode in ("simple", "prepared"):
        yield Bar(f"TPC-B, {mode}, 8 clients", ours, "rate", "pgbouncer", 0.95)
    yield from _bulk_bars("", ours)
    yield from _bulk_bars("TLS: ", ours)
    for clients in ("1 client", "8 clients", "64 clients"):
        yield Bar(f"TLS: point select, prepared, {clients}", ours, "rate", "pgbouncer", 0.8)
    yield Bar("TLS: handshakes", ours, "rate", "pgbouncer", 0.9)
    yield Bar("TLS: handshakes, resumed", ours, "rate", "pgbouncer", 0.9)
    yield Bar("TLS: connections, resumed", ours, "rate", "pgbouncer", 0.8)
    yield Bar("TLS: connections, pgbench -C", ours, "rate", "pgbouncer", 0.8)
    bottleneck = "scan with four columns hashed, the gateway as bottleneck"
    yield Bar(bottleneck, f"{ours}, two workers", "rate", f"{ours}, one worker", 1.7)


def _bulk_bars(prefix: str, ours: str) -> Iterator[Bar]:
    for form in ("text",) if prefix else ("text", "binary"):
        for way in ("scan", "COPY OUT"):
            name = f"{prefix}{way}, {form}"
            yield Bar(name, ours, "rate", "direct", 0.95)
            yield Bar(name, ours, "CPU", "pgbouncer", 1.2)
            yield Bar(name, f"{ours}, masking", "rate", "direct", 0.9)
            yield Bar(name, f"{ours}, masking", "CPU", "pgbouncer", 1.5)
    yield Bar(f"{prefix}COPY IN", ours, "rate", "direct", 0.95)


def judge(results: Results, facts: list[Fact]) -> list[Judged]:
    """Every bar for which there are figures."""
    found = []
    for bar in bars():
        peers = results.get(bar.workload, {})
        values = _values(bar, peers)
        if values:
            found.append(evolve(_judged(bar.name, values, bar.bound, bar.at_least), floor=_floor(bar, peers)))
    found += [_judged(f"{fact.name}, {fact.unit}", fact.values, fact.bound, False) for fact in facts if fact.values]
    return found


def needed() -> dict[str, set[str]]:
    """By workload, whom the bars compare, and who shows what can be reached."""
    found: dict[str, set[str]] = {}
    for bar in bars():
        peers = found.setdefault(bar.workload, set())
        peers |= {bar.peer, bar.reference, *LEAST_WORK}
    return found


def _floor(bar: Bar, peers: dict[str, list[Result]]) -> str:
    """Only of what is compared with another proxy, and says how much work that is."""
    if bar.reference != "pgbouncer" or bar.measure == "added p99":
        return ""
    for name in LEAST_WORK if bar.measure == "rate" else LEAST_WORK[:1]:
        values = _values(evolve(bar, peer=name), peers)
        if values:
            return f"{name}: {statistics.median(values):.2f}"
    return ""


def _judged(name: str, values: tuple[float, ...] | list[float], bound: float | None, at_least: bool) -> Judged:
    return Judged(name, statistics.median(values), min(values), max(values), bound, at_least)


def _values(bar: Bar, peers: dict[str, list[Result]]) -> list[float]:
    ours, theirs = peers.get(bar.peer, []), peers.get(bar.reference, [])
    if bar.measure == "rate":
        return [one.per_second / other.per_second for one, other in zip(ours, theirs, strict=False)]
    if bar.measure == "CPU":
        return [one.cpu / other.cpu for one, other in zip(ours, theirs, strict=False) if other.cpu > 0]
    direct = peers.get("direct", [])
    return [
        (one.p99 - base.p99) / max(other.p99 - base.p99, LEAST_ADDED)
        for one, other, base in zip(ours, theirs, direct, strict=False)
        if one.p99 is not None and other.p99 is not None and base.p99 is not None
    ]
