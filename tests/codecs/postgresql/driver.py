"""Blocking sockets around the sans-I/O machines, for tests with real servers and clients."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import define, field

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.startup import (
    Cancel,
    ClientStartup,
    Derive,
    Encryption,
    Failed,
    GssRequest,
    Ready,
    Send,
    ServerStartup,
    SslRequest,
    Startup,
    is_tls_client_hello,
    tls_server_end_point,
)


@define
class Connection:
    """A login to a real server, and what was sent for it."""

    socket: socket.socket
    outcome: Ready | Failed
    sent: list[bytes]
    rest: bytes = b""

    def messages(self) -> Iterator[bytes]:
        """Whole messages as they come."""
        while True:
            while len(self.rest) >= 5 and len(self.rest) > (size := int.from_bytes(self.rest[1:5], "big")):
                raw, self.rest = self.rest[: size + 1], self.rest[size + 1 :]
                yield raw
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed")
            self.rest += data

    def ask(self, request: bytes) -> list[bytes]:
        """Send, and return all messages up to ReadyForQuery."""
        self.socket.sendall(request)
        answers: list[bytes] = []
        for raw in self.messages():
            answers.append(raw)
            if raw[:1] == b"Z":
                return answers
        raise AssertionError


@contextmanager
def login(
    address: tuple[str, int],
    parameters: dict[str, str],
    *,
    tls: ssl.SSLContext | None = None,
    alter_binding: Callable[[bytes | None], bytes | None] = lambda binding: binding,
    version: tuple[int, int] = (3, 0),
    credential: bytes | None = None,
) -> Iterator[Connection]:
    connection = socket.create_connection(address, 10)
    binding = None
    if tls is not None:
        connection.sendall(Encryption.request)
        assert Encryption().answered(connection.recv(1))
        secured = tls.wrap_socket(connection, server_hostname="localhost")
        certificate = secured.getpeercert(binary_form=True)
        assert certificate is not None
        connection, binding = secured, alter_binding(tls_server_end_point(certificate))
    machine = ClientStartup(
        parameters, version, credential=credential, channel_binding=binding, tls_active=tls is not None
    )
    sent: list[bytes] = []
    with connection:
        while not isinstance(event := machine.next_event(), Ready | Failed):
            if isinstance(event, Send):
                sent.append(event.data)
                connection.sendall(event.data)
            elif isinstance(event, Derive):
                machine.derived(event.derivation.keys())
            else:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError("closed")
                machine.feed(data)
        yield Connection(connection, event, sent, machine.trailing if isinstance(event, Ready) else b"")


@define
class Door:
    """A server for real clients: the start-up phase by ServerStartup, then an empty database.

    ``answer(door, machine, event, send)`` is called for each event from Startup on. ``seen`` holds all events,
    ``alpn`` what direct TLS negotiated.
    """

    tls: ssl.SSLContext
    answer: Callable[[Door, ServerStartup, object, Callable[[bytes], None]], None]
    port: int = 0
    seen: list[object] = field(factory=list)
    alpn: list[str | None] = field(factory=list)
    errors: list[BaseException] = field(factory=list)
    cancelled: threading.Event = field(factory=threading.Event)

    @contextmanager
    def open(self) -> Iterator[Door]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            yield self
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        assert self.errors == []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._caught, args=(connection,), daemon=True).start()

    def _caught(self, connection: socket.socket) -> None:
        try:
            with suppress(ConnectionError):
                self._serve(connection)
        except BaseException as error:
            self.errors.append(error)
        finally:
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        direct = is_tls_client_hello(connection.recv(1, socket.MSG_PEEK))
        if direct:
            connection = self._secured(connection)
        machine = ServerStartup(encrypted=direct)
        while machine.state.name not in ("DONE", "CANCELLED"):
            event = machine.next_event()
            if event is None:
                data = connection.recv(65536)
                if not data:
                    return
                machine.feed(data)
                continue
            self.seen.append(event)
            if isinstance(event, SslRequest):
                connection.sendall(machine.accepted_encryption())
                connection = self._secured(connection)
            elif isinstance(event, GssRequest):
                connection.sendall(machine.refused_encryption())
            elif isinstance(event, Cancel):
                self.cancelled.set()
                if isinstance(connection, ssl.SSLSocket):  # libpq calls a cancel without close_notify failed
                    connection.unwrap()
            else:
                self.answer(self, machine, event, connection.sendall)
        if machine.state.name == "DONE":
            self._empty_database(connection)
        connection.close()

    def _secured(self, connection: socket.socket) -> ssl.SSLSocket:
        secured = self.tls.wrap_socket(connection, server_side=True)
        self.alpn.append(secured.selected_alpn_protocol())
        return secured

    def _empty_database(self, connection: socket.socket) -> None:
        """Every query waits for a cancel if it says so, and has no rows."""
        startup = next(event for event in reversed(self.seen) if isinstance(event, Startup))
        key = b"k" * (32 if startup.agreed >= (3, 2) else 4)
        status = m.parameter_status("client_encoding", "UTF8") + m.parameter_status("server_version", "18.0")
        connection.sendall(status + m.backend_key_data(4711, key) + m.ready_for_query(b"I"))
        while (data := connection.recv(65536)) and data[:1] != b"X":
            if b"wait" in data:
                assert self.cancelled.wait(10)
                connection.sendall(m.error_response(sqlstate="57014", message="canceled") + m.ready_for_query(b"I"))
            else:
                connection.sendall(m.command_complete("SELECT 0") + m.ready_for_query(b"I"))
