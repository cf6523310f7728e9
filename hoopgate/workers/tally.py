"""Metrics of several processes as one: families of samples as plain values, and their sums.

A worker that has died still counts in what only grows, or counters would go backwards and rates would leap. What it
counted after its last answer is lost with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

Key = tuple[str, tuple[tuple[str, str], ...]]
Samples = dict[Key, float]
# name, help, type, unit, [[sample's name, {label: value}, value], ...]
Plain = list[Any]

_CREATED = "_created"  # a moment, of which the first counts
_GROWING = ("counter", "histogram", "summary")


def plain(registry: CollectorRegistry) -> list[Plain]:
    """All families of a registry as JSON values."""
    return [_family(metric) for metric in registry.collect()]


class Tally:
    """What workers said last, by worker, and what dead ones had counted."""

    def __init__(self) -> None:
        self._known: dict[int, list[Plain]] = {}
        self._dead: list[Plain] = []

    def saw(self, number: int, families: list[Plain]) -> None:
        """A worker's metrics as they are now."""
        self._known[number] = families

    def gone(self, number: int) -> None:
        """It has died: what it measured is no more, what it counted stays."""
        counted = [family for family in self._known.pop(number, []) if family[2] in _GROWING]
        self._dead = [_family(each) for each in summed([self._dead, counted])]

    def sources(self) -> list[list[Plain]]:
        return [self._dead, *self._known.values()]


class Sums(CollectorRegistry):
    """A registry that shows ``own`` and all that the tally knows, added up."""

    def __init__(self, tally: Tally, own: CollectorRegistry) -> None:
        super().__init__()
        self._tally = tally
        self._own = own

    def collect(self) -> Iterable[Metric]:
        return iter(summed([plain(self._own), *self._tally.sources()]))


def summed(sources: Iterable[list[Plain]]) -> list[Metric]:
    """One family for each name, one sample for each name and labels."""
    families: dict[str, Metric] = {}
    values: dict[str, Samples] = {}
    for source in sources:
        for name, help_, kind, unit, samples in source:
            families.setdefault(name, Metric(name, help_, kind, unit))
            sums = values.setdefault(name, {})
            for sample, labels, value in samples:
                key = (sample, tuple(labels.items()))
                if sample.endswith(_CREATED) and key in sums:
                    sums[key] = min(sums[key], value)
                else:
                    sums[key] = sums.get(key, 0.0) + value
    for name, family in families.items():
        for (sample, labels), value in values[name].items():
            family.add_sample(sample, dict(labels), value)
    return list(families.values())


def _family(metric: Metric) -> Plain:
    samples = [[sample.name, sample.labels, sample.value] for sample in metric.samples]
    return [metric.name, metric.documentation, metric.type, metric.unit, samples]
