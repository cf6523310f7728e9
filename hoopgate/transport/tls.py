"""TLS as a function over bytes: an OpenSSL object between two buffers in memory, one for each direction."""

from __future__ import annotations

import ssl
from typing import Any, Final, Protocol

CHUNK: Final = 262_144  # bytes of clear text that are encrypted at once
RECORD: Final = 16_384  # the most clear text that one record holds (RFC 8446, section 5.1)


class Context(Protocol):
    """What a connection needs of a TLS configuration (see contexts.py)."""

    def engine(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """A new connection's state; it knows its role."""

    def keep(self, engine: ssl.SSLObject) -> None:
        """The connection is over; its session may be resumed."""


class Tls:
    """One connection's TLS. ``clear`` is what was written before it began, and goes out first, as it is."""

    __slots__ = ("closing", "context", "engine", "established", "incoming", "outgoing", "peer_closed", "timer")

    def __init__(self, context: Context, clear: bytes) -> None:
        self.context = context
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.outgoing.write(clear)
        self.engine = context.engine(self.incoming, self.outgoing)
        self.established = False
        self.closing = False  # our close_notify is written
        self.peer_closed = False  # the peer's has come
        self.timer: Any = None  # how long the peer has to answer it

    def handshake(self) -> bool:
        """Go on with what has come in; True once it is over. Raises ssl.SSLError: there may be an alert to send."""
        try:
            self.engine.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.established = True
        return True

    def decrypt(self, data: bytes) -> bytes:
        """All clear text there is, once ``data`` has come. Raises ssl.SSLError."""
        incoming, read = self.incoming, self.engine.read
        if data:
            incoming.write(data)
        clear: list[bytes] = []
        try:
            while incoming.pending:
                part = read(RECORD)
                if not part:
                    self.peer_closed = True
                    break
                clear.append(part)
        except ssl.SSLWantReadError:
            pass  # the rest of a record has not come yet
        except ssl.SSLZeroReturnError:  # as an empty read, once we have said so ourselves
            self.peer_closed = True
        return clear[0] if len(clear) == 1 else b"".join(clear)

    def encrypt(self, out: list[bytes | memoryview]) -> bytes:
        """Take up to CHUNK bytes from ``out``, and give what is to be sent. Raises ssl.SSLError."""
        if self.closing:
            out.clear()  # nothing may follow close_notify
        elif out and self.established:
            clear = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            if len(clear) > CHUNK:
                view = memoryview(clear)
                clear = view[:CHUNK]
                out.append(view[CHUNK:])
            self.engine.write(clear)
        return self.outgoing.read()

    def close(self) -> None:
        """Write close_notify (RFC 8446, section 6.1)."""
        self.closing = True
        try:
            self.engine.unwrap()
        except ssl.SSLError:
            return  # the peer's has not come yet (or TLS has failed before): whether to wait for it is not ours to say

    def over(self) -> None:
        """The connection is lost."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()  # or it would keep all of this for seconds
        if self.established:
            self.context.keep(self.engine)
