"""Policy over SSH in the live session: holds, detectors, canaries; grants, tokens and rules that end; workers."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from hoopgate.development.processes import free_port, listening
from hoopgate.development.ssh_target import SshTarget
from tests.live.conftest import Make
from tests.live.gate import Gate, World, wait_for
from tests.live.ssh import (
    ALL,
    NO_SSH,
    Clients,
    Terminal,
    clients,
    eventually,
    known,
    live_ids,
    live_sessions,
    started_server,
)
from tests.live.test_login import gateway_token, revoke

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("ssh") is None, reason=NO_SSH)]

CARD = "4111111111111111"
CANARY = "blackbird-9923-canary"
TEXT = """
[[listener]]
name = "door"
protocol = "ssh"
port = {door}
issuer = "people"
"""
TARGET = """
[[target]]
name = "{name}"
protocol = "ssh"
hosts = ["127.0.0.1:{port}"]
{known}
[target.role.dev]
user = "{user}"
key = "file:{key}"
"""
OTHERS = ("watched", "planted", "late", "ended", "granted")
LOOKS = """
[[detector]]
name = "cards"
find = ["financial"]
target = ["watched"]

[[canary]]
name = "tripwire"
value = "file:$directory/secrets/canary"
target = ["planted"]
"""
RULES = """
[[rule]]
name = "brief"
what = { target = ["box"], effect = ["delete"], object = ["*/brief"] }
then = "hold"
approvers = { groups = ["approvers"] }
timeout = "1s"

[[rule]]
name = "deletes-wait"
what = { target = ["box"], effect = ["delete"] }
then = "hold"
approvers = { groups = ["approvers"] }
timeout = "60s"

[[rule]]
name = "shells"
what = { target = ["granted"], effect = ["execute"] }
then = "allow"
grant = true
approvers = { groups = ["approvers"] }

[[rule]]
name = "looks"
what = { target = ["granted"], effect = ["session", "read"] }
then = "allow"

[[rule]]
name = "all"
what = { target = ["box", "watched", "planted", "late", "ended"] }
then = "allow"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SshTarget]:
    running = started_server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared(
    world: World, home: Path, server: SshTarget, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Clients, int]]:
    door = free_port()
    others = "".join(
        TARGET.format(name=name, port=server.port, known=known(server), user=server.user, key=server.key)
        for name in OTHERS
    )

    def make(text: str) -> Gate:
        gate = Gate(world, home / "ssh-policy", text).prepare()
        gate.secret("canary", CANARY)
        return gate.start()

    directory = tmp_path_factory.mktemp("ssh-policy") / "client"
    made = clients(make, server, directory, RULES, text=TEXT.format(door=door) + others + LOOKS)
    yield made, door
    made.gate.remove()


@pytest.fixture
def box(shared: tuple[Clients, int]) -> Iterator[Clients]:
    made = shared[0]
    yield made
    assert made.gate.alive(), made.gate.log()[-4000:]
    assert not made.gate.faults()
    eventually(lambda: sum(live_sessions(made)) == 0)
    made.gate.check_recordings()


def on(target: str) -> tuple[str, ...]:
    return ("-l", f"dev%{target}", "-o", "LogLevel=INFO")


def waiting(box: Clients, text: str, options: tuple[str, ...] = ()) -> tuple[subprocess.Popen[bytes], str]:
    """A client whose command is held, and the id of the request."""
    client = box.popen(text, options=options)
    [request] = wait_for(lambda: [each for each in box.gate.pending() if each["statement"] == text], "a request")
    return client, request["id"]


# --- holds


def test_what_was_approved_is_what_runs(box: Clients) -> None:
    path = box.server.files / "one"
    path.write_text("x")
    text = f"rm -f '{path}'  &&  echo $((40 + 2))"
    client, request = waiting(box, text)
    [session] = live_ids(box)
    assert path.exists()
    box.gate.approve(request)
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out) == (0, b"42\n")
    assert f"held for approval as {request}".encode() in err
    assert b"hoopgate approvals approve" in err
    assert not path.exists()
    assert text.encode() in box.gate.recorded(session).read_bytes()


