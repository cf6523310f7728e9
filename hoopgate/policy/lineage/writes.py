"""INSERT, UPDATE, DELETE and MERGE: what they write where, and what RETURNING gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, evolve, field

from hoopgate.config.model import Mask
from hoopgate.policy.lineage.queries import Queries
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.relations import HINT, UNSEEN, Source, item_of, name_of
from hoopgate.policy.lineage.results import Assigned, Moved
from hoopgate.policy.lineage.scope import At, Item, Level, Rows
from hoopgate.policy.lineage.values import CLEAR, Column, Node, Taint, Value, taints_of

_SHOW_PART: Final = ("keep-last", "hash")
"""Kinds that tell something of the value: what was computed with one must not come under them."""


@define(eq=False)
class Target:
    """What a statement writes: the entry of its scope, and the relations that it may be."""

    item: Item
    sources: tuple[Source, ...]

    @property
    def names(self) -> list[str]:
        """The columns in their order, as an INSERT without a list fills them."""
        return [column.name for column in self.sources[0].columns] if len(self.sources) == 1 else []


@define(eq=False)
class Writes(Queries):
    """Adds statements that write rows. ``moved``: masked values that come to stand in the session's own relations.
    ``carried``: something that was read came to stand anywhere."""

    moved: list[Moved] = field(factory=list)
    carried: bool = False

    def write(self, kind: str, node: Node, at: At) -> Rows:
        judge = _WRITES.get(kind)
        if judge is None:
            raise refuse(f"the gateway does not know {kind} as a query", "unknown")
        return judge(self, node, at)

    def _target(self, range_var: Node, *, seen: bool = True) -> Target:
        """``seen``: what is written sees its columns."""
        if seen:
            self.relations.named.add(name_of(range_var))
        return Target(*self.target(range_var))

    # --- what may be written where

    def assign(self, target: Target, column: str, value: Value, *, new_row: bool = False) -> None:
        """A value comes into a column. Raises Refusal where no mask would cover it there."""
        for source in target.sources:
            self.into(source, column, value)
            mask = source.masked.get(column)
            if mask is not None and value.shown is not None:
                raise refuse(
                    f'column "{column}" of {source.label} is masked (mask "{mask.name}"), and what would be written '
                    "there is itself read masked: it would take the place of the real value",
                    mask.name,
                    "Leave the column out of what you write. Somebody who sees clear values may write any.",
                )
            if mask is not None and not source.hidden and not value.taints:
                type_oid = next((each.type_oid for each in source.columns if each.name == column), 0)
                self._note(Assigned(mask, f'"{column}" of {source.label}', None, type_oid, new_row), value)

    def into(self, source: Source, column: str, value: Value) -> None:
        """A masked value comes into a column: of the same mask, or of a relation of the session's own."""
        self.carried |= value.constants is None
        if not value.taints:
            return
        if source.temporary and not source.hidden:
            self._move(source, {column: value.taints[0].mask})
            return
        mask = source.masked.get(column)
        for taint in value.taints:
            if mask is None or source.hidden or not covers(mask, taint.mask, value):
                raise refuse_move(taint)
        if column in source.uncertain:
            raise refuse(
                f"{source.label} was changed in this transaction: masked values cannot be written to it yet",
                value.taints[0].mask.name,
                "Commit first.",
            )

    def _move(self, source: Source, columns: dict[str, Mask]) -> None:
        """The taint goes with the value, and into columns that are computed from it."""
        if source.child:
            raise refuse(
                f"{source.label} shows its rows through another relation: masked values cannot be written to it",
                next(iter(columns.values())).name,
                HINT,
            )
        first = next(iter(columns.values()))
        columns.update({column.name: first for column in source.columns if column.generated})
        self.moved.append(Moved(source.name, columns))
        self.relations.move(source.name, columns)

    def _note(self, assigned: Assigned, value: Value) -> None:
        for constant in value.constants if value.constants is not None else (None,):
            self.literal |= isinstance(constant, str)
            self.assigned.append(evolve(assigned, value=constant))

    def _assignments(self, targets: Sequence[Node], target: Target, at: At) -> None:
        """SET lists. The columns that are written are no reads; what is written into them is, and so are subscripts."""
        several: list[Value] = []
        for each in targets:
            inner = each["ResTarget"]
            self.value(inner.get("indirection"), at)
            source = inner.get("val", {})
            if "MultiAssignRef" in source:
                body = source["MultiAssignRef"]
                if body.get("colno", 1) == 1:
                    several = self._row(body.get("source", {}), at)
                at_position = body.get("colno", 1) - 1
                value = several[at_position] if at_position < len(several) else CLEAR
            else:
                value = self.value(source, at)
            self.probe(value.taints)  # a constraint may refuse it
            self.assign(target, inner.get("name", ""), value)

    def _row(self, node: Node, at: At) -> list[Value]:
        """The values of the row on the right of ``(a, b) = ...``."""
        if "RowExpr" in node:
            rows = self.listed(node["RowExpr"].get("args", ()), at)
        elif "SubLink" in node:
            rows = self.query(node["SubLink"].get("subselect", {}), at)
        else:
            rows = Rows(rest=self.value(node, at))
        if rows.rest is None:
            return [column.value for column in rows.columns]
        whole = Value(taints_of(rows.every))
        return [whole] * 1664  # PostgreSQL's most columns of a row

    # --- statements

    def _insert(self, node: Node, at: At) -> Rows:
        target = self._target(node["relation"], seen=False)
        names = [each["ResTarget"].get("name", "") for each in node.get("cols", ())] or target.names
        for each in node.get("cols", ()):
            self.value(each["ResTarget"].get("indirection"), at)
        rows = Rows()
        if "selectStmt" in node:
            rows = self.query(node["selectStmt"], At(at.level.parent or Level(), at.ctes))
            self._fill(target, names, rows)
        at.level.items.append(self._after(node["relation"], target))
        self._conflict(node.get("onConflictClause", {}), target, names, rows, at)
        return self._returning(node, target, at)

    def _fill(self, target: Target, names: Sequence[str], rows: Rows) -> None:
        self.probe(taints_of(rows.every))  # a constraint may refuse it
        if rows.rest is None and (names or not taints_of(rows.every)):
            for name, column in zip(names, rows.columns, strict=False):
                self.assign(target, name, column.value, new_row=True)
            return
        whole = Value(taints_of(rows.every))
        for source in target.sources:
            for name in names or [column.name for column in source.columns] or [""]:
                self.into(source, name, whole)

    def _after(self, range_var: Node, target: Target) -> Item:
        """The target as its rows are after they were written: with what was moved to it."""
        if not any(each.relation in {source.name for source in target.sources} for each in self.moved):
            return target.item
        return evolve(item_of(range_var, self.relations.find(range_var, write=True)), name=target.item.name)

    def _conflict(self, node: Node, target: Target, names: Sequence[str], rows: Rows, at: At) -> None:
        """ON CONFLICT. EXCLUDED is the row that was to be inserted."""
        infer = node.get("infer", {})
        self.value([each["IndexElem"].get("expr") for each in infer.get("indexElems", ())], at)
        self.value(infer.get("whereClause"), at)
        if not node:
            return
        proposed = {name: column.value for name, column in zip(names, rows.columns, strict=False)}
        whole = None if rows.rest is None else Value(taints_of(rows.every))
        columns = [
            Column(name, (_proposed(proposed[name]) if whole is None else whole) if name in proposed else CLEAR)
            for name in dict.fromkeys([*target.names, *names])
        ]
        excluded = Item("excluded", tuple(columns), whole, by_column=False)
        inner = At(Level(at.level.parent, [*at.level.items, excluded]), at.ctes)
        self._assignments(node.get("targetList", ()), target, inner)
        self.condition(node.get("whereClause"), inner)

    def _update(self, node: Node, at: At) -> Rows:
        target = self._target(node["relation"])
        at.level.items.append(target.item)
        self.from_list(node.get("fromClause", ()), at)
        self._assignments(node.get("targetList", ()), target, at)
        self.condition(node.get("whereClause"), at)
        at.level.items[0] = self._after(node["relation"], target)
        return self._returning(node, target, at)

    def _delete(self, node: Node, at: At) -> Rows:
        target = self._target(node["relation"])
        at.level.items.append(target.item)
        self.from_list(node.get("usingClause", ()), at)
        self.condition(node.get("whereClause"), at)
        return self._returning(node, target, at)

    def _merge(self, node: Node, at: At) -> Rows:
        target = self._target(node["relation"])
        source = At(Level(at.level.parent), at.ctes)
        self.from_list([node["sourceRelation"]], source)
        at.level.items += [target.item, *source.level.items]
        self.condition(node.get("joinCondition"), at)
        for clause in node.get("mergeWhenClauses", ()):
            branch = clause["MergeWhenClause"]
            self.condition(branch.get("condition"), at)
            if branch.get("commandType") == "CMD_INSERT":
                names = [each["ResTarget"].get("name", "") for each in branch.get("targetList", ())] or target.names
                self._fill(target, names, self.listed(branch.get("values", ()), at))
            else:
                self._assignments(branch.get("targetList", ()), target, at)
        at.level.items[0] = self._after(node["relation"], target)
        # * of a MERGE is that of its source, then that of its target.
        return self._returning(node, target, at, [*at.level.items[1:], at.level.items[0]])

    def _returning(self, node: Node, target: Target, at: At, starred: Sequence[Item] | None = None) -> Rows:
        """RETURNING: also by the names OLD and NEW, or those given to them (PostgreSQL 18)."""
        clause = node.get("returningClause", {})
        exprs = clause.get("exprs", []) or node.get("returningList", [])
        given = [option["ReturningOption"].get("value", "") for option in clause.get("options", ())]
        taken = {item.name for item in at.level.items}
        names = dict.fromkeys([*given, *(name for name in ("old", "new") if name not in taken)])
        current = at.level.items[0]
        rows = [evolve(current, name=name, schema=None, by_column=False) for name in names]
        level = Level(at.level.parent, [*at.level.items, *rows])
        found = self.outputs(exprs, At(level, at.ctes), at.level.items if starred is None else starred)
        ruled = any(self.relations.index.snapshot.rules.get(source.oid) for source in target.sources)
        return Rows(found.columns, Value(taints_of(found.every))) if ruled else found


def _proposed(value: Value) -> Value:
    """A value as EXCLUDED has it."""
    return Value(value.taints, constants=value.constants, shown=value.shown)


def covers(mask: Mask, of: Mask, value: Value) -> bool:
    """Whether a value under the mask ``of`` is as well hidden in a column under ``mask``."""
    return mask.name == of.name and of is not UNSEEN and (value.plain or mask.kind not in _SHOW_PART)


def refuse_move(taint: Taint) -> Exception:
    if taint.mask is UNSEEN:
        return refuse(
            f"relation {taint.label} does not exist, or the gateway cannot see it: "
            "its columns cannot be written to another table",
            taint.mask.name,
            "Check its name, its schema and the search_path.",
            "42P01",
        )
    return refuse(
        f'column {taint.label} is masked (mask "{taint.mask.name}"): it cannot be written to where no mask covers it',
        taint.mask.name,
        HINT,
    )


_WRITES: dict[str, Callable[[Any, Node, At], Rows]] = {
    "InsertStmt": Writes._insert,
    "UpdateStmt": Writes._update,
    "DeleteStmt": Writes._delete,
    "MergeStmt": Writes._merge,
}
