"""Workers' metrics add up, and what was counted once is never lost again."""

from __future__ import annotations

import json
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from hoopgate.metrics import Metrics
from hoopgate.workers.tally import Sums, Tally, plain, summed


def counted(sessions: int, ended: int) -> Metrics:
    metrics = Metrics(["shop"])
    for _ in range(sessions):
        metrics.session_opened("shop")
    for _ in range(ended):
        metrics.session_ended("shop", "client")
    metrics.connected("shop", 0.003)
    return metrics


def over_the_wire(metrics: Metrics) -> list[list[object]]:
    families: list[list[object]] = json.loads(json.dumps(plain(metrics.registry)))
    return families


def value(families: Iterable[Metric], name: str, **labels: str) -> float | None:
    found = [s.value for f in families for s in f.samples if s.name == name and labels.items() <= s.labels.items()]
    return sum(found) if found else None


def test_they_add_up() -> None:
    tally, own = Tally(), counted(5, 2)
    tally.saw(1, over_the_wire(counted(3, 1)))
    tally.saw(2, over_the_wire(counted(1, 0)))
    tally.saw(2, over_the_wire(counted(2, 1)))  # the later word counts
    sums = Sums(tally, own.registry)
    assert value(sums.collect(), "hoopgate_sessions_open", target="shop") == 3 + 2 + 1
    assert value(sums.collect(), "hoopgate_sessions_total", target="shop", end="client") == 4
    assert value(sums.collect(), "hoopgate_upstream_connect_seconds_count", target="shop") == 3
    assert value(sums.collect(), "hoopgate_upstream_connect_seconds_bucket", le="0.005") == 3


def test_counters_of_the_dead_stay_and_their_gauges_go() -> None:
    tally, own = Tally(), counted(0, 0)
    for _ in range(2):  # it dies, is replaced, and dies again
        tally.saw(1, over_the_wire(counted(4, 3)))
        tally.gone(1)
    tally.gone(2)  # which never said anything
    sums = Sums(tally, own.registry)
    assert value(sums.collect(), "hoopgate_sessions_total", target="shop") == 6
    assert not value(sums.collect(), "hoopgate_sessions_open", target="shop")
    tally.saw(1, over_the_wire(counted(1, 1)))
    assert value(sums.collect(), "hoopgate_sessions_total", target="shop") == 7


def test_of_moments_the_first_counts() -> None:
    def family(at: float) -> list[object]:
        return ["hits", "Hits", "counter", "", [["hits_total", {"a": "b"}, 1.0], ["hits_created", {"a": "b"}, at]]]

    [both] = summed([[family(200.0)], [family(100.0)]])
    assert value([both], "hits_total") == 2
    assert value([both], "hits_created") == 100.0


def test_every_family_of_ours_survives() -> None:
    own = counted(1, 0)
    names = {family.name for family in own.registry.collect()}
    assert {family.name for family in Sums(Tally(), own.registry).collect()} == names
    assert isinstance(Sums(Tally(), own.registry), CollectorRegistry)
