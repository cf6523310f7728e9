"""From a mask plan to what edits rows as they pass: DataRow, or CopyData of a COPY OUT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from hoopgate.codecs.postgresql.copy import CopySplicer
from hoopgate.codecs.postgresql.copy_rows import CopyOptions
from hoopgate.codecs.postgresql.splice import Plan, Splicer
from hoopgate.errors import LocalProtocolError
from hoopgate.frames import Columns


@frozen
class CopyPlan:
    """``plan`` for the columns of a COPY OUT, and how its rows are written."""

    plan: Plan
    options: CopyOptions

    def joined(self, other: CopyPlan) -> CopyPlan:
        """This plan, and ``other``'s for the columns that this one leaves as they are."""
        return CopyPlan(self.plan.joined(other.plan), self.options)


class RowEditor:
    """Edits runs of one result's messages by one of the splicers."""

    def __init__(self, splicer: Splicer | CopySplicer) -> None:
        self._splicer = splicer
        self._least: Splicer | None = None
        self._seek: Callable[[bytes], bool] | None = None

    def seek_first(self, seek: Callable[[bytes], bool], least: Splicer) -> None:
        """From now on ``least`` does for a run in which ``seek`` finds nothing."""
        self._seek = seek
        self._least = least

    def splice_run(self, raw: bytes) -> bytes:
        """``raw``: contiguous whole messages."""
        if self._least is not None and self._seek is not None and not self._seek(raw):
            return self._least.splice(raw, 0, len(raw))
        return self._splicer.splice(raw, 0, len(raw))

    def finish(self) -> bytes:
        """What is held back of a row that COPY split over messages."""
        return self._splicer.finish() if isinstance(self._splicer, CopySplicer) else b""


def splicer(plan: Any, frame: Columns, limit: int) -> RowEditor:
    """What applies ``plan`` to the rows that follow ``frame``; ``limit`` bounds one row, in bytes."""
    if frame.copy is None and isinstance(plan, Plan):
        editor = RowEditor(Splicer(plan, limit))
        if plan.least is not None and plan.seek is not None:
            editor.seek_first(plan.seek, Splicer(plan.least, limit))
        return editor
    if frame.copy is not None and isinstance(plan, CopyPlan):
        return RowEditor(CopySplicer(plan.plan, plan.options, limit))
    raise LocalProtocolError("this plan does not fit this result")
