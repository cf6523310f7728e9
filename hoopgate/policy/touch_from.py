"""FROM lists: tables, sub-selects, functions and joins become the items of a scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define

from hoopgate.policy.touch_calls import strings
from hoopgate.policy.touch_results import refuse
from hoopgate.policy.touch_scope import Item, Level, Mention, Node, union
from hoopgate.policy.touch_sources import HINT, name_of
from hoopgate.policy.touch_walk import At, Walk, refuse_mention

_JOINED = "compared in a join"


@define(eq=False)
class FromWalk(Walk):
    """Adds the reading of FROM lists."""

    def from_list(self, nodes: Sequence[Node], at: At) -> None:
        """Put the items of a FROM list into the scope, which is complete afterwards."""
        for node in nodes:
            self._from(node, at)
        at.level.complete = True

    def target(self, range_var: Node, at: At, *, name: str | None = None) -> Item:
        """Put the relation that a statement writes into the scope: never a WITH query."""
        item = self._table(range_var, self.sources.find(range_var, write=True))
        if name is not None:
            item.name = name
        at.level.items.append(item)
        self.scrub = True
        return item

    def _from(self, node: Node, at: At) -> list[Item]:
        (kind, value), *more = node.items()
        read = _FROM.get(kind)
        if read is None or more:
            raise refuse(f"the gateway does not know {kind} in FROM", "unknown")
        return read(self, value, at)

    def _append(self, item: Item, at: At) -> list[Item]:
        at.level.items.append(item)
        return [item]

    def _range_var(self, node: Node, at: At) -> list[Item]:
        if self.is_cte(node, at):
            return self._append(Item(_alias(node) or node["relname"]), at)
        return self._append(self._table(node, self.sources.find(node)), at)

    def _table(self, node: Node, sources: Any) -> Item:
        schema, name = name_of(node)
        alias = _alias(node)
        item = Item(alias or name, sources, schema=None if alias else schema, range_var=node)
        self._check_renaming(node, [item])
        return item

    def _check_renaming(self, node: Node, items: Sequence[Item]) -> None:
        """``AS c(a, b)`` gives columns other names: not for masked ones."""
        if not node.get("alias", {}).get("colnames"):
            return
        for item in items:
            found = item.any_mask()
            if found is not None:
                raise refuse(
                    f'{found[1]} has masked columns (mask "{found[0].name}"): they cannot be renamed by a column list',
                    found[0].name,
                    HINT,
                )

    def _sub_select(self, node: Node, at: At) -> list[Item]:
        # Only a lateral one sees what stands before it; another sees the enclosing queries alone.
        scope = at.level if node.get("lateral") else at.level.parent
        self.query(node["subquery"], At(Level(scope), at.ctes, "read in a sub-select"))
        return self._append(Item(_alias(node)), at)

    def _function(self, node: Node, at: At) -> list[Item]:
        self.expression([node.get("functions"), node.get("coldeflist")], at)
        name = _alias(node)
        if not name:
            first = node["functions"][0]["List"]["items"][0]
            names = strings(first.get("FuncCall", {}).get("funcname", ()))
            name = names[-1] if names else ""
        return self._append(Item(name), at)

    def _other(self, node: Node, at: At) -> list[Item]:
        self.expression({key: value for key, value in node.items() if key != "alias"}, at)
        return self._append(Item(_alias(node)), at)

    def _sample(self, node: Node, at: At) -> list[Item]:
        self.expression([node.get("args"), node.get("repeatable")], at)
        return self._from(node["relation"], at)

    def _join(self, node: Node, at: At) -> list[Item]:
        left, right = self._from(node["larg"], at), self._from(node["rarg"], at)
        items = left + right
        using = strings(node.get("usingClause", ()))
        if node.get("isNatural"):
            self._check_natural(left, right)
        for name in using:
            for item in items:
                found = item.mask_of(name)
                if found is not None:
                    refuse_mention(Mention(*found, "column"), _JOINED)
        at.level.merged |= bool(using or node.get("isNatural"))
        self.expression(node.get("quals"), at.to(_JOINED))
        merged_alias = node.get("join_using_alias", {}).get("aliasname")
        if merged_alias:
            at.level.items.append(Item(merged_alias))
        alias = _alias(node)
        if not alias:
            return items
        self._check_renaming(node, items)
        at.level.items[:] = [item for item in at.level.items if item not in items]
        return self._append(Item(alias, members=tuple(items)), at)

    def _check_natural(self, left: Sequence[Item], right: Sequence[Item]) -> None:
        """A NATURAL JOIN compares whatever is named alike on both sides."""
        for one, other in ((left, right), (right, left)):
            offered = union(other)
            for item in one:
                common = item.masked_names() if offered is None else item.masked_names() & offered
                found = item.mask_of(min(common)) if common else None
                if found is None and any(source.hidden for source in item.every_source()):
                    found = item.any_mask()
                if found is not None:
                    refuse_mention(Mention(*found, "column"), _JOINED)


def _alias(node: Node) -> str:
    return str(node.get("alias", {}).get("aliasname", ""))


_FROM: dict[str, Callable[[FromWalk, Node, At], list[Item]]] = {
    "RangeVar": FromWalk._range_var,
    "RangeSubselect": FromWalk._sub_select,
    "RangeFunction": FromWalk._function,
    "RangeTableFunc": FromWalk._other,
    "JsonTable": FromWalk._other,
    "RangeTableSample": FromWalk._sample,
    "JoinExpr": FromWalk._join,
}
