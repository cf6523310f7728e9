"""SELECT, set operations and WITH: the columns they give, and what in them decides about rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, evolve

from hoopgate.policy.lineage.calls import strings
from hoopgate.policy.lineage.from_clause import FromClause
from hoopgate.policy.lineage.names import column_name
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.relations import UNSEEN
from hoopgate.policy.lineage.scope import At, Item, Level, Rows, names_in
from hoopgate.policy.lineage.values import CLEAR, Column, Node, Taint, Value, computed, either, taints_of

ROUNDS: Final = 4
"""How often a recursive query is followed until its columns stay the same; then all are made of all."""
QUERIES: Final = 10_000
"""Queries that are followed for one message, each time that a recursive one is followed counted."""


_UNKNOWN: Final = Rows(rest=Value((Taint(UNSEEN, "a WITH query that names another in a circle"),)))


@define(eq=False)
class Queries(FromClause):
    """Adds queries that only read."""

    _queries: int = 0

    def query(self, node: Node, at: At) -> Rows:
        self._queries += 1
        if self._queries > QUERIES:
            raise refuse("the message holds too many queries to be judged", "unknown", "Split it.", "54001")
        (kind, value), *more = node.items()
        if more:
            raise refuse(f"the gateway does not know {kind} as a query", "unknown")
        inner = self.with_clause(value, At(Level(at.level), at.ctes))
        if kind == "SelectStmt":
            return self._select(value, inner)
        return self.write(kind, value, inner)

    @abstractmethod
    def write(self, kind: str, node: Node, at: At) -> Rows:
        """INSERT, UPDATE, DELETE and MERGE; what their RETURNING gives."""

    # --- WITH

    def with_clause(self, node: Node, at: At) -> At:
        """Bring the WITH queries in sight."""
        clause = node.get("withClause", {})
        entries = {entry["CommonTableExpr"]["ctename"]: entry["CommonTableExpr"] for entry in clause.get("ctes", ())}
        if not entries:
            return at
        ctes = dict(at.ctes)
        recursive = bool(clause.get("recursive"))
        if recursive:
            # Queries may name later ones, as long as none needs the other.
            ctes.update(dict.fromkeys(entries, _UNKNOWN))
        for name in _ordered(entries) if recursive else entries:
            here = At(at.level.parent or Level(), dict(ctes))
            rows = self._recursive(entries[name], here) if recursive else self.query(entries[name]["ctequery"], here)
            ctes[name] = _searched(self, entries[name], _named(rows, entries[name]))
        return At(at.level, ctes, at.windows)

    def _recursive(self, entry: Node, at: At) -> Rows:
        """A query that may name itself: followed until what its columns are made of stays the same."""
        name, select = entry["ctename"], entry["ctequery"].get("SelectStmt", {})
        if select.get("op", "SETOP_NONE") == "SETOP_NONE" or not _mentions(select, name):
            return self.query(entry["ctequery"], at)
        start = self.with_clause(select, At(Level(at.level), {**at.ctes, name: Rows(rest=CLEAR)}))
        known = _origin_free(_named(self.query({"SelectStmt": select["larg"]}, start), entry))
        for _ in range(ROUNDS):
            told = (list(self.probes), set(self._wide))
            found = _origin_free(self._round(entry, name, known, at))
            if _taints(found) == _taints(known):
                return known
            known = found
            self.probes[:], self._wide = told
        # Too long a way to follow: every column is made of all.
        for _ in range(2):
            whole = computed([*known.every, *self._round(entry, name, known, at).every])
            known = Rows(tuple(Column(column.name, whole) for column in known.columns), whole)
        return known

    def _round(self, entry: Node, name: str, known: Rows, at: At) -> Rows:
        return _named(self.query(entry["ctequery"], At(at.level, {**at.ctes, name: known})), entry)

    # --- SELECT

    def _select(self, node: Node, at: At) -> Rows:
        if "intoClause" in node:
            raise refuse("SELECT INTO in a set operation cannot be judged", "unknown", "Use CREATE TABLE AS.", "0A000")
        if node.get("op", "SETOP_NONE") != "SETOP_NONE":
            return self._set_operation(node, at)
        if "valuesLists" in node:
            rows = self._values(node["valuesLists"], at)
        else:
            self.from_list(node.get("fromClause", ()), at)
            windows = {each["WindowDef"].get("name", ""): each["WindowDef"] for each in node.get("windowClause", ())}
            at = evolve(at, windows=windows)
            rows = self.outputs(node.get("targetList", ()), at)
            self.condition(node.get("whereClause"), at)
            self.condition(node.get("havingClause"), at)
            for window in windows.values():
                self.probe(self._window(window, at).taints)
        self._compared(node, rows, at)
        self.order([node.get("limitOffset"), node.get("limitCount")], at)
        return rows

    def _values(self, lists: Sequence[Node], at: At) -> Rows:
        lines = [self.listed(each["List"].get("items", ()), at) for each in lists]
        if any(line.rest is not None for line in lines):
            return Rows(rest=computed(value for line in lines for value in line.every))
        width = min((len(line.columns) for line in lines), default=0)
        places = [either(line.columns[place].value for line in lines) for place in range(width)]
        return Rows(tuple(Column(f"column{place + 1}", value) for place, value in enumerate(places)))

    def listed(self, items: Sequence[Node], at: At) -> Rows:
        """The values of a list in which, as in an output list, ``t.*`` stands for the columns of a row."""
        return self.outputs([{"ResTarget": {"val": item}} for item in items], at)

    def outputs(self, targets: Sequence[Node], at: At, starred: Sequence[Item] | None = None) -> Rows:
        """What an output list gives. ``starred``: the entries that a lone ``*`` stands for, if not all."""
        columns: list[Column] = []
        rests: list[Value] = []
        for target in targets:
            inner = target["ResTarget"]
            items = self._starred(inner.get("val", {}), at, starred)
            if items is None:
                columns.append(Column(column_name(inner), self.value(inner.get("val"), at)))
                continue
            for item in items:
                for column in item.columns:
                    self.met(column.value)
                columns += item.columns
                if item.rest is not None or item.unordered:
                    rests.append(item.row())
        return Rows(tuple(columns), either(rests) if rests else None)

    def _starred(self, value: Node, at: At, starred: Sequence[Item] | None) -> Sequence[Item] | None:
        """The entries for whose columns a star stands; None for what is no star."""
        if "A_Indirection" in value and "A_Star" in (value["A_Indirection"].get("indirection") or [{}])[-1]:
            body = value["A_Indirection"]
            steps = body["indirection"][:-1]
            row = self.value({"A_Indirection": {**body, "indirection": steps}} if steps else body.get("arg"), at)
            if row.fields is not None:
                return [Item("", tuple(Column(each.name, each.value.perhaps()) for each in row.fields))]
            return [self._fields(row)]
        names, star = names_in(value.get("ColumnRef", {}))
        if not star:
            return None
        if not names:
            return [item for item in (at.level.items if starred is None else starred) if item.by_column]
        found = at.level.table(names[-1], names[-2] if len(names) > 1 else None)
        return [found] if found is not None else [Item("", rest=self._nowhere(names[-1]))]

    def _fields(self, row: Value) -> Item:
        """The fields of a composite value."""
        snapshot = self.relations.index.snapshot
        kind = snapshot.types.get(row.type_oid)
        relation = snapshot.relations.get(kind.relation) if kind is not None and kind.kind == "row" else None
        if relation is None:
            return Item("", rest=Value(row.taints))
        return Item(
            "", tuple(Column(each.name, Value(row.taints, type_oid=each.type_oid)) for each in relation.columns)
        )

    # --- what is compared

    def _set_operation(self, node: Node, at: At) -> Rows:
        """UNION, INTERSECT, EXCEPT: a column may be that of either side, and has no origin."""
        outside = At(at.level.parent or Level(), at.ctes)
        spine: list[Node] = [node]
        while spine[-1]["larg"].get("op", "SETOP_NONE") != "SETOP_NONE" and _plain(spine[-1]["larg"]):
            spine.append(spine[-1]["larg"])
        rows = self.query({"SelectStmt": spine[-1]["larg"]}, outside)
        for each in reversed(spine):
            rows = self._combined(each, rows, self.query({"SelectStmt": each["rarg"]}, outside))
        self._compared(node, rows, At(Level(), at.ctes))
        self.order([node.get("limitOffset"), node.get("limitCount")], At(Level(), at.ctes))
        return rows

    def _combined(self, node: Node, left: Rows, right: Rows) -> Rows:
        if node.get("op") != "SETOP_UNION" or not node.get("all"):
            self.probe(taints_of([*left.every, *right.every]))
        if left.rest is None and right.rest is None:
            pairs = zip(left.columns, right.columns, strict=False)
            return Rows(tuple(Column(one.name, either([one.value, other.value])) for one, other in pairs))
        whole = either([*left.every, *right.every])
        return Rows(tuple(Column(column.name, whole) for column in left.columns), whole)

    def _compared(self, node: Node, rows: Rows, at: At) -> None:
        """ORDER BY, GROUP BY and DISTINCT: by expression, by output name, by position, or by all of the output."""
        distinct = node.get("distinctClause", [])
        if distinct and not all(distinct):
            self.probe(taints_of(rows.every))
        for clause in ("sortClause", "groupClause"):
            self._keys(node.get(clause, ()), rows, at)
        self._keys([each for each in distinct if each], rows, at)

    def _keys(self, nodes: Sequence[Node], rows: Rows, at: At) -> None:
        pending = list(nodes)
        while pending:
            each = pending.pop()
            if "SortBy" in each:
                self.calls.operator(strings(each["SortBy"].get("useOp", ())))
                pending.append(each["SortBy"]["node"])
            elif "GroupingSet" in each:
                pending += each["GroupingSet"].get("content", ())
            elif "List" in each or "RowExpr" in each:
                pending += each["List"]["items"] if "List" in each else each["RowExpr"].get("args", ())
            elif each:
                self._key(each, rows, at)

    def _key(self, node: Node, rows: Rows, at: At) -> None:
        if "A_Const" in node:
            position = node["A_Const"].get("ival", {}).get("ival", 0)
            if taints_of(rows.every):
                self.literal = True  # 1 is a position, and 1.5 is not
            if rows.rest is not None:
                self.probe(taints_of(rows.every) if position > 0 else ())
            elif 1 <= position <= len(rows.columns):
                self.probe(rows.columns[position - 1].value.taints)
            return
        names, star = names_in(node.get("ColumnRef", {}))
        if len(names) == 1 and not star:
            named = [column.value for column in rows.columns if column.name == names[0]]
            self.probe(taints_of(named))
            if named and not at.level.own_column(names[0]):
                return
            if not at.level.items:
                self.probe(rows.rest.taints if rows.rest is not None else ())
                return
        self.order(node, at)


def _plain(select: Node) -> bool:
    """A set operation with no clauses of its own: part of a chain."""
    return not {"withClause", "sortClause", "limitCount", "limitOffset"} & set(select)


def _ordered(entries: Mapping[str, Node]) -> list[str]:
    """The names of WITH queries, each behind those that it names."""
    found: dict[str, None] = {}
    pending = [(name, False) for name in reversed(list(entries))]
    entered: set[str] = set()
    while pending:
        name, done = pending.pop()
        if done:
            found[name] = None
        elif name not in entered:
            entered.add(name)
            pending.append((name, True))
            pending += [(other, False) for other in entries if other != name and _mentions(entries[name], other)]
    return list(found)


def _named(rows: Rows, entry: Node) -> Rows:
    """Under the names that a WITH query's column list gives."""
    names = strings(entry.get("aliascolnames", ()))
    item = rows.as_item("", names)
    return Rows(item.columns, item.rest)


