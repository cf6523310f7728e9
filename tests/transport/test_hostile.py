"""Peers and kernels that mean no good: what they cost is bounded, and nobody else pays."""

from __future__ import annotations

import _ssl
import ctypes
import ssl
from typing import Any

import pytest_twisted

from hoopgate.transport.sending import AT_ONCE
from tests.transport.parts import BULK, Echo, Heard, Kind, Peer, Watched, until


class Secured(Heard):
    """Speaks TLS from the start."""

    context: Any = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.startTLS(self.context)  # type: ignore[union-attr]


class Client:
    """TLS of a peer's, whose every record is in our hands."""

    def __init__(self, peer: Peer) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.peer = peer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.engine = context.wrap_bio(self.incoming, self.outgoing)

    async def shake(self) -> None:
        def done() -> bool:
            try:
                self.engine.do_handshake()
            except ssl.SSLWantReadError:
                self.incoming.write(self.peer.take())
                return False
            finally:
                if self.outgoing.pending:
                    self.peer.socket.sendall(self.outgoing.read())
            return True

        await until(done, "the handshake")

    def key_updates(self, count: int) -> bytes:
        """So many that each ask for one in return (RFC 8446, section 4.6.3); Python's ssl does not offer it."""
        library = ctypes.CDLL(_ssl.__file__)
        # struct PySSLSocket: the object's head of two words, the socket, SSL *
        pointer = ctypes.c_void_p(
            ctypes.c_void_p.from_address(id(self.engine._sslobj) + 3 * ctypes.sizeof(ctypes.c_void_p)).value  # type: ignore[attr-defined]
        )
        for _ in range(count):
            assert library.SSL_key_update(pointer, 1) == 1
            library.SSL_do_handshake(pointer)
        return self.outgoing.read()


@pytest_twisted.ensureDeferred
async def test_key_updates_whose_answers_nobody_reads_end_the_connection(ours: Kind) -> None:
    """The answers are OpenSSL's own: no producer can be paused for them."""
    Secured.context = ours.server_context()
    server, peer = await ours.pair(Secured, receive_buffer=4096)
    client = Client(peer)
    await client.shake()
    await until(lambda: server.shaken, "the server's handshake")
    server.transport.write(bytes(BULK))  # the kernel does not take all of it
    records = client.key_updates(2 * AT_ONCE // 22)
    for at in range(0, len(records), 16384):
        if server.lost:
            break
        await peer.send(records[at : at + 16384])
    await until(lambda: server.lost, "the end")
    assert "does not read the answers" in str(server.reason.value)


@pytest_twisted.ensureDeferred
async def test_key_updates_of_one_who_reads_are_answered(ours: Kind) -> None:
    class SecuredEcho(Secured, Echo):
        pass

    SecuredEcho.context = ours.server_context()
    server, peer = await ours.pair(SecuredEcho)
    client = Client(peer)
    await client.shake()
    for round_ in range(1, 4):
        client.engine.write(b"a")
        await peer.send(client.key_updates(100) + client.outgoing.read())
        await until(lambda expected=round_: len(server.data) == expected)  # type: ignore[misc]
    client.engine.write(b"b")
    await peer.send(client.outgoing.read())
    await until(lambda: bytes(server.data) == b"aaab")
    assert not server.lost


@pytest_twisted.ensureDeferred
async def test_no_timer_outlives_a_connection(ours: Kind) -> None:
    """It would keep the connection, and all of OpenSSL's state, for seconds after the end."""
    from twisted.internet import reactor

    Secured.context = ours.server_context()
    server, peer = await ours.pair(Secured)
    client = Client(peer)
    await client.shake()
    await until(lambda: server.shaken)
    stream = server.transport
    stream.loseConnection()
    await until(lambda: stream._tls.timer is not None, "the wait for the peer's close_notify")
    peer.socket.close()
    await until(lambda: server.lost)
    assert not [call for call in reactor.getDelayedCalls() if getattr(call.func, "__self__", None) is stream]  # type: ignore[attr-defined]


@pytest_twisted.ensureDeferred
async def test_what_cannot_be_watched_costs_neither_the_listener_nor_the_reactor(ours: Kind) -> None:
    """fs.epoll.max_user_watches is for all processes of a user: others may have used it up."""
    address, factory = ours.listen(Echo)
    with Watched(ours.net._poller) as watched:
        watched.full = True
        peer = ours.peer(address)
        await until(lambda: watched.refused and factory.all[0].lost, "the end of the one that cannot be watched")
        await peer.read_all()
    again = ours.peer(address)
    await again.send(b"hello")
    assert await again.read(5) == b"hello"
