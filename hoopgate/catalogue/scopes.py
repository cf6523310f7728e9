"""What the names and numbers in definitions refer to, in one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import frozen

from hoopgate.catalogue.globs import names_table
from hoopgate.catalogue.server_code import does_more
from hoopgate.catalogue.snapshot import Function, Mentions, Reads, Snapshot
from hoopgate.config.model import Mask


@frozen
class Scope:
    """What a body in SQL may reach. ``unqualified``: names that may be the caller's temporary relations."""

    relations: frozenset[int] = frozenset()
    functions: frozenset[int] = frozenset()
    unqualified: frozenset[str] = frozenset()
    problem: str = ""


class Bodies:
    """The readable functions among those that nobody vouches for (``unsafe``, by oid)."""

    def __init__(self, snapshot: Snapshot, unsafe: Collection[int]) -> None:
        self._snapshot = snapshot
        self._unsafe = unsafe
        self._scopes: dict[int, Scope] = {}
        self.followed = [(oid, body) for oid, body in snapshot.bodies.items() if oid in unsafe]

    def reads_of(self, oid: int, body: Reads | Mentions) -> tuple[frozenset[int], frozenset[int]]:
        """The relations and functions of a body that was looked at before."""
        if isinstance(body, Mentions):
            scope = self._scopes[oid]
            return scope.relations, scope.functions
        return body.relations, body.calls

    def scope(self, function: Function, body: Mentions) -> Scope:
        """Where the names in this body lead: for those without a schema, anywhere on the function's own search_path,
        and without one of its own anywhere at all, since the caller chooses."""
        known = self._scopes.get(function.oid)
        if known is None:
            known = self._scopes[function.oid] = self._resolved(function, body)
        return known

    def _resolved(self, function: Function, body: Mentions) -> Scope:
        if body.problem:
            return Scope(problem=body.problem)
        if function.lexical:
            return Scope(problem="it sets how its own text is to be read")
        relations: set[int] = set()
        for schema, name in body.relations:
            found = [
                each.oid for each in self._snapshot.names.get(name, ()) if self._within(schema, each.schema, function)
            ]
            if not found and not (schema is None and name in body.local):
                return Scope(problem=f"it reads {name}, which the gateway has not seen")
            relations.update(found)
        for _, name in body.functions:
            if does_more(name):
                return Scope(problem=f"it calls {name}(), which does more than compute")
        unqualified = frozenset(name for schema, name in body.relations if schema in (None, "pg_temp"))
        return Scope(frozenset(relations), frozenset(self._code(function, body)), unqualified)

    def _code(self, function: Function, body: Mentions) -> Iterator[int]:
        for schema, name in body.functions:
            for each in self._snapshot.function_names.get(name, ()):
                if each.oid in self._unsafe and self._within(schema, each.schema, function):
                    yield each.oid
        for operator in body.operators:
            yield from self._unsafe_among(self._snapshot.operators.get(operator, ()))
        for type_name in body.types:
            yield from self._unsafe_among(self._snapshot.casts.get(type_name, ()))

    def _unsafe_among(self, functions: Sequence[int]) -> list[int]:
        return [oid for oid in functions if oid in self._unsafe]

    @staticmethod
    def _within(wanted: str | None, schema: str, function: Function) -> bool:
        if wanted == "pg_temp":
            return schema.startswith("pg_temp")
        if wanted is not None:
            return schema == wanted
        return function.path is None or schema in function.path or schema.startswith("pg_")


def in_order(views: Mapping[int, Reads]) -> list[tuple[int, Reads]]:
    """Views behind those that they read, as far as there is such an order."""
    ordered: dict[int, Reads] = {}
    entered: set[int] = set()
    for first in views:
        stack = [(first, False)]
        while stack:
            oid, left = stack.pop()
            if left:
                ordered[oid] = views[oid]
            elif oid in views and oid not in entered:
                entered.add(oid)
                stack.append((oid, True))
                stack += [(inner, False) for inner in views[oid].relations]
    return list(ordered.items())


def holders_of(snapshot: Snapshot) -> list[tuple[int, int, int]]:
    """Columns that hold whole rows of a relation: their relation, attribute number, and the rows' relation."""
    return [
        (relation.oid, column.attnum, row)
        for relation in snapshot.relations.values()
        for column in relation.of_users_types
        if (row := snapshot.row_of(column.type_oid))
    ]


def vouched(snapshot: Snapshot, masks: Sequence[Mask]) -> frozenset[int]:
    """Views that a glob names without a wildcard in the table's part: their authors have said what to mask."""
    exact = {glob.split(".")[1].lower() for mask in masks for glob in mask.columns if glob.count(".") == 2}
    globs = [glob for mask in masks for glob in mask.columns]
    found = (snapshot.relations.get(oid) for oid in snapshot.views)
    return frozenset(
        view.oid
        for view in found
        if view is not None
        and view.name.lower() in exact
        and any(names_table(glob, view.schema, view.name) for glob in globs)
    )
