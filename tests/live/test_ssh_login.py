"""Every way to log in over SSH, with OpenSSH's own client."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopgate.development.processes import Kept, free_port, listening
from hoopgate.development.ssh_target import SshTarget
from tests.live.conftest import Make
from tests.live.gate import Done
from tests.live.ssh import NO_SSH, Clients, clients, eventually, started_server

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("ssh") is None, reason=NO_SSH)]

DOOR = """
[[listener]]
name = "door"
protocol = "ssh"
port = {door}
issuer = "device"

[[issuer]]
name = "device"
url = "http://127.0.0.1:{issuer}"
audience = ["hoopgate"]
client_id = "hoopgate"
development = true
"""
ASKPASS = """#!/bin/sh
printf '%s\\n' "$1" >> "$0.prompts"
exec cat "$0.answer"
"""
PASSWORD = ("PreferredAuthentications=password", "NumberOfPasswordPrompts=1")
DEVICE = ("PreferredAuthentications=keyboard-interactive", "NumberOfPasswordPrompts=1")


@pytest.fixture(scope="module")
def server() -> Iterator[SshTarget]:
    running = started_server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an identity provider with a device flow."""
    port = free_port()
    directory = tmp_path_factory.mktemp("issuer")
    command = [sys.executable, "-m", "hoopgate.development.serve_issuer", str(port)]
    kept = Kept(command, log=directory / "log", directory=directory)
    kept.wait_until(lambda: listening(port), "the issuer")
    yield port
    kept.stop()


