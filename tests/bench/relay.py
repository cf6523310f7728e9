"""The least that a proxy in Python costs: ``python -m tests.bench.relay PORT UPSTREAM [--bare]``.

It passes bytes on and looks at none. As it is, it stands on the gateway's own transport, so that the difference to the
gateway is what reading, judging and recording cost. With ``--bare`` there is neither Twisted nor any class: ``recv``
and ``send`` in a loop around ``epoll_wait``, below which no proxy in this interpreter comes.
"""

from __future__ import annotations

import argparse
import gc
import select
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.python.failure import Failure

from hoopgate.transport import Network

SIZE = 16_384  # bytes that are read at once


class Half(Protocol):
    """One of two connections; ``peer`` is the other."""

    peer: Half | None = None

    def dataReceived(self, data: bytes) -> None:
        self.peer.transport.write(data)  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.loseConnection()


class Upstream(Half):
    def __init__(self, client: Half) -> None:
        self.peer = client

    def connectionMade(self) -> None:
        client = self.peer
        assert client is not None
        client.peer = self
        client.transport.resumeProducing()  # type: ignore[union-attr]


class Client(Half):
    def __init__(self, network: Network, upstream: int) -> None:
        self._network = network
        self._upstream = upstream

    def connectionMade(self) -> None:
        self.transport.pauseProducing()  # type: ignore[union-attr]
        self._network.connectTCP("127.0.0.1", self._upstream, Connecting(self))


class Connecting(ClientFactory):
    noisy = False

    def __init__(self, client: Client) -> None:
        self._client = client

    def buildProtocol(self, addr: Any) -> Upstream:
        return Upstream(self._client)


class Accepting(Factory):
    noisy = False

    def __init__(self, network: Network, upstream: int) -> None:
        self._network = network
        self._upstream = upstream

    def buildProtocol(self, addr: Any) -> Client:
        return Client(self._network, self._upstream)


def on_our_transport(port: int, upstream: int) -> None:
    network = Network(reactor)
    network.listenTCP(port, Accepting(network, upstream), 1024, "127.0.0.1")
    gc.freeze()
    reactor.run()


def bare(port: int, upstream: int) -> None:
    """Of blocking sockets, for a benchmark's small messages: what comes is sent at once, and whole."""
    listening = socket.create_server(("127.0.0.1", port), backlog=1024)
    epoll = select.epoll()
    epoll.register(listening.fileno(), select.EPOLLIN)
    ways: dict[int, tuple[Any, Any, int]] = {}
    kept: dict[int, socket.socket] = {}
    poll = epoll.poll
    while True:
        for number, _ in poll(-1, 64):
            way = ways.get(number)
            if way is not None:
                try:
                    data = way[0](SIZE)
                    way[1](data)
                except ConnectionError:
                    data = b""
                if not data:
                    for each in (number, way[2]):
                        del ways[each]
                        kept.pop(each).close()
                    break  # the other's event may be of this very turn
                continue
            client, _ = listening.accept()
            target = socket.create_connection(("127.0.0.1", upstream))
            for one, other in ((client, target), (target, client)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ways[one.fileno()] = (one.recv, other.sendall, other.fileno())
                kept[one.fileno()] = one
                epoll.register(one.fileno(), select.EPOLLIN)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.relay", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("upstream", type=int)
    parser.add_argument("--bare", action="store_true", help="without the gateway's transport")
    options = parser.parse_args()
    (bare if options.bare else on_our_transport)(options.port, options.upstream)


if __name__ == "__main__":
    main()
