"""Other clients than OpenSSH's through the whole gateway, and what few of them ask for: signals, breaks, displays."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest

from hoopgate.development.processes import free_port
from hoopgate.development.ssh_target import SshTarget
from tests.live.conftest import Make
from tests.live.gate import Gate, World
from tests.live.ssh import ALL, NO_SSH, Clients, clients, eventually, live_sessions, make_key, started_server
from tests.live.test_login import gateway_token

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("ssh") is None, reason=NO_SSH)]

DOOR = """
[[listener]]
name = "door"
protocol = "ssh"
port = {door}
issuer = "people"
"""
COMMAND = "cat; echo problem >&2; exit 7"


@pytest.fixture(scope="module")
def server() -> Iterator[SshTarget]:
    running = started_server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared(
    world: World, home: Path, server: SshTarget, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Clients, int, str]]:
    """Clients, the port that takes tokens, and a token of ada's."""
    door = free_port()
    made = clients(
        lambda text: Gate(world, home / "ssh-clients", text).prepare().start(), server,
        tmp_path_factory.mktemp("ssh-clients") / "client", text=DOOR.format(door=door),
    )  # fmt: skip
    yield made, door, str(gateway_token(made.gate, "ada")["token"])
    made.gate.remove()


@pytest.fixture
def box(shared: tuple[Clients, int, str]) -> Iterator[Clients]:
    yield shared[0]
    assert not shared[0].gate.faults()
    eventually(lambda: sum(live_sessions(shared[0])) == 0)
    shared[0].gate.check_recordings()


def run(command: list[str], data: bytes = b"", **environment: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        command, input=data, capture_output=True, timeout=30, check=False, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout, done.stderr


def test_paramiko(box: Clients) -> None:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1", box.port, "dev%box", key_filename=str(box.directory / "key"), allow_agent=False,
            look_for_keys=False,
        )  # fmt: skip
        into, out, error = client.exec_command(COMMAND)
        into.write(b"through\n")
        into.channel.shutdown_write()
        assert (out.read(), error.read()) == (b"through\n", b"problem\n")
        assert out.channel.recv_exit_status() == 7


def by_asyncssh(box: Clients) -> Any:
    return asyncssh.connect(
        "127.0.0.1", box.port, username="dev%box", client_keys=[str(box.directory / "key")], known_hosts=None,
        config=None, agent_path=None,
    )  # fmt: skip


def test_asyncssh(box: Clients) -> None:
    async def session() -> Any:
        async with by_asyncssh(box) as connection:
            return await connection.run(COMMAND, input="through\n")

    done = asyncio.run(session())
    assert (done.exit_status, done.stdout, done.stderr) == (7, "through\n", "problem\n")


def test_signals_breaks_and_how_a_program_died(box: Clients) -> None:
    async def session() -> tuple[Any, Any, Any]:
        async with by_asyncssh(box) as connection:
            died = await connection.run("kill -KILL $$")
            killed = await connection.create_process("echo up; exec cat")
            assert await killed.stdout.readline() == "up\n"
            killed.send_signal("TERM")
            killed.stdin.write_eof()  # sshd obeys no signal for root
            await killed.wait()
            broken = await connection.create_process("echo up; read line; echo $line", term_type="xterm")
            assert "up" in await broken.stdout.readline()
            broken.channel.send_break(300)
            broken.stdin.write("went on\n")
            done = await broken.wait()
            return died, killed, done

    died, killed, done = asyncio.run(session())
    assert died.exit_signal[0] == "KILL"
    assert killed.exit_signal is None or killed.exit_signal[0] == "TERM"
    assert any(b"\x06signal\0\0\0\0\x04TERM" in path.read_bytes() for path in box.gate.recordings())
    assert "went on" in done.stdout
    assert any(b"\x05break" in path.read_bytes() for path in box.gate.recordings())


