"""The client's direction after start-up: bytes to statements, and statements to what the target gets.

A refused statement is not just left out. In its place goes one that the target's own parser rejects, and the refusal
takes the place of the error that this brings. So the refusal waits its turn behind replies owed, the target's
transaction fails as it would for any error, and messages are skipped to Sync by PostgreSQL itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.conversation import Conversation, Portal, Prepared
from hoopgate.codecs.postgresql.encodings import codec
from hoopgate.codecs.postgresql.framer import Event, Framer, Message, Run, table
from hoopgate.codecs.postgresql.owed import Kind, Owed
from hoopgate.config.model import Limits
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Frame, Input, Opaque, Parameter, Phase, Statement
from hoopgate.verdicts import Block

REFUSED_NAME = b"hoopgate_refused"
# Words of statements that may change how the bytes of the next one are read: it is judged only after their answer.
BARRIER = re.compile(
    rb"client_encoding|\bnames\b|standard_conforming_strings|backslash_quote|set_config", re.IGNORECASE
)


class Control(Opaque):
    """A message that is no statement, but that the conversation must account for."""

    __slots__ = ()


class Requests:
    """Bytes from the client to frames, judged frames to bytes for the target."""

    def __init__(self, conversation: Conversation, limits: Limits) -> None:
        self.conversation = conversation
        self.waiting = False  # the next frame can only be read once the target has answered
        self._limits = limits
        self._framer = Framer(
            table(passing="d", whole="DECSHcfX", head="QPBF"),
            whole=64 * 1024,
            large=limits.statement,
            largest=limits.message,
            limit="limits.statement",
        )
        self._kept: Event | None = None  # read once more when the target has answered
        self._barrier = False
        self._after_rest = b""

    @property
    def buffered(self) -> int:
        return self._framer.buffered

    @property
    def boundary(self) -> bool:
        return self._framer.boundary

    def receive(self, data: bytes) -> None:
        self._framer.receive(data)

    def next_frame(self) -> Frame | None:
        """The next frame, or None: more bytes are needed, or (``waiting``) answers."""
        while True:
            event, self._kept = self._kept or self._framer.next_event(), None
            if event is None:
                self.waiting = False
                return None
            # Read only now: what was awaited may have changed what a name means, or the encoding.
            frame = self._frame(event)
            if self.conversation.skipping and not self._ends_skipping(frame):
                continue
            self.waiting = self._must_wait(frame)
            if self.waiting:
                self._kept = event
                return None
            return frame

    def forward(self, frame: Frame) -> bytes:
        """What goes to the target for a frame that may pass."""
        if isinstance(frame, Statement):
            data = self._forward_statement(frame)
            if frame.phase is not Phase.EXECUTE and BARRIER.search(frame.raw):
                self._barrier = True
            return data
        if isinstance(frame, Control):
            self._account(frame.raw)
        elif self._after_rest and self._framer.boundary:
            data, self._after_rest = frame.raw + self._after_rest, b""
            return data
        return frame.raw

    def refuse(self, frame: Statement, refusal: bytes, rule: str) -> bytes:
        """What goes to the target in place of a refused statement; ``refusal`` is the client's ErrorResponse."""
        if frame.partial:
            self._framer.drop_rest()
        poison = b"hoopgate refused this statement by rule " + re.sub(rb"[^A-Za-z0-9_-]", b"_", rule.encode())
        if frame.phase in (Phase.SIMPLE, Phase.CALL):
            self.conversation.remove_prepared(b"")
            self.conversation.expect(Owed(Kind.QUERY, frame, refusal=refusal))
            return messages.query(poison)
        name = frame.name.encode() if frame.phase is Phase.PREPARE else REFUSED_NAME
        if frame.phase is Phase.PREPARE and not name:
            self.conversation.remove_prepared(b"")
        self.conversation.expect(Owed(Kind.PARSE, frame, refusal=refusal))
        return messages.parse_message(name, poison)

    def end_batch(self, done: Callable[[], None]) -> bytes:
        """A Sync of our own inside the client's batch, before a long hold: it frees the locks that parsing took.

        Only while nothing in the batch had an effect. If the batch fails by then, the client's messages are
        skipped to its own Sync, as the target would have done.
        """
        conversation = self.conversation

        def answered(raw: bytes) -> None:
            if raw[:1] == b"Z":
                conversation.skipping = conversation.failed
                conversation.failed = False
                done()

        conversation.expect(Owed(Kind.SYNC, capture=answered))
        return messages.sync()

    def _ends_skipping(self, frame: Frame) -> bool:
        if isinstance(frame, Statement) and frame.partial:
            self._framer.drop_rest()
        if frame.raw[:1] in (b"S", b"X") and isinstance(frame, Control):
            self.conversation.skipping = False
            return True
        return False

    def _frame(self, event: Event) -> Frame:
        if isinstance(event, Run):
            return Input(event.data)
        if not isinstance(event, Message):
            raise RemoteProtocolError("rows in the client's direction")
        kind = event.type
        if kind in b"QPBEF":
            if self.conversation.copy_in:
                raise RemoteProtocolError(f"unexpected message type {chr(kind)!r} during COPY")
            return self._statement(event)
        return Control(event.raw)

    def _statement(self, event: Message) -> Statement:
        kind, raw = chr(event.type), event.raw
        if (event.partial or len(raw) > self._limits.statement) and kind != "B":
            phase = {"Q": Phase.SIMPLE, "P": Phase.PREPARE, "F": Phase.CALL}[kind]
            frame = Statement(raw, "", phase)
            frame.partial = event.partial
            size = int.from_bytes(raw[1:5])
            frame.fault = Block(
                f"a statement of {size} bytes is over the limit of {self._limits.statement}",
                rule="limits.statement",
                hint="Split the statement, or use COPY or parameters for bulk data.",
                sqlstate="54000",
            )
            return frame
        frame = {"Q": self._query, "P": self._parse, "B": self._bind, "E": self._execute, "F": self._call}[kind](event)
        frame.partial = event.partial
        return frame

    def _text(self, raw: bytes, text: bytes, phase: Phase, name: str = "") -> Statement:
        encoding = codec(self.conversation.parameters.get("client_encoding", "UTF8"))
        try:
            if encoding is None:
                raise UnicodeError("this client_encoding cannot be judged")
            decoded = text.decode(encoding)
        except UnicodeError:
            frame = Statement(raw, "", phase, name=name)
            frame.fault = Block(
                "the statement's bytes are not valid in the client's encoding",
                rule="protocol.encoding",
                hint="Set client_encoding to UTF8.",
                sqlstate="22021",
            )
            return frame
        frame = Statement(raw, decoded, phase, name=name)
        if b"\\" in text and self.conversation.parameters.get("standard_conforming_strings") == "off":
            frame.fault = Block(
                "backslashes cannot be judged while standard_conforming_strings is off",
                rule="protocol.strings",
                hint="SET standard_conforming_strings = on",
            )
        return frame

    def _query(self, event: Message) -> Statement:
        return self._text(event.raw, messages.parse_query(event.raw), Phase.SIMPLE)

    def _parse(self, event: Message) -> Statement:
        parsed = messages.parse_parse(event.raw)
        name = parsed.name.decode("utf-8", "surrogateescape")
        frame = self._text(event.raw, parsed.text, Phase.PREPARE, name)
        if parsed.name and parsed.name in self.conversation.prepared:
            frame.fault = Block(f'prepared statement "{name}" already exists', rule="protocol.names", sqlstate="42P05")
        elif parsed.name in (REFUSED_NAME, b"hoopgate_question"):
            frame.fault = Block(f'the name "{name}" is reserved', rule="protocol.names", sqlstate="42939")
        elif self._names_full(len(parsed.text)):
            frame.fault = Block(
                "too many prepared statements",
                rule="limits.prepared_statements",
                hint="Close or DEALLOCATE some.",
                sqlstate="54000",
            )
        return frame

    def _names_full(self, size: int) -> bool:
        held = self.conversation
        return (
            len(held.prepared) >= self._limits.prepared_statements
            or held.prepared_bytes + size > self._limits.prepared_bytes
            or len(held.portals) >= self._limits.prepared_statements
        )

    def _bind(self, event: Message) -> Statement:
        if event.partial:
            portal, name = messages.parse_bind_head(event.raw)
            values: tuple[bytes | None, ...] | None = None
        else:
            bound = messages.parse_bind(event.raw)
            portal, name, values = bound.portal, bound.statement, bound.values
        prepared = self.conversation.prepared.get(name)
        parameters = None
        if values is not None and prepared is not None:
            oids = prepared.type_oids
            parameters = tuple(
                Parameter(value, bound.format_of(i), oids[i] if i < len(oids) else 0) for i, value in enumerate(values)
            )
        return self._named(event.raw, prepared, Phase.BIND, name, portal, parameters)

    def _execute(self, event: Message) -> Statement:
        name, _ = messages.parse_execute(event.raw)
        portal = self.conversation.portals.get(name)
        if portal is None:
            frame = Statement(event.raw, "", Phase.EXECUTE, portal=name.decode("utf-8", "surrogateescape"))
            frame.fault = Block(f'portal "{frame.portal}" does not exist', rule="protocol.names", sqlstate="34000")
            return frame
        frame = self._named(event.raw, portal.prepared, Phase.EXECUTE, portal.prepared.name, name, portal.parameters)
        frame.released = portal.released
        return frame

    def _named(
        self,
        raw: bytes,
        prepared: Prepared | None,
        phase: Phase,
        name: bytes,
        portal: bytes,
        parameters: tuple[Parameter, ...] | None,
    ) -> Statement:
        frame = Statement(
            raw,
            prepared.text if prepared else "",
            phase,
            name=name.decode("utf-8", "surrogateescape"),
            portal=portal.decode("utf-8", "surrogateescape"),
            parameters=parameters,
        )
        if prepared is None:
            frame.fault = Block(
                f'prepared statement "{frame.name}" does not exist', rule="protocol.names", sqlstate="26000"
            )
        return frame

    def _call(self, event: Message) -> Statement:
        messages.parse_function_call(event.raw)
        return Statement(event.raw, "", Phase.CALL)

    def _must_wait(self, frame: Frame) -> bool:
        """A name whose Parse or Bind of an earlier batch is unanswered may yet mean what it meant before."""
        conversation = self.conversation
        if conversation.idle:
            self._barrier = False
            return False
        if self._barrier and isinstance(frame, Statement):
            return True
        if not isinstance(frame, Statement) or frame.phase not in (Phase.BIND, Phase.EXECUTE):
            return False
        if frame.phase is Phase.BIND:
            named: Prepared | Portal | None = conversation.prepared.get(_wire(frame.name))
        else:
            named = conversation.portals.get(_wire(frame.portal))
        return named is not None and not named.confirmed and named.batch != conversation.batch

    def _forward_statement(self, frame: Statement) -> bytes:
        conversation = self.conversation
        if frame.phase is Phase.SIMPLE or frame.phase is Phase.CALL:
            # PostgreSQL drops the unnamed statement when a Query begins (exec_simple_query)
            conversation.remove_prepared(b"")
            kind = Kind.QUERY if frame.phase is Phase.SIMPLE else Kind.CALL
            conversation.expect(Owed(kind, frame))
            return frame.raw
        if frame.phase is Phase.PREPARE:
            parsed = messages.parse_parse(frame.raw)
            prepared = Prepared(parsed.name, frame.text, parsed.type_oids, conversation.batch)
            undo = conversation.add_prepared(prepared)
            conversation.expect(Owed(Kind.PARSE, frame, undo=undo, settle=lambda: _confirm(prepared)))
            return frame.raw
        if frame.phase is Phase.BIND:
            return self._forward_bind(frame)
        portal = conversation.portals[_wire(frame.portal)]
        portal.released = ""
        conversation.expect(Owed(Kind.EXECUTE, frame, portal=portal))
        return frame.raw

    def _forward_bind(self, frame: Statement) -> bytes:
        conversation = self.conversation
        prepared = conversation.prepared[_wire(frame.name)]
        name = _wire(frame.portal)
        portal = Portal(prepared, frame.parameters, conversation.batch)
        portal.released = frame.released
        before = conversation.portals.get(name)
        conversation.portals[name] = portal

        def undo() -> None:
            if conversation.portals.get(name) is portal:
                del conversation.portals[name]
                if before is not None:
                    conversation.portals[name] = before

        conversation.expect(Owed(Kind.BIND, frame, undo=undo, settle=lambda: _confirm(portal)))
        if not conversation.watching:
            return frame.raw

        def described(raw: bytes) -> None:
            if raw[:1] == b"T":
                portal.columns = messages.parse_row_description(raw)
            elif raw[:1] == b"n":
                portal.columns = ()

        conversation.expect(Owed(Kind.DESCRIBE_PORTAL, capture=described, shared=True))
        describe = messages.describe(b"P", name)
        if frame.partial:
            self._after_rest = describe
            return frame.raw
        return frame.raw + describe

    def _account(self, raw: bytes) -> None:
        conversation = self.conversation
        kind = raw[:1]
        if kind == b"S":
            if not conversation.copy_in:
                conversation.expect(Owed(Kind.SYNC))
        elif kind == b"D":
            what, _ = messages.parse_describe(raw)
            conversation.expect(Owed(Kind.DESCRIBE_STATEMENT if what == b"S" else Kind.DESCRIBE_PORTAL))
        elif kind == b"C":
            self._close(*messages.parse_close(raw))
        elif kind in (b"c", b"f"):
            conversation.copy_in = False

    def _close(self, what: bytes, name: bytes) -> None:
        conversation = self.conversation
        if what == b"S":
            prepared = conversation.remove_prepared(name)

            def undo() -> None:
                if prepared is not None and name not in conversation.prepared:
                    conversation.add_prepared(prepared)
        else:
            portal = conversation.portals.pop(name, None)

            def undo() -> None:
                if portal is not None:
                    conversation.portals.setdefault(name, portal)

        conversation.expect(Owed(Kind.CLOSE, undo=undo))


def _wire(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _confirm(named: Prepared | Portal) -> None:
    named.confirmed = True
