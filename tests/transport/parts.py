"""Protocols that keep what they hear, peers that are bare sockets, and both transports by one name each."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet import interfaces, ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from zope.interface import implementer

from hoopgate.development.certificates import Authority
from hoopgate.transport import ClientContext, Network, ServerContext

PATIENCE = 10.0  # seconds
BULK = 8 * 1024 * 1024  # bytes: more than kernels buffer


async def until(condition: Callable[[], Any], what: str = "", seconds: float = PATIENCE) -> Any:
    """Let the reactor run until ``condition`` holds; its value."""
    from twisted.internet import reactor

    end = reactor.seconds() + seconds
    while not (found := condition()):
        assert reactor.seconds() < end, f"waited {seconds} s for {what or condition}"
        await deferLater(reactor, 0.002)
    return found


async def pause(seconds: float) -> None:
    from twisted.internet import reactor

    await deferLater(reactor, seconds)


@implementer(interfaces.IHandshakeListener)
class Heard(Protocol):
    """Keeps everything it is told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.chunks: list[int] = []
        self.reason: Any = None
        self.lost = 0
        self.made = False
        self.shaken = 0

    def connectionMade(self) -> None:
        self.made = True

    def dataReceived(self, data: bytes) -> None:
        assert not self.lost
        self.data += data
        self.chunks.append(len(data))

    def handshakeCompleted(self) -> None:
        self.shaken += 1

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason
        self.lost += 1


@implementer(interfaces.IHalfCloseableProtocol)
class Half(Heard):
    """The same, of a protocol that can be half-closed."""

    def __init__(self) -> None:
        super().__init__()
        self.read_lost = self.write_lost = 0

    def readConnectionLost(self) -> None:
        self.read_lost += 1

    def writeConnectionLost(self) -> None:
        self.write_lost += 1


class Echo(Heard):
    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.write(data)


class Made(Factory):
    """Keeps the protocols that it made."""

    noisy = False

    def __init__(self, protocol: Callable[[], Any]) -> None:
        self.make = protocol
        self.all: list[Any] = []
        self.stopped = False

    def buildProtocol(self, addr: Any) -> Any:
        protocol = self.make()
        if protocol is not None:
            self.all.append(protocol)
        return protocol

    def doStop(self) -> None:
        self.stopped = True
        super().doStop()

    async def next(self, count: int = 1) -> Any:
        await until(lambda: len(self.all) >= count and self.all[count - 1].made, "a connection")
        return self.all[count - 1]


@implementer(interfaces.IPushProducer)
class Source:
    """Pushes ``chunk`` to ``transport`` until it is paused, and ``total`` bytes in all."""

    def __init__(self, transport: Any, total: int, chunk: int = 65536) -> None:
        self.transport, self.total, self.chunk = transport, total, chunk
        self.sent = self.pauses = self.resumes = 0
        self.running = True
        self.stopped = 0

    def start(self) -> None:
        self.transport.registerProducer(self, True)
        self._push()

    def _push(self) -> None:
        while self.running and not self.stopped and self.sent < self.total:
            size = min(self.chunk, self.total - self.sent)
            self.sent += size
            self.transport.write(bytes(size))
            if self.sent == self.total:
                self.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self.pauses += 1
        self.running = False

    def resumeProducing(self) -> None:
        self.resumes += 1
        self.running = True
        self._push()

    def stopProducing(self) -> None:
        self.stopped += 1


class Peer:
    """The other side: a bare socket that does not block."""

    def __init__(self, address: Any, *, receive_buffer: int = 0) -> None:
        family = (
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        )
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        self.socket.setblocking(False)
        self.ended = False

    async def send(self, data: bytes) -> None:
        view = memoryview(data)

        def some() -> bool:
            nonlocal view
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:
                return False
            return not view

        await until(some, "room to send")

    def take(self, most: int = 1 << 20) -> bytes:
        """What there is now; sets ``ended`` at the end, raises ConnectionResetError at a reset."""
        try:
            data = self.socket.recv(most)
        except BlockingIOError:
            return b""
        self.ended = not data
        return data

    async def read(self, count: int) -> bytes:
        got = bytearray()

        def enough() -> bool:
            got.extend(self.take())
            assert not self.ended, f"the end after {len(got)} of {count} bytes"
            return len(got) >= count

        await until(enough, f"{count} bytes")
        return bytes(got)

    async def read_all(self) -> bytes:
        got = bytearray()

        def ended() -> bool:
            while data := self.take():
                got.extend(data)
            return self.ended

        await until(ended, "the end")
        return bytes(got)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


