"""Statements that are to read masks in place of tables: what is put into their text, or why nothing can be."""

from __future__ import annotations

from collections.abc import Collection, Generator
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred

from hoopgate.catalogue.index import MaskIndex
from hoopgate.policy.lineage.remembered import Rewording
from hoopgate.policy.lineage.respell import draft, unread
from hoopgate.policy.lineage.results import Answer, Refused, Traced, Untouched
from hoopgate.policy.lineage.source_text import Unspellable, source_masks
from hoopgate.policy.sql.parser import Parsed, Unparsable

RULE: Final = "masks"
Words = tuple[str, ...]
"""What was put into a statement's text; () where it ran as it was."""

UNKNOWN: Final[Words] = ("unknown",)
"""Like nothing that is ever put into a statement."""


@inlineCallbacks
def masked_form(
    session: Any, parsed: Parsed, answer: Answer, index: MaskIndex, own: Collection[str]
) -> Generator[Deferred[Any], Any, Any]:
    """Fire with the answer and the statement's :class:`Rewording`, None where it runs as it is. Where it cannot be made
    to read masks, the answer is a refusal. ``own``: names of relations that the session made."""
    if not isinstance(answer, Untouched | Traced):
        return answer, None
    reads = [read for read in answer.reads if read.location >= 0] if isinstance(answer, Traced) else []
    past = unread(parsed, reads, index, own)
    if past:
        return Refused(
            f"{past} would be read past its masks", "Write its schema.", RULE, "0A000", by_literal=True
        ), None
    uncosted = answer.uncosted if isinstance(answer, Traced) else ()
    if not (reads or uncosted):
        return answer, None
    limits = session.config.limits
    try:
        made = draft(parsed, reads, index, largest=limits.statement, uncosted=uncosted)
        again = yield maybeDeferred(session.parser.parse, made.respelling.text, whole=True)
        return answer, Rewording(parsed, made.prove(again))
    except Unspellable as error:
        reason, hint = error.reason, error.hint
    except Unparsable:
        reason, hint = "the statement would be too long or too complex with masks in place of its tables", "Split it."
    names = [mask.name for read in reads for mask in source_masks(index, read.oid).values()]
    # A relation may have no column of its own that is masked: a view that shows rows, or code in its definition.
    return Refused(reason, hint, names[0] if names else RULE, "0A000", by_literal=True), None
