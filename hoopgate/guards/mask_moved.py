"""Masked values that a session moved into relations of its own: they stay masked there until it ends.

Whatever may have been undone since, or dropped, still counts: a name that once held masked values is never clear again
in this session, and neither is one under which they may come to stand by renaming or inheritance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hoopgate.config.model import Mask
from hoopgate.guards.witness import severer
from hoopgate.policy.lineage.results import Moved

RELATIONS: Final = 256
COLUMNS: Final = 4096
KIN: Final = 4096
"""Of all of them; beyond, what would need more is refused."""

_FILLING: Final = frozenset({"AT_AddColumn", "AT_AlterColumnType"})
_KIN: Final = frozenset({"AT_AddInherit", "AT_AttachPartition"})

Node = dict[str, Any]


class MovedValues:
    """``masks``: relation, by its name alone -> column -> mask."""

    def __init__(self) -> None:
        self.masks: dict[str, dict[str, Mask]] = {}
        self._kin: dict[str, set[str]] = {}  # relations that inherit from each other, by name, near ones

    def room_for(self, moves: tuple[Moved, ...]) -> bool:
        """Whether they can be remembered, and whatever joins relations."""
        if len(self._kin) > KIN:
            return False
        new = {move.relation for move in moves} - self.masks.keys()
        columns = sum(len(move.columns) for move in moves) + sum(len(each) for each in self.masks.values())
        return len(self.masks) + len(new) <= RELATIONS and columns <= COLUMNS

    def move(self, moves: tuple[Moved, ...]) -> None:
        """Statements that may run move these."""
        for each in moves:
            self._add(each.relation, each.columns)

    def note(self, kind: str, statement: Node) -> None:
        """A statement that may run: what it renames, fills or joins by inheritance."""
        if kind == "RenameStmt":
            self._renamed(statement)
        elif kind == "AlterTableStmt":
            for command in statement.get("cmds", ()):
                self._altered(_name(statement.get("relation")), command.get("AlterTableCmd", {}))
        elif kind == "CreateStmt":
            for parent in statement.get("inhRelations", ()):
                self._join(_name(statement.get("relation")), _name(parent.get("RangeVar")))

    def _add(self, name: str, columns: Mapping[str, Mask]) -> None:
        for each in self._family(name):
            known = self.masks.setdefault(each, {})
            for column, mask in columns.items():
                known[column] = severer(known[column], mask) if column in known else mask

    def _family(self, name: str) -> set[str]:
        found, pending = {name}, [name]
        while pending:
            new = self._kin.get(pending.pop(), set()) - found
            found |= new
            pending += new
        return found

    def _renamed(self, statement: Node) -> None:
        name, new = _name(statement.get("relation")), statement.get("newname", "")
        if statement.get("renameType") == "OBJECT_COLUMN":
            old = statement.get("subname", "")
            for each in self._family(name):
                mask = self.masks.get(each, {}).get(old)
                if mask is not None:
                    self.masks[each][new] = mask
            return
        if name in self.masks or name in self._kin:
            self._join(name, new)

    def _altered(self, name: str, command: Node) -> None:
        subtype, defined = command.get("subtype"), command.get("def", {})
        if subtype in _KIN:
            other = defined.get("RangeVar") or defined.get("PartitionCmd", {}).get("name")
            self._join(name, _name(other))
        elif subtype in _FILLING and name in self.masks:  # its values may be computed of the others
            column = command.get("name") or defined.get("ColumnDef", {}).get("colname", "")
            mask = next(iter(self.masks[name].values()))
            self._add(name, {column: mask})

    def _join(self, one: str, other: str) -> None:
        self._kin.setdefault(one, set()).add(other)
        self._kin.setdefault(other, set()).add(one)
        for name in (one, other):
            self._add_if_any(name)

    def _add_if_any(self, name: str) -> None:
        columns = self.masks.get(name)
        if columns:
            self._add(name, dict(columns))


def _name(relation: Node | None) -> str:
    return "" if relation is None else str(relation.get("relname", ""))
