"""Whether statements touch masked columns, and whether they do it only in ways that masking can follow.

The promise: a masked column may be selected as it is in the outermost query (also of PREPARE, DECLARE CURSOR,
RETURNING and COPY TO STDOUT); every other use of it is refused, and so is what nobody can judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import evolve

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import Relation
from hoopgate.policy.touch_calls import Calls
from hoopgate.policy.touch_results import (
    Ask,
    CopyShape,
    Direct,
    Refusal,
    Refused,
    RelationName,
    Touched,
    Untouched,
)
from hoopgate.policy.touch_sources import Sources
from hoopgate.policy.touch_statements import Bodies, StatementWalk

__all__ = ["Ask", "CopyShape", "Direct", "Refused", "RelationName", "Touched", "Untouched", "touch"]

_TOO_DEEP = Refused("the statement is nested too deeply to be judged", "Split it.", "unknown", "54001", by_literal=True)


class Statements(Protocol):
    """What of a parsed text is needed: the inner nodes of libpg_query's JSON, ``{"SelectStmt": {...}}``."""

    @property
    def statements(self) -> tuple[dict[str, Any], ...]: ...


def touch(
    parsed: Statements,
    index: MaskIndex,
    *,
    session_relations: Mapping[RelationName, Relation | None] | None = None,
    prepared: Bodies | None = None,
    cursors: Bodies | None = None,
    refreshed: bool = False,
) -> Touched:
    """Judge all statements of one message.

    ``session_relations`` is what the client's session answered to an :class:`Ask` (None for a name it does not see);
    names that neither it nor the catalogue has lead to an Ask. ``refreshed``: the catalogue was read anew for this
    statement, so a function that it does not have is refused. ``prepared`` and ``cursors`` are the statements that the
    session ran under each name, for EXECUTE and FETCH. Never raises for any statement.
    """
    if not index.masks:
        return Untouched()
    sources = Sources(index, session_relations)
    calls = Calls(index, final=refreshed)
    walk = StatementWalk(
        sources, calls, prepared=prepared or {}, cursors=cursors or {}, alone=len(parsed.statements) == 1
    )
    try:
        for statement in parsed.statements:
            walk.statement(statement)
    except Refusal as refusal:
        return evolve(refusal.refused, by_literal=walk.literal or calls.literal)
    except RecursionError:
        return _TOO_DEEP
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        # A tree in a form that we do not know.
        reason = f"the gateway could not judge the statement ({type(error).__name__})"
        return Refused(reason, "", "unknown", "0A000", by_literal=True)
    if sources.missing or calls.unknown:
        return Ask(frozenset(sources.missing), frozenset(calls.unknown))
    by_literal = walk.literal or calls.literal
    if walk.scrub or sources.met or walk.copy is not None:
        return Direct(tuple(sorted(sources.met)), walk.copy, by_literal=by_literal)
    return Untouched(by_literal=by_literal)
