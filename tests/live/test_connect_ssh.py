"""OpenSSH through the one TLS port: a generated configuration, hoopgate connect as ProxyCommand, no second login."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from hoopgate.development.processes import free_port
from hoopgate.development.ssh_target import SshTarget
from tests.live.gate import Done, Gate, World, wait_for
from tests.live.ssh import NO_SSH, started_server

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("ssh") is None, reason=NO_SSH)]

TEXT = """
[[listener]]
name = "ssh"
protocol = "ssh"
port = {port}

[[target]]
name = "box"
protocol = "ssh"
hosts = ["127.0.0.1:{target_port}"]
host_keys = ["{host_key}"]
[target.role.dev]
user = "{user}"
key = "file:{target_key}"

[[target]]
name = "shut"
protocol = "ssh"
hosts = ["127.0.0.1:{target_port}"]
host_keys = ["{host_key}"]
[target.role.dev]
user = "{user}"
key = "file:{target_key}"

[[rule]]
name = "all-of-box"
what = {{ target = ["box"] }}
then = "allow"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SshTarget]:
    running = started_server()
    yield running
    running.stop()


@define
class Shell:
    """ada's shell: a home of her own with what ``hoopgate ssh config --write`` put there."""

    gate: Gate
    port: int
    home: Path

    @property
    def config(self) -> Path:
        return self.home / ".ssh" / "config.d" / "hoopgate.conf"

    @property
    def environ(self) -> dict[str, str]:
        kept = {"HOME": str(self.home), "PYTHONPATH": os.pathsep.join(sys.path)}
        return {**self.gate.environ("ada"), **kept}

    def run(self, *command: str, **more: Any) -> Done:
        more = {"timeout": 40, "stdin": subprocess.DEVNULL, **more}
        if "input" in more:
            del more["stdin"]
        environ = {**self.environ, **more.pop("env", {})}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, **more)
        return Done(done.returncode, done.stdout, done.stderr)

    def ssh(self, *arguments: str, **more: Any) -> Done:
        return self.run("ssh", "-F", str(self.config), *arguments, **more)


@pytest.fixture(scope="module")
def served(world: World, home: Path, server: SshTarget) -> Iterator[tuple[Gate, int]]:
    """One gateway for all of these tests, and its SSH port."""
    port = free_port()
    text = TEXT.format(
        port=port, target_port=server.port, host_key=server.host_key, user=server.user, target_key=server.key
    )
    gate = Gate(world, home / "connect-ssh", text).prepare().start()
    yield gate, port
    gate.stop()
    assert not gate.faults()
    gate.check_recordings()
    gate.remove()


@pytest.fixture
def shell(served: tuple[Gate, int], tmp_path: Path) -> Shell:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    made = Shell(*served, home)
    done = made.run(sys.executable, "-m", "hoopgate.cli", "ssh", "config", "--write")
    assert done.code == 0, done.err
    assert "Include config.d/*.conf" in done.err
    return made


def test_ssh_needs_no_second_login(shell: Shell) -> None:
    text = shell.config.read_text()
    assert "Host box\n" in text
    assert "Host shut" not in text
    assert stat.S_IMODE(shell.config.stat().st_mode) == 0o600
    done = shell.ssh("box", "cat; echo problem >&2; exit 7", input="through\n")
    assert (done.code, done.out, done.err) == (7, "through\n", "problem\n")


