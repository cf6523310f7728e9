"""Statements made to read the masked form of relations: their own text with sub-selects in the relations' places.

Nothing is believed of how the text was read: the result is parsed again, and must be the tree of the original with just
these relations replaced (:meth:`Draft.prove`). So the statement does what it did, on masks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from attrs import define, field, frozen

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import Relation
from hoopgate.policy.lineage import lexing
from hoopgate.policy.lineage.mentions import Mention, Words, mentions, walk
from hoopgate.policy.lineage.results import SourceRead
from hoopgate.policy.lineage.source_text import Unspellable, quoted, source_masks, sub_select
from hoopgate.policy.sql.tree import Node, Parsed, Unparsable, parse
from hoopgate.respelling import Edit, Respelling, respelled

PLACES: Final = frozenset(
    {"location", "name_location", "stmt_location", "stmt_len", "rexpr_list_start", "rexpr_list_end", "list_start"}
    | {"list_end"}
)
"""Fields of parse trees that tell where something stood in the text."""


@frozen(eq=False)
class Draft:
    """What :func:`draft` made, not yet proved. ``trees`` are what its text must parse to, places left out."""

    respelling: Respelling
    trees: tuple[Any, ...] = field(repr=False)

    def prove(self, parsed: Parsed) -> Respelling:
        """``parsed`` is of ``respelling.text``. Raises Unspellable if it is anything but what was meant."""
        try:
            same = not parsed.pruned and [without_places(tree) for tree in parsed.statements] == list(self.trees)
        except RecursionError:
            same = False
        if not same:
            raise Unspellable(NOT_SO, SIMPLER)
        return self.respelling


COSTS_OFF: Final = {"DefElem": {"defname": "costs", "arg": {"String": {"sval": "off"}}, "defaction": "DEFELEM_UNSPEC"}}
NOT_SO: Final = "the statement cannot be made to read masks in place of the tables that it names"
SIMPLER: Final = "Write it more plainly, with aliases for the tables and names for the columns."


def respell(
    parsed: Parsed, reads: Iterable[SourceRead], index: MaskIndex, *, largest: int, uncosted: Iterable[int] = ()
) -> Respelling:
    """``parsed`` as it is to run, where ``reads`` read the masked form of relations with ``reading = "source"`` masks,
    and statements at the places ``uncosted``, which are EXPLAIN, hide their estimates.

    ``largest``: bytes of the result that may be parsed here; for longer ones take :func:`draft`. Pure. Raises
    Unspellable. Costs some 100 µs, and 5 ns for each byte of a wide table's columns.
    """
    made = draft(parsed, reads, index, largest=largest, uncosted=uncosted)
    try:
        return made.prove(parse(made.respelling.text))
    except Unparsable as error:
        raise Unspellable(NOT_SO, SIMPLER) from error


def draft(
    parsed: Parsed, reads: Iterable[SourceRead], index: MaskIndex, *, largest: int, uncosted: Iterable[int] = ()
) -> Draft:
    """The same without the proof: parse ``respelling.text``, whole, and call ``prove``. Raises Unspellable."""
    if parsed.pruned:
        raise Unspellable(
            "the statement is too long to be made to read masks", "Pass long lists as one array parameter."
        )
    work = _Work(parsed, index, largest)
    try:
        work.run(tuple(reads))
        for place in uncosted:
            work.hide_costs(place)
        made = respelled(parsed.text, work.edits, quotes=work.quotes)
        trees = tuple(work.expected(tree) for tree in parsed.statements)
    except (lexing.Astray, ValueError, RecursionError):
        raise Unspellable(NOT_SO, SIMPLER) from None
    return Draft(made, trees)


def unread(parsed: Parsed, reads: Iterable[SourceRead], index: MaskIndex, own: Collection[str] = ()) -> str:
    """The name of a relation that the statement reads past its masks, by names alone, as a second opinion; "" for none.

    ``own``: names of relations that the session made, which may come first.
    """
    wanted = {read.location: read.oid for read in reads}
    for statement in parsed.statements:
        words = Words(wanted)
        for _ in walk(statement, words):
            continue
        for variable in words.left:
            name = variable["relname"]
            found = index.relations(variable.get("schemaname"), name)
            hides = bool(found) and all(source_masks(index, each.oid) for each in found)
            if hides and name not in own and name not in words.queries:
                return str(found[0])
    return ""


def without_places(tree: Any) -> Any:
    """A copy of a parse tree that does not tell where anything stood."""
    if type(tree) is dict:
        return {key: without_places(value) for key, value in tree.items() if key not in PLACES}
    if type(tree) is list:
        return [without_places(value) for value in tree]
    return tree


@define(eq=False)
class _Work:
    """The edits of one text, and what its trees become by them."""

    parsed: Parsed
    index: MaskIndex
    largest: int
    edits: list[Edit] = field(factory=list)
    quotes: bool = False
    _nodes: dict[int, Any] = field(factory=dict)  # id of a node -> what it becomes
    _uncosted: set[int] = field(factory=set)  # ids of EXPLAINs
    _more: dict[int, list[tuple[int, list[Node]]]] = field(factory=dict)  # id of a list -> what is put before which
    _size: int = 0
    _bytes: bytes | None = None  # the text, where a character is not a byte

    def __attrs_post_init__(self) -> None:
        if not self.parsed.text.isascii():
            self._bytes = self.parsed.text.encode()

    def run(self, reads: Sequence[SourceRead]) -> None:
        wanted: dict[int, int] = {}
        for read in reads:
            if wanted.setdefault(read.location, read.oid) != read.oid:
                raise Unspellable(
                    "a table's name may mean several tables, of which masks are to be read",
                    "Write its schema before its name.",
                )
        found = 0
        for statement in self.parsed.statements:
            for mention in mentions(statement, wanted):
                found += 1
                self._replace(mention, wanted[mention.place])
        if found != len(wanted):
            raise Unspellable(NOT_SO, SIMPLER)

    def expected(self, tree: Any) -> Any:
        """The tree with what was replaced, without places. Nothing of the original is changed."""
        new = self._nodes.get(id(tree))
        if new is not None:
            return new
        if type(tree) is dict:
            whole = {key: self.expected(value) for key, value in tree.items() if key not in PLACES}
            if id(tree) in self._uncosted:
                whole["options"] = [*whole.get("options", ()), COSTS_OFF]
            return whole
        if type(tree) is not list:
            return tree
        made = [self.expected(value) for value in tree]
        for place, more in sorted(self._more.get(id(tree), ()), key=lambda each: each[0], reverse=True):
            made[place:place] = more
        return made

    def hide_costs(self, place: int) -> None:
        """Let the EXPLAIN at this place show no estimates."""
        self._uncosted.add(id(self.parsed.statements[place]["ExplainStmt"]))
        start, _ = self.parsed.spans[place]
        self._put(*lexing.costs_off(self.parsed.text, self._character(start)))

    # --- one relation

    def _replace(self, mention: Mention, oid: int) -> None:
        relation = self.index.snapshot.relations.get(oid)
        if relation is None:
            raise Unspellable(
                "a table's definition is not known to the gateway yet",
                "If the session made or changed it in its open transaction, commit it first.",
            )
        text, variable = self.parsed.text, mention.variable
        parts = sum(1 for name in ("catalogname", "schemaname", "relname") if name in variable)
        only = not variable.get("inh", False)
        start, end = lexing.relation(text, self._character(mention.place), parts, only=only)
        alias = variable.get("alias")
        clause = self._sample(mention, end) if mention.sample is not None else ""
        new = sub_select(self.index, relation, mention.name, mention.columns(relation), only=only, sample=clause)
        self._put(start, end, new if alias else f"{new} AS {quoted(variable['relname'])}")
        if mention.command:
            before, _ = lexing.keyword_before(text, start, "table")
            self._put(before, before + len("table"), "SELECT * FROM")
        self._nodes[id(mention.node)] = _range_subselect(new, alias or {"aliasname": variable["relname"]})
        for reference, skipped in mention.qualified(relation):
            self._unqualify(reference, skipped, variable["relname"])
        self._group(mention, relation)

    def _sample(self, mention: Mention, end: int) -> str:
        """Take the TABLESAMPLE clause out, behind the alias, and return its text."""
        text, clause = self.parsed.text, mention.sample
        assert clause is not None
        alias = mention.variable.get("alias")
        if alias:
            end = lexing.alias(text, end, columns="colnames" in alias)
        start, end = lexing.sample(text, end, len(clause["method"]), repeatable="repeatable" in clause)
        self._put(start, end, "")
        self.quotes = True
        return text[start:end]

    def _unqualify(self, reference: Node, skipped: int, name: str) -> None:
        """``schema.relation.column`` names no sub-select: ``relation.column`` does."""
        if id(reference) in self._nodes:
            return
        at = self._character(reference.get("location", 0))
        self._put(at, lexing.dotted(self.parsed.text, at, skipped + 1), quoted(name))
        self._nodes[id(reference)] = {"fields": without_places(reference["fields"][skipped:])}

    def _group(self, mention: Mention, relation: Relation) -> None:
        """A primary key among the groups lets all columns of its table stand beside them (manual, SELECT, "GROUP BY
        Clause"); of a sub-select it does not. So these are put among the groups, of which that makes no more."""
        place, names = mention.grouped(relation)
        if place is None or mention.select is None:
            return
        groups = mention.select["groupClause"]
        (item,) = groups[place].values()
        at = self._character(item["location"])
        self._put(at, at, "".join(f"{quoted(mention.name)}.{quoted(name)}, " for name in names))
        self._more.setdefault(id(groups), []).append((place, [_column(mention.name, name) for name in names]))

    # --- the text

    def _put(self, start: int, end: int, new: str) -> None:
        self._size += len(new)
        if len(self.parsed.text) + self._size > self.largest:
            raise Unspellable(
                "the statement is too long to be made to read masks", "Name fewer columns of fewer tables in it."
            )
        self.edits.append(Edit(start, end, new))

    def _character(self, place: int) -> int:
        return place if self._bytes is None else len(self._bytes[:place].decode())


def _column(relation: str, name: str) -> Node:
    return {"ColumnRef": {"fields": [{"String": {"sval": relation}}, {"String": {"sval": name}}]}}


def _range_subselect(text: str, alias: Node) -> Node:
    made = _remembered(text) if len(text) <= _LONGEST_KEPT else _parsed(text)
    return {"RangeSubselect": {**made, "alias": without_places(alias)}}


def _parsed(text: str) -> Node:
    (statement,) = parse(f"SELECT FROM {text} AS a").statements
    made: Node = without_places(statement["SelectStmt"]["fromClause"][0]["RangeSubselect"])
    return made


_LONGEST_KEPT: Final = 8192
_remembered: Final = lru_cache(maxsize=256)(_parsed)
