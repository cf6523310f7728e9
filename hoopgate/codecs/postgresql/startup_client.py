"""The start-up phase as a client sees it: we log in to the target. A script, so a generator; sans I/O.

PostgreSQL manual, "Message Flow / Start-up"; what is refused follows libpq 18 (fe-connect.c, fe-auth.c,
fe-protocol3.c).
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from typing import Final, NoReturn

from attrs import field, frozen

from hoopgate.codecs.postgresql import backend_parsers as backend
from hoopgate.codecs.postgresql import frontend
from hoopgate.codecs.postgresql.fields import HEADER, Reader, message
from hoopgate.codecs.postgresql.scram import PLUS, Derivation, Keys, ScramClient, choose_mechanism
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

MESSAGE_LIMIT: Final = 64 * 1024  # bytes of one message before the login is over; libpq allows 30,000
LOGIN_LIMIT: Final = 1024 * 1024  # bytes of all of them


@frozen
class Send:
    """Write these bytes to the target. They may hold a password or a proof: never record or log them."""

    data: bytes = field(repr=False)


@frozen
class Ready:
    """The login is over. ``status`` is ReadyForQuery's, ``parameters`` the ParameterStatus by name, ``version`` what
    was agreed, ``secret`` empty where the server gave no cancel key (some poolers). ``notices``: the NoticeResponse
    messages that came meanwhile, of login triggers for instance."""

    parameters: dict[str, str]
    pid: int
    secret: bytes = field(repr=False)
    status: bytes = b"I"
    version: tuple[int, int] = (3, 0)
    notices: bytes = field(default=b"", repr=False)


@frozen
class Failed:
    """The target refused us, or asks for what we must not give.

    ``credential_refused``: SQLSTATE 28P01 or 28000; it may help to read the credential afresh.
    """

    sqlstate: str
    message: str
    credential_refused: bool = False


@frozen
class Derive:
    """Work out these keys, which takes milliseconds, and give them to :meth:`ClientStartup.derived`."""

    derivation: Derivation = field(repr=False)


ClientEvent = Send | Derive | Ready | Failed
Script = Generator[ClientEvent | None, bytes, None]
Step = Generator[ClientEvent | None, bytes, bytes]


class _Refused(Exception):  # noqa: N818 - ends the script, is no error of anyone's code
    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


class ClientStartup:
    """Our login to a target: ``next_event`` until Ready or Failed; None means that more bytes must be fed, or that
    the keys last asked for by Derive are missing.

    ``credential`` is the password, None where a client certificate or trust is expected. ``channel_binding`` is
    :func:`.encryption.tls_server_end_point` of the target's certificate. ``tls_active`` also allows a cleartext
    password. Malformed answers and a server that cannot prove itself raise RemoteProtocolError.
    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        version: tuple[int, int] = (3, 0),
        *,
        credential: bytes | None = None,
        channel_binding: bytes | None = None,
        tls_active: bool = False,
    ) -> None:
        self._asked = version
        self._version = version
        self._startup = frontend.startup_message(parameters, version)
        self._user = parameters["user"].encode()
        self._credential = credential
        self._binding = channel_binding if tls_active else None
        self._tls = tls_active
        self._parameters: dict[str, str] = {}
        self._key: tuple[int, bytes] = (0, b"")
        self._notices = bytearray()
        self._buffer = bytearray()
        self._taken = 0
        self._waiting = False
        self._deriving = False
        self._keys: Keys | None = None
        self._over = False
        self._script = self._run()

    def feed(self, data: bytes) -> None:
        """Take bytes from the target."""
        self._buffer += data

    def next_event(self) -> ClientEvent | None:
        """What to do next; None: feed more, the keys are missing, or the login is over."""
        try:
            while not self._over and not self._deriving:
                if self._waiting:
                    raw = self._take()
                    if raw is None:
                        return None
                    event = self._script.send(raw)
                else:
                    event = next(self._script)
                self._waiting = event is None
                if event is not None:
                    self._over = isinstance(event, Ready)
                    self._deriving = isinstance(event, Derive)
                    return event
        except _Refused as refusal:
            self._over = True
            return refusal.failed
        except RemoteProtocolError:
            self._over = True
            raise
        return None

    def derived(self, keys: Keys) -> None:
        """What Derive asked for. Go on with ``next_event``."""
        if not self._deriving:
            raise LocalProtocolError("no keys were asked for")
        self._deriving = False
        self._keys = keys

    @property
    def trailing(self) -> bytes:
        """What the target sent behind ReadyForQuery."""
        if not self._over:
            raise LocalProtocolError("the login is not over")
        return bytes(self._buffer)

    def _take(self) -> bytes | None:
        """One whole message."""
        buffer = self._buffer
        if len(buffer) < HEADER:
            return None
        size = int.from_bytes(buffer[1:HEADER], "big") + 1
        if not HEADER <= size <= MESSAGE_LIMIT or self._taken + size > LOGIN_LIMIT:
            raise RemoteProtocolError("message length out of bounds during the login to the target")
        if len(buffer) < size:
            return None
        raw = bytes(buffer[:size])
        del buffer[:size]
        self._taken += size
        return raw

    def _run(self) -> Script:
        yield Send(self._startup)
        raw = yield from self._next()
        if raw[0] == 0x76:  # v; only in front of everything else, and once
            self._negotiated(raw)
            raw = yield from self._next()
        code, data = backend.parse_authentication(raw)
        if code != 0:
            yield from self._authenticate(code, data)
        while True:
            raw = yield from self._next()
            if raw[0] == 0x53:  # S
                name, value = backend.parse_parameter_status(raw)
                self._parameters[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
            elif raw[0] == 0x4B:  # K
                self._key = backend.parse_backend_key_data(raw)
            else:
                status = backend.parse_ready_for_query(raw)
                notices = bytes(self._notices)
                yield Ready(self._parameters, *self._key, status=status, version=self._version, notices=notices)

    def _next(self) -> Step:
        """The next message that matters: notices are kept, an error ends the script."""
        while True:
            raw = yield None
            if raw[0] == 0x45:  # E
                self._error(raw)
            if raw[0] != 0x4E:  # N
                return raw
            backend.parse_fields(raw)
            self._notices += raw

    def _error(self, raw: bytes) -> NoReturn:
        fields = backend.parse_fields(raw)
        sqlstate = fields.get("C", b"").decode("ascii", "replace")
        if len(sqlstate) != 5 or not sqlstate.isalnum() or not sqlstate.isascii():
            sqlstate = "08006"
        text = fields.get("M", b"").decode("utf-8", "replace")
        raise _Refused(Failed(sqlstate, text, sqlstate in ("28P01", "28000")))

    def _negotiated(self, raw: bytes) -> None:
        code, unrecognized = backend.parse_negotiate_protocol_version(raw)
        version = (code >> 16, code & 0xFFFF)
        if unrecognized or version[0] != 3 or version == (3, 1) or version >= self._asked:
            raise RemoteProtocolError("invalid NegotiateProtocolVersion from the target")
        self._version = version

    def _authenticate(self, code: int, data: bytes) -> Script:
        if code == 3:
            if not self._tls:
                _refuse("the target asks for a cleartext password over an unencrypted connection")
            yield Send(frontend.password_message(self._password()))
        elif code == 5:
            if len(data) != 4:
                raise RemoteProtocolError("malformed MD5 salt from the target")
            yield Send(frontend.password_message(md5_password(self._user, self._password(), data)))
        elif code == 10:
            yield from self._sasl(data)
        else:
            _refuse(f"the target asks for an authentication method that is not supported (code {code})")
        raw = yield from self._next()
        if backend.parse_authentication(raw) != (0, b""):
            raise RemoteProtocolError("expected AuthenticationOk from the target")

    def _sasl(self, data: bytes) -> Script:
        offered = _mechanisms(data)
        if PLUS in offered and not self._tls:
            # An honest server offers it over TLS only: somebody stands between (libpq refuses it too).
            raise RemoteProtocolError("the target offers SCRAM-SHA-256-PLUS over an unencrypted connection")
        mechanism = choose_mechanism(offered, self._binding)
        if mechanism is None:
            _refuse("the target offers no SASL mechanism that is supported: " + ", ".join(offered)[:200])
        scram = ScramClient(mechanism, self._password(), self._binding)
        yield Send(frontend.sasl_initial_response(mechanism, scram.first()))
        challenge = yield from self._challenge(11)
        yield Derive(scram.challenged(challenge))
        assert self._keys is not None
        yield Send(frontend.sasl_response(scram.final(self._keys)))
        self._keys = None
        scram.verify((yield from self._challenge(12)))

    def _challenge(self, expected: int) -> Step:
        raw = yield from self._next()
        code, data = backend.parse_authentication(raw)
        if code != expected:
            raise RemoteProtocolError(f"SASL: expected authentication message {expected}, got {code}")
        return data

    def _password(self) -> bytes:
        if not self._credential:
            _refuse("the target asks for a password and none is configured for this role")
        if b"\0" in self._credential:
            _refuse("the configured password holds a NUL byte")
        return self._credential


def _refuse(message: str) -> NoReturn:
    raise _Refused(Failed("08004", message))


def _mechanisms(data: bytes) -> list[str]:
    reader = Reader(message(b"R", data), b"R")
    names: list[str] = []
    while name := reader.string():
        names.append(name.decode("ascii", "replace"))
    reader.done()
    return names


def md5_password(user: bytes, password: bytes, salt: bytes) -> bytes:
    """The answer to AuthenticationMD5Password."""
    inner = hashlib.md5(password + user, usedforsecurity=False).hexdigest().encode()
    return b"md5" + hashlib.md5(inner + salt, usedforsecurity=False).hexdigest().encode()
