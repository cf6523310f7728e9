"""From a parse tree to operations: one table over every statement of PostgreSQL 18, and "unknown" for the rest.

The operations say what the statement's own text does. They do not say what the target's code then does: triggers,
rules, views' functions, casts and plain operators of the target run under cover of the operation that reached them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from hoopgate.policy.operations import Operation
from hoopgate.policy.sql import bodies, calling, data, definitions, expressions, session
from hoopgate.policy.sql.extraction import Extraction, Visitor
from hoopgate.policy.sql.tree import Parsed

VISITORS: Final[Mapping[str, Visitor]] = {
    **bodies.VISITORS,
    **calling.VISITORS,
    **data.VISITORS,
    **definitions.VISITORS,
    **expressions.VISITORS,
    **session.VISITORS,
}

# statements whose trees have the same effects whatever their literals are, unless the extraction looked at one
_SHAPELY: Final = frozenset({
    "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TransactionStmt",
})  # fmt: skip

EMPTY: Final = Operation("session", "EMPTY", why="there is no statement in the text")


@frozen
class Effects:
    """``by_literal``: another text that differs in literals alone may have other operations.

    ``by_parameter``: the operations are the worst that the statement does, and with other values for its parameters
    it may do less.
    """

    operations: tuple[Operation, ...]
    by_literal: bool
    by_parameter: bool = False


def operations(parsed: Parsed) -> tuple[Operation, ...]:
    """Every operation of every statement of the text, in order, each once; an empty text has one, of the session."""
    return effects(parsed).operations


def effects(parsed: Parsed) -> Effects:
    """The operations, and whether they depend on literals."""
    found: dict[Operation, None] = {}
    by_literal, by_parameter = False, False
    for statement in parsed.statements:
        extraction = Extraction(VISITORS)
        found.update(dict.fromkeys(extraction.run(statement)))
        by_literal |= extraction.literal or not _SHAPELY.issuperset(statement)
        by_parameter |= extraction.parameter
    return Effects(tuple(found) or (EMPTY,), by_literal, by_parameter)


def unparsable(reason: str) -> Operation:
    """What a text does that PostgreSQL's grammar does not accept (replication commands are such): nobody knows."""
    return Operation("unknown", "UNPARSABLE", why=reason, part="text")
