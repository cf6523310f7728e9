"""The witness: always last, changes nothing, tells how each statement ended: the recording, and the catalogue of DDL.

The wire bytes themselves are appended by the lanes' owner before they are forwarded; verdicts, refusals, holds and
approvals reach the recording as the session's events. What is left for this guard is the outcome: tag, rows, error.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from zope.interface import classImplements, implementer

from hoopgate.frames import Frame, Notice, Reply
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.recorders.events import result_event
from hoopgate.verdicts import ALLOW, Verdict

_DEFINING: Final = frozenset({"CR", "AL", "DR", "DO", "CA", "IM"})
"""How the tags begin of what may change definitions: CREATE, ALTER, DROP, DO, CALL, IMPORT FOREIGN SCHEMA."""

_TEMPORARY: Final = re.compile(r"\s*CREATE\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\s+TABLE\s[^;]*;?\s*", re.IGNORECASE)


@implementer(IGuardFactory)
class Record:
    """Every session has one."""

    def open(self, session: Any) -> RecordGuard:
        return RecordGuard(session)


class RecordGuard:
    """Says ``result`` for each statement that ended: ``tag`` and ``rows``, or ``sqlstate``.

    It is kept until the answer's own bytes are appended, with them.
    """

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Reply, Notice})

    def __init__(self, session: Any) -> None:
        self._session: Any = session
        self._pending = False  # definitions were changed, perhaps in a transaction that is still open

    def inspect(self, frame: Frame) -> Verdict:
        if isinstance(frame, Reply):
            statement = frame.statement
            tag = frame.tag
            if tag[:2] in _DEFINING or tag == "COMMIT PREPARED":
                self._defined(frame)
            elif self._pending and tag == "COMMIT":
                # More may stand behind it in the same message, which the target then works on for long.
                self._pending = False
                self._session.gateway.defined(self._session, over=True)
            self._session.later(result_event(0 if statement is None else statement.number, tag, frame.sqlstate))
        elif isinstance(frame, Notice) and frame.error:
            statement = frame.statement
            sqlstate = frame.fields.get("C", "")
            self._session.later(result_event(0 if statement is None else statement.number, "", sqlstate))
        return ALLOW

    def _defined(self, frame: Reply) -> None:
        """Others may see other definitions when this transaction is at its end; of a temporary table only this one."""
        statement = frame.statement
        if statement is None or _TEMPORARY.fullmatch(statement.text) is None:
            self._pending = True
            self._session.gateway.defined(self._session)

    def closed(self, reason: str) -> None:
        """The session itself closes its recording, with the reason."""


classImplements(RecordGuard, IGuard)
