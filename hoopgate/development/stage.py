"""Everything the demo needs on one machine: PostgreSQL with the shop, a host with SSH, the identity provider, the
gateway.

Each is a child process that ends with us. Ports that others hold are replaced by free ones.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import IO

from attrs import define, field, frozen

from hoopgate.development import sample
from hoopgate.development.certificates import Authority
from hoopgate.development.idp import PEOPLE
from hoopgate.development.postgres import EmbeddedPostgres, Options
from hoopgate.development.processes import Kept, StartError, free_port, listening
from hoopgate.development.ssh_target import SshTarget

TEMPLATE = Path(__file__).with_name("demo.toml")
MARK = "this-is-a-hoopgate-demo"
USUAL_PORTS = {
    "tls": 6432, "plain": 6433, "oauth": 6434, "connect": 8444, "ssh": 2222, "api": 8443, "admin": 9090,
    "issuer": 8490, "postgres": 54320,
}  # fmt: skip

Progress = Callable[[str], None]


@frozen
class Ports:
    """TCP ports on 127.0.0.1."""

    tls: int
    plain: int
    oauth: int
    connect: int
    ssh: int
    api: int
    admin: int
    issuer: int
    postgres: int


def choose_ports() -> Ports:
    """The usual ports, or free ones where others listen."""
    chosen: dict[str, int] = {}
    for name, usual in USUAL_PORTS.items():
        port = free_port(usual)
        while port in chosen.values():
            port = free_port()
        chosen[name] = port
    return Ports(**chosen)


@define
class Stage:
    """The running demo. ``directory`` holds everything it writes but the database itself; mode 0700.

    ``server`` is the real database, and ``box`` the real SSH server, for looking behind the gateway.
    """

    directory: Path
    ports: Ports
    server: EmbeddedPostgres
    temporary: bool
    _lock: IO[str]
    box: SshTarget = field(factory=SshTarget)
    _kept: list[Kept] = field(factory=list)

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def config(self) -> Path:
        return self.directory / "hoopgate.toml"

    @property
    def psql(self) -> Path:
        """The embedded psql: version 18, without TLS."""
        return self.server.psql

    def token(self, person: str) -> str:
        """The person's token from the development identity provider, made when the demo started."""
        return (self.directory / f"{person}.token").read_text().strip()

    def environment(self, person: str) -> dict[str, str]:
        """What makes clients and the command line act as that person."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "PGPASSWORD": self.token(person),
            "PGSSLMODE": "prefer",
            "PGSSLROOTCERT": str(self.ca),
            "HOOPGATE_TOKEN": self.token(person),
            "HOOPGATE_API": f"https://localhost:{self.ports.api}",
            "HOOPGATE_CA": str(self.ca),
            "HOOPGATE_ISSUER": f"http://127.0.0.1:{self.ports.issuer}",
            "HOOPGATE_CLIENT_ID": "hoopgate",
            "HOOPGATE_CONFIG": str(self.config),
            "HOOPGATE_GATE": self.gate,
        }

    @property
    def gate(self) -> str:
        """Where ``hoopgate connect`` goes."""
        return f"localhost:{self.ports.connect}"

    @property
    def ssh_config(self) -> Path:
        """What ``hoopgate ssh config`` made for OpenSSH's client."""
        return self.directory / "home" / ".ssh" / "config.d" / "hoopgate.conf"

    def plain_dsn(self, user: str = "app_ro") -> str:
        """The loopback listener without TLS."""
        return f"host=127.0.0.1 port={self.ports.plain} dbname=shop user={user} sslmode=disable"

    def tls_dsn(self, user: str = "app_ro") -> str:
        where = f"host=localhost port={self.ports.tls} dbname=shop user={user}"
        return f"{where} sslmode=verify-full sslrootcert={self.ca}"

    def failed(self) -> str:
        """Why the demo cannot go on: the last lines of a child that ended; "" while all is well."""
        if not self.server.alive():
            return "PostgreSQL ended"
        if not self.box.alive():
            return f"the SSH server ended:\n{self.box.log()}"
        return next((f"{kept.log.stem} ended:\n{kept.tail()}" for kept in self._kept if not kept.alive()), "")

    def stop(self) -> None:
        """End all children, the gateway first. Recordings stay in ``directory`` unless it is temporary."""
        while self._kept:
            self._kept.pop().stop()
        self.box.stop()
        self.server.stop()
        self._lock.close()
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    # --- how it comes up ---

    def start_database(self) -> None:
        self.server.start()
        given = sample.Credentials(app_ro=secrets.token_urlsafe(18), app_rw=secrets.token_urlsafe(18))
        sample.load(self.server, given)
        for name in ("app_ro", "app_rw"):
            _private(self.directory / "secrets" / name, getattr(given, name))

    def start_box(self) -> None:
        self.box.start()
        _private(self.directory / "secrets" / "box", self.box.key.read_text())

    def start_issuer(self) -> None:
        command = [sys.executable, "-m", "hoopgate.development.serve_issuer", str(self.ports.issuer)]
        self._keep("issuer", command, lambda: listening(self.ports.issuer))
        for person in PEOPLE:
            _private(self.directory / f"{person.name}.token", self._fetch_token(person.name))
            lines = [f"export {name}={shlex.quote(value)}" for name, value in self.environment(person.name).items()]
            _private(self.directory / f"as-{person.name}", "\n".join(lines))

    def start_gateway(self) -> None:
        self._write_config()
        twistd = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        command = [*twistd, "--nodaemon", "--pidfile=", "hoopgate", "-c", str(self.config)]
        ports = [getattr(self.ports, name) for name in USUAL_PORTS if name not in ("issuer", "postgres")]
        self._keep("gateway", command, lambda: all(listening(port) for port in ports))

    def write_ssh_config(self) -> None:
        home = self.directory / "home"
        home.mkdir(mode=0o700)
        command = [sys.executable, "-m", "hoopgate.cli", "ssh", "config", "--write"]
        environment = self.environment("scout") | {"HOME": str(home)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise StartError(f"hoopgate ssh config failed: {done.stderr.strip()}")

    def _keep(self, name: str, command: list[str], ready: Callable[[], bool]) -> None:
        log = self.directory / "logs" / f"{name}.log"
        kept = Kept(command, log=log, directory=self.directory)
        self._kept.append(kept)
        kept.wait_until(ready, f"the {name}", 60)

    def _fetch_token(self, person: str) -> str:
        url = f"http://127.0.0.1:{self.ports.issuer}/persona/{person}"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no way to our loopback
        with direct.open(url, data=b"", timeout=10) as answer:
            return str(json.load(answer)["access_token"])

    def _write_config(self) -> None:
        authority = Authority()
        self.ca.write_bytes(authority.pem)
        authority.server().write(self.directory / "tls", "gateway")
        values = {f"{name}_port": getattr(self.ports, name) for name in USUAL_PORTS if name != "postgres"}
        values |= {"postgres_port": self.server.port, "directory": self.directory}
        values |= {"box_port": self.box.port, "box_key": self.box.host_key, "box_user": self.box.user}
        values["issuer"] = f"http://127.0.0.1:{self.ports.issuer}"
        _private(self.config, Template(TEMPLATE.read_text()).substitute(values))


def start(base: Path, progress: Progress) -> Stage:
    """Start the whole demo under ``base`` and return it running. Raises StartError, with everything stopped again."""
    directory, temporary, lock = _directory(base)
    ports = choose_ports()
    stage = Stage(directory, ports, EmbeddedPostgres(options=Options(port=ports.postgres)), temporary, lock)
    began = time.monotonic()
    try:
        for what, step in (
            ("PostgreSQL with the sample shop", stage.start_database),
            ("a host to reach by SSH", stage.start_box),
            ("the development identity provider", stage.start_issuer),
            ("the gateway", stage.start_gateway),
            ("what OpenSSH's client needs", stage.write_ssh_config),
        ):
            progress(f"starting {what}")
            step()
    except BaseException:
        stage.stop()
        raise
    progress(f"up after {time.monotonic() - began:.1f} s")
    return stage


def _private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text + "\n")