class Person:
    """Somebody at a terminal, whose OpenSSH asks by SSH_ASKPASS."""

    def __init__(self, box: Clients, port: int) -> None:
        self.box = box
        self.port = port
        self.askpass = box.directory / "askpass"
        self.askpass.write_text(ASKPASS)
        self.askpass.chmod(0o700)

    @property
    def prompts(self) -> str:
        path = self.askpass.with_name("askpass.prompts")
        return path.read_text() if path.exists() else ""

    def command(self, user: str, *options: str) -> list[str]:
        files = (f"UserKnownHostsFile={self.box.directory}/known", "StrictHostKeyChecking=accept-new")
        given = [word for option in (*files, *options) for word in ("-o", option)]
        return ["ssh", "-F", "none", *given, "-p", str(self.port), f"{user}@127.0.0.1"]

    def environ(self, answer: str) -> dict[str, str]:
        self.askpass.with_name("askpass.answer").write_text(answer)
        return {**self.box.environ, "SSH_ASKPASS": str(self.askpass), "SSH_ASKPASS_REQUIRE": "force"}

    def ssh(self, user: str, *options: str, answer: str = "", run: str = "echo in") -> Done:
        command = [*self.command(user, *options), *([run] if run else [])]
        done = subprocess.run(
            command, env=self.environ(answer), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def person(make_gate: Make, server: SshTarget, issuer: int, tmp_path: Path) -> Person:
    port = free_port()
    box = clients(make_gate, server, tmp_path / "client", text=DOOR.format(door=port, issuer=issuer))
    return Person(box, port)


def revoke(person: Person, token_id: str) -> None:
    gate = person.box.gate
    request = urllib.request.Request(
        f"https://localhost:{gate.ports['api']}/v1/token/revoke",
        data=urllib.parse.urlencode({"token_id": token_id}).encode(),
        headers={"Authorization": f"Bearer {gate.token('ada')}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    context = ssl.create_default_context(cafile=str(gate.directory / "ca.crt"))
    direct = urllib.request.ProxyHandler({})
    with urllib.request.build_opener(direct, urllib.request.HTTPSHandler(context=context)).open(request) as done:
        assert done.status == 200


def test_a_token_is_the_password_and_one_that_openssh_cut_is_told_so(person: Person) -> None:
    gate = person.box.gate
    no_key = (*PASSWORD, "PubkeyAuthentication=no")
    done = person.ssh("dev%box", *no_key, answer=gate.token("ada"))
    assert (done.code, done.out) == (0, "in\n"), done.err
    long = gate.world.people.token("ada", padding="x" * 1500)
    done = person.ssh("dev%box", *no_key, answer=long)
    assert done.code == 255
    assert "Your SSH client cuts what is typed at 1,023 bytes" in done.err
    short = gate.hoopgate("ada", "token", "--gateway").out.strip()
    assert short.startswith("hgt_")
    assert person.ssh("box", *no_key, answer=short).out == "in\n"
    done = person.ssh("nil", *no_key, answer=short)
    assert 'hoopgate: target "nil" does not exist [target]. Connect as TARGET@gateway' in done.err


def test_the_prompt_sends_people_to_their_issuer_and_waits(person: Person, issuer: int) -> None:
    command = [*person.command("dev%box", *DEVICE, "PubkeyAuthentication=no"), "echo in"]
    waiting = subprocess.Popen(
        command, env=person.environ(""), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    eventually(lambda: "Press Enter once you have signed in" in person.prompts)
    assert waiting.stdout is not None
    shown = ""
    while "check the code" not in shown:
        shown += waiting.stdout.readline()
    (url,) = re.findall(r"http://\S+", shown)
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["user_code"][0]
    form = urllib.parse.urlencode({"user_code": code, "person": "grace"}).encode()
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url.partition("?")[0], form, 10).read()
    out, _ = waiting.communicate(timeout=30)
    assert (waiting.returncode, out.splitlines()[-1]) == (0, "in")


def test_a_certificate_of_the_gateways_until_it_is_revoked(person: Person) -> None:
    gate, key = person.box.gate, person.box.directory / "mine"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(key)], check=True)
    body = {"public_key": key.with_suffix(".pub").read_text().strip(), "targets": ["box"], "lifetime": 300}
    status, answer = gate.api("ada", "POST", "/v1/ssh/certificate", body)
    assert status == 201, answer
    Path(f"{key}-cert.pub").write_text(answer["certificate"])
    listed = subprocess.run(["ssh-keygen", "-L", "-f", f"{key}-cert.pub"], capture_output=True, text=True, check=True)
    assert f"{answer['id']} {gate.world.people.url}|ada" in listed.stdout
    assert "%box" in listed.stdout
    options = (f"IdentityFile={key}", "IdentitiesOnly=yes", "BatchMode=yes")
    done = person.ssh("dev%box", *options)
    assert (done.code, done.out) == (0, "in\n"), done.err
    living = subprocess.Popen(
        [*person.command("dev%box", *options), "echo up; sleep 60"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        env=person.box.environ, text=True,
    )  # fmt: skip
    assert living.stdout is not None
    assert living.stdout.readline() == "up\n"
    revoke(person, answer["id"])
    assert living.wait(15) == 255
    done = person.ssh("dev%box", *options)
    assert done.code == 255
    assert "revoked" in done.err


def test_a_certificate_forces_its_command_and_forwards_nothing(person: Person) -> None:
    gate, key = person.box.gate, person.box.directory / "bound"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    body = {
        "public_key": key.with_suffix(".pub").read_text().strip(),
        "force_command": "echo forced",
        "source_addresses": ["127.0.0.0/8"],
        "extensions": [],
    }
    status, answer = gate.api("ada", "POST", "/v1/ssh/certificate", body)
    assert status == 201, answer
    Path(f"{key}-cert.pub").write_text(answer["certificate"])
    options = (f"IdentityFile={key}", "IdentitiesOnly=yes", "BatchMode=yes")
    assert person.ssh("dev%box", *options, run="echo mine").out == "forced\n"
    assert person.ssh("dev%box", *options, run="").out == "forced\n"  # in place of a shell
    terminal = person.ssh("dev%box", *options, "RequestTTY=force")
    assert "PTY allocation request failed" in terminal.err
    done = person.ssh("dev%box", *options, run="-W127.0.0.1:22")
    assert done.code != 0
    assert "no permit-port-forwarding" in done.err


def test_a_key_that_is_no_longer_registered_ends_its_sessions(person: Person) -> None:
    living = person.box.popen("echo up; sleep 60")
    assert living.stdout is not None
    assert living.stdout.readline() == b"up\n"
    before = time.monotonic()
    gate = person.box.gate
    status = gate.reload(gate.text.replace('subject = "ada"', 'subject = "grace"'))
    assert status.reload is not None
    assert status.reload.ok, status.reload
    assert living.wait(15) == 255
    assert time.monotonic() - before < 15
    assert living.stderr is not None
    assert b"no longer registered [ssh_key]" in living.stderr.read()
    assert person.box.ssh("echo in").out == "in\n"
