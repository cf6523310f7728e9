"""What prototypes of this transport got wrong, one test each."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import error, reactor
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from hoopgate.transport import Network
from hoopgate.transport.poller import ERR, HUP, IN, OUT, TURNS, Descriptor
from hoopgate.transport.stream import LEAST_READ, MOST_READ
from tests.transport.parts import BULK, Echo, Half, Heard, Kind, Made, Peer, Watched, pause, until

pytestmark = pytest.mark.live
ensure = pytest_twisted.ensureDeferred


def turns(kind: Kind) -> list[int]:
    """Counts the turns in which the poller had an event of its own; the list has one number."""
    poller = kind.net._poller
    counted = [0]
    poll = poller._epoll

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(poll, name)

        def poll(self, *arguments: Any) -> Any:
            events = poll.poll(*arguments)
            counted[0] += any(number != poller._reactors for number, _ in events)
            return events

    poller._epoll = Counting()
    return counted


def sends(transport: Any) -> list[int]:
    """The sizes of what is given to the kernel from now on."""
    sizes: list[int] = []
    send = transport._send

    def counting(data: bytes) -> int:
        sent: int = send(data)
        sizes.append(len(data))
        return sent

    transport._send = counting
    return sizes


# --- writing


@ensure
async def test_what_one_event_writes_goes_out_together(ours: Kind) -> None:
    class Many(Heard):
        def dataReceived(self, data: bytes) -> None:
            for each in range(100):
                self.transport.write(b"%03d" % each)
            assert not sizes, "not before the event's end"

    server, peer = await ours.pair(Many)
    sizes = sends(server.transport)
    await peer.send(b"go")
    await peer.read(300)
    assert sizes == [300]


@ensure
async def test_outside_of_an_event_it_goes_at_once(ours: Kind) -> None:
    server, peer = await ours.pair(Heard)
    sizes = sends(server.transport)
    server.transport.write(b"now")
    server.transport.write(b"and now")
    assert sizes == [3, 7]
    assert await peer.read(10) == b"nowand now"


@ensure
async def test_a_write_asks_the_kernel_for_no_event(ours: Kind) -> None:
    server, peer = await ours.pair(Echo)
    with Watched(ours.net._poller) as watched:
        for _ in range(20):
            await peer.send(b"x" * 1000)
            await peer.read(1000)
        assert watched.asked == []
        server.transport.write(bytes(BULK))
        assert watched.asked != []


@ensure
async def test_much_in_one_event_is_not_kept_until_its_end(ours: Kind) -> None:
    class Much(Heard):
        def dataReceived(self, data: bytes) -> None:
            for _ in range(200):
                self.transport.write(bytes(10_000))
                assert self.transport._pending < 100_000 or self.transport._rest is not None

    server, peer = await ours.pair(Much)
    await peer.send(b"go")
    assert len(await peer.read(2_000_000)) == 2_000_000
    assert not server.lost


@ensure
async def test_flushed_before_the_end_the_half_end_and_tls(ours: Kind) -> None:
    class Ends(Half):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"last")
            self.transport.write(b" words")
            if data == b"lose":
                self.transport.loseConnection()
            elif data == b"half":
                self.transport.loseWriteConnection()
            else:
                self.transport.startTLS(ours.server_context())
                self.transport.write(b"secret")

    address, _ = ours.listen(Ends)
    for how in (b"lose", b"half"):
        peer = ours.peer(address)
        await peer.send(how)
        assert await peer.read_all() == b"last words"
    peer = ours.peer(address)
    await peer.send(b"tls")
    assert await peer.read(10) == b"last words"
    await pause(0.02)
    assert peer.take() == b"", "what is written behind startTLS never goes out in clear text"


@ensure
async def test_a_half_sent_answer_goes_on_before_tls(ours: Kind) -> None:
    """The kernel does not take all the clear text: the rest of it still comes first."""
    server, peer = await ours.pair(Heard)
    server.transport.write(b"c" * BULK)
    assert server.transport._rest is not None
    server.transport.startTLS(ours.server_context())
    server.transport.write(b"secret")
    await pause(0.01)
    assert await peer.read(BULK) == b"c" * BULK


@ensure
async def test_nothing_is_sent_after_abort(ours: Kind) -> None:
    class Aborts(Heard):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"never")
            self.transport.abortConnection()
            self.transport.write(b"never")

    server, peer = await ours.pair(Aborts)
    await peer.send(b"x")
    with pytest.raises(ConnectionResetError):
        await peer.read_all()
    await until(lambda: server.lost)


@ensure
async def test_last_words_are_read_though_our_write_fails(ours: Kind) -> None:
    """A server says why it leaves and closes, while we send it something: its words are worth more than our error."""

    class Busy(Heard):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)

    server, peer = await ours.pair(Busy)
    await peer.send(b"FATAL: goodbye")
    server.transport.pauseProducing()
    server.transport.write(b"unread")
    peer.close()  # with something unread: the kernel resets
    server.transport.resumeProducing()
    for _ in range(5):
        server.transport.write(b"more")
    await until(lambda: server.lost)
    assert server.data == b"FATAL: goodbye"
    assert server.reason.check(error.ConnectionLost)


# --- the order of things in one turn


class Scripted:
    """An epoll instance with events that we make up."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.events: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        events, self.events = self.events[:most], self.events[most:]
        return events


