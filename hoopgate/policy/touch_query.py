"""Queries: SELECT and the statements that write rows, outermost or nested, and what comes out of them as it is.

Masked columns may stand as plain references or stars in the output of the outermost query: there PostgreSQL names
their origin in RowDescription. Everywhere else a reference is a use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, field

from hoopgate.policy.touch_from import FromWalk
from hoopgate.policy.touch_results import refuse
from hoopgate.policy.touch_scope import Ctes, Item, Level, Mention, Node, names_in
from hoopgate.policy.touch_walk import At, refuse_mention

WRITTEN: Final = "written to another table"
_ORDERED: Final = "sorted, grouped or compared"
_LOOKED_AT: Final = ("larg", "distinctClause", "groupClause", "havingClause", "sortClause", "intoClause")


@define(eq=False)
class Output:
    """The output list of the outermost query, with the scope in which its names stand."""

    targets: Sequence[Node]
    level: Level
    mentions: list[Mention | None] = field(factory=list)

    @property
    def masked(self) -> Mention | None:
        return next((mention for mention in self.mentions if mention is not None), None)

    def named(self, name: str) -> Mention | None:
        """The masked column that the output calls ``name``."""
        for target, mention in zip(self.targets, self.mentions, strict=True):
            if mention is not None and target["ResTarget"].get("name") == name:
                return mention
        return None

    def at(self, position: int) -> Mention | None:
        """The masked column at this place, from 1; in doubt any."""
        places = self._places()
        return places[position - 1] if places is not None and 1 <= position <= len(places) else self.masked

    def _places(self) -> list[Mention | None] | None:
        """What comes out, with each star spelled out; None where the columns behind one are not known."""
        places: list[Mention | None] = []
        for target, mention in zip(self.targets, self.mentions, strict=True):
            names, star = names_in(target["ResTarget"].get("val", {}).get("ColumnRef", {}))
            columns = self._columns(names) if star else [mention]
            if columns is None:
                return None
            places += columns
        return places

    def _columns(self, names: Sequence[str]) -> list[Mention | None] | None:
        if self.level.merged and not names:
            return None
        columns: list[Mention | None] = []
        for item in self.level.items:
            if names and item.name != names[-1]:
                continue
            if len(item.sources) != 1 or item.members or item.sources[0].hidden:
                return None
            for column in item.sources[0].columns:
                found = item.mask_of(column.name)
                columns.append(Mention(*found, "column") if found is not None else None)
        return columns


@define(eq=False)
class QueryWalk(FromWalk):
    """Adds queries. ``output`` is that of the outermost one, once walked."""

    output: Output | None = None

    def query(self, node: Node, at: At) -> None:
        self.run(node, at, outermost=False)

    def run(self, node: Node, at: At, *, outermost: bool) -> None:
        """Judge a query; ``at.level`` is a fresh level whose parents are the enclosing queries."""
        (kind, value), *more = node.items()
        judge = _QUERIES.get(kind)
        if judge is None or more:
            raise refuse(f"the gateway does not know {kind} as a query", "unknown")
        judge(self, value, self._with(value, At(Level(at.level), at.ctes, at.where)), outermost)

    def sublink(self, node: Node, at: At) -> None:
        select = node.get("subselect", {})
        if node.get("subLinkType") == "EXISTS_SUBLINK" and "SelectStmt" in select:
            plain = select["SelectStmt"]
            if not any(key in plain for key in _LOOKED_AT):
                # Else what EXISTS selects is never looked at.
                kept = [target for target in plain.get("targetList", ()) if not _is_plain(target)]
                select = {"SelectStmt": {**plain, "targetList": kept}}
        self.query(select, at.to("read in a sub-select"))

    def _with(self, node: Node, at: At) -> At:
        """Judge the WITH queries, and bring their names in sight."""
        clause = node.get("withClause", {})
        entries = [entry["CommonTableExpr"] for entry in clause.get("ctes", ())]
        names = [entry["ctename"] for entry in entries]
        seen: list[str] = names if clause.get("recursive") else []
        for entry in entries:
            inner = At(at.level.parent or Level(), Ctes(frozenset(seen), at.ctes), "read in a WITH query")
            self.query(entry["ctequery"], inner)
            seen = [*seen, entry["ctename"]]
        return At(at.level, Ctes(frozenset(names), at.ctes), at.where) if names else at

    def _select(self, node: Node, at: At, outermost: bool) -> None:
        if "intoClause" in node:
            outermost, at = False, at.to(WRITTEN)
        if node.get("op", "SETOP_NONE") != "SETOP_NONE":
            self._set_operation(node, at)
            return
        self.from_list(node.get("fromClause", ()), at)
        output = self._outputs(node.get("targetList", ()), at, outermost)
        self.expression(node.get("whereClause"), at.to("used in WHERE"))
        self.expression(node.get("havingClause"), at.to("used in HAVING"))
        self.expression(
            [node.get(key) for key in ("valuesLists", "limitOffset", "limitCount", "windowClause")],
            at if at.where == WRITTEN else at.to("used in an expression"),
        )
        self._compared(node, output, at.to(_ORDERED))

    def _set_operation(self, node: Node, at: At) -> None:
        inner = At(at.level.parent or Level(), at.ctes, "part of a UNION, INTERSECT or EXCEPT")
        for side in ("larg", "rarg"):
            self.query({"SelectStmt": node[side]}, inner)
        at.level.complete = True
        self.expression([node.get(key) for key in ("sortClause", "limitOffset", "limitCount")], at)

    def _outputs(self, targets: Sequence[Node], at: At, outermost: bool) -> Output:
        output = Output(targets, at.level)
        for target in targets:
            value = target["ResTarget"].get("val", {})
            mention = None
            if outermost and "ColumnRef" in value:
                mention = self.mention(value["ColumnRef"], at)
                if mention is not None and mention.what in ("row", "call"):
                    refuse_mention(mention, "selected as a whole row")
                self.check_row_function(value["ColumnRef"], at)
            else:
                self.expression(value, at)
            output.mentions.append(mention)
        if outermost:
            self.output = output
        return output

    def _compared(self, node: Node, output: Output, at: At) -> None:
        """ORDER BY, GROUP BY and DISTINCT: by expression, by output name, by position, or by all of the output."""
        distinct = node.get("distinctClause", [])
        if output.masked is not None and distinct and not all(distinct):
            refuse_mention(output.masked, _ORDERED)
        pending = [*node.get("sortClause", ()), *node.get("groupClause", ()), *distinct]
        while pending:
            each = pending.pop()
            if "SortBy" in each:
                self.calls.operator([name["String"]["sval"] for name in each["SortBy"].get("useOp", ())])
                pending.append(each["SortBy"]["node"])
            elif "GroupingSet" in each:
                pending += each["GroupingSet"].get("content", ())
            elif "List" in each or "RowExpr" in each:
                pending += each["List"]["items"] if "List" in each else each["RowExpr"].get("args", ())
            else:
                self._comparand(each, output, at)

    def _comparand(self, node: Node, output: Output, at: At) -> None:
        mention = None
        if "A_Const" in node and output.masked is not None:
            self.literal = True  # 1 is a position, and 1.5 is not
        if "A_Const" in node and "ival" in node["A_Const"]:
            mention = output.at(node["A_Const"]["ival"].get("ival", 0))
        elif "ColumnRef" in node:
            names, star = names_in(node["ColumnRef"])
            mention = output.named(names[0]) if len(names) == 1 and not star else None
        if mention is not None:
            refuse_mention(mention, at.where)
        self.expression(node, at)

    def _returning(self, node: Node, at: At, target: Item, outermost: bool) -> None:
        """RETURNING: also by the names OLD and NEW, or those given to them (PostgreSQL 18)."""
        clause = node.get("returningClause", {})
        exprs = clause.get("exprs", []) or node.get("returningList", [])
        names = [option["ReturningOption"].get("value", "") for option in clause.get("options", ())]
        rows = [Item(name, target.sources) for name in (*names, "old", "new")]
        level = Level(at.level.parent, [*at.level.items, *rows], complete=True, merged=at.level.merged)
        output = self._outputs(exprs, At(level, at.ctes, at.where), outermost)
        output.level = at.level  # what * stands for

    def _insert(self, node: Node, at: At, outermost: bool) -> None:
        target = self.target(node["relation"], at)
        self._assigned(node.get("cols", ()), at)
        if "selectStmt" in node:
            self.query(node["selectStmt"], At(at.level.parent or Level(), at.ctes, WRITTEN))
        at.level.complete = True
        conflict = node.get("onConflictClause", {})
        infer = conflict.get("infer", {})
        for element in infer.get("indexElems", ()):
            self.expression(element["IndexElem"].get("expr"), at)
        self.expression(infer.get("whereClause"), at.to("used in WHERE"))
        # EXCLUDED is the client's own row.
        proposed = Level(at.level.parent, list(at.level.items), complete=True)
        if target.name != "excluded":
            proposed.items.append(Item("excluded"))
        inner = At(proposed, at.ctes, WRITTEN)
        self._assigned(conflict.get("targetList", ()), inner)
        self.expression(conflict.get("whereClause"), inner.to("used in WHERE"))
        self._returning(node, at, target, outermost)

    def _update(self, node: Node, at: At, outermost: bool) -> None:
        target = self.target(node["relation"], at)
        self.from_list(node.get("fromClause", ()), at)
        self._assigned(node.get("targetList", ()), at.to(WRITTEN))
        self.expression(node.get("whereClause"), at.to("used in WHERE"))
        self._returning(node, at, target, outermost)

    def _delete(self, node: Node, at: At, outermost: bool) -> None:
        target = self.target(node["relation"], at)
        self.from_list(node.get("usingClause", ()), at)
        self.expression(node.get("whereClause"), at.to("used in WHERE"))
        self._returning(node, at, target, outermost)

    def _merge(self, node: Node, at: At, outermost: bool) -> None:
        target = self.target(node["relation"], at)
        self.from_list([node["sourceRelation"]], at)
        self.expression(node.get("joinCondition"), at.to("compared in a join"))
        for clause in node.get("mergeWhenClauses", ()):
            branch = clause["MergeWhenClause"]
            self.expression(branch.get("condition"), at.to("used in a condition"))
            self._assigned(branch.get("targetList", ()), at.to(WRITTEN))
            self.expression(branch.get("values"), at.to(WRITTEN))
        self._returning(node, at, target, outermost)

    def _assigned(self, targets: Sequence[Node], at: At) -> None:
        """The columns that are written are no reads; what is written into them is, and so are subscripts."""
        for target in targets:
            inner: dict[str, Any] = target["ResTarget"]
            self.expression([inner.get("val"), inner.get("indirection")], at)


def _is_plain(target: Node) -> bool:
    return "ColumnRef" in target["ResTarget"].get("val", {})


_QUERIES: dict[str, Callable[[QueryWalk, Node, At, bool], None]] = {
    "SelectStmt": QueryWalk._select,
    "InsertStmt": QueryWalk._insert,
    "UpdateStmt": QueryWalk._update,
    "DeleteStmt": QueryWalk._delete,
    "MergeStmt": QueryWalk._merge,
}
