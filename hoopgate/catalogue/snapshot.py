"""A target's catalogue at one moment, as immutable values. Names are PostgreSQL's: folded, unquoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

FIRST_USER_OID: Final = 16384
"""Objects with smaller ids came with the server (PostgreSQL source, ``access/transam.h``: FirstNormalObjectId)."""

WHOLE_ROW: Final = 0
"""The attribute number of a reference to all columns at once."""

ColumnKey = tuple[int, int]  # relation's oid, attribute number


@frozen
class ColumnInfo:
    attnum: int
    name: str
    type_oid: int
    generated: bool = False  # COPY leaves these out
    type_name: str = ""
    """The type as SQL names it, with modifiers, its schema and quotes where needed; empty if it was not asked for."""
    collation: str = ""
    """Its name with schema, quoted, where it is not the type's own."""


@frozen
class Relation:
    """A table, view, materialized view, foreign table, partitioned table, sequence, index or composite type (``kind``:
    relkind). A composite type is no relation that a statement could name. ``child``: it shows its rows through another
    (told only of what a session sees; see :attr:`Snapshot.inherits`).

    ``primary_key`` holds attribute numbers. Indexes have no ``columns``. ``secured``: it has row security,
    whose policies run whatever they hold behind each look at it.
    """

    oid: int
    schema: str
    name: str
    kind: str
    persistence: str = "p"
    columns: tuple[ColumnInfo, ...] = field(default=(), repr=False)
    primary_key: tuple[int, ...] = ()
    secured: bool = False
    child: bool = False

    of_users_types: tuple[ColumnInfo, ...] = field(init=False, repr=False, eq=False)

    @of_users_types.default
    def _of_users_types(self) -> tuple[ColumnInfo, ...]:
        if self.system:
            return ()
        return tuple([column for column in self.columns if column.type_oid >= FIRST_USER_OID])

    @property
    def system(self) -> bool:
        return self.oid < FIRST_USER_OID

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@frozen
class Function:
    """A function, procedure, aggregate or window function. Those that came with the server have ids below 16384.

    ``extension`` is the one that owns it, or empty. ``kind``: prokind (``f``, ``p``, ``a``, ``w``); ``volatility``:
    provolatile (``i``, ``s``, ``v``). ``returns``: the result's type. ``parameters``: names of the arguments, "" for
    those without; ``columns``: of OUT parameters or RETURNS TABLE. ``path``: the schemas of its own ``SET
    search_path``, None where it runs under the caller's (or one that depends on the caller).
    """

    oid: int
    schema: str
    name: str
    language: str
    extension: str = ""
    kind: str = "f"
    volatility: str = "v"
    returns_set: bool = False
    returns: int = 0
    definer: bool = False
    parameters: tuple[str, ...] = ()
    columns: tuple[ColumnInfo, ...] = ()
    path: tuple[str, ...] | None = None
    lexical: bool = False  # it sets how its own text is to be read

    @property
    def system(self) -> bool:
        return self.oid < FIRST_USER_OID

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@frozen
class Mentions:
    """What the text of a function in SQL may reach, by names alone.

    ``relations``: schema (None: unqualified) and name; ``local``: those of WITH. ``columns``: every word that could
    name a column, None for all of them. ``problem``: why it cannot be told.
    """

    relations: frozenset[tuple[str | None, str]] = frozenset()
    local: frozenset[str] = frozenset()
    columns: frozenset[str] | None = frozenset()
    functions: frozenset[tuple[str | None, str]] = frozenset()
    operators: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    writes: bool = False
    problem: str = ""


@frozen
class Flow:
    """Of what a value, or a choice of rows, is made.

    ``origin``: the column that it shows unchanged. ``used``: columns that went into it (attribute number WHOLE_ROW is
    all of them). ``aggregated``: columns that only an aggregate's result tells of, with that aggregate's oid.
    ``functions`` were called for it, the server's own included.
    """

    origin: ColumnKey | None = None
    used: frozenset[ColumnKey] = frozenset()
    aggregated: frozenset[tuple[ColumnKey, int]] = frozenset()
    functions: frozenset[int] = frozenset()

    @property
    def every(self) -> frozenset[ColumnKey]:
        found = self.used.union(key for key, _ in self.aggregated)
        return found if self.origin is None else found | {self.origin}


