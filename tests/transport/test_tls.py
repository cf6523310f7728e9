"""TLS that begins in mid-connection, on both transports where both can, and what only ours promises."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import pytest_twisted
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.endpoints import TCP4ClientEndpoint

from hoopgate.development.certificates import Authority
from hoopgate.transport import ClientContext, ServerContext
from hoopgate.transport.tls import Tls
from tests.transport.parts import BULK, Echo, Half, Heard, Kind, Made, Peer, Source, pause, until

pytestmark = pytest.mark.live
ensure = pytest_twisted.ensureDeferred


class Asked(Heard):
    """A server that begins TLS when it is asked to; then it is an echo."""

    context: Any = None

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if not self.shaken and data == b"tls?":
            self.transport.write(b"yes")
            self.transport.startTLS(self.context())
        else:
            self.transport.write(data)


class Asks(Heard):
    """A client that asks for TLS, and writes at once what is to go over it."""

    context: Any = None
    first = b"hello"

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.write(b"tls?")

    def dataReceived(self, data: bytes) -> None:
        if not self.shaken and data == b"yes":
            self.transport.startTLS(self.context())
            self.transport.write(self.first)
        else:
            super().dataReceived(data)


def protocol(base: type[Any], make: Callable[[], Any], **options: Any) -> Callable[[], Any]:
    return type("Protocol", (base,), {"context": staticmethod(make), **options})


class Client:
    """The other side in TLS: OpenSSL between a peer's socket and memory, a step at a time."""

    def __init__(self, peer: Peer, context: ssl.SSLContext, *, slowly: bool = False, session: Any = None) -> None:
        self.peer = peer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost", session=session)
        self.slowly = slowly

    async def flush(self) -> None:
        data = self.outgoing.read()
        for each in [data[n : n + 1] for n in range(len(data))] if self.slowly else [data]:
            await self.peer.send(each) if each else None
            if self.slowly:
                await pause(0)

    def step(self, work: Callable[[], Any]) -> Any:
        data = self.peer.take()
        if data:
            self.incoming.write(data)
        elif self.peer.ended:
            self.incoming.write_eof()
        try:
            return (work(),)
        except ssl.SSLWantReadError:
            return None

    async def do(self, work: Callable[[], Any]) -> Any:
        """The outcome of ``work``, once enough has come for it."""
        while not (done := self.step(work)):
            await self.flush()
            await pause(0.001)
        await self.flush()
        return done[0]

    async def shake(self) -> Client:
        await self.do(self.tls.do_handshake)
        return self

    async def write(self, data: bytes) -> None:
        self.tls.write(data)
        await self.flush()

    async def read(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            got += await self.do(lambda: self.tls.read(1 << 16))
        return got


def trusting(authority: Authority, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.maximum_version = most
    return context


async def secured(kind: Kind, base: type[Any] = Asked, **options: Any) -> tuple[Any, Client]:
    """A server of ours or Twisted's and a bare client, behind their handshake."""
    server, peer = await kind.pair(protocol(base, kind.server_context))
    await peer.send(b"tls?")
    assert await peer.read(3) == b"yes"
    client = await Client(peer, trusting(kind.authority), **options).shake()
    await until(lambda: server.shaken)
    server.data.clear()
    return server, client


# --- both transports


@ensure
async def test_tls_in_mid_connection_in_both_roles(kind: Kind) -> None:
    address, servers = kind.listen(protocol(Asked, kind.server_context))
    clients = Made(protocol(Asks, kind.client_context, first=b"x" * 100_000))
    client = await TCP4ClientEndpoint(kind.net, *address).connect(clients)
    await until(lambda: len(client.data) == 100_000)
    server = servers.all[0]
    assert (server.shaken, client.shaken) == (1, 1)
    assert server.data == b"tls?" + b"x" * 100_000
    client.transport.loseConnection()
    await until(lambda: client.lost and server.lost)
    assert client.reason.check(error.ConnectionDone)
    assert server.reason.check(error.ConnectionDone)


@ensure
async def test_a_handshake_byte_by_byte(kind: Kind) -> None:
    server, client = await secured(kind, slowly=True)
    await client.write(b"drop by drop")
    assert await client.read(12) == b"drop by drop"
    assert server.shaken == 1


@ensure
async def test_bulk_both_ways_over_tls(kind: Kind) -> None:
    server, client = await secured(kind)
    data = bytes(range(256)) * (BULK // 256)
    server.transport.write(data)
    assert await client.read(BULK) == data
    for offset in range(0, BULK, 1 << 20):
        await client.write(data[offset : offset + (1 << 20)])
        await client.read(1 << 20)
    assert server.data == data


@ensure
async def test_pending_data_and_close_notify_go_out_before_the_end(kind: Kind) -> None:
    server, client = await secured(kind)
    server.transport.write(b"x" * 1_000_000)
    server.transport.loseConnection()
    assert await client.read(1_000_000) == b"x" * 1_000_000
    assert await client.do(lambda: client.tls.read(10)) == b"", "close_notify, and no bare end"
    await client.do(client.tls.unwrap)
    client.peer.close()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionDone)


@ensure
async def test_the_peers_close_notify_is_answered(kind: Kind) -> None:
    server, client = await secured(kind)
    await client.write(b"last")
    await client.read(4)
    await client.do(client.tls.unwrap)
    await until(lambda: server.lost)
    assert server.data == b"last"
    assert server.reason.check(error.ConnectionDone)


@ensure
async def test_an_end_without_close_notify_is_a_loss(kind: Kind) -> None:
    server, client = await secured(kind)
    client.peer.close()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionLost), "whoever is in the middle may have cut it off"


@ensure
async def test_bytes_that_are_no_tls_lose_the_connection(kind: Kind) -> None:
    server, client = await secured(kind)
    await client.peer.send(b"this is clear text that was never encrypted")
    await until(lambda: server.lost)
    assert not server.data
    assert not server.reason.check(error.ConnectionDone)


@ensure
async def test_a_client_that_does_not_trust_us_says_so(kind: Kind) -> None:
    server, peer = await kind.pair(protocol(Asked, kind.server_context))
    await peer.send(b"tls?")
    await peer.read(3)
    with pytest.raises(ssl.SSLCertVerificationError):
        await Client(peer, ssl.create_default_context(cadata=Authority("another").pem.decode())).shake()
    # what the step above left behind is the alert
    peer.socket.send(b"")
    peer.close()
    await until(lambda: server.lost)
    assert server.shaken == 0
    assert not server.reason.check(error.ConnectionDone)


@ensure
async def test_back_pressure_over_tls(kind: Kind) -> None:
    server, client = await secured(kind)
    source = Source(server.transport, 2 * BULK)
    source.start()
    await until(lambda: source.pauses)
    assert source.sent < 2 * BULK
    assert len(await client.read(2 * BULK)) == 2 * BULK


@ensure
async def test_losing_over_tls_in_the_middle_of_the_handshake(kind: Kind) -> None:
    server, peer = await kind.pair(protocol(Asked, kind.server_context))
    await peer.send(b"tls?")
    await peer.read(3)
    server.transport.loseConnection()
    await until(lambda: server.lost)


# --- ours


@ensure
async def test_direct_tls_whose_hello_the_protocol_has_read(ours: Kind) -> None:
    class Direct(Echo):
        context = staticmethod(ours.server_context)

        def dataReceived(self, data: bytes) -> None:
            if not self.shaken and data[:1] == b"\x16":
                self.transport.startTLS(self.context(), received=data)
            else:
                super().dataReceived(data)

    server, peer = await ours.pair(Direct)
    client = await Client(peer, trusting(ours.authority)).shake()
    await client.write(b"hello")
    assert await client.read(5) == b"hello"
    assert server.shaken == 1


@ensure
async def test_what_came_before_tls_is_not_read_as_tls_nor_after_it(ours: Kind) -> None:
    """CVE-2021-23214: the protocol has what was injected, and the transport has nothing of it."""
    server, peer = await ours.pair(protocol(Asked, ours.server_context))
    await peer.send(b"tls?")
    await peer.read(3)
    await peer.send(b"injected: SELECT 1")
    await until(lambda: server.lost)
    assert server.data == b"tls?"
    assert server.reason.check(ssl.SSLError)


@ensure
async def test_tls_begins_once(ours: Kind) -> None:
    server, _ = await secured(ours)
    with pytest.raises(RuntimeError):
        server.transport.startTLS(ours.server_context())


@ensure
async def test_half_closed_over_tls(ours: Kind) -> None:
    class HalfAsked(Asked, Half):
        pass

    server, client = await secured(ours, HalfAsked)
    server.transport.loseWriteConnection()
    assert await client.do(lambda: client.tls.read(10)) == b""
    await until(lambda: server.write_lost)
    await client.write(b"still heard")
    await until(lambda: server.data == b"still heard")
    client.tls.unwrap()
    await client.flush()
    await until(lambda: server.read_lost)
    assert not server.lost
    server.transport.loseConnection()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionDone)


