"""A client's messages as statements: text, name, parameters, and what is wrong with them before any guard looks."""

from __future__ import annotations

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.encodings import codec
from hoopgate.codecs.postgresql.framer import Message
from hoopgate.codecs.postgresql.question import Question
from hoopgate.config.model import Limits
from hoopgate.frames import Parameter, Phase, Statement
from hoopgate.verdicts import Block

REFUSED_NAME = b"hoopgate_refused"
RESERVED = frozenset({REFUSED_NAME, Question.NAME})


class Reading:
    """Reads by what the conversation knows now of names and settings."""

    def __init__(self, conversation: Conversation, limits: Limits) -> None:
        self._conversation = conversation
        self._limits = limits
        self.by_settings: Statement | None = None  # the last one whose text the session's settings can change

    def statement(self, event: Message) -> Statement:
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
        encoding = codec(self._conversation.parameters.get("client_encoding", "UTF8"))
        try:
            if encoding is None:
                raise UnicodeError("this client_encoding cannot be judged")
            decoded = text.decode(encoding)
        except UnicodeError:
            frame = self.by_settings = Statement(raw, "", phase, name=name)
            frame.fault = Block(
                "the statement's bytes are not valid in the client's encoding",
                rule="protocol.encoding",
                hint="Set client_encoding to UTF8.",
                sqlstate="22021",
            )
            return frame
        frame = Statement(raw, decoded, phase, name=name)
        if not decoded.isascii() or "\\" in decoded:
            self.by_settings = frame
        if b"\\" in text and self._conversation.parameters.get("standard_conforming_strings") == "off":
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
        name = text_of(parsed.name)
        frame = self._text(event.raw, parsed.text, Phase.PREPARE, name)
        if parsed.name and self._conversation.prepared.get(parsed.name) is not None:
            frame.fault = Block(f'prepared statement "{name}" already exists', rule="protocol.names", sqlstate="42P05")
        elif parsed.name in RESERVED:
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
        known = self._conversation.prepared
        return len(known) >= self._limits.prepared_statements or known.size + size > self._limits.prepared_bytes

    def _bind(self, event: Message) -> Statement:
        if event.partial:
            portal, name = messages.parse_bind_head(event.raw)
            values: tuple[bytes | None, ...] | None = None
        else:
            bound = messages.parse_bind(event.raw)
            portal, name, values = bound.portal, bound.statement, bound.values
        prepared = self._conversation.prepared.get(name)
        parameters = None
        if values is not None and prepared is not None:
            oids = prepared.type_oids
            parameters = tuple(
                Parameter(value, bound.format_of(i), oids[i] if i < len(oids) else 0) for i, value in enumerate(values)
            )
        text = prepared.text if prepared is not None else ""
        frame = Statement(
            event.raw, text, Phase.BIND, name=text_of(name), portal=text_of(portal), parameters=parameters
        )
        if prepared is None:
            which = f'prepared statement "{frame.name}"' if name else "unnamed prepared statement"
            frame.fault = Block(f"{which} does not exist", rule="protocol.names", sqlstate="26000")
        elif len(self._conversation.portals) >= self._limits.prepared_statements:
            frame.fault = Block(
                "too many portals", rule="limits.prepared_statements", hint="Close some.", sqlstate="54000"
            )
        return frame

    def _execute(self, event: Message) -> Statement:
        name, _ = messages.parse_execute(event.raw)
        portal = self._conversation.portals.get(name)
        if portal is None:
            frame = Statement(event.raw, "", Phase.EXECUTE, portal=text_of(name))
            frame.fault = Block(f'portal "{frame.portal}" does not exist', rule="protocol.names", sqlstate="34000")
            return frame
        frame = Statement(
            event.raw,
            portal.text,
            Phase.EXECUTE,
            name=portal.name,
            portal=text_of(name),
            parameters=portal.parameters,
        )
        frame.released = portal.released
        return frame

    def _call(self, event: Message) -> Statement:
        messages.parse_function_call(event.raw)
        return Statement(event.raw, "", Phase.CALL)


def wire_name(name: str) -> bytes:
    """A name as the client sent it."""
    return name.encode("utf-8", "surrogateescape")


def text_of(name: bytes) -> str:
    """A name as frames have it; what is not UTF-8 is kept as surrogates (PEP 383)."""
    return name.decode("utf-8", "surrogateescape")
