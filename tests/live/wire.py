"""A raw session of PostgreSQL's protocol: what was sent and every message that came, byte for byte."""

from __future__ import annotations

import select
import socket
import ssl
import time
from typing import Any

from hoopgate.codecs.postgresql import messages as m

PATIENCE = 20.0


class ClosedError(Exception):
    """The peer closed; ``so_far`` are the messages that came before."""

    def __init__(self, so_far: list[bytes]) -> None:
        super().__init__(f"closed after {[raw[:1] for raw in so_far]}: {[brief(raw) for raw in so_far]}")
        self.so_far = so_far


class Wire:
    """Logged in when made. ``greeting`` is what came behind AuthenticationOk, up to ReadyForQuery."""

    def __init__(
        self,
        connection: socket.socket,
        settings: dict[str, str],
        *,
        password: bytes = b"",
        version: tuple[int, int] = (3, 0),
        login: bool = True,
    ) -> None:
        self.socket = connection
        self.rest = b""
        self.pid, self.key = 0, b""
        self.greeting: list[bytes] = []
        self.parameters: dict[bytes, bytes] = {}
        if login:
            self.login(settings, password, version)

    @classmethod
    def unix(cls, path: str, settings: dict[str, str], **options: Any) -> Wire:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(path)
        return cls(connection, settings, **options)

    @classmethod
    def tcp(
        cls, address: tuple[str, int], settings: dict[str, str], *, tls: ssl.SSLContext | None = None, **options: Any
    ) -> Wire:
        connection = socket.create_connection(address, PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            connection.sendall(m.ssl_request())
            assert connection.recv(1) == b"S"
            connection = tls.wrap_socket(connection, server_hostname="localhost")
        return cls(connection, settings, **options)

    def login(self, settings: dict[str, str], password: bytes, version: tuple[int, int]) -> None:
        self.socket.sendall(m.startup_message(settings, version))
        for _ in range(3):
            raw = self.message()
            if raw[:1] == b"E":
                raise ClosedError([raw])
            if raw[:1] == b"v":
                continue
            if raw == m.authentication_cleartext():
                self.socket.sendall(m.password_message(password))
                continue
            break
        assert raw == m.authentication_ok(), raw
        self.greeting = self.until("Z")
        for raw in self.greeting:
            if raw[:1] == b"S":
                self.parameters.__setitem__(*m.parse_parameter_status(raw))
            if raw[:1] == b"K":
                self.pid, self.key = m.parse_backend_key_data(raw)

    # --- messages

    def message(self, seconds: float = PATIENCE) -> bytes:
        """The next message."""
        end = time.monotonic() + seconds
        while True:
            if len(self.rest) >= 5 and len(self.rest) > (size := int.from_bytes(self.rest[1:5], "big")):
                raw, self.rest = self.rest[: size + 1], self.rest[size + 1 :]
                return raw
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            data = self.socket.recv(262144)
            if not data:
                raise ClosedError([])
            self.rest += data

    def until(self, types: str, seconds: float = PATIENCE) -> list[bytes]:
        """Messages until those of ``types`` have come in this order (others may lie between)."""
        wanted = list(types)
        got: list[bytes] = []
        while wanted:
            try:
                raw = self.message(seconds)
            except ClosedError:
                raise ClosedError(got) from None
            except TimeoutError:
                raise TimeoutError(f"awaiting {''.join(wanted)!r} after {[brief(each) for each in got]}") from None
            got.append(raw)
            if raw[:1] == wanted[0].encode():
                wanted.pop(0)
        return got

    def send(self, data: bytes) -> None:
        """Send all, reading meanwhile, so that nobody waits for nobody."""
        if isinstance(self.socket, ssl.SSLSocket) or len(data) < 32768:
            self.socket.settimeout(PATIENCE)
            self.socket.sendall(data)
            return
        self.socket.setblocking(False)
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.socket], [self.socket], [], PATIENCE)
            assert readable or writable, "the peer neither reads nor writes"
            if readable:
                came = self.socket.recv(262144)
                if not came:
                    raise ClosedError([])
                self.rest += came
            if writable:
                view = view[self.socket.send(view) :]
        self.socket.setblocking(True)

    def ask(self, data: bytes, until: str = "Z") -> list[bytes]:
        """Send, and return messages until those of types ``until`` have come."""
        self.send(data)
        return self.until(until)

    def query(self, sql: str) -> list[bytes]:
        return self.ask(m.query(sql.encode()))

    def closed(self, seconds: float = PATIENCE) -> list[bytes]:
        """What comes until the peer closes."""
        got: list[bytes] = []
        while True:
            try:
                got.append(self.message(seconds))
            except (ClosedError, ConnectionResetError):
                return got

    def quiet(self, seconds: float = 0.3) -> None:
        """Nothing comes meanwhile."""
        try:
            raw = self.message(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected {brief(raw)}")

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def extended(sql: str, *values: bytes | None, sync: bool = True, name: bytes = b"", portal: bytes = b"",
             rows: int = 0, result: tuple[int, ...] = (), describe: bool = True) -> bytes:  # fmt: skip
    """Parse, Bind, Describe, Execute and Sync of one statement."""
    data = m.parse_message(name, sql, ()) + m.bind(portal, name, (), values, result)
    if describe:
        data += m.describe(b"P", portal)
    return data + m.execute(portal, rows) + (m.sync() if sync else b"")


def types(messages: list[bytes]) -> str:
    """Their type letters."""
    return "".join(chr(raw[0]) for raw in messages)


def error(messages: list[bytes]) -> dict[str, str]:
    """The fields of the first ErrorResponse."""
    raw = next(raw for raw in messages if raw[:1] == b"E")
    return {code: text.decode() for code, text in m.parse_fields(raw).items()}


def notice(messages: list[bytes]) -> dict[str, str]:
    raw = next(raw for raw in messages if raw[:1] == b"N")
    return {code: text.decode() for code, text in m.parse_fields(raw).items()}


def rows(messages: list[bytes]) -> list[list[bytes | None]]:
    return [m.parse_data_row(raw) for raw in messages if raw[:1] == b"D"]


def brief(raw: bytes) -> str:
    """A message for a failed test's eyes."""
    if raw[:1] in (b"E", b"N"):
        return f"{raw[:1].decode()} {m.parse_fields(raw)}"
    return f"{raw[:1].decode('latin-1')} {raw[5:85]!r}"
