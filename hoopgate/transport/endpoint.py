"""What a connection's socket knows of itself: its two addresses and its options."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from hoopgate.transport.poller import Collecting, Poller

INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


def address(family: int, name: Any) -> Any:
    """Twisted's form of what ``getsockname`` and the like return."""
    if family == socket.AF_INET:
        return IPv4Address("TCP", *name[:2])
    if family == socket.AF_INET6:
        return IPv6Address("TCP", *name)
    return UNIXAddress(name or None)


_KEPT: Final = 1024  # addresses
_addresses: Final[dict[str, str]] = {}
_names: Final[dict[Any, Any]] = {}


def kept_name(name: Any) -> Any:
    """The same name, with an address that it shares with others from there: ten thousand sessions have few."""
    if not isinstance(name, tuple):
        return name
    if len(_addresses) >= _KEPT:
        _addresses.clear()
    return (_addresses.setdefault(name[0], name[0]), *name[1:])


def shared_name(name: Any) -> Any:
    """One object for a name that many connections have in common: that of a port of ours, or of a target's."""
    if len(_names) >= _KEPT:
        _names.clear()
    return _names.setdefault(name, name)


class Endpoint(Collecting):
    """A connected socket. ``peer`` is the other side's name, as ``accept`` returns it; ``opened``: by us."""

    __slots__ = ("_host", "_peer")

    def __init__(self, poller: Poller, sock: socket.socket, peer: Any, opened: bool = False) -> None:
        super().__init__(poller, sock)
        host = sock.getsockname()
        self._host = kept_name(host) if opened else shared_name(host)
        self._peer = shared_name(peer) if opened else kept_name(peer)

    def fileno(self) -> int:
        return self.socket.fileno()

    def getHandle(self) -> socket.socket:
        return self.socket

    def getHost(self) -> Any:
        return address(self.socket.family, self._host)

    def getPeer(self) -> Any:
        return address(self.socket.family, self._peer)

    def getTcpNoDelay(self) -> bool:
        """True from the start: what is written in one event goes out at once and together, so Nagle has no part."""
        return self._internet and bool(self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        if self._internet:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)

    @property
    def _internet(self) -> bool:
        return self.socket.family in INTERNET
