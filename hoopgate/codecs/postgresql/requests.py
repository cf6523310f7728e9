"""The client's direction after start-up: bytes to statements, and statements to what the target gets.

A refused statement is not just left out. In its place goes one that the target's own parser rejects, and the refusal
takes the place of the error that this brings. So the refusal waits its turn behind replies owed, the target's
transaction fails as it would for any error, and messages are skipped to Sync by PostgreSQL itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.conversation import TEXT_SETTINGS, Conversation, Portal, Prepared
from hoopgate.codecs.postgresql.framer import Event, Framer, Message, Run, table
from hoopgate.codecs.postgresql.names import Meaning, Names
from hoopgate.codecs.postgresql.owed import Kind, Owed
from hoopgate.codecs.postgresql.reading import REFUSED_NAME, Reading, wire_name
from hoopgate.config.model import Limits
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Frame, Input, Opaque, Phase, Statement
from hoopgate.verdicts import Block


class Control(Opaque):
    """A message that is no statement, but that the conversation must account for."""

    __slots__ = ()


class Requests:
    """Bytes from the client to frames, judged frames to bytes for the target."""

    def __init__(self, conversation: Conversation, limits: Limits) -> None:
        self.conversation = conversation
        self._limits = limits
        self._framer = Framer(
            table(passing="d", whole="DECSHcfX", head="QPBF"),
            whole=64 * 1024,
            large=limits.statement,
            largest=limits.message,
            limit="limits.statement",
        )
        self._kept: Event | None = None  # read once more...
        self._until: Callable[[], bool] = lambda: True  # ...when this is so
        self._flushed = False  # the target was told to answer, since we wait for it
        self._begun = False  # the target has the beginning of a message, and must get the rest
        self._over = False  # the client said goodbye
        self._reading = Reading(conversation, limits)

    @property
    def buffered(self) -> int:
        return self._framer.buffered

    @property
    def boundary(self) -> bool:
        return self._framer.boundary

    @property
    def waiting(self) -> bool:
        """The next frame can only be read once the target has answered."""
        return self._kept is not None or self.conversation.sync_due

    def receive(self, data: bytes) -> None:
        if not self._over:  # nobody will read what comes behind a goodbye, so nobody keeps it
            self._framer.receive(data)

    def next_frame(self) -> Frame | None:
        """The next frame, or None: more bytes are needed, or (``waiting``) answers."""
        if self.conversation.sync_due:
            self.conversation.sync_due = False
            return Control(messages.sync())
        while not self._over:
            if self._kept is not None and not (self._until() or self.conversation.skipping):
                return self._flush()
            event, self._kept = self._kept or self._framer.next_event(), None
            if event is None:
                return None
            # Read only now: what was awaited may have changed what a name means, or the encoding.
            frame = self._frame(event)
            if self.conversation.skipping and self._skipped(frame):
                continue
            until = self._awaited(frame)
            if until is not None:
                self._kept, self._until = event, until
                continue
            self._flushed = False
            return frame
        return None

    def forward(self, frame: Frame) -> bytes:
        """What goes to the target for a frame that may pass."""
        if self.conversation.skipping and self._skipped(frame):  # the batch failed while the frame was judged
            return b""
        if isinstance(frame, Statement):
            self._begun = frame.partial
            return self._forward_statement(frame)
        if isinstance(frame, Control):
            return self._account(frame.raw)
        self._begun = not self._framer.boundary
        self.conversation.copy_fed = True
        return frame.raw

    def refuse(self, frame: Statement, refusal: bytes, rule: str) -> bytes:
        """What goes to the target in place of a refused statement; ``refusal`` is the client's ErrorResponse."""
        conversation = self.conversation
        if conversation.skipping and self._skipped(frame):
            return b""
        if frame.partial:
            self._framer.drop_rest()
        poison = b"hoopgate refused this statement by rule " + re.sub(rb"[^A-Za-z0-9_-]", b"_", rule.encode())
        if frame.phase in (Phase.SIMPLE, Phase.CALL):
            conversation.expect(self._dropping_unnamed(Owed(Kind.QUERY, frame, refusal=refusal)))
            return messages.query(poison)
        unnamed = frame.phase is Phase.PREPARE and not frame.name  # PostgreSQL drops the old one before it parses
        entry = Owed(Kind.PARSE, frame, refusal=refusal)
        conversation.expect(self._dropping_unnamed(entry) if unnamed else entry)
        return messages.parse_message(b"" if unnamed else REFUSED_NAME, poison)

    def unsure(self, frame: Statement) -> bool:
        """The batch that ``frame`` stands in ran something, so that its text may not be read as we did.

        The target would not tell before the batch ends. Ask, then call ``read_again``.
        """
        conversation = self.conversation
        head = conversation.replies.head
        earlier = head is not None and head.batch != conversation.batch
        return frame is self._reading.by_settings and conversation.unsynced and (conversation.executed or earlier)

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
        parameters = self.conversation.parameters
        parameters.update({name: value or "" for name, value in zip(TEXT_SETTINGS, settings, strict=True)})
        again = self._reading.statement(Message(frame.raw[0], frame.raw))
        frame.text, frame.fault = again.text, again.fault

    def end_batch(self, done: Callable[[], None]) -> bytes:
        """A Sync of our own inside the client's batch, before a long hold: it frees the locks that parsing took.

        Only while nothing in the batch had an effect. If the batch fails by then, the client's messages are
        skipped to its own Sync, as the target would have done.
        """
        conversation = self.conversation

        def answered(raw: bytes) -> None:
            if raw[:1] == b"Z":
                conversation.skipping = entry.failed
                done()

        entry = Owed(Kind.SYNC, capture=answered)
        conversation.expect(entry)
        return messages.sync()

    def _skipped(self, frame: Frame) -> bool:
        """The batch has failed, and the target would take no notice of this message."""
        if isinstance(frame, Control) and frame.raw[:1] in b"SX":
            self.conversation.skipping = False
            return False
        if isinstance(frame, Input) and self._begun:
            return False
        if isinstance(frame, Statement) and frame.partial:
            self._framer.drop_rest()
        return True

    def _flush(self) -> Frame | None:
        """While we wait for answers inside a batch, the target must be told to send them."""
        if self._flushed or not self.conversation.unsynced:
            return None
        self._flushed = True
        return Control(messages.flush())

    def _frame(self, event: Event) -> Frame:
        if isinstance(event, Run):
            return Input(event.data)
        if not isinstance(event, Message):
            raise RemoteProtocolError("rows in the client's direction")
        kind = event.type
        if kind in b"QPBEF":
            if self.conversation.copy_in and not self.conversation.skipping:
                raise RemoteProtocolError(f"unexpected message type {chr(kind)!r} during COPY")
            return self._reading.statement(event)
        return Control(event.raw)

    def _awaited(self, frame: Frame) -> Callable[[], bool] | None:
        """What must come true before ``frame`` can be read; None if nothing must."""
        conversation = self.conversation
        if conversation.idle or isinstance(frame, Input):
            return None
        if conversation.replies.full:
            return lambda: not conversation.replies.full
        if not isinstance(frame, Statement):
            return None
        if frame is self._reading.by_settings and not conversation.unsynced:
            return lambda: conversation.idle  # what runs before it may change how it is read
        meaning = self._meaning(frame)
        if meaning is None or meaning.confirmed or meaning.batch == conversation.batch:
            return None
        # A change of an earlier batch, which may yet fail, so that the name means what it meant before.
        return lambda: meaning.confirmed or meaning.void

    def _meaning(self, frame: Statement) -> Meaning[Prepared] | Meaning[Portal] | None:
        if frame.phase is Phase.EXECUTE:
            return self.conversation.portals.find(wire_name(frame.portal))
        if frame.phase is Phase.BIND or (frame.phase is Phase.PREPARE and frame.name):
            return self.conversation.prepared.find(wire_name(frame.name))
        return None

    def _dropping_unnamed(self, entry: Owed) -> Owed:
        """PostgreSQL drops the unnamed statement when a Query or its own Parse begins (exec_simple_query)."""
        names = self.conversation.prepared
        if names.find(b"") is not None:
            entry.undo, entry.settle = _closing(names, b"", self.conversation.batch)
        return entry

    def _forward_statement(self, frame: Statement) -> bytes:
        conversation = self.conversation
        if frame.phase is Phase.SIMPLE:
            conversation.expect(self._dropping_unnamed(Owed(Kind.QUERY, frame)))
            return frame.raw
        if frame.phase is Phase.CALL:
            conversation.expect(Owed(Kind.CALL, frame))
            return frame.raw
        if frame.phase is Phase.PREPARE:
            return self._forward_parse(frame)
        if frame.phase is Phase.BIND:
            return self._forward_bind(frame)
        entry = Owed(Kind.EXECUTE, frame)
        portal = conversation.portals.get(wire_name(frame.portal))
        if portal is not None:
            portal.released = frame.released  # it runs once, however many Executes fetch from it
        if not conversation.watching:
            conversation.expect(entry)
            return frame.raw

        # Asked right before, not as it was bound: SQL may since have put another cursor under its name.
        def described(raw: bytes) -> None:
            entry.columns = messages.parse_row_description(raw) if raw[:1] == b"T" else ()

        conversation.expect(Owed(Kind.DESCRIBE_PORTAL, frame, capture=described, shared=True))
        conversation.expect(entry)
        return messages.describe(b"P", wire_name(frame.portal)) + frame.raw

    def _forward_parse(self, frame: Statement) -> bytes:
        conversation, names = self.conversation, self.conversation.prepared
        parsed = messages.parse_parse(frame.raw)
        prepared = Prepared(frame.text, parsed.type_oids)
        meaning = names.put(parsed.name, prepared, conversation.batch)
        conversation.expect(
            Owed(Kind.PARSE, frame, undo=lambda: names.undo(meaning), settle=lambda: names.confirm(meaning))
        )
        return frame.raw

    def _forward_bind(self, frame: Statement) -> bytes:
        conversation, names = self.conversation, self.conversation.portals
        portal = Portal(frame.name, frame.text, frame.parameters, frame.released)
        if names.size + portal.size > self._limits.prepared_bytes:
            portal = Portal(frame.name, frame.text, None, frame.released)
        meaning = names.put(wire_name(frame.portal), portal, conversation.batch)
        conversation.expect(
            Owed(Kind.BIND, frame, undo=lambda: names.undo(meaning), settle=lambda: names.confirm(meaning))
        )
        return frame.raw

    def _account(self, raw: bytes) -> bytes:
        conversation = self.conversation
        kind = raw[:1]
        if kind == b"S":
            if conversation.copy_in:
                conversation.copy_synced = conversation.copy_fed
                return b""
            conversation.expect(Owed(Kind.SYNC))
        elif kind == b"D":
            what, _ = messages.parse_describe(raw)
            conversation.expect(Owed(Kind.DESCRIBE_STATEMENT if what == b"S" else Kind.DESCRIBE_PORTAL))
        elif kind == b"C":
            self._close(*messages.parse_close(raw))
        elif kind in b"cf":
            if conversation.copy_in:
                conversation.copy_in = conversation.copy_synced = False
            else:
                conversation.expect(Owed(Kind.COPY_END))
        elif kind == b"X":
            self._over = True
        return raw

    def _close(self, what: bytes, name: bytes) -> None:
        conversation = self.conversation
        names: Names[Prepared] | Names[Portal] = conversation.prepared if what == b"S" else conversation.portals
        if names.find(name) is None:
            conversation.expect(Owed(Kind.CLOSE))
            return
        undo, settle = _closing(names, name, conversation.batch)
        conversation.expect(Owed(Kind.CLOSE, undo=undo, settle=settle))


def _closing(
    names: Names[Prepared] | Names[Portal], name: bytes, batch: int
) -> tuple[Callable[[], None], Callable[[], None]]:
    meaning: Any = names.put(name, None, batch)
    return partial(names.undo, meaning), partial(names.confirm, meaning)