def test_a_session_by_connect_is_listed_and_ends_as_others(shell: Shell) -> None:
    with subprocess.Popen(
        ["ssh", "-F", str(shell.config), "box", "echo ready; sleep 60"], env=shell.environ, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (session,) = shell.gate.api("ada", "GET", "/v1/sessions")[1]["sessions"]
        assert (session["target"], session["role"], session["protocol"]) == ("box", "dev", "ssh")
        status, _ = shell.gate.api("ada", "POST", f"/v1/sessions/{session['id']}/end", {"reason": "enough"})
        assert status == 202
        assert process.wait(20) == 255


def test_bulk_both_ways(shell: Shell, tmp_path: Path) -> None:
    """50 MB through ssh, hoopgate connect and the gateway, with checksums."""
    data = os.urandom(1024 * 1024) * 50
    file = tmp_path / "data"
    file.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    began = time.monotonic()
    with file.open("rb") as source:
        up = shell.ssh("box", "sha256sum", stdin=source)
    assert up.out.split()[:1] == [digest], up.err
    with (tmp_path / "back").open("wb") as sink:
        down = subprocess.run(["ssh", "-F", str(shell.config), "box", f"cat {file}"], env=shell.environ, stdout=sink,
                              check=False, timeout=60)  # fmt: skip
    assert down.returncode == 0
    assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == digest
    assert time.monotonic() - began < 60


def test_one_connection_carries_many_commands_and_files(shell: Shell, home: Path, tmp_path: Path) -> None:
    """ControlMaster over hoopgate connect; scp takes the same connection."""
    control = ["-o", f"ControlPath={home}/control", "-o", "ControlMaster=auto", "-o", "ControlPersist=30"]
    done = shell.ssh(*control, "box", "echo first")
    assert (done.code, done.out) == (0, "first\n"), done.err
    for number in range(5):
        assert shell.ssh(*control, "box", f"echo {number}").out == f"{number}\n"
    assert len(shell.gate.api("ada", "GET", "/v1/sessions")[1]["sessions"]) == 1
    file = tmp_path / "file"
    file.write_bytes(os.urandom(300_000))
    copied = tmp_path / "copied"
    done = shell.run("scp", "-q", "-F", str(shell.config), *control, str(file), f"box:{copied}")
    assert done.code == 0, done.err
    assert copied.read_bytes() == file.read_bytes()
    assert shell.ssh(*control, "-O", "exit", "box").code == 0


def test_what_is_refused_says_why(shell: Shell) -> None:
    proxy = f"{sys.executable} -m hoopgate.cli connect --gate localhost:{shell.gate.ports['connect']} %h %p"
    done = shell.run("ssh", "-F", "none", "-o", f"ProxyCommand={proxy}", "shut", "true")
    assert done.code == 255
    assert "the gateway refuses" in done.err
    assert "[default-deny]" in done.err
    done = shell.ssh("-l", "nobody", "box", "true")
    assert done.code == 255
    assert 'role "nobody"' in done.err


def test_another_target_inside_is_refused(shell: Shell) -> None:
    done = shell.ssh("-l", "dev%shut", "box", "true")
    assert done.code == 255
    assert "[target]" in done.err


def test_a_gateway_with_another_key_is_not_believed(shell: Shell) -> None:
    known = shell.home / ".config" / "hoopgate" / "known_hosts"
    text = known.read_text()
    known.write_text(text.replace("AAAAI", "AAAAIA", 1)[: len(text)])
    done = shell.ssh("box", "true")
    assert done.code == 255


def test_a_certificate_logs_in_at_the_ssh_port(shell: Shell) -> None:
    """Written beside a key of one's own, both readable for their owner alone; and it goes into an agent."""
    done = shell.run(sys.executable, "-m", "hoopgate.cli", "ssh", "certificate", "--target", "box", "--lifetime", "300")
    assert done.code == 0, done.err
    directory = shell.home / ".config" / "hoopgate" / "ssh"
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir()} == {
        "id_ed25519": 0o600, "id_ed25519.pub": 0o600, "id_ed25519-cert.pub": 0o600,
    }  # fmt: skip
    done = shell.ssh("-o", "BatchMode=yes", "-l", "dev%box", "localhost", "echo in")
    assert (done.code, done.out) == (0, "in\n"), done.err


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason=NO_SSH)
def test_a_certificate_goes_into_an_agent(shell: Shell, home: Path) -> None:
    socket = home / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as agent:
        try:
            wait_for(socket.exists, "ssh-agent")
            extra = {"SSH_AUTH_SOCK": str(socket)}
            done = shell.run(sys.executable, "-m", "hoopgate.cli", "ssh", "certificate", "--agent", env=extra)
            assert done.code == 0, done.err
            listed = shell.run("ssh-add", "-l", env=extra).out
            assert "ED25519-CERT" in listed
        finally:
            agent.terminate()
            socket.unlink(missing_ok=True)


def test_no_token_no_certificate(shell: Shell) -> None:
    done = shell.run(sys.executable, "-m", "hoopgate.cli", "ssh", "certificate", env={"HOOPGATE_TOKEN": "x.y.z"})
    assert done.code == 3
    assert not (shell.home / ".config" / "hoopgate" / "ssh" / "id_ed25519-cert.pub").exists()