def _searched(queries: Queries, entry: Node, rows: Rows) -> Rows:
    """With the columns that SEARCH and CYCLE add."""
    search, cycle = entry.get("search_clause", {}), entry.get("cycle_clause", {})
    by_name: Mapping[str, Value] = {column.name: column.value for column in rows.columns}
    added: list[Column] = []
    for clause, keys, names in (
        (search, "search_col_list", ("search_seq_column",)),
        (cycle, "cycle_col_list", ("cycle_mark_column", "cycle_path_column")),
    ):
        values = [by_name.get(name, rows.rest or CLEAR) for name in strings(clause.get(keys, ()))]
        whole: Value = computed(values)
        queries.probe(whole.taints if clause is cycle else ())
        added += [Column(clause[name], whole) for name in names if clause.get(name)]
    return Rows((*rows.columns, *added), rows.rest)


def _origin_free(rows: Rows) -> Rows:
    columns = tuple(Column(column.name, Value(column.value.taints)) for column in rows.columns)
    return Rows(columns, None if rows.rest is None else Value(rows.rest.taints))


def _taints(rows: Rows) -> list[set[Any]]:
    return [set(value.taints) for value in rows.every]


def _mentions(root: Any, name: str) -> bool:
    """Whether a tree names the relation anywhere."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            if node.get("relname") == name:
                return True
            pending += node.values()
    return False