class Noted(Descriptor):
    """Notes its events; its socket is one half of a pair."""

    __slots__ = ("on_event", "seen")

    def __init__(self, poller: Any) -> None:
        self.seen: list[Any] = []
        self.on_event: Any = lambda: None
        super().__init__(poller, socket.socketpair()[0])

    def ready(self, events: int) -> None:
        self.seen.append(events)
        self.on_event()

    def connectionLost(self, reason: Failure) -> None:
        self.seen.append("lost")
        self.socket.close()


class FakeReactor:
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def callLater(self, delay: float, call: Any, *arguments: Any) -> None:
        self.calls.append((call, arguments))


def scripted() -> tuple[Any, Scripted, FakeReactor]:
    reactor = FakeReactor()
    poller = Network(reactor)._poller
    poller._epoll = Scripted(poller._epoll)  # type: ignore[assignment]
    return poller, poller._epoll, reactor  # type: ignore[return-value]


def test_a_descriptor_that_left_in_this_turn_gets_no_event_and_its_number_no_new_owner() -> None:
    poller, script, _ = scripted()
    first, second = Noted(poller), Noted(poller)
    number = second.number
    made: list[Noted] = []

    def leave() -> None:
        second.leave(Failure(error.ConnectionDone()))
        made.append(Noted(poller))

    first.on_event = leave
    script.events = [(first.number, IN), (number, IN), (first.number, OUT)]
    poller.doRead()
    assert second.seen == ["lost"]
    assert first.seen == [IN, OUT]
    assert made[0].number != number, "closed only behind the events"
    assert not made[0].seen
    poller.connectionLost(Failure(error.ConnectionLost()))


def test_an_exception_ends_neither_the_turn_nor_anybody_else() -> None:
    poller, script, _ = scripted()
    bad, good = Noted(poller), Noted(poller)
    bad.on_event = lambda: 1 / 0
    script.events = [(bad.number, IN), (good.number, HUP | ERR)]
    poller.doRead()
    assert bad.seen == [IN, "lost"]
    assert good.seen == [HUP | ERR]
    poller.connectionLost(Failure(error.ConnectionLost()))
    assert good.seen[-1] == "lost"


def test_a_turn_has_a_bound() -> None:
    poller, script, _ = scripted()
    busy = Noted(poller)
    script.events = [(busy.number, IN)] * 1000
    poller.doRead()
    assert 0 < len(busy.seen) < 100
    poller.connectionLost(Failure(error.ConnectionLost()))


@pytest.mark.parametrize(
    ("timeouts", "stopped", "turns"),
    [
        ([None, 0.5, 0], False, 3),  # until a timer is due...
        ([None] * 1000, False, TURNS),  # ...or there were many...
        ([None] * 1000, True, 1),  # ...or the reactor is to stop
    ],
)
def test_turns_follow_each_other_while_the_reactor_has_nothing_to_do(
    timeouts: list[float | None], stopped: bool, turns: int
) -> None:
    poller, script, fake = scripted()
    reactor: Any = fake
    reactor.running, reactor._stopped, reactor.timeout = True, stopped, iter(timeouts).__next__
    busy = Noted(poller)
    busy.on_event = lambda: script.events.append((busy.number, IN))
    busy.on_event()
    poller._reactors = 1 << 20  # as where it waits for the reactor's descriptors, too
    poller.doIteration(5.0)
    assert busy.seen == [IN] * turns
    poller._reactors = -1
    poller.connectionLost(Failure(error.ConnectionLost()))


def test_the_reactor_knows_of_us_only_while_there_is_something_to_watch() -> None:
    poller, _, reactor = scripted()
    assert reactor.readers == []
    one = Noted(poller)
    assert reactor.readers == [poller]
    one.leave(Failure(error.ConnectionDone()))
    assert reactor.readers == []
    assert one.seen == [], "not from within"
    for call, arguments in reactor.calls:
        call(*arguments)
    assert one.seen == ["lost"]


