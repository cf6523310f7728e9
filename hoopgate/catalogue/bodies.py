"""What the text of a function in SQL mentions: relations, words that may be columns, and other code.

Names alone are looked at, not scopes: a function that mentions no masked column by any reading of its text reaches
none. ``pg_proc.prosrc`` is parsed as PostgreSQL would at the call (manual, "Query Language (SQL) Functions").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hoopgate.catalogue.snapshot import Mentions
from hoopgate.policy.sql.tree import Parsed, Unparsable, inline_limit, parse

_READING: Final = frozenset({"SelectStmt"})
_WRITING: Final = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})


def mentions(source: str) -> Mentions:
    """All that a body mentions; never raises."""
    if len(source.encode(errors="replace")) > inline_limit():
        return Mentions(problem="its text is too long")
    try:
        parsed = parse(source)
    except Unparsable:
        return Mentions(problem="its text cannot be parsed")
    return _Words(parsed).mentions()


class _Words:
    """Collects the words of one text."""

    def __init__(self, parsed: Parsed) -> None:
        self._relations: set[tuple[str | None, str]] = set()
        self._with: set[str] = set()
        self._words: set[str] = set()
        self._references: set[str] = set()  # last names of column references: whole rows among them
        self._rows: set[str] = set()  # names by which a whole row can be referred to
        self._functions: set[tuple[str | None, str]] = set()
        self._operators: set[str] = set()
        self._types: set[str] = set()
        self._all = False
        self._writes = False
        self._problem = ""
        for statement in parsed.statements:
            (kind,) = statement
            if kind not in _READING and kind not in _WRITING:
                self._problem = "it holds another statement than SELECT, INSERT, UPDATE, DELETE or MERGE"
            self._walk(statement)

    def mentions(self) -> Mentions:
        whole = self._all or not self._rows.isdisjoint(self._references)
        return Mentions(
            relations=frozenset(self._relations),
            local=frozenset(self._with),
            columns=None if whole else frozenset(self._words),
            functions=frozenset(self._functions),
            operators=frozenset(self._operators),
            types=frozenset(self._types),
            writes=self._writes,
            problem=self._problem,
        )

    def _walk(self, tree: Any) -> None:
        pending = [tree]
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, str):
                self._words.add(value)
            elif isinstance(value, dict):
                if "relname" in value:
                    self._relation(value)
                if "intoClause" in value:
                    self._problem = "it makes a table"
                for key, inner in value.items():
                    if isinstance(inner, dict):
                        self._node(key, inner)
                    pending.append(inner)

    def _relation(self, node: dict[str, Any]) -> None:
        self._relations.add((node.get("schemaname"), node["relname"]))
        self._rows.add(node["relname"])
        self._all |= bool(node.get("alias", {}).get("colnames"))

    def _node(self, kind: str, node: dict[str, Any]) -> None:
        if kind == "alias":
            self._rows.add(node.get("aliasname", ""))
        elif kind == "A_Star":
            self._all = True
        elif kind == "JoinExpr":
            self._all |= bool(node.get("isNatural")) or bool(node.get("alias", {}).get("colnames"))
        elif kind in _WRITING:
            self._writes = True
            self._all |= kind == "InsertStmt" and not node.get("cols")
        elif kind == "MergeWhenClause":
            self._all |= node.get("commandType") == "CMD_INSERT" and not node.get("targetList")
        elif kind == "CommonTableExpr":
            self._with.add(node.get("ctename", ""))
        elif kind == "ColumnRef":
            self._references.update([*_strings(node.get("fields", ()))][-1:])
        else:
            self._code(kind, node)

    def _code(self, kind: str, node: dict[str, Any]) -> None:
        if kind == "FuncCall":
            names = list(_strings(node.get("funcname", ())))
            self._functions.add((names[-2] if len(names) > 1 else None, names[-1] if names else ""))
        elif kind == "A_Expr":
            self._operators.update(_strings(node.get("name", ())))
        elif kind == "SubLink":
            self._operators.update(_strings(node.get("operName", ())))
        elif kind == "SortBy":
            self._operators.update(_strings(node.get("useOp", ())))
        elif kind in ("TypeName", "typeName"):
            self._types.update(list(_strings(node.get("names", ())))[-1:])
        elif kind == "RangeTableSample":
            self._functions.add((None, next(reversed([*_strings(node.get("method", ()))]), "")))


def _strings(nodes: Any) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, dict) and "String" in node:
            yield node["String"].get("sval", "")
