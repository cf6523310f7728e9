"""Where a statement's parse tree mentions relations that are to be replaced, and what the statement asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import define, field

from hoopgate.catalogue.snapshot import Relation
from hoopgate.policy.lineage.source_text import SYSTEM_COLUMNS, Unspellable
from hoopgate.policy.sql.tree import Node

_NOT_GROUPED: Final = frozenset({114, 142, 600, 601, 602, 603, 604, 628, 718})
"""Types without equality, or with one that no group can use: json, xml, and geometry."""

_FROM: Final = frozenset({"fromClause", "usingClause", "sourceRelation"})
_WITHIN_FROM: Final = frozenset({"JoinExpr", "larg", "rarg"})
_SHOWN: Final = ("targetList", "havingClause", "sortClause", "distinctClause", "windowClause")


@define(eq=False)
class Words:
    """What one statement names, wherever in it."""

    wanted: Mapping[int, int]  # places of relations that are replaced, and their oids
    names: set[str] = field(factory=set)  # anything that may be a column's name
    references: list[Node] = field(factory=list)  # ColumnRef's values
    called: list[tuple[str, int]] = field(factory=list)  # by which name each relation is known, and its oid or 0
    left: list[Node] = field(factory=list)  # relations that are read, and stay
    queries: set[str] = field(factory=set)  # names of WITH queries
    by_order: bool = False  # a join is natural, or has an alias, so that all columns of its sides count

    def note(self, kind: str, value: Any) -> None:
        if kind == "ColumnRef":
            self.references.append(value)
        elif "relname" in value and "alias" not in value:
            self.called.append((value["relname"], self.wanted.get(value.get("location", 0), 0)))
        elif kind == "CommonTableExpr":
            self.queries.add(value.get("ctename", ""))
        elif "aliasname" in value:
            self.called.append((value["aliasname"], 0))
        elif kind == "JoinExpr" and ("isNatural" in value or "alias" in value):
            self.by_order = True


@define(eq=False)
class Mention:
    """A relation in FROM, USING or MERGE's USING.

    ``node`` holds ``variable``, the RangeVar's value, perhaps inside of ``sample``, a RangeTableSample's. ``select`` is
    the SelectStmt's value in whose FROM it stands directly, if there is one; ``command``: that is ``TABLE name``.
    """

    node: Node
    variable: Node
    words: Words
    sample: Node | None
    select: Node | None
    command: bool

    @property
    def place(self) -> int:
        """The byte at which its name begins."""
        return int(self.variable["location"])

    @property
    def name(self) -> str:
        """By which the statement knows it."""
        alias = self.variable.get("alias")
        return str(alias["aliasname"] if alias else self.variable["relname"])

    def columns(self, relation: Relation) -> frozenset[str] | None:
        """Names of the columns that the statement may ask for, the system's included; None: all of the relation's.

        Raises Unspellable where it asks for all, and for some of the system's: a sub-select has no hidden columns.
        """
        words = self.words
        own = {column.name for column in relation.columns}
        if not self._whole(own):
            return frozenset(words.names & (own | SYSTEM_COLUMNS))
        for fields in map(field_names, words.references):
            if fields[-1] in SYSTEM_COLUMNS - own and (len(fields) == 1 or fields[-2] == self.name):
                raise Unspellable(
                    f"{fields[-1]} cannot be read beside all columns of a relation whose masks are read",
                    "Name the columns in place of * or of the whole row.",
                )
        return None

    def _whole(self, own: set[str]) -> bool:
        """Whether it asks for all columns: by ``*``, as a row, by their order or by an argument of a function."""
        if self.words.by_order or "colnames" in self.variable.get("alias", ()):
            return True
        known = own | SYSTEM_COLUMNS
        for fields in map(field_names, self.words.references):
            if fields[-1] == "*":
                if len(fields) == 1 or fields[-2] == self.name:
                    return True
            elif fields[-1] == self.name if len(fields) == 1 else fields[-2] == self.name and fields[-1] not in known:
                return True
        return False

    def qualified(self, relation: Relation) -> Iterator[tuple[Node, int]]:
        """References to its columns as ``schema.relation.column``, and how many of their fields come before the
        relation's name. Raises Unspellable where without the schema they might mean another."""
        if "alias" in self.variable:
            return
        for reference in self.words.references:
            fields = field_names(reference)
            if len(fields) >= 3 and fields[-2] == relation.name and fields[-3] == relation.schema:
                if any(name == relation.name and oid != relation.oid for name, oid in self.words.called):
                    raise Unspellable(
                        f"{relation}.{fields[-1]} cannot be told apart where masks of the table are read",
                        "Give the table an alias.",
                    )
                yield reference, len(fields) - 2

    def grouped(self, relation: Relation) -> tuple[int | None, list[str]]:
        """Where among the groups a column of the relation's whole primary key stands, and which other columns of it the
        statement shows; None if the groups have no such key."""
        if self.select is None or not relation.primary_key:
            return None, []
        groups = self.select.get("groupClause", [])
        if any("GroupingSet" in item for item in groups):
            return None, []
        own = dict(zip(self._visible(relation), relation.columns, strict=True))
        found: dict[str, int] = {}
        for place, item in enumerate(groups):
            name = self._own(self._meant(item, own), relation)
            if name in own:
                found.setdefault(name, place)
        key = [name for name, column in own.items() if column.attnum in relation.primary_key]
        if len(key) < len(relation.primary_key) or not found.keys() >= set(key):
            return None, []
        shown = self._shown(relation)
        missing = [
            name
            for name, column in own.items()
            if name in shown and name not in found and column.type_oid not in _NOT_GROUPED
        ]
        return (found[key[0]], missing) if missing else (None, [])

    def _meant(self, item: Node, own: Mapping[str, Any]) -> Node:
        """A column of the output that an item names by place or alias, or the item itself."""
        assert self.select is not None
        targets = [target["ResTarget"] for target in self.select.get("targetList", ())]
        place = item.get("A_Const", {}).get("ival", {}).get("ival", 0)
        if place:
            return dict(targets[place - 1].get("val", {})) if place <= len(targets) else item
        fields = field_names(item["ColumnRef"]) if "ColumnRef" in item else ()
        if len(fields) == 1 and fields[0] not in own:
            for target in targets:
                if target.get("name") == fields[0]:
                    return dict(target.get("val", {}))
        return item

    def _own(self, item: Node, relation: Relation) -> str:
        """The column's name, if the item is a plain reference to one of this mention."""
        fields = field_names(item["ColumnRef"]) if "ColumnRef" in item else ()
        if not fields or (len(fields) > 1 and fields[-2] != self.name):
            return ""
        return fields[-1] if len(fields) < 3 or fields[-3] == relation.schema else ""

    def _shown(self, relation: Relation) -> set[str]:
        assert self.select is not None
        words = Words({})
        for part in _SHOWN:
            for _ in walk(self.select.get(part, []), words):
                pass
        names = {self._own({"ColumnRef": reference}, relation) for reference in words.references}
        return set(self._visible(relation)) if "*" in names else names

    def _visible(self, relation: Relation) -> list[str]:
        """Its columns' names as the statement's alias has them."""
        renamed = [name["String"].get("sval", "") for name in self.variable.get("alias", {}).get("colnames", ())]
        return renamed + [column.name for column in relation.columns[len(renamed) :]]


