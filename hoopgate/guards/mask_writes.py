"""What one session writes into masked columns: no masks that it, or somebody else, read there before."""

from __future__ import annotations

from typing import Any, Final

from hoopgate.frames import BIND, EXECUTE, SIMPLE, Frame, Input, Statement
from hoopgate.guards.copy_check import CopyCheck, unreadable
from hoopgate.guards.mask_judged import Judged
from hoopgate.guards.write_back import in_long_text, problem
from hoopgate.verdicts import Block

_NONE: Final[frozenset[str]] = frozenset()  # the same for all sessions: each empty set takes 216 bytes


class Writes:
    """``shown``: the names of masks that the session has seen at work."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._copy: CopyCheck | None = None
        self.shown = _NONE

    def problem(self, frame: Statement, judged: Judged) -> Block | None:
        """Why a statement that may write into masked columns must not run; looked at in each phase of its life."""
        phase = frame.phase
        encoding = self._session.client_encoding
        if judged.assigned:
            bound = phase is BIND or phase is EXECUTE
            parameters = frame.parameters if bound else ()
            found = problem(judged.assigned, parameters, encoding=encoding, shown=self.shown, bound=bound)
            if found is None and not bound:
                found = in_long_text(judged.assigned, frame.text)
            if found is not None:
                return found
        shape = judged.copy_input
        if shape is not None:
            if (found := unreadable(shape, encoding)) is not None:
                return found
            if phase is SIMPLE or phase is EXECUTE:
                self._copy = CopyCheck(shape, encoding, self._session.config.limits.row)
        return None

    def copying(self) -> bool:
        """What the client sends now are rows for masked columns."""
        return self._copy is not None

    def ran(self) -> None:
        """Another statement runs: data that come now are not those of the last COPY."""
        self._copy = None

    def sent(self, frame: Frame) -> Block | None:
        """Why data of a COPY, or their end, must not pass."""
        check = self._copy
        if check is None:
            return None
        if isinstance(frame, Input):
            return check.feed(frame.raw)
        self._copy = None
        return check.finish()
