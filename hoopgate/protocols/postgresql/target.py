"""Our connection to a target: TLS, login, then bytes for whoever took it over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.scram import Derivation, Keys
from hoopgate.codecs.postgresql.startup import (
    ClientStartup,
    Derive,
    Encryption,
    Failed,
    Ready,
    Send,
    tls_server_end_point,
)
from hoopgate.config.model import Host
from hoopgate.errors import HoopgateError, RemoteProtocolError, UpstreamError
from hoopgate.protocols.postgresql.tls import failure_text

_NO_PARAMETERS: dict[str, str] = {}
CANNOT_CONNECT_NOW = "57P03"  # it starts, stops or recovers
FAREWELL = 10.0  # seconds that a target has to take what it was sent last


@implementer(IHandshakeListener)
class TargetConnection(Protocol):
    """Logs in by itself; then ``take_over``.

    ``tls`` is a context for ``startTLS``, None for none. ``credential`` is wiped from here after the login. ``derive``
    works out SCRAM's keys.
    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        *,
        tls: Any,
        credential: bytes | None,
        derive: Callable[[Derivation], Deferred[Keys]],
    ) -> None:
        self._ready: Deferred[TargetConnection] | None = Deferred(self._given_up)
        self.login: Ready | None = None
        self.tls = tls
        self.host: Host | None = None  # where it was reached, for a CancelRequest
        self._parameters: Mapping[str, str] | None = parameters
        self._credential = credential
        self._derive: Callable[[Derivation], Deferred[Keys]] | None = derive
        self._startup: ClientStartup | None = None
        self._encryption: Encryption | None = None
        self._early = b""
        self._lost_early: Failure | None = None
        self._gone = False
        self._farewell: Any = None
        self._received: Callable[[bytes], None] = self._login_received
        self._lost: Callable[[Failure], None] = self._login_lost

    @property
    def ready(self) -> Deferred[TargetConnection]:
        """Fires with this once logged in, or fails with UpstreamError; to be asked for before either."""
        assert self._ready is not None
        return self._ready

    def connectionMade(self) -> None:
        if self._received is _nothing:  # it was given up while it was connecting
            self._give_up()
            return
        if self.tls is None:
            self._log_in(None)
            return
        self._encryption = Encryption()
        self._write(self._encryption.request)

    def handshakeCompleted(self) -> None:
        certificate = self.transport.getPeerCertificate()  # type: ignore[union-attr]
        self._guarded(lambda: self._log_in(certificate))

    def dataReceived(self, data: bytes) -> None:
        self._received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        if self._farewell is not None and self._farewell.active():
            self._farewell.cancel()
        self._lost(reason)

    def take_over(self, received: Callable[[bytes], None], lost: Callable[[Failure], None]) -> None:
        """Traffic begins; what the target sent behind its login is delivered at once.

        Of ``login`` only the cancel key remains: a session may sit for hours, and there are many of them.
        """
        assert self.login is not None
        self.login = Ready(_NO_PARAMETERS, self.login.pid, self.login.secret)
        self._received = received
        self._lost = lost
        early, self._early = self._early, b""
        if early:
            received(early)
        if self._lost_early is not None:
            lost(self._lost_early)

    def terminate(self, clock: Any = None) -> None:
        """Say goodbye and close; with ``clock``, at the latest after FAREWELL seconds."""
        transport: Any = self.transport
        if transport is None or self._gone:
            return
        transport.unregisterProducer()  # or a connection that was paused would stay
        transport.write(messages.terminate())
        transport.loseConnection()
        if clock is not None and self._farewell is None:
            self._farewell = clock.callLater(FAREWELL, transport.abortConnection)

    def _login_received(self, data: bytes) -> None:
        self._guarded(lambda: self._advance(data))

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (HoopgateError, ValueError) as error:
            self._fail(UpstreamError(str(error)))

    def _advance(self, data: bytes) -> None:
        if self._encryption is not None:
            encryption, self._encryption = self._encryption, None
            if not encryption.answered(data):
                raise RemoteProtocolError("the target does not offer TLS, and this target's configuration demands it")
            self.transport.startTLS(self.tls)  # type: ignore[union-attr]
            return
        if self._startup is None:
            raise RemoteProtocolError("the target spoke before it was spoken to")
        self._startup.feed(data)
        self._continue()

    def _log_in(self, certificate: bytes | None) -> None:
        assert self._parameters is not None
        binding = tls_server_end_point(certificate) if certificate is not None else None
        self._startup = ClientStartup(
            self._parameters,
            credential=self._credential,
            channel_binding=binding,
            tls_active=self.tls is not None,
        )
        self._credential = self._parameters = None
        self._continue()

    def _continue(self) -> None:
        startup = self._startup
        while startup is not None and (event := startup.next_event()) is not None:
            if isinstance(event, Send):
                self._write(event.data)
            elif isinstance(event, Derive):
                assert self._derive is not None
                self._derive(event.derivation).addCallbacks(self._derived, self._not_derived, callbackArgs=(startup,))
                return
            elif isinstance(event, Failed):
                text = f"the target refused the gateway's login: {event.message} (SQLSTATE {event.sqlstate})"
                unavailable = event.sqlstate == CANNOT_CONNECT_NOW
                self._fail(UpstreamError(text, credential_refused=event.credential_refused, unavailable=unavailable))
                return
            else:
                self._succeed(event, startup)
                return

    def _derived(self, keys: Keys, startup: ClientStartup) -> None:
        if self._startup is startup:  # else the login failed meanwhile
            startup.derived(keys)
            self._guarded(self._continue)

    def _not_derived(self, failure: Failure) -> None:
        self._fail(UpstreamError(f"the target's credential cannot be used: {failure.getErrorMessage()}"))

    def _succeed(self, login: Ready, startup: ClientStartup) -> None:
        self.login = login
        self._early = startup.trailing
        self._startup = self._derive = None
        self._received = self._keep_early
        self._lost = self._keep_lost
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.callback(self)

    def _keep_early(self, data: bytes) -> None:
        self._early += data

    def _keep_lost(self, reason: Failure) -> None:
        self._lost_early = reason

    def _login_lost(self, reason: Failure) -> None:
        text = "it closed the connection" if reason.check(ConnectionDone) else failure_text(reason)
        gone = reason.check(ConnectionDone, ConnectionLost) is not None
        self._fail(UpstreamError(f"the connection to the target failed during login: {text}", unavailable=gone))

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _fail(self, error: UpstreamError) -> None:
        self._startup = None
        self._lost = self._received = _nothing
        if self.transport is not None:
            self.transport.loseConnection()
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.errback(error)

    def _given_up(self, ready: object) -> None:
        self._ready = None
        self._give_up()

    def _give_up(self) -> None:
        self._startup = None
        self._lost = self._received = _nothing
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]


def _nothing(event: object) -> None:
    """The login has failed: what the target still says or does is of no interest."""


@implementer(IHandshakeListener)
class CancelConnection(Protocol):
    """Sends one CancelRequest and leaves. ``done`` fires when the target has closed the connection."""

    def __init__(self, request: bytes, *, tls: Any) -> None:
        self.done: Deferred[None] = Deferred(lambda _: self._abort())
        self._request = request
        self._tls = tls
        self._encryption = Encryption()

    def connectionMade(self) -> None:
        self._write(self._request if self._tls is None else self._encryption.request)

    def dataReceived(self, data: bytes) -> None:
        try:
            if self._tls is not None and self._encryption.answered(data):
                self.transport.startTLS(self._tls)  # type: ignore[union-attr]
                return
        except RemoteProtocolError:
            self._abort()
            return
        self._abort()

    def handshakeCompleted(self) -> None:
        self._write(self._request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.done.called:
            self.done.callback(None)

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
