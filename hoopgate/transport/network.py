"""Where listeners and connections come from."""
# ruff: noqa: A002, N803 - the names are those of Twisted's interfaces

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import (
    IDelayedCall,
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
)
from zope.interface import implementer

from hoopgate.transport.connecting import Connector
from hoopgate.transport.listening import Port
from hoopgate.transport.poller import Poller


@implementer(IReactorTCP, IReactorUNIX, IReactorTime, IReactorPluggableNameResolver)
class Network:
    """Offers of a reactor what endpoints need (HostnameEndpoint with its names and addresses raced against each other,
    UNIXClientEndpoint, the servers' ones), over connections of ours. Timers and names are ``reactor``'s own.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._poller = Poller(reactor)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = "", *, reuse_port: bool = False
    ) -> Port:
        """Listen on ``interface``, an address of IPv4 or IPv6; "" for all of IPv4.

        With ``reuse_port`` other processes may listen there, too, and the kernel shares connections out. Raises
        CannotListenError.
        """
        family, name = _internet(interface or "0.0.0.0", port)  # noqa: S104  # what "" means in Twisted
        listening = Port(self._poller, family, name, factory, backlog, reuse_port=reuse_port)
        listening.startListening()
        return listening

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float | None = 30, bindAddress: Any = None
    ) -> Connector:
        """Connect to an address. For names there is ``HostnameEndpoint(network, ...)``."""
        family, name = _internet(host, port)
        return self._connect(family, name, factory, timeout, bindAddress)

    def listenUNIX(self, address: str, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: int = 0) -> Port:
        """Listen at a path, which may not exist; it is removed when listening ends. ``wantPID`` is not offered."""
        listening = Port(self._poller, socket.AF_UNIX, address, factory, backlog)
        listening.startListening()
        os.chmod(address, mode)  # noqa: PTH101
        return listening

    def connectUNIX(self, address: str, factory: Any, timeout: float | None = 30, checkPID: int = 0) -> Connector:
        """Connect to a path."""
        return self._connect(socket.AF_UNIX, address, factory, timeout, None)

    def _connect(self, family: int, name: Any, factory: Any, timeout: float | None, bind: Any) -> Connector:
        connector = Connector(self._poller, family, name, factory, timeout, bind)
        connector.connect()
        return connector

    # --- what is the reactor's own

    def seconds(self) -> float:
        now: float = self._reactor.seconds()
        return now

    def callLater(self, delay: float, callable: Any, *args: object, **kwargs: object) -> IDelayedCall:
        call: IDelayedCall = self._reactor.callLater(delay, callable, *args, **kwargs)
        return call

    def getDelayedCalls(self) -> Any:
        return self._reactor.getDelayedCalls()

    @property
    def nameResolver(self) -> IHostnameResolver:
        resolver: IHostnameResolver = self._reactor.nameResolver
        return resolver

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        before: IHostnameResolver = self._reactor.installNameResolver(resolver)
        return before


def _internet(host: str, port: int) -> tuple[int, tuple[Any, ...]]:
    """Family and name of an address, as ``bind`` and ``connect`` take them. Raises ValueError."""
    if isIPAddress(host):
        return socket.AF_INET, (host, port)
    if isIPv6Address(host):
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV  # nothing is asked of any server
        return socket.AF_INET6, socket.getaddrinfo(host, port, socket.AF_INET6, socket.SOCK_STREAM, 0, flags)[0][4]
    raise ValueError(f"{host!r} is no address")
