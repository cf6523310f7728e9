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


@frozen
class Relation:
    """A table, view, materialized view, foreign table, partitioned table, sequence, index or composite type (``kind``:
    relkind). A composite type is no relation that a statement could name.

    ``primary_key`` holds attribute numbers. Indexes have no ``columns``.
    """

    oid: int
    schema: str
    name: str
    kind: str
    persistence: str = "p"
    columns: tuple[ColumnInfo, ...] = field(default=(), repr=False)
    primary_key: tuple[int, ...] = ()

    @property
    def system(self) -> bool:
        return self.oid < FIRST_USER_OID

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@frozen
class Function:
    """A function that did not come with the server. ``extension`` is the one that owns it, or empty."""

    oid: int
    schema: str
    name: str
    language: str
    extension: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@frozen
class Reads:
    """What a rewrite rule reads (the query of a view is one).

    ``direct``: output position -> the column it shows unchanged. ``used``: columns read in any other way; attribute
    number WHOLE_ROW is all of them. ``functions`` are called. ``opaque``: the rule could not be read, it may use all.
    """

    direct: Mapping[int, ColumnKey] = field(factory=dict)
    used: frozenset[ColumnKey] = frozenset()
    functions: frozenset[int] = frozenset()
    opaque: bool = False

    @property
    def every(self) -> frozenset[ColumnKey]:
        return self.used.union(self.direct.values())


@frozen
class UserType:
    """A type that did not come with the server.

    ``kind``: ``text`` (text by another name, such as citext), ``enum`` (``label`` is its first), ``array`` or
    ``domain`` (of ``element``), or ``row`` (of ``relation``, a table or a composite type).
    """

    kind: str
    element: int = 0
    label: str = ""
    relation: int = 0


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
    builtins: frozenset[str] = frozenset()  # names of the functions that came with the server
    operators: Mapping[str, tuple[int, ...]] = field(factory=dict)  # name -> functions not in C behind it
    casts: Mapping[str, tuple[int, ...]] = field(factory=dict)  # name of a type -> functions not in C
    types: Mapping[int, UserType] = field(factory=dict)
    names: Mapping[str, tuple[Relation, ...]] = field(init=False, repr=False)
    function_names: Mapping[str, tuple[Function, ...]] = field(init=False, repr=False)

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
