"""A client's connection: key exchange, login, admission; then the relay is its service.

Half-open connections are bounded as everywhere (``hoopgate.doors``): each has its time for the key exchange, then its
time to log in, and the oldest makes room where there are too many.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import define
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION, DISCONNECT_TOO_MANY_CONNECTIONS
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.admission import Begun, Refusal
from hoopgate.chain import Chain
from hoopgate.codecs.ssh.authentication import USERAUTH_BANNER, USERAUTH_SUCCESS, banner
from hoopgate.conch import MODERN, PQ, HostKey, ServerTransport
from hoopgate.conch import Limits as TransportLimits
from hoopgate.config.model import Config, Listener
from hoopgate.errors import AuthenticationError, HoopgateError
from hoopgate.identity.device_login import DeviceLogins
from hoopgate.identity.ssh_certificates import UserCertificates
from hoopgate.protocols.ssh.admission import Admission, Connect, MakeRelay
from hoopgate.protocols.ssh.logins import Logins
from hoopgate.protocols.ssh.turns import Turns
from hoopgate.protocols.ssh.userauth import Attempt, Proven, UserAuth, Way
from hoopgate.session import State
from hoopgate.tunnel import Tunnel
from hoopgate.verdicts import told

if TYPE_CHECKING:
    from hoopgate.gateway import Gateway

log = Logger()
SOFTWARE: Final = b"hoopgate"  # in our version; its own version is nobody's business before a login
_LONGEST_APPLICATION: Final = 128


@define(eq=False)
class Entrance:
    """What all connections of one listener share. ``host_keys`` may be set anew while it runs."""

    gateway: Gateway
    listener: Listener
    host_keys: Sequence[HostKey]
    certificates: UserCertificates
    devices: DeviceLogins
    connect: Connect
    make_relay: MakeRelay
    turns: Turns


class Services:
    """What a transport's factory is asked for: the service that logs in."""

    @staticmethod
    def getService(transport: ClientConnection, name: bytes) -> Callable[[], UserAuth]:
        return transport.user_auth


