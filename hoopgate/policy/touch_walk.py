"""The walk through any part of a parse tree: every reference in it counts as a use, unless a caller says better.

Iterative within a query, so that a long expression costs no stack; only nested queries recurse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from attrs import define, evolve, field, frozen

from hoopgate.policy.touch_calls import Calls, strings
from hoopgate.policy.touch_results import refuse
from hoopgate.policy.touch_scope import Ctes, Item, Level, Mention, Node, names_in
from hoopgate.policy.touch_sources import HINT, UNSEEN, Sources, name_of


@frozen(eq=False)
class At:
    """Where the walk is: the scope, the WITH queries in sight, and how to call this place in a refusal."""

    level: Level = field(factory=Level)
    ctes: Ctes = field(factory=Ctes)
    where: str = "used in an expression"

    def to(self, where: str) -> At:
        return evolve(self, where=where)


def refuse_mention(mention: Mention, where: str) -> NoReturn:
    reason = f'{mention} is masked (mask "{mention.mask.name}"): it cannot be {where}'
    sqlstate, hint = "42501", HINT
    if mention.mask is UNSEEN:
        relation = mention.label.rsplit(" of ", 1)[-1]
        reason = f"relation {relation} does not exist, or the gateway cannot see it: its columns cannot be {where}"
        sqlstate, hint = "42P01", "Check its name, its schema and the search_path."
    raise refuse(reason, mention.mask.name, hint, sqlstate)


@define(eq=False)
class Walk(ABC):
    """State of one message's walk. ``scrub``: it does something whose errors may quote stored values.

    ``literal``: the value of a literal was looked at (of a call's arguments, see :class:`Calls`).
    """

    sources: Sources
    calls: Calls
    scrub: bool = False
    literal: bool = False

    def expression(self, root: Any, at: At) -> None:
        """Judge ``root`` and all below it. Raises Refusal."""
        pending: list[Any] = [root]
        while pending:
            node = pending.pop()
            if isinstance(node, list):
                pending += node
            elif isinstance(node, dict):
                if "relname" in node:
                    self._stray_relation(node, at)
                for kind, value in node.items():
                    if isinstance(value, dict | list):
                        pending += self._node(kind, value, at)

    def _node(self, kind: str, value: Any, at: At) -> Iterable[Any]:
        """Judge one node; what is returned is still to be walked."""
        special = _SPECIAL.get(kind)
        if special is not None and isinstance(value, dict):
            return special(self, value, at)
        if kind.endswith("Stmt"):
            raise refuse(f"the gateway does not know {kind} here", "unknown")
        return (value,)

    def mention(self, node: Node, at: At) -> Mention | None:
        """What masked values a ColumnRef reaches."""
        found = at.level.mention(node)
        if found is not None and found.what == "call" and not self.sources.index.known_function(names_in(node)[0][-1]):
            return None
        return found

    def reference(self, node: Node, at: At) -> None:
        """Judge a ColumnRef as a use. Raises Refusal."""
        mention = self.mention(node, at)
        if mention is not None:
            refuse_mention(mention, at.where)
        self.check_row_function(node, at)

    def check_row_function(self, node: Node, at: At) -> None:
        names, star = names_in(node)
        if len(names) > 1 and not star and not at.level.surely_column(names):
            self.calls.row_function(names[-1])

    def named_column(self, name: str, at: At) -> None:
        """Judge a column that is named by a bare string (index columns, keys). Raises Refusal."""
        mention = at.level.mention({"fields": [{"String": {"sval": name}}]})
        if mention is not None:
            refuse_mention(mention, at.where)

    @abstractmethod
    def query(self, node: Node, at: At) -> None:
        """Judge a nested query, none of whose columns come out as they are."""

    def _column(self, node: Node, at: At) -> Iterable[Any]:
        self.reference(node, at)
        return ()

    def _sublink(self, node: Node, at: At) -> Iterable[Any]:
        self.calls.operator(strings(node.get("operName", ())))
        self.sublink(node, at)
        return (node.get("testexpr"),)

    @abstractmethod
    def sublink(self, node: Node, at: At) -> None:
        """Judge the query of a sub-select in an expression."""

    def _nested(self, node: Node, at: At) -> Iterable[Any]:
        self.query({"SelectStmt": node}, at)
        return ()

    def _call(self, node: Node, at: At) -> Iterable[Any]:
        self.calls.function(node)
        return [value for key, value in node.items() if key != "funcname"]

    def _operator(self, node: Node, at: At) -> Iterable[Any]:
        self.calls.operator(strings(node.get("name", ())))
        return (node.get("lexpr"), node.get("rexpr"))

    def _sort_by(self, node: Node, at: At) -> Iterable[Any]:
        self.calls.operator(strings(node.get("useOp", ())))
        return (node.get("node"),)

    def _cast(self, node: Node, at: At) -> Iterable[Any]:
        self.calls.cast(node.get("typeName", {}), node.get("arg", {}))
        return (node.get("arg"),)

    def _indirection(self, node: Node, at: At) -> Iterable[Any]:
        for name in strings(node.get("indirection", ())):
            self.calls.row_function(name)
        return (node.get("arg"), node.get("indirection"))

    def _index_column(self, node: Node, at: At) -> Iterable[Any]:
        if "name" in node:
            self.named_column(node["name"], at)
        return (node.get("expr"),)

    def _relation(self, node: Node, at: At) -> Iterable[Any]:
        self._stray_relation(node, at)
        return ()

    def _stray_relation(self, node: Node, at: At) -> None:
        """A relation where we expected none: it must not be a masked one."""
        item = Item(node["relname"], self.sources.find(node))
        found = item.any_mask()
        if found is not None:
            refuse_mention(Mention(found[0], found[1], "row"), at.where)

    def is_cte(self, range_var: Node, at: At) -> bool:
        schema, name = name_of(range_var)
        return schema is None and name in at.ctes


_SPECIAL: dict[str, Callable[[Walk, Node, At], Iterable[Any]]] = {
    "ColumnRef": Walk._column,
    "SubLink": Walk._sublink,
    "SelectStmt": Walk._nested,
    "FuncCall": Walk._call,
    "A_Expr": Walk._operator,
    "SortBy": Walk._sort_by,
    "TypeCast": Walk._cast,
    "A_Indirection": Walk._indirection,
    "IndexElem": Walk._index_column,
    "StatsElem": Walk._index_column,
    "RangeVar": Walk._relation,
}
