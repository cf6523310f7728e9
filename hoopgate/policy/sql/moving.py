"""Messages of several statements in which one turns names elsewhere, and a later one names something without a schema.

The session is asked where it looks for names before a message runs. ``RESET search_path; DELETE FROM t`` would be
judged by a search_path that is over when its second statement runs, so such messages are judged in every schema that
may come into force.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from hoopgate.policy.operations import Operation
from hoopgate.policy.sql.effects import effects
from hoopgate.policy.sql.names import SCHEMALESS
from hoopgate.policy.sql.tree import Parsed

EVERYWHERE: Final = """
SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n
WHERE n.nspname OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(false))
   OR n.nspname OPERATOR(pg_catalog.=) 'public' OR n.nspname OPERATOR(pg_catalog.=) current_user
   OR n.nspname OPERATOR(pg_catalog.=) session_user
   OR EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'search_path'
              AND pg_catalog.strpos(s.reset_val, n.nspname::pg_catalog.text) OPERATOR(pg_catalog.>) 0)
"""
"""Rows of the schemas that a search_path of a session's own may lead to: what it is now, what it began with, and what
anybody may set (:data:`hoopgate.policy.sql.settings.SAFE_SCHEMAS`)."""

_ENDS: Final = frozenset({"COMMIT", "ROLLBACK", "DISCARD ALL"})
_PATHS: Final = frozenset({"search_path", "role", "session_authorization", "all", "*"})
_CODE: Final = frozenset({"admin", "execute", "unknown"})


def moved_names(parsed: Parsed) -> frozenset[str] | None:
    """None where no name without a schema stands behind a move; else schemas that the message itself makes."""
    if len(parsed.statements) < 2:
        return None
    moved, reached = False, False
    made: set[str] = set()
    for statement in parsed.statements:
        operations = effects(evolve(parsed, statements=(statement,))).operations
        reached = reached or (moved and any(map(_names, operations)))
        made.update(thing.name for operation in operations for thing in operation.objects if thing.kind == "schema")
        moved = moved or any(map(_moves, operations))
    return frozenset(made) if reached else None


def _names(operation: Operation) -> bool:
    return any(not thing.schema and thing.kind not in SCHEMALESS for thing in operation.objects)


def _moves(operation: Operation) -> bool:
    if operation.effect in _CODE or operation.command in _ENDS:
        return True
    return any(
        thing.kind == "schema" or (thing.kind == "setting" and thing.name in _PATHS) for thing in operation.objects
    ) and not operation.command.startswith("SHOW")
