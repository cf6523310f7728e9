"""Which relation a name in a statement means, with its masks, as the server would resolve it at that moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, field, frozen

from hoopgate.catalogue.exposure import Probed
from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.server_values import STATISTICS
from hoopgate.catalogue.snapshot import FIRST_USER_OID, ColumnInfo, Relation
from hoopgate.config.model import Mask
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.results import RelationName
from hoopgate.policy.lineage.scope import Item
from hoopgate.policy.lineage.values import Column, Taint, Value, either

UNSEEN: Final = Mask(name="unseen-relation", columns=("*",), kind="fixed", inference=0)
"""Covers every column of a relation that nobody can see."""

HINT: Final = "Select masked columns as they are, or leave them out."
_TEMPORARY: Final = "pg_temp_"
_VIEWS: Final = "vm"


@frozen(eq=False)
class Source:
    """One relation that a name may mean. ``hidden``: unseen, so that every column is masked.

    ``derived``: columns of a view that are computed with masked ones; ``probes``: what its own conditions tell.
    ``child``: its rows show through another relation. ``uncertain``: columns that are masked by their names of now
    alone, while values in them may show elsewhere, which the catalogue will know when the transaction is at its end.
    """

    label: str
    oid: int = 0
    schema: str = ""
    name: str = ""
    columns: tuple[ColumnInfo, ...] = ()
    masked: Mapping[str, Mask] = field(factory=dict)
    hidden: bool = False
    temporary: bool = False
    primary_key: tuple[int, ...] = ()
    derived: frozenset[str] = frozenset()
    probes: tuple[Probed, ...] = ()
    child: bool = False
    uncertain: frozenset[str] = frozenset()

    def mask_of(self, column: str) -> Mask | None:
        return UNSEEN if self.hidden else self.masked.get(column)

    @property
    def any_mask(self) -> Mask | None:
        return UNSEEN if self.hidden else next(iter(self.masked.values()), None)

    @property
    def taint(self) -> Taint | None:
        mask = self.any_mask
        return None if mask is None else Taint(mask, self.label)

    def value(self, column: ColumnInfo, *, masked_form: bool = False) -> Value:
        """A column's value; in the ``masked_form`` masks of reading "source" are applied already."""
        mask = self.masked.get(column.name)
        origin = (self.oid, column.attnum) if self.oid else None
        if mask is None or (masked_form and mask.reading == "source"):
            return Value(plain=True, origin=origin if mask is None else None, type_oid=column.type_oid, shown=mask)
        taint = Taint(mask, f'"{column.name}" of {self.label}')
        return Value((taint,), column.name not in self.derived, origin, (), column.type_oid)

    @property
    def read_masked(self) -> bool:
        """Whether it is to be read through its masked form."""
        return any(mask.reading == "source" for mask in self.masked.values())


