"""Definitions: CREATE and ALTER TABLE, indexes, renames. None may take a masked column out of its mask's reach, nor
make an oracle of it (a constraint, an index, an order of rows that tells how its values compare)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

from attrs import define

from hoopgate.config.model import Mask
from hoopgate.policy.touch_calls import HINT, strings
from hoopgate.policy.touch_query import QueryWalk
from hoopgate.policy.touch_results import Refusal, refuse
from hoopgate.policy.touch_scope import Item, Level, Node
from hoopgate.policy.touch_sources import Source
from hoopgate.policy.touch_walk import At

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


@define(eq=False)
class DefinitionWalk(QueryWalk):
    """Adds definitions."""

    @abstractmethod
    def statement(self, node: Node) -> None:
        """Judge a whole statement inside another."""

    def create_table(self, node: Node) -> None:
        """CREATE TABLE: a new relation has no rows yet; what it refers to may have."""
        self.scrub = True
        at = At(Level(complete=True), where=_DEFINED)
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
        self._elements([node.get("constraints", []), node.get("def")], At(where=_DEFINED))

    def index(self, node: Node) -> None:
        """CREATE INDEX: an index on a masked column lets rows come in the order of its values."""
        at, _ = self._on(node["relation"])
        keys = ("indexParams", "indexIncludingParams", "whereClause", "excludeOpNames")
        self.expression([node.get(key) for key in keys], at)

    def statistics(self, node: Node) -> None:
        self.scrub = True
        at = At(Level(), where=_DEFINED)
        self.from_list(node.get("relations", ()), at)
        self.expression(node.get("exprs"), at)

    def alter_table(self, node: Node) -> None:
        """ALTER TABLE, VIEW, INDEX and the like."""
        at, item = self._on(node["relation"])
        masked = item.any_mask()
        for command in node.get("cmds", ()):
            inner = command["AlterTableCmd"]
            subtype, name = inner.get("subtype", ""), inner.get("name", "")
            if masked is not None and subtype not in ALTER_ALLOWED:
                raise _moved(masked)
            if subtype == "AT_AlterColumnType":
                self.named_column(name, at)
            if subtype != "AT_ReplicaIdentity":
                self._elements([inner.get("def", {})], at)

    def rename(self, node: Node) -> None:
        """RENAME of a masked column, its table or its schema would take it out of the globs' reach."""
        self.scrub = True
        kind = node.get("renameType", "")
        if kind in _CODE_OBJECTS:
            raise refuse("functions cannot be renamed while masks are in force", "functions", HINT)
        if kind == "OBJECT_SCHEMA":
            self._check_schema(node.get("subname", ""))
        if "relation" not in node or kind in ("OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            return
        _, item = self._on(node["relation"])
        masked = item.mask_of(node.get("subname", "")) if kind == "OBJECT_COLUMN" else item.any_mask()
        if masked is not None:
            raise _moved(masked)

    def change_schema(self, node: Node) -> None:
        self.scrub = True
        if node.get("objectType", "") in _CODE_OBJECTS:
            raise refuse("functions cannot be moved while masks are in force", "functions", HINT)
        if "relation" in node:
            _, item = self._on(node["relation"])
            masked = item.any_mask()
            if masked is not None:
                raise _moved(masked)

    def cluster(self, node: Node) -> None:
        """CLUSTER puts rows into the order of an index, perhaps of a masked column."""
        self.scrub = True
        if "relation" not in node:
            raise refuse("CLUSTER needs a table's name while masks are in force", "unknown")
        _, item = self._on(node["relation"])
        masked = item.any_mask()
        if masked is not None:
            raise refuse(
                f'{masked[1]} has masked columns (mask "{masked[0].name}"): it cannot be sorted', masked[0].name
            )

    def _on(self, range_var: Node) -> tuple[At, Item]:
        """The scope of a definition on one relation."""
        self.scrub = True
        item = Item(range_var["relname"], self.sources.find(range_var), range_var=range_var)
        return At(Level(items=[item], complete=True), where=_DEFINED), item

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
                    self.expression([column.get("raw_default"), column.get("typeName")], at)
                elif "TableLikeClause" not in node:
                    self.expression(node, at)

    def _constraint(self, node: Node, at: At) -> None:
        if "pktable" in node:
            self._referenced(node, at)
        for name in strings([*node.get("keys", ()), *node.get("fk_attrs", ()), *node.get("including", ())]):
            self.named_column(name, at)
        rest = {key: value for key, value in node.items() if key not in ("pktable", "keys", "fk_attrs", "pk_attrs")}
        self.expression(rest, at)

    def _referenced(self, node: Node, at: At) -> None:
        """REFERENCES table(columns): each row written is compared with them."""
        sources = self.sources.find(node["pktable"])
        names = strings(node.get("pk_attrs", ()))
        for source in sources:
            for name in names or _primary_key(source):
                mask = source.mask_of(name)
                if mask is not None:
                    raise refuse(
                        f'column "{name}" of {source.label} is masked (mask "{mask.name}"): it cannot be referenced',
                        mask.name,
                        HINT,
                    )

    def _check_schema(self, schema: str) -> None:
        index = self.sources.index
        for oid, columns in index.masked.items():
            relation = index.snapshot.relations[oid]
            if relation.schema == schema and columns:
                raise _moved((next(iter(columns.values())), str(relation)))


def _primary_key(source: Source) -> list[str]:
    return [column.name for column in source.columns if column.attnum in source.primary_key]


def _moved(masked: tuple[Mask, str]) -> Refusal:
    mask, label = masked
    return refuse(
        f'{label} is masked (mask "{mask.name}"): this would take it, or what lies beside it, out of the mask\'s reach',
        mask.name,
        "People whom no mask covers may do it.",
    )
