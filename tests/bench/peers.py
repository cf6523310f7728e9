"""Who is measured: the server itself, and what can stand before it. Each is a real process on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template

from attrs import define, field, frozen

from hoopgate.development.accounts import unprivileged
from hoopgate.development.postgres import EmbeddedPostgres, Options, PostgresServer
from hoopgate.development.processes import Kept, free_port, listening
from tests.installs import MissingError, apt

TEMPLATES = Path(__file__).parent
USER, PASSWORD, DATABASE = "bench", "bench-password", "bench"
# Nothing may hide in the server: it is the same for all, and what it holds fits into memory.
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "max_connections": "200", "autovacuum": "off"}


@frozen
class Peer:
    """Where a client connects; ``pids`` are the processes between it and the server (none for the server itself)."""

    name: str
    port: int
    database: str
    password: str
    version: str
    pids: Callable[[], list[int]] = list

    def environment(self) -> dict[str, str]:
        """libpq's variables."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGDATABASE": self.database,
            "PGPASSWORD": self.password,
            "PGSSLMODE": "disable",
            "PGGSSENCMODE": "disable",
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        }


@define
class Bench:
    """The running peers. ``missing`` says which are not here, and why."""

    server: PostgresServer
    directory: Path
    peers: list[Peer] = field(factory=list)
    missing: dict[str, str] = field(factory=dict)


def _program(name: str) -> str:
    """The program's path, installed first if that is possible. Raises MissingError."""
    where = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    found = shutil.which(name, path=where)
    if found is None:
        apt(name)
        found = shutil.which(name, path=where)
    if found is None:
        raise MissingError(f"{name}: installed, but not on PATH")
    return found


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0].partition(" - ")[0].strip()


@contextmanager
def bench(directory: Path, rows: int) -> Iterator[Bench]:
    """Start everything, with ``rows`` rows in pgbench's accounts; stop it at the end."""
    with ExitStack() as stack:
        server = EmbeddedPostgres(options=Options(settings=SETTINGS)).start()
        stack.callback(server.stop)
        _load(server, rows)
        made = Bench(server, directory)
        made.peers.append(Peer("direct", server.port, DATABASE, PASSWORD, server.execute("SHOW server_version")))
        for start in (_pgbouncer, _haproxy, _hoopgate):
            try:
                made.peers += start(server, directory, stack)
            except MissingError as reason:
                made.missing[start.__name__.strip("_")] = str(reason)
        yield made


def _load(server: PostgresServer, rows: int) -> None:
    server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE {DATABASE} OWNER {USER};")
    server.execute(
        f"""
        CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
        CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
        CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
        CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
        INSERT INTO pgbench_branches SELECT g, 0, '' FROM generate_series(1, {max(rows // 100_000, 1)}) g;
        INSERT INTO pgbench_accounts SELECT g, 1 + g / 100001, 0, md5(g::text) FROM generate_series(1, {rows}) g;
        VACUUM (FREEZE, ANALYZE);
        """,
        DATABASE,
        user=USER,
    )


def _settled(kept: Kept, port: int, what: str, stack: ExitStack) -> Kept:
    stack.callback(kept.stop)
    kept.wait_until(lambda: listening(port), what, 60)
    return kept


def _place(directory: Path, name: str) -> Path:
    """A directory for a peer that runs as the unprivileged account."""
    place = directory / name
    place.mkdir()
    account = unprivileged()
    if account is not None:
        os.chown(place, account.uid, account.gid)
    return place


def _filled(template: str, path: Path, **values: object) -> Path:
    path.write_text(Template((TEMPLATES / template).read_text()).substitute(values))
    path.chmod(0o644)
    return path


def _pgbouncer(server: PostgresServer, directory: Path, stack: ExitStack) -> list[Peer]:
    program, port, place = _program("pgbouncer"), free_port(), _place(directory, "pgbouncer")
    users = place / "users.txt"
    users.write_text(f'"{USER}" "{PASSWORD}"\n')
    users.chmod(0o644)
    config = _filled(
        "pgbouncer.ini", place / "pgbouncer.ini", port=port, upstream=server.port, database=DATABASE, users=users
    )
    kept = Kept([program, str(config)], log=place / "log", account=unprivileged(), directory=place)
    _settled(kept, port, "pgbouncer", stack)
    return [Peer("pgbouncer", port, DATABASE, PASSWORD, _version(program, "--version"), lambda: [kept.pid])]


def _haproxy(server: PostgresServer, directory: Path, stack: ExitStack) -> list[Peer]:
    program, port, place = _program("haproxy"), free_port(), _place(directory, "haproxy")
    config = _filled("haproxy.cfg", place / "haproxy.cfg", port=port, upstream=server.port)
    kept = Kept([program, "-db", "-f", str(config)], log=place / "log", account=unprivileged(), directory=place)
    _settled(kept, port, "haproxy", stack)
    return [Peer("haproxy", port, DATABASE, PASSWORD, _version(program, "-v"), lambda: [kept.pid])]


def _hoopgate(server: PostgresServer, directory: Path, stack: ExitStack) -> list[Peer]:
    place = directory / "hoopgate"
    for path in (place, place / "state", place / "recordings"):
        path.mkdir(mode=0o700)
    secret = place / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    issuer, port = free_port(), free_port()
    command = [sys.executable, "-m", "hoopgate.development.serve_issuer", str(issuer)]
    _settled(Kept(command, log=place / "issuer.log", directory=TEMPLATES.parents[1]), issuer, "the issuer", stack)
    config = _filled(
        "hoopgate.toml", place / "hoopgate.toml",
        directory=place, issuer=issuer, port=port, upstream=server.port, api=free_port(), admin=free_port(),
    )  # fmt: skip
    twistd = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile="]
    kept = Kept([*twistd, "hoopgate", "-c", str(config)], log=place / "log", directory=TEMPLATES.parents[1])
    _settled(kept, port, "hoopgate", stack)
    version = _version(sys.executable, "-m", "hoopgate.cli", "--version")
    token = _token(issuer)
    return [
        Peer(name, port, target, token, version, lambda: family(kept.pid))
        for name, target in (("hoopgate", DATABASE), ("hoopgate, masking", "masked"))
    ]


def _token(issuer: int) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{issuer}/persona/ada", data=b"", timeout=10) as answer:
        return str(json.load(answer)["access_token"])


def family(pid: int) -> list[int]:
    """The process and its children, such as the worker that parses large statements."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [child for text in task.read_text().split() for child in family(int(text))]
    return found