def _directory(base: Path) -> tuple[Path, bool, IO[str]]:
    """A fresh directory of the demo, whether it is temporary, and the lock that says that it is in use.

    It is ``base``/demo (or demo-2 ... where another demo runs); what an earlier demo left there is removed.
    """
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        for number in range(1, 100):
            directory = base / ("demo" if number == 1 else f"demo-{number}")
            lock = _locked(directory.with_suffix(".lock"))
            if lock is None or not _clear(directory):
                continue
            _make(directory)
            return directory, False, lock
    except OSError as error:
        if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
            raise StartError(f"cannot use {base}: {error.strerror}") from error
    # A place where we may not write.
    directory = Path(tempfile.mkdtemp(prefix="hoopgate-demo-", dir="/var/tmp"))
    found = _locked(directory / "lock")
    assert found is not None
    _make(directory)
    return directory, True, found


def _clear(directory: Path) -> bool:
    """Remove what an earlier demo left; False where there is something else."""
    if directory.exists():
        if not (directory / MARK).exists():
            return False
        shutil.rmtree(directory)
    return True


def _make(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    for name in ("logs", "recordings", "secrets", "state", "tls"):
        (directory / name).mkdir(mode=0o700)
    (directory / MARK).touch()


def _locked(path: Path) -> IO[str] | None:
    """Lock the file, or None where another process holds it."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        stack.pop_all()
        return file


__all__ = ["Ports", "Stage", "StartError", "choose_ports", "start"]
