"""Which columns of a snapshot the masks cover, what views and functions make of them, and what code is.

What a mask reaches beyond its globs: :mod:`hoopgate.catalogue.propagation`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Final

from attrs import evolve, field, frozen

from hoopgate.catalogue.exposure import NOTHING, Covered, Exposed, Taint
from hoopgate.catalogue.globs import Selectors, matcher
from hoopgate.catalogue.propagation import Propagation
from hoopgate.catalogue.server_values import server_masks
from hoopgate.catalogue.snapshot import WHOLE_ROW, ColumnKey, Function, Relation, Snapshot
from hoopgate.config.model import Mask

SAFE_EXTENSIONS: Final = frozenset(
    {
        "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn", "earthdistance", "fuzzystrmatch", "hll",
        "hstore", "intarray", "ip4r", "isn", "ltree", "pg_bigm", "pg_trgm", "pg_uuidv7", "pgcrypto", "seg", "semver",
        "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector",
    }
)  # fmt: skip
"""Extensions whose functions look at nothing but their arguments."""


_VOLATILITIES: Final = "isv"  # provolatile, from the least to the most


@frozen(eq=False)
class MaskIndex:
    """A snapshot under one set of masks.

    ``masked``: relation -> attribute number -> mask, of views too; ``derived``: those among them that are computed.
    ``refused``: relations that may not be read at all; ``write_tainted`` may not be written.
    """

    snapshot: Snapshot
    masks: tuple[Mask, ...]
    masked: Mapping[int, Mapping[int, Mask]]
    derived: frozenset[ColumnKey]
    refused: Mapping[int, Taint]
    write_tainted: Mapping[int, Taint]
    selectors: Selectors = field(repr=False)
    by_globs: Mapping[int, tuple[Relation, dict[int, Mask]]] = field(factory=dict, repr=False)
    """What globs alone cover, by relation."""
    _views: Mapping[int, Exposed] = field(factory=dict, repr=False)
    _functions: Mapping[int, Exposed] = field(factory=dict, repr=False)

    # --- relations

    def outputs_of(self, oid: int) -> Exposed:
        """What a read of this relation exposes: its masked columns by attribute number, derived or not, and what the
        definition of a view tells by its own conditions. ``refused`` if it must not be read."""
        view = self._views.get(oid, NOTHING)
        columns = {
            attnum: Covered(mask, derived=(oid, attnum) in self.derived)
            for attnum, mask in self.masked.get(oid, {}).items()
        }
        return evolve(view, columns=columns) if columns or view.columns else view

    def covered(self, table_oid: int, attnum: int) -> Covered | None:
        """The mask of a column by a result's origin, and whether its value was computed; WHOLE_ROW is."""
        mask = self.mask_of(table_oid, attnum)
        return None if mask is None else Covered(mask, attnum == WHOLE_ROW or (table_oid, attnum) in self.derived)

    def mask_of(self, table_oid: int, attnum: int) -> Mask | None:
        """The mask of a result's column by its origin; of a whole row, any mask of its relation."""
        columns = self.masked.get(table_oid)
        if not columns:
            return None
        if attnum == WHOLE_ROW:
            return next(iter(columns.values()))
        return columns.get(attnum)

    def knows(self, table_oid: int, attnum: int) -> bool:
        """Whether the snapshot has this column. Positions below 1 are the row itself and the system's columns."""
        relation = self.snapshot.relations.get(table_oid)
        if relation is None:
            return False
        return attnum <= WHOLE_ROW or any(column.attnum == attnum for column in relation.columns)

    def relations(self, schema: str | None, name: str) -> tuple[Relation, ...]:
        """All that the name may mean: without a schema a relation of that name in any, whatever the search_path."""
        found = self.snapshot.names.get(name, ())
        if schema is None:
            return found
        if schema == "pg_temp":
            return tuple(relation for relation in found if relation.schema.startswith("pg_temp_"))
        return tuple(relation for relation in found if relation.schema == schema)

    def known_function(self, name: str) -> bool:
        return name in self.snapshot.builtins or name in self.snapshot.function_names

    # --- code

    def functions(self, name: str, schema: str | None = None) -> tuple[Function, ...]:
        """All functions, procedures and aggregates that the name may mean, the server's own first; without a schema
        those of any, whatever the search_path. Several with other arguments may have one name."""
        found = (*self.snapshot.builtins.get(name, ()), *self.snapshot.function_names.get(name, ()))
        if schema is None:
            return found
        if schema == "pg_temp":
            return tuple(each for each in found if each.schema.startswith("pg_temp_"))
        return tuple(each for each in found if each.schema == schema)

    def function(self, oid: int) -> Exposed:
        """What a call of this function exposes by itself, whatever its arguments are.

        For functions in SQL that is told from their text or tree; ``refused`` for what cannot be read. Nothing for the
        server's own (of which :mod:`hoopgate.catalogue.server_code` lists those that do more than compute), for those
        of extensions that look at nothing but their arguments, and for those in ``functions_safe``.
        """
        return self._functions.get(oid, NOTHING)

    def volatility(self, name: str, schema: str | None = None) -> str:
        """``i`` (immutable), ``s`` (stable) or ``v``: the most volatile function that the name may mean. ``v`` if there
        is none."""
        ranks = (_VOLATILITIES.find(each.volatility) for each in self.functions(name, schema))
        return _VOLATILITIES[max(ranks, default=-1)]

    def kinds(self, name: str, schema: str | None = None) -> frozenset[str]:
        """What the name may be: ``f`` function, ``p`` procedure, ``a`` aggregate, ``w`` window function."""
        return frozenset(each.kind for each in self.functions(name, schema))

    def returns_set(self, name: str, schema: str | None = None) -> bool:
        """Whether a call of the name may make rows."""
        return any(each.returns_set for each in self.functions(name, schema))

    def unsafe_operator(self, name: str) -> bool:
        return not all(self.function(oid).clear for oid in self.snapshot.operators.get(name, ()))

    def unsafe_cast(self, type_name: str) -> bool:
        return not all(self.function(oid).clear for oid in self.snapshot.casts.get(type_name, ()))


