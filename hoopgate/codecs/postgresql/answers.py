"""The target's direction after start-up: bytes to results, and judged results to what the client gets."""

from __future__ import annotations

from typing import Final, Protocol

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.conversation import TEXT_SETTINGS, Conversation
from hoopgate.codecs.postgresql.framer import Framer, Message, RowRun, Run, table
from hoopgate.codecs.postgresql.owed import UNASKED, Kind, Owed, Step
from hoopgate.config.model import Limits
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Columns, Frame, Notice, Opaque, Reply, Rows

_ERROR, _NOTICE, _STATUS = ord("E"), ord("N"), ord("S")
_ROW, _COPY_ROW, _COPY_IN, _COPY_BOTH, _READY, _COLUMNS = (ord(letter) for letter in "DdGWZT")
_READ: Final = "CEINZSAVKGHWRvcnst123"  # what is read whole in any case
_ALL_READ: Final = table(whole=_READ + "DdT")
_ROWS_EDITED: Final = table(whole=_READ + "T", rows="Dd")
_ROWS_PASS: Final = table(whole=_READ + "T", passing="Dd")
_RESULTS_PASS: Final = table(whole=_READ, passing="DdT")


class RowSplicer(Protocol):
    """Puts masked cells into rows as they pass."""

    def splice_run(self, raw: bytes) -> bytes:
        """``raw``: contiguous whole DataRow or CopyData messages."""

    def finish(self) -> bytes:
        """What is still held back when the result ends."""


