"""One gateway as a child process: its configuration rendered, its ports found, its words read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from attrs import define, field

from hoopgate.config.status import Status, read_status
from hoopgate.development.certificates import Authority
from hoopgate.development.postgres import PostgresServer
from hoopgate.development.processes import Kept, StartError, free_port, listening
from hoopgate.recorders.keys import load_public_key
from hoopgate.recorders.verify import Report, verify
from tests.live.people import People
from tests.live.wire import Wire

PATIENCE = 20.0  # seconds for anything that should happen at once, on a busy machine
PORTS = ("tls", "plain", "oauth", "connect", "api", "admin")

# What every gateway of these tests has in common.
BASE = """
[gateway]
name = "live"
state = "$directory/state"
workers = $workers

[[issuer]]
name = "people"
url = "$issuer"
audience = ["hoopgate"]
client_id = "hoopgate"
development = true

[[listener]]
name = "tls"
protocol = "postgresql"
port = $tls
tls = { certificate = "file:$directory/gateway.crt", key = "file:$directory/gateway.key" }

[[listener]]
name = "plain"
protocol = "postgresql"
port = $plain
plaintext = true

[[listener]]
name = "oauth"
protocol = "postgresql"
port = $oauth
login = "oauthbearer"
issuer = "people"
tls = { certificate = "file:$directory/gateway.crt", key = "file:$directory/gateway.key" }

[[listener]]
name = "connect"
protocol = "connect"
port = $connect
tls = { certificate = "file:$directory/gateway.crt", key = "file:$directory/gateway.key" }

[recorder]
directory = "$directory/recordings"

[api]
port = $api
url = "https://localhost:$api"
tls = { certificate = "file:$directory/gateway.crt", key = "file:$directory/gateway.key" }
operators = ["operators"]

[admin]
port = $admin
"""
TARGET = """
[[target]]
name = "{name}"
protocol = "postgresql"
hosts = ["127.0.0.1:{port}"]
database = "{database}"
tls = "disable"
[target.role.app]
user = "{user}"
password = "file:$directory/secrets/app"
"""
ALLOW = """
[[rule]]
name = "{name}"
what = {{ target = ["{target}"] }}
then = "allow"
"""


@define
class World:
    """What all gateways of one test process share: a real server with a database, and people."""

    server: PostgresServer
    people: People
    authority: Authority
    database: str
    user: str
    password: str

    def target(self, name: str, *, allow: bool = True) -> str:
        """TOML of a target on the world's database; with ``allow`` also of a rule that lets everybody do all."""
        text = TARGET.format(name=name, port=self.server.port, database=self.database, user=self.user)
        return text + (ALLOW.format(name=f"all-of-{name}", target=name) if allow else "")

    def behind(self, sql: str) -> str:
        """The truth, asked past every gateway as the superuser."""
        return self.server.execute(sql, self.database)

    def direct(self, **parameters: Any) -> Wire:
        """A raw session with the server itself, as the role that gateways use."""
        path = f"{self.server.socket_directory}/.s.PGSQL.{self.server.port}"
        return Wire.unix(path, {"user": self.user, "database": self.database, **parameters.pop("settings", {})},
                         **parameters)  # fmt: skip


@define
class Done:
    code: int
    out: str
    err: str


