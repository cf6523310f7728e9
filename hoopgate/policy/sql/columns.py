"""Which columns an expression names, and from where: what the test of a WHERE needs, found without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from attrs import define, field, frozen

from hoopgate.policy.sql.names import strings
from hoopgate.policy.sql.tree import Node

Table = tuple[str, str]  # schema (may be empty) and name

# operators whose result is a value; every other operator is taken for a comparison
ARITHMETIC: Final = frozenset({
    "+", "-", "*", "/", "%", "^", "||", "&", "|", "#", "<<", ">>", "~", "@", "|/", "||/",
    "->", "->>", "#>", "#>>", "#-", "@@@",
})  # fmt: skip

# a side of a comparison that holds one of these is a truth value in disguise: (id = id) = true
_TRUTH_VALUES: Final = frozenset({"BoolExpr", "NullTest", "BooleanTest", "CaseExpr", "JsonIsPredicate"})


# functions that say much the same of all rows
_ALIKE: Final = (["pg_typeof"], ["num_nulls"], ["num_nonnulls"], ["pg_column_size"])


@frozen
class Column:
    """``origin`` is the alias or table before the dot, or empty; ``name`` is ``*`` for a whole row."""

    origin: str
    name: str


@define
class Side:
    """What one side of a comparison is made of."""

    columns: list[Column] = field(factory=list)
    sublinks: list[Node] = field(factory=list)
    doubtful: bool = False


def side(expression: Any, flattens: Callable[[str, Node], bool] | None = None) -> Side:
    """Take an expression apart; sub-selects are kept whole. What ``flattens`` says is one value is left out."""
    found = Side()
    for kind, body in nodes(expression, stop="SubLink", without=flattens):
        if kind == "ColumnRef":
            found.columns.append(column(body))
        elif kind == "A_Indirection":
            found.columns += _field(body)
        elif kind == "SubLink":
            found.sublinks.append(body)
        elif _is_doubtful(kind, body):
            found.doubtful = True
    return found


def _field(body: Node) -> list[Column]:
    """``(t).x`` may be the column x of t."""
    row = strings(body.get("arg", {}).get("ColumnRef", {}).get("fields"))
    names = strings(body.get("indirection"))
    return [Column(row[-1], names[0])] if row and names else []


def _is_doubtful(kind: str, body: Node) -> bool:
    if kind == "FuncCall":
        return strings(body.get("funcname"))[-1:] in _ALIKE
    return kind in _TRUTH_VALUES or (kind == "A_Expr" and not _is_arithmetic(body))


def column(body: Node) -> Column:
    """The column of a ColumnRef's fields."""
    parts = strings(body.get("fields"))
    if any("A_Star" in part for part in body.get("fields", ())):
        return Column(parts[-1] if parts else "", "*")
    return Column(parts[-2] if len(parts) > 1 else "", parts[-1] if parts else "*")


def nodes(tree: Any, stop: str = "", without: Callable[[str, Node], bool] | None = None) -> Iterator[tuple[str, Node]]:
    """Every wrapped node of a tree, ``(kind, fields)``.

    What lies below kind ``stop`` is left out, and a node for which ``without`` is true together with all below it.
    """
    pending = [tree]
    while pending:
        value = pending.pop()
        if type(value) is list:
            pending.extend(value)
        elif type(value) is dict:
            for key, child in value.items():
                if key[:1].isupper():
                    if without is not None and without(key, child):
                        continue
                    yield key, child
                    if key == stop:
                        continue
                pending.append(child)


def tables(items: Iterable[Node]) -> Iterator[tuple[str, str, Any]]:
    """The members of a FROM list: (name by which columns refer to it, kind of node, its fields). Joins are opened."""
    pending = list(items)[::-1]
    while pending:
        for kind, body in pending.pop().items():
            if kind == "JoinExpr":
                pending += [body[arm] for arm in ("rarg", "larg") if arm in body]
                if "alias" in body:
                    yield body["alias"].get("aliasname", ""), kind, body
            elif kind == "RangeTableSample":
                pending.append(body.get("relation", {}))
            else:
                alias = body.get("alias", {}).get("aliasname", "")
                yield alias or body.get("relname", ""), kind, body


def others(items: Iterable[Node], member: Any) -> list[Node]:
    """The members of a FROM list beside one of them, which is told by being the same object."""
    return [{kind: body} for _, kind, body in tables(items) if body is not member]


def ties(items: Iterable[Node], member: Any) -> list[Node]:
    """The conditions of joins in a FROM list that count for ``member`` like those of WHERE.

    An outer join's count for the side that may be missing.
    """
    found: list[Node] = []
    pending = [item for item in items if _holds(item, member)]
    while pending:
        join = pending.pop().get("JoinExpr")
        if join is None:
            continue
        kind = join.get("jointype", "JOIN_INNER")
        arm = next((arm for arm in ("larg", "rarg") if _holds(join.get(arm, {}), member)), "")
        if kind == "JOIN_INNER" or (kind, arm) in (("JOIN_LEFT", "rarg"), ("JOIN_RIGHT", "larg")):
            found += [join["quals"]] if "quals" in join else []
        pending.append(join.get(arm, {}))
    return found


def _holds(item: Node, member: Any) -> bool:
    return any(body is member for _, _, body in tables([item]))


def operator(body: Node) -> str:
    """The operator of an A_Expr, without its schema."""
    parts = strings(body.get("name"))
    return parts[-1] if parts else ""


def _is_arithmetic(body: Node) -> bool:
    return body.get("kind") == "AEXPR_OP" and operator(body) in ARITHMETIC
