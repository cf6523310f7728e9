"""What counts as growing, and a short soak."""

from __future__ import annotations

import pytest

from tests.bench.soak import GROWTH_LEAST, Sample, complaints, main, per_hour

BEFORE = Sample(0.0, 70.0, 20, 3, 100_000)


def samples(*megabytes: float) -> list[Sample]:
    return [Sample(float(at), resident, 60, 6, 200_000) for at, resident in enumerate(megabytes)]


def test_memory_by_the_hour_is_the_slope() -> None:
    assert per_hour(samples(80, 81, 82, 83)) == pytest.approx(3600)
    assert per_hour(samples(80, 80, 80)) == pytest.approx(0)
    assert per_hour(samples(80)) == 0


def test_what_stays_as_it_is_is_fine() -> None:
    during = samples(*[70 + min(number, 40) for number in range(100)])
    assert list(complaints(BEFORE, during, Sample(200.0, 110, 25, 8, 300_000), 100, 0.01)) == []


@pytest.mark.parametrize(
    ("during", "after", "idle", "said"),
    [
        (samples(*[70 + number for number in range(100)]), BEFORE, 0.0, "memory grew"),
        (samples(80, 80), Sample(200.0, 80, 60, 8, 300_000), 0.0, "60 descriptors are open"),
        (samples(80, 80), Sample(200.0, 80, 20, 60, 300_000), 0.0, "60 threads"),
        (samples(80, 80), Sample(200.0, 80, 20, 6, 30_000_000), 0.0, "the store has 30,000,000 bytes"),
        (samples(80, 80), BEFORE, 0.5, "50.0% of a processor"),
    ],
)
def test_what_grows_is_named(during: list[Sample], after: Sample, idle: float, said: str) -> None:
    (one,) = complaints(BEFORE, during, after, 100, idle)
    assert said in one


def test_a_little_noise_is_no_growth() -> None:
    during = samples(*[80 + GROWTH_LEAST * 0.9 * (number >= 90) for number in range(100)])
    assert list(complaints(BEFORE, during, BEFORE, 0, 0.0)) == []


@pytest.mark.long
@pytest.mark.live
def test_a_short_soak_is_within_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--minutes", "1.5", "--rows", "20000"])
    assert status == 0, capsys.readouterr().out
