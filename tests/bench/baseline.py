"""Are the figures worse than those kept? Ratios of one run alone are compared: they know nothing of the machine.

The baseline is a JSON file of names and medians; what it does not name is new, and what was not measured this time is
passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from tests.bench.bars import Judged
from tests.bench.gateways import SOURCE

KEPT = SOURCE / "docs" / "performance" / "baseline.json"
# By how much a median may be worse before it is taken for a change and not for noise, by what is measured.
TOLERANCES = {"added p99 of": 1.0, "CPU of": 0.15, "rate of": 0.15, "cold start": 0.25, "ms a second": 1.0}
TOLERANCE = 0.1  # of what none of these names: memory
LEAST = 0.05  # a difference smaller than this says nothing, whatever share it is


@frozen
class Worse:
    """A figure that is worse than the kept one by more than the tolerance."""

    name: str
    kept: float
    found: float

    def __str__(self) -> str:
        return f"{self.name}: {self.found:.2f}, kept {self.kept:.2f}"


def compare(judged: Iterable[Judged], kept: dict[str, float]) -> Iterator[Worse]:
    """Those whose median is worse."""
    for one in judged:
        if one.name not in kept:
            continue
        before, allowed = kept[one.name], max(kept[one.name] * tolerance(one.name), LEAST)
        worse = one.value < before - allowed if one.at_least else one.value > before + allowed
        if worse:
            yield Worse(one.name, before, one.value)


def tolerance(name: str) -> float:
    return next((share for part, share in TOLERANCES.items() if part in name), TOLERANCE)


def read(path: Path = KEPT) -> dict[str, float]:
    """The kept figures; none where nothing was kept."""
    if not path.exists():
        return {}
    return {name: float(value) for name, value in json.loads(path.read_text())["figures"].items()}


def keep(judged: Iterable[Judged], commit: str, path: Path = KEPT) -> None:
    """Keep these figures in the place of those of the same names."""
    found = read(path) | {one.name: round(one.value, 3) for one in judged}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"commit": commit, "figures": dict(sorted(found.items()))}, indent=1) + "\n")
