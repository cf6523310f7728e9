"""Definitions: CREATE and ALTER TABLE, indexes, renames. None may take a masked column out of its mask's reach, nor
make an oracle of it (a constraint, an index, an order of rows that tells how its values compare)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

from attrs import define

from hoopgate.catalogue.snapshot import ColumnInfo
from hoopgate.policy.lineage.calls import HINT as CODE_HINT
from hoopgate.policy.lineage.calls import strings
from hoopgate.policy.lineage.refusals import Refusal, refuse
from hoopgate.policy.lineage.relations import HINT, UNSEEN, Source, item_of, name_of
from hoopgate.policy.lineage.scope import At, Level
from hoopgate.policy.lineage.uncovering import RELATIONS, check_gone, dropped, named
from hoopgate.policy.lineage.values import Node, Taint
from hoopgate.policy.lineage.writes import Writes

ALTER_ALLOWED: Final = frozenset(
    {
        "AT_AddColumn", "AT_ColumnDefault", "AT_DropNotNull", "AT_SetNotNull", "AT_SetStatistics", "AT_SetOptions",
        "AT_ResetOptions", "AT_SetStorage", "AT_SetCompression", "AT_AddConstraint", "AT_AlterConstraint",
        "AT_ValidateConstraint", "AT_DropConstraint", "AT_AlterColumnType", "AT_ChangeOwner", "AT_DropCluster",
        "AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace", "AT_SetRelOptions", "AT_ResetRelOptions",
        "AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig", "AT_DisableTrig", "AT_EnableTrigAll",
        "AT_DisableTrigAll", "AT_EnableTrigUser", "AT_DisableTrigUser", "AT_ReplicaIdentity", "AT_EnableRowSecurity",
        "AT_DisableRowSecurity", "AT_ForceRowSecurity", "AT_NoForceRowSecurity", "AT_AddIdentity", "AT_SetIdentity",
        "AT_DropIdentity", "AT_SetAccessMethod",
    }
)  # fmt: skip
"""What may be altered of a table with masked columns: nothing that moves, renames or detaches them."""

_DEFINED: Final = "used in a definition"
_CODE_OBJECTS: Final = ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE", "OBJECT_EXTENSION")
_PARENTS: Final = ("AT_AddInherit", "AT_AttachPartition")


@define(eq=False)
class Definitions(Writes):
    """Adds definitions."""

    @abstractmethod
    def statement(self, node: Node) -> None:
        """Judge a whole statement inside another."""

    def forbid(self, root: Any, at: At, where: str = _DEFINED) -> None:
        """Raise Refusal if an expression reaches a masked column."""
        taints = self.value(root, at).taints
        if taints:
            raise refuse_use(taints[0], where)

    def create_table(self, node: Node) -> None:
        """CREATE TABLE: a new relation has no rows yet; what it refers to may have."""
        self.scrub = True
        range_var, parents = node["relation"], node.get("inhRelations", ())
        if parents and (range_var.get("relpersistence") == "t" or range_var.get("schemaname") == "pg_temp"):
            raise refuse("a temporary table cannot be shown through another while masks are in force", "unknown")
        source = _new(range_var, _columns(node))
        if not parents and not any("TableLikeClause" in each for each in node.get("tableElts", ())):
            self.relations.define(source)
        at = At(Level(None, [item_of({"relname": range_var["relname"]}, (source,))]))
        # Parents and LIKE give names and types, no values.
        for key in ("tableElts", "constraints", "partspec", "partbound", "options"):
            self._elements(node.get(key, ()), at)

    def create_schema(self, node: Node) -> None:
        self.scrub = True
        for element in node.get("schemaElts", ()):
            self.statement(element)

    def domain(self, node: Node) -> None:
        self.scrub = True
        added = node.get("def", {}).get("Constraint", {}) if node.get("subtype") == "C" else {}
        checked = added.get("contype") == "CONSTR_CHECK" and not added.get("skip_validation")
        if checked or node.get("subtype") == "V":
            raise refuse(
                "a domain's new constraint is held against stored values, and masks are in force",
                "unknown",
                "Add it NOT VALID.",
            )
        self._elements([node.get("constraints", []), node.get("def")], At())

    def index(self, node: Node) -> None:
        """CREATE INDEX: an index on a masked column lets rows come in the order of its values."""
        at, _ = self._on(node["relation"])
        keys = ("indexParams", "indexIncludingParams", "whereClause", "excludeOpNames")
        self.forbid([node.get(key) for key in keys], at)

    def statistics(self, node: Node) -> None:
        self.scrub = True
        at = At(Level())
        self.from_list(node.get("relations", ()), at)
        self.forbid(node.get("exprs"), at)

    def alter_table(self, node: Node) -> None:
        """ALTER TABLE, VIEW, INDEX and the like."""
        at, sources = self._on(node["relation"])
        masked = _masked(sources)
        for command in node.get("cmds", ()):
            inner = command["AlterTableCmd"]
            subtype, name = inner.get("subtype", ""), inner.get("name", "")
            if masked is not None and subtype not in ALTER_ALLOWED:
                raise _out_of_reach(masked)
            if subtype in _PARENTS:
                self._check_parent(sources, inner)
            if subtype == "AT_AlterColumnType":
                self._forbid_column(name, at)
            if subtype != "AT_ReplicaIdentity":
                self._elements([inner.get("def", {})], at)

    def _check_parent(self, sources: tuple[Source, ...], command: Node) -> None:
        """A temporary table's rows, and what is moved there, must not show through another relation."""
        child = command.get("def", {}).get("PartitionCmd", {}).get("name")
        children = (*sources, *(self.relations.find(child) if child is not None else ()))
        if any(source.temporary for source in children):
            raise refuse("a temporary table cannot be shown through another while masks are in force", "unknown")
        for new in children[len(sources) :]:
            for name, mask in new.masked.items():
                if any(parent.mask_of(name) != mask for parent in sources):
                    raise _out_of_reach(Taint(mask, f'"{name}" of {new.label}'))

    def rename(self, node: Node) -> None:
        """RENAME of a masked column, its table or its schema would take it out of the globs' reach."""
        self.scrub = True
        kind = node.get("renameType", "")
        if kind in _CODE_OBJECTS:
            raise refuse("functions cannot be renamed while masks are in force", "functions", CODE_HINT)
        if kind == "OBJECT_SCHEMA":
            self._check_schema(node.get("subname", ""))
        elif kind in RELATIONS:
            self._check_gone(node)
        if "relation" not in node or kind in ("OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            return
        _, sources = self._on(node["relation"])
        name = node.get("subname", "")
        masked = _masked(sources, name) if kind == "OBJECT_COLUMN" else _masked(sources)
        if masked is not None:
            raise _out_of_reach(masked)

    def change_schema(self, node: Node) -> None:
        self.scrub = True
        if node.get("objectType", "") in _CODE_OBJECTS:
            raise refuse("functions cannot be moved while masks are in force", "functions", CODE_HINT)
        if "relation" in node:
            _, sources = self._on(node["relation"])
            masked = _masked(sources)
            if masked is not None:
                raise _out_of_reach(masked)
            self._check_gone(node)

    def drop(self, node: Node) -> None:
        """DROP: what was hidden by what is gone comes to light."""
        self.scrub = True
        check_gone(self.relations.index, dropped(self.relations.index, node))

    def drop_owned(self, node: Node) -> None:
        self.scrub = True
        check_gone(self.relations.index, self.relations.index.snapshot.relations.values())

    def _check_gone(self, node: Node) -> None:
        schema, name = name_of(node["relation"])
        check_gone(self.relations.index, named(self.relations.index, schema, name))

    def cluster(self, node: Node) -> None:
        """CLUSTER puts rows into the order of an index, perhaps of a masked column."""
        self.scrub = True
        if "relation" not in node:
            raise refuse("CLUSTER needs a table's name while masks are in force", "unknown")
        _, sources = self._on(node["relation"])
        masked = _masked(sources)
        if masked is not None:
            raise refuse(
                f'{masked.label} has masked columns (mask "{masked.mask.name}"): it cannot be sorted', masked.mask.name
            )

    def _on(self, range_var: Node) -> tuple[At, tuple[Source, ...]]:
        """The scope of a definition on one relation."""
        self.scrub = True
        sources = self.relations.find(range_var)
        return At(Level(None, [item_of({"relname": range_var["relname"]}, sources)])), sources

    def _forbid_column(self, name: str, at: At) -> None:
        """Raise Refusal for a masked column that is named by a bare string (keys)."""
        self.forbid({"ColumnRef": {"fields": [{"String": {"sval": name}}]}}, at)

    def _elements(self, elements: Any, at: At) -> None:
        """Judge column definitions, constraints and bounds: their expressions, and what they refer to."""
        pending = [elements]
        while pending:
            node = pending.pop()
            if isinstance(node, list):
                pending += node
            elif isinstance(node, dict):
                if "Constraint" in node:
                    self._constraint(node["Constraint"], at)
                elif "ColumnDef" in node:
                    column = node["ColumnDef"]
                    pending += [column.get("constraints", []), column.get("fdwoptions", [])]
                    self.forbid([column.get("raw_default"), column.get("typeName")], at)
                elif "TableLikeClause" not in node and "PartitionCmd" not in node:
                    self.forbid(node, at)

    def _constraint(self, node: Node, at: At) -> None:
        if "pktable" in node:
            self._referenced(node)
        for name in strings([*node.get("keys", ()), *node.get("fk_attrs", ()), *node.get("including", ())]):
            self._forbid_column(name, at)
        rest = {key: value for key, value in node.items() if key not in ("pktable", "keys", "fk_attrs", "pk_attrs")}
        self.forbid(rest, at)

    def _referenced(self, node: Node) -> None:
        """REFERENCES table(columns): each row written is compared with them."""
        names = strings(node.get("pk_attrs", ()))
        for source in self.relations.find(node["pktable"]):
            for name in names or _primary_key(source):
                mask = source.mask_of(name)
                if mask is not None:
                    raise refuse(
                        f'column "{name}" of {source.label} is masked (mask "{mask.name}"): it cannot be referenced',
                        mask.name,
                        HINT,
                    )

    def _check_schema(self, schema: str) -> None:
        index = self.relations.index
        for oid, columns in index.masked.items():
            relation = index.snapshot.relations[oid]
            if relation.schema == schema and columns:
                raise _out_of_reach(Taint(next(iter(columns.values())), str(relation)))
        check_gone(index, [each for each in index.snapshot.relations.values() if each.schema == schema])


def refuse_use(taint: Taint, where: str) -> Refusal:
    """A masked column stands where it must not."""
    mask = taint.mask
    if mask is UNSEEN:
        return refuse(
            f"relation {taint.label} does not exist, or the gateway cannot see it: its columns cannot be {where}",
            mask.name,
            "Check its name, its schema and the search_path.",
            "42P01",
        )
    hint = "People whom no mask covers may run it." if where is _DEFINED else HINT
    return refuse(f'column {taint.label} is masked (mask "{mask.name}"): it cannot be {where}', mask.name, hint)


def _new(range_var: Node, columns: tuple[ColumnInfo, ...]) -> Source:
    temporary = range_var.get("relpersistence") == "t" or range_var.get("schemaname") == "pg_temp"
    name = range_var["relname"]
    return Source(name, schema="pg_temp" if temporary else "", name=name, columns=columns, temporary=temporary)


def _columns(node: Node) -> tuple[ColumnInfo, ...]:
    """The columns that a CREATE TABLE spells out."""
    definitions = [each["ColumnDef"] for each in node.get("tableElts", ()) if "ColumnDef" in each]
    return tuple(
        ColumnInfo(number + 1, each["colname"], 0, _generated(each)) for number, each in enumerate(definitions)
    )


def _generated(column: Node) -> bool:
    return any(each["Constraint"].get("contype") == "CONSTR_GENERATED" for each in column.get("constraints", ()))


def _masked(sources: tuple[Source, ...], column: str | None = None) -> Taint | None:
    for source in sources:
        mask = source.any_mask if column is None else source.mask_of(column)
        if mask is not None:
            return Taint(mask, source.label if column is None else f'"{column}" of {source.label}')
    return None


def _primary_key(source: Source) -> list[str]:
    return [column.name for column in source.columns if column.attnum in source.primary_key]


def _out_of_reach(masked: Taint) -> Refusal:
    return refuse(
        f'{masked.label} is masked (mask "{masked.mask.name}"): this would take it, or what lies beside it, out of the '
        "mask's reach",
        masked.mask.name,
        "People whom no mask covers may do it.",
    )