@ensure
async def test_it_waits_for_the_reactor_too(ours: Kind) -> None:
    """Timers, threads and descriptors of the reactor's are served while our connections are busy."""
    server, peer = await ours.pair(Echo)
    assert "doIteration" in vars(reactor)
    busy = True

    def ping() -> None:
        peer.take()
        peer.socket.send(b"x" * 100)
        if busy:
            reactor.callLater(0, ping)

    ping()
    assert await deferToThread(lambda: "from a thread") == "from a thread"
    factory = Made(Echo)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    other = Peer(("127.0.0.1", port.getHost().port))
    await other.send(b"served")
    assert await other.read(6) == b"served"
    other.close()
    busy = False
    await port.stopListening()
    assert server.data


@ensure
async def test_a_second_one_is_a_reader_like_any_other(ours: Kind) -> None:
    first, second = Network(reactor), Network(reactor)
    ports = [net.listenTCP(0, Made(Echo), interface="127.0.0.1") for net in (first, second)]
    assert first._poller._reactors >= 0
    assert second._poller._reactors < 0
    for port in ports:
        peer = Peer(("127.0.0.1", port.getHost().port))
        await peer.send(b"hello")
        assert await peer.read(5) == b"hello"
        peer.close()
        await until(lambda port=port: port.factory.all[0].lost)
    for port in ports:
        await port.stopListening()
    assert "doIteration" not in vars(reactor)


@ensure
async def test_one_read_an_event(ours: Kind) -> None:
    """A peer that sends without end is read once a turn."""
    server, peer = await ours.pair(Heard)
    counted = turns(ours)
    peer.socket.setblocking(False)
    for _ in range(20):
        try:
            peer.socket.send(bytes(1 << 20))
        except BlockingIOError:
            await pause(0)
    await pause(0.02)
    assert len(server.chunks) <= counted[0]
    assert max(server.chunks) <= MOST_READ


# --- reading


@ensure
async def test_reads_grow_with_the_traffic_and_shrink_again(ours: Kind) -> None:
    server, peer = await ours.pair(Heard)
    assert server.transport._size == LEAST_READ
    await peer.send(bytes(BULK))
    await until(lambda: len(server.data) == BULK)
    assert max(server.chunks) > 4 * LEAST_READ
    for _ in range(8):
        await peer.send(b"x")
        await peer.send(b"y")
        await pause(0.005)
    assert server.transport._size == LEAST_READ


@ensure
async def test_pausing_costs_no_system_call_where_nothing_comes(ours: Kind) -> None:
    server, peer = await ours.pair(Heard)
    with Watched(ours.net._poller) as watched:
        for _ in range(10):
            server.transport.pauseProducing()
            server.transport.resumeProducing()
        assert watched.asked == []
        server.transport.pauseProducing()
        await peer.send(b"x")
        await pause(0.02)
        assert len(watched.asked) == 1
        assert not server.data
        server.transport.resumeProducing()
        await until(lambda: server.data)


@ensure
async def test_a_peer_that_leaves_is_noticed_while_paused(ours: Kind) -> None:
    server, peer = await ours.pair(Heard)
    server.transport.pauseProducing()
    peer.close()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionDone)


@ensure
async def test_a_reset_is_noticed_while_paused(ours: Kind) -> None:
    server, peer = await ours.pair(Heard)
    server.transport.pauseProducing()
    peer.reset()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionLost)


@ensure
async def test_a_reset_behind_something_unread_is_noticed_while_paused(ours: Kind) -> None:
    server, peer = await ours.pair(Heard)
    server.transport.pauseProducing()
    await peer.send(b"unread")
    await pause(0.02)
    peer.reset()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionLost)


@ensure
async def test_what_a_peer_said_before_it_left_is_kept_while_paused_and_costs_nothing(ours: Kind) -> None:
    server, peer = await ours.pair(Heard)
    server.transport.pauseProducing()
    await peer.send(b"last words")
    await pause(0.02)
    peer.close()
    await pause(0.02)
    counted = turns(ours)
    await pause(0.1)
    assert counted[0] == 0, "a FIN that is known is no event any more"
    assert not server.lost
    server.transport.resumeProducing()
    await until(lambda: server.lost)
    assert server.data == b"last words"
    assert server.reason.check(error.ConnectionDone)


@ensure
async def test_hung_up_paused_and_half_closed_ones_are_not_watched(ours: Kind, tmp_path: Path) -> None:
    """EPOLLHUP cannot be masked: the kernel must not know of whoever cannot react to it."""
    path = str(tmp_path / "socket")
    factory = Made(Half)
    ours.ports.append(ours.net.listenUNIX(path, factory))
    peer = ours.peer(path)
    server = await factory.next()
    server.transport.pauseProducing()
    await peer.send(b"last words")
    await pause(0.01)
    peer.close()
    await pause(0.02)
    counted = turns(ours)
    await pause(0.1)
    assert counted[0] == 0
    server.transport.resumeProducing()
    await until(lambda: server.read_lost)
    assert server.data == b"last words"
    before = counted[0]
    await pause(0.1)
    assert counted[0] - before <= 1
    assert not server.lost
    server.transport.write(b"to nobody")
    await until(lambda: server.lost)


