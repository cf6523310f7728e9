"""The SSH server of demo and tests, asked by OpenSSH's client and by a client in Python."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from hoopgate.development.ssh_target import Kind, SshTarget, sshd

KINDS: tuple[Kind, ...] = ("conch", "openssh")


@pytest.fixture(scope="module", params=KINDS)
def target(request: pytest.FixtureRequest) -> Iterator[SshTarget]:
    if request.param == "openssh" and sshd() is None:
        pytest.skip("OpenSSH's server is not installed")
    made = SshTarget(request.param, password="let me in" if request.param == "conch" else "")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(target: SshTarget) -> Iterator[paramiko.SSHClient]:
    with connected(target, key_filename=str(target.key)) as made:
        yield made


def connected(target: SshTarget, **how: str) -> paramiko.SSHClient:
    made = paramiko.SSHClient()
    known = target.directory / "known_hosts"
    known.write_text(f"{target.known_hosts}\n")
    made.load_host_keys(str(known))
    made.connect(
        "127.0.0.1", target.port, target.user, look_for_keys=False, allow_agent=False, timeout=20, **how  # type: ignore[arg-type]
    )  # fmt: skip
    return made


def test_a_command_runs(client: paramiko.SSHClient) -> None:
    stdin, stdout, stderr = client.exec_command("cat; echo wrong >&2; exit 3")
    stdin.write("hello")
    stdin.channel.shutdown_write()
    assert stdout.read() == b"hello"
    assert stderr.read() == b"wrong\n"
    assert stdout.channel.recv_exit_status() == 3


def test_a_terminal_has_its_size(client: paramiko.SSHClient) -> None:
    _, stdout, _ = client.exec_command("tty; stty size", get_pty=True)
    seen = stdout.read().split()
    assert seen[0].startswith(b"/dev/")
    assert seen[1:] == [b"24", b"80"]


def test_files_go_and_come(client: paramiko.SSHClient, target: SshTarget) -> None:
    data = os.urandom(300_000)
    with client.open_sftp() as sftp:
        assert sftp.normalize(".") == str(target.files)
        sftp.putfo(io.BytesIO(data), "big")
        sftp.rename("big", "bigger")
        taken = io.BytesIO()
        sftp.getfo("bigger", taken)
        assert taken.getvalue() == data
        sftp.remove("bigger")
        assert sftp.listdir(".") == []


def test_only_conch_takes_a_password_and_only_the_right_one(target: SshTarget) -> None:
    with pytest.raises(paramiko.SSHException):
        connected(target, password="wrong")
    if target.kind == "conch":
        connected(target, password="let me in").close()


def test_root_is_nobody_there(client: paramiko.SSHClient, target: SshTarget) -> None:
    if target.kind != "conch":
        pytest.skip("OpenSSH's server runs what comes as whoever started it")
    _, stdout, _ = client.exec_command("id -u; cat ../host_key ../client_key")
    seen = stdout.read()
    assert int(seen.split()[0]) != 0
    if os.geteuid() == 0:
        assert b"PRIVATE KEY" not in seen


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed")
def test_the_client_of_openssh_is_served(target: SshTarget, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{target.known_hosts}\n")
    options = ("-F", "none", "-i", str(target.key), "-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes")
    command = ("ssh", *options, "-p", str(target.port), f"{target.user}@127.0.0.1", "echo it is me")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, b"it is me\n"), done.stderr


def test_nothing_is_left() -> None:
    made = SshTarget("conch")
    made.start()
    made.stop()
    made.stop()
    assert not made.directory.exists()
    assert not made.alive()
