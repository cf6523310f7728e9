"""A connection: Twisted's ITransport, consumer and producer, for ordinary Protocols, in clear text and over TLS.

It behaves as Twisted's own, with these differences: what is written outside of any event of ours goes out at once;
a producer is paused as soon as the kernel takes no more (not behind 64 KiB); TCP_NODELAY is set; where a write fails
because the peer has left, what the peer said last is still delivered before the connection is lost; and a peer that
leaves is noticed while reading is paused, unless something of it is still unread.
"""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from typing import Any, Final

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IPushProducer,
    ISSLTransport,
    ISystemHandle,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import classImplements

from hoopgate.transport.poller import ERR, HUP, IN, OUT, RDHUP, Poller
from hoopgate.transport.sending import AT_ONCE, Sending, lost
from hoopgate.transport.tls import Context, Tls

LEAST_READ: Final = 16_384  # bytes that one event reads; a quiet connection needs no more
MOST_READ: Final = 262_144  # the same of a busy one
LINGER: Final = 5.0  # seconds that a peer has to answer our close_notify
_RESET: Final = struct.pack("ii", 1, 0)


class Stream(Sending):
    """One connection over ``sock``, which does not block. ``connector`` is Twisted's, on connections that we opened."""

    __slots__ = ("_aborted", "_connector", "_hung_up", "_paused", "_read_closed", "_recv", "_size", "protocol")

    def __init__(self, poller: Poller, sock: socket.socket, peer: Any, connector: Any = None) -> None:
        super().__init__(poller, sock, peer, connector is not None)
        self._recv = sock.recv
        self._size = LEAST_READ
        self._connector = connector
        self._paused = False
        self._read_closed = False  # the peer sends nothing more
        self._hung_up = False  # nor will it, but not all is read
        self._aborted = False
        self.protocol: Any = None

    def start(self, protocol: Any) -> None:
        """Give the connection to its protocol."""
        self.protocol = protocol
        self.connected = self._reading = True
        try:
            self._watch()  # which fails where the kernel watches as many as it may (epoll(7), max_user_watches)
            protocol.makeConnection(self)
        except Exception:
            self.poller.failed(self)

    def logPrefix(self) -> str:
        return type(self.protocol).__name__

    def __conform__(self, interface: Any) -> Any:
        """Twisted's HTTP server asks so whether a connection is secure."""
        return self if interface is ISSLTransport and self._tls is not None else None

    # --- reading

    def readable(self) -> None:
        if not self._reading:
            self._watch()  # pausing costs a system call only where something comes meanwhile
            return
        size = self._size
        try:
            data = self._recv(size)
        except BlockingIOError:
            return
        except OSError as error:
            self.leave(lost(error))
            return
        length = len(data)
        if length == size:
            self._size = min(size << 2, MOST_READ)
        elif length < size >> 4 and size > LEAST_READ:
            self._size = size >> 2
        if not length:
            self._ended()
        elif self._tls is None:
            self.protocol.dataReceived(data)
        else:
            self._secured(data)

    def ready(self, events: int) -> None:
        if events & OUT:
            self._writable()
        if events & IN and self._reading:
            self.readable()
        elif events & (ERR | HUP | RDHUP) and self.number >= 0:
            self._left(events)

    def _left(self, events: int) -> None:
        """The peer has gone, or has said all it will, and we do not read."""
        if self._paused and not events & ERR:
            try:
                self._hung_up = bool(self._recv(1, socket.MSG_PEEK))
            except OSError as error:
                self.leave(lost(error))
                return
            if self._hung_up:  # what it sent before is read once we may
                self._watch()
            else:
                self._ended()
        elif events & (ERR | HUP):
            self.leave(lost(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
        else:
            self._watch()

    def _ended(self) -> None:
        """The peer sends nothing more: FIN, or TLS's close_notify."""
        tls = self._tls
        self._reading = self._paused = False
        self._read_closed = True
        if self._broken:
            self.leave(lost(0))
        elif self.disconnecting:
            self.leave(Failure(ConnectionDone()))
        elif tls is not None and not tls.peer_closed:
            when = "without close_notify" if tls.established else "during the TLS handshake"
            self.leave(Failure(ConnectionLost(f"the peer closed the connection {when}")))
        elif IHalfCloseableProtocol.providedBy(self.protocol):
            self._watch()
            self.protocol.readConnectionLost()
        else:
            self._answer_close()
            self.leave(Failure(ConnectionDone()))

    def pauseProducing(self) -> None:
        self._paused = self._paused or self._reading
        self._reading = False

    def resumeProducing(self) -> None:
        if self._paused and self.connected and not self.disconnecting:
            self._paused, self._reading = False, True
            self._watch()
            if self._tls is not None and self._tls.incoming.pending:
                self.poller.resumed.append(self)
                self.poller.settle_soon()

    def stopProducing(self) -> None:
        self.loseConnection()

    def _watch(self) -> None:
        mask = 0
        if self._reading:
            mask = IN | RDHUP
        elif self._paused and not self._hung_up:
            mask = RDHUP
        if self._rest is not None or (self.producer is not None and not self.streamingProducer):
            mask |= OUT
        self.watch(mask)

    # --- TLS

    def startTLS(self, context: Context, *, received: bytes = b"") -> None:
        """Speak TLS from here on, in the role of ``context``; what was written before goes out in clear text.

        ``received`` are bytes of the peer's TLS that the protocol has got already: of a client that begins without
        asking. Nothing else that was received before may count as said over TLS: the protocol has to refuse it.
        A protocol that provides IHandshakeListener is told of the handshake's end; a failed one loses the connection,
        with an ssl.SSLError as the reason. What is written meanwhile waits.
        """
        if self._tls is not None:
            raise RuntimeError("TLS has begun already")
        if self._write_closed:
            return
        clear = b"".join(self._out)
        self._out.clear()
        self._pending = 0
        self._tls = Tls(context, clear)
        self._secured(received)

    def getPeerCertificate(self) -> bytes | None:
        """The peer's certificate, in DER; None where it has shown none."""
        return None if self._tls is None else self._tls.engine.getpeercert(binary_form=True)

    @property
    def negotiatedProtocol(self) -> bytes | None:
        """What both sides agreed on by ALPN (RFC 7301)."""
        name = None if self._tls is None else self._tls.engine.selected_alpn_protocol()
        return None if name is None else name.encode()

    def _secured(self, data: bytes) -> None:
        """Bytes of TLS have come."""
        tls = self._tls
        assert tls is not None
        if tls.closing and self.disconnecting:
            return
        try:
            if not tls.established:
                tls.incoming.write(data)
                if tls.handshake():
                    self._established(tls)
                self._flush_soon()
                return
            clear = tls.decrypt(data)
        except ssl.SSLError as error:
            self._insecure(error)
            return
        if clear and not self.disconnecting:
            self.protocol.dataReceived(clear)
        if tls.peer_closed:
            if not self._read_closed:
                self._ended()
        elif tls.outgoing.pending > AT_ONCE and self._rest is not None:
            # OpenSSL's own, for which no producer can be paused: each KeyUpdate asks for one in return
            self.leave(Failure(ConnectionLost("the peer does not read the answers of TLS that it asks for")))
        elif tls.outgoing.pending:
            self._flush_soon()

    def _established(self, tls: Tls) -> None:
        if IHandshakeListener.providedBy(self.protocol) and not self.disconnecting:
            self.protocol.handshakeCompleted()
        if self._reading and tls.incoming.pending:
            self._secured(b"")

    def deliver(self) -> None:
        if self._reading:
            self._secured(b"")

    def _insecure(self, error: ssl.SSLError) -> None:
        """Say so to the peer, and leave."""
        self._out.clear()
        self._pending = 0
        self.flush()
        self.leave(Failure(error))

    # --- the end

    def loseConnection(self) -> None:
        if not self.connected or self.disconnecting:
            return
        self.disconnecting = True
        tls = self._tls
        self._paused = False
        self._reading = tls is not None and not self._read_closed and (tls.established or bool(self._out))
        if self._write_closed and self._rest is None:
            self.leave(Failure(ConnectionDone()))
            return
        if self._reading:
            self._watch()
        self._flush_soon()

    def loseWriteConnection(self) -> None:
        if self.connected and not self._write_closing:
            self._write_closing = True
            self._flush_soon()

    def abortConnection(self) -> None:
        """Drop what was not sent, and have the peer see a reset."""
        if self.connected and self.number >= 0:
            self._aborted = True
            self.leave(Failure(ConnectionAborted()))

    def leave(self, reason: Failure) -> None:
        if self.number >= 0:
            self._reading = self._paused = False
            self._write_closed = True
            self._out.clear()
            self._rest = None
        super().leave(reason)

    def _finish(self) -> None:
        tls = self._tls
        if tls is None or not tls.established or tls.peer_closed or self._read_closed:
            self.leave(Failure(ConnectionDone()))
        elif (
            tls.timer is None
        ):  # a socket that is closed with something unread resets, and the peer loses our last words
            self._shutdown()
            self._reading = True
            self._watch()
            tls.timer = self.poller.reactor.callLater(LINGER, self.leave, Failure(ConnectionDone()))

    def _close_write(self) -> None:
        self._shutdown()
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.writeConnectionLost()

    def _shutdown(self) -> None:
        self._write_closed = True
        with suppress(OSError):  # the peer has left, as the next event says
            self.socket.shutdown(socket.SHUT_WR)

    def _answer_close(self) -> None:
        tls = self._tls
        if tls is not None and not tls.closing:
            self.flush()
            tls.close()
            self.flush()

    def connectionLost(self, reason: Failure) -> None:
        self.connected, self.disconnected = False, True
        tls, protocol, producer = self._tls, self.protocol, self.producer
        self.protocol = self.producer = None
        if self._aborted:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()
        if tls is not None:
            tls.over()
        try:
            if producer is not None:
                producer.stopProducing()
        finally:
            try:
                if protocol is not None:
                    protocol.connectionLost(reason)
            finally:
                if self._connector is not None:
                    self._connector.connectionLost(reason)


classImplements(Stream, ITCPTransport, IConsumer, IPushProducer, ISystemHandle, ILoggingContext)
