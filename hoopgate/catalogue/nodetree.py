"""Reading ``pg_rewrite.ev_action``: which columns a view or rule reads, and which it shows unchanged.

The column is a ``pg_node_tree``, PostgreSQL's own printed form of a Query (PostgreSQL source, ``nodes/read.c`` and
``nodes/outfuncs.c``): ``{KIND :field value ...}``, lists in parentheses, ``\\`` before a literal character. It is plain
data, read without a lock, which ``pg_get_viewdef`` is not; and ``pg_depend`` does not tell of whole-row references.
What cannot be followed makes the rule opaque, never harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from attrs import define, field

from hoopgate.catalogue.snapshot import WHOLE_ROW, ColumnKey, Reads

LARGEST: Final = 4 * 1024 * 1024
"""Characters of a tree that is still read; a larger one is opaque."""

_TOKEN: Final = re.compile(r"[(){}]|(?:\\.|[^\s(){}\\])+", re.DOTALL)
_RELATION, _SUBQUERY, _JOIN = "0", "1", "2"  # RTEKind


class Malformed(Exception):  # noqa: N818 - what the tree is
    """The tree is not in the form we know."""


@define(eq=False)
class Node:
    """``{KIND :field value ...}``; a field's value is the list of its tokens, nodes and lists."""

    kind: str = ""
    fields: dict[str, list[Any]] = field(factory=dict)

    def integer(self, name: str) -> int:
        try:
            return int(self.fields[name][0])
        except (KeyError, IndexError, ValueError, TypeError):
            raise Malformed(f"{self.kind}: {name}") from None

    def word(self, name: str) -> str:
        values = self.fields.get(name)
        return values[0] if values and isinstance(values[0], str) else ""

    def items(self, name: str) -> list[Any]:
        """The members of a list field; ``<>`` is the empty list."""
        values = self.fields.get(name, [])
        return values[0] if values and isinstance(values[0], list) else []


def parse(text: str) -> list[Any]:
    """The values of ``text``, in order. Raises Malformed. Iterative, so that depth is no danger."""
    root: list[Any] = []
    stack: list[tuple[str, Any, list[Any]]] = []  # closing bracket, node or list, where values went before
    into = root
    fresh: Node | None = None  # a node whose kind comes next
    node: Node | None = None
    for match in _TOKEN.finditer(text):
        word = match.group()
        if fresh is not None:
            fresh.kind, fresh = word, None
        elif word == "{":
            made = Node()
            into.append(made)
            stack.append(("}", node, into))
            node = fresh = made
            into = []
        elif word == "(":
            inner: list[Any] = []
            into.append(inner)
            stack.append((")", node, into))
            node, into = None, inner
        elif word in ("}", ")"):
            if not stack or stack[-1][0] != word:
                raise Malformed("unbalanced brackets")
            _, node, into = stack.pop()
        elif word[0] == ":" and node is not None:
            into = node.fields[word[1:]] = []
        else:
            into.append(word)
    if stack:
        raise Malformed("unbalanced brackets")
    return root


@define(eq=False)
class _Reader:
    direct: dict[int, ColumnKey] = field(factory=dict)
    used: set[ColumnKey] = field(factory=set)

    def query(self, query: Node, outer: tuple[list[Any], ...], *, top: bool) -> None:
        """Follow one Query; ``outer`` are the range tables of the enclosing ones, innermost last."""
        tables = (*outer, query.items("rtable"))
        for name, values in query.fields.items():
            if name == "rtable":
                for entry in query.items("rtable"):
                    self._table(entry, tables)
            elif name == "targetList" and top and query.word("commandType") == "1":
                for entry in query.items("targetList"):
                    self._target(entry, tables)
            else:
                self._walk(values, tables)

    def _table(self, entry: Any, tables: tuple[list[Any], ...]) -> None:
        if not isinstance(entry, Node):
            raise Malformed("range table")
        for name, values in entry.fields.items():
            if name == "joinaliasvars":
                # All columns of both sides stand here, read or not; only merged ones are expressions of the join.
                merged = entry.integer("joinmergedcols") if "joinmergedcols" in entry.fields else None
                self._walk(entry.items(name)[:merged], tables)
            else:
                self._walk(values, tables)

    def _target(self, entry: Any, tables: tuple[list[Any], ...]) -> None:
        if not isinstance(entry, Node):
            raise Malformed("target list")
        expression = entry.fields.get("expr", [None])[0]
        plain = entry.word("resjunk") == "false" and entry.word("ressortgroupref") == "0"
        if plain and isinstance(expression, Node) and expression.kind == "VAR":
            table = _table_of(expression, tables)
            attnum = expression.integer("varattno")
            if table.word("rtekind") == _RELATION and attnum > WHOLE_ROW:
                self.direct[entry.integer("resno")] = (table.integer("relid"), attnum)
                return
        self._walk(entry.fields.get("expr", []), tables)

    def _walk(self, values: Any, tables: tuple[list[Any], ...]) -> None:
        pending = [values]
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, Node):
                if value.kind == "QUERY":
                    self.query(value, tables, top=False)
                elif value.kind == "VAR":
                    pending += self._variable(value, tables)
                else:
                    pending += value.fields.values()

    def _variable(self, variable: Node, tables: tuple[list[Any], ...]) -> list[Any]:
        """Note a column; a join's column stands for others, which are returned (they are of the same level)."""
        table = _table_of(variable, tables)
        attnum = variable.integer("varattno")
        kind = table.word("rtekind")
        if kind == _RELATION:
            self.used.add((table.integer("relid"), attnum))
        elif kind == _JOIN:
            columns = table.items("joinaliasvars")
            if variable.integer("varlevelsup"):
                tables = tables[: -variable.integer("varlevelsup")]
                self._walk(columns if attnum == WHOLE_ROW else columns[attnum - 1 : attnum], tables)
                return []
            return columns if attnum == WHOLE_ROW else columns[attnum - 1 : attnum]
        return []


def _table_of(variable: Node, tables: tuple[list[Any], ...]) -> Node:
    level, number = variable.integer("varlevelsup"), variable.integer("varno")
    if level >= len(tables) or not 1 <= number <= len(tables[-1 - level]):
        raise Malformed("a column of no table")
    table = tables[-1 - level][number - 1]
    if not isinstance(table, Node):
        raise Malformed("range table")
    return table


def reads(action: str, functions: frozenset[int] = frozenset(), condition: str = "") -> Reads:
    """What the rule with this ``ev_action`` (and ``ev_qual``) reads. Never raises: opaque if in doubt."""
    if len(action) + len(condition) > LARGEST:
        return Reads(functions=functions, opaque=True)
    reader = _Reader()
    try:
        tree = parse(action)
        if not tree:
            raise Malformed("an empty rule")
        queries = list(_queries(tree))
        for query in queries:
            reader.query(query, (), top=len(queries) == 1)
        if condition not in ("", "<>"):
            # The condition of a rule refers to OLD and NEW, the first entries of the action's range table.
            tables = queries[0].items("rtable") if queries else []
            reader._walk(parse(condition), (tables,))
    except (Malformed, RecursionError):
        return Reads(functions=functions, opaque=True)
    return Reads(dict(reader.direct), frozenset(reader.used), functions)


def _queries(values: list[Any]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, list):
            yield from _queries(value)
        elif isinstance(value, Node) and value.kind == "QUERY":
            yield value
        elif value != "<>":
            raise Malformed("a rule is a list of queries")