class ClientConnection(ServerTransport):
    """One client. ``tunnel``: what an HTTP CONNECT has settled before; then no login is asked for."""

    def __init__(self, entrance: Entrance, tunnel: Tunnel | None = None) -> None:
        config = entrance.gateway.config
        super().__init__(
            host_keys=entrance.host_keys,
            clock=entrance.gateway.clock,
            algorithms=PQ if config.ssh.kex == "pq" else MODERN,
            limits=transport_limits(config),
            version=SOFTWARE,
        )
        self.factory: Any = Services
        self._entrance = entrance
        self._gateway = entrance.gateway
        self._tunnel = tunnel
        self._address = ""
        self._at_door = False
        self._timer: Any = None
        self._work: Deferred[None] | None = None
        self._relay: Any = None
        self._first = b""  # what came before it was its turn

    # --- the connection

    def connectionMade(self) -> None:
        self._address = getattr(self.transport.getPeer(), "host", "local")
        self._gateway.doors.enter(self._address, self, self._crowded_out)
        self._at_door = True
        self._give_time(self._gateway.config.limits.handshake, "limits.handshake")
        if self._tunnel is None:  # who is inside one has shown a token
            self.dataReceived = self._wait_for_turn  # type: ignore[method-assign]  # until then, at no cost later
        super().connectionMade()

    def _wait_for_turn(self, data: bytes) -> None:
        if not self._first:
            self.transport.pauseProducing()
            self._entrance.turns.ask(self._address, self._begin_exchange)
        if "dataReceived" in vars(self):
            self._first += data
        else:  # it was its turn at once
            self.dataReceived(data)

    def _begin_exchange(self) -> None:
        del self.dataReceived
        first, self._first = self._first, b""
        self.transport.resumeProducing()
        if first:
            self.dataReceived(first)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._leave_door()
        self._stop_work()
        super().connectionLost(reason)
        if self._relay is not None:
            self._relay.client_lost()

    def _leave(self) -> None:
        self._leave_door()
        self._stop_work()
        super()._leave()

    def _leave_door(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._at_door:
            self._at_door = False
            self._entrance.turns.leave(self._address, self._begin_exchange)
            self._gateway.doors.leave(self._address, self)

    def _stop_work(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    # --- its time

    def _give_time(self, seconds: float, limit: str) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._gateway.clock.callLater(seconds, self._too_slow, limit)

    def _more_time(self, seconds: float) -> None:
        self._give_time(seconds, "limits.ssh_device_login")

    def _too_slow(self, limit: str) -> None:
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, f"the login took too long ({limit})".encode())

    def _crowded_out(self, limit: str) -> None:
        if self.agreed is not None:  # else it has asked for nothing yet, and there may be very many of them
            self.sendDisconnect(DISCONNECT_TOO_MANY_CONNECTIONS, f"too many wait to log in ({limit})".encode())
        self._leave_door()
        self.transport.abortConnection()  # whoever only holds a place is not waited for

    # --- the login

    def user_auth(self) -> UserAuth:
        """The service that logs in, as the client asks for it."""
        config = self._gateway.config
        self._give_time(config.limits.ssh_login, "limits.ssh_login")
        self._gateway.doors.worked(self._address, self)
        return UserAuth(
            self._ways(),
            self._gateway.clock,
            config.limits,
            banner=config.ssh.banner,
            proven=self._proven,
            failed=self._login_failed,
            more_time=self._more_time,
        )

    def _ways(self) -> dict[str, Way]:
        entrance = self._entrance
        if self._tunnel is not None:
            return {"none": self._already_known}
        return Logins(self._gateway, entrance.listener, self._address, entrance.certificates, entrance.devices).ways()

    async def _already_known(self, attempt: Attempt) -> Proven:
        assert self._tunnel is not None
        return Proven(self._tunnel.identity, "connect")

    def _login_failed(self, error: AuthenticationError) -> str:
        self._gateway.login_failed(self._address, error)
        hint = getattr(error, "hint", "")
        text = str(error) if str(error).startswith("login failed") else f"login failed: {error}"
        return f"{text}\n{hint}" if hint else text

    def _proven(self, proven: Proven, user: bytes) -> None:
        self._do(self._admit(proven, user))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        doing = self._work = Deferred.fromCoroutine(work)
        doing.addErrback(self._broken)
        if doing.called:
            self._work = None

    async def _admit(self, proven: Proven, user: bytes) -> None:
        entrance = self._entrance
        peer = self.transport.getPeer()
        client = f"{self._address}:{getattr(peer, 'port', 0)}"
        admission = Admission(
            self._gateway, entrance.listener, client, self._application(), self._tunnel, entrance.connect
        )
        admitted = await admission.admit(user, proven)
        self._work = None
        if isinstance(admitted, Refusal):
            self._turn_away(admitted)
        elif self.finished is not None or admitted.session.state is State.ENDED:
            _dismiss(admitted, "the client left during login")
            self._turn_away(Refusal(admitted.session.reason, "57P01", admitted.session.ended_by))
        else:
            try:
                self._begin(admitted)
            except Exception:  # or session and target would stay, with nobody to end them
                _dismiss(admitted, "the gateway failed")
                raise

    def _begin(self, admitted: Begun[Any]) -> None:
        self._leave_door()
        self.sendPacket(USERAUTH_SUCCESS, b"")
        chain = Chain(admitted.guards)
        self._relay = self._entrance.make_relay(
            admitted.session, self, admitted.target, chain, leave=self.loseConnection
        )
        self._relay.start()

    def _application(self) -> str:
        text = self.otherVersionString.decode("ascii", "replace").removeprefix("SSH-2.0-")
        return "".join(each for each in text if each.isprintable())[:_LONGEST_APPLICATION]

    # --- refusals

    def _turn_away(self, refusal: Refusal) -> None:
        """Say why, so that clients of every kind show it: most print a banner, some only the reason of the end, as
        OpenSSH does with ``LogLevel ERROR``."""
        if self.finished is not None:
            return
        said = told(refusal.reason, refusal.rule, refusal.hint)
        self.sendPacket(USERAUTH_BANNER, banner(f"hoopgate: {said}\n"))
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, f"{refusal.reason} [{refusal.rule}]".encode())

    def _broken(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if isinstance(failure.value, HoopgateError):
            self._turn_away(Refusal(str(failure.value), "08006", "gateway"))
        else:
            log.failure("an admission failed by a fault of the gateway", failure)
            self._turn_away(Refusal("the gateway failed", "XX000", "internal"))


def _dismiss(admitted: Begun[Any], reason: str) -> None:
    """Nobody is there to be relayed to: leave nothing open."""
    admitted.abandon(reason)
    admitted.target.terminate()


class ClientFactory(Factory):
    """Makes the protocol of each accepted connection."""

    noisy = False

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def buildProtocol(self, addr: Any) -> Any:
        return ClientConnection(self._entrance)


def transport_limits(config: Config) -> TransportLimits:
    """Of a connection's transport, as the configuration has them."""
    limits = config.limits
    return TransportLimits(
        large_packet=limits.ssh_packet,
        key_exchange_seconds=limits.handshake,
        rekey_bytes=config.ssh.rekey_bytes,
        rekey_seconds=config.ssh.rekey_time,
        close_seconds=limits.handshake,
    )