class Kind:
    """One of the transports under test, its listeners and what it takes for ``startTLS``."""

    def __init__(self, name: str, authority: Authority) -> None:
        from twisted.internet import reactor

        self.name = name
        self.ours = name != "twisted"
        self.nested = name == "nested"
        if self.nested:  # as under a reactor whose waiting cannot be taken over
            vars(reactor)["doIteration"] = reactor.doPoll  # type: ignore[attr-defined]
        self.net: Any = Network(reactor) if self.ours else reactor
        self.authority = authority
        self.ports: list[Any] = []
        self.peers: list[Peer] = []

    def listen(self, protocol: Callable[[], Any], interface: str = "127.0.0.1") -> tuple[Any, Made]:
        """The address, and the factory."""
        factory = Made(protocol)
        port = self.net.listenTCP(0, factory, interface=interface)
        self.ports.append(port)
        return (interface, port.getHost().port), factory

    def peer(self, address: Any, **options: Any) -> Peer:
        self.peers.append(Peer(address, **options))
        return self.peers[-1]

    async def crowd(self, address: Any, factory: Made, count: int) -> list[Peer]:
        """So many peers more, no more at once than fit into a listener's queue."""
        peers, before = [], len(factory.all)
        for number in range(1, count + 1):
            peers.append(self.peer(address))
            if number % 40 == 0 or number == count:
                await factory.next(before + number)
        return peers

    async def pair(self, protocol: Callable[[], Any], **options: Any) -> tuple[Any, Peer]:
        """A protocol of that kind on this transport, and a bare peer."""
        address, factory = self.listen(protocol)
        peer = self.peer(address, **options)
        return await factory.next(), peer

    def server_context(self) -> Any:
        pair = self.authority.server()
        if self.ours:
            return ServerContext(pair.certificate, pair.key)
        return ssl.PrivateCertificate.loadPEM(pair.key + pair.certificate).options()

    def client_context(self) -> Any:
        if self.ours:
            return ClientContext("localhost", ca=self.authority.pem)
        trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(self.authority.pem)])
        return ssl.optionsForClientTLS("localhost", trustRoot=trust)

    async def close(self) -> None:
        for peer in self.peers:
            peer.close()
        for port in self.ports:
            stopped = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        everyone = [each for port in self.ports for each in getattr(port.factory, "all", ())]
        for each in everyone:
            if each.transport is not None and each.transport.connected:
                each.transport.abortConnection()
        await until(lambda: all(each.lost or not each.made for each in everyone), "all connections' ends")
        if self.nested:
            from twisted.internet import reactor

            del vars(reactor)["doIteration"]


class Watched:
    """An epoll instance that notes who is to be watched and for what; ``full``: it takes nobody new."""

    def __init__(self, poller: Any) -> None:
        self.real = poller._epoll
        self.asked: list[tuple[int, int]] = []
        self.refused = 0
        self.full = False
        self._poller = poller

    def __enter__(self) -> Watched:
        self._poller._epoll = self
        return self

    def __exit__(self, *failure: object) -> None:
        self._poller._epoll = self.real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def register(self, number: int, events: int) -> None:
        if self.full:
            self.refused += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        self.asked.append((number, events))
        self.real.register(number, events)

    def modify(self, number: int, events: int) -> None:
        self.asked.append((number, events))
        self.real.modify(number, events)

    def unregister(self, number: int) -> None:
        self.asked.append((number, 0))
        self.real.unregister(number)
