"""The start-up phase as a server sees it: a client connects, may ask for encryption, names itself and logs in.

Sans I/O: bytes go in by ``feed``, events come out of ``next_event``, and the methods that say what we answered return
the bytes to send. What may follow what stands in the table of :mod:`startup_states`; a missing key is the protocol
error.
PostgreSQL manual, "Message Flow", "SASL Authentication".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.codecs.postgresql.backend import (
    authentication_cleartext,
    authentication_ok,
    authentication_sasl,
    authentication_sasl_continue,
    authentication_sasl_final,
    negotiate_protocol_version,
)
from hoopgate.codecs.postgresql.fields import HEADER, Reader
from hoopgate.codecs.postgresql.startup_packet import NEWEST, Startup, read_packet
from hoopgate.codecs.postgresql.startup_states import (
    TABLE,
    Password,
    SaslInitial,
    SaslResponse,
    Say,
    ServerEvent,
    State,
)
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

S = State
PACKETS: Final = frozenset({S.START, S.SSL_REFUSED, S.GSS_REFUSED, S.SETTLED})
MESSAGES: Final = frozenset({S.PASSWORD_ASKED, S.SASL_ASKED, S.SASL_CONTINUED})
BUFFER: Final = 64 * 1024  # bytes that a client may send ahead of our answers


class ServerStartup:
    """One client's way from accept to login. ``limit_packet`` and ``limit_token`` are bytes of one packet.

    ``encrypted``: TLS came first, without an SSLRequest (direct negotiation). A client that the shell turns away
    needs no call here: send an error and close.
    """

    def __init__(self, limit_packet: int = 10_000, limit_token: int = 16_384, *, encrypted: bool = False) -> None:
        self.state = S.SETTLED if encrypted else S.START
        self._limit_packet = limit_packet
        self._limit_token = limit_token + 64  # a SASL mechanism's name and its framing come on top
        self._limit_buffer = max(BUFFER, limit_packet + self._limit_token)
        self._buffer = bytearray()
        self._offered: tuple[str, ...] = ()
        self._negotiation = b""

    def feed(self, data: bytes) -> None:
        """Take bytes from the client. After TLS was accepted these are the decrypted ones."""
        if self.state in (S.CANCELLED, S.DONE):
            raise LocalProtocolError("the start-up phase is over")
        self._buffer += data
        if len(self._buffer) > self._limit_buffer:
            raise RemoteProtocolError("too much data before authentication", "54000")

    def next_event(self) -> ServerEvent | None:
        """The next thing the client said; None: more bytes, or our own answer, must come first."""
        if self.state in PACKETS:
            body = self._packet()
            return None if body is None else self._happened(read_packet(body))
        if self.state in MESSAGES:
            raw = self._message()
            return None if raw is None else self._happened(self._authentication(raw))
        return None

    @property
    def trailing(self) -> bytes:
        """What the client sent behind its login; to be read as ordinary messages."""
        if self.state is not S.DONE:
            raise LocalProtocolError("the login is not over")
        return bytes(self._buffer)

    def refused_encryption(self) -> bytes:
        """We answer SSLRequest or GSSENCRequest with no. Bytes behind the request are an error, as in PostgreSQL."""
        self._said(Say.REFUSE)
        self._nothing_buffered()
        return b"N"

    def accepted_encryption(self) -> bytes:
        """We answer SSLRequest with yes: TLS starts behind the returned byte.

        Bytes that already lie behind the request came in clear text, and must not be read as if they had come over
        TLS (CVE-2021-23214): RemoteProtocolError.
        """
        self._said(Say.ACCEPT)
        self._nothing_buffered()
        return b"S"

    def ask_password(self) -> bytes:
        """Ask for a cleartext password. A version or option to negotiate goes out in front."""
        self._said(Say.ASK_PASSWORD)
        return self._negotiation + authentication_cleartext()

    def ask_sasl(self, mechanisms: Sequence[str]) -> bytes:
        """Offer SASL mechanisms, the best first."""
        self._said(Say.ASK_SASL)
        self._offered = tuple(mechanisms)
        return self._negotiation + authentication_sasl(mechanisms)

    def continue_sasl(self, data: bytes) -> bytes:
        """A challenge; a SaslResponse must follow."""
        self._said(Say.CONTINUE_SASL)
        return authentication_sasl_continue(data)

    def finish_sasl(self, data: bytes) -> bytes:
        """The mechanism's last word, for those that have one; ``done`` must follow."""
        self._said(Say.FINISH_SASL)
        return authentication_sasl_final(data)

    def done(self) -> bytes:
        """The login succeeded: AuthenticationOk. A login without any question (trust) is the caller's decision."""
        asked = self.state is not S.NAMED
        self._said(Say.WELCOME)
        return authentication_ok() if asked else self._negotiation + authentication_ok()

    def _said(self, what: Say) -> None:
        state = TABLE.get((self.state, what))
        if state is None:
            raise LocalProtocolError(f"{what.value} in state {self.state.name}")
        self.state = state

    def _happened(self, event: ServerEvent) -> ServerEvent:
        state = TABLE.get((self.state, type(event)))
        if state is None:
            raise RemoteProtocolError(f"unexpected {type(event).__name__} in start-up")
        self.state = state
        if isinstance(event, Startup) and (event.unrecognized or event.version > NEWEST):
            self._negotiation = negotiate_protocol_version(event.agreed[1], event.unrecognized)
        return event

    def _nothing_buffered(self) -> None:
        if self._buffer:
            raise RemoteProtocolError("received unencrypted data after encryption request")

    def _packet(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        size = int.from_bytes(buffer[:4], "big")
        if not 8 <= size <= self._limit_packet:
            raise RemoteProtocolError("invalid length of startup packet")
        if len(buffer) < size:
            return None
        body = bytes(buffer[4:size])
        del buffer[:size]
        return body

    def _message(self) -> bytes | None:
        buffer = self._buffer
        if buffer and buffer[0] != 0x70:  # p; this also ends a second StartupMessage in mid-login
            raise RemoteProtocolError(f"expected password response, got message type {buffer[0]}")
        if len(buffer) < HEADER:
            return None
        size = int.from_bytes(buffer[1:HEADER], "big") + 1
        if not HEADER <= size <= self._limit_token:
            raise RemoteProtocolError("invalid length of password packet")
        if len(buffer) < size:
            return None
        raw = bytes(buffer[:size])
        del buffer[:size]
        return raw

    def _authentication(self, raw: bytes) -> Password | SaslInitial | SaslResponse:
        reader = Reader(raw, b"p")
        if self.state is S.SASL_CONTINUED:
            return SaslResponse(reader.rest())
        if self.state is S.PASSWORD_ASKED:
            return _password(reader)
        mechanism = reader.string().decode("ascii", "replace")
        if mechanism not in self._offered:
            raise RemoteProtocolError("client selected an invalid SASL authentication mechanism")
        data = reader.value()
        reader.done()
        return SaslInitial(mechanism, data)


def _password(reader: Reader) -> Password:
    password = reader.string()
    reader.done()
    if not password:
        raise RemoteProtocolError("empty password returned by client", "28P01")
    return Password(password)
