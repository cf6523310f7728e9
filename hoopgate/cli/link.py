"""One verified TLS connection to the gateway's CONNECT listener, opened to a target.

TLS runs over buffers in memory, so that a half that is closed (RFC 8446, section 6.1) leaves the other one open: over
a socket of its own Python's TLS can close both only. Nothing is imported here that ``hoopgate connect`` can do without.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import NamedTuple

from hoopgate.cli.problems import CommandError, NoTokenError, RefusedError, UnreachableError, printable
from hoopgate.cli.settings import SettingsError
from hoopgate.identity.urls import is_loopback_host

PATIENCE = 20.0  # seconds for each step until the tunnel is open; the gateway's own limit is limits.handshake
READ = 262_144  # bytes
RECORD = 16_384  # the most clear text of one record
LONGEST_ANSWER = 65_536  # bytes


class Gate(NamedTuple):
    """Where the listener is; ``plain``: without TLS, on loopback alone."""

    host: str
    port: int
    plain: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def read_gate(text: str) -> Gate:
    """``HOST``, ``HOST:PORT`` (443 if left out), ``[IPv6]:PORT``; ``http://`` before it for clear text on loopback."""
    scheme, _, rest = text.rpartition("://")
    host, colon, port = rest.rstrip("/").rpartition(":")
    if not colon or port.endswith("]"):
        host, port = rest.rstrip("/"), "443"
    host = host.removeprefix("[").removesuffix("]")
    plain = scheme == "http"
    known = scheme in ("", "https") or (plain and is_loopback_host(host))
    if not known or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"gate is {text!r}. Write HOST:PORT of the gateway's CONNECT listener.")
    return Gate(host, int(port), plain)


class Link:
    """The connection. Until ``opened`` it waits, afterwards no call does."""

    def __init__(self, gate: Gate, ca: str) -> None:
        self._gate = gate
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = None if gate.plain else _context(ca)
        try:
            self.socket = socket.create_connection((gate.host, gate.port), PATIENCE)
        except OSError as error:
            raise self._unreachable(error) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unsent = memoryview(b"")
        self.ended = False  # the gateway sends nothing more
        if context is not None:
            self._shake_hands(context)

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = printable(str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error))
        return UnreachableError(f"{self._gate} does not answer: {reason}. Check the address (--gate), and --ca.")

    def _shake_hands(self, context: ssl.SSLContext) -> None:
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._gate.host)
        try:
            while True:
                try:
                    self._tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self.socket.sendall(self._outgoing.read())
                    self._incoming.write(self._some())
        except OSError as error:  # ssl.SSLError among them
            with suppress(OSError):
                self.socket.sendall(self._outgoing.read())  # the alert says why
            raise self._unreachable(error) from error

    def _some(self) -> bytes:
        data = self.socket.recv(READ)
        if not data:
            raise ConnectionError("it closed the connection")
        return data

    def open(self, target: str, port: int, token: str) -> bytes:
        """Ask for the tunnel. Returns what the target said already; raises CommandError where it is refused."""
        host = f"{target}:{port}"
        head = f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Bearer {token}\r\n\r\n"
        answer = b""
        try:
            self.write(head.encode("ascii"))
            while b"\r\n\r\n" not in answer and len(answer) < LONGEST_ANSWER and not self.ended:
                self._flush_all()
                answer += self._received(self._some())
        except OSError as error:
            raise self._unreachable(error) from error
        start, _, rest = answer.partition(b"\r\n\r\n")
        status = start[9:12]
        if start[:7] != b"HTTP/1." or not status.isdigit():
            raise UnreachableError(f"{self._gate} is no CONNECT listener of a gateway. Check the address (--gate).")
        if status != b"200":
            raise refused(int(status), self._rest_of(rest, _length(start)))
        self.socket.setblocking(False)
        return rest

    def _rest_of(self, body: bytes, length: int) -> bytes:
        with suppress(OSError):
            while len(body) < length and not self.ended:
                body += self._received(self._some())
        return body

    def _flush_all(self) -> None:
        while self.unsent:
            self.send()

    # --- what the relay uses

    @property
    def unsent(self) -> bool:
        """Something was written that the kernel did not take yet."""
        return len(self._unsent) > 0 or self._outgoing.pending > 0

    def write(self, data: bytes | memoryview) -> None:
        """Take it all; ``send`` sends it."""
        if self._tls is None:
            self._outgoing.write(data)
        else:
            self._tls.write(data)

    def send(self) -> None:
        """As much as the kernel takes. Raises OSError."""
        if not self._unsent:
            self._unsent = memoryview(self._outgoing.read())
        if self._unsent:  # sending nothing is an error once our half is closed
            with suppress(BlockingIOError):
                self._unsent = self._unsent[self.socket.send(self._unsent) :]

    def receive(self) -> bytes:
        """What has come, in clear text; b"" where that is nothing yet, or ``ended`` is true. Raises OSError."""
        try:
            data = self.socket.recv(READ)
        except BlockingIOError:
            return b""
        if not data and self._tls is not None:
            raise ConnectionError("the gateway closed the connection without a word")
        return self._received(data)

    def _received(self, data: bytes) -> bytes:
        if self._tls is None:
            self.ended = not data
            return data
        self._incoming.write(data)
        parts: list[bytes] = []
        try:
            while part := self._tls.read(RECORD):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            return parts[0] if len(parts) == 1 else b"".join(parts)
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(parts)

    def close_write(self) -> None:
        """Say that nothing more comes from here, once all is sent."""
        if self._tls is None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        else:
            with suppress(ssl.SSLError):  # it asks for the other half's end at once, which comes when it comes
                self._tls.unwrap()

    def close(self) -> None:
        self.socket.close()


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        if ca:
            context.load_verify_locations(cafile=ca)
        else:
            context.load_default_certs()
    except OSError as error:
        raise SettingsError(f"ca {ca!r} cannot be read: {error}. Name a PEM file with certificates.") from error
    return context


def _length(head: bytes) -> int:
    """What the head says of its body's length, LONGEST_ANSWER at most."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            return min(int(value), LONGEST_ANSWER)
    return LONGEST_ANSWER


def refused(status: int, body: bytes) -> CommandError:
    """What a refusal (RFC 9457) means to the person at the terminal."""
    from hoopgate.identity.strict import json_object

    try:
        problem = json_object(body)
    except ValueError:
        problem = {}
    said = {key: printable(str(problem.get(key) or "")) for key in ("detail", "rule", "hint")}
    text = f"the gateway refuses: {said['detail'] or f'status {status}'}"
    text += f" [{said['rule']}]" if said["rule"] else ""
    text += f". {said['hint']}" if said["hint"] else ""
    if status in (401, 407):
        return NoTokenError(text)
    return UnreachableError(text) if status >= 500 or status == 408 else RefusedError(text)