@pytest.mark.skipif(shutil.which("dbclient") is None, reason="there is no dbclient here (Debian: dropbear-bin)")
def test_dropbear(box: Clients, shared: tuple[Clients, int, str], tmp_path: Path) -> None:
    base = ["dbclient", "-y", "-y", "-p", str(shared[1]), "dev%box@127.0.0.1"]
    environment = {"HOME": str(tmp_path), "DROPBEAR_PASSWORD": shared[2]}
    code, out, error = run([*base, COMMAND], b"through\n", **environment)
    assert (code, out) == (7, b"through\n"), error
    assert b"problem\n" in error
    data = os.urandom(300_000)
    assert run([*base, f"cat > {box.server.files}/dropbear"], data, **environment)[0] == 0
    assert (box.server.files / "dropbear").read_bytes() == data


@pytest.mark.skipif(shutil.which("plink") is None, reason="there is no plink here (Debian: putty-tools)")
def test_putty(box: Clients, shared: tuple[Clients, int, str], tmp_path: Path) -> None:
    _, scanned, _ = run(["ssh-keyscan", "-p", str(shared[1]), "-t", "ed25519", "127.0.0.1"])
    key = " ".join(scanned.decode().split()[1:3])
    (tmp_path / "key").write_text(key)
    _, listed, _ = run(["ssh-keygen", "-l", "-f", str(tmp_path / "key")])
    given = ["-batch", "-hostkey", listed.decode().split()[1], "-P", str(shared[1]), "-pw", shared[2]]
    code, out, error = run(["plink", "-ssh", *given, "dev%box@127.0.0.1", COMMAND], b"through\n", HOME=str(tmp_path))
    assert (code, out) == (7, b"through\n"), error
    assert b"problem\n" in error
    data = os.urandom(300_000)
    (tmp_path / "up").write_bytes(data)
    for mode in ("-sftp", "-scp"):
        there = f"{box.server.files}/putty{mode}"
        assert (
            run(["pscp", mode, *given, str(tmp_path / "up"), f"dev%box@127.0.0.1:{there}"], HOME=str(tmp_path))[0] == 0
        )
        assert Path(there).read_bytes() == data


# --- targets


def test_a_target_takes_a_password(make_gate: Make, tmp_path: Path) -> None:
    server = SshTarget("conch", password="a stored password")
    server.start()
    try:
        secret = tmp_path / "password"
        secret.write_text("a stored password")
        secret.chmod(0o600)
        box = clients(make_gate, server, tmp_path / "client", login=f'password = "file:{secret}"')
        assert box.ssh("echo in").out == "in\n"
        secret.write_text("another")
        wrong = clients(make_gate, server, tmp_path / "other", login=f'password = "file:{secret}"')
        done = wrong.ssh("echo in", options=("-o", "LogLevel=INFO"))
        assert done.code == 255
        assert "the target refused the gateway's login" in done.err
        assert "another" not in done.err
    finally:
        server.stop()


def test_an_authority_tells_who_a_target_is(make_gate: Make, tmp_path: Path) -> None:
    authority = make_key(tmp_path / "ca")
    make_key(tmp_path / "host")
    sign = ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "host", "-h", "-n"]
    subprocess.run([*sign, "127.0.0.1", str(tmp_path / "host.pub")], check=True)
    server = started_server(more=f"HostKey {tmp_path}/host\nHostCertificate {tmp_path}/host-cert.pub")
    try:
        known = f'host_ca = ["{authority}"]'
        box = clients(make_gate, server, tmp_path / "client", ALL, known=known)
        assert box.ssh("echo in").out == "in\n"
        other = make_key(tmp_path / "other")
        box = clients(make_gate, server, tmp_path / "stranger", ALL, known=f'host_ca = ["{other}"]')
        done = box.ssh("echo in", options=("-o", "LogLevel=INFO"))
        assert (done.code, done.out) == (255, "")
    finally:
        server.stop()
