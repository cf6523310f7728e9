"""What a session's own statements have made: relations and what they hold, prepared statements, cursors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from hoopgate.catalogue.snapshot import Relation
from hoopgate.guards.mask_judged import Outputs, combined
from hoopgate.guards.mask_moved import MovedValues
from hoopgate.policy.lineage.results import RelationName
from hoopgate.policy.sql.parser import Node, Parsed

NAMES: Final = 1024
"""Names of each kind that are remembered; the oldest go first, and then count as unknown."""

ANY: Final = ""
"""Stands among names of relations for every one."""
_UNCOVERING: Final = frozenset({"DropStmt", "DropOwnedStmt", "RenameStmt"})
"""After these, but for renames of less than a schema, a name may mean another relation that was hidden by the first."""

TEXT: Final = 16 * 1024  # a longer text is not kept, so its name counts as unknown
_MEANINGS: Final = 8


K = TypeVar("K")
V = TypeVar("V")


def drop_oldest(kept: dict[K, V]) -> None:
    """What was put in first. (Plain dictionaries: an empty one takes 64 bytes, and most stay empty.)"""
    del kept[next(iter(kept))]


class Bodies:
    """The texts that were prepared or declared under each name.

    Several, since a later definition may have failed, so that an older one stands.
    """

    def __init__(self) -> None:
        self._texts: dict[str, tuple[str, ...]] = {}

    def of(self, name: str) -> tuple[str, ...]:
        return self._texts.get(name, ())

    def add(self, name: str, text: str) -> None:
        known = self._texts.pop(name, ())
        if text in known:
            self._texts[name] = known
        elif len(text) <= TEXT and len(known) < _MEANINGS:
            self._texts[name] = (*known, text)
        # else: the name has a meaning that is not kept, so it counts as unknown from now on
        if len(self._texts) > NAMES:
            drop_oldest(self._texts)


class SessionMemory:
    """All that one session's guard remembers; bounded."""

    def __init__(self) -> None:
        self.prepared = Bodies()
        self.cursors = Bodies()
        self.own: dict[str, None] = {}
        """Relations that this session defined and the catalogue may not have seen yet; ANY after a drop."""
        self.learnt: dict[int, Relation] = {}
        """Relations by oid, as the session itself sees them."""
        self.moved = MovedValues()
        """Masked values that stand in relations of the session's own."""
        self.opened: dict[str, Outputs] = {}
        """The lineage of cursors as they were opened: what they show was decided then."""

    def note(self, parsed: Parsed) -> None:
        """Remember what statements that may run define."""
        for index, statement in enumerate(parsed.statements):
            (kind, value), *_ = statement.items()
            if kind == "PrepareStmt":
                self.prepared.add(value.get("name", ""), parsed.statement_text(index))
            elif kind == "DeclareCursorStmt":
                self.cursors.add(value.get("portalname", ""), parsed.statement_text(index))
            self._define(kind, value)
            self.moved.note(kind, value)

    def _define(self, kind: str, value: Node) -> None:
        for element in value.get("schemaElts", ()) if kind == "CreateSchemaStmt" else ():
            for inner in element.items():
                self._define(*inner)
        for name in _defined(kind, value):
            self.own[name] = None
            if len(self.own) > NAMES:
                self.own = {ANY: None}

    def learn(self, relation: Relation) -> None:
        self.learnt[relation.oid] = relation
        if len(self.learnt) > NAMES:
            drop_oldest(self.learnt)

    def open(self, name: str, outputs: Outputs) -> None:
        """A cursor or portal is opened under this name; perhaps, so that what stood there may still do."""
        if name in self.opened:
            outputs = combined(self.opened.pop(name), outputs)
        self.opened[name] = outputs
        if len(self.opened) > NAMES:
            drop_oldest(self.opened)

    def as_opened(self, statements: Sequence[Node], results: tuple[Outputs, ...]) -> tuple[Outputs, ...]:
        """``results`` where statements that fetch go by the lineage of what they fetch from as it was opened."""
        if not self.opened or not any("FetchStmt" in statement for statement in statements):
            return results
        made = list(results)
        for place in range(min(len(made), len(statements))):
            fetched = statements[place].get("FetchStmt")
            name = "" if fetched is None else fetched.get("portalname", "")
            if fetched is not None and not fetched.get("ismove") and name in self.opened:
                made[place] = combined(self.opened[name], made[place])
        return tuple(made)


RENAMING: Final = frozenset(
    {
        "AlterObjectSchemaStmt", "AlterOwnerStmt", "AlterTableStmt", "DropOwnedStmt", "DropStmt", "GrantRoleStmt",
        "GrantStmt", "RenameStmt", "ViewStmt",
    }
)  # fmt: skip
"""Statements that may give names, of others' statements too, another meaning than they had."""


def renames(statements: Sequence[Node]) -> bool:
    """Whether others' statements may come to mean something else. (To make a table gives no name to what is masked.)"""
    for statement in statements:
        (kind, value), *_ = statement.items()
        if kind in RENAMING or (kind == "TransactionStmt" and value.get("kind") == "TRANS_STMT_COMMIT_PREPARED"):
            return True
    return False


def _defined(kind: str, value: Node) -> list[str]:
    """Names of the relations that a statement defines or changes."""
    if kind in _UNCOVERING and value.get("renameType", "OBJECT_SCHEMA") == "OBJECT_SCHEMA":
        return [ANY]
    if kind in ("CreateStmt", "AlterTableStmt", "RenameStmt", "AlterObjectSchemaStmt"):
        names = [value.get("relation", {}).get("relname"), value.get("newname")]
    elif kind == "CreateTableAsStmt":
        names = [value.get("into", {}).get("rel", {}).get("relname")]
    elif kind == "ViewStmt":
        names = [value.get("view", {}).get("relname")]
    elif kind == "SelectStmt":
        names = [value.get("intoClause", {}).get("rel", {}).get("relname")]
    else:
        names = []
    return [name for name in names if name]


def in_doubt(names: Iterable[RelationName], own: Mapping[str, None]) -> list[RelationName]:
    """Those of which the session itself has to be asked."""
    return [name for name in names if ANY in own or name[1] in own]


def relation_names(root: Any) -> set[tuple[str | None, str]]:
    """Every relation that a tree names."""
    found: set[tuple[str | None, str]] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, list | tuple):
            pending += node
        elif isinstance(node, dict):
            if "relname" in node:
                found.add((node.get("schemaname"), node["relname"]))
            pending += node.values()
    return found


def declared(statements: Sequence[Node]) -> dict[str, Node]:
    """The queries of cursors that are declared, by name."""
    found: dict[str, Node] = {}
    for statement in statements:
        cursor = statement.get("DeclareCursorStmt")
        if cursor is not None:
            found[cursor.get("portalname", "")] = cursor["query"]
    return found


def names_run(statements: tuple[Node, ...]) -> tuple[set[str], set[str]]:
    """Names of prepared statements that are executed, and of cursors that are fetched from."""
    prepared: set[str] = set()
    cursors: set[str] = set()
    for statement in statements:
        (kind, value), *_ = statement.items()
        if kind == "ExplainStmt":
            (kind, value), *_ = value["query"].items()
        if kind == "ExecuteStmt":
            prepared.add(value.get("name", ""))
        elif kind == "FetchStmt":
            cursors.add(value.get("portalname", ""))
    return prepared, cursors
