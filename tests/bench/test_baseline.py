"""What counts as worse than before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.bars import Judged, bars
from tests.bench.baseline import KEPT, TOLERANCE, TOLERANCES, compare, keep, read, tolerance

RATE = "scan, text: rate of hoopgate / direct"
CPU = "scan, text: CPU of hoopgate / pgbouncer"
MEMORY = "first process at rest, resident, MB"


def judged(name: str, value: float) -> Judged:
    return Judged(name, value, value * 0.9, value * 1.1, None, "rate of" in name)


@pytest.mark.parametrize(
    ("name", "kept", "found", "worse"),
    [
        (RATE, 0.90, 0.70, True),
        (RATE, 0.90, 0.80, False),
        (RATE, 0.90, 1.80, False),
        (CPU, 1.20, 1.50, True),
        (CPU, 1.20, 1.30, False),
        (CPU, 1.20, 0.10, False),
        (MEMORY, 80.0, 89.0, True),
        (MEMORY, 80.0, 87.0, False),
        ("point select: added p99 of hoopgate / pgbouncer", 0.01, 0.05, False),
    ],
)
def test_worse_is_beyond_the_tolerance(name: str, kept: float, found: float, worse: bool) -> None:
    assert [one.name for one in compare([judged(name, found)], {name: kept})] == [name] * worse


def test_what_is_new_or_was_not_measured_is_passed_over() -> None:
    assert list(compare([judged(RATE, 0.1)], {CPU: 1.0})) == []


def test_what_is_worse_says_how_much() -> None:
    (worse,) = compare([judged(RATE, 0.5)], {RATE: 1.0})
    assert str(worse) == f"{RATE}: 0.50, kept 1.00"


def test_every_bar_has_a_tolerance_of_its_kind() -> None:
    assert {tolerance(bar.name) for bar in bars()} <= set(TOLERANCES.values())
    assert tolerance(MEMORY) == TOLERANCE


def test_what_is_kept_is_read_again_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "performance" / "baseline.json"
    assert read(path) == {}
    keep([judged(RATE, 0.91234), judged(CPU, 1.1)], "abc", path)
    keep([judged(CPU, 1.0)], "def", path)
    assert read(path) == {CPU: 1.0, RATE: 0.912}
    assert '"commit": "def"' in path.read_text()


def test_what_the_repository_keeps_can_be_compared() -> None:
    known = {bar.name for bar in bars()}
    ratios = {name for name in read() if " / " in name}
    assert ratios <= known, f"{KEPT} names figures that nothing measures"
