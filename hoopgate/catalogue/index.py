"""Which columns of a snapshot the masks cover, where the masked values can come out, and which code is trusted.

A mask reaches further than its globs: to inheritance parents, children and partitions by the column's name, to
generated columns, to columns of a composite type (or of another table's rows) with a masked field, and to the columns
of views and materialized views that show a masked column unchanged. A view or rule that uses a masked column in any
other way is refused, unless a mask names that very view (no wildcard in the table's part of the glob): then its author
has said which of its columns to mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import define, field, frozen

from hoopgate.catalogue.globs import Selectors, matcher, names_table
from hoopgate.catalogue.server_values import SERVER_VALUES
from hoopgate.catalogue.snapshot import FIRST_USER_OID, WHOLE_ROW, ColumnKey, Function, Reads, Relation, Snapshot
from hoopgate.config.model import Mask

SAFE_EXTENSIONS: Final = frozenset(
    {
        "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn", "earthdistance", "fuzzystrmatch", "hll",
        "hstore", "intarray", "ip4r", "isn", "ltree", "pg_bigm", "pg_trgm", "pg_uuidv7", "pgcrypto", "seg", "semver",
        "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector",
    }
)  # fmt: skip
"""Extensions whose functions look at nothing but their arguments."""


@frozen
class Taint:
    """Why a relation cannot be used: ``mask`` names whose values would come out."""

    reason: str
    mask: str


@frozen(eq=False)
class MaskIndex:
    """A snapshot under one set of masks. ``masked``: relation -> attribute number -> mask.

    ``tainted`` relations may not be read, nor written those of ``write_tainted``.
    """

    snapshot: Snapshot
    masks: tuple[Mask, ...]
    masked: Mapping[int, Mapping[int, Mask]]
    tainted: Mapping[int, Taint]
    write_tainted: Mapping[int, Taint]
    selectors: Selectors = field(repr=False)
    _safe: frozenset[int] = frozenset()

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

    def unsafe_functions(self, name: str, schema: str | None = None) -> tuple[Function, ...]:
        """User functions of that name whose reads nobody vouches for."""
        return tuple(
            function
            for function in self.snapshot.function_names.get(name, ())
            if function.oid not in self._safe and schema in (None, function.schema)
        )

    def known_function(self, name: str) -> bool:
        return name in self.snapshot.builtins or name in self.snapshot.function_names

    def unsafe_operator(self, name: str) -> bool:
        return not self._safe.issuperset(self.snapshot.operators.get(name, ()))

    def unsafe_cast(self, type_name: str) -> bool:
        return not self._safe.issuperset(self.snapshot.casts.get(type_name, ()))


def compile_masks(snapshot: Snapshot, masks: Sequence[Mask], *, functions_safe: Sequence[str] = ()) -> MaskIndex:
    """Compile ``masks``, in the configuration's order; the first that fits a column is its mask.

    ``functions_safe`` are globs over ``schema.name`` of user functions that are known to read no masked column.
    Costs about a microsecond a column: keep the result as long as snapshot and masks are the same.
    """
    everything = (*masks, SERVER_VALUES) if masks else ()
    selectors = Selectors(everything)
    safe = _safe_functions(snapshot, functions_safe)
    work = _Propagation(snapshot, everything, safe, _by_globs(snapshot, selectors))
    work.run()
    return MaskIndex(
        snapshot=snapshot,
        masks=everything,
        masked=work.masked,
        tainted=work.tainted,
        write_tainted=work.write_tainted,
        selectors=selectors,
        safe=safe,
    )


def _safe_functions(snapshot: Snapshot, globs: Iterable[str]) -> frozenset[int]:
    listed = matcher(globs)
    return frozenset(
        function.oid
        for function in snapshot.functions.values()
        if function.extension in SAFE_EXTENSIONS or (listed is not None and listed.fullmatch(str(function)) is not None)
    )


def _by_globs(snapshot: Snapshot, selectors: Selectors) -> dict[int, dict[int, Mask]]:
    masked: dict[int, dict[int, Mask]] = {}
    for relation in snapshot.relations.values():
        for column in relation.columns:
            mask = selectors.mask(relation.schema, relation.name, column.name, system=relation.system)
            if mask is not None:
                masked.setdefault(relation.oid, {})[column.attnum] = mask
    return masked


@define(eq=False)
class _Propagation:
    """Carries masks along inheritance and views until nothing more changes."""

    snapshot: Snapshot
    masks: Sequence[Mask]
    safe: frozenset[int]
    masked: dict[int, dict[int, Mask]]
    tainted: dict[int, Taint] = field(factory=dict)
    write_tainted: dict[int, Taint] = field(factory=dict)

    def run(self) -> None:
        if not self.masks:
            return
        changed = True
        holders = self._holders()
        while changed:
            changed = False
            for holder, attnum, relation in holders:
                changed |= self._add(holder, {attnum: next(iter(self.masked.get(relation, {}).values()), None)})
            for parent, child in self.snapshot.inherits:
                changed |= self._by_name(parent, child) | self._by_name(child, parent)
            for relation, column, base in self.snapshot.generated:
                changed |= self._add(relation, {column: self.masked.get(relation, {}).get(base)})
            for view, reads in self.snapshot.views.items():
                changed |= self._through(view, reads)
        for relation, rules in self.snapshot.rules.items():
            for reads in rules:
                taint = self._taint(relation, "a rule on it", reads, reads.every)
                if taint is not None:
                    self.write_tainted[relation] = taint

    def _holders(self) -> list[tuple[int, int, int]]:
        """Columns that hold whole rows of a relation: their relation, attribute number, and the rows' relation."""
        return [
            (relation.oid, column.attnum, row)
            for relation in self.snapshot.relations.values()
            if not relation.system
            for column in relation.columns
            if column.type_oid >= FIRST_USER_OID and (row := self.snapshot.row_of(column.type_oid))
        ]

    def _by_name(self, origin: int, heir: int) -> bool:
        masks, source, sink = self.masked.get(origin), self._relation(origin), self._relation(heir)
        if not masks or source is None or sink is None:
            return False
        names = {column.name: masks[column.attnum] for column in source.columns if column.attnum in masks}
        return self._add(heir, {column.attnum: names.get(column.name) for column in sink.columns})

    def _add(self, relation: int, masks: Mapping[int, Mask | None]) -> bool:
        """Mask more columns; those that are masked already keep their own. Says if anything changed."""
        columns = self.masked.get(relation, {})
        more = {attnum: mask for attnum, mask in masks.items() if mask is not None and attnum not in columns}
        if more:
            self.masked[relation] = {**columns, **more}
        return bool(more)

    def _through(self, view: int, reads: Reads) -> bool:
        shown = {at: self.masked.get(relation, {}).get(attnum) for at, (relation, attnum) in reads.direct.items()}
        changed = self._add(view, shown)
        if view not in self.tainted and not self._vouched(view):
            taint = self._taint(view, "its definition", reads, reads.used)
            for relation, _ in reads.direct.values() if taint is None else ():
                taint = taint or self.tainted.get(relation)
            if taint is not None:
                self.tainted[view] = taint
                changed = True
        return changed

    def _taint(self, relation: int, what: str, reads: Reads, columns: Iterable[ColumnKey]) -> Taint | None:
        if reads.opaque:
            return Taint(f"{what} could not be read by the gateway", self.masks[0].name)
        for oid, attnum in columns:
            found = self.masked.get(oid, {})
            mask = next(iter(found.values()), None) if attnum == WHOLE_ROW else found.get(attnum)
            if mask is not None:
                return Taint(f"{what} uses {self._column(oid, attnum)}, which is masked", mask.name)
            if oid in self.tainted and oid != relation:
                return self.tainted[oid]
        for function in sorted(reads.functions - self.safe):
            name = self.snapshot.functions.get(function, "a function")
            return Taint(f"{what} calls {name}, whose reads the gateway cannot see", self.masks[0].name)
        return None

    def _column(self, oid: int, attnum: int) -> str:
        relation = self._relation(oid)
        if relation is None:
            return "a column"
        names = {column.attnum: column.name for column in relation.columns}
        return f"{relation}.{names[attnum]}" if attnum in names else f"whole rows of {relation}"

    def _vouched(self, view: int) -> bool:
        relation = self._relation(view)
        return relation is not None and any(
            names_table(glob, relation.schema, relation.name) for mask in self.masks for glob in mask.columns
        )

    def _relation(self, oid: int) -> Relation | None:
        return self.snapshot.relations.get(oid)
