"""Real SSH software around our transports: sshd, dropbear, the clients, and the relay between them."""

from __future__ import annotations

import getpass
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hoopgate.development.processes import free_port

ROOT = Path(__file__).parents[2]
USER = getpass.getuser()


def program(name: str) -> str | None:
    """Its path, also where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def missing(*names: str) -> str:
    """Why a test that needs these programs cannot run; "" if it can."""
    lacking = [name for name in names if program(name) is None]
    return (
        f"{', '.join(lacking)}: not installed (Debian: openssh-server, openssh-client, dropbear, putty-tools)"
        if lacking
        else ""
    )


def keygen(path: Path, kind: str = "ed25519", *more: str) -> Path:
    size = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "", *more, "-f", str(path)], check=True)
    return path


@contextmanager
def running(command: list[str], port: int, log: Path, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server, from when its port answers."""
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **how) as process,
    ):
        try:
            answers(port, process, log)
            yield process
        finally:
            process.terminate()
            process.wait(10)


def answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer: {log.read_text(errors='replace')}")


@contextmanager
def sshd(folder: Path, authorized: Path, *options: str) -> Iterator[int]:
    """Its port. It runs as whoever runs the tests, and lets that user in with the key ``authorized``."""
    port = free_port()
    keys = [folder / f"host_{kind}" for kind in ("ed25519", "ecdsa", "rsa")]
    for path in keys:
        if not path.exists():
            keygen(path, path.name.removeprefix("host_"))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it drops its privileges into
    authorized_keys = folder / "authorized_keys"
    authorized_keys.write_bytes(authorized.with_suffix(".pub").read_bytes())
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        *[f"HostKey {path}" for path in keys],
        f"AuthorizedKeysFile {authorized_keys}",
        "StrictModes no",
        "UsePAM no",
        "PidFile none",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "MaxStartups 100",
        "Subsystem sftp internal-sftp",
        *options,
    ]
    config = folder / "sshd_config"
    config.write_text("\n".join(lines) + "\n")
    with running([str(program("sshd")), "-D", "-e", "-f", str(config)], port, folder / "sshd.log"):
        yield port


class Relay:
    """The process of ``tests.conch.relay``."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._told = b""
        self.port = int(self._line(20))

    def report(self, seconds: float = 10) -> dict[str, Any]:
        """What the next connection to end was."""
        found: dict[str, Any] = json.loads(self._line(seconds))
        return found

    def forget(self) -> None:
        """What was told so far belongs to another test."""
        assert self.process.stdout is not None
        while select.select([self.process.stdout], [], [], 0)[0]:
            assert os.read(self.process.stdout.fileno(), 65_536)
        self._told = b""

    def _line(self, seconds: float) -> bytes:
        assert self.process.stdout is not None
        while b"\n" not in self._told:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            assert ready, "the relay has not seen the end of the connection"
            more = os.read(self.process.stdout.fileno(), 65_536)
            assert more, "the relay has ended"
            self._told += more
        line, _, self._told = self._told.partition(b"\n")
        return line

    def cpu(self) -> float:
        """Seconds of user and system time."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def relay(folder: Path, target: int, key: Path, **options: Any) -> Iterator[Relay]:
    """``options`` as tests.conch.relay has them: in, out, limits, host_keys, own."""
    host = folder / "relay_host"
    if not host.exists():
        keygen(host)
    given = {"target": target, "key": str(key), "user": USER, "host_keys": [[str(host), None]], **options}
    command = [sys.executable, "-m", "tests.conch.relay", json.dumps(given)]
    errors = (folder / "relay.log").open("ab")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT) as process:
        try:
            yield Relay(process)
        finally:
            process.terminate()
            process.wait(10)
            errors.close()


def ssh(port: int, *arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """OpenSSH's client."""
    return subprocess.run([*ssh_command(port), *arguments], capture_output=True, timeout=60, check=False, **how)


def ssh_command(port: int) -> list[str]:
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "UpdateHostKeys=no",
    )
    return [
        "ssh",
        "-F",
        "none",
        "-p",
        str(port),
        *[word for option in options for word in ("-o", option)],
        f"{USER}@127.0.0.1",
    ]
