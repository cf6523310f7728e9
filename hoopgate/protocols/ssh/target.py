"""Our connection to a target: key exchange, its host key verified, login; then a service for whoever takes it over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from hoopgate.conch import MODERN, ClientTransport
from hoopgate.conch import Limits as TransportLimits
from hoopgate.conch.login import Identity, Login
from hoopgate.errors import UpstreamError
from hoopgate.protocols.ssh.host_keys import Known

EARLY: Final = 64 * 1024  # bytes that a target may say before somebody takes it over
_SHOWN: Final = 300  # characters of what a target says of its refusals


class Early:
    """ssh-connection, until somebody takes the target over: what it says already waits."""

    name = b"ssh-connection"

    def __init__(self, target: TargetConnection) -> None:
        self.transport: Any = None
        self.messages: list[bytes] = []
        self._target = target
        self._size = 0

    def messageReceived(self, packet: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > EARLY:
            self._target.loseConnection()
        else:
            self.messages.append(packet[start:end])

    def serviceStarted(self) -> None:
        """The target has let us in, as its TargetConnection tells."""

    def serviceStopped(self) -> None:
        """Who took over, or the connection's end, says more."""


class TargetConnection(ClientTransport):
    """Logs in by itself; then ``take_over``.

    ``user`` is the account; ``identities`` and ``password`` are forgotten once they have been shown.
    """

    def __init__(
        self,
        *,
        clock: Any,
        limits: TransportLimits,
        known: Known,
        user: str,
        identities: tuple[Identity, ...] = (),
        password: bytes | None = None,
    ) -> None:
        super().__init__(
            clock=clock, algorithms=MODERN.with_host_keys(*known.algorithms), limits=limits, version=b"hoopgate"
        )
        self._ready: Deferred[TargetConnection] | None = Deferred(self._given_up)
        self._known: Known | None = known
        self._early: Early | None = Early(self)
        self._login: Login | None = Login(
            user.encode(), self._early, identities=identities, password=password, failed=self._refused
        )
        self._problem: UpstreamError | None = None
        self._lost: Callable[[str], None] | None = None
        self._shows_password = password is not None

    @property
    def ready(self) -> Deferred[TargetConnection]:
        """Fires with this once logged in, or fails with UpstreamError; to be asked for before either."""
        assert self._ready is not None
        return self._ready

    def connectionMade(self) -> None:
        if self._ready is None:  # it was given up while it was connecting
            self.transport.abortConnection()
            return
        super().connectionMade()

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[None]:  # noqa: N803 - Conch's name
        """Fails where the host is not who it should be."""
        known, self._known = self._known, None
        if known is None:
            return fail(UpstreamError("the target's host key is verified already"))
        try:
            known.check(hostKey, self.clock.seconds())
        except Exception as error:
            self._problem = error if isinstance(error, UpstreamError) else UpstreamError(
                f"the target's host key cannot be checked ({type(error).__name__})"
            )  # fmt: skip
            return fail(self._problem)
        return succeed(None)

    def receiveError(self, reasonCode: int, description: bytes) -> None:  # noqa: N803 - Conch's names
        """Its last words, which users and logs get to see: of a host that is verified, and that has no password of ours
        to repeat, and without what would drive a terminal or begin a line."""
        super().receiveError(reasonCode, description)
        text = description.decode("utf-8", "replace")[:_SHOWN]
        if self._known is not None or (self._shows_password and self._ready is not None):
            text = ""
        self.finished = (reasonCode, "".join(each if each.isprintable() else " " for each in text).strip())

    def connectionSecure(self) -> None:
        """The host is who it should be: log in."""
        login, self._login = self._login, None
        if login is not None:
            self.requestService(login)

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)
        said = self.finished[1] if self.finished is not None else ""
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.errback(self._problem or _why(said, reason))
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(said[:_SHOWN])

    def setService(self, service: Any) -> None:
        """Begin a service; with the first of ssh-connection the target has let us in."""
        super().setService(service)
        if service is self._early:
            ready, self._ready = self._ready, None
            if ready is not None:
                ready.callback(self)

    def take_over(self, service: Any, lost: Callable[[str], None]) -> None:
        """Traffic begins; what the target said behind its login is delivered at once. ``lost`` gets its last words."""
        early, self._early = self._early, None
        self._lost = lost
        if self.disconnected:
            self._lost = None
            lost("")
            return
        self.setService(service)
        for message in early.messages if early is not None else ():
            service.messageReceived(message, 0, len(message))
        service.allReceived()

    def terminate(self) -> None:
        """Say goodbye and close; a target that does not take its last words has ``close_seconds``."""
        self._lost = None
        self.unregisterProducer()
        self.flow.resume()  # or a connection that was paused would stay
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"closed")

    @property
    def disconnected(self) -> bool:
        """Nothing can be sent any more."""
        return self.finished is not None or not getattr(self.transport, "connected", False)

    def _refused(self, words: str) -> None:
        text = f"the target refused the gateway's login: {words[:_SHOWN]}"
        self._problem = UpstreamError(text, credential_refused=True)

    def _given_up(self, ready: object) -> None:
        self._ready = self._login = None
        if self.transport is not None:
            self.transport.abortConnection()


def _why(said: str, reason: Failure | None) -> UpstreamError:
    if said:
        return UpstreamError(f"the connection to the target failed during login: {said[:_SHOWN]}")
    gone = reason is not None and reason.check(ConnectionDone, ConnectionLost) is not None
    text = "it closed the connection" if gone or reason is None else reason.getErrorMessage()
    return UpstreamError(f"the connection to the target failed during login: {text}", unavailable=gone)