def compile_masks(snapshot: Snapshot, masks: Sequence[Mask], *, functions_safe: Sequence[str] = ()) -> MaskIndex:
    """Compile ``masks``, in the configuration's order; the first that fits a column is its mask.

    ``functions_safe`` are globs over ``schema.name`` of user functions that are known to read no masked column.
    Costs about a microsecond a column: keep the result as long as snapshot and masks are the same.
    """
    steps = compiling(snapshot, masks, functions_safe=functions_safe)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            made: MaskIndex = stop.value
            return made


def compiling(
    snapshot: Snapshot,
    masks: Sequence[Mask],
    *,
    functions_safe: Sequence[str] = (),
    before: MaskIndex | None = None,
) -> Generator[None, None, MaskIndex]:
    """The same step by step, of a millisecond or so each. ``before``: an index of an older snapshot under the same
    masks; what globs cover in relations that have not changed is taken from it."""
    everything = (*masks, *server_masks(masks))
    selectors = Selectors(everything)
    by_globs: dict[int, tuple[Relation, dict[int, Mask]]] = {}
    old = before.by_globs if before is not None else {}
    for count, (oid, relation) in enumerate(snapshot.relations.items()):
        known = old.get(oid)
        if known is None or known[0] is not relation:
            known = (relation, selectors.masks(relation))
        by_globs[oid] = known
        if count % 200 == 0:
            yield
    work = Propagation(
        snapshot,
        everything,
        _safe_functions(snapshot, functions_safe),
        {oid: dict(masked) for oid, (_, masked) in by_globs.items() if masked},
    )
    yield from work.steps()
    refused = {oid: view.refused for oid, view in work.views.items() if view.refused is not None}
    return MaskIndex(
        snapshot=snapshot,
        masks=everything,
        masked={oid: columns for oid, columns in work.masked.items() if columns},
        derived=frozenset(work.derived),
        refused=refused,
        write_tainted=work.write_tainted,
        selectors=selectors,
        by_globs=by_globs,
        views=work.views,
        functions=work.functions,
    )


def _safe_functions(snapshot: Snapshot, globs: Iterable[str]) -> frozenset[int]:
    listed = matcher(globs)
    return frozenset(
        function.oid
        for function in snapshot.functions.values()
        if function.extension in SAFE_EXTENSIONS or (listed is not None and listed.fullmatch(str(function)) is not None)
    )