@ensure
async def test_a_peer_that_ignores_close_notify_does_not_stay(ours: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopgate.transport.stream.LINGER", 0.1)
    server, client = await secured(ours)
    server.transport.loseConnection()
    await pause(0.03)
    await client.write(b"and it talks on")
    await pause(0.03)
    assert not server.lost
    await until(lambda: server.lost)
    assert not server.data


@ensure
async def test_what_was_read_over_tls_waits_while_paused(ours: Kind) -> None:
    """The first words come with the end of the handshake, and the protocol pauses as it ends."""

    class Paused(Asked):
        def handshakeCompleted(self) -> None:
            super().handshakeCompleted()
            self.transport.pauseProducing()

    server, peer = await ours.pair(protocol(Paused, ours.server_context))
    await peer.send(b"tls?")
    await peer.read(3)
    client = Client(peer, trusting(ours.authority))
    await client.flush()
    while not client.step(client.tls.do_handshake):
        if not client.outgoing.pending or client.incoming.pending:
            await pause(0.001)
            continue
        await client.flush()
    client.tls.write(b"first words")
    await client.flush()
    await until(lambda: server.shaken)
    await pause(0.02)
    assert server.data == b"tls?"
    server.transport.resumeProducing()
    assert server.data == b"tls?", "not from within"
    await until(lambda: server.data == b"tls?first words")


@ensure
async def test_the_handshakes_of_today_only(ours: Kind) -> None:
    for oldest, works in ((SSL.TLS1_1_VERSION, False), (SSL.TLS1_2_VERSION, True), (SSL.TLS1_3_VERSION, True)):
        server, peer = await ours.pair(protocol(Asked, ours.server_context))
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(oldest)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        await peer.send(b"tls?")
        await peer.read(3)
        connection = SSL.Connection(context)
        connection.set_connect_state()
        assert await shaken(connection, peer) is works
        await until(lambda server=server, works=works: server.shaken if works else server.lost)


async def shaken(connection: SSL.Connection, peer: Peer) -> bool:
    """Whether pyOpenSSL's handshake, the first or a further one, comes to its end."""
    done = False
    while not done:
        try:
            connection.do_handshake()
            done = True
        except SSL.WantReadError:
            await pause(0.001)
        except SSL.Error:
            return False
        with suppress(SSL.WantReadError):
            await peer.send(connection.bio_read(1 << 16))
        if data := peer.take():
            connection.bio_write(data)
        elif peer.ended:
            return False
    return True


@ensure
async def test_nobody_negotiates_again(ours: Kind) -> None:
    server, peer = await ours.pair(protocol(Asked, ours.server_context))
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    await peer.send(b"tls?")
    await peer.read(3)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    assert await shaken(connection, peer)
    await until(lambda: server.shaken)
    assert connection.renegotiate()
    assert not await shaken(connection, peer)
    assert server.shaken == 1


@ensure
async def test_one_ticket_each_handshake_and_it_resumes(ours: Kind) -> None:
    context = trusting(ours.authority)
    tickets: list[Any] = []
    context._msg_callback = lambda connection, way, version, content, message, data: (  # type: ignore[attr-defined]
        tickets.append(message) if getattr(message, "name", "") == "NEWSESSION_TICKET" else None
    )
    shown = ours.server_context()
    session = None
    for turn in range(3):
        server, peer = await ours.pair(protocol(Asked, lambda: shown))
        await peer.send(b"tls?")
        await peer.read(3)
        client = await Client(peer, context, session=session).shake()
        await client.write(b"x")
        await client.read(1)
        assert client.tls.session_reused is (turn > 0)
        assert len(tickets) == turn + 1
        session = client.tls.session
        await client.do(client.tls.unwrap)
        await until(lambda server=server: server.lost)


@ensure
async def test_our_client_resumes_and_knows_its_server(ours: Kind) -> None:
    pair = ours.authority.server()
    shown = ServerContext(pair.certificate, pair.key, alpn=["one", "two"])
    context = ClientContext("localhost", ca=ours.authority.pem, alpn=["two", "three"])
    reused = []
    for _ in range(2):
        address, servers = ours.listen(protocol(Asked, lambda: shown))
        client = await TCP4ClientEndpoint(ours.net, *address).connect(Made(protocol(Asks, lambda: context)))
        await until(lambda client=client: client.data == b"hello")
        assert client.transport.negotiatedProtocol == b"two"
        first = pair.certificate.decode().partition("\n-----BEGIN")[0]
        assert client.transport.getPeerCertificate() == ssl.PEM_cert_to_DER_cert(first)
        assert servers.all[0].transport.getPeerCertificate() is None
        reused.append(client.transport._tls.engine.session_reused)
        client.transport.loseConnection()
        await until(lambda client=client: client.lost)
    assert reused == [False, True]


OTHER = Authority("another")


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({}, "localhost", "self.signed"),
        ({"ca": OTHER.pem}, "localhost", "self.signed|unable to get|signature"),
        ({"ca": "ours"}, "elsewhere.example", "Hostname mismatch"),
        ({"ca": "ours"}, "127.0.0.2", "IP address mismatch"),
        ({"ca": "ours"}, "localhost", ""),
        ({"ca": "ours"}, "127.0.0.1", ""),
        ({"ca": "ours", "check_hostname": False}, "elsewhere.example", ""),
        ({"ca": OTHER.pem, "check_hostname": False}, "localhost", "self.signed|unable to get|signature"),
        ({"verify": False}, "elsewhere.example", ""),
    ],
)
@ensure
async def test_whom_our_client_believes(ours: Kind, options: dict[str, Any], name: str, words: str) -> None:
    """libpq's verify-full, verify-ca and require."""
    given = {**options, "ca": ours.authority.pem} if options.get("ca") == "ours" else options
    context = ClientContext(name, **given)
    address, servers = ours.listen(protocol(Asked, ours.server_context))
    client = await TCP4ClientEndpoint(ours.net, *address).connect(Made(protocol(Asks, lambda: context)))
    await until(lambda: client.lost or client.data)
    assert bool(words) == bool(client.lost)
    if words:
        assert client.reason.check(ssl.SSLCertVerificationError)
        assert re.search(words, client.reason.value.verify_message)
        await until(lambda: servers.all[0].lost)
        assert "alert" in str(servers.all[0].reason.value), "the server is told why"
        assert not client.shaken


