"""Connections that we open."""

from __future__ import annotations

import os
import socket
from errno import EAGAIN, EINPROGRESS
from typing import Any, Final

from twisted.internet.base import BaseConnector
from twisted.internet.error import ConnectError, getConnectError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from hoopgate.transport.endpoint import INTERNET, address
from hoopgate.transport.poller import OUT, Descriptor, Poller
from hoopgate.transport.stream import Stream

AGAIN: Final = 0.01  # seconds until the next try, where the queue of a UNIX socket is full


class Connector(BaseConnector):
    """Reaches ``name`` (as ``connect(2)`` takes it). The states, and what the factory is told, are Twisted's own."""

    def __init__(
        self, poller: Poller, family: int, name: Any, factory: Any, timeout: float | None, bind: Any = None
    ) -> None:
        super().__init__(factory, timeout, poller.reactor)  # type: ignore[arg-type]  # None is a time limit, too
        self.poller = poller
        self._family = family
        self.name = name
        self._bind = bind

    def getDestination(self) -> IAddress:
        where: IAddress = address(self._family, self.name)
        return where

    def _makeTransport(self) -> Any:
        attempt = Attempt(self)
        try:
            attempt.begin(self._socket(), self.name)
        except OSError as problem:
            self.poller.reactor.callLater(0, attempt.failIfNotConnected, _reason(problem))
        return attempt

    def _socket(self) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if self._family in INTERNET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._bind is not None:
            try:
                sock.bind(self._bind)
            except OSError:
                sock.close()
                raise
        return sock


class Attempt:
    """The connector's transport until there is a real one."""

    def __init__(self, connector: Connector) -> None:
        self._connector: Connector | None = connector
        self._connecting: Connecting | None = None

    def begin(self, sock: socket.socket, name: Any) -> None:
        assert self._connector is not None
        self._connecting = Connecting(self._connector.poller, sock, self)
        self._connecting.connect(name)

    def succeeded(self, sock: socket.socket) -> None:
        connector, self._connector = self._connector, None
        if connector is None:
            sock.close()
            return
        stream = Stream(connector.poller, sock, connector.name, connector)
        connector.transport = stream  # type: ignore[assignment]
        protocol = connector.buildProtocol(stream.getPeer())
        stream.start(Protocol() if protocol is None else protocol)
        if protocol is None:
            stream.loseConnection()

    def failIfNotConnected(self, reason: Exception) -> None:
        """Give up: a time limit, whoever asked for the connection, or the network wants it so."""
        connector, self._connector = self._connector, None
        if connector is not None:
            if self._connecting is not None:
                self._connecting.leave(Failure(reason))
            connector.connectionFailed(Failure(reason))

    def loseConnection(self) -> None:
        """Nothing: the connector asks for it only where there is a connection."""


class Connecting(Descriptor):
    """The socket of an attempt."""

    __slots__ = ("_attempt",)

    def __init__(self, poller: Poller, sock: socket.socket, attempt: Attempt) -> None:
        super().__init__(poller, sock)
        self._attempt = attempt

    def connect(self, name: Any) -> None:
        if self.number < 0:
            return
        code = self.socket.connect_ex(name)
        if code in (0, EINPROGRESS):
            self.watch(OUT)
        elif code == EAGAIN:  # connect(2): of UNIX sockets, and nothing will tell when there is room
            self.poller.reactor.callLater(AGAIN, self.connect, name)
        else:
            self.poller.reactor.callLater(0, self._attempt.failIfNotConnected, _reason(code))

    def ready(self, events: int) -> None:
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._attempt.failIfNotConnected(_reason(code))
            return
        self.watch(0)
        self.number = -1  # from here on it is the stream's
        self._attempt.succeeded(self.socket)

    def connectionLost(self, reason: Failure) -> None:
        self.socket.close()
        self._attempt.failIfNotConnected(ConnectError(string=reason))


def _reason(problem: OSError | int) -> Exception:
    code = problem if isinstance(problem, int) else problem.errno
    found: Exception = getConnectError((code, os.strerror(code or 0)))
    return found
