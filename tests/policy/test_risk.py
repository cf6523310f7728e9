"""The risk of a message, with its reasons."""

from __future__ import annotations

import pytest

from hoopgate.config.model import Risk
from hoopgate.policy.operations import Operation
from hoopgate.policy.risk import assess, outside_hours
from tests.policy.samples import SHOP, config, decide, rule

READ = Operation("read", "SELECT")
WIPE = Operation("delete", "DELETE", bounded=False)


def test_signals_are_added_and_named() -> None:
    risk = Risk(object_labels={"pii": 20, "dull": 0}, target_labels={"env=prod": 15}, outside_hours=7, first_time=3)
    points, reasons = assess(risk, (READ,), SHOP, ["pii", "pii", "dull", "other"], outside=True, first=True)
    assert points == 50
    assert reasons == (
        "read +5", "object pii +20", "target env=prod +15", "outside working hours +7", "first time +3",
    )  # fmt: skip


def test_the_worst_effect_counts_once_and_the_sum_is_cut() -> None:
    points, reasons = assess(Risk(), (READ, WIPE, WIPE), SHOP, [], outside=False, first=False)
    assert (points, reasons) == (65, ("delete +35", "unbounded +30"))
    points, _ = assess(Risk(unbounded=90), (WIPE,), SHOP, [], outside=False, first=False)
    assert points == 100


def test_an_effect_without_points_is_the_worst() -> None:
    points, _ = assess(Risk(effect={"read": 1}), (WIPE,), SHOP, [], outside=False, first=False)
    assert points == 100


@pytest.mark.parametrize(("hour", "expected"), [(0, True), (7, True), (8, False), (17, False), (18, True), (32, False)])
def test_hours(hour: int, expected: bool) -> None:
    assert outside_hours(Risk(outside_hours=5, hours=(8, 18)), hour * 3600.0 + 59) is expected
    assert outside_hours(Risk(hours=(8, 18)), hour * 3600.0) is False


def test_labels_of_objects_reach_the_risk() -> None:
    found = config(rule("all", "allow"), risk=Risk(object_labels={"pii": 20, "money": 10}))
    assert decide(found, "SELECT * FROM customers").risk == 25
    assert decide(found, "SELECT * FROM customers, x.cards").risk == 35
    assert decide(found, "SELECT * FROM elsewhere.customers").risk == 5