@ensure
async def test_certificates_of_clients(ours: Kind) -> None:
    pair, person = ours.authority.server(), ours.authority.client("ada")
    shown = ServerContext(pair.certificate, pair.key, client_ca=ours.authority.pem)
    for options, welcome in (({"certificate": person.certificate, "key": person.key}, True), ({}, False)):
        address, servers = ours.listen(protocol(Asked, lambda: shown))
        context = ClientContext("localhost", ca=ours.authority.pem, **options)
        client = await TCP4ClientEndpoint(ours.net, *address).connect(Made(protocol(Asks, lambda c=context: c)))
        server = await servers.next()
        await until(lambda client=client: client.lost or client.data)
        assert bool(client.data) is welcome
        if welcome:
            assert server.transport.getPeerCertificate() is not None
        else:
            await until(lambda server=server: server.lost)
            assert not server.shaken


def test_keys_and_certificates_that_cannot_be_used(authority: Authority) -> None:
    pair, other = authority.server(), authority.server()
    ServerContext(pair.certificate, pair.key)
    for certificate, key in (
        (pair.certificate, other.key),
        (b"", pair.key),
        (pair.certificate, b""),
        (b"nonsense", b"nonsense"),
        (pair.certificate, encrypted(pair.key)),
    ):
        with pytest.raises((ssl.SSLError, OSError, ValueError)):
            ServerContext(certificate, key)
    with pytest.raises((ssl.SSLError, ValueError)):
        ServerContext(pair.certificate, pair.key, client_ca=b"nonsense")
    with pytest.raises((ssl.SSLError, ValueError)):
        ClientContext("localhost", ca=b"nonsense")


