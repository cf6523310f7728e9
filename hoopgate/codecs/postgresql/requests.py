"""The client's direction after start-up: bytes to statements, and statements to what the target gets.

A refused statement is not just left out. In its place goes one that the target's own parser rejects, and the refusal
takes the place of the error that this brings. So the refusal waits its turn behind replies owed, the target's
transaction fails as it would for any error, and messages are skipped to Sync by PostgreSQL itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from hoopgate.codecs.postgresql import messages, owed
from hoopgate.codecs.postgresql.conversation import TEXT_SETTINGS, Conversation
from hoopgate.codecs.postgresql.framer import NOTHING, PASS, Framer, table
from hoopgate.codecs.postgresql.names import Meaning
from hoopgate.codecs.postgresql.outgoing import Outgoing
from hoopgate.codecs.postgresql.owed import Capture, Owed
from hoopgate.codecs.postgresql.reading import REFUSED_NAME, Reading, wire_name
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import BIND, CALL, EXECUTE, PREPARE, SIMPLE, Frame, Input, Opaque, Statement
from hoopgate.verdicts import Block
from hoopgate.wire import Wire

if TYPE_CHECKING:
    from hoopgate.config.model import Limits

_KINDS: Final = table(passing="d", whole="DECSHcfX", head="QPBF")
_STATEMENTS: Final = frozenset(b"QPBEF")
_RESUMES: Final = b"SX"
_ENDS_COPY: Final = b"cf"
_COPY_DONE: Final = 0x63
_TERMINATE: Final = 0x58
_DATA: Final = 0  # stands for data of COPY, which comes in pieces
_WHOLE: Final = 64 * 1024  # bytes of a message that is neither data nor a statement

# What must come true before the next message can be read.
_CLEAR: Final = 0  # nothing must
_ROOM: Final = 1  # fewer replies are owed than the window allows
_IDLE: Final = 2  # all are answered: what runs before a text may change how it is read
_NAMED: Final = 3  # an earlier batch's change to a name is confirmed or void


# What becomes of COPY's data.
_KEEP: Final = 0  # they go on
_SPOIL: Final = 1  # they are refused, once the message ends of which the target has the beginning
_DROP: Final = 2  # they are refused


class Control(Opaque):
    """A message that is no statement, but that the conversation must account for."""

    __slots__ = ()


class InputEnd(Control):
    """The client has sent all data of its COPY (CopyDone)."""

    __slots__ = ()


class Requests(Wire):
    """Bytes from the client to frames, judged frames to bytes for the target."""

    __slots__ = (
        "_awaits", "_begun", "_change", "_dropping", "_failure", "_flushed", "_framer", "_outgoing", "_over",
        "_reading", "conversation", "querying",
    )  # fmt: skip

    def __init__(self, conversation: Conversation, limits: Limits) -> None:
        self.conversation = conversation
        self._framer = Framer(
            _KINDS, whole=_WHOLE, large=limits.statement, largest=limits.message, limit="limits.statement"
        )
        self._awaits = _CLEAR
        self._change: Meaning[Any] | None = None  # of a name, which is awaited
        self._flushed = False  # the target was told to answer, since we wait for it
        self._begun = False  # the target has the beginning of a message, and must get the rest
        self._dropping = _KEEP  # what becomes of COPY's data
        self._failure = b""  # CopyFail, where they are refused
        self._over = False  # the client said goodbye
        self.querying = False  # what is judged now is a Query
        self._reading = Reading(conversation, limits)
        self._outgoing = Outgoing(conversation, self._reading, limits.prepared_bytes)

    @property
    def buffered(self) -> int:
        return self._framer.buffered

    @property
    def boundary(self) -> bool:
        return self._framer.boundary

    @property
    def waiting(self) -> bool:
        """The next frame can only be read once the target has answered."""
        return self._awaits != _CLEAR or self.conversation.sync_due

    def receive(self, data: bytes) -> None:
        if not self._over:  # nobody will read what comes behind a goodbye, so nobody keeps it
            self._framer.receive(data)

    def next_frame(self) -> Frame | None:
        """The next frame, or None: more bytes are needed, or (``waiting``) answers."""
        conversation, framer = self.conversation, self._framer
        if conversation.sync_due:
            conversation.sync_due = False
            return Control(messages.sync())
        while not self._over:
            if self._awaits != _CLEAR:
                if not (self._came_true() or conversation.skipping):
                    return self._flush()
                self._awaits, self._change = _CLEAR, None
            found = framer.advance()
            if found == NOTHING:
                return None
            if conversation.skipping:
                letter = _DATA if found == PASS else framer.buffer[framer.start]
                if self._skips(letter, framer.partial):
                    continue
            # Read only now: what was awaited may have changed what a name means, or the encoding.
            frame = self._frame(found, framer.cut(framer.start, framer.end))
            head = conversation.replies.head
            if head is not None and self._must_wait(frame, head):
                framer.rewind()
                continue
            self._flushed = False
            if isinstance(frame, Statement):
                self.querying = frame.phase is SIMPLE
                if frame.number == 0:
                    conversation.numbered += 1
                    frame.number = conversation.numbered
            return frame
        return None

    def forward(self, frame: Frame) -> bytes:
        """What goes to the target for a frame that may pass."""
        skipping = self.conversation.skipping  # the batch may have failed while the frame was judged
        if isinstance(frame, Statement):
            if skipping and self._skips(frame.raw[0], frame.partial):
                return b""
            self._begun = frame.partial
            self._dropping = _KEEP
            return self._outgoing.statement(frame)
        if self._dropping != _KEEP and (not isinstance(frame, Control) or frame.raw[0] in _ENDS_COPY):
            return self._drop(frame)
        if isinstance(frame, Control):
            if skipping and self._skips(frame.raw[0], False):
                return b""
            self._over |= frame.raw[0] == _TERMINATE
            return self._outgoing.control(frame.raw)
        if skipping and self._skips(_DATA, False):
            return b""
        self._begun = not self._framer.boundary
        self.conversation.copy_fed = True
        return frame.raw

    def refuse(self, frame: Statement, refusal: bytes, rule: str) -> bytes:
        """What goes to the target in place of a refused statement; ``refusal`` is the client's ErrorResponse."""
        conversation = self.conversation
        self._reading.forget()
        if conversation.skipping and self._skips(frame.raw[0], frame.partial):
            return b""
        if frame.partial:
            self._framer.drop_rest()
        poison = b"hoopgate refused this statement by rule " + _safe(rule)
        simple = frame.phase is SIMPLE or frame.phase is CALL
        unnamed = frame.phase is PREPARE and not frame.name
        entry = Owed(owed.QUERY if simple else owed.PARSE, frame)
        entry.refusal = refusal
        if simple or unnamed:  # PostgreSQL drops the old one before it parses
            self._outgoing.drop_unnamed(entry)
        conversation.expect(entry)
        if simple:
            return messages.query(poison)
        return messages.parse_message(b"" if unnamed else REFUSED_NAME, poison)

    def refuse_input(self, frame: Frame, refusal: bytes, rule: str) -> bytes:
        """What goes to the target in place of data of COPY, or of their end, that are refused: CopyFail.

        ``refusal`` is the client's ErrorResponse. All that the target has got of these data is undone with them.
        """
        conversation = self.conversation
        if conversation.skipping and self._skips(_DATA, False):
            return b""
        copying = conversation.replies.copying
        if copying is not None:
            copying.replaced = refusal
        self._dropping = _SPOIL
        self._failure = messages.copy_fail(b"hoopgate refused the data by rule " + _safe(rule))
        return self._drop(frame)

    def _drop(self, frame: Frame) -> bytes:
        """Drop data of COPY; what the target needs to see a message whole still goes to it, and then CopyFail."""
        if isinstance(frame, Control):
            failed = self._outgoing.control(self._failure) if self._dropping == _SPOIL else b""
            self._dropping = _KEEP
            return failed
        if self._dropping == _DROP:
            return b""
        whole, begun = self._framer.boundary, self._begun
        self._begun = not whole
        data = frame.raw if begun or not whole else b""
        if not whole:
            return data
        self._dropping = _DROP
        return data + self._outgoing.control(self._failure)

    def unsure(self, frame: Statement) -> bool:
        """The batch that ``frame`` stands in ran something, so that its text may not be read as we did.

        The target would not tell before the batch ends. Ask, then call ``read_again``.
        """
        if frame is not self._reading.by_settings:
            return False
        conversation = self.conversation
        head = conversation.replies.head
        earlier = head is not None and head.batch != conversation.batch
        return conversation.unsynced and (conversation.executed or earlier)

    def read_again(self, frame: Statement, settings: tuple[str | None, ...]) -> None:
        """Read ``frame`` by the values of TEXT_SETTINGS that the session has now; without any it is refused."""
        if not settings:
            frame.fault = Block(
                "the encoding of the statement cannot be told in a failed transaction",
                rule="protocol.encoding",
                hint="End the transaction first, or write the statement in ASCII without backslashes.",
                sqlstate="25P02",
            )
            return
        for name, value in zip(TEXT_SETTINGS, settings, strict=True):
            self.conversation.reported(name, value or "")
        again = self._reading.statement(frame.raw, False)
        frame.text, frame.fault = again.text, again.fault

    def end_batch(self) -> bytes:
        """A Sync of our own inside the client's batch, before a long hold: it frees the locks that parsing took.

        Only while nothing in the batch had an effect. If the batch fails by then, the client's messages are
        skipped to its own Sync, as the target would have done.
        """
        entry = Owed(owed.SYNC)
        entry.capture = EarlyEnd(self.conversation, entry)
        self.conversation.expect(entry)
        return messages.sync()

    def _skips(self, letter: int, partial: bool) -> bool:
        """The batch has failed, and the target would take no notice of a message of this type."""
        if letter == _DATA:
            return not self._begun
        if letter in _RESUMES:
            self.conversation.skipping = False
            return False
        if partial:
            self._framer.drop_rest()
        return True

    def _flush(self) -> Frame | None:
        """While we wait for answers inside a batch, the target must be told to send them."""
        if self._flushed or not self.conversation.unsynced:
            return None
        self._flushed = True
        return Control(messages.flush())

    def _frame(self, found: int, raw: bytes) -> Frame:
        if found == PASS:
            return Input(raw)
        if raw[0] not in _STATEMENTS:
            return InputEnd(raw) if raw[0] == _COPY_DONE else Control(raw)
        if self.conversation.copy_in and not self.conversation.skipping:
            raise RemoteProtocolError(f"unexpected message type {chr(raw[0])!r} during COPY")
        return self._reading.statement(raw, self._framer.partial)

    def _must_wait(self, frame: Frame, head: Owed) -> bool:
        """Answers are out, from ``head`` on, that ``frame`` cannot be read before; which, is kept."""
        conversation = self.conversation
        if isinstance(frame, Input):
            return False
        if conversation.replies.full:
            self._awaits = _ROOM
        elif isinstance(frame, Statement):
            if frame is self._reading.by_settings and not conversation.unsynced:
                self._awaits = _IDLE
            elif head.batch != conversation.batch:
                meaning = self._meaning(frame)
                # A change of an earlier batch may yet fail, so that the name means what it meant before.
                if meaning is not None and not meaning.confirmed and meaning.batch != conversation.batch:
                    self._awaits, self._change = _NAMED, meaning
        return self._awaits != _CLEAR

    def _came_true(self) -> bool:
        if self._awaits == _ROOM:
            return not self.conversation.replies.full
        if self._awaits == _IDLE:
            return self.conversation.idle
        return self._change is None or self._change.confirmed or self._change.void

    def _meaning(self, frame: Statement) -> Meaning[Any] | None:
        phase = frame.phase
        if phase is EXECUTE:
            return self.conversation.portals.find(wire_name(frame.portal))
        if phase is BIND or (phase is PREPARE and frame.name):
            return self.conversation.prepared.find(wire_name(frame.name))
        return None


class EarlyEnd(Capture):
    """The answer to our Sync: if the batch had failed, the client's messages up to its own Sync are skipped."""

    __slots__ = ("_conversation", "_entry")

    def __init__(self, conversation: Conversation, entry: Owed) -> None:
        self._conversation = conversation
        self._entry = entry

    def reply(self, raw: bytes) -> None:
        """An error or ReadyForQuery."""
        if raw[:1] == b"Z":
            self._conversation.skipping = self._entry.failed


def _safe(rule: str) -> bytes:
    """A rule's name as it may stand in what the target logs."""
    return re.sub(rb"[^A-Za-z0-9_-]", b"_", rule.encode())
