"""Our transport behaves as Twisted's own: the same tests on both."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import error, interfaces
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.protocol import ClientFactory
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.transport.parts import BULK, Echo, Half, Heard, Kind, Made, Peer, Source, pause, until

pytestmark = pytest.mark.live
ensure = pytest_twisted.ensureDeferred


@ensure
async def test_data_goes_both_ways(kind: Kind) -> None:
    server, peer = await kind.pair(Echo)
    await peer.send(b"hello")
    assert await peer.read(5) == b"hello"
    assert server.transport.getPeer().port == peer.socket.getsockname()[1]
    assert server.transport.getHost().port == peer.socket.getpeername()[1]
    assert server.transport.connected
    assert not server.transport.disconnecting


@ensure
async def test_it_is_what_it_says(kind: Kind) -> None:
    server, _ = await kind.pair(Heard)
    transport = server.transport
    for interface in (
        interfaces.ITCPTransport,
        interfaces.IConsumer,
        interfaces.IPushProducer,
        interfaces.ISystemHandle,
    ):
        verifyObject(interface, transport)
    transport.setTcpNoDelay(False)
    assert not transport.getTcpNoDelay()
    transport.setTcpNoDelay(True)
    assert transport.getTcpNoDelay()
    transport.setTcpKeepAlive(True)
    assert transport.getTcpKeepAlive()
    transport.writeSequence([b"a", b"b"])
    with pytest.raises(TypeError):
        transport.write("text")


@ensure
async def test_bulk_arrives_whole(kind: Kind) -> None:
    server, peer = await kind.pair(Echo)
    data = bytes(range(256)) * (BULK // 256)
    server.transport.write(data)
    assert await peer.read(BULK) == data


@ensure
async def test_ipv6_and_names(kind: Kind) -> None:
    address, factory = kind.listen(Echo, "::1")
    peer = kind.peer(address)
    await peer.send(b"six")
    assert await peer.read(3) == b"six"
    server = await factory.next()
    assert server.transport.getPeer().host == "::1"
    assert isinstance(server.transport.getHost(), type(server.transport.getPeer()))
    address, factory = kind.listen(Echo)
    client = await HostnameEndpoint(kind.net, "localhost", address[1]).connect(Made(Heard))
    client.transport.write(b"name")
    await until(lambda: client.data == b"name")
    client.transport.loseConnection()
    await until(lambda: client.lost)


@ensure
async def test_unix_sockets(kind: Kind, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    factory = Made(Echo)
    port = kind.net.listenUNIX(path, factory, mode=0o600)
    assert Path(path).stat().st_mode & 0o777 == 0o600
    client = await UNIXClientEndpoint(kind.net, path).connect(Made(Heard))
    client.transport.write(b"hello")
    await until(lambda: client.data == b"hello")
    assert client.transport.getPeer() == port.getHost()
    client.transport.loseConnection()
    await until(lambda: client.lost and factory.all[0].lost)
    await port.stopListening()
    assert not Path(path).exists()


@ensure
async def test_nobody_listens(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    with pytest.raises(error.ConnectionRefusedError):
        await HostnameEndpoint(kind.net, "127.0.0.1", address[1]).connect(Made(Heard))
    with pytest.raises(error.ConnectError):
        await UNIXClientEndpoint(kind.net, "/nowhere/at/all").connect(Made(Heard))


@ensure
async def test_a_port_that_is_taken(kind: Kind) -> None:
    address, factory = kind.listen(Heard)
    with pytest.raises(error.CannotListenError, match="in use"):
        kind.net.listenTCP(address[1], factory, interface="127.0.0.1")


@ensure
async def test_a_time_limit_on_connecting(kind: Kind) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filling = [Peer.__new__(Peer) for _ in range(3)]
        for each in filling:
            each.socket = socket.socket()
            each.socket.setblocking(False)
            each.socket.connect_ex(full.getsockname())
        with pytest.raises(error.TimeoutError):
            await HostnameEndpoint(kind.net, "127.0.0.1", full.getsockname()[1], timeout=0.2).connect(Made(Heard))
        for each in filling:
            each.close()


class Told(ClientFactory):
    noisy = False

    def __init__(self) -> None:
        self.events: list[str] = []
        self.protocol_made = Heard()

    def buildProtocol(self, addr: Any) -> Any:
        self.events.append("built")
        return self.protocol_made

    def doStart(self) -> None:
        self.events.append("start")

    def doStop(self) -> None:
        self.events.append("stop")

    def startedConnecting(self, connector: Any) -> None:
        self.events.append("connecting")

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        self.events.append(f"lost, protocol told {self.protocol_made.lost}")

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.events.append(f"failed: {reason.type.__name__}")


@ensure
async def test_a_factory_hears_of_its_connection(kind: Kind) -> None:
    address, _ = kind.listen(Heard)
    told = Told()
    connector = kind.net.connectTCP(*address, told)
    assert told.events == ["start", "connecting"]
    await until(lambda: told.protocol_made.made)
    connector.disconnect()
    await until(lambda: "stop" in told.events)
    assert told.events == ["start", "connecting", "built", "lost, protocol told 1", "stop"]
    told = Told()
    kind.net.connectTCP(*address, told).stopConnecting()
    assert told.events == ["start", "connecting", "failed: UserError", "stop"]


@ensure
async def test_a_factory_may_want_no_protocol(kind: Kind) -> None:
    address, _ = kind.listen(lambda: None)
    peer = kind.peer(address)
    assert await peer.read_all() == b""


@ensure
async def test_a_listener_that_stops_keeps_its_connections(kind: Kind) -> None:
    address, factory = kind.listen(Echo)
    peer = kind.peer(address)
    await factory.next()
    await kind.ports[0].stopListening()
    assert factory.stopped
    with pytest.raises(ConnectionRefusedError):
        Peer(address)
    await peer.send(b"still")
    assert await peer.read(5) == b"still"


# --- the end


@ensure
async def test_the_peer_leaves(kind: Kind) -> None:
    server, peer = await kind.pair(Heard)
    await peer.send(b"last words")
    peer.close()
    await until(lambda: server.lost)
    assert server.data == b"last words"
    assert server.reason.check(error.ConnectionDone)
    assert not server.transport.connected


@ensure
async def test_pending_data_goes_out_before_the_connection_is_lost(kind: Kind) -> None:
    server, peer = await kind.pair(Heard)
    server.transport.write(bytes(BULK))
    server.transport.loseConnection()
    assert server.transport.disconnecting
    assert not server.lost, "never from within"
    assert len(await peer.read_all()) == BULK
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionDone)
    server.transport.write(b"ignored")
    server.transport.loseConnection()
    server.transport.abortConnection()
    await pause(0.02)
    assert server.lost == 1


@ensure
async def test_after_losing_nothing_is_delivered(kind: Kind) -> None:
    class Leaves(Heard):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.write(b"bye")
            self.transport.loseConnection()

    server, peer = await kind.pair(Leaves)
    await peer.send(b"x" * 100)
    assert await peer.read_all() == b"bye"
    await until(lambda: server.lost)
    assert server.data == b"x" * 100


@ensure
async def test_abort_resets_and_drops(kind: Kind) -> None:
    server, peer = await kind.pair(Heard, receive_buffer=4096)
    server.transport.write(bytes(BULK))
    server.transport.abortConnection()
    assert not server.lost, "never from within"
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionAborted)
    with pytest.raises(ConnectionResetError):
        await peer.read_all()


@ensure
async def test_a_reset_is_a_loss(kind: Kind) -> None:
    server, peer = await kind.pair(Heard)
    peer.reset()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionLost)


@ensure
async def test_a_write_to_a_peer_that_left_is_never_told_from_within(kind: Kind) -> None:
    class Writes(Heard):
        writing = False

        def go_on(self) -> None:
            self.writing = True
            self.transport.write(bytes(200_000))
            self.writing = False

        def connectionLost(self, reason: Any = None) -> None:
            assert not self.writing
            super().connectionLost(reason)

    server, peer = await kind.pair(Writes)
    peer.reset()
    for _ in range(200):
        if server.lost:
            break
        server.go_on()
        server.go_on()
        await pause(0)
    await until(lambda: server.lost)
    assert server.lost == 1
    assert server.reason.check(error.ConnectionLost)


@ensure
async def test_an_exception_costs_one_connection(kind: Kind) -> None:
    class Fails(Echo):
        def dataReceived(self, data: bytes) -> None:
            if data == b"fail":
                raise ArithmeticError("on purpose")
            super().dataReceived(data)

    address, factory = kind.listen(Fails)
    first, second = kind.peer(address), kind.peer(address)
    await factory.next(2)
    await first.send(b"fail")
    await second.send(b"fine")
    assert await second.read(4) == b"fine"
    assert await first.read_all() == b""
    failed = next(each for each in factory.all if each.lost)
    assert failed.reason.check(ArithmeticError)


# --- halves


@ensure
async def test_half_closed_by_the_peer(kind: Kind) -> None:
    server, peer = await kind.pair(Half)
    await peer.send(b"question")
    peer.socket.shutdown(socket.SHUT_WR)
    await until(lambda: server.read_lost)
    assert server.data == b"question"
    assert not server.lost
    server.transport.write(bytes(BULK))
    server.transport.loseConnection()
    assert len(await peer.read_all()) == BULK
    await until(lambda: server.lost)
    assert server.read_lost == 1


@ensure
async def test_half_closed_by_us(kind: Kind) -> None:
    server, peer = await kind.pair(Half)
    server.transport.write(bytes(BULK))
    server.transport.loseWriteConnection()
    assert len(await peer.read_all()) == BULK
    await until(lambda: server.write_lost)
    server.transport.write(b"ignored")
    await peer.send(b"answer")
    await until(lambda: server.data == b"answer")
    assert not server.lost
    server.transport.loseConnection()
    await until(lambda: server.lost)
    assert server.write_lost == 1


@ensure
async def test_half_closed_by_both(kind: Kind) -> None:
    server, peer = await kind.pair(Half)
    peer.socket.shutdown(socket.SHUT_WR)
    server.transport.loseWriteConnection()
    await until(lambda: server.read_lost and server.write_lost)
    await pause(0.02)
    assert not server.lost, "whoever closes both halves still says when it is over"
    server.transport.loseConnection()
    await until(lambda: server.lost)


# --- producers and consumers


@ensure
async def test_a_streaming_producer_is_paused_and_goes_on(kind: Kind) -> None:
    server, peer = await kind.pair(Heard)
    source = Source(server.transport, 2 * BULK)
    source.start()
    await until(lambda: source.pauses)
    await pause(0.1)
    sent = source.sent
    assert sent < 2 * BULK, "the peer reads nothing, so it cannot all be gone"
    await pause(0.1)
    assert source.sent == sent, "a paused producer is not resumed for nothing"
    assert len(await peer.read(2 * BULK)) == 2 * BULK
    assert source.resumes in (source.pauses, source.pauses - 1)


@ensure
async def test_a_pull_producer_is_asked_until_it_is_done(kind: Kind) -> None:
    @implementer(interfaces.IPullProducer)
    class Pulled:
        left = 50
        stopped = 0

        def resumeProducing(self) -> None:
            self.left -= 1
            server.transport.write(b"x" * 1000)
            if not self.left:
                server.transport.unregisterProducer()

        def stopProducing(self) -> None:
            self.stopped += 1

    server, peer = await kind.pair(Heard)
    pulled = Pulled()
    server.transport.registerProducer(pulled, False)
    with pytest.raises(RuntimeError):
        server.transport.registerProducer(pulled, False)
    server.transport.loseConnection()
    assert await peer.read_all() == b"x" * 50_000
    await until(lambda: server.lost)
    assert pulled.stopped == 0


@ensure
async def test_a_producer_is_stopped_with_its_connection(kind: Kind) -> None:
    server, peer = await kind.pair(Heard)
    source = Source(server.transport, BULK)
    server.transport.registerProducer(source, True)
    peer.reset()
    await until(lambda: server.lost)
    assert source.stopped == 1
    server.transport.registerProducer(source, True)
    assert source.stopped == 2, "there is nothing left to produce for"


@ensure
async def test_losing_waits_for_a_paused_producer(kind: Kind) -> None:
    server, peer = await kind.pair(Heard)
    source = Source(server.transport, 2 * BULK)
    source.start()
    await until(lambda: source.pauses)
    server.transport.loseConnection()
    assert len(await peer.read_all()) == 2 * BULK


@ensure
async def test_paused_reading_holds_the_peer_back_with_bounded_memory(kind: Kind) -> None:
    server, peer = await kind.pair(Heard)
    await peer.send(b"x")
    await until(lambda: server.data)
    server.transport.pauseProducing()
    await pause(0.01)
    sent = 0
    data = bytes(65536)
    for _ in range(400):
        try:
            sent += peer.socket.send(data)
        except BlockingIOError:
            await pause(0.001)
    assert sent < BULK * 2
    assert len(server.data) == 1
    server.transport.resumeProducing()
    await until(lambda: len(server.data) == sent + 1)


@ensure
async def test_a_slow_reader_holds_back_a_relay_with_bounded_memory(kind: Kind) -> None:
    """Two connections back to back, as a gateway has them."""

    class Front(Heard):
        def connectionMade(self) -> None:
            super().connectionMade()
            back = backs.all[0]
            back.transport.registerProducer(self.transport, True)
            self.dataReceived = back.transport.write  # type: ignore[method-assign]

    back_address, backs = kind.listen(Heard)
    slow = kind.peer(back_address, receive_buffer=8192)
    back = await backs.next()
    front_address, _ = kind.listen(Front)
    fast = kind.peer(front_address)
    sent = 0
    data = bytes(65536)
    for _ in range(1000):
        try:
            sent += fast.socket.send(data)
        except BlockingIOError:
            await pause(0.001)
    assert sent < 4 * BULK
    taken = 0
    while taken < sent:
        taken += len(await slow.read(1))
    assert taken == sent
    assert not back.lost


# --- many


@ensure
async def test_a_thousand_small_ones_beside_a_bulk_stream(kind: Kind) -> None:
    address, factory = kind.listen(Echo)
    small = await kind.crowd(address, factory, 1000)
    bulk_address, bulk_factory = kind.listen(Heard)
    bulk = kind.peer(bulk_address)
    sink = await bulk_factory.next()
    data = bytes(1 << 20)
    for round_ in range(3):
        before = len(sink.data)
        for each in small:
            each.socket.send(struct.pack("i", round_))
        waiting = dict(enumerate(small))

        def served(waiting: dict[int, Peer] = waiting) -> bool:
            try:
                while True:
                    bulk.socket.send(data)
            except BlockingIOError:
                pass
            for number in [number for number, each in waiting.items() if each.take()]:
                del waiting[number]
            return not waiting

        await until(served, "every small answer")
        moved = len(sink.data) - before
        assert moved < 256 << 20, "the bulk stream took the turns of the small ones"
        assert moved > 0, "nor may it starve itself"
        sink.data.clear()
