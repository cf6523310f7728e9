"""A client that costs next to nothing: it logs in, asks, and throws away what comes. RFC 5802 for SCRAM.

Its own code throughout: it measures trees of any age, and must not get faster or slower with what it measures.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
from collections.abc import Iterable
from types import TracebackType

SSL_REQUEST = struct.pack(">II", 8, 80877103)
CHUNK = 256 * 1024
TAIL = 64  # bytes: CommandComplete and ReadyForQuery
READY = (b"Z\0\0\0\5I", b"Z\0\0\0\5T")


class RefusedError(Exception):
    """The peer answered with an error, or left."""


def tls_context(*, resuming: bool = True) -> ssl.SSLContext:
    """The certificate is made for the run, so nothing vouches for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if not resuming:
        context.options |= ssl.OP_NO_TICKET
    return context


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def connected(port: int, *, host: str = "127.0.0.1", source: str = "") -> socket.socket:
    """``source``: an address of ours, where one has not ports enough."""
    connection = socket.create_connection((host, port), 60, source_address=(source, 0) if source else None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def encrypted(
    connection: socket.socket, context: ssl.SSLContext, *, direct: bool = False, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    """TLS by SSLRequest (PostgreSQL manual, 55.2.11), or from the first byte."""
    if not direct:
        connection.sendall(SSL_REQUEST)
        if connection.recv(1) != b"S":
            raise RefusedError("no TLS")
    return context.wrap_socket(connection, session=session)


class Wire:
    """One session, logged in when made. ``connection`` is a socket, with TLS or without."""

    def __init__(self, connection: socket.socket, user: str, database: str, password: str) -> None:
        self.socket = connection
        self._buffer = bytearray(CHUNK)
        self._view = memoryview(self._buffer)
        pairs = {"user": user, "database": database, "client_encoding": "UTF8"}
        body = struct.pack(">I", 3 << 16) + b"".join(f"{key}\0{value}\0".encode() for key, value in pairs.items())
        connection.sendall(struct.pack(">I", len(body) + 5) + body + b"\0")
        self._log_in(password)
        self.discard()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def begin(self, sql: str) -> None:
        """Ask by the simple protocol, and read nothing."""
        self.socket.sendall(message(b"Q", sql.encode() + b"\0"))

    def query(self, sql: str) -> int:
        """Simple protocol; returns how many bytes came."""
        self.begin(sql)
        return self.discard()

    def fetch(self, sql: str, *, binary: bool) -> int:
        """Extended protocol, all rows at once; returns how many bytes came."""
        bind = b"\0\0" + struct.pack(">HHHH", 0, 0, 1, int(binary))
        parts = [message(b"P", b"\0" + sql.encode() + b"\0\0\0"), message(b"B", bind), message(b"D", b"P\0")]
        self.socket.sendall(b"".join([*parts, message(b"E", b"\0\0\0\0\0"), message(b"S")]))
        return self.discard()

    def copy_in(self, sql: str, chunks: Iterable[bytes]) -> None:
        """``chunks`` are whole CopyData messages, any number at once."""
        self.begin(sql)
        kind, body = self._message()
        if kind != b"G":
            raise RefusedError(body.decode("utf-8", "replace"))
        for chunk in chunks:
            self.socket.sendall(chunk)
        self.socket.sendall(message(b"c"))
        self.discard()

    def discard(self) -> int:
        """Read up to ReadyForQuery; returns the number of bytes. Raises RefusedError for an error that ends them."""
        total, tail, view, recv_into = 0, b"", self._view, self.socket.recv_into
        while tail[-6:] not in READY:
            count = recv_into(view)
            if not count:
                raise RefusedError(f"closed after {total} bytes: {tail!r}")
            total += count
            tail = bytes(view[count - TAIL : count]) if count >= TAIL else (tail + bytes(view[:count]))[-TAIL:]
            if total == count and view[0] == ord("E"):
                raise RefusedError(bytes(view[5:count]).decode("utf-8", "replace"))
        return total

    def leave_open(self) -> socket.socket:
        """The connection alone, without what reads from it."""
        return self.socket

    def close(self) -> None:
        try:
            self.socket.sendall(message(b"X"))
        finally:
            self.socket.close()

    def _log_in(self, password: str) -> None:
        scram = Scram(password)
        while True:
            kind, body = self._message()
            if kind == b"E":
                raise RefusedError(body.decode("utf-8", "replace"))
            asked = struct.unpack_from(">I", body)[0] if kind == b"R" else -1
            if asked == 0:
                return
            answer = scram.answer(asked, body[4:]) if asked != 3 else password.encode() + b"\0"
            if answer:
                self.socket.sendall(message(b"p", answer))

    def _message(self) -> tuple[bytes, bytes]:
        head = self._exactly(5)
        return head[:1], self._exactly(struct.unpack_from(">I", head, 1)[0] - 4)

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            data = self.socket.recv(size - len(found))
            if not data:
                raise RefusedError("closed while logging in")
            found += data
        return found


class Scram:
    """SCRAM-SHA-256, the client's side, without channel binding."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._bare = f"n=,r={secrets.token_urlsafe(18)}"

    def answer(self, asked: int, data: bytes) -> bytes:
        """To AuthenticationSASL (10), SASLContinue (11) and SASLFinal (12)."""
        if asked == 10:
            first = f"n,,{self._bare}".encode()
            return b"SCRAM-SHA-256\0" + struct.pack(">I", len(first)) + first
        if asked == 11:
            return self._final(data.decode())
        if asked == 12:
            return b""
        raise RefusedError(f"authentication by method {asked}")

    def _final(self, challenge: str) -> bytes:
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        key = client_key(self._password, fields["s"], int(fields["i"]))
        without = f"c=biws,r={fields['r']}"
        signed = f"{self._bare},{challenge},{without}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(one ^ two for one, two in zip(key, signature, strict=True))).decode()
        return f"{without},p={proof}".encode()


@functools.lru_cache(maxsize=16)
def client_key(password: str, salt: str, iterations: int) -> bytes:
    """Kept, as a client that connects often would do, so that the client's own cost hides nothing of the peer's."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), iterations)
    return hmac.digest(salted, b"Client Key", "sha256")