@ensure
async def test_a_reset_while_half_closed_and_writing(ours: Kind) -> None:
    server, peer = await ours.pair(Half)
    peer.socket.shutdown(socket.SHUT_WR)
    await until(lambda: server.read_lost)
    server.transport.write(bytes(BULK))
    peer.reset()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionLost)


@ensure
async def test_idle_connections_cost_no_turns_and_little_memory(ours: Kind) -> None:
    address, factory = ours.listen(Heard)
    tracemalloc.start()
    try:
        peers = await ours.crowd(address, factory, 40)
        before = tracemalloc.take_snapshot()
        peers += await ours.crowd(address, factory, 400)
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    filters = [tracemalloc.Filter(True, "*/hoopgate/transport/*"), tracemalloc.Filter(True, "*/socket.py")]
    grown = after.filter_traces(filters).compare_to(before.filter_traces(filters), "filename")
    each = sum(one.size_diff for one in grown) / 400
    assert each < 1500, f"{each:.0f} bytes a connection, with the tests' own sockets"
    counted = turns(ours)
    await pause(0.1)
    assert counted[0] == 0


# --- what the system refuses

EXHAUSTION = """
import os, resource, sys
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from hoopgate.transport import Network

class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)

net = Network(reactor) if sys.argv[1] == "ours" else reactor
port = net.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
used = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, used + 10))
print(port.getHost().port, flush=True)
reactor.run()
"""


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@ensure
@pytest.mark.parametrize("name", ["twisted", "ours"])
async def test_without_descriptors_it_waits_and_recovers(name: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", EXHAUSTION, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert child.stdout is not None
        address = ("127.0.0.1", int(child.stdout.readline()))
        peers = [Peer(address) for _ in range(30)]
        for each in peers[:5]:
            await each.send(b"served")
            assert await each.read(6) == b"served"
        before = cpu(child.pid)
        await pause(1.2)
        if name == "ours":
            assert cpu(child.pid) - before < 0.1, "the queue is readable all the time, and must not be looked at so"
        for each in peers:
            each.close()
        later = Peer(address)
        await later.send(b"served")
        assert await later.read(6) == b"served"
        later.close()
    finally:
        child.kill()
        child.wait()


SHUTDOWN = """
import sys
from twisted.internet import reactor
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from hoopgate.transport import Network

class Told(Protocol):
    def connectionMade(self):
        if self.factory.pauses:
            self.transport.pauseProducing()
    def connectionLost(self, reason):
        print("lost", reason.type.__name__, flush=True)

class Server(Factory):
    noisy = False
    protocol = Told
    pauses = True
    def doStop(self):
        print("stopped", flush=True)

class Client(ClientFactory):
    noisy = False
    protocol = Told
    pauses = False
    def clientConnectionLost(self, connector, reason):
        print("client", reason.type.__name__, flush=True)

net = Network(reactor) if sys.argv[1] == "ours" else reactor
port = net.listenTCP(0, Server(), interface="127.0.0.1")
net.connectTCP("127.0.0.1", port.getHost().port, Client())
reactor.callLater(0.2, reactor.stop)
reactor.run()
"""


@pytest.mark.parametrize("name", ["twisted", "ours"])
def test_the_reactor_stops_and_everybody_is_told(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHUTDOWN, name], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == ""
    said = sorted(done.stdout.split("\n")[:-1])
    if name == "twisted":  # which forgets whoever is paused, since it is nowhere registered
        said.append("lost ConnectionLost")
    assert sorted(said) == ["client ConnectionLost", "lost ConnectionLost", "lost ConnectionLost", "stopped"]


@ensure
async def test_a_full_queue_of_a_unix_socket_is_tried_again(ours: Kind, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(path)
    waiting = UNIXClientEndpoint(ours.net, path).connect(Made(Heard))
    await pause(0.05)
    assert not waiting.called
    listener.accept()[0].close()
    client = await waiting
    first.close()
    listener.close()
    await until(lambda: client.lost)


@ensure
async def test_a_shared_port(ours: Kind) -> None:
    factory = Made(Heard)
    first = ours.net.listenTCP(0, factory, interface="127.0.0.1", reuse_port=True)
    second = ours.net.listenTCP(first.getHost().port, factory, interface="127.0.0.1", reuse_port=True)
    ours.ports += [first, second]
    assert first.getHost() == second.getHost()
