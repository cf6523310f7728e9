"""Fixtures that several rooms share: real PostgreSQL servers, certificates, free ports.

Under pytest-xdist each worker has servers of its own, so nothing is shared between processes.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from hoopgate import compiled
from hoopgate.development import postgres, sample
from hoopgate.development.certificates import Authority
from hoopgate.development.processes import free_port
from tests.installs import MissingError, apt, npm_postgres, ssh_programs

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every program that a test starts and ends by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # before any process collects: skips are decided then
        with contextlib.suppress(MissingError):  # each skip says what is missing
            ssh_programs()


def pytest_report_header() -> str:
    return f"core: {compiled.core()}"


@pytest.fixture(scope="session")
def authority() -> Authority:
    """A certificate authority: ``authority.server([...])`` and ``authority.client(name)`` give PEM pairs."""
    return Authority("hoopgate tests CA")


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """``free_ports(n)``: n different TCP ports of 127.0.0.1 on which nobody listens."""

    def find(count: int) -> list[int]:
        ports: set[int] = set()
        while len(ports) < count:
            ports.add(free_port())
        return sorted(ports)

    return find


@pytest.fixture(scope="session")
def embedded_postgres() -> Iterator[postgres.EmbeddedPostgres]:
    """A running PostgreSQL 18 without TLS; make databases of your own in it, and drop what you made."""
    server = postgres.EmbeddedPostgres().start()
    yield server
    server.stop()


@frozen
class SampleDatabase:
    """The demo's shop on ``server``; ``app_ro`` and ``app_rw`` are passwords of the roles of those names."""

    server: postgres.PostgresServer
    database: str
    app_ro: str
    app_rw: str


@pytest.fixture(scope="session")
def sample_database(embedded_postgres: postgres.EmbeddedPostgres) -> SampleDatabase:
    """The sample database of the demo, loaded once a session: leave its rows as they are."""
    given = sample.Credentials(app_ro=secrets.token_urlsafe(12), app_rw=secrets.token_urlsafe(12))
    sample.load(embedded_postgres, given)
    return SampleDatabase(embedded_postgres, sample.DATABASE, given.app_ro, given.app_rw)


@frozen
class TlsPostgres:
    """A PostgreSQL that speaks only TLS over TCP, with a role for each way to log in.

    Roles: ``scram``, ``md5``, ``clear`` (each with ``password``), ``cert`` (by the client certificate alone).
    ``ca`` verifies the server, whose certificate names localhost, 127.0.0.1 and ::1.
    """

    server: postgres.PostgresServer
    ca: Path
    client_certificate: Path
    client_key: Path
    password: str
    version: int

    @property
    def port(self) -> int:
        return self.server.port


TLS_HBA = (
    "local all all trust",
    "hostssl all cert all cert",
    "hostssl all md5 all md5",
    "hostssl all clear all password",
    "hostssl all all all scram-sha-256",
)
TLS_ROLES = """
CREATE ROLE scram LOGIN PASSWORD '{password}';
CREATE ROLE cert LOGIN;
CREATE ROLE clear LOGIN PASSWORD '{password}';
SET password_encryption = 'md5';
CREATE ROLE md5 LOGIN PASSWORD '{password}';
"""


def start_tls_postgres(programs: postgres.Programs, authority: Authority, directory: Path) -> TlsPostgres:
    """Start a server with TLS out of ``programs``; its files of PEM go to ``directory``."""
    ca = directory / "ca.crt"
    ca.write_bytes(authority.pem)
    certificate, key = authority.server().write(directory, "server")
    client_certificate, client_key = authority.client("cert").write(directory, "client")
    options = postgres.Options(hba=TLS_HBA, tls=postgres.ServerTls(certificate, key, ca))
    server = postgres.PostgresServer(programs, options=options).start()
    password = secrets.token_urlsafe(12)
    server.execute(TLS_ROLES.format(password=password))
    version = int(server.execute("SHOW server_version_num")) // 10_000
    return TlsPostgres(server, ca, client_certificate, client_key, password, version)


def system_or_other_programs() -> postgres.Programs:
    """Debian's server, installed if that is possible; else npm's. Raises MissingError."""
    programs = postgres.system_programs()
    if programs is not None:
        return programs
    try:
        apt("postgresql")
    except MissingError as reason:
        return npm_programs(str(reason))
    programs = postgres.system_programs()
    if programs is None:
        raise MissingError("the package postgresql has no /usr/lib/postgresql/*/bin")
    return programs


def npm_programs(also: str = "") -> postgres.Programs:
    try:
        home = npm_postgres()
    except MissingError as reason:
        raise MissingError(f"{also}; {reason}" if also else str(reason)) from reason
    return postgres.Programs(home, home.parent, (home.name,))


@pytest.fixture(scope="session")
def tls_postgres(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    """A PostgreSQL with TLS (15 or newer): Debian's where it is or can be installed, else npm's."""
    try:
        programs = system_or_other_programs()
    except MissingError as reason:
        pytest.skip(str(reason))
    running = start_tls_postgres(programs, authority, tmp_path_factory.mktemp("tls"))
    yield running
    running.server.stop()


@pytest.fixture(scope="session")
def tls_postgres_18(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    """npm's PostgreSQL 18 with TLS: direct TLS with ALPN, protocol 3.2, long cancel keys."""
    try:
        programs = npm_programs()
    except MissingError as reason:
        pytest.skip(str(reason))
    running = start_tls_postgres(programs, authority, tmp_path_factory.mktemp("tls18"))
    yield running
    running.server.stop()
