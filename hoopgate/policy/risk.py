"""The risk of a message: points for named signals, added up and cut at 100, each shown with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from hoopgate.config.model import Risk, Target
from hoopgate.policy.operations import Operation, whole

CEILING = 100


def outside_hours(risk: Risk, now: float) -> bool:
    """Is ``now`` (epoch seconds) outside the working hours, in UTC? Always False where that costs nothing."""
    if not risk.outside_hours:
        return False
    start, end = risk.hours
    return not start <= int(now // 3600) % 24 < end


def assess(
    risk: Risk,
    operations: tuple[Operation, ...],
    target: Target,
    labels: Iterable[str],
    *,
    outside: bool,
    first: bool,
) -> tuple[int, tuple[str, ...]]:
    """The risk (0 to 100) and its reasons, such as ``delete +35``, the largest signals of each kind once.

    ``labels`` are those of all objects touched; ``first`` says that this identity has not run this shape of
    statement on this target before, as far as is known.
    """
    signals: list[tuple[str, int]] = []
    points = {operation.name: _points(risk, operation) for operation in operations}
    worst = max(points, key=points.__getitem__)
    signals.append((worst if worst in risk.effect else whole(worst), points[worst]))
    if any(operation.bounded is False for operation in operations):
        signals.append(("unbounded", risk.unbounded))
    signals += [(f"object {label}", risk.object_labels.get(label, 0)) for label in sorted(set(labels))]
    for key, value in sorted(target.labels.items()):
        signals.append((f"target {key}={value}", risk.target_labels.get(f"{key}={value}", 0)))
    signals.append(("outside working hours", risk.outside_hours if outside else 0))
    signals.append(("first time", risk.first_time if first else 0))
    earned = [(name, points) for name, points in signals if points]
    return min(CEILING, sum(points for _, points in earned)), tuple(f"{name} +{points}" for name, points in earned)


def _points(risk: Risk, operation: Operation) -> int:
    """Those of the part of the effect, where the configuration has any, else those of the effect."""
    return risk.effect.get(operation.name, risk.effect.get(operation.effect, CEILING))
