"""What a session's own statements have made: relations, prepared statements, cursors, COPYs under way."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, TypeVar

from hoopgate.catalogue.snapshot import Relation
from hoopgate.frames import Statement
from hoopgate.policy.sql.parser import Node, Parsed
from hoopgate.policy.touch import CopyShape

NAMES: Final = 1024
"""Names of each kind that are remembered; the oldest go first, and then count as unknown."""

TEXT: Final = 16 * 1024  # a longer text is not kept, so its name counts as unknown
_MEANINGS: Final = 8
_COPIES: Final = 1024
_CLEAR: Final = 64


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
        """Relations that this session defined and the catalogue may not have seen yet."""
        self.learnt: dict[int, Relation] = {}
        """Relations by oid, as the session itself sees them."""
        self._copies: deque[tuple[Statement, CopyShape]] | None = None  # most sessions have none
        self._clear: dict[str, None] = {}

    def note(self, parsed: Parsed) -> None:
        """Remember what statements that may run define."""
        for index, statement in enumerate(parsed.statements):
            (kind, value), *_ = statement.items()
            if kind == "PrepareStmt":
                self.prepared.add(value.get("name", ""), parsed.statement_text(index))
            elif kind == "DeclareCursorStmt":
                self.cursors.add(value.get("portalname", ""), parsed.statement_text(index))
            self._define(kind, value)

    def _define(self, kind: str, value: Node) -> None:
        for element in value.get("schemaElts", ()) if kind == "CreateSchemaStmt" else ():
            for inner in element.items():
                self._define(*inner)
        for name in _defined(kind, value):
            self.own[name] = None
            if len(self.own) > NAMES:
                drop_oldest(self.own)

    def learn(self, relation: Relation) -> None:
        self.learnt[relation.oid] = relation
        if len(self.learnt) > NAMES:
            drop_oldest(self.learnt)

    def expect_copy(self, statement: Statement, shape: CopyShape) -> None:
        if self._copies is None:
            self._copies = deque(maxlen=_COPIES)
        self._copies.append((statement, shape))

    def shape_of(self, statement: Statement | None) -> CopyShape | None:
        """The shape that was worked out for this very statement; older ones, which failed, are forgotten."""
        copies = self._copies
        if copies is None or not any(known is statement for known, _ in copies):
            return None
        while True:
            known, shape = copies.popleft()
            if known is statement:
                return shape

    def set_clear(self, text: str, clear: bool) -> None:
        """Whether what is said of this statement can quote no masked value."""
        known = self._clear
        if not clear:
            known.pop(text, None)
        elif text not in known and len(text) <= TEXT:
            known[text] = None
            if len(known) > _CLEAR:
                drop_oldest(known)

    def is_clear(self, text: str) -> bool:
        return text in self._clear


def _defined(kind: str, value: Node) -> list[str]:
    """Names of the relations that a statement defines or changes."""
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
