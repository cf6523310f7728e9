"""What goes to the target, and what of it the conversation must account for: replies owed, names, settings' reading."""

from __future__ import annotations

from typing import Any

from hoopgate.codecs.postgresql import messages, owed
from hoopgate.codecs.postgresql.conversation import Conversation, Portal, Prepared
from hoopgate.codecs.postgresql.names import Names
from hoopgate.codecs.postgresql.owed import Owed
from hoopgate.codecs.postgresql.reading import Reading, wire_name
from hoopgate.frames import BIND, EXECUTE, PREPARE, SIMPLE, Statement


class Outgoing:
    """Messages that may pass, each turned to what is sent, with its entry left in the conversation.

    ``most_bytes``: of parameters that are kept with portals.
    """

    __slots__ = ("_conversation", "_described", "_most_bytes", "_reading")

    def __init__(self, conversation: Conversation, reading: Reading, most_bytes: int) -> None:
        self._conversation = conversation
        self._reading = reading
        self._most_bytes = most_bytes
        self._described: Described | None = None  # the client's last Describe of a portal

    def drop_unnamed(self, entry: Owed) -> None:
        """PostgreSQL drops the unnamed statement when a Query or its own Parse begins (exec_simple_query)."""
        names = self._conversation.prepared
        if names.find(b"") is not None:
            entry.changes(names, names.put(b"", None, self._conversation.batch))

    def statement(self, frame: Statement) -> bytes:
        """What is sent for a statement."""
        phase = frame.phase
        if phase is BIND:
            self._bound(frame)
        elif phase is EXECUTE:
            return self._executed(frame)
        elif phase is PREPARE:
            self._parsed(frame)
        elif phase is SIMPLE:
            entry = Owed(owed.QUERY, frame)
            self.drop_unnamed(entry)
            self._conversation.expect(entry)
        else:
            self._conversation.expect(Owed(owed.CALL, frame))
        self._reading.forget()
        return frame.raw

    def _parsed(self, frame: Statement) -> None:
        conversation, names = self._conversation, self._conversation.prepared
        parsed = self._reading.parsed(frame.raw)
        entry = Owed(owed.PARSE, frame)
        prepared = Prepared(frame.text, parsed.type_oids, frame.respelled)
        prepared.judged = frame.judged
        entry.changes(names, names.put(parsed.name, prepared, conversation.batch))
        conversation.expect(entry)

    def _bound(self, frame: Statement) -> None:
        conversation, names = self._conversation, self._conversation.portals
        parameters = frame.parameters
        size = 0 if parameters is None else len(frame.raw)
        if names.size + size > self._most_bytes:
            parameters, size = None, 0
        portal = Portal(frame.name, frame.text, parameters, size, frame.number)
        portal.released = frame.released
        portal.judged = frame.judged
        portal.judged_at = frame.judged_at
        portal.respelled = frame.respelled
        prepared = conversation.prepared.get(wire_name(frame.name))
        if prepared is not None:
            prepared.judged = frame.judged  # the server may have looked its names up anew
        entry = Owed(owed.BIND, frame)
        entry.changes(names, names.put(wire_name(frame.portal), portal, conversation.batch))
        conversation.expect(entry)

    def _executed(self, frame: Statement) -> bytes:
        conversation = self._conversation
        name = wire_name(frame.portal)
        portal = conversation.portals.get(name)
        if portal is not None:
            portal.released = frame.released  # it runs once, however many Executes fetch from it
        entry = Owed(owed.EXECUTE, frame)
        if not conversation.watching:
            conversation.expect(entry)
            return frame.raw
        # Asked right before, not as it was bound: SQL may since have put another cursor under its name.
        described = self._described
        if described is not None and described.still_true(name, conversation.asked):
            entry.described = described.entry
            conversation.expect(entry)
            return frame.raw
        asking = entry.described = Owed(owed.DESCRIBE_PORTAL, frame)
        asking.capture = owed.HIDDEN
        asking.shared = True
        conversation.expect(asking)
        conversation.expect(entry)
        return messages.describe(b"P", name) + frame.raw

    def control(self, raw: bytes) -> bytes:
        """What is sent for a message that is no statement."""
        conversation = self._conversation
        kind = raw[:1]
        if kind == b"S":
            self._described = None
            if conversation.copy_in:
                conversation.copy_synced = conversation.copy_fed
                return b""
            conversation.expect(Owed(owed.SYNC))
        elif kind == b"D":
            self._describe(raw)
        elif kind == b"C":
            self._close(raw)
        elif kind in b"cf":
            if conversation.copy_in:
                conversation.copy_in = conversation.copy_synced = False
            else:
                conversation.expect(Owed(owed.COPY_END))
        return raw

    def _describe(self, raw: bytes) -> None:
        conversation = self._conversation
        what, name = messages.parse_describe(raw)
        entry = Owed(owed.DESCRIBE_STATEMENT if what == b"S" else owed.DESCRIBE_PORTAL)
        conversation.expect(entry)
        if what == b"S":
            self._looked_up_anew(name)
        elif entry.watched:
            self._described = Described(entry, name, conversation.asked)

    def _looked_up_anew(self, name: bytes) -> None:
        """The server may look a prepared statement's names up anew to describe it, and no guard has seen where."""
        found = self._conversation.prepared.find(name)
        if found is not None and found.value is not None and found.batch != self._conversation.batch:
            found.value.judged = None

    def _close(self, raw: bytes) -> None:
        conversation = self._conversation
        what, name = messages.parse_close(raw)
        names: Names[Any] = conversation.prepared if what == b"S" else conversation.portals
        entry = Owed(owed.CLOSE)
        if names.find(name) is not None:
            entry.changes(names, names.put(name, None, conversation.batch))
        conversation.expect(entry)


class Described:
    """A Describe of a portal by the client: request number ``asked``, and the ``entry`` that its answer meets."""

    __slots__ = ("_asked", "_portal", "entry")

    def __init__(self, entry: Owed, portal: bytes, asked: int) -> None:
        self.entry = entry
        self._portal = portal
        self._asked = asked

    def still_true(self, portal: bytes, asked: int) -> bool:
        """Nothing was sent since, so that an Execute of ``portal`` now gives just these columns."""
        return self._asked == asked and self._portal == portal
