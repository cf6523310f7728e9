"""Opening a connection to a host, for one protocol that is there already.

Twisted's endpoints put a protocol of their own between transport and ours, and leave it there for as long as the
connection lasts; and HostnameEndpoint asks a thread even for what is an address already.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.python.failure import Failure

from hoopgate.config.model import Host


def dial(network: Any, host: Host, timeout: float, protocol: Protocol) -> Deferred[None]:
    """Connect ``protocol`` to ``host`` within ``timeout`` seconds; fires as it is connected, or fails as sockets do.

    ``network`` is a reactor, or a :class:`hoopgate.transport.Network`.
    """
    if host.is_socket:
        call = Call(protocol)
        answered = call.answer()
        call.connector = network.connectUNIX(f"{host.name}/.s.PGSQL.{host.port}", call, timeout)
        return answered
    if isIPAddress(host.name) or isIPv6Address(host.name):
        call = Call(protocol)
        answered = call.answer()
        call.connector = network.connectTCP(host.name, host.port, call, timeout)
        return answered
    connected: Deferred[Any] = HostnameEndpoint(network, host.name, host.port, timeout=timeout).connect(Once(protocol))
    return connected.addCallback(_alone, protocol)


def _alone(wrapping: object, protocol: Protocol) -> None:
    """Take the endpoint's protocol out from between transport and ours."""
    transport: Any = protocol.transport
    transport.protocol = protocol


class Once(Factory):
    """Gives out one protocol, and says nothing in the log."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Protocol:
        return self._protocol


class Call(ClientFactory):
    """One attempt to connect one protocol. Once it is connected, nothing of it is held here."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self.connector: Any = None
        self._waiting: Deferred[None] | None = None
        self._protocol: Protocol | None = protocol

    def answer(self) -> Deferred[None]:
        """Fires as it is connected, or fails as sockets do."""
        self._waiting = Deferred(self._given_up)
        return self._waiting

    def buildProtocol(self, addr: object) -> Protocol | None:
        protocol, self._protocol = self._protocol, None
        waiting, self._waiting = self._waiting, None
        self.connector = None
        if waiting is not None:
            waiting.callback(None)
        return protocol

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        waiting, self._waiting = self._waiting, None
        self._protocol = self.connector = None
        if waiting is not None:
            waiting.errback(reason)

    def _given_up(self, answered: Deferred[None]) -> None:
        connector, self.connector = self.connector, None
        self._waiting = self._protocol = None
        if connector is not None:
            connector.disconnect()