def test_denied_it_does_not_run(box: Clients) -> None:
    path = box.server.files / "two"
    path.write_text("x")
    client, request = waiting(box, f"rm {path}")
    box.gate.deny(request, "keep it")
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out) == (126, b"")
    assert b"keep it" in err
    assert b"[deletes-wait]" in err
    assert path.exists()


def test_expired_it_does_not_run(box: Clients) -> None:
    path = box.server.files / "brief"
    path.write_text("x")
    done = box.ssh(f"rm {path}")
    assert done.code == 126
    assert "expired" in done.err
    assert path.exists()


def test_ctrl_c_withdraws_it(box: Clients) -> None:
    """At a terminal, where it is a key; and without one, where it ends ssh."""
    path = box.server.files / "three"
    path.write_text("x")
    leader, follower = pty.openpty()
    client = box.popen(f"rm {path}", options=("-tt",), stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    terminal = Terminal(leader)
    terminal.until(rb"held for approval as (\S+)")
    found = re.search(rb"held for approval as ([^\s:.]+)", terminal.seen)
    assert found
    terminal.type("\x03")
    assert client.wait(20) == 126
    assert box.gate.request(found[1].decode())["state"] == "withdrawn"
    client, request = waiting(box, f"rm -f {path}")
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=20)
    eventually(lambda: box.gate.request(request)["state"] == "withdrawn")
    assert path.exists()


# --- detectors and canaries


@pytest.mark.parametrize("pty_", [(), ("-tt",)])
def test_what_looks_like_a_secret_never_arrives(box: Clients, pty_: tuple[str, ...]) -> None:
    text = f"printf 'paid {CARD[:7]}'; printf '{CARD[7:]} on Monday\\n'; printf 'and {CARD}\\n' >&2"
    done = box.ssh(text, options=(*on("watched"), *pty_))
    assert done.code == 0
    assert CARD not in done.out + done.err
    assert "paid **** on Monday" in done.out
    assert "and ****" in done.out + done.err


def test_a_transfer_of_secrets_breaks_off(box: Clients, tmp_path: Path) -> None:
    (box.server.files / "cards").write_text(f"{CARD}\n" * 3)
    options = ["-o", "User=dev%watched"]
    for mode in ("-O", "-s"):
        done = box.run(["scp", mode, *options, *box.base, f"gate:{box.server.files}/cards", str(tmp_path / "cards")])
        assert done.code != 0
        got = tmp_path / "cards"
        assert not got.exists() or CARD not in got.read_text()


@pytest.mark.parametrize(
    "text", [f"echo {CANARY}", f"echo {CANARY} >&2", f"printf {CANARY[:11]}; printf {CANARY[11:]}"]
)
def test_a_canary_ends_the_session(box: Clients, text: str) -> None:
    done = box.ssh(f"{text}; sleep 3", options=on("planted"))
    assert done.code == 255
    assert CANARY not in done.out + done.err
    assert "[canary.tripwire]" in done.err
    [fault] = box.gate.faults()
    assert '"tripwire"' in fault


def test_a_detector_that_comes_by_a_reload_ends_what_nobody_looks_at(box: Clients) -> None:
    gate, before = box.gate, box.gate.text
    client = box.popen("echo up; cat", options=on("late"))
    assert client.stdout is not None
    assert client.stdout.readline() == b"up\n"
    other = box.popen("echo up; read line; echo $line", options=on("watched"))
    assert other.stdout is not None
    assert other.stdout.readline() == b"up\n"
    try:
        status = gate.reload(before.replace('target = ["watched"]', 'target = ["watched", "late"]'))
        assert status.reload is not None
        assert status.reload.ok
        _, err = client.communicate(CARD.encode(), timeout=20)
        assert client.returncode == 255
        assert b"[detectors]" in err
        out, _ = other.communicate(b"went on\n", timeout=20)  # it is looked at as before
        assert (other.returncode, out) == (0, b"went on\n")
        assert CARD not in box.ssh(f"echo {CARD}", options=on("late")).out
    finally:
        gate.reload(before)