@frozen
class Reads:
    """What a rewrite rule reads (the query of a view is one), or a function's body.

    ``outputs``: by position. ``narrow``: its conditions, joins and groups, which are the author's and ask the same each
    time; ``wide``: its order. ``functions``: users' functions that it depends on. ``writes``: it is no mere SELECT.
    ``opaque``: it could not be read, and may use all.
    """

    outputs: Mapping[int, Flow] = field(factory=dict)
    narrow: Flow = field(factory=Flow)
    wide: Flow = field(factory=Flow)
    functions: frozenset[int] = frozenset()
    writes: bool = False
    opaque: bool = False
    tables: frozenset[int] = frozenset()  # relations that stand in it, of whose columns it may use none

    every: frozenset[ColumnKey] = field(init=False, repr=False, eq=False)  # all columns that it reads
    relations: frozenset[int] = field(init=False, repr=False, eq=False)  # all relations
    calls: frozenset[int] = field(init=False, repr=False, eq=False)  # all functions

    @every.default
    def _every(self) -> frozenset[ColumnKey]:
        return frozenset().union(*(flow.every for flow in self._flows()))

    @relations.default
    def _relations(self) -> frozenset[int]:
        return self.tables.union([oid for oid, _ in self.every])

    @calls.default
    def _calls(self) -> frozenset[int]:
        return self.functions.union(*(flow.functions for flow in self._flows()))

    def _flows(self) -> tuple[Flow, ...]:
        return (self.narrow, self.wide, *self.outputs.values())


@frozen
class UserType:
    """A type that did not come with the server.

    ``kind``: ``text`` (text by another name, such as citext), ``enum`` (``label`` is its first), ``array`` or
    ``domain`` (of ``element``, whose name with modifiers is ``base_name``), or ``row`` (of ``relation``, a table or a
    composite type).
    """

    kind: str
    element: int = 0
    label: str = ""
    relation: int = 0
    base_name: str = ""


@frozen(eq=False)
class Snapshot:
    """All of it. ``serial`` grows with every snapshot of one catalogue; ``fingerprint`` changes with any DDL."""

    serial: int
    fingerprint: str
    relations: Mapping[int, Relation]
    inherits: tuple[tuple[int, int], ...] = ()  # parent, child: also partitions
    generated: tuple[tuple[int, int, int], ...] = ()  # relation, generated column, column it is computed from
    views: Mapping[int, Reads] = field(factory=dict)  # by the view's oid
    rules: Mapping[int, tuple[Reads, ...]] = field(factory=dict)  # of other commands than SELECT, by relation
    functions: Mapping[int, Function] = field(factory=dict)
    bodies: Mapping[int, Reads | Mentions] = field(factory=dict)  # of users' functions in SQL, by their oid
    builtins: Mapping[str, tuple[Function, ...]] = field(factory=dict)  # functions that came with the server
    operators: Mapping[str, tuple[int, ...]] = field(factory=dict)  # name -> functions not in C behind it
    casts: Mapping[str, tuple[int, ...]] = field(factory=dict)  # name of a type -> functions not in C
    types: Mapping[int, UserType] = field(factory=dict)
    children: frozenset[int] = field(init=False, repr=False)  # of others
    secured: frozenset[int] = field(init=False, repr=False)  # relations with row security, and views that read such
    names: Mapping[str, tuple[Relation, ...]] = field(init=False, repr=False)
    function_names: Mapping[str, tuple[Function, ...]] = field(init=False, repr=False)

    @children.default
    def _children(self) -> frozenset[int]:
        return frozenset(child for _, child in self.inherits)

    @secured.default
    def _secured(self) -> frozenset[int]:
        found = {relation.oid for relation in self.relations.values() if relation.secured}
        more = found
        while more:
            more = {
                view for view, reads in self.views.items() if view not in found and not more.isdisjoint(reads.relations)
            }
            found |= more
        return frozenset(found)

    @names.default
    def _names(self) -> Mapping[str, tuple[Relation, ...]]:
        found: dict[str, tuple[Relation, ...]] = {}
        for relation in self.relations.values():
            if relation.kind != "c":
                found[relation.name] = (*found.get(relation.name, ()), relation)
        return found

    def row_of(self, type_oid: int) -> int:
        """The relation of whose rows values of this type are made (also as an array or a domain), or 0."""
        found = self.types.get(type_oid)
        while found is not None and found.kind in ("array", "domain"):
            found = self.types.get(found.element)
        return 0 if found is None else found.relation

    @function_names.default
    def _function_names(self) -> Mapping[str, tuple[Function, ...]]:
        found: dict[str, tuple[Function, ...]] = {}
        for function in self.functions.values():
            found[function.name] = (*found.get(function.name, ()), function)
        return found
