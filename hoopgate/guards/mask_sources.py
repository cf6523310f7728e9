"""Statements that read masks in place of tables: how they go to the target, and which of them are stale."""

from __future__ import annotations

from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred

from hoopgate.catalogue.index import MaskIndex
from hoopgate.codecs.postgresql.reworded import reworded
from hoopgate.frames import BIND, PREPARE, SIMPLE, Statement
from hoopgate.guards.mask_memory import NAMES, drop_oldest
from hoopgate.policy.lineage.remembered import Rewording
from hoopgate.policy.lineage.respell import draft, unread
from hoopgate.policy.lineage.results import Answer, Refused, Traced, Untouched
from hoopgate.policy.lineage.source_text import Unspellable, source_masks
from hoopgate.policy.sql.parser import Parsed, Unparsable
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import pack_event
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Block, Rewrite, Verdict

if TYPE_CHECKING:
    from hoopgate.guards.mask_judged import Judged

_RULE: Final = "masks"
Words = tuple[str, ...]
"""What was put into a statement's text; () where it ran as it was."""

SEVERAL: Final[Words] = ("several",)
UNKNOWN: Final[Words] = ("unknown",)
"""Like nothing that is ever put into a statement."""

AGAIN: Final = Block(
    "what the prepared statement or cursor may read has changed since it was made",
    rule=_RULE,
    hint="Prepare it again.",
    # invalid_sql_statement_name: drivers that keep statements prepare theirs anew (pgjdbc, pgx).
    sqlstate="26000",
)


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
            f"{past} would be read past its masks", "Write its schema.", _RULE, "0A000", by_literal=True
        ), None
    if not reads:
        return answer, None
    limits = session.config.limits
    try:
        made = draft(parsed, reads, index, largest=limits.statement)
        again = yield maybeDeferred(session.parser.parse, made.respelling.text, whole=True)
        return answer, Rewording(parsed, made.prove(again))
    except Unspellable as error:
        reason, hint = error.reason, error.hint
    except Unparsable:
        reason, hint = "the statement would be too long or too complex with masks in place of its tables", "Split it."
    names = [mask.name for read in reads for mask in source_masks(index, read.oid).values()]
    # A relation may have no column of its own that is masked: a view that shows rows, or code in its definition.
    return Refused(reason, hint, names[0] if names else _RULE, "0A000", by_literal=True), None


class Sources:
    """Of one session. What ran is kept for the names by which SQL can run it again."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._sent: dict[str, Words] = {}  # by the client's text
        self._last = ("", b"")  # the last text that was told of, and the end of its event

    def verdict(self, frame: Statement, judged: Judged, before: Judged | None) -> Verdict:
        """What becomes of a statement that may pass otherwise. ``before``: what was judged of it as it was parsed."""
        phase, rewording = frame.phase, judged.rewording
        if phase is not PREPARE and self._stale(judged):
            return AGAIN
        if phase is SIMPLE or phase is PREPARE:
            return ALLOW if rewording is None else self._reworded(frame, rewording)
        settled = before is judged or (before is not None and before.source is judged)
        if not settled and frame.ran != (frame.text if rewording is None else rewording.of(frame.text).text):
            return AGAIN
        if phase is BIND and frame.respelled is not None:
            self._session.later(b'{"event":"respelled","of":%d}' % frame.number)
        return ALLOW

    def note(self, parsed: Parsed, judged: Judged) -> None:
        """Statements may run, of which some give names to others."""
        for place, statement in enumerate(parsed.statements):
            if "PrepareStmt" in statement or "DeclareCursorStmt" in statement:
                self.sent(parsed.statement_text(place), place, judged)

    def sent(self, text: str, place: int, judged: Judged) -> None:
        """A statement that SQL can run by a name goes to the target; it is the one at this place of what was judged."""
        words = () if judged.rewording is None else judged.rewording.words[place]
        known = self._sent.pop(text, words)
        self._sent[text] = words if known == words else SEVERAL
        if len(self._sent) > NAMES:
            drop_oldest(self._sent)

    def _stale(self, judged: Judged) -> bool:
        """Something that it runs by name would read otherwise if it were made now."""
        return any(self._sent.get(text, ()) != words for text, words in judged.runs)

    def _reworded(self, frame: Statement, rewording: Rewording) -> Verdict:
        session = self._session
        try:
            made = reworded(frame, rewording.of(frame.text), session.client_encoding)
        except UnicodeError:
            return Block(
                "the statement cannot be made to read masks in this client_encoding",
                rule=_RULE,
                hint="Set client_encoding to UTF8.",
                sqlstate="22021",
            )
        if frame.phase is PREPARE:  # of which no other event tells
            told = {"of": frame.number, "text": _told(session, made.ran), "from": _told(session, frame.text)}
            session.later(pack_event("respelled", prepared(told)))
        else:
            session.later(b'{"event":"respelled","of":%d%b' % (made.number, self._end(made.ran)))
        return Rewrite(made)

    def _end(self, text: str) -> bytes:
        """How the event ends that tells of ``text``; the last one is kept, if it hides nothing."""
        printed = self._session.printed
        if text == self._last[0] and (printed is None or not printed.recorded):
            return self._last[1]
        told = _told(self._session, text)
        end = b"," + pack_event("respelled", prepared({"text": told})).removeprefix(b'{"event":"respelled",')
        if told is text:
            self._last = (text, end)
        return end


def _told(session: Any, text: str) -> str:
    """A text as the recording may hold it."""
    printed = session.printed
    return redact_statement(printed.text(text) if printed is not None and printed.recorded else text)
