"""Ports that accept connections."""

from __future__ import annotations

import socket
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.transport.endpoint import INTERNET, address
from hoopgate.transport.poller import IN, Descriptor, Poller
from hoopgate.transport.stream import Stream

ACCEPTS: Final = 16  # connections that one event takes
EXHAUSTED: Final = (EMFILE, ENFILE, ENOBUFS, ENOMEM)
RECOVERY: Final = 0.25  # seconds without accepting, once descriptors or memory have run out

log = Logger()


class Acceptor(Descriptor):
    """The listening socket itself."""

    __slots__ = ("_exhausted", "_port")

    def __init__(self, poller: Poller, sock: socket.socket, port: Port) -> None:
        super().__init__(poller, sock)
        self._port = port
        self._exhausted = False
        self.watch(IN)

    def ready(self, events: int) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, peer = self.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._pause(error)
                    return
                continue  # that client has left already, or a firewall forbids it (accept(2))
            self._exhausted = False
            sock.setblocking(False)
            self._accepted(Stream(self.poller, sock, peer))

    def _accepted(self, stream: Stream) -> None:
        try:
            protocol = self._port.factory.buildProtocol(stream.getPeer())
        except Exception:
            self.poller.failed(stream)
            return
        if protocol is None:
            stream.leave(Failure(ConnectionDone()))
        else:
            stream.start(protocol)

    def _pause(self, error: OSError) -> None:
        """The queue stays readable, so going on at once would be a loop without end."""
        if not self._exhausted:
            self._exhausted = True
            log.error("no connection can be accepted now: {error}", error=error.strerror)
        self.watch(0)
        self.poller.reactor.callLater(RECOVERY, self.watch, IN)

    def connectionLost(self, reason: Failure) -> None:
        self.socket.close()
        self._port.closed()


@implementer(IListeningPort)
class Port:
    """What ``listenTCP`` and ``listenUNIX`` return. ``name`` is as ``bind`` takes it."""

    def __init__(
        self, poller: Poller, family: int, name: Any, factory: Any, backlog: int, *, reuse_port: bool = False
    ) -> None:
        self.factory = factory
        self._poller = poller
        self._family = family
        self._name = name
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._acceptor: Acceptor | None = None
        self._host: IAddress | None = None
        self._stopped: Deferred[None] | None = None

    def startListening(self) -> None:
        """Raises CannotListenError."""
        try:
            sock = self._bound()
        except OSError as error:
            name = self._name if isinstance(self._name, tuple) else (self._name, None)
            raise CannotListenError(name[0], name[1], error) from error
        self.factory.doStart()
        self._host = address(self._family, sock.getsockname())
        self._acceptor = Acceptor(self._poller, sock, self)

    def stopListening(self) -> Deferred[None]:
        """Fires once nothing is accepted any more; connections stay."""
        if self._acceptor is None:
            return succeed(None)
        if self._stopped is None:
            self._stopped = Deferred()
            self._acceptor.leave(Failure(ConnectionDone()))
        return self._stopped

    def getHost(self) -> IAddress:
        assert self._host is not None
        return self._host

    def closed(self) -> None:
        """The socket is closed, as asked for or because the reactor stops."""
        self._acceptor = None
        stopped, self._stopped = self._stopped, None
        if self._family == socket.AF_UNIX:
            Path(self._name).unlink(missing_ok=True)
        self.factory.doStop()
        if stopped is not None:
            stopped.callback(None)

    def _bound(self) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            if self._family in INTERNET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # which connections inherit
            if self._reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(self._name)
            sock.listen(self._backlog)
        except OSError:
            sock.close()
            raise
        return sock
