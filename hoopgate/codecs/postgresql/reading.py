"""A client's messages as statements: text, name, parameters, and what is wrong with them before any guard looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.conversation import Conversation, Prepared
from hoopgate.codecs.postgresql.question import QUESTION_NAME
from hoopgate.frames import BIND, CALL, EXECUTE, PREPARE, SIMPLE, Parameter, Phase, Statement
from hoopgate.verdicts import Block

if TYPE_CHECKING:
    from hoopgate.config.model import Limits

REFUSED_NAME: Final = b"hoopgate_refused"
_QUERY: Final = 0x51
_PARSE: Final = 0x50
_BIND: Final = 0x42
_EXECUTE: Final = 0x45
_PHASES: Final = {_QUERY: SIMPLE, _PARSE: PREPARE, _EXECUTE: EXECUTE, 0x46: CALL}


class Reading:
    """Reads by what the conversation knows now of names and settings."""

    __slots__ = ("_conversation", "_largest", "_most", "_most_bytes", "_parsed", "by_settings")

    def __init__(self, conversation: Conversation, limits: Limits) -> None:
        self._conversation = conversation
        self._largest: int = limits.statement
        self._most: int = limits.prepared_statements
        self._most_bytes: int = limits.prepared_bytes
        self._parsed: tuple[bytes, messages.ParseMessage] | None = None
        self.by_settings: Statement | None = None  # the last one whose text the session's settings can change

    def statement(self, raw: bytes, partial: bool) -> Statement:
        """``raw`` is a Query, Parse, Bind, Execute or FunctionCall; with ``partial`` only its beginning."""
        kind = raw[0]
        if kind == _BIND:
            frame = self._bind(raw, partial)
        elif partial or len(raw) > self._largest:
            frame = self._too_large(raw)
        elif kind == _QUERY:
            frame = self._text(raw, messages.parse_query(raw), SIMPLE, "")
        elif kind == _EXECUTE:
            frame = self._execute(raw)
        elif kind == _PARSE:
            frame = self._parse(raw)
        else:
            messages.parse_function_call(raw)
            frame = Statement(raw, "", CALL)
        frame.partial = partial
        return frame

    def parsed(self, raw: bytes) -> messages.ParseMessage:
        """A Parse, which mostly was just read."""
        if self._parsed is None or self._parsed[0] is not raw:
            self._parsed = (raw, messages.parse_parse(raw))
        return self._parsed[1]

    def forget(self) -> None:
        """What was read last has been dealt with."""
        self._parsed = self.by_settings = None

    def _too_large(self, raw: bytes) -> Statement:
        frame = Statement(raw, "", _PHASES[raw[0]])
        size = int.from_bytes(raw[1:5], "big")
        frame.fault = Block(
            f"a statement of {size} bytes is over the limit of {self._largest}",
            rule="limits.statement",
            hint="Split the statement, or use COPY or parameters for bulk data.",
            sqlstate="54000",
        )
        return frame

    def _text(self, raw: bytes, text: bytes, phase: Phase, name: str) -> Statement:
        conversation = self._conversation
        try:
            if conversation.codec is None:
                raise UnicodeError("this client_encoding cannot be judged")
            decoded = text.decode(conversation.codec)
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
        if not decoded.isascii() or "\\" in decoded or b"\\" in text:
            self.by_settings = frame
            if not conversation.conforming and b"\\" in text:
                frame.fault = Block(
                    "backslashes cannot be judged while standard_conforming_strings is off",
                    rule="protocol.strings",
                    hint="SET standard_conforming_strings = on",
                )
        return frame

    def _parse(self, raw: bytes) -> Statement:
        parsed = self.parsed(raw)
        name = text_of(parsed.name)
        frame = self._text(raw, parsed.text, PREPARE, name)
        known = self._conversation.prepared
        if parsed.name and known.get(parsed.name) is not None:
            frame.fault = _foretold(f'prepared statement "{name}" already exists', "42P05")
        elif parsed.name == REFUSED_NAME or parsed.name == QUESTION_NAME:
            frame.fault = Block(f'the name "{name}" is reserved', rule="protocol.names", sqlstate="42939")
        elif len(known) >= self._most or known.size + len(parsed.text) > self._most_bytes:
            frame.fault = Block(
                "too many prepared statements",
                rule="limits.prepared_statements",
                hint="Close or DEALLOCATE some.",
                sqlstate="54000",
            )
        return frame

    def _bind(self, raw: bytes, partial: bool) -> Statement:
        if partial:
            portal, name = messages.parse_bind_head(raw)
            prepared = self._conversation.prepared.get(name)
            parameters = None
        else:
            bound = messages.parse_bind(raw)
            portal, name = bound.portal, bound.statement
            prepared = self._conversation.prepared.get(name)
            parameters = None if prepared is None else _parameters(bound, prepared)
        text = "" if prepared is None else prepared.text
        frame = Statement(raw, text, BIND, name=text_of(name), portal=text_of(portal), parameters=parameters)
        if prepared is None:
            which = f'prepared statement "{frame.name}"' if name else "unnamed prepared statement"
            frame.fault = _foretold(f"{which} does not exist", "26000")
            return frame
        frame.judged = prepared.judged
        frame.respelled = prepared.respelled
        if len(self._conversation.portals) >= self._most:
            frame.fault = Block(
                "too many portals", rule="limits.prepared_statements", hint="Close some.", sqlstate="54000"
            )
        return frame

    def _execute(self, raw: bytes) -> Statement:
        name, _ = messages.parse_execute(raw)
        portal = self._conversation.portals.get(name)
        if portal is None:
            frame = Statement(raw, "", EXECUTE, portal=text_of(name))
            frame.fault = _foretold(f'portal "{frame.portal}" does not exist', "34000")
            return frame
        frame = Statement(
            raw, portal.text, EXECUTE, name=portal.name, portal=text_of(name), parameters=portal.parameters
        )
        frame.released = portal.released
        frame.number = portal.number
        frame.judged = portal.judged
        frame.judged_at = portal.judged_at
        frame.respelled = portal.respelled
        return frame


def _parameters(bound: messages.BindMessage, prepared: Prepared) -> tuple[Parameter, ...]:
    formats, oids = bound.formats, prepared.type_oids
    every = formats[0] if len(formats) == 1 else 0
    each, known = len(formats) > 1, len(oids)
    return tuple(
        [
            Parameter(value, formats[index] if each else every, oids[index] if index < known else 0)
            for index, value in enumerate(bound.values)
        ]
    )


def wire_name(name: str) -> bytes:
    """A name as the client sent it."""
    return name.encode("utf-8", "surrogateescape") if name else b""


def text_of(name: bytes) -> str:
    """A name as frames have it; what is not UTF-8 is kept as surrogates (PEP 383)."""
    return name.decode("utf-8", "surrogateescape") if name else ""


def _foretold(reason: str, sqlstate: str) -> Block:
    """What PostgreSQL says of names; such messages are not sent on."""
    return Block(reason, rule="protocol.names", sqlstate=sqlstate, foretold=True)
