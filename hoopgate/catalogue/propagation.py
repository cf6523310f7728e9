"""Carries masks from the columns that globs name to all that is made of them, until nothing more changes.

To inheritance parents, children and partitions by the column's name; to generated columns; to columns of a composite
type (or of another table's rows) with a masked field; through views, materialized views and functions in SQL, output by
output. A view that a mask names itself (no wildcard in the table's part of the glob) is its author's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import define, evolve, field

from hoopgate.catalogue.exposure import NOTHING, Covered, Exposed, Probed, Taint
from hoopgate.catalogue.scopes import Bodies, holders_of, in_order, vouched
from hoopgate.catalogue.server_code import does_more
from hoopgate.catalogue.snapshot import (
    FIRST_USER_OID,
    WHOLE_ROW,
    ColumnKey,
    Flow,
    Function,
    Mentions,
    Reads,
    Snapshot,
)
from hoopgate.config.model import Mask

_MOST_ROUNDS: Final = 100
"""Longest chain of views, functions and row types that is followed; what is beyond is refused."""

_STEP: Final = 20  # views or functions


@define(eq=False)
class Propagation:
    """Of one snapshot. Filled by :meth:`steps`: ``masked`` and ``derived`` of relations, what ``views`` and
    ``functions`` expose, and ``write_tainted`` relations, whose rules reach masked columns."""

    snapshot: Snapshot
    masks: Sequence[Mask]
    safe: frozenset[int]
    masked: dict[int, dict[int, Mask]]
    derived: set[ColumnKey] = field(factory=set)
    views: dict[int, Exposed] = field(factory=dict)
    functions: dict[int, Exposed] = field(factory=dict)
    write_tainted: dict[int, Taint] = field(factory=dict)
    _touched: set[int] = field(factory=set)  # relations and functions of which more is known, in this round
    _ranks: dict[str, int] = field(init=False)
    _dangerous: dict[int, str] = field(init=False)
    _aggregates: dict[int, str] = field(init=False)
    _vouched: frozenset[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ranks = {mask.name: rank for rank, mask in enumerate(self.masks)}
        builtins = [function for functions in self.snapshot.builtins.values() for function in functions]
        self._dangerous = {each.oid: each.name for each in builtins if does_more(each.name)}
        self._aggregates = {each.oid: each.name for each in builtins if each.kind == "a"}
        self._vouched = vouched(self.snapshot, self.masks)

    def steps(self) -> Iterator[None]:
        """Follow everything, step by step. Does nothing without masks."""
        if not self.masks:
            return
        self.functions = {oid: self._unread(oid) for oid in self.snapshot.functions if oid not in self.safe}
        bodies = Bodies(self.snapshot, self.functions)
        holders = holders_of(self.snapshot)
        yield
        views = [each for each in in_order(self.snapshot.views) if each[0] not in self._vouched]
        before: set[int] | None = None  # what changed in the round before
        for _ in range(_MOST_ROUNDS):
            yield
            self._structure(holders)
            for count, (oid, body) in enumerate(bodies.followed):
                if before is None or self._concerns(bodies.reads_of(oid, body), before):
                    self._body(oid, body, bodies)
                if count % _STEP == 0:
                    yield
            for count, (oid, reads) in enumerate(views):
                if before is None or self._concerns((reads.relations, reads.calls), before):
                    self._view(oid, reads)
                if count % _STEP == 0:
                    yield
            if not self._touched:
                break
            before, self._touched = self._touched, set()
        else:
            self._give_up()
        for relation, rules in self.snapshot.rules.items():
            taints = [taint for reads in rules if (taint := self._rule(reads)) is not None]
            if taints:
                self.write_tainted[relation] = taints[0]

    def _concerns(self, reads: tuple[frozenset[int], frozenset[int]], before: set[int]) -> bool:
        """Whether something that is read or called has changed since the last look."""
        return not all(each.isdisjoint(before) and each.isdisjoint(self._touched) for each in reads)

    def _unread(self, oid: int) -> Exposed:
        if oid in self.snapshot.bodies:
            return NOTHING
        function = self.snapshot.functions[oid]
        return Exposed(refused=self._taint(f"it calls {function}, whose reads the gateway cannot see"))

    def _taint(self, reason: str, mask: Mask | None = None) -> Taint:
        return Taint(reason, (self.masks[0] if mask is None else mask).name)

    def _give_up(self) -> None:
        taint = self._taint("definitions refer to each other beyond what the gateway follows")
        self.views |= {oid: Exposed(refused=taint) for oid in self.snapshot.views if oid not in self._vouched}

    # --- relations by their structure

    def _structure(self, holders: Iterable[tuple[int, int, int]]) -> None:
        for holder, attnum, relation in holders:
            self._add(holder, attnum, self._strictest(self.masked.get(relation, {}).values()), derived=True)
        for parent, child in self.snapshot.inherits:
            self._by_name(parent, child)
            self._by_name(child, parent)
        for relation, column, base in self.snapshot.generated:
            self._add(relation, column, self.masked.get(relation, {}).get(base), derived=True)

    def _by_name(self, origin: int, heir: int) -> None:
        masks = self.masked.get(origin)
        source, sink = self.snapshot.relations.get(origin), self.snapshot.relations.get(heir)
        if not masks or source is None or sink is None:
            return
        named = {column.name: column.attnum for column in source.columns if column.attnum in masks}
        for column in sink.columns:
            attnum = named.get(column.name)
            if attnum is not None:
                self._add(heir, column.attnum, masks[attnum], derived=(origin, attnum) in self.derived)

    def _add(self, relation: int, attnum: int, mask: Mask | None, *, derived: bool) -> None:
        """Mask a column, which keeps the mask that it has; a value that was computed is so for good."""
        if mask is None:
            return
        columns = self.masked.setdefault(relation, {})
        if attnum not in columns:
            columns[attnum] = mask
            self._touched.add(relation)
        if derived and (relation, attnum) not in self.derived:
            self.derived.add((relation, attnum))
            self._touched.add(relation)

    # --- definitions

    def _view(self, oid: int, reads: Reads) -> None:
        before = self.views.get(oid, NOTHING)
        if before.refused is not None:
            return
        found = self._exposed(reads, reads.relations - {oid})
        for attnum, covered in found.columns.items():
            self._add(oid, attnum, covered.mask, derived=covered.derived)
        if found != before:
            self.views[oid] = found
            self._touched.add(oid)

    def _body(self, oid: int, body: Reads | Mentions, bodies: Bodies) -> None:
        before = self.functions[oid]
        if before.refused is not None:
            return
        function = self.snapshot.functions[oid]
        if isinstance(body, Mentions):
            found = self._mentioned(function, body, bodies)
        else:
            found = self._exposed(body, body.relations)
            # Its conditions may compare with arguments, which the caller chooses.
            found = evolve(found, probes=tuple(evolve(each, narrow=False) for each in found.probes))
        if found.refused is not None:
            reason = f"it calls {function}, which cannot be used: {found.refused.reason}"
            found = Exposed(refused=Taint(reason, found.refused.mask))
        elif body.writes and not found.clear:
            found = Exposed(refused=self._taint(f"it calls {function}, which reads masked columns and changes data"))
        if found != before:
            self.functions[oid] = found
            self._touched.add(oid)

    def _mentioned(self, function: Function, body: Mentions, bodies: Bodies) -> Exposed:
        scope = bodies.scope(function, body)
        if scope.problem:
            return Exposed(refused=self._taint(scope.problem))
        used = Flow(used=frozenset(self._named_columns(scope.relations, body)), functions=scope.functions)
        reads = Reads({WHOLE_ROW: used}, narrow=used, writes=body.writes)
        found = self._exposed(reads, frozenset(scope.relations))
        probes = tuple(evolve(each, narrow=False) for each in found.probes)
        return evolve(found, probes=probes, writes=body.writes, names=scope.unqualified)

    def _named_columns(self, relations: Iterable[int], body: Mentions) -> Iterator[ColumnKey]:
        for oid in relations:
            for column in self.snapshot.relations[oid].columns:
                if body.columns is None or column.name in body.columns:
                    yield oid, column.attnum

    def _exposed(self, reads: Reads, relations: frozenset[int]) -> Exposed:
        """What a definition exposes that reads these relations, as far as is known by now."""
        if reads.opaque:
            return Exposed(refused=self._taint("its definition could not be read by the gateway"))
        refused = self._refusal(reads.calls, relations)
        if refused is not None:
            return Exposed(refused=refused)
        called = reads.calls & self.functions.keys()
        if not called and self.masked.keys().isdisjoint(relations) and self.views.keys().isdisjoint(relations):
            return Exposed(writes=True) if reads.writes else NOTHING
        columns = {at: found for at, flow in reads.outputs.items() if (found := self._covered(flow)) is not None}
        probes = {*self._probes(reads.narrow, narrow=True), *self._probes(reads.wide, narrow=False)}
        for flow in reads.outputs.values():
            probes |= self._allowed(flow)
        for each in (*(self.views.get(oid) for oid in relations), *(self.functions[oid] for oid in called)):
            probes.update(each.probes if each is not None else ())
        order = sorted(probes, key=lambda each: (each.column, each.mask.name, each.narrow))
        return Exposed(columns, tuple(order), writes=reads.writes)

    def _refusal(self, calls: frozenset[int], relations: frozenset[int]) -> Taint | None:
        for oid in sorted(relations):
            if oid not in self.snapshot.relations:
                return self._taint("its definition reads a relation that the gateway has not seen yet")
            found = self.views.get(oid)
            if found is not None and found.refused is not None:
                return found.refused
        for oid in sorted(calls):
            if oid in self._dangerous:
                return self._taint(f"it calls {self._dangerous[oid]}(), which does more than compute")
            called = self.functions.get(oid)
            if called is not None and called.refused is not None:
                return called.refused
            if called is None and oid >= FIRST_USER_OID and oid not in self.safe:
                return self._taint("it calls a function that the gateway has not seen yet")
        return None

    # --- values

    def _covered(self, flow: Flow) -> Covered | None:
        """The strictest mask that has a part in a value."""
        found = [mask for key in flow.used if (mask := self._mask(key)) is not None]
        for key, aggregate in flow.aggregated:
            mask = self._mask(key)
            if mask is not None and self._aggregates.get(aggregate) not in mask.aggregates:
                found.append(mask)
        for oid in flow.functions & self.functions.keys():
            found += [covered.mask for covered in self.functions[oid].columns.values()]
        mask = self._strictest(found)
        if mask is not None:
            return Covered(mask, derived=True)
        mask = None if flow.origin is None else self._mask(flow.origin)
        return None if mask is None else Covered(mask, derived=flow.origin in self.derived)

    def _allowed(self, flow: Flow) -> set[Probed]:
        """Aggregates that a mask lets through tell something all the same."""
        return {
            Probed(mask, self.column(key), narrow=False)
            for key, aggregate in flow.aggregated
            if (mask := self._mask(key)) is not None and self._aggregates.get(aggregate) in mask.aggregates
        }

    def _probes(self, flow: Flow, *, narrow: bool) -> Iterator[Probed]:
        for key in flow.every:
            mask = self._mask(key)
            if mask is not None:
                yield Probed(mask, self.column(key), narrow)
        for oid in flow.functions & self.functions.keys():
            for covered in self.functions[oid].columns.values():
                yield Probed(covered.mask, f"{self.snapshot.functions[oid]}()", narrow)

    def _mask(self, key: ColumnKey) -> Mask | None:
        columns = self.masked.get(key[0])
        if not columns:
            return None
        return self._strictest(columns.values()) if key[1] == WHOLE_ROW else columns.get(key[1])

    def _strictest(self, masks: Iterable[Mask]) -> Mask | None:
        """One of several masks; a computed value is hidden whole under each, so the first in the file names it."""
        return min(masks, key=lambda mask: self._ranks[mask.name], default=None)

    def _rule(self, reads: Reads) -> Taint | None:
        """Why a write with this rule (of another command than SELECT) cannot be done."""
        if reads.opaque:
            return self._taint("a rule on it could not be read by the gateway")
        for key in sorted(reads.every):
            mask = self._mask(key)
            if mask is not None:
                return self._taint(f"a rule on it uses {self.column(key)}, which is masked", mask)
        refused = self._refusal(reads.calls, reads.relations)
        if refused is not None:
            return Taint(f"a rule on it cannot be used: {refused.reason}", refused.mask)
        for oid in sorted(reads.calls & self.functions.keys()):
            if not self.functions[oid].clear:
                return self._taint(f"a rule on it calls {self.snapshot.functions[oid]}, which reads masked columns")
        return None

    def column(self, key: ColumnKey) -> str:
        """A column's dotted name, for people."""
        relation = self.snapshot.relations.get(key[0])
        if relation is None:
            return "a column"
        names = {column.attnum: column.name for column in relation.columns}
        return f"{relation}.{names[key[1]]}" if key[1] in names else f"whole rows of {relation}"
