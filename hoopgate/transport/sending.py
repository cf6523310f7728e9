"""The writing half of a connection: what is written in one event goes out together, and who writes too much pauses."""

from __future__ import annotations

import os
import socket
from abc import abstractmethod
from collections.abc import Iterable
from errno import ECONNRESET, EPIPE
from typing import Any, Final

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from hoopgate.transport.endpoint import Endpoint
from hoopgate.transport.poller import Poller
from hoopgate.transport.tls import Tls

AT_ONCE: Final = 65_536  # bytes that are not kept back until the end of an event


def lost(error: OSError | int) -> Failure:
    """The reason of a connection that ended with this error."""
    code = error if isinstance(error, int) else error.errno
    return Failure(ConnectionLost(os.strerror(code)) if code else ConnectionLost())


class Sending(Endpoint):
    """Collects, sends, and is a consumer (IConsumer) of a producer that pushes or is asked."""

    __slots__ = (
        "_broken",
        "_out",
        "_pending",
        "_queued",
        "_reading",
        "_rest",
        "_send",
        "_tls",
        "_write_closed",
        "_write_closing",
        "connected",
        "disconnected",
        "disconnecting",
        "producer",
        "producerPaused",
        "streamingProducer",
    )

    def __init__(self, poller: Poller, sock: socket.socket, peer: Any, opened: bool = False) -> None:
        super().__init__(poller, sock, peer, opened)
        self._send = sock.send
        self._out: list[bytes | memoryview] = []  # written and not yet sent, in clear text
        self._pending = 0  # bytes in it
        self._rest: memoryview | None = None  # what the kernel did not take
        self._queued = False  # to be flushed at the end of this event
        self._tls: Tls | None = None
        self._reading = False
        self._broken = False  # a write has failed
        self._write_closing = False  # our half is to be closed once all is sent
        self._write_closed = False  # nothing can be written any more
        self.connected = self.disconnecting = self.disconnected = False
        self.producer: Any = None
        self.producerPaused = self.streamingProducer = False

    def write(self, data: bytes) -> None:
        """Send ``data``: at the end of this event, or at once outside of one."""
        if type(data) is not bytes:
            if not isinstance(data, bytes | bytearray | memoryview):
                raise TypeError(f"bytes can be sent, {type(data).__name__} cannot")
            data = bytes(data)
        if self._write_closed or not data:
            return
        self._out.append(data)
        self._pending += len(data)
        if self._rest is not None or self._pending >= AT_ONCE or not self.poller.inside:
            self.flush(writing=True)
            self._spare()
            if self.producerPaused or self.disconnecting or self._write_closing:
                self._flush_soon()  # what waits for the last byte does so outside of a write
        elif not self._queued:
            self._queued = True
            self.poller.unflushed.append(self)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def flush(self, *, writing: bool = False) -> None:
        """Send what was written, as far as the kernel takes it, and go on with what has waited for that.

        ``writing``: from within a write, where nothing else may happen.
        """
        self._queued = False
        out = self._out
        data: bytes | memoryview
        while self._rest is None:
            if self._tls is not None:
                data = self._sealed(self._tls)
                if not data:
                    break
            elif out:
                data = out.pop() if len(out) == 1 else self._joined()
                self._pending = 0
            else:
                break
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._unsendable(error)
                return
            if sent < len(data):
                self._rest = memoryview(data)[sent:]
                self._spare()
                self._watch()
                return
            if not out:
                break
        waited_for = self.producerPaused or self.disconnecting or self._write_closing
        if waited_for and not writing and not out and self._rest is None:
            self._drained()

    def _joined(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _sealed(self, tls: Tls) -> bytes:
        data = tls.encrypt(self._out)
        self._pending = sum(map(len, self._out)) if self._out else 0
        return data

    def _flush_soon(self) -> None:
        if not self._queued:
            self._queued = True
            self.poller.unflushed.append(self)
            self.poller.settle_soon()

    def _writable(self) -> None:
        """EPOLLOUT: asked for where the kernel did not take everything, and where a producer waits to be asked."""
        rest = self._rest
        if rest is not None:
            try:
                sent = self._send(rest)
            except BlockingIOError:
                return
            except OSError as error:
                self._unsendable(error)
                return
            self._rest = rest[sent:] if sent < len(rest) else None
            self.flush()
        elif self.producer is not None and not self.streamingProducer:
            self.producer.resumeProducing()
        if self._rest is None:
            self._watch()

    def _unsendable(self, error: OSError) -> None:
        self._out.clear()
        self._pending = 0
        self._rest = None
        self._write_closed = self._broken = True
        if not self._reading or error.errno not in (EPIPE, ECONNRESET):
            self.leave(lost(error))
        # else the next event reads what the peer said before it left, and then finds that it has

    def _drained(self) -> None:
        """All is sent, and something has waited for that."""
        if self.producer is not None and (self.producerPaused or not self.streamingProducer):
            if self.streamingProducer:  # who is asked is asked as soon as the socket is writable
                self.producerPaused = False
                self.producer.resumeProducing()
            return
        self.producerPaused = False
        tls = self._tls
        if tls is not None and tls.established and not tls.closing:
            tls.close()
            self.flush()  # and so here again
        elif self.disconnecting:
            self._finish()
        elif self._write_closing and not self._write_closed:
            self._close_write()

    # --- the consumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take what ``producer`` gives: pushed, and paused where it is too much, or asked for whenever all is sent."""
        if self.producer is not None:
            raise RuntimeError(f"{producer} cannot be registered: {self.producer} is, and was never unregistered")
        if self.disconnected:
            producer.stopProducing()
            return
        self.producer, self.streamingProducer = producer, streaming
        if not streaming:
            self._watch()
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self.producer = None
        self.producerPaused = False
        if self.disconnecting or self._write_closing:
            self._flush_soon()

    def _spare(self) -> None:
        """Stop the producer where what it gave cannot be sent yet."""
        stuck = self._rest is not None or self._pending >= AT_ONCE
        if stuck and self.producer is not None and self.streamingProducer and not self.producerPaused:
            self.producerPaused = True
            self.producer.pauseProducing()

    # --- what the whole connection does

    @abstractmethod
    def _watch(self) -> None:
        """Ask the poller for the events that matter now."""

    @abstractmethod
    def _close_write(self) -> None:
        """Close our half, once."""

    def _finish(self) -> None:
        """Nothing is left to be sent after ``loseConnection``."""
        self.leave(Failure(ConnectionDone()))