class Relations:
    """Resolves names against the catalogue and what the session itself sees.

    ``session`` maps a name to the relation that the client's session sees under it, or None for no such relation.
    ``path`` is the search_path, ``own`` the masked values in the session's temporary relations. Names that cannot be
    told are collected in ``missing``, names of masks met in ``met``, all masks of relations met in ``reached``.
    """

    def __init__(
        self,
        index: MaskIndex,
        path: tuple[str, ...] | None,
        session: Mapping[RelationName, Relation | None],
        own: Mapping[str, Mapping[str, Mask]],
    ) -> None:
        self.index = index
        self.path = path
        self.missing: set[RelationName] = set()
        self.met: set[str] = set()
        self.reached: dict[str, Mask] = {}
        self.secured = False  # policies of row security run, whose errors may quote what they read
        self.named: set[RelationName] = set()
        self.statistics = False  # the server's own of columns, that tell of masked ones how long and how many alike
        self.settled = True
        self.believed: set[RelationName] = set()
        self._session = session
        self._own = {name: dict(columns) for name, columns in own.items()}
        self._defined: dict[str, Source] = {}

    def unsettle(self) -> None:
        """What follows in the message may see other relations under the same names: all of them count."""
        self.settled = False

    def define(self, source: Source) -> None:
        """A statement of this message makes a relation."""
        self._defined[source.name] = source

    @property
    def own(self) -> Mapping[str, Mapping[str, Mask]]:
        """Masked values in the session's temporary relations, as of now."""
        return self._own

    def meant(self) -> Sequence[str] | None:
        """The schemas in which a name is looked for now; None if that is not known."""
        return self.path if self.settled else None

    def move(self, relation: str, columns: Mapping[str, Mask]) -> None:
        """Masked values come to stand in a temporary relation."""
        self._own.setdefault(relation, {}).update(columns)

    def find(self, range_var: Mapping[str, Any], *, write: bool = False) -> tuple[Source, ...]:
        """All relations that may be meant, mostly one. Raises Refusal for those that must not be read (or written)."""
        key = name_of(range_var)
        if key[1].startswith("pg_toast_"):
            raise refuse("TOAST tables hold stored values, and masks are in force", "server-values")
        if write and key[1] == "pg_settings":
            raise refuse("settings are changed by SET, not by UPDATE, while masks are in force", "server-values")
        if not write:
            self.named.add(key)
        found = self._meant(key)
        for source in found:
            self._check(source, write=write)
        if not found:
            if key not in self._session:
                self.missing.add(key)
            found = (Source(dotted(key), name=key[1], hidden=True),)
        self.secured |= any(source.oid in self.index.snapshot.secured for source in found)
        self.met.update(mask.name for source in found if (mask := source.any_mask) is not None)
        self.met.update(probed.mask.name for source in found for probed in source.probes)
        self.statistics |= any(0 < source.oid < FIRST_USER_OID and source.name in STATISTICS for source in found)
        for source in found:
            self.reached.update({mask.name: mask for mask in source.masked.values()})
        return found

    def doubt(self) -> bool:
        """A name is not found in what is known: ask about all that the catalogue told. False if nobody knows more."""
        self.missing |= self.believed
        return bool(self.believed) or not self.settled

    def _meant(self, key: RelationName) -> tuple[Source, ...]:
        made = self._defined.get(key[1])
        seen = self._session.get(key)
        if self.settled and made is None and key in self._session:
            return () if seen is None else (self._source(seen),)
        every = self.index.relations(*key)
        if not self.settled or made is not None:
            found = {relation.oid: relation for relation in (*every, *([seen] if seen is not None else []))}
            sources = tuple(self._source(relation) for relation in found.values())
            if made is None:
                return sources
            return (evolve(made, masked={**self._own.get(made.name, {}), **made.masked}), *sources)
        self.believed.add(key)
        meant, sure = self._by_path(every) if key[0] is None else (every, not _temporary(every))
        if not sure or len(meant) > 1:
            self.missing.add(key)
        return tuple(self._source(relation) for relation in meant)

    def _by_path(self, every: tuple[Relation, ...]) -> tuple[tuple[Relation, ...], bool]:
        """What an unqualified name means, and whether that is sure: other sessions' temporary relations look like
        ours, which come first."""
        temporary = _temporary(every)
        if self.path is None:
            return every, not temporary
        path = self.path if "pg_catalog" in self.path else ("pg_catalog", *self.path)
        for schema in path:
            for relation in every:
                if relation.schema == schema:
                    return (*temporary, relation), not temporary
        return temporary, not temporary

    def _check(self, source: Source, *, write: bool) -> None:
        taint = self.index.refused.get(source.oid)
        if taint is None and write:
            taint = self.index.write_tainted.get(source.oid)
        if taint is not None:
            raise refuse(f"{source.label} cannot be used: {taint.reason}", taint.mask, HINT)

    def _source(self, relation: Relation) -> Source:
        """The catalogue's masks by attribute number, the globs by today's names, and what the session moved there.

        A view that only the session sees may read anything, and so may one of what the session moved.
        """
        temporary = relation.schema.startswith(_TEMPORARY) or relation.persistence == "t"
        known = relation.oid in self.index.snapshot.relations
        hidden = relation.kind in _VIEWS and (not known or self._shows_own(relation.oid))
        masks = own_masks(self.index, relation)
        named = {column.name: masks[column.attnum] for column in relation.columns if column.attnum in masks}
        if temporary or not known:
            named = {**self._own.get(relation.name, {}), **named}
        return Source(
            str(relation),
            relation.oid,
            relation.schema,
            relation.name,
            relation.columns,
            named,
            hidden,
            temporary,
            relation.primary_key,
            frozenset(each.name for each in relation.columns if (relation.oid, each.attnum) in self.index.derived),
            self.index.outputs_of(relation.oid).probes,
            relation.child or relation.oid in self.index.snapshot.children,
            frozenset() if temporary else self._uncertain(relation, named),
        )

    def _uncertain(self, relation: Relation, named: Mapping[str, Mask]) -> frozenset[str]:
        """A relation under another name than the catalogue has may be read by views, one that is a child through its
        parents, and a generated column may be computed with masked ones."""
        certain = self.index.masked.get(relation.oid, {})
        by_name = {each.name for each in relation.columns if each.name in named and each.attnum not in certain}
        generated = any(each.generated and each.name not in named for each in relation.columns)
        if relation.child or generated or relation.oid in self.index.snapshot.relations:
            return frozenset(by_name)
        return frozenset()

    def _shows_own(self, view: int) -> bool:
        """Whether a view reads a temporary relation to which masked values were moved."""
        snapshot = self.index.snapshot
        pending, seen = [view] if self._own else [], {view}
        while pending:
            reads = snapshot.views.get(pending.pop())
            for oid, _ in reads.every if reads is not None else ():
                relation = snapshot.relations.get(oid)
                if relation is not None and relation.schema.startswith(_TEMPORARY) and relation.name in self._own:
                    return True
                if oid not in seen:
                    seen.add(oid)
                    pending.append(oid)
        return False


