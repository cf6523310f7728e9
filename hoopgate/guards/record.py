"""The witness: always last, changes nothing, tells the recording how each statement ended.

The wire bytes themselves are appended by the lanes' owner before they are forwarded; verdicts, refusals, holds and
approvals reach the recording as the session's events. What is left for this guard is the outcome: tag, rows, error.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from hoopgate.frames import Frame, Notice, Reply, Statement
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.recorders.fields import text_name
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Verdict


@implementer(IGuardFactory)
class Record:
    """Every session has one."""

    def open(self, session: Any) -> RecordGuard:
        return RecordGuard(session)


@implementer(IGuard)
class RecordGuard:
    """Says ``result`` for each statement that ended: ``tag`` and ``rows``, or ``sqlstate``."""

    wants = frozenset({Reply, Notice})

    def __init__(self, session: Any) -> None:
        self._session = session

    def inspect(self, frame: Frame) -> Verdict:
        if isinstance(frame, Reply):
            self._session.event("result", **result_of(frame))
        elif isinstance(frame, Notice) and frame.error:
            self._session.event("result", of=named(frame.statement), sqlstate=frame.fields.get("C", ""))
        return ALLOW

    def closed(self, reason: str) -> None:
        """The session itself closes its recording, with the reason."""


def named(statement: Statement | None) -> str:
    """The short name of a statement's text: what ties a result to its ``statement`` event.

    Of the text as it is recorded, so that nobody can find out a redacted password by trying.
    """
    return "" if statement is None else text_name(redact_statement(statement.text))


def result_of(reply: Reply) -> dict[str, Any]:
    """The fields of a ``result`` event."""
    fields: dict[str, Any] = {"of": named(reply.statement), "tag": reply.tag}
    rows = reply.tag.rpartition(" ")[2]
    if rows.isascii() and rows.isdigit():
        fields["rows"] = int(rows)
    if reply.sqlstate:
        fields["sqlstate"] = reply.sqlstate
    return fields
