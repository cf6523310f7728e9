"""Statements that read masks in place of tables, on their way to the target: in which words each runs, and which of
those that were prepared or declared are stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hoopgate.codecs.postgresql.reworded import reworded
from hoopgate.frames import BIND, PREPARE, SIMPLE, Statement
from hoopgate.guards.mask_memory import NAMES, drop_oldest
from hoopgate.guards.mask_sources import RULE, Words
from hoopgate.policy.lineage.remembered import Rewording
from hoopgate.policy.sql.parser import Parsed
from hoopgate.recorders.events import respelled_event
from hoopgate.recorders.fields import prepared
from hoopgate.recorders.format import pack_event
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Block, Rewrite, Verdict

if TYPE_CHECKING:
    from hoopgate.guards.mask_judged import Judged

SEVERAL: Final[Words] = ("several",)

AGAIN: Final = Block(
    "what the prepared statement or cursor may read has changed since it was made",
    rule=RULE,
    hint="Prepare it again.",
    # invalid_sql_statement_name: drivers that keep statements prepare theirs anew (pgjdbc, pgx).
    sqlstate="26000",
)


class Sources:
    """Of one session. What ran is kept for the names by which SQL can run it again."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._sent: dict[str, Words] = {}  # by the client's text

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
                rule=RULE,
                hint="Set client_encoding to UTF8.",
                sqlstate="22021",
            )
        if frame.phase is PREPARE:  # of which no other event tells
            ran, own = (redact_statement(_told(session, text)) for text in (made.ran, frame.text))
            session.later(pack_event("respelled", prepared({"of": frame.number, "text": ran, "from": own})))
        else:
            session.later(respelled_event(made.number, _told(session, made.ran)))
        return Rewrite(made)


def _told(session: Any, text: str) -> str:
    """A text as the recording may hold it, but for passwords."""
    printed = session.printed
    told: str = printed.text(text) if printed is not None and printed.recorded else text
    return told
