"""What the mask guard makes of lineage's answer: kept with the text, noted on its frames, looked at by its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hoopgate.config.model import Mask
from hoopgate.guards.witness import severer
from hoopgate.inference import Cost
from hoopgate.policy.lineage.remembered import Rewording
from hoopgate.policy.lineage.results import (
    Answer,
    Assigned,
    CopyInput,
    CopyShape,
    Moved,
    Output,
    Probe,
    Refused,
    Traced,
    Untouched,
)
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import pack_event

NARROW: Final = 1  # what a probe costs that tells only whether a value is the one that the client named
WIDE: Final = 10  # and any other

Outputs = tuple[Output, ...] | None


class Shape:
    """The outputs of one statement; of equal ones one object under one index, so that plans are found by it.

    ``clear``: the statement reaches nothing masked. ``outputs``: see ``Traced.results``. ``recent``: the last plan for
    its results, a thing of :class:`hoopgate.guards.mask_known.Compiled`.
    """

    __slots__ = ("clear", "key", "outputs", "recent")

    def __init__(self, outputs: Outputs, clear: bool, key: tuple[object, ...]) -> None:
        self.outputs = outputs
        self.clear = clear
        self.key = key
        self.recent: Any = None


def shape_key(outputs: Outputs, clear: bool) -> tuple[object, ...]:
    """Equal for equal shapes, and hashable, which masks are not."""
    if outputs is None:
        return (clear, None)
    return (clear, *[output_key(output) for output in outputs])


def output_key(output: Output) -> tuple[object, ...]:
    name = "" if output.mask is None else output.mask.name
    return (output.origin, output.others, name, output.derived)


UNTOLD: Final = Shape(None, False, (False, None))
UNTOLD_CLEAR: Final = Shape(None, True, (True, None))


class Judged:
    """``answer`` and what follows: a ``shape`` for each statement of the message, ``costs`` of its probes and the
    event that tells of them. ``plain``: nothing is left to do but to let it pass. ``reads``: it meets masked columns.

    ``source``: of two that were combined, the newer, so that the same two are combined once. ``rewording``: how it goes
    to the target, where it reads masks in place of tables. ``runs``: the texts that it runs by name, and what would be
    put into each of them now.
    """

    __slots__ = (
        "answer", "assigned", "clear", "copy", "copy_input", "costs", "declares", "event", "moved", "plain", "reads",
        "refused", "rewording", "runs", "shapes", "source",
    )  # fmt: skip

    def __init__(self, answer: Answer, shapes: tuple[Shape, ...], costs: tuple[Cost, ...]) -> None:
        self.answer: Any = answer
        self.clear = isinstance(answer, Untouched)
        self.refused: Refused | None = answer if isinstance(answer, Refused) else None
        traced = answer if isinstance(answer, Traced) else None
        self.copy: CopyShape | None = None if traced is None else traced.copy
        self.moved: tuple[Moved, ...] = () if traced is None else traced.moved
        self.assigned: tuple[Assigned, ...] = () if traced is None else traced.assigned
        self.copy_input: CopyInput | None = None if traced is None else traced.copy_input
        self.reads = traced is not None and bool(traced.masks or costs)
        self.shapes = shapes
        self.costs = costs
        self.event = _event(costs)
        self.declares: dict[str, Outputs] | None = None
        self.plain = self.clear or (traced is not None and not _demands(traced, costs))
        self.source: Judged | None = None
        self.rewording: Rewording | None = None
        self.runs: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def sourced(self) -> bool:
        """It reads masks in place of tables, or runs what may."""
        return self.rewording is not None or bool(self.runs)

    def shape(self, place: int) -> Shape:
        """Of the statement at this place of the message."""
        shapes = self.shapes
        if place < len(shapes):
            return shapes[place]
        return UNTOLD_CLEAR if self.clear else UNTOLD


def _demands(traced: Traced, costs: tuple[Cost, ...]) -> bool:
    return bool(costs or traced.copy or traced.moved or traced.reads or traced.assigned or traced.copy_input)


def _event(costs: Sequence[Cost]) -> bytes:
    if not costs:
        return b""
    met = {"masks": [each.mask for each in costs], "columns": [each.column for each in costs],
           "cost": sum(each.cost for each in costs)}  # fmt: skip
    return pack_event("probed", prepared(met))


def costs_of(probes: Sequence[Probe]) -> tuple[Cost, ...]:
    """What one run of these takes of each mask's budget."""
    found: dict[str, Cost] = {}
    for probe in probes:
        mask, before = probe.mask, found.get(probe.mask.name)
        cost = (NARROW if probe.narrow else WIDE) + (0 if before is None else before.cost)
        found[mask.name] = Cost(mask.name, probe.column if before is None else before.column, cost, mask.inference)
    return tuple(found.values())


def combined(one: Outputs, other: Outputs) -> Outputs:
    """What holds whichever of two lineages is that of a result."""
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple([_either(each, other[at]) for at, each in enumerate(one)])


def _either(one: Output, other: Output) -> Output:
    if output_key(one) == output_key(other):
        return one
    origins = dict.fromkeys([*one.others, other.origin, *other.others])
    origins.pop(one.origin, None)
    others = [origin for origin in origins if origin is not None]
    origin = one.origin
    if origin is not None and None in origins:  # a computed value under one of them
        origin, others = None, [one.origin, *others]  # type: ignore[list-item]
    mask, derived = _masks(one.mask, other.mask)
    return Output(
        origin,
        others=tuple(others),
        mask=mask,
        derived=one.derived or other.derived or derived,
        type_oid=one.type_oid if one.type_oid == other.type_oid else 0,
    )


def _masks(one: Mask | None, other: Mask | None) -> tuple[Mask | None, bool]:
    """The severer mask, and whether they differ."""
    if one is None or other is None:
        return one or other, one is not other
    return severer(one, other), one.name != other.name
