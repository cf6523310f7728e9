"""HTTP CONNECT over TLS: the token comes first, and inside is what the target speaks, as on a port of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.conftest import Make
from tests.live.gate import Gate, World, wait_for
from tests.live.test_limits import half_open
from tests.live.wire import PATIENCE, ClosedError, Wire, error, rows, types

pytestmark = pytest.mark.live


REVOKE = """
import os, ssl, sys, urllib.parse, urllib.request
request = urllib.request.Request(
    os.environ["HOOPGATE_API"] + "/v1/token/revoke",
    data=urllib.parse.urlencode({"token_id": sys.argv[1]}).encode(),
    headers={"Authorization": "Bearer " + os.environ["HOOPGATE_TOKEN"]},
)
urllib.request.urlopen(request, context=ssl.create_default_context(cafile=os.environ["HOOPGATE_CA"]))
"""


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


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl, which only the system's packages have, is not here")
def test_curl_takes_it_for_an_ordinary_proxy(gate: Gate) -> None:
    """Its answer to CONNECT is what counts: PostgreSQL has no answer to the GET that curl sends behind it."""
    proxy = [
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_connect}", "--max-time", "10", "--noproxy", "", "-p", "-x",
        f"https://localhost:{gate.ports['connect']}", "--proxy-cacert", str(gate.directory / "ca.crt"),
    ]  # fmt: skip
    url, token = "http://open:5432/", gate.token("ada")
    assert gate.run("ada", [*proxy, "--proxy-header", f"Proxy-Authorization: Bearer {token}", url]).out == "200"
    assert gate.run("ada", [*proxy, "-U", f"ada:{token}", url]).out == "200"
    assert gate.run("ada", [*proxy, "-U", f"ada:{token}", "http://nowhere:5432/"]).out == "404"
    assert gate.run("ada", [*proxy, url]).out == "407"


def test_a_session_ends_with_the_token_that_opened_its_tunnel(gate: Gate) -> None:
    issued = json.loads(gate.hoopgate("ada", "token", "--gateway", "--json", "--lifetime", "2").out)
    connection = secured(gate)
    connection.sendall(request("open", f"Proxy-Authorization: Bearer {issued['token']}"))
    assert answer(connection)[0] == 200
    with inside(connection) as wire:
        assert "expired" in error(wire.closed())["M"]


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01\x02"])
def test_a_thousand_half_open_connections_delay_nobody(make_gate: Make, world: World, first: bytes) -> None:
    gate = make_gate(world.target("open"))
    with half_open(gate, 1000, "connect", first):
        began = time.monotonic()
        with inside(opened(gate)) as wire:
            assert rows(wire.query("SELECT 1")) == [[b"1"]]
        assert time.monotonic() - began < 5


def test_tls_is_refused_inside_tls(gate: Gate) -> None:
    """A client that prefers TLS hears that there is none here, and goes on: there is TLS around it."""
    connection = opened(gate)
    connection.sendall(m.ssl_request())
    assert connection.recv(1) == b"N"
    with inside(connection) as wire:
        assert rows(wire.query("SELECT 1")) == [[b"1"]]


def test_every_worker_serves_tunnels_and_hears_of_revocations(make_gate: Make, world: World) -> None:
    """Connections land on any of them; a token that is revoked ends what it opened wherever that is."""
    gate = make_gate(world.target("open"), workers=2)
    issued = json.loads(gate.hoopgate("ada", "token", "--gateway", "--json").out)
    field = f"Proxy-Authorization: Bearer {issued['token']}"
    tunnels = [secured(gate) for _ in range(8)]
    for each in tunnels:
        each.sendall(request("open", field))
        assert answer(each)[0] == 200
    assert gate.run("ada", [sys.executable, "-c", REVOKE, issued["token_id"]]).code == 0
    for each in tunnels:
        assert each.recv(65536) == b""
        each.close()


# --- who does not get in


def test_nobody_gets_in_without_a_token(gate: Gate) -> None:
    status, fields, problem = refused(gate, request("open") + m.startup_message({"user": "app"}, (3, 0)))
    assert (status, problem["rule"]) == (407, "login")
    assert "Bearer" in fields["proxy-authenticate"]
    assert "Basic" in fields["proxy-authenticate"]


def test_a_wrong_token_is_told_and_never_repeated(gate: Gate) -> None:
    status, fields, problem = refused(gate, request("open", "Authorization: Bearer s3cr3t.t0k3n.abc"))
    assert (status, problem["rule"]) == (401, "login")
    assert "Bearer" in fields["www-authenticate"]
    assert "s3cr3t" not in json.dumps(problem) + gate.log()


def test_targets_that_nobody_may_open_stay_shut(make_gate: Make, world: World) -> None:
    gate = make_gate(world.target("shut", allow=False) + world.target("open"))
    status, _, problem = refused(gate, request("shut", bearer(gate)))
    assert (status, problem["rule"]) == (403, "default-deny")
    status, _, problem = refused(gate, request("nowhere", bearer(gate)))
    assert (status, problem["rule"]) == (404, "target")
    assert "hint" in problem


def test_another_target_than_the_requests_is_refused_inside(gate: Gate) -> None:
    connection = opened(gate)
    with pytest.raises(ClosedError) as caught:
        inside(connection, "watched")
    fields = error(caught.value.so_far)
    assert (fields["S"], fields["C"]) == ("FATAL", "3D000")
    assert 'opened to target "open", not to "watched"' in fields["M"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"SSH-2.0-OpenSSH_9.9\r\n", 400),
        (b"CONNECT open:5432 HTTP/1.1\r\nX: " + b"x" * 40_000, 431),
        (b"CONNECT open:5432 HTTP/1.1\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"CONNECT open:5432 HTTP/1.1\r\nHost: open\r\nContent-Length: 5\r\n\r\n", 400),
    ],
)
def test_what_is_no_connect_is_answered_and_closed(gate: Gate, data: bytes, status: int) -> None:
    assert refused(gate, data)[0] == status


def test_a_request_smuggled_behind_a_refused_one_goes_nowhere(gate: Gate) -> None:
    with secured(gate) as connection:
        connection.sendall(request("nowhere", bearer(gate)) + request("open", bearer(gate)))
        data = b""
        while part := connection.recv(65536):
            data += part
    assert data.count(b"HTTP/1.1 ") == 1
    assert data.startswith(b"HTTP/1.1 404 ")


def test_clear_text_is_no_request(gate: Gate) -> None:
    with socket.create_connection(("localhost", gate.ports["connect"]), PATIENCE) as raw:
        raw.sendall(request("open", bearer(gate)))
        assert not raw.recv(65536).startswith(b"HTTP/")


def test_slow_requests_come_to_an_end_and_delay_nobody(make_gate: Make, world: World) -> None:
    gate = make_gate(world.target("open") + "[limits]\nhandshake = '1s'\n")
    slow, silent = secured(gate), secured(gate)
    slow.sendall(b"CONNECT open:5432 HTTP/1.1\r\n")
    with inside(opened(gate)) as wire:
        assert rows(wire.query("SELECT 1")) == [[b"1"]]
    for each in (slow, silent):
        status, _, body = answer(each)
        assert (status, json.loads(body)["rule"]) == (408, "limits.handshake")
        each.close()
    with opened(gate) as idle:  # a tunnel in which nobody ever logs in
        assert b"took too long" in idle.recv(65536)


def test_a_token_revoked_before_the_login_inside_opens_nothing(make_gate: Make, world: World) -> None:
    gate = make_gate(world.target("open"))
    issued = json.loads(gate.hoopgate("ada", "token", "--gateway", "--json").out)
    field = f"Proxy-Authorization: Bearer {issued['token']}"
    connection, other = secured(gate), secured(gate)
    for each in (connection, other):
        each.sendall(request("open", field))
        assert answer(each)[0] == 200
    with inside(other) as wire:
        assert gate.run("ada", [sys.executable, "-c", REVOKE, issued["token_id"]]).code == 0
        assert "revoked" in error(wire.closed())["M"]
    assert connection.recv(65536) == b""
    connection.close()
    status, _, problem = refused(gate, request("open", field))
    assert (status, problem["rule"]) == (407, "login")


# --- hoopgate connect


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hoopgate.cli", "connect", *arguments]


def environ(gate: Gate, person: str = "ada", *, api: bool = False) -> dict[str, str]:
    """What a person's shell knows of the gateway; with ``api`` the command has to ask where the port is."""
    known = {**gate.environ(person), "HOOPGATE_GATE": f"localhost:{gate.ports['connect']}"}
    del known["PGPASSWORD"]
    if api:
        del known["HOOPGATE_GATE"]
    return known


