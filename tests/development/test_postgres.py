"""The development servers: what they promise, shown with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from hoopgate.development import accounts
from hoopgate.development.postgres import EmbeddedPostgres, Options, PostgresError, PostgresServer, Programs
from hoopgate.development.processes import free_port, listening
from tests.conftest import SampleDatabase, TlsPostgres


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process ends within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_starts_answers_and_leaves_nothing() -> None:
    server = EmbeddedPostgres().start()
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    pid, directory, port = server.pid, server.directory, server.port
    server.stop()
    server.stop()
    assert gone(pid)
    assert not directory.exists()
    assert not listening(port)


def test_a_wrong_password_is_refused(embedded_postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(embedded_postgres.dsn(password="wrong"))


def test_a_port_in_use_is_no_obstacle(embedded_postgres: EmbeddedPostgres) -> None:
    server = EmbeddedPostgres(options=Options(port=embedded_postgres.port)).start()
    try:
        assert server.port != embedded_postgres.port
        assert server.execute("SELECT 1") == "1"
    finally:
        server.stop()


def test_a_failed_script_says_why(embedded_postgres: EmbeddedPostgres) -> None:
    with pytest.raises(PostgresError, match='relation "nowhere" does not exist'):
        embedded_postgres.execute("SELECT * FROM nowhere")


def test_a_server_that_cannot_start_shows_its_log() -> None:
    with pytest.raises(PostgresError, match="no_such_setting"):
        EmbeddedPostgres(options=Options(settings={"no_such_setting": "1"})).start()


SCRIPT = """
import sys, time
from hoopgate.development.postgres import EmbeddedPostgres
server = EmbeddedPostgres().start()
print(server.pid, server.directory, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_parents_end_is_the_servers_end(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout is not None
    pid, directory = parent.stdout.readline().decode().split()
    parent.send_signal(number)
    parent.wait(10)
    parent.stdout.close()
    assert gone(int(pid))
    end = time.monotonic() + 5
    while Path(directory).exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(directory).exists()


def test_the_keepers_end_is_the_servers_end() -> None:
    server = EmbeddedPostgres().start()
    pid = server.pid
    keeper = int(Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0])
    os.kill(keeper, signal.SIGKILL)
    assert gone(pid)
    server.stop()
    assert not server.directory.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_runs_it_as_another_and_copies_what_is_unreadable(tmp_path: Path) -> None:
    account = accounts.unprivileged()
    assert account is not None
    source = EmbeddedPostgres().programs
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    copied = source.copy(hidden)
    before = {path: path.stat().st_mode for path in (hidden, *hidden.parents)}
    assert not accounts.readable_by(account, copied.program("postgres"))
    server = PostgresServer(Programs(copied.home, copied.root, copied.parts)).start()
    try:
        assert server.programs.home.is_relative_to(server.directory)
        assert Path(f"/proc/{server.pid}").stat().st_uid == account.uid
    finally:
        server.stop()
    assert {path: path.stat().st_mode for path in before} == before


def test_the_sample_is_believable_and_guarded(sample_database: SampleDatabase) -> None:
    server = sample_database.server
    dsn = server.dsn(sample_database.database, "app_ro", sample_database.app_ro)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (2000,)
        assert connection.execute("SELECT count(*) FROM sales_by_category").fetchone() == (5,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM carts")


def test_tls_only_and_each_way_to_log_in(tls_postgres: TlsPostgres) -> None:
    base = f"host=localhost port={tls_postgres.port} dbname=postgres sslmode=verify-full sslrootcert={tls_postgres.ca}"
    for user in ("scram", "md5", "clear"):
        with psycopg.connect(f"{base} user={user} password={tls_postgres.password}") as connection:
            assert connection.execute("SELECT current_user").fetchone() == (user,)
    shown = f"sslcert={tls_postgres.client_certificate} sslkey={tls_postgres.client_key}"
    with psycopg.connect(f"{base} user=cert {shown}") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("cert",)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"{base} user=cert")
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(
            f"host=127.0.0.1 port={tls_postgres.port} user=scram password={tls_postgres.password} sslmode=disable"
        )


def test_npms_server_offers_direct_tls(tls_postgres_18: TlsPostgres) -> None:
    assert tls_postgres_18.version >= 18
    dsn = f"host=localhost port={tls_postgres_18.port} dbname=postgres user=scram password={tls_postgres_18.password}"
    with psycopg.connect(
        f"{dsn} sslmode=verify-full sslrootcert={tls_postgres_18.ca} sslnegotiation=direct"
    ) as connection:
        assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)


def test_free_port_prefers_what_is_asked() -> None:
    port = free_port()
    assert free_port(port) == port
