"""HTTP CONNECT over TLS: the token comes first, and inside is what the target speaks, as on a port of its own."""

from __future__ import annotations

import json
import socket
import ssl
import time
from base64 import b64encode
from typing import Any

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import PATIENCE, ClosedError, Wire, error, rows, types

pytestmark = pytest.mark.live


def secured(gate: Gate) -> ssl.SSLSocket:
    """A raw connection to the TLS port."""
    context = ssl.create_default_context(cafile=str(gate.directory / "ca.crt"))
    raw = socket.create_connection(("localhost", gate.ports["connect"]), PATIENCE)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname="localhost")


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and what is behind the head: of a refusal all of it, up to the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        assert part, f"closed after {data!r}"
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    status = int(line.split(" ")[1])
    while status != 200:
        part = connection.recv(65536)
        if not part:
            break
        rest += part
    return status, {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}, rest


def request(target: str, *fields: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"CONNECT {target}:5432 HTTP/{version}", f"Host: {target}:5432", *fields, "", ""]).encode()


def bearer(gate: Gate, person: str = "ada") -> str:
    return f"Proxy-Authorization: Bearer {gate.token(person)}"


def opened(gate: Gate, target: str = "open", person: str = "ada", behind: bytes = b"") -> ssl.SSLSocket:
    connection = secured(gate)
    connection.sendall(request(target, bearer(gate, person)) + behind)
    assert answer(connection)[::2] == (200, b"")
    return connection


def inside(connection: socket.socket, database: str = "open", user: str = "app", **options: Any) -> Wire:
    return Wire(connection, {"user": user, "database": database}, **options)


def refused(gate: Gate, *sent: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The refusal: status, fields and problem; then the gateway closes."""
    with secured(gate) as connection:
        for each in sent:
            connection.sendall(each)
        status, fields, body = answer(connection)
        problem = json.loads(body)
        assert len(body) == int(fields["content-length"])
        assert problem["status"] == status
        return status, fields, problem


# --- the way in


def test_nobody_is_asked_for_a_password_inside(gate: Gate) -> None:
    with inside(opened(gate)) as wire:
        assert types(wire.greeting).endswith("KZ")
        assert rows(wire.query("SELECT 6 * 7")) == [[b"42"]]
        session = gate.api("ada", "GET", "/v1/sessions")[1]["sessions"][0]
        assert (session["target"], session["role"], session["protocol"]) == ("open", "app", "postgresql")


def test_a_login_by_connect_is_recorded_as_such(gate: Gate) -> None:
    with inside(opened(gate)) as wire:
        wire.query("SELECT 1")
        session = gate.api("ada", "GET", "/v1/sessions")[1]["sessions"][0]["id"]
    listed = wait_for(lambda: gate.hoopgate("ada", "sessions", "show", "--json", session).out, "the recording")
    assert "connect" in listed


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("field", ["Authorization", "Proxy-Authorization"])
@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_standard_clients_get_in(gate: Gate, version: str, field: str, scheme: str) -> None:
    token = gate.token("ada")
    value = token if scheme == "Bearer" else b64encode(f"ada:{token}".encode()).decode()
    connection = secured(gate)
    connection.sendall(request("open", f"{field}: {scheme} {value}", version=version))
    assert answer(connection)[0] == 200
    with inside(connection) as wire:
        assert rows(wire.query("SELECT 1")) == [[b"1"]]


def test_tls_is_refused_inside_tls(gate: Gate) -> None:
    """A client that prefers TLS hears that there is none here, and goes on: there is TLS around it."""
    connection = opened(gate)
    connection.sendall(m.ssl_request())
    assert connection.recv(1) == b"N"
    with inside(connection) as wire:
        assert rows(wire.query("SELECT 1")) == [[b"1"]]