class Answers:
    """Bytes from the target to frames, judged frames to bytes for the client.

    ``hint``: what we put before the client's application_name on the target; it is taken off again here.
    """

    def __init__(self, conversation: Conversation, limits: Limits, *, hint: str = "") -> None:
        self.conversation = conversation
        self.waiting = False  # nothing here ever waits for the client's direction
        conversation.retarget = self._retarget
        self._hint = hint.encode()
        self._framer = Framer(_ALL_READ, whole=limits.row, large=limits.row, largest=limits.message, limit="limits.row")
        self._pushed: Message | None = None
        self._splicer: RowSplicer | None = None
        self._retarget()

    @property
    def buffered(self) -> int:
        return self._framer.buffered

    @property
    def boundary(self) -> bool:
        """A message of our own may be put here."""
        return self._framer.boundary and self._pushed is None and self._splicer is None

    def receive(self, data: bytes) -> None:
        self._framer.receive(data)

    def next_frame(self) -> Frame | None:
        """The next frame for the client; what is ours is taken out on the way."""
        while True:
            pushed, self._pushed = self._pushed, None
            event = pushed or self._framer.next_event()
            if event is None:
                return None
            if isinstance(event, Run):
                return Opaque(event.data)
            if isinstance(event, RowRun):
                return Rows(self._splice(event.raw), 0)
            frame = self._message(event)
            if frame is not None:
                return frame

    def judged(self, splicer: RowSplicer | None) -> None:
        """A Columns frame was judged: its rows pass, through ``splicer`` where there is one."""
        head = self.conversation.replies.head
        if head is not None:
            head.opened = True
        self._splicer = splicer
        self._retarget()

    def _splice(self, raw: bytes) -> bytes:
        if self._splicer is None:
            raise RemoteProtocolError("rows without columns")
        return self._splicer.splice_run(raw)

    def _retarget(self) -> None:
        """Aim the framer: how rows travel depends on whose they are and whether their columns were judged."""
        head = self.conversation.replies.head
        if head is None or head.capture is not None:
            kinds = _ALL_READ
        elif head.opened:
            kinds = _ROWS_EDITED if self._splicer is not None else _ROWS_PASS
        elif head.watched or head.refusal is not None:
            kinds = _ALL_READ
        else:
            kinds = _ROWS_PASS
        if kinds is _ROWS_PASS and head is not None and head.kind is Kind.QUERY and not head.watched:
            kinds = _RESULTS_PASS
        self._framer.kinds = kinds

    def _message(self, message: Message) -> Frame | None:
        kind, raw = message.type, message.raw
        replies = self.conversation.replies
        if kind in UNASKED:
            return self._unasked(kind, raw)
        head = replies.head
        if head is None:
            if kind == _ERROR:
                return self._error(raw, None)  # the target ends the session
            raise RemoteProtocolError(f"the target sent {chr(kind)!r} unasked")
        if kind in (_ROW, _COPY_ROW) and head.capture is None:
            return self._first_row(message, head)
        if head.refusal is not None and kind != _ERROR and not (kind == _READY and head.failed):
            raise RemoteProtocolError("the target did what was refused")
        if kind == _ERROR:
            head.failed = True
            if head.capture is not None:
                head.capture(raw)  # before the step undoes what the error made void
        step = replies.step(kind)
        frame = self._settled(head, step, kind, raw)
        if head.capture is not None and kind != _ERROR:
            head.capture(raw)
        return frame

    def _settled(self, head: Owed, step: Step, kind: int, raw: bytes) -> Frame | None:
        conversation = self.conversation
        if step is Step.FAIL:
            conversation.failed()
        elif kind == _ERROR:
            conversation.copy_in = False
        elif step is Step.DONE and head.settle is not None:
            head.settle()
        held_back = self._end_result(kind) if kind in b"CcIsE" else b""
        if kind == _READY:
            conversation.ready(messages.parse_ready_for_query(raw), head.batch)
        elif kind in (_COPY_IN, _COPY_BOTH):
            conversation.begin_copy()
        if step is not Step.KEEP or kind in b"CcIsE":
            head.opened = False
            self._retarget()
        if head.capture is not None and not (kind == _ERROR and head.shared):
            return None
        return self._frame(head, kind, held_back + raw if held_back else raw, raw)

    def _end_result(self, kind: int) -> bytes:
        """What is held back of a row goes out before the result's end; an error cuts the row off."""
        splicer, self._splicer = self._splicer, None
        return splicer.finish() if splicer is not None and kind != _ERROR else b""

    def _frame(self, head: Owed, kind: int, data: bytes, raw: bytes) -> Frame:
        if kind == ord("T") and head.kind is Kind.QUERY and head.watched:
            return Columns(raw, messages.parse_row_description(raw), head.statement)
        if kind == ord("H") and head.watched:
            overall, _ = messages.parse_copy_out_response(raw)
            return Columns(raw, (), head.statement, "binary" if overall else "text")
        if kind == _ERROR:
            return self._error(raw, head)
        if kind == ord("C"):
            return Reply(data, head.statement, messages.parse_command_complete(raw).decode("ascii", "replace"))
        return Opaque(data)

    def _first_row(self, message: Message, head: Owed) -> Frame:
        """Rows may only pass once their columns were judged; of a portal these were asked for as it was run."""
        if head.opened:  # it waited for the verdict
            return Opaque(message.raw) if self._splicer is None else Rows(self._splice(message.raw), 0)
        if message.type != _ROW or head.columns is None:
            raise RemoteProtocolError("the target sent rows without saying of which columns")
        self._pushed = message
        return Columns(b"", head.columns, head.statement)

    def _error(self, raw: bytes, head: Owed | None) -> Frame:
        fields = messages.parse_fields(raw)
        fatal = fields.get("V", fields.get("S", b"ERROR")) in (b"FATAL", b"PANIC")
        if head is not None and head.refusal is not None and not fatal:
            return Opaque(head.refusal)
        return Notice(raw, self._decoded(fields), head.statement if head is not None else None, True)

    def _unasked(self, kind: int, raw: bytes) -> Frame:
        if kind == _NOTICE:
            head = self.conversation.replies.head
            fields = self._decoded(messages.parse_fields(raw))
            return Notice(raw, fields, head.statement if head is not None else None, False)
        if kind == _STATUS:
            return Opaque(self._status(raw))
        if self.conversation.watching:
            return Opaque(b"")  # asked for before a mask came into force; nobody can tell what it carries
        return Opaque(raw)

    def _decoded(self, fields: dict[str, bytes]) -> dict[str, str]:
        encoding = self.conversation.encoding
        return {code: text.decode(encoding, "replace") for code, text in fields.items()}

    def _status(self, raw: bytes) -> bytes:
        name, value = messages.parse_parameter_status(raw)
        if name == b"application_name" and self._hint and value.startswith(self._hint):
            value = value[len(self._hint) :]
            raw = messages.parameter_status(name, value)
        known = name.decode("ascii", "replace")
        if known in TEXT_SETTINGS:
            self.conversation.parameters[known] = value.decode("utf-8", "replace")
        return raw