@contextlib.contextmanager
def listening(gate: Gate, *arguments: str, target: str = "open", place: str = "127.0.0.1:0") -> Iterator[str]:
    """``hoopgate connect --listen``; where it listens."""
    with subprocess.Popen(
        command(target, "--listen", place, *arguments), env=environ(gate), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def test_psycopg_and_psql_over_a_local_port(gate: Gate) -> None:
    with listening(gate) as place:
        host, _, port = place.rpartition(":")
        where = f"host={host} port={port} dbname=open user=app"
        with psycopg.connect(where, autocommit=True) as connection, psycopg.connect(where) as other:
            assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
            assert other.execute("SELECT 6 * 8").fetchone() == (48,)
            threading.Timer(0.3, connection.cancel_safe).start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("SELECT pg_sleep(20)")
        done = gate.run("ada", [str(gate.world.server.psql), "-X", "-A", "-t", "-d", where, "-c", "SELECT 6 * 9"])
        assert (done.code, done.out.strip()) == (0, "54"), done.err


def test_psql_over_a_unix_socket_that_is_its_owners_alone(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / ".s.PGSQL.5432"
    with listening(gate, place=str(path)) as place:
        assert place == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with psycopg.connect(f"host={tmp_path} dbname=open user=app") as connection:
            assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
    assert not path.exists()


def test_standard_input_and_output(gate: Gate) -> None:
    """As ssh's ProxyCommand has it, and where the API has to be asked for the port."""
    for api in (False, True):
        with subprocess.Popen(
            command("open", "5432"), env=environ(gate, api=api), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(m.startup_message({"user": "app", "database": "open"}, (3, 0)) + m.query("SELECT 42"))
            process.stdin.flush()
            got = b""
            while b"SELECT 1\0Z\0\0\0\5I" not in got:
                part = process.stdout.read1()
                assert part, got
                got += part
            process.stdin.write(m.terminate())
            process.stdin.close()
            assert process.wait(PATIENCE) == 0


def test_bulk_both_ways_over_standard_input_and_output(gate: Gate) -> None:
    """32 MiB out and back by COPY, the client writing without reading: nobody waits for nobody."""
    line = b"1\t" + b"x" * 1000 + b"\n"
    count = 8 * 1024
    with listening(gate) as place:
        host, _, port = place.rpartition(":")
        with psycopg.connect(f"host={host} port={port} dbname=open user=app", autocommit=True) as connection:
            connection.execute("TRUNCATE wide")
            with connection.cursor().copy("COPY wide FROM STDIN") as copy:
                for _ in range(count):
                    copy.write(line)
            got = 0
            with connection.cursor().copy("COPY wide TO STDOUT") as copy:
                for data in copy:
                    got += len(data)
            connection.execute("TRUNCATE wide")
    assert got == count * len(line)


@pytest.mark.parametrize(
    ("target", "changes", "code", "says"),
    [
        ("nowhere", {}, 4, 'target "nowhere" does not exist [target]'),
        ("open", {"HOOPGATE_TOKEN": "x.y.z"}, 3, "login failed"),
        ("open", {"HOOPGATE_TOKEN": "", "XDG_CONFIG_HOME": "/nonexistent"}, 3, "no token found"),
        ("open", {"HOOPGATE_CA": ""}, 5, "certificate"),
        ("open", {"HOOPGATE_CA": "/nonexistent"}, 2, "cannot be read"),
        ("open", {"HOOPGATE_GATE": "localhost:1"}, 5, "localhost:1 does not answer"),
        ("open", {"HOOPGATE_GATE": "127.0.0.2:99999"}, 2, "gate is"),
        ("open", {"HOOPGATE_GATE": "http://example.com:80"}, 2, "gate is"),
    ],
)
def test_errors_are_clear_and_have_codes(
    gate: Gate, target: str, changes: dict[str, str], code: int, says: str
) -> None:
    known = {**environ(gate), **changes}
    done = subprocess.run(command(target), env=known, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, timeout=PATIENCE)  # fmt: skip
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_listener_is_no_gate(gate: Gate) -> None:
    known = {**environ(gate), "HOOPGATE_GATE": f"localhost:{gate.ports['api']}"}
    done = subprocess.run(command("open"), env=known, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, timeout=PATIENCE)  # fmt: skip
    assert (done.returncode, "the gateway refuses" in done.stderr) == (4, True), done.stderr
