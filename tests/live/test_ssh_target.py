"""How the gateway knows an SSH target, and what it logs in with: against OpenSSH's server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopgate.development.ssh_target import SshTarget
from tests.live.conftest import Make
from tests.live.ssh import NO_SSH, clients, make_key, started_server

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("ssh") is None, reason=NO_SSH)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshTarget]:
    """It trusts an authority of ours, whose key is beside its files."""
    directory = tmp_path_factory.mktemp("authority")
    make_key(directory / "ca")
    running = started_server(more=f"TrustedUserCAKeys {directory}/ca.pub")
    running.authority = directory / "ca"  # type: ignore[attr-defined]
    yield running
    running.stop()


def signed(authority: Path, *arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "test", *arguments], check=True)


def test_the_gateway_issues_a_certificate_for_each_session(make_gate: Make, server: SshTarget, tmp_path: Path) -> None:
    authority: Path = server.authority  # type: ignore[attr-defined]
    text = f'\n[ssh]\ntarget_ca = "file:{authority}"\n'
    box = clients(make_gate, server, tmp_path / "client", text=text, login="issue = true")
    assert box.ssh("echo in").out == "in\n"
    assert "ED25519-CERT" in server.log()
    assert "|ada" in server.log()  # who it was is in the target's own log


def test_a_role_logs_in_with_a_certificate_of_its_key(make_gate: Make, server: SshTarget, tmp_path: Path) -> None:
    make_key(tmp_path / "role")
    signed(server.authority, "-n", server.user, str(tmp_path / "role.pub"))  # type: ignore[attr-defined]
    (tmp_path / "role-cert.pub").chmod(0o600)
    login = f'key = "file:{tmp_path}/role"\nkey_certificate = "file:{tmp_path}/role-cert.pub"'
    box = clients(make_gate, server, tmp_path / "client", login=login)
    assert box.ssh("echo in").out == "in\n"


def test_a_target_that_is_somebody_else_gets_no_login(make_gate: Make, server: SshTarget, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    box = clients(make_gate, server, tmp_path / "client", known=f'host_keys = ["{other}"]')
    done = box.ssh("echo in", options=("-o", "LogLevel=INFO"))
    assert done.code == 255
    assert "is not known" in done.err
    assert "in\n" not in done.out


def test_known_hosts_tell_who_a_target_is(make_gate: Make, server: SshTarget, tmp_path: Path) -> None:
    listed = tmp_path / "known_hosts"
    listed.write_text(server.known_hosts + "\n")
    listed.chmod(0o600)
    box = clients(make_gate, server, tmp_path / "client", known=f'known_hosts = "file:{listed}"')
    assert box.ssh("echo in").out == "in\n"


def test_a_key_that_the_target_does_not_take_is_said_so(make_gate: Make, server: SshTarget, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    box = clients(make_gate, server, tmp_path / "client", login=f'key = "file:{tmp_path}/stranger"')
    done = box.ssh("echo in", options=("-o", "LogLevel=INFO"))
    assert done.code == 255
    assert "the target refused the gateway's login" in done.err


def test_a_target_that_is_away_is_said_so(make_gate: Make, tmp_path: Path) -> None:
    gone = started_server()
    gone.stop()
    make_key(tmp_path / "any")
    box = clients(make_gate, gone, tmp_path / "client", login=f'key = "file:{tmp_path}/any"')
    done = box.ssh("echo in", options=("-o", "LogLevel=INFO"))
    assert done.code == 255
    assert "no host of target box can be reached" in done.err
