"""A target that lets anybody in and answers every query with one row: ``python -m tests.bench.stub PORT``.

It is there for what a session costs the gateway alone; a real server would need a process for each.
"""

from __future__ import annotations

import resource
import select
import socket
import struct
import sys

from tests.bench.wire import SSL_REQUEST, message

PARAMETERS = {
    "server_version": "18.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "is_superuser": "off",
    "session_authorization": "bench",
}
READY = message(b"Z", b"I")
GREETING = b"".join(
    [
        message(b"R", struct.pack(">I", 0)),
        *(message(b"S", f"{name}\0{value}\0".encode()) for name, value in PARAMETERS.items()),
        message(b"K", struct.pack(">II", 4711, 815)),
        READY,
    ]
)
ROW = b"".join(
    [
        message(b"T", struct.pack(">H", 1) + b"?column?\0" + struct.pack(">IHIhih", 0, 0, 23, 4, -1, 0)),
        message(b"D", struct.pack(">HI", 1, 1) + b"1"),
        message(b"C", b"SELECT 1\0"),
        READY,
    ]
)


def answer(data: bytes, begun: bool) -> bytes:
    """To one packet that came whole, as the small ones of a login do."""
    if begun:
        return ROW if data[:1] == b"Q" else b""
    return b"N" if data == SSL_REQUEST else GREETING


class Stub:
    """Serves on loopback, for ever."""

    def __init__(self, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._poll = select.epoll()
        self._poll.register(self._listening.fileno(), select.EPOLLIN)
        self._sessions: dict[int, socket.socket] = {}
        self._begun: set[int] = set()

    def serve(self) -> None:
        while True:
            for number, _ in self._poll.poll():
                if number == self._listening.fileno():
                    self._accept()
                else:
                    self._read(number)

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sessions[connection.fileno()] = connection
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, number: int) -> None:
        connection = self._sessions[number]
        try:
            data = connection.recv(65536)
            if data and data[:1] != b"X":
                connection.sendall(answer(data, number in self._begun))
                if data != SSL_REQUEST:
                    self._begun.add(number)
                return
        except ConnectionError:
            pass
        self._begun.discard(number)
        del self._sessions[number]
        connection.close()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Stub(int(sys.argv[1])).serve()
