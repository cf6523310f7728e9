"""References: what a name in an expression means, and what the statement tells of it."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from typing import Final, NoReturn

from attrs import define, field

from hoopgate.policy.lineage.calls import CODE, Calls, Shown
from hoopgate.policy.lineage.calls import HINT as CODE_HINT
from hoopgate.policy.lineage.quiet import ONE_PART
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.relations import HINT, UNSEEN, Relations
from hoopgate.policy.lineage.results import Assigned, Probe
from hoopgate.policy.lineage.scope import At, Item, names_in
from hoopgate.policy.lineage.values import CLEAR, Node, Taint, Value, computed

PROBES: Final = 1000
"""Probes of one message that are told one by one; with more, all further ones of a column in a statement count as a
wide one."""


@define(eq=False)
class References(ABC):
    """State of one message's walk. ``scrub``: it does something whose errors may quote stored values.

    ``literal``: the value of a literal was looked at (of a call's arguments, see :class:`Calls`). ``used``: what values
    it looked at were made of. ``parts``: masked
    values were met that are rows or arrays, or may be.
    """

    relations: Relations
    calls: Calls
    scrub: bool = False
    literal: bool = False
    parts: bool = False
    used: dict[Taint, None] = field(factory=dict)
    probes: list[Probe] = field(factory=list)
    assigned: list[Assigned] = field(factory=list)
    _wide: set[tuple[str, str]] = field(factory=set)

    # --- what is told

    def probe(self, taints: Iterable[Taint], *, narrow: bool = False, condition: bool = False) -> None:
        """Masked values decide about something that no mask hides. Raises Refusal where they must not.

        Conditions count one by one, since each may ask something else; wide probes of another sort once for a column
        in a statement.
        """
        for taint in taints:
            mask = taint.mask
            if mask is UNSEEN:
                raise refuse(
                    f"relation {taint.label} does not exist, or the gateway cannot see it: "
                    "its columns cannot be used in a condition",
                    mask.name,
                    "Check its name, its schema and the search_path.",
                    "42P01",
                )
            if mask.reading == "source":
                raise refuse(f'column {taint.label} is only read masked (mask "{mask.name}")', mask.name, HINT)
            key = (mask.name, taint.label)
            if (narrow or condition) and len(self.probes) < PROBES:
                self.probes.append(Probe(mask, taint.label, narrow=narrow))
            elif key not in self._wide:
                self._wide.add(key)
                self.probes.append(Probe(mask, taint.label))

    # --- references

    def reference(self, node: Node, at: At) -> Value:
        """What a ColumnRef means."""
        found = self._reference(node, at)
        self.met(found)
        return found

    def met(self, value: Value) -> None:
        """A column's value is used. (What was computed is made of what was met before.)"""
        self.used.update(dict.fromkeys(value.taints))
        if value.taints and value.type_oid not in ONE_PART and (value.plain or value.origin is not None):
            self.parts = True

    def _whole(self, item: Item) -> Value:
        row = item.row()
        self.parts |= bool(row.taints)
        return row

    def _reference(self, node: Node, at: At) -> Value:
        names, star = names_in(node)
        if star:
            items = [at.level.table(names[-1])] if names else at.level.items
            return computed(self._whole(item) for item in items if item is not None)
        if len(names) == 1:
            return self._bare(names[0], at)
        item = at.level.table(names[-2], names[-3] if len(names) > 2 else None)
        if item is None:
            return self._nowhere(names[-1])
        found = item.find(names[-1])
        return self.called(names[-1], self._whole(item)) if found is None else found

    def _bare(self, name: str, at: At) -> Value:
        found = at.level.bare(name)
        if found is None or (not found.origin and any(item.rest is not None for item in at.level.items)):
            item = at.level.table(name)
            if item is not None:
                return self._whole(item) if found is None else computed([self._whole(item), found])
        if found is not None:
            return found
        # What is no table may have columns that we do not know of.
        rows = [self._whole(item) for level in at.level.levels() for item in level.items if not item.oid]
        return computed([*rows, self._nowhere(name)])

    def called(self, name: str, row: Value) -> Value:
        """``row.name`` and ``name(row)``, which are the same where the row has no such column: a call of a function."""
        effects = self.calls.effects
        shown = self._shown(self.calls.row_function(name))
        if not self.calls.known(name):
            return computed([row, self._nowhere(name)])
        if row.taints and self.calls.effects > effects:
            refuse_effect(row.taints[0])
        if not self.calls.quiet([name]):
            self.probe(row.taints)
        return computed([row, shown])

    def _shown(self, shown: Shown) -> Value:
        """What a function gives besides what it is given."""
        for taint, narrow in shown.probes:
            self.probe([taint], narrow=narrow)
        return Value(shown.taints) if shown.taints else CLEAR

    def _nowhere(self, name: str) -> Value:
        """A name that means nothing we know: a column that came in since, or PostgreSQL will say so."""
        return Value((Taint(UNSEEN, f'"{name}"'),)) if self.relations.doubt() else CLEAR


def refuse_effect(taint: Taint) -> NoReturn:
    raise refuse(
        f'column {taint.label} is masked (mask "{taint.mask.name}"): it cannot be given to a function that '
        "has effects, nor decide whether one is called",
        taint.mask.name if taint.mask is not UNSEEN else CODE,
        CODE_HINT,
    )
