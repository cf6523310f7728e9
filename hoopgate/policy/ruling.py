"""What is remembered of a text: the decision, and all that follows from it for the session that runs the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hoopgate.policy.operations import Operation
from hoopgate.policy.sql.names import SCHEMALESS
from hoopgate.policy.verdict import Decision

# After these the session may look for names elsewhere: code ran, or a setting changed or came back. A cursor's query
# runs as it is fetched from.
_MOVES: Final = frozenset({"admin", "execute", "unknown", "schema"})
_MOVING: Final = frozenset({"RESET", "DISCARD ALL", "SET", "FETCH", "MOVE"})
# These undo what moved names since their transaction began.
_ENDING: Final = frozenset({"ROLLBACK", "COMMIT"})
_RENAMES: Final = frozenset({"PREPARE", "DEALLOCATE", "DISCARD ALL", "DISCARD PLANS", "DECLARE CURSOR", "CLOSE"})


class Ruling:
    """Of every text of one shape, or of one text where its literals count.

    ``asks``: something is named without its schema. ``made``: names in the message may stand behind a move, and these
    schemas it makes itself (:func:`hoopgate.policy.sql.moving.moved_names`); else None. ``executes``: names of
    prepared statements that SQL's EXECUTE runs. ``moves``: afterwards the session may look for names elsewhere;
    ``ends``: that may be undone. ``renames``: prepared statements or cursors may mean something else. ``plain``:
    allowed, and nothing but names and a transaction's end has to be seen to. ``by_parameter``: this is the worst that
    the text does, and with its parameters' values it may be judged otherwise.

    ``event`` and ``counted`` belong to whoever tells of statements: made with the first that is told of.
    """

    def __init__(
        self,
        decision: Decision,
        asks: bool = False,
        made: frozenset[str] | None = None,
        by_parameter: bool = False,
    ) -> None:
        self.decision = decision
        self.by_parameter = by_parameter
        self.asks = asks
        self.made = made
        operations = decision.operations
        self.executes: tuple[str, ...] = tuple(
            [thing.name for one in operations if one.command == "EXECUTE" for thing in one.objects]
        )
        commands = {one.command for one in operations}
        self.moves = not _MOVING.isdisjoint(commands) or not _MOVES.isdisjoint([one.effect for one in operations])
        self.ends = not _ENDING.isdisjoint(commands)
        self.renames = not _RENAMES.isdisjoint(commands)
        special = self.executes or self.moves or self.renames or made is not None or by_parameter
        self.plain = decision.then == "allow" and not special
        self.event = b""
        self.counted: tuple[int, ...] = ()


def names_without_schema(operations: Iterable[Operation]) -> bool:
    """Whether any of them names anything without its schema."""
    for operation in operations:
        for thing in operation.objects:
            if not thing.schema and thing.kind not in SCHEMALESS:
                return True
    return False
