"""From the columns of a result to the plan by which detectors look at its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hoopgate.catalogue.snapshot import UserType
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.config.model import Detector
from hoopgate.detectors.finder import Finder, own_kind
from hoopgate.detectors.kinds import chosen
from hoopgate.detectors.plugged import Plugged
from hoopgate.frames import Column
from hoopgate.guards.detect_cells import Cells, JsonCell, Look, both
from hoopgate.policy.memory import Memory

PLANS: Final = 256
_PLANS_TOTAL: Final = 1024 * 1024  # bytes of RowDescription


def finder_of(detector: Detector) -> Finder:
    """What finds and hides the values of a detector as configured."""
    own = [own_kind(detector.name, pattern) for pattern in detector.patterns]
    return Finder((*chosen(detector.find), *own), detector.value.encode())


class Seek:
    """Whether there may be anything in a run of rows. ``escapes``: JSON is among them, which can spell it otherwise."""

    def __init__(self, cells: Sequence[Cells], escapes: bool) -> None:
        self._finders = [each.finder for each in cells]
        self._escapes = escapes

    def __call__(self, raw: bytes) -> bool:
        if self._escapes and b"\\" in raw:
            return True
        return any(finder.candidates(raw) for finder in self._finders)


class Watch:
    """What is looked for under one set of detectors; shared by the sessions that have the same."""

    def __init__(self, detectors: Sequence[Detector], plugins: Mapping[str, Any]) -> None:
        own = [detector for detector in detectors if detector.find or detector.patterns]
        self.cells = tuple([Cells(finder_of(detector)) for detector in own])
        plugged = [Plugged(plugins[each.name], each.value.encode()) for each in detectors if each.plugin]
        self.plugged = tuple(plugged)
        self.plans: Memory[tuple[bytes, str], Plan] = Memory(PLANS, _PLANS_TOTAL)

    def plan(self, columns: Sequence[Column], types: Mapping[int, UserType], encoding: str) -> Plan:
        """The plan for rows. One look at a run of them spares the looks at their cells, but for those of types whose
        bytes do not show what they hold."""
        found = _looks(self.cells, columns, types, encoding)
        least = Plan(tuple([None if all(look.plain for look in looks) else both(looks) for looks in found]))
        escapes = any(isinstance(look, JsonCell) for looks in found for look in looks)
        return Plan(tuple([both(looks) for looks in found]), least, Seek(self.cells, escapes))

    def slow_plan(
        self, columns: Sequence[Column], types: Mapping[int, UserType], encoding: str, tally: Counter[str]
    ) -> Plan:
        """The plan by which plug-ins look, in a thread; ``tally`` is theirs to count in, and the session's own."""
        cells = [Cells(each, tally) for each in self.plugged]
        return Plan(tuple([both(looks) for looks in _looks(cells, columns, types, encoding)]))

    def copy_plan(self, width: int, encoding: str, first: Sequence[Look] = ()) -> Plan:
        """The plan for the rows of a COPY, which may be split anywhere. ``first`` look before all others."""
        return Plan((both([*first, *(each.unknown(encoding) for each in self.cells)]),) * width)

    def take(self) -> Counter[str]:
        """What was hidden since this was asked last, by kind."""
        taken: Counter[str] = Counter()
        for cells in self.cells:
            taken.update(cells.tally)
            cells.tally.clear()
        return taken


def _looks(
    cells: Sequence[Cells], columns: Sequence[Column], types: Mapping[int, UserType], encoding: str
) -> list[list[Look]]:
    return [
        [look for each in cells if (look := each.transform(column.type_oid, column.format, types, encoding))]
        for column in columns
    ]
