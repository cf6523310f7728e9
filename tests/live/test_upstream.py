"""The gateway as a client: TLS, every way to log in, several hosts, and credentials that change under load."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hoopgate.development.certificates import Authority
from hoopgate.development.postgres import PostgresServer, embedded_programs
from hoopgate.development.processes import free_port
from tests.conftest import TlsPostgres
from tests.live.gate import Gate, World, wait_for
from tests.live.wire import ClosedError, error, rows, types

TLS_TARGET = """
[[target]]
name = "{name}"
protocol = "postgresql"
hosts = ["{host}:{port}"]
database = "postgres"
tls = "{tls}"
{ca}
[target.role.app]
user = "{user}"
{credential}
"""
ALLOW = '[[rule]]\nname = "all"\nthen = "allow"\n'
CA = 'ca = "file:$directory/secrets/upstream-ca"'
PASSWORD = 'password = "file:$directory/secrets/upstream"'
CERTIFICATE = 'certificate = { certificate = "file:$directory/secrets/cert", key = "file:$directory/secrets/key" }'


def target(server: TlsPostgres, name: str = "db", **options: Any) -> str:
    given = {"host": "localhost", "port": server.port, "tls": "verify-full", "ca": CA, "user": "scram",
             "credential": PASSWORD, **options}  # fmt: skip
    return TLS_TARGET.format(name=name, **given)


def prepared(make_gate: Any, text: str, server: TlsPostgres) -> Gate:
    gate: Gate = make_gate(text + ALLOW, start=False)
    gate.secret("upstream-ca", server.ca.read_bytes())
    gate.secret("other-ca", Authority("another").pem)
    gate.secret("upstream", server.password)
    gate.secret("cert", server.client_certificate.read_bytes())
    gate.secret("key", server.client_key.read_bytes())
    return gate.start()


def refused(gate: Gate, name: str = "db") -> dict[str, str]:
    with pytest.raises(ClosedError) as caught:
        gate.wire(name)
    fields = error(caught.value.so_far)
    assert fields["S"] == "FATAL"
    assert fields["C"].startswith("08")
    return fields


METHODS = {
    "scram": target,
    "md5": lambda server, name: target(server, name, user="md5"),
    "clear": lambda server, name: target(server, name, user="clear"),
    "certificate": lambda server, name: target(server, name, user="cert", credential=CERTIFICATE),
    "required-only": lambda server, name: target(server, name, tls="require", ca=""),
    "verify-ca": lambda server, name: target(server, name, tls="verify-ca", host="127.0.0.1"),
}
REFUSALS = {
    "wrong-ca": lambda server, name: target(server, name, ca=CA.replace("upstream-ca", "other-ca")),
    "wrong-host": lambda server, name: target(server, name, host="127.0.0.2"),
    "system-cas": lambda server, name: target(server, name, ca=""),
    "without-tls": lambda server, name: target(server, name, tls="disable", ca=""),
    "wrong-password": lambda server, name: target(server, name, credential=PASSWORD.replace("/upstream", "/app")),
    "no-certificate": lambda server, name: target(server, name, user="cert", credential=""),
    "no-secret": lambda server, name: target(server, name, credential=PASSWORD.replace("/upstream", "/nothing")),
    "nobody": lambda server, name: target(server, name, user="nobody"),
}


@pytest.fixture(scope="module")
def tls_gate(world: World, home: Path, tls_postgres: TlsPostgres) -> Any:
    """One gateway with a target for each way to log in, right and wrong."""
    text = "".join(make(tls_postgres, name) for name, make in (METHODS | REFUSALS).items())
    gates: list[Gate] = []

    def make(text: str, **options: Any) -> Gate:
        gates.append(Gate(world, home / "tls", text).prepare())
        return gates[0]

    yield prepared(make, text, tls_postgres)
    gates[0].remove()


@pytest.mark.parametrize("name", METHODS)
def test_ways_to_log_in(tls_gate: Gate, name: str) -> None:
    with tls_gate.wire(name) as wire:
        got = rows(wire.query("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        assert got == [[b"t", b"TLSv1.3"]]
    assert not tls_gate.faults()
    tls_gate.check_recordings()


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_trusted(tls_gate: Gate, tls_postgres: TlsPostgres, name: str) -> None:
    fields = refused(tls_gate, name)
    told = str(fields) + tls_gate.log()
    assert tls_postgres.password not in told
    assert tls_gate.world.password not in told
    assert str(tls_gate.directory) not in str(fields)
    assert not tls_gate.faults()


def test_scram_is_bound_to_the_channel(make_gate: Any, authority: Authority, tmp_path: Path,
                                       tls_postgres: TlsPostgres) -> None:  # fmt: skip
    """Where the server's certificate is not the one that the SCRAM exchange was bound to, the server refuses.

    Between gateway and server stands one with a certificate of the same CA, who reads all and changes nothing:
    without SCRAM-SHA-256-PLUS that would work.
    """
    import ssl

    certificate, key = authority.server().write(tmp_path, "between")
    inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inward.load_cert_chain(certificate, key)
    outward = ssl.create_default_context(cafile=str(tls_postgres.ca))
    with Between(inward, outward, tls_postgres.port) as port:
        gate = prepared(make_gate, target(tls_postgres, port=port) + target(tls_postgres, "clear", user="clear",
                                                                            port=port), tls_postgres)  # fmt: skip
        with gate.wire("clear") as wire:  # it does relay
            assert types(wire.query("SELECT 1")) == "TDCZ"
        fields = refused(gate)
        assert "channel binding" in fields["M"] or "authentication failed" in fields["M"], fields


class Between:
    """Ends TLS on both sides and relays what passes."""

    def __init__(self, inward: Any, outward: Any, port: int) -> None:
        self._inward, self._outward, self._port = inward, outward, port

    def __enter__(self) -> int:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            request = connection.recv(8)
            server = socket.create_connection(("127.0.0.1", self._port))
            server.sendall(request)
            connection.sendall(server.recv(1))
            client = self._inward.wrap_socket(connection, server_side=True)
            upstream = self._outward.wrap_socket(server, server_hostname="localhost")
            threading.Thread(target=self._pump, args=(upstream, client), daemon=True).start()
            self._pump(client, upstream)
        except OSError:
            connection.close()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, sink):
                each.close()


def test_a_unix_socket(make_gate: Any, world: World) -> None:
    text = world.target("db").replace(f"127.0.0.1:{world.server.port}",
                                      f"{world.server.socket_directory}:{world.server.port}")  # fmt: skip
    gate = make_gate(text)
    with gate.wire("db") as wire:
        assert rows(wire.query("SELECT inet_server_addr() IS NULL")) == [[b"t"]]
        wire.send(b"")
    with gate.connect("db") as connection:  # its cancels go there too
        timer = threading.Timer(0.3, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(10)")
        timer.join()


def test_cancel_over_tls(tls_gate: Gate) -> None:
    with tls_gate.connect("scram", listener="tls") as connection:
        timer = threading.Timer(0.3, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(10)")
        timer.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_failover_at_connect(make_gate: Any, world: World) -> None:
    """Dead, silent and unresolvable hosts are passed over, in order."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = [f"127.0.0.1:{free_port()}", "no-such-host.invalid:5432",
                 f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{world.server.port}"]  # fmt: skip
        text = world.target("db").replace(f'["127.0.0.1:{world.server.port}"]', str(hosts).replace("'", '"'))
        gate = make_gate(text.replace("tls =", 'connect_timeout = "1s"\ntls ='))
        with gate.wire("db") as wire:
            assert types(wire.query("SELECT 1")) == "TDCZ"
        dead = str(hosts[:2]).replace("'", '"')
        assert gate.reload(gate.text.replace(str(hosts).replace("'", '"'), dead)).reload.ok
        fields = refused(gate)
        assert "can be reached" in fields["M"]


