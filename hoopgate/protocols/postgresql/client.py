"""A client's connection: start-up, login by token, admission; then the relay has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.admission import Refusal
from hoopgate.codecs.postgresql import oauthbearer
from hoopgate.codecs.postgresql.startup import (
    Cancel,
    GssRequest,
    Password,
    SaslInitial,
    SaslResponse,
    ServerEvent,
    ServerStartup,
    SslRequest,
    Startup,
    is_tls_client_hello,
)
from hoopgate.config.model import Listener
from hoopgate.errors import AuthenticationError, HoopgateError, RemoteProtocolError
from hoopgate.hints import token_hint
from hoopgate.interfaces import Identity
from hoopgate.protocols.postgresql.admission import Admission, fatal
from hoopgate.protocols.postgresql.tls import ALPN
from hoopgate.session import State
from hoopgate.tunnel import Tunnel

if TYPE_CHECKING:
    from hoopgate.certificates import Presented
    from hoopgate.gateway import Gateway
    from hoopgate.protocols.postgresql.relay import Relay

log = Logger()


@implementer(IHandshakeListener)
class ClientConnection(Protocol):
    """One client. ``tls`` is a context for ``startTLS``, None where the listener has none.

    With a ``tunnel`` there is TLS around all of it already, nobody is asked for a token, and no TLS is offered.
    """

    def __init__(self, gateway: Gateway, listener: Listener, tls: Any, tunnel: Tunnel | None = None) -> None:
        self._gateway = gateway
        self._listener = listener
        self._tls = tls
        self._tunnel = tunnel
        limits = gateway.config.limits
        self._startup = ServerStartup(limits.startup_packet, limits.token)
        self._encrypted = False
        self._direct = False
        self._named: Startup | None = None
        self._relay: Relay | None = None
        self._work: Deferred[None] | None = None
        self._timer: Any = None
        self._farewell: Any = None
        self._fed = False
        self._address = ""
        self._gone = False
        self._at_door = False
        self._refusal: Refusal | None = None  # what to say once the client has answered OAUTHBEARER's status

    # --- the transport

    def connectionMade(self) -> None:
        peer = self.transport.getPeer()  # type: ignore[union-attr]
        self._address = getattr(peer, "host", "local")
        self._gateway.doors.enter(self._address, self, self._crowded_out)
        self._at_door = True
        self._timer = self._gateway.clock.callLater(self._gateway.config.limits.handshake, self._too_slow)

    def dataReceived(self, data: bytes) -> None:
        if self._relay is not None:
            self._relay.client_received(data)
        elif self._gone:
            return
        elif not self._encrypted and self._tls is not None and not self._fed and is_tls_client_hello(data):
            self._start_direct_tls(data)
        else:
            self._advance(data)

    def handshakeCompleted(self) -> None:
        if self._direct and self.transport.negotiatedProtocol != ALPN:  # type: ignore[union-attr]
            self._refuse(Refusal("direct TLS needs ALPN protocol 'postgresql'", "08P01", "protocol"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        self._left_door()
        if self._farewell is not None and self._farewell.active():
            self._farewell.cancel()
        if self._work is not None:
            self._work.cancel()
        if self._relay is not None:
            self._relay.client_lost()

    # --- start-up

    def _advance(self, data: bytes) -> None:
        self._fed = True
        try:
            self._startup.feed(data)
            while not self._gone and (event := self._startup.next_event()) is not None:
                self._happened(event)
        except RemoteProtocolError as error:
            self._refuse(Refusal(str(error), error.sqlstate, "protocol"))

    def _happened(self, event: ServerEvent) -> None:
        if isinstance(event, SslRequest):
            self._start_tls()
        elif isinstance(event, GssRequest):
            self._write(self._startup.refused_encryption())
        elif isinstance(event, Cancel):
            self._gateway.cancel(event.pid, event.secret)
            self._close()
        elif isinstance(event, Startup):
            self._ask_who(event)
        elif isinstance(event, Password):
            self._work_on(self._log_in(event.password.decode("utf-8", "replace")))
        elif isinstance(event, SaslInitial):
            self._bearer(event)
        elif isinstance(event, SaslResponse):
            oauthbearer.parse_dummy_response(event.data)
            self._refuse(self._refusal or Refusal("a bearer token is needed", "28000", "login"))

    def _start_tls(self) -> None:
        if self._tls is None:
            self._write(self._startup.refused_encryption())
            return
        self._write(self._startup.accepted_encryption())
        self._encrypted = True
        self.transport.startTLS(self._tls)  # type: ignore[union-attr]

    def _start_direct_tls(self, hello: bytes) -> None:
        limits = self._gateway.config.limits
        self._startup = ServerStartup(limits.startup_packet, limits.token, encrypted=True)
        self._encrypted = self._direct = True
        self.transport.startTLS(self._tls, received=hello)  # type: ignore[union-attr]

    def _ask_who(self, event: Startup) -> None:
        if self._tunnel is not None:
            self._named = event
            self._work_on(self._admit(self._tunnel.identity))
            return
        if not self._encrypted and not self._listener.plaintext:
            self._refuse(Refusal("this listener needs TLS", "28000", "listener.tls", "Connect with sslmode=require."))
            return
        self._named = event
        if self._listener.login == "oauthbearer":
            self._write(self._startup.ask_sasl([oauthbearer.MECHANISM]))
        else:
            self._write(self._startup.ask_password())

    def _bearer(self, event: SaslInitial) -> None:
        token = oauthbearer.parse_initial(event.data)
        if token:
            self._work_on(self._log_in(token))
        else:
            self._send_discovery()  # the client only asks where tokens come from: no failed login

    def _send_discovery(self) -> None:
        issuer = self._gateway.login_issuer(self._listener)
        url = issuer.url.rstrip("/") + "/.well-known/openid-configuration"
        status = oauthbearer.discovery_status(url, " ".join(issuer.login_scopes))
        self._write(self._startup.continue_sasl(status))

    # --- login and admission

    def _work_on(self, work: Any) -> None:
        self._work = Deferred.fromCoroutine(work)
        self._work.addErrback(self._failed)
        if self._work.called and not self._work.paused:
            self._work = None
        else:
            self._work.addCallback(self._worked)

    def _worked(self, outcome: object) -> None:
        self._work = None

    async def _log_in(self, token: str) -> None:
        gateway = self._gateway
        try:
            identity = await gateway.authenticator.authenticate(token)
        except AuthenticationError as error:
            gateway.login_failed(self._address, error)
            hint = token_hint(gateway, self._listener, token)
            self._refusal = Refusal(f"login failed: {error}", "28P01", "login", hint)
            if self._listener.login == "oauthbearer":
                self._send_discovery()  # RFC 7628: the status comes first, the error after the client's answer
            else:
                self._refuse(self._refusal)
            return
        await self._admit(identity)

    async def _admit(self, identity: Identity) -> None:
        assert self._named is not None
        peer = self.transport.getPeer()  # type: ignore[union-attr]
        client = f"{self._address}:{getattr(peer, 'port', 0)}"
        admission = Admission(self._gateway, self._listener, self._named, client, self._tunnel)
        admitted = await admission.admit(identity)
        if isinstance(admitted, Refusal):
            self._refuse(admitted)
            return
        if self._gone or admitted.session.state is State.ENDED:
            admitted.abandon("the client left during login")
            self._refuse(Refusal(admitted.session.reason, "57P01", admitted.session.ended_by))
            return
        self._left_door()
        key = self._gateway.issue_cancel_key(admitted.session, admitted.target, long=self._named.agreed >= (3, 2))
        self._write(self._startup.done() + admitted.greeting(key))
        early = self._startup.trailing
        self._relay = admitted.relay(self.transport, self._close)
        self._relay.tell_of_login()
        self._write(admitted.ready)
        del self._startup, self._named  # a session may sit for hours, and there are many of them
        self._relay.start(early)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        error = failure.value
        if isinstance(error, RemoteProtocolError):
            self._refuse(Refusal(str(error), error.sqlstate, "protocol"))
        elif isinstance(error, HoopgateError):
            self._refuse(Refusal(str(error), "08006", "gateway"))
        else:
            log.failure("a login failed by a fault of the gateway", failure)
            self._refuse(Refusal("the gateway failed", "XX000", "internal"))

    # --- the end

    def _crowded_out(self, limit: str) -> None:
        if self._work is not None:
            self._work.cancel()
        self._refuse(Refusal("too many connections are waiting to log in", "53300", limit))
        if self._encrypted:
            self._abort()  # there may be no TLS yet to say goodbye over

    def _too_slow(self) -> None:
        self._timer = None
        if self._work is not None:
            self._work.cancel()
        self._refuse(Refusal("the login took too long", "08006", "limits.handshake"))

    def _refuse(self, refusal: Refusal) -> None:
        if self._gone:
            return
        self._write(fatal(refusal))
        self._close()

    def _write(self, data: bytes) -> None:
        if not self._gone:
            self.transport.write(data)  # type: ignore[union-attr]

    def _close(self) -> None:
        self._gone = True
        self._left_door()
        self.transport.loseConnection()  # type: ignore[union-attr]
        # one that does not read its last message must not stay
        if self._farewell is None:
            self._farewell = self._gateway.clock.callLater(self._gateway.config.limits.handshake, self._abort)

    def _abort(self) -> None:
        if self.transport is not None and getattr(self.transport, "connected", False):
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def _left_door(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._at_door:
            self._at_door = False
            self._gateway.doors.leave(self._address, self)


class ClientFactory(Factory):
    """Makes the protocol of each accepted connection."""

    noisy = False

    def __init__(self, gateway: Gateway, listener: Listener, presented: Presented | None) -> None:
        self._gateway = gateway
        self._listener = listener
        self._presented = presented

    def buildProtocol(self, addr: Any) -> ClientConnection:
        tls = None if self._presented is None else self._presented.current
        return ClientConnection(self._gateway, self._listener, tls)
