"""What the statements of a message do with masked columns: what becomes of each output, and what else tells of them.

The promise: no byte of an answer depends on a masked value, but through a mask, an aggregate that the mask allows, or
a probe that is told here. What would carry masked values to where no mask covers them is refused, and so is what nobody
can judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Protocol

from attrs import evolve

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.server_values import SERVER_SHAPES
from hoopgate.catalogue.snapshot import Relation
from hoopgate.config.model import Mask
from hoopgate.policy.lineage.calls import Calls
from hoopgate.policy.lineage.refusals import Refusal
from hoopgate.policy.lineage.relations import Relations
from hoopgate.policy.lineage.results import Answer, Ask, Refused, RelationName, Traced, Untouched
from hoopgate.policy.lineage.statements import Bodies, Statements
from hoopgate.policy.lineage.values import Taint

_TOO_DEEP = Refused("the statement is nested too deeply to be judged", "Split it.", "unknown", "54001", by_literal=True)


class Parsed(Protocol):
    """What of a parsed text is needed: the inner nodes of libpg_query's JSON, ``{"SelectStmt": {...}}``."""

    @property
    def statements(self) -> tuple[dict[str, Any], ...]: ...


def trace(
    parsed: Parsed,
    index: MaskIndex,
    *,
    path: tuple[str, ...] | None = None,
    session_relations: Mapping[RelationName, Relation | None] | None = None,
    own: Mapping[str, Mapping[str, Mask]] | None = None,
    prepared: Bodies | None = None,
    cursors: Bodies | None = None,
    refreshed: bool = False,
    settled: bool = True,
) -> Answer:
    """Judge all statements of one message.

    ``path``: the schemas of the search_path as the server has them now; None where that is not known, so that an
    unqualified name may be that of any schema. ``session_relations`` is what the client's session answered to an
    :class:`Ask` (None for a name it does not see). ``own``: the masked values that stand in the session's temporary
    relations, by relation and column, as earlier answers told (``Traced.moved``). ``refreshed``: the catalogue was read
    anew for this statement, so a function that it does not have is refused. ``prepared`` and ``cursors`` are the
    statements that the session ran under each name, for EXECUTE and FETCH. Without ``settled`` the server has resolved
    names at a time that nobody saw, so every relation that has one counts. Never raises for any statement.
    """
    if not index.masks:
        return Untouched()
    relations = Relations(index, path, session_relations or {}, own or {})
    if not settled:
        relations.unsettle()
    calls = Calls(index, final=refreshed, meant=relations.meant, own=relations.own)
    walk = Statements(
        relations, calls, prepared=prepared or {}, cursors=cursors or {}, alone=len(parsed.statements) == 1
    )
    return _judged(walk, parsed, set(session_relations or {}))


def _judged(walk: Statements, parsed: Parsed, asked: Set[RelationName]) -> Answer:
    """``asked``: the relations that the session was asked about already."""
    relations, calls = walk.relations, walk.calls
    try:
        walk.message(parsed.statements)
        if relations.statistics and SERVER_SHAPES not in relations.index.masks:
            # Every mask allows inference, so they are shown: they count as a narrow condition over each.
            masks = [mask for mask in relations.index.masks if mask.inference]
            walk.probe([Taint(mask, "statistics") for mask in masks], narrow=True)
    except Refusal as refusal:
        if relations.missing - asked:
            return Ask(frozenset(relations.missing), frozenset(calls.unknown))
        return evolve(refusal.refused, by_literal=walk.literal or calls.literal)
    except RecursionError:
        return _TOO_DEEP
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        # A tree in a form that we do not know.
        reason = f"the gateway could not judge the statement ({type(error).__name__})"
        return Refused(reason, "", "unknown", "0A000", by_literal=True)
    if relations.missing or calls.unknown:
        return Ask(frozenset(relations.missing), frozenset(calls.unknown))
    return _told(walk)


def _told(walk: Statements) -> Untouched | Traced:
    by_literal = walk.literal or walk.calls.literal
    results = tuple(walk.results)
    # A function's body reads relations that the statement does not name, so what it met is not all.
    shown = {output.mask.name for outputs in results if outputs for output in outputs if output.mask is not None}
    met = walk.relations.met | shown | {probe.mask.name for probe in walk.probes}
    if not (walk.scrub or walk.relations.secured or met or walk.copy is not None):
        return Untouched(results=results, by_literal=by_literal)
    return Traced(
        masks=tuple(sorted(met)),
        results=results,
        copy=walk.copy,
        probes=tuple(walk.probes),
        moved=tuple(walk.moved),
        reads=tuple(dict.fromkeys(walk.reads)),
        assigned=tuple(dict.fromkeys(walk.assigned)),
        copy_input=walk.copy_input,
        carries=walk.carries,
        uncosted=tuple(walk.uncosted),
        by_literal=by_literal,
    )