def encrypted(key: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )


@ensure
async def test_one_that_never_shakes_hands_holds_nothing_up(ours: Kind) -> None:
    """Its time limit is the protocol's to set; what is written meanwhile is bounded by pausing the producer."""
    server, peer = await ours.pair(protocol(Asked, ours.server_context))
    await peer.send(b"tls?")
    await peer.read(3)
    source = Source(server.transport, BULK)
    source.start()
    assert source.pauses == 1
    assert source.sent <= 2 * 65536
    client = await Client(peer, trusting(ours.authority)).shake()
    assert len(await client.read(BULK)) == BULK


def test_nothing_follows_close_notify(authority: Authority) -> None:
    pair = authority.server()
    server = Tls(ServerContext(pair.certificate, pair.key), b"")
    client = Tls(ClientContext("localhost", ca=authority.pem), b"clear ")
    client.handshake()
    hello = client.encrypt([b"kept until the handshake is over"])
    assert hello.startswith(b"clear \x16"), "what was written before TLS goes out as it is, and first"
    server.incoming.write(hello.removeprefix(b"clear "))
    while not (client.established and server.established):
        server.handshake()
        client.incoming.write(server.encrypt([]))
        client.handshake()
        server.incoming.write(client.encrypt([]))
    server.close()
    out: list[bytes | memoryview] = [b"too late"]
    assert client.decrypt(server.encrypt(out)) == b""
    assert client.peer_closed
    assert out == []
    assert server.encrypt([b"too late"]) == b""


@ensure
async def test_aborting_over_tls(ours: Kind) -> None:
    server, client = await secured(ours)
    server.transport.write(bytes(BULK))
    server.transport.abortConnection()
    await until(lambda: server.lost)
    assert server.reason.check(error.ConnectionAborted)
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        await client.read(BULK)
