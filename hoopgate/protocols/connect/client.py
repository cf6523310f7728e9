"""The TLS port for every protocol: an HTTP CONNECT names the target and brings the token, then its protocol begins.

The protocol inside is given the very same transport and knows who it is talking to; nothing is copied in between.
What it still asks by itself (a role, a database) it decides as on a port of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.admission import may_begin
from hoopgate.codecs.connect import AUTHORIZATION, Connect, HeadError, RequestHead, established, refusal
from hoopgate.config.model import Listener, Target
from hoopgate.errors import AuthenticationError, HoopgateError
from hoopgate.hints import token_hint
from hoopgate.interfaces import Identity
from hoopgate.tunnel import Tunnel

if TYPE_CHECKING:
    from hoopgate.certificates import Presented
    from hoopgate.gateway import Gateway

ALPN = b"http/1.1"
Inside = Mapping[str, Callable[[Listener, Tunnel], IProtocol]]
"""By the protocol of a target: what makes the protocol that speaks with the client inside the tunnel."""

log = Logger()


@frozen
class Refusal:
    """Why no tunnel was opened: the status of the answer, and the rule or the limit that decided."""

    status: int
    reason: str
    rule: str
    hint: str = ""

    def message(self) -> bytes:
        return refusal(self.status, self.reason, self.rule, self.hint)


class ConnectConnection(Protocol):
    """One client. ``tls`` is a context for ``startTLS``, None where the listener has none."""

    def __init__(self, gateway: Gateway, listener: Listener, tls: Any, inside: Inside) -> None:
        self._gateway = gateway
        self._listener = listener
        self._tls = tls
        self._making = inside
        limits = gateway.config.limits
        self._head = RequestHead(limits.connect_head, limits.connect_fields)
        self._asked: Connect | None = None
        self._early = b""  # what came behind the head, before the transport was paused
        self._tunnel: Tunnel | None = None
        self._inside: Any = None  # the protocol that the connection belongs to, once there is one
        self._work: Deferred[None] | None = None
        self._timer: Any = None
        self._farewell: Any = None
        self._address = ""
        self._gone = False
        self._at_door = False

    # --- the transport

    def connectionMade(self) -> None:
        self._address = getattr(self.transport.getPeer(), "host", "local")  # type: ignore[union-attr]
        self._gateway.doors.enter(self._address, self, self._crowded_out)
        self._at_door = True
        self._timer = self._gateway.clock.callLater(self._gateway.config.limits.handshake, self._too_slow)
        if self._tls is not None:
            self.transport.startTLS(self._tls)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        if self._inside is not None:
            self._inside.dataReceived(data)
        elif self._gone:
            return
        elif self._asked is None:
            self._read(data)
        else:
            self._early += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        self._left_door()
        if self._farewell is not None and self._farewell.active():
            self._farewell.cancel()
        if self._work is not None:
            self._work.cancel()
        if self._tunnel is not None:
            self._gateway.tunnels.discard(self)
        inside, self._inside = self._inside, None
        if inside is not None:
            inside.connectionLost(reason)

    # --- the request

    def _read(self, data: bytes) -> None:
        try:
            self._asked = self._head.feed(data)
        except HeadError as error:
            self._refuse(Refusal(error.status, str(error), "protocol", error.hint))
            return
        if self._asked is not None:
            self._early = self._head.trailing
            # What else the client says ahead of our answer waits in the kernel: who it is must be known first.
            self.transport.pauseProducing()  # type: ignore[union-attr]
            self._work_on(self._serve(self._asked))

    def _work_on(self, work: Any) -> None:
        self._work = Deferred.fromCoroutine(work)
        self._work.addErrback(self._failed)
        if self._work.called and not self._work.paused:
            self._work = None
        else:
            self._work.addCallback(self._worked)

    def _worked(self, outcome: object) -> None:
        self._work = None

    async def _serve(self, asked: Connect) -> None:
        gateway = self._gateway
        status = 401 if asked.credentials == AUTHORIZATION else 407
        if not asked.token:
            hint = "Send Proxy-Authorization: Bearer and a token, or Basic with the token as password."
            self._refuse(Refusal(status, "a token is needed", "login", hint))
            return
        try:
            identity = await gateway.authenticator.authenticate(asked.token)
        except AuthenticationError as error:
            gateway.login_failed(self._address, error)
            hint = token_hint(gateway, self._listener, asked.token)
            self._refuse(Refusal(status, f"login failed: {error}", "login", hint))
            return
        found = self._choose(asked, identity)
        if isinstance(found, Refusal):
            self._refuse(found)
        elif not self._gone:
            self._open(found, identity)

    def _choose(self, asked: Connect, identity: Identity) -> Target | Refusal:
        """The target that the host names. The port is HTTP's grammar alone: where a target listens is ours to know."""
        gateway = self._gateway
        nobody = may_begin(gateway)
        if nobody is not None:
            return Refusal(503, nobody.reason, nobody.rule, nobody.hint)
        target = named(gateway.config.targets, asked.host)
        if target is None or target.protocol not in self._making or not _bound(identity, target):
            return Refusal(404, f'target "{asked.host}" does not exist', "target", "Give the target's name as host.")
        grants = gateway.grants_of(identity)
        decisions = [gateway.engine.access(identity, target, role.name, grants) for role in target.roles]
        if all(decision.then == "deny" for decision in decisions):
            # One that says what to do (ask for a grant, say) is worth more than another.
            said = next((decision for decision in decisions if decision.hint), decisions[0])
            gateway.access_denied(identity, target, target.roles[decisions.index(said)], said)
            return Refusal(403, said.reason, said.rule, said.hint)
        return target

    # --- the tunnel

    def _open(self, target: Target, identity: Identity) -> None:
        """Hand the connection over. It comes to the door again, as what it is from here on."""
        self._left_door()
        transport: Any = self.transport
        self._tunnel = Tunnel(identity, target.name)
        if identity.token_id:
            self._gateway.tunnels.add(self)
        early, self._early = self._early, b""
        del self._head
        transport.write(established())
        transport.resumeProducing()
        inside = self._inside = self._making[target.protocol](self._listener, self._tunnel)
        inside.makeConnection(transport)
        if early and self._inside is not None:
            inside.dataReceived(early)

    def revoked(self, token_id: str) -> None:
        """The token ``token_id`` is worth nothing any more; "": what any token of ours is worth, is not known.

        A session that began in the tunnel has been told already; a login that still goes on there ends here.
        """
        if self._tunnel is not None and token_id in ("", self._tunnel.identity.token_id):
            self.transport.loseConnection()  # type: ignore[union-attr]

    # --- the end

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if failure.check(HoopgateError):
            self._refuse(Refusal(503, failure.getErrorMessage(), "gateway"))
        else:
            log.failure("a tunnel failed by a fault of the gateway", failure)
            self._refuse(Refusal(500, "the gateway failed", "internal"))

    def _crowded_out(self, limit: str) -> None:
        if self._work is not None:
            self._work.cancel()
        self._refuse(Refusal(503, "too many connections are waiting to log in", limit))
        if self._tls is not None:
            self._abort()  # there may be no TLS yet to say goodbye over

    def _too_slow(self) -> None:
        self._timer = None
        if self._work is not None:
            self._work.cancel()
        self._refuse(Refusal(408, "the request took too long", "limits.handshake"))

    def _refuse(self, refused: Refusal) -> None:
        if self._gone:
            return
        self._gone = True
        self._left_door()
        if self._inside is None:
            self.transport.write(refused.message())  # type: ignore[union-attr]
        self.transport.loseConnection()  # type: ignore[union-attr]
        # one that does not read its last message must not stay
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


class ConnectFactory(Factory):
    """Makes the protocol of each accepted connection."""

    noisy = False

    def __init__(self, gateway: Gateway, listener: Listener, presented: Presented | None, inside: Inside) -> None:
        self._gateway = gateway
        self._listener = listener
        self._presented = presented
        self._inside = inside

    def buildProtocol(self, addr: Any) -> ConnectConnection:
        tls = None if self._presented is None else self._presented.current
        return ConnectConnection(self._gateway, self._listener, tls, self._inside)


def named(targets: tuple[Target, ...], host: str) -> Target | None:
    """The target of this name. Hosts are written in any case (ssh makes them lower), so where none has exactly this
    name, the only one that has it in another case."""
    alike = [target for target in targets if target.name.lower() == host.lower()]
    exact = [target for target in alike if target.name == host]
    return exact[0] if exact else alike[0] if len(alike) == 1 else None


def _bound(identity: Identity, target: Target) -> bool:
    return not identity.targets or target.name in identity.targets