# --- what ends in mid-session


def test_a_rule_that_goes_ends_what_it_allowed(box: Clients) -> None:
    gate, before = box.gate, box.gate.text
    client = box.popen("echo up; tail -f /dev/null", options=on("ended"))
    assert client.stdout is not None
    assert client.stdout.readline() == b"up\n"
    reads = '\n[[rule]]\nname = "no-reads"\nwhat = { target = ["ended"], effect = ["read"] }\nthen = "deny"\n'
    try:
        assert gate.reload(reads + before).reload is not None
        _, err = client.communicate(timeout=20)
        assert client.returncode == 255
        assert b"[no-reads]" in err
    finally:
        gate.reload(before)


def test_a_grant_ends_what_it_allowed_while_access_goes_on(box: Clients) -> None:
    """The shell that a grant opened is closed with it, although other rules still open the target."""
    refused = box.ssh(options=on("granted"))
    assert refused.code == 126
    asked = box.gate.hoopgate("ada", "grants", "request", "shells", "--for", "60s", "--reason", "a look")
    found = re.search(r"Asked for as (\w+)", asked.out)
    assert found, asked
    assert box.gate.hoopgate("grace", "grants", "approve", found[1]).code == 0
    eventually(lambda: box.ssh(options=on("granted")).code == 0)
    leader, follower = pty.openpty()
    client = box.popen(
        options=(*on("granted"), "-tt"), stdin=follower, stdout=follower, stderr=subprocess.PIPE
    )  # fmt: skip
    os.close(follower)
    terminal = Terminal(leader)
    terminal.type("echo still $((40+2))\n")
    terminal.until(rb"still 42")
    status, answer = box.gate.api("grace", "POST", f"/v1/grants/{found[1]}/revoke", {"reason": "over"})
    assert status == 200, answer
    assert client.wait(5) == 255
    assert client.stderr is not None
    assert b"not allowed any more" in client.stderr.read()
    assert box.ssh("cat /dev/null", options=on("granted")).code == 0


def test_a_token_that_is_revoked_ends_its_session(box: Clients, shared: tuple[Clients, int]) -> None:
    token = gateway_token(box.gate, "ada")

    async def session() -> None:
        async with asyncssh.connect(
            "127.0.0.1", shared[1], username="dev%box", password=str(token["token"]), known_hosts=None, config=None,
            client_keys=None, agent_path=None,
        ) as connection:  # fmt: skip
            process = await connection.create_process("echo up; sleep 60")
            assert await process.stdout.readline() == "up\n"
            await asyncio.to_thread(revoke, box.gate, token)
            await asyncio.wait_for(connection.wait_closed(), 10)

    asyncio.run(session())
    ends = [line for line in box.gate.log().splitlines() if "token was revoked" in line]
    assert ends


# --- several workers, and a restart


def test_workers_share_sessions_and_a_restart_lets_them_finish(
    make_gate: Make, server: SshTarget, tmp_path: Path
) -> None:
    box = clients(make_gate, server, tmp_path / "client", ALL, workers=2)
    assert box.ssh("echo in").out == "in\n"
    running = [box.popen("read line; echo $line", options=("-o", "LogLevel=INFO")) for _ in range(8)]
    eventually(lambda: len(live_ids(box)) == 8)
    ended = live_ids(box)[:4]
    for session in ended:
        assert box.gate.api("operator", "POST", f"/v1/sessions/{session}/end", {"reason": "lunch"})[0] == 202
    eventually(lambda: sum(client.poll() is not None for client in running) == 4)
    assert all(client.returncode == 255 for client in running if client.poll() is not None)
    left = [client for client in running if client.poll() is None]
    box.gate.signal(signal.SIGTERM)
    eventually(lambda: not listening(box.port))
    for client in left:
        assert client.poll() is None
        out, _ = client.communicate(b"finished\n", timeout=20)
        assert (out, client.returncode) == (b"finished\n", 0)
    box.gate.ended()
    box.gate.start()
    assert box.ssh("echo back", options=("-o", "StrictHostKeyChecking=yes")).out == "back\n"
