"""The target's direction after start-up: bytes to results, and judged results to what the client gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from hoopgate.codecs.postgresql import messages, owed
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.framer import NOTHING, PASS, ROWS, Framer, table
from hoopgate.codecs.postgresql.owed import DONE, FAIL, KEEP, Owed
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Columns, Described, Frame, Notice, Opaque, Reply, Rows, Statement
from hoopgate.wire import Wire

if TYPE_CHECKING:
    from hoopgate.config.model import Limits

_ROW: Final = 0x44  # D
_COPY_ROW: Final = 0x64  # d
_COLUMNS: Final = 0x54  # T
_COPY_OUT: Final = 0x48  # H
_COPY_IN: Final = 0x47  # G
_COPY_BOTH: Final = 0x57  # W
_COMPLETE: Final = 0x43  # C
_ERROR: Final = 0x45  # E
_READY: Final = 0x5A  # Z
_NOTICE: Final = 0x4E  # N
_STATUS: Final = 0x53  # S
_NOTIFICATION: Final = 0x41  # A

_ENDS: Final = b"CcIsE"  # what a result ends with
_STATES: Final = {0x49: b"I", 0x54: b"T", 0x45: b"E"}  # of a transaction

# How rows travel depends on whose they are and whether their columns were judged.
_READ: Final = "CEINZSAVKGHWRvcnst123"  # what is read whole in any case
_ALL_READ: Final = table(whole=_READ + "DdT")
_ROWS_EDITED: Final = table(whole=_READ + "T", rows="Dd")
_ROWS_PASS: Final = table(whole=_READ + "T", passing="Dd")
_RESULTS_PASS: Final = table(whole=_READ, passing="DdT")

_TOGETHER: Final = 16  # messages that nobody wants in one Opaque, so that a turn of so many frames has its bound
_UNCHANGED: Final = Opaque(b"")  # stands for a message that goes on as it came


class RowSplicer(Protocol):
    """Puts masked cells into rows as they pass."""

    def splice_run(self, raw: bytes) -> bytes:
        """``raw``: contiguous whole DataRow or CopyData messages."""

    def finish(self) -> bytes:
        """What is still held back when the result ends."""


class Answers(Wire):
    """Bytes from the target to frames, judged frames to bytes for the client.

    ``hint``: what we put before the client's application_name on the target; it is taken off again here. ``replies``:
    somebody wants to hear how statements ended. What nobody wants goes on as it came, contiguous messages as one
    Opaque.
    """

    __slots__ = ("_answered", "_framer", "_from", "_hint", "_next", "_replies", "_splicer", "_to", "conversation")

    def __init__(self, conversation: Conversation, limits: Limits, *, hint: str = "", replies: bool = True) -> None:
        self.conversation = conversation
        self._hint = hint.encode()
        self._replies = replies
        self._framer = Framer(_ALL_READ, whole=limits.row, large=limits.row, largest=limits.message, limit="limits.row")
        self._from = -1  # where what goes on as it came begins in the framer's buffer...
        self._to = -1  # ...and where it ends
        self._next: Frame | None = None  # comes behind it
        self._splicer: RowSplicer | None = None
        self._answered: Statement | None = None  # the last, while masks are in force

    @property
    def buffered(self) -> int:
        return self._framer.buffered

    @property
    def boundary(self) -> bool:
        """A message of our own may be put here."""
        return self._from < 0 and self._splicer is None and self._framer.boundary

    @property
    def waiting(self) -> bool:
        """Nothing here ever waits for the client's direction."""
        return False

    def receive(self, data: bytes) -> None:
        self._framer.receive(data)

    def next_frame(self) -> Frame | None:
        """The next frame for the client; what is ours is taken out on the way."""
        frame = self._next
        if frame is not None:
            self._next = None
            return frame
        framer = self._framer
        self._aim()
        left = _TOGETHER
        while True:
            found = framer.advance()
            if found == NOTHING:
                return self._unchanged() if self._from >= 0 else None
            if found == PASS:
                frame = _UNCHANGED
            elif found == ROWS:
                frame = Rows(self._spliced(framer.cut(framer.start, framer.end)), 0)
            else:
                frame = self._message(framer.buffer[framer.start])
            if frame is _UNCHANGED:
                if self._from < 0:
                    self._from = framer.start
                self._to = framer.end
                left -= 1
                if left == 0 or self._to == len(framer.buffer):
                    return self._unchanged()
            elif self._from >= 0:
                self._next = frame
                return self._unchanged()
            elif frame is not None:
                return frame

    def judged(self, splicer: RowSplicer | None) -> None:
        """A Columns frame was judged: its rows pass, through ``splicer`` where there is one."""
        head = self.conversation.replies.head
        if head is not None:
            head.opened = True
        self._splicer = splicer

    def _unchanged(self) -> Frame:
        data = self._framer.cut(self._from, self._to)
        self._from = -1
        return Opaque(data)

    def _spliced(self, raw: bytes) -> bytes:
        if self._splicer is None:
            raise RemoteProtocolError("rows without columns")
        return self._splicer.splice_run(raw)

    def _aim(self) -> None:
        """Tell the framer what to read, by the entry that is answered now."""
        head = self.conversation.replies.head
        if head is None or head.capture is not None:
            self._framer.kinds = _ALL_READ
        elif head.opened:
            self._framer.kinds = _ROWS_EDITED if self._splicer is not None else _ROWS_PASS
        elif head.watched or head.refusal is not None:
            self._framer.kinds = _ALL_READ
        else:
            self._framer.kinds = _RESULTS_PASS if head.kind == owed.QUERY else _ROWS_PASS

    def _raw(self) -> bytes:
        return self._framer.cut(self._framer.start, self._framer.end)

    def _message(self, kind: int) -> Frame | None:
        """Account for the message that the framer found; None: it is not for the client."""
        if kind in (_NOTICE, _STATUS, _NOTIFICATION):  # between any two messages
            return self._unasked(kind)
        head = self.conversation.replies.head
        if head is None:
            if kind == _ERROR:
                return self._error(self._raw(), None)  # the target ends the session
            raise RemoteProtocolError(f"the target sent {chr(kind)!r} unasked")
        if head.capture is None and (kind in (_ROW, _COPY_ROW)):
            return self._first_row(kind, head)
        if head.refusal is not None and kind != _ERROR and not (kind == _READY and head.failed):
            raise RemoteProtocolError("the target did what was refused")
        if kind == _ERROR:
            head.failed = True
            if head.capture is not None:
                head.capture.reply(self._raw())  # before the step undoes what the error made void
        held_back = self._settled(head, kind)
        if head.capture is not None:
            if kind != _ERROR:
                head.capture.reply(self._raw())
            elif head.shared:
                return self._frame(head, kind, held_back)
            return None
        return self._frame(head, kind, held_back)

    def _settled(self, head: Owed, kind: int) -> bytes:
        """Take one step of what is owed; returns what was held back of the result that ends here."""
        conversation = self.conversation
        if head.watched and head.statement is not None:
            self._answered = head.statement
        step = conversation.replies.step(kind)
        if step == FAIL:
            conversation.failed()
        elif kind == _ERROR:
            conversation.copy_in = False
        elif step == DONE:
            head.settle()
        ends = kind in _ENDS
        held_back = self._end_result(kind) if ends and self._splicer is not None else b""
        if kind == _READY:
            conversation.ready(self._state(), head.batch)
        elif kind in (_COPY_IN, _COPY_BOTH):
            conversation.begin_copy()
        elif kind == _COMPLETE:
            head.completed += 1
        elif kind == _COLUMNS and head.watched and head.kind == owed.DESCRIBE_PORTAL:
            head.description = self._raw()
        if step != KEEP or ends:
            head.opened = False
            self._aim()
        return held_back

    def _end_result(self, kind: int) -> bytes:
        """What is held back of a row goes out before the result's end; an error cuts the row off."""
        splicer, self._splicer = self._splicer, None
        return splicer.finish() if splicer is not None and kind != _ERROR else b""

    def _state(self) -> bytes:
        framer = self._framer
        state = _STATES.get(framer.buffer[framer.end - 1]) if framer.end - framer.start == 6 else None
        return messages.parse_ready_for_query(self._raw()) if state is None else state

    def _frame(self, head: Owed, kind: int, held_back: bytes) -> Frame:
        if kind == _ERROR:
            return self._error(self._raw(), head)
        if kind == _COMPLETE and self._replies:
            raw = self._raw()
            tag = messages.parse_command_complete(raw).decode("ascii", "replace")
            return Reply(held_back + raw if held_back else raw, head.statement, tag)
        if head.watched:
            if kind == _COLUMNS and head.kind == owed.QUERY:
                raw = self._raw()
                read = messages.parse_row_description
                return Columns(raw, None, head.statement, None, raw, read, head.completed)
            if kind == _COLUMNS:
                return Described(self._raw())
            if kind == _COPY_OUT:
                raw = self._raw()
                overall, _ = messages.parse_copy_out_response(raw)
                kept = "binary" if overall else "text"
                return Columns(raw, (), head.statement, kept, b"", None, head.completed)
        return Opaque(held_back + self._raw()) if held_back else _UNCHANGED

    def _first_row(self, kind: int, head: Owed) -> Frame:
        """Rows may only pass once their columns were judged; of a portal these were asked for as it was run."""
        described = head.described
        if kind != _ROW or described is None or described.description is None:
            raise RemoteProtocolError("the target sent rows without saying of which columns")
        self._framer.rewind()  # it waits for the verdict
        return Columns(b"", None, head.statement, None, described.description, messages.parse_row_description)

    def _error(self, raw: bytes, head: Owed | None) -> Frame:
        fields = messages.parse_fields(raw)
        fatal = fields.get("V", fields.get("S", b"ERROR")) in (b"FATAL", b"PANIC")
        if head is not None and not fatal:
            refusal = head.refusal if head.refusal is not None else head.replaced
            if refusal is not None:
                return Opaque(refusal)
        return self._said(raw, fields, head, True)

    def _unasked(self, kind: int) -> Frame | None:
        if kind == _NOTICE:
            raw = self._raw()
            return self._said(raw, messages.parse_fields(raw), self.conversation.replies.head, False)
        if kind == _STATUS:
            return self._reported()
        # asked for before a mask came into force; nobody can tell what it carries
        return None if self.conversation.watching else _UNCHANGED

    def _said(self, raw: bytes, fields: dict[str, bytes], head: Owed | None, error: bool) -> Notice:
        """An error or notice, whose position is one in the client's own text."""
        statement = None if head is None else head.statement
        position = fields.get("P", b"")
        if position and statement is not None and statement.respelled is not None and position.isdigit():
            fields["P"] = str(statement.respelled.position(int(position))).encode()
            raw = messages.fields_response(b"E" if error else b"N", fields)
        return Notice(raw, self._decoded(fields), statement, error)

    def _decoded(self, fields: dict[str, bytes]) -> dict[str, str]:
        encoding = self.conversation.encoding
        return {code: text.decode(encoding, "replace") for code, text in fields.items()}

    def _reported(self) -> Frame | None:
        conversation = self.conversation
        name, value = messages.parse_parameter_status(self._raw())
        hinted = name == b"application_name" and bool(self._hint) and value.startswith(self._hint)
        if hinted:
            value = value[len(self._hint) :]
        if conversation.watching:
            head = conversation.replies.head
            written = self._answered if head is None or head.statement is None else head.statement
            told = value.decode(conversation.encoding, "replace")
            if not conversation.reports(name.decode("ascii", "replace"), told, written):
                return None
        if hinted:
            return Opaque(messages.parameter_status(name, value))
        self.conversation.reported(name.decode("ascii", "replace"), value.decode("utf-8", "replace"))
        return _UNCHANGED