def field_names(reference: Node) -> tuple[str, ...]:
    """The parts of a ColumnRef's name; a star is "*"."""
    return tuple(part["String"].get("sval", "") if "String" in part else "*" for part in reference["fields"])


def mentions(statement: Node, wanted: Mapping[int, int]) -> list[Mention]:
    """All mentions in one statement whose place is in ``wanted``."""
    words = Words(wanted)
    return list(walk(statement, words))


def walk(tree: Any, words: Words) -> Iterator[Mention]:
    """Note what the tree names, and yield what is mentioned in it; without recursion."""
    # With the statement in whose FROM (USING, or MERGE's USING) it stands directly.
    pending: list[tuple[Any, Node | None]] = [(tree, None)]
    seen: set[int] = set()
    while pending:
        node, select = pending.pop()
        if type(node) is list:
            pending += [(item, select) for item in node]
            continue
        found = _mention(node, select, words)
        if found is not None and id(found.variable) not in seen:
            seen.add(id(found.variable))  # a sample's is met again, inside of it
            yield found
        for kind, value in node.items():
            if type(value) is str:
                words.names.add(value)
            elif type(value) in (dict, list) and kind != "A_Const":
                if type(value) is dict:
                    words.note(kind, value)
                stays = kind in _WITHIN_FROM
                pending.append((value, node if kind in _FROM else select if stays else None))


def _mention(node: Node, select: Node | None, words: Words) -> Mention | None:
    sample = node.get("RangeTableSample")
    variable = (sample["relation"] if sample is not None else node).get("RangeVar")
    if variable is None:
        return None
    if variable.get("location", 0) not in words.wanted:
        if select is not None:
            words.left.append(variable)
        return None
    targets: list[Node] = select.get("targetList", []) if select is not None else []
    first: Node = {} if len(targets) != 1 else targets[0].get("ResTarget", {}).get("val", {}).get("ColumnRef", {})
    # Of TABLE, whose star stands nowhere in the text (PostgreSQL, gram.y: simple_select).
    command = int(first.get("location", 0)) < 0 and "A_Star" in first["fields"][0]
    return Mention(node, variable, words, sample, select, command)