def test_the_target_goes_away(make_gate: Any, world: World) -> None:
    """A server that dies ends its sessions with an error; one that comes back is found again."""
    server = PostgresServer(embedded_programs()).start()
    try:
        server.execute(f"CREATE ROLE {world.user} LOGIN PASSWORD '{world.password}'; CREATE DATABASE {world.database}")
        gate = make_gate(world.target("db").replace(str(world.server.port), str(server.port)))
        with gate.wire("db") as wire, gate.wire("db") as idle:
            pid = int(rows(wire.query("SELECT pg_backend_pid()"))[0][0] or 0)
            server.execute(f"SELECT pg_terminate_backend({pid})")
            got = wire.closed()
            assert error(got)["C"] == "57P01"  # PostgreSQL's own words
            assert error(got)["M"] == "terminating connection due to administrator command"
            server.stop()
            assert error(idle.closed())["S"] == "FATAL"
    finally:
        server.stop()
    refused(gate)


def rotate(gate: Gate, server: psycopg.Connection[Any], role: str, *, file_first: bool) -> None:
    """A new password, first in the file and a moment later in the server, or the other way round.

    By a connection that is open already: a client program that has to start first could take longer than the moment
    that the gateway grants.
    """
    changed = secrets.token_urlsafe(12)
    if file_first:
        gate.secret("rotating", changed)
        time.sleep(0.05)
    server.execute(f"ALTER ROLE {role} PASSWORD '{changed}'")
    if not file_first:
        time.sleep(0.05)
        gate.secret("rotating", changed)


def enough(logins: list[int], wanted: list[int], failures: list[BaseException]) -> bool:
    """Each client has begun and ended a login since: none is so slow that it meets two rotations."""
    return bool(failures) or all(one >= least for one, least in zip(logins, wanted, strict=True))


def test_a_rotation_under_load_is_not_noticed(make_gate: Any, world: World) -> None:
    """The password changes in server and file, in whatever order, while clients connect without pause."""
    role = "rotating"
    first = secrets.token_urlsafe(12)
    world.behind(f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD '{first}'")
    gate: Gate = make_gate(
        world.target("db").replace(f'"{world.user}"', f'"{role}"').replace("secrets/app", "secrets/rotating"),
        start=False,
    )
    gate.secret("rotating", first)
    gate.start()
    stop = threading.Event()
    failures: list[BaseException] = []
    logins = [0, 0, 0]

    def clients(number: int) -> None:
        while not stop.is_set():
            try:
                with gate.connect("db") as connection:
                    assert connection.execute("SELECT current_user").fetchone() == (role,)
                    logins[number] += 1
            except BaseException as caught:
                failures.append(caught)

    threads = [threading.Thread(target=clients, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        with psycopg.connect(world.server.dsn(), autocommit=True) as server:
            for number in range(6):
                rotate(gate, server, role, file_first=bool(number % 2))
                wait_for(partial(enough, logins, [each + 2 for each in logins], failures), "logins after the rotation")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert "reading it afresh" in gate.log()
