"""Who is measured: sshd itself, the gateway, ProxyJump through another sshd, and a proxy of asyncssh's."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import define, field, frozen

from hoopgate.development.processes import Kept, free_port
from hoopgate.development.ssh_target import SshTarget
from tests.bench import gateways
from tests.bench.gateways import SOURCE, TWISTD, start_issuer
from tests.bench.peers import filled, place, up
from tests.bench.processes import cpu_seconds, family


@frozen
class Peer:
    """``arguments``: what ``ssh`` needs to run a command through it. ``cpu``: seconds it has used so far."""

    name: str
    arguments: tuple[str, ...]
    port: int = 0
    user: str = ""
    cpu: Callable[[], float] = field(default=lambda: 0.0, repr=False)
    pids: Callable[[], list[int]] = field(default=list, repr=False)
    recordings: Path | None = None

    def tidy(self) -> None:
        """Recordings are as large as what they record."""
        if self.recordings is not None:
            for path in self.recordings.rglob("*.hgr"):
                path.unlink(missing_ok=True)


@define
class Stage:
    directory: Path
    server: SshTarget
    key: Path
    peers: list[Peer]
    missing: dict[str, str]


def keygen(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def ssh(port: int, user: str, key: Path, directory: Path) -> tuple[str, ...]:
    return (
        "-F", "none", "-p", str(port), "-l", user, "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
        "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={directory}/known_hosts", "-o", "LogLevel=ERROR",
        "-o", "IdentityAgent=none", "127.0.0.1",
    )  # fmt: skip


@contextmanager
def staged(directory: Path, tree: Path) -> Iterator[Stage]:
    """Start all of them; ``tree`` is where the gateway's code lies."""
    with ExitStack() as stack:
        server = SshTarget("openssh", more="MaxStartups 2000")
        server.start()
        stack.callback(server.stop)
        key = keygen(directory / "client")
        authorized = server.directory / "authorized_keys"
        authorized.write_text(authorized.read_text() + key.with_suffix(".pub").read_text())
        stage = Stage(directory, server, key, [], {})
        stage.peers.append(Peer("direct", ssh(server.port, server.user, key, directory), server.port, server.user))
        stage.peers.append(_gateway(stage, stack, tree))
        stage.peers.append(_jump(stage, stack))
        if importlib.util.find_spec("asyncssh") is None:
            stage.missing["asyncssh"] = "not installed: pip install asyncssh"
        else:
            stage.peers.append(_asyncssh(stage, stack))
        yield stage


def _gateway(stage: Stage, stack: ExitStack, tree: Path) -> Peer:
    directory = place(stage.directory, "hoopgate")
    for path in (directory / "state", directory / "recordings"):
        path.mkdir(mode=0o700)
    issuer, issuer_port = start_issuer(directory)
    stack.callback(issuer.stop)
    port = free_port()
    config = filled(
        "ssh.toml", directory / "hoopgate.toml", directory=directory, issuer=issuer_port, port=port,
        api=free_port(), admin=free_port(), target=stage.server.port, user=stage.server.user,
        target_key=stage.server.key, host_key=stage.server.host_key,
        client_key=" ".join(stage.key.with_suffix(".pub").read_text().split()[:2]),
    )  # fmt: skip
    command = [sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile=", "hoopgate", "-c", str(config)]
    kept = Kept(command, log=directory / "log", directory=directory, environment=gateways.environment(tree))
    stack.callback(up(kept, port, "hoopgate").stop)
    return Peer(
        "hoopgate", ssh(port, "bench%bench", stage.key, stage.directory), port, "bench%bench",
        cpu=lambda: cpu_seconds(family(kept.pid)), pids=lambda: family(kept.pid), recordings=directory / "recordings",
    )  # fmt: skip


def _jump(stage: Stage, stack: ExitStack) -> Peer:
    """``ssh -J`` as a ProxyCommand, so that both hops use the same key and options."""
    jump = SshTarget("openssh", more="MaxStartups 2000")
    jump.start()
    stack.callback(jump.stop)
    authorized = jump.directory / "authorized_keys"
    authorized.write_text(authorized.read_text() + stage.key.with_suffix(".pub").read_text())
    first = " ".join(["ssh", "-W", "%h:%p", *ssh(jump.port, jump.user, stage.key, stage.directory)])
    last = ssh(stage.server.port, stage.server.user, stage.key, stage.directory)
    return Peer("ProxyJump", ("-o", f"ProxyCommand={first}", *last))


def _asyncssh(stage: Stage, stack: ExitStack) -> Peer:
    port, host = free_port(), keygen(stage.directory / "proxy_host")
    command = [
        sys.executable, "-m", "tests.bench.ssh.proxy", str(port), str(stage.server.port), stage.server.user,
        str(stage.server.key), str(host), str(stage.key),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    kept = Kept(command, log=stage.directory / "proxy.log", environment=environment)
    stack.callback(up(kept, port, "the proxy of asyncssh's").stop)
    arguments = ssh(port, stage.server.user, stage.key, stage.directory)
    return Peer(
        "asyncssh", arguments, port, stage.server.user,
        cpu=lambda: cpu_seconds([kept.pid]), pids=lambda: [kept.pid],
    )  # fmt: skip
