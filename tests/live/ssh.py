"""OpenSSH on both sides of a gateway: a server of the tests' own, and clients that log in with a registered key."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from hoopgate.development.processes import free_port
from hoopgate.development.ssh_target import SshTarget, sshd
from tests.live.gate import Done, Gate

NO_SSHD = "there is no sshd here (Debian: openssh-server)"
NO_SSH = "there is no ssh here (Debian: openssh-client)"

SSH = """
[[listener]]
name = "ssh"
protocol = "ssh"
port = {port}
logins = ["publickey"]

[[ssh_key]]
name = "ada-laptop"
key = "{key}"
issuer = "people"
subject = "ada"
groups = ["staff"]
expires = 2099-01-01T00:00:00Z

[[target]]
name = "box"
protocol = "ssh"
hosts = ["127.0.0.1:{target_port}"]
{known}
[target.role.dev]
user = "{user}"
{login}
"""
ALL = """
[[rule]]
name = "all-of-box"
what = { target = ["box"] }
then = "allow"

[[rule]]
name = "named-parts-of-box"
what = { target = ["box"], effect = ["transfer.forward", "transfer.listen", "transfer.agent", "transfer.display"] }
then = "allow"
"""


def known(server: SshTarget) -> str:
    return f'host_keys = ["{server.host_key}"]'


@define
class Clients:
    """Runs OpenSSH's programs against the SSH listener of a gateway, as ada."""

    gate: Gate
    port: int
    server: SshTarget
    directory: Path
    options: list[str] = field(factory=list)

    def prepare(self) -> Clients:
        self.directory.mkdir(exist_ok=True)
        (self.directory / "config").write_text(
            f"Host gate box\n  HostName 127.0.0.1\n  Port {self.port}\n  User dev%box\n"
            f"  IdentityFile {self.directory}/key\n  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {self.directory}/known_hosts\n  StrictHostKeyChecking accept-new\n"
            "  LogLevel ERROR\n"
        )
        return self

    @property
    def base(self) -> list[str]:
        return ["-F", str(self.directory / "config"), *self.options]

    def ssh(self, *arguments: str, options: tuple[str, ...] = (), **more: Any) -> Done:
        """``ssh gate ARGUMENTS`` to its end, with text."""
        return self.run(["ssh", *self.base, *options, "gate", *arguments], **more)

    def run(self, command: list[str], **more: Any) -> Done:
        more = {"timeout": 20, "stdin": subprocess.DEVNULL, **more}
        if "input" in more:
            del more["stdin"]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, check=False, **more)
        return Done(done.returncode, done.stdout, done.stderr)

    def popen(self, *arguments: str, options: tuple[str, ...] = (), **more: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = ["ssh", *self.base, *options, "gate", *arguments]
        return subprocess.Popen(command, env=self.environ, **{**pipes, **more})

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.directory), "GIT_SSH_COMMAND": " ".join(["ssh", *self.base])}


def make_key(path: Path) -> str:
    """A private key; returns the public one's line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def started_server(**options: Any) -> SshTarget:
    if sshd() is None:
        pytest.skip(NO_SSHD)
    server = SshTarget("openssh", **options)
    server.start()
    return server


def clients(make_gate: Any, server: SshTarget, directory: Path, rules: str = ALL, **more: Any) -> Clients:
    """A gateway with an SSH listener in front of ``server``, and clients of it."""
    port = free_port()
    directory.mkdir(exist_ok=True)
    key = make_key(directory / "key")
    text = SSH.format(
        port=port, key=key, target_port=server.port, known=more.pop("known", known(server)),
        user=server.user, login=more.pop("login", f'key = "file:{server.key}"'),
    )  # fmt: skip
    gate = make_gate(text + more.pop("text", "") + rules, **more)
    return Clients(gate, port, server, directory).prepare()


def eventually(true: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


class Terminal:
    """The leading side of a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def until(self, pattern: bytes, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while re.search(pattern, self.seen) is None:
            assert time.monotonic() < end, self.seen
            if select.select([self._descriptor], [], [], 0.1)[0]:
                self.seen += os.read(self._descriptor, 65536)


@contextlib.contextmanager
def master(box: Clients) -> Iterator[tuple[str, ...]]:
    """A connection that others share; gives their options."""
    path = box.directory / "master"
    client = box.popen("-N", options=("-M", "-S", str(path)))
    try:
        eventually(path.exists)
        yield ("-S", str(path))
    finally:
        client.terminate()
        client.wait(20)


def contents(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def feed(client: subprocess.Popen[bytes], data: bytes) -> None:
    assert client.stdin is not None
    client.stdin.write(data)
    client.stdin.close()


def live_ids(box: Clients) -> list[str]:
    status, answer = box.gate.api("operator", "GET", "/v1/sessions")
    assert status == 200, answer
    return [each["id"] for each in answer["sessions"]]


def live_sessions(box: Clients) -> list[int]:
    """How many sessions each target has, by the metrics."""
    _, text = box.gate.http("/metrics")
    return [int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("hoopgate_sessions_open{")]


@contextlib.contextmanager
def echo_server() -> Iterator[int]:
    """A port that says what it is told."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(door.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield door.getsockname()[1]
    finally:
        door.close()


def echo(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(65536):
            connection.sendall(data)


def echoed(port: int, data: bytes) -> bytes:
    """What comes back for ``data``, to the end."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        threading.Thread(target=sent, args=(connection, data), daemon=True).start()
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def sent(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