@define
class Gate:
    """``text`` is TOML beside BASE; ``$directory`` and the like are filled in."""

    world: World
    directory: Path
    text: str
    environment: dict[str, str] = field(factory=dict)
    command: list[str] = field(factory=list)  # before twistd's own
    workers: int = 1
    ports: dict[str, int] = field(factory=dict)
    kept: Kept | None = None
    _verified: set[Path] = field(factory=set)
    _tokens: dict[str, str] = field(factory=dict)
    _looked: int = 0

    # --- life

    def prepare(self) -> Gate:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.directory / "secrets").mkdir(mode=0o700, exist_ok=True)
        self.secret("app", self.world.password)
        (self.directory / "ca.crt").write_bytes(self.world.authority.pem)
        self.world.authority.server().write(self.directory, "gateway")
        return self

    def secret(self, name: str, text: str | bytes) -> Path:
        """Write (or replace at once) a secret's file."""
        path = self.directory / "secrets" / name
        draft = path.with_suffix(".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        draft.replace(path)
        return path

    @property
    def config(self) -> Path:
        return self.directory / "hoopgate.toml"

    def write(self, text: str | None = None) -> None:
        """Render the configuration; ``text`` replaces what was there beside BASE."""
        if text is not None:
            self.text = text
        values = {
            "directory": str(self.directory),
            "issuer": self.world.people.url,
            "workers": self.workers,
            **self.ports,
        }
        whole = BASE + self.text
        for name, value in values.items():
            whole = whole.replace(f"${name}", str(value))
        self.config.write_text(whole)

    def start(self, *, wait: bool = True) -> Gate:
        if not self.directory.exists():
            self.prepare()
        for attempt in range(3):
            if not self.ports or attempt:
                self.choose_ports()
            self.write()
            self._launch()
            if not wait:
                return self
            try:
                self.kept.wait_until(lambda: (self.directory / "state/status.json").exists(), "the gateway", 30)
            except StartError as error:
                self.stop()
                if attempt == 2 or "in use" not in str(error):
                    raise
                self._looked = len(self.log())
            else:
                return self
        raise AssertionError

    def choose_ports(self) -> None:
        chosen: set[int] = set()
        while len(chosen) < len(PORTS):
            chosen.add(free_port())
        self.ports = dict(zip(PORTS, sorted(chosen), strict=True))

    def _launch(self) -> None:
        (self.directory / "state/status.json").unlink(missing_ok=True)
        twistd = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile="]
        self.kept = Kept(
            [*self.command, *twistd, "hoopgate", "-c", str(self.config)],
            log=self.directory / "log",
            directory=self.directory,
            environment={**os.environ, **self.environment},
            grace=15,
        )

    @property
    def pid(self) -> int:
        assert self.kept is not None
        return self.kept.pid

    def alive(self) -> bool:
        return self.kept is not None and self.kept.alive()

    def signal(self, number: int) -> None:
        assert self.kept is not None
        self.kept.signal(number)

    def ended(self, seconds: float = PATIENCE) -> None:
        """Wait until the process has ended by itself."""
        wait_for(lambda: not self.alive(), "the gateway's end", seconds)
        self.stop()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.ended()

    def stop(self) -> None:
        kept, self.kept = self.kept, None
        if kept is not None:
            kept.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- what it says

    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def faults(self) -> list[str]:
        """What the log says, since the last look, of faults of the gateway itself."""
        text = self.log()
        lines = text[self._looked :].splitlines()
        self._looked = len(text)
        return [line[:3000] for line in lines if "Traceback" in line or '"level": "critical"' in line]

    def status(self) -> Status:
        status = read_status(self.directory / "state")
        assert status is not None
        return status

    def http(self, path: str) -> tuple[int, str]:
        """The admin listener's answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.ports['admin']}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def peak_memory(self) -> int:
        """The most bytes of memory that the process ever had (VmHWM)."""
        return _memory(self.pid, "VmHWM")

    def memory(self) -> int:
        return _memory(self.pid, "VmRSS")

    def reload(self, text: str | None = None) -> Status:
        """Write the configuration, send SIGHUP, and return what the service says of it."""
        if text is not None:
            self.write(text)
        before = self.status().reload
        self.signal(signal.SIGHUP)
        wait_for(lambda: self.status().reload != before, "the reload")
        return self.status()

    # --- clients

    def token(self, person: str) -> str:
        if person not in self._tokens:
            self._tokens[person] = self.world.people.token(person)
        return self._tokens[person]

    def dsn(self, target: str, *, user: str = "app", listener: str = "plain") -> str:
        where = f"dbname={target} user={user} port={self.ports[listener]} connect_timeout=20"
        if listener == "plain":
            return f"host=127.0.0.1 sslmode=disable {where}"
        return f"host=localhost sslmode=verify-full sslrootcert={self.directory / 'ca.crt'} {where}"

    def connect(
        self, target: str, person: str = "ada", *, listener: str = "plain", user: str = "app", **options: Any
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """psycopg, in autocommit."""
        options = {"password": self.token(person), "autocommit": True, **options}
        return psycopg.connect(self.dsn(target, user=user, listener=listener), **options)

    def wire(self, target: str, person: str = "ada", *, user: str = "app", **options: Any) -> Wire:
        """A raw session through the plaintext listener."""
        settings = {"user": user, "database": target, **options.pop("settings", {})}
        token = options.pop("token", None) or self.token(person)
        return Wire.tcp(("127.0.0.1", self.ports["plain"]), settings, password=token.encode(), **options)

    def psql(self, target: str, *arguments: str, person: str = "ada", listener: str = "plain") -> list[str]:
        """The command of a psql: the embedded one where no TLS is needed."""
        program = str(self.world.server.psql) if listener == "plain" else "psql"
        return [program, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(target, listener=listener),
                *arguments]  # fmt: skip

    def environ(self, person: str) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(self.directory),
            "PGPASSWORD": self.token(person),
            "HOOPGATE_TOKEN": self.token(person),
            "HOOPGATE_API": f"https://localhost:{self.ports['api']}",
            "HOOPGATE_CA": str(self.directory / "ca.crt"),
            "HOOPGATE_CONFIG": str(self.config),
            "COLUMNS": "200",
        }

    def run(self, person: str, command: list[str], **options: Any) -> Done:
        options = {"timeout": 60, "stdin": subprocess.DEVNULL, **options}
        if "input" in options:
            del options["stdin"]
        environment = self.environ(person) | options.pop("env", {})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)
        return Done(done.returncode, done.stdout, done.stderr)

    def hoopgate(self, person: str, *arguments: str) -> Done:
        """The command line, as a process of its own."""
        return self.run(person, [sys.executable, "-m", "hoopgate.cli", *arguments])

    # --- the API

    def api(self, person: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"https://localhost:{self.ports['api']}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token(person)}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def pending(self, person: str = "grace") -> list[dict[str, Any]]:
        status, answer = self.api(person, "GET", "/v1/approvals?state=pending")
        assert status == 200, answer
        return list(answer["approvals"])

    def request(self, request_id: str, person: str = "grace") -> dict[str, Any]:
        status, answer = self.api(person, "GET", f"/v1/approvals/{request_id}")
        assert status == 200, answer
        return dict(answer)

    def approve(self, request_id: str, person: str = "grace") -> dict[str, Any]:
        digest = self.request(request_id, person)["digest"]
        body = {"digest": digest, "reason": "looks right"}
        status, answer = self.api(person, "POST", f"/v1/approvals/{request_id}/approve", body)
        assert status == 200, answer
        return dict(answer)

    def deny(self, request_id: str, reason: str, person: str = "grace") -> None:
        status, answer = self.api(person, "POST", f"/v1/approvals/{request_id}/deny", {"reason": reason})
        assert status == 200, answer

    # --- recordings

    def recordings(self) -> Iterator[Path]:
        yield from sorted((self.directory / "recordings").rglob("*.hgr"))

    def verify(self, path: Path) -> Report:
        key = load_public_key((self.directory / "recordings/public-key.pem").read_bytes())
        return verify(path, key)

    def check_recordings(self) -> None:
        """Every recording is whole but those of sessions that live, which are whole so far."""
        for path in self.recordings():
            if path in self._verified:
                continue
            report = self.verify(path)
            assert report.ok or report.truncated, f"{path}: {report}"
            if report.ok:
                self._verified.add(path)

    def recorded(self, session: str) -> Path:
        return next(path for path in self.recordings() if session in path.name)


def wait_for(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Poll until ``true()`` is, and return its value."""
    end = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.02)


def _memory(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


__all__ = ["Done", "Gate", "World", "listening", "wait_for"]