def item_of(range_var: Mapping[str, Any], sources: tuple[Source, ...], *, masked_form: bool = False) -> Item:
    """The entry of a FROM list for a table that may be any of ``sources``."""
    alias = range_var.get("alias", {})
    name = alias.get("aliasname") or range_var["relname"]
    if len(sources) == 1:
        item = _item(name, sources[0], masked_form=masked_form)
    else:
        item = _any_of(name, [_item(name, source, masked_form=masked_form) for source in sources])
    if not alias:
        return evolve(item, schema=range_var.get("schemaname") or sources[0].schema)
    return item.renamed(name, [each["String"].get("sval", "") for each in alias.get("colnames", ())])


def _item(name: str, source: Source, *, masked_form: bool) -> Item:
    if source.hidden:
        return Item(name, rest=Value((Taint(UNSEEN, source.label),), True))
    columns = tuple(Column(column.name, source.value(column, masked_form=masked_form)) for column in source.columns)
    spelled = masked_form and source.read_masked
    return Item(name, columns, oid=0 if spelled else source.oid)


def _any_of(name: str, items: list[Item]) -> Item:
    """Several relations under one name: a column may be that of any."""
    names = dict.fromkeys(column.name for item in items for column in item.columns)
    columns = []
    for each in names:
        values = [value for item in items if (value := item.find(each)) is not None]
        origins = tuple(dict.fromkeys(value.origin for value in values if value.origin is not None))
        plain = all(value.plain for value in values)
        columns.append(Column(each, evolve(either(values), origin=None, others=origins, plain=plain)))
    rests = [item.rest for item in items if item.rest is not None]
    return Item(name, tuple(columns), either(rests) if rests else None, unordered=True)


def own_masks(index: MaskIndex, relation: Relation) -> dict[int, Mask]:
    """The masks of a relation as the client's session sees it, by attribute number."""
    known = index.masked.get(relation.oid, {})
    found: dict[int, Mask] = {}
    for column in relation.columns:
        mask = known.get(column.attnum) or index.selectors.mask(relation.schema, relation.name, column.name)
        if mask is not None and not relation.system:
            found[column.attnum] = mask
        elif mask is not None and column.attnum in known:
            found[column.attnum] = known[column.attnum]
    return found


def name_of(range_var: Mapping[str, Any]) -> RelationName:
    return range_var.get("schemaname"), range_var["relname"]


def dotted(key: RelationName) -> str:
    return f"{key[0]}.{key[1]}" if key[0] else key[1]


def _temporary(relations: Iterable[Relation]) -> tuple[Relation, ...]:
    return tuple(relation for relation in relations if relation.schema.startswith(_TEMPORARY))
