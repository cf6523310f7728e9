"""A Query or Parse that goes to the target in other words than the client's."""

from __future__ import annotations

from hoopgate.codecs.postgresql import messages
from hoopgate.errors import LocalProtocolError
from hoopgate.frames import PREPARE, SIMPLE, Statement
from hoopgate.respelling import Respelling


def reworded(frame: Statement, respelling: Respelling, encoding: str) -> Statement:
    """The frame to forward in place of ``frame``; its ``text`` is still the client's.

    ``encoding`` is Python's name of client_encoding. Raises UnicodeError where the client's own words would not come
    out as the same bytes, LocalProtocolError for another phase than SIMPLE and PREPARE.
    """
    raw, text = frame.raw, respelling.text.encode(encoding)
    if frame.phase is SIMPLE:
        own, made = messages.parse_query(raw), messages.query(text)
    elif frame.phase is PREPARE:
        parsed = messages.parse_parse(raw)
        own, made = parsed.text, messages.parse_message(parsed.name, text, parsed.type_oids)
    else:
        raise LocalProtocolError(f"a statement cannot be reworded as it is {frame.phase.value}")
    if frame.text.encode(encoding) != own:
        raise UnicodeError("several spellings of one character")
    forwarded = Statement(made, frame.text, frame.phase, name=frame.name)
    forwarded.number = frame.number
    forwarded.released = frame.released
    forwarded.judged = frame.judged
    forwarded.judged_at = frame.judged_at
    forwarded.respelled = respelling
    return forwarded
