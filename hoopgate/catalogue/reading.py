"""Reading a target's catalogue: at first all of it, later what has another version, in portions that delay nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, inlineCallbacks

from hoopgate.catalogue.bodies import mentions
from hoopgate.catalogue.definitions import reads
from hoopgate.catalogue.queries import (
    BUILTINS,
    OTHERS,
    VERSIONS,
    Row,
    bodies_query,
    functions_query,
    relations_query,
    rules_query,
    types_query,
)
from hoopgate.catalogue.snapshot import Function, Mentions, Reads, Relation, Snapshot, UserType
from hoopgate.catalogue.state import Others, builtins_of, function_of, relation_of, type_of
from hoopgate.config.limits import Limits
from hoopgate.errors import LimitError

Query = Callable[[str], "Deferred[list[Row]]"]
Step = Generator[Deferred[Any], Any, Any]
Thing = TypeVar("Thing")
_UNREAD: Final = Mentions(problem="its text could not be read")


@define(eq=False)
class Kept(Generic[Thing]):
    """Things by oid, each with the version in which it was read."""

    things: dict[int, Thing] = field(factory=dict)
    _versions: dict[int, str] = field(factory=dict)

    def missing(self, wanted: dict[int, str]) -> list[int]:
        """Drop what is gone, and say what is to be read."""
        if any(oid not in wanted for oid in self.things):
            self.things = {oid: thing for oid, thing in self.things.items() if oid in wanted}
        versions = self._versions
        return [oid for oid, version in wanted.items() if oid not in self.things or versions.get(oid) != version]

    def put(self, oid: int, version: str, thing: Thing) -> None:
        self.things[oid] = thing
        self._versions[oid] = version

    def clear(self) -> None:
        self.things.clear()
        self._versions.clear()


class Reading:
    """What is known of one database. ``breathe`` gives a Deferred that fires when others have had their turn."""

    def __init__(self, query: Query, limits: Limits, breathe: Callable[[], Deferred[None]]) -> None:
        self._query = query
        self._limits = limits
        self._breathe = breathe
        self._relations: Kept[Relation] = Kept()
        self._types: Kept[UserType] = Kept()
        self._functions: Kept[Function] = Kept()
        self._rules: Kept[Reads] = Kept()
        self._bodies: Kept[Reads | Mentions] = Kept()
        self._builtins: dict[str, tuple[Function, ...]] = {}
        self._others = Others()

    @inlineCallbacks
    def snapshot(self, serial: int, fingerprint: str) -> Step:
        """Read what changed; fires with a Snapshot. Fails with LimitError, or as the query does."""
        wanted, places = _sorted((yield self._query(VERSIONS)))
        others = Others((yield self._query(OTHERS)))
        if others.renames(self._others):
            self._relations.clear()
            self._types.clear()
        self._others = others
        self._bound(wanted)
        if not self._builtins:
            self._builtins = builtins_of((yield self._query(BUILTINS)))
        longest = self._limits.catalogue_definition
        yield self._fill(self._relations, wanted["relation"], relations_query, 200, self._relation)
        yield self._fill(self._types, wanted["type"], types_query, 1000, lambda row: type_of(json.loads(row[1] or "")))
        yield self._fill(
            self._functions, wanted["function"], functions_query, 500, lambda row: function_of(json.loads(row[1] or ""))
        )
        yield self._fill(self._rules, wanted["rule"], lambda oids: rules_query(oids, longest), 10, self._rule)
        texts = {oid: wanted["function"][oid] for oid, each in self._functions.things.items() if each.language == "sql"}
        yield self._fill(self._bodies, texts, lambda oids: bodies_query(oids, longest), 50, self._body)
        return self._made(serial, fingerprint, places)

    @inlineCallbacks
    def _fill(
        self,
        kept: Kept[Any],
        wanted: dict[int, str],
        question: Callable[[Iterable[int]], str],
        portion: int,
        make: Callable[[Row], Any],
    ) -> Step:
        """Read what is missing in portions. What has gone meanwhile is left out: the next check finds that."""
        missing = kept.missing(wanted)
        for start in range(0, len(missing), portion):
            rows = yield self._query(question(missing[start : start + portion]))
            for row in rows:
                oid = int(row[0] or 0)
                kept.put(oid, wanted[oid], make(row))
            yield self._breathe()

    def _relation(self, row: Row) -> Relation:
        return relation_of(json.loads(row[1] or ""), self._others)

    def _rule(self, row: Row) -> Reads:
        oid, action, condition = row
        return reads(action or "", self._called(oid), condition or "")

    def _body(self, row: Row) -> Reads | Mentions:
        oid, source, tree = row
        if tree is not None:
            return reads(tree, self._called(oid))
        return mentions(source) if source is not None else Mentions(problem="its text is too long")

    def _called(self, oid: str | None) -> frozenset[int]:
        return frozenset(self._others.calls.get(int(oid or 0), ()))

    def _bound(self, wanted: dict[str, dict[int, str]]) -> None:
        """Refuse a catalogue beyond the limits, before it is read."""
        limits, relations = self._limits, wanted["relation"]
        columns = sum(map(_columns, relations.values()))
        definitions = len(wanted["rule"]) + len(wanted["function"])
        for what, count, most in (
            ("relations", len(relations), limits.catalogue_relations),
            ("columns", columns, limits.catalogue_columns),
            ("definitions", definitions, limits.catalogue_definitions),
        ):
            if count > most:
                raise LimitError(f"the target's catalogue has {count} {what}", limit=f"limits.catalogue_{what}")

    def _made(self, serial: int, fingerprint: str, places: dict[int, tuple[int, str]]) -> Snapshot:
        """Join all of it; a rule or text that could not be read is opaque."""
        views: dict[int, Reads] = {}
        rules: dict[int, tuple[Reads, ...]] = {}
        for oid, (relation, command) in places.items():
            read = self._rules.things.get(oid, Reads(opaque=True))
            if command == "1":  # CMD_SELECT: the query of a view
                views[relation] = read
            else:
                rules[relation] = (*rules.get(relation, ()), read)
        others, functions = self._others, dict(self._functions.things)
        texts = (oid for oid, function in functions.items() if function.language == "sql")
        return Snapshot(
            serial=serial,
            fingerprint=fingerprint,
            relations=dict(self._relations.things),
            inherits=tuple(others.inherits),
            generated=tuple(others.generated),
            views=views,
            rules=rules,
            functions=functions,
            bodies={**others.aggregates, **{oid: self._bodies.things.get(oid, _UNREAD) for oid in texts}},
            builtins=self._builtins,
            operators=others.operators,
            casts=others.casts,
            types=dict(self._types.things),
        )


def _sorted(rows: Iterable[Row]) -> tuple[dict[str, dict[int, str]], dict[int, tuple[int, str]]]:
    """Versions by kind and oid; of each rule its relation and command."""
    wanted: dict[str, dict[int, str]] = {"relation": {}, "type": {}, "function": {}, "rule": {}}
    places: dict[int, tuple[int, str]] = {}
    for what, oid, version, rest in rows:
        number = int(oid or 0)
        wanted[what or ""][number] = version or ""
        if rest is not None:
            relation, _, command = rest.partition(":")
            places[number] = (int(relation), command)
    return wanted, places


def _columns(version: str) -> int:
    """How many columns a relation has, by its version."""
    parts = version.split(":")
    return int(parts[2]) if len(parts) > 3 else 0
