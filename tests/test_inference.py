"""What conditions over masked values cost: counted for each identity and mask, over a window that slides."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from hoopgate.inference import Cost, Exhausted, Inference

WINDOW = 3600.0


def spend(
    found: Inference, cost: int, limit: int = 10, *, who: str = "ann", mask: str = "m", most: int = 100
) -> object:
    return found.spend(who, [Cost(mask, "t.c", cost, limit)], window=WINDOW, most=most)


def test_what_is_spent_is_gone_until_the_window_is_over() -> None:
    clock = Clock()
    counted = Inference(clock)
    assert spend(counted, 4) is None
    clock.advance(600)
    assert spend(counted, 6) is None
    short = spend(counted, 1)
    assert isinstance(short, Exhausted)
    assert (short.spent, short.of.limit) == (10, 10)
    assert short.frees is not None
    assert 3000 <= short.frees <= 3060  # the first four are free again
    clock.advance(short.frees - 0.001)
    assert spend(counted, 4) is not None
    clock.advance(0.002)
    assert spend(counted, 4) is None


def test_what_costs_more_than_the_budget_is_never_free() -> None:
    short = spend(Inference(Clock()), 10, 5)
    assert isinstance(short, Exhausted)
    assert short.frees is None


def test_a_refusal_costs_nothing() -> None:
    counted = Inference(Clock())
    for _ in range(5):
        assert spend(counted, 10, 5) is not None
    assert spend(counted, 5, 5) is None


def test_identities_and_masks_are_counted_apart() -> None:
    counted = Inference(Clock())
    assert spend(counted, 10) is None
    assert spend(counted, 1) is not None
    assert spend(counted, 10, who="bob") is None
    assert spend(counted, 10, mask="n") is None


def test_a_statement_pays_for_all_of_its_masks_or_for_none() -> None:
    counted = Inference(Clock())
    both = [Cost("m", "t.c", 1, 10), Cost("n", "t.d", 11, 10)]
    assert counted.spend("ann", both, window=WINDOW, most=9) is not None
    assert spend(counted, 10) is None


def test_a_full_table_lets_nobody_new_in_until_somebody_is_forgotten() -> None:
    clock = Clock()
    counted = Inference(clock)
    assert spend(counted, 1, who="ann", most=2) is None
    clock.advance(100)
    assert spend(counted, 1, who="bob", most=2) is None
    assert spend(counted, 1, who="eve", most=2) is not None
    assert spend(counted, 1, who="ann", most=2) is None  # who is counted is counted on
    assert len(counted) == 2
    clock.advance(WINDOW + 61)
    assert spend(counted, 1, who="eve", most=2) is None
    assert len(counted) == 2


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2000), st.integers(1, 12)), max_size=60), st.integers(1, 30))
def test_no_window_ever_holds_more_than_the_limit(steps: list[tuple[float, int]], limit: int) -> None:
    clock = Clock()
    counted = Inference(clock)
    paid: list[tuple[float, int]] = []
    for pause, cost in steps:
        clock.advance(pause)
        if spend(counted, cost, limit) is None:
            paid.append((clock.seconds(), cost))
    for start, _ in paid:
        assert sum(cost for at, cost in paid if start <= at < start + WINDOW) <= limit


def test_memory_is_bounded_however_often_is_spent() -> None:
    clock = Clock()
    counted = Inference(clock)
    for _ in range(5000):
        clock.advance(1.7)
        spend(counted, 1, 1_000_000)
    (spent,) = counted._spent.values()
    assert len(spent._amounts) <= 62
