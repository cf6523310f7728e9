"""Files through the gateway: OpenSSH's sftp, scp in both modes, paramiko and asyncssh, under rules by path and size."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest

from hoopgate.development.ssh_target import SshTarget
from hoopgate.recorders.format import Kind
from hoopgate.recorders.heads import SHAPES
from hoopgate.recorders.reader import read_head, records
from tests.live.conftest import Make
from tests.live.gate import Done, wait_for
from tests.live.ssh import NO_SSH, Clients, clients, started_server

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("sftp") is None, reason=NO_SSH)]

RULES = """
[[rule]]
name = "no-programs"
what = {{ target = ["box"], effect = ["transfer.in"], object = ["*.exe"] }}
then = "deny"
reason = "Programs come by packages."
hint = "Build a package."

[[rule]]
name = "no-secrets"
what = {{ target = ["box"], effect = ["transfer", "read"], object = ["*/secret/*"] }}
then = "deny"

[[rule]]
name = "small-ones"
what = {{ target = ["box"], effect = ["transfer.in"], object = ["{files}/small/*"] }}
then = "allow"
max_size = 1000

[[rule]]
name = "files"
what = {{ target = ["box"], effect = ["transfer", "read", "write", "delete"], object = ["{files}", "{files}/*"] }}
then = "allow"

[[rule]]
name = "commands"
what = {{ target = ["box"], effect = ["execute", "session"] }}
then = "allow"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SshTarget]:
    running = started_server()
    for name in ("secret", "small"):
        (running.files / name).mkdir()
    (running.files / "secret" / "key").write_text("hidden")
    (running.files / "link").symlink_to("secret")
    yield running
    running.stop()


@pytest.fixture
def box(make_gate: Make, server: SshTarget, tmp_path: Path) -> Clients:
    return clients(make_gate, server, tmp_path / "client", RULES.format(files=server.files))


def sftp(box: Clients, *lines: str) -> Done:
    return box.run(["sftp", *box.base, "-b", "-", "gate"], input="\n".join(lines) + "\n", stdin=None)


def scp(box: Clients, *words: str) -> Done:
    return box.run(["scp", *box.base, *words])


def events(box: Clients, kind: str) -> list[dict[str, Any]]:
    """Of all recordings of the gateway."""
    found = []
    for recording in box.gate.recordings():
        with recording.open("rb") as file:
            head = read_head(file)
            assert head is not None
            told = [each.event() for each in records(file, shape=SHAPES[head.version]) if each.kind is Kind.EVENT]
        found += [event for event in told if event["event"] == kind]
    return found


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_sftp_moves_files_both_ways_and_tells_of_them(box: Clients, server: SshTarget, tmp_path: Path) -> None:
    data = os.urandom(2_000_000)
    (tmp_path / "up").write_bytes(data)
    done = sftp(box, f"put {tmp_path}/up one", "mkdir d", "rename one d/two", f"get d/two {tmp_path}/down", "ls -l d")
    assert done.code == 0, done.err
    assert (tmp_path / "down").read_bytes() == data
    assert (server.files / "d" / "two").read_bytes() == data
    up, down = events(box, "transfer")
    assert {name: up[name] for name in ("direction", "path", "size", "sha256", "whole")} == {
        "direction": "in", "path": f"{server.files}/one", "size": len(data), "sha256": sha(data), "whole": True,
    }  # fmt: skip
    assert (down["direction"], down["sha256"], down["whole"]) == ("out", sha(data), True)


def test_what_a_rule_denies_by_path_is_refused_and_others_go_on(
    box: Clients, server: SshTarget, tmp_path: Path
) -> None:
    (tmp_path / "a.exe").write_text("MZ")
    (tmp_path / "b").write_text("fine")
    done = sftp(
        box, f"-put {tmp_path}/a.exe a.exe", f"-get secret/key {tmp_path}/key", f"-get link/key {tmp_path}/key",
        f"-put {tmp_path}/b c.txt", "-rename c.txt c.exe", "-rename secret moved", "-ls secret",
    )  # fmt: skip
    assert "Programs come by packages [no-programs]. Build a package." in done.err
    assert "[no-secrets]" in done.err
    assert (server.files / "c.txt").read_text() == "fine"
    assert not (tmp_path / "key").exists()
    assert not (server.files / "a.exe").exists()
    assert not (server.files / "c.exe").exists()
    assert (server.files / "secret" / "key").exists()
    assert [event["path"] for event in events(box, "transfer")] == [f"{server.files}/c.txt"]
    refused = {(event["text"], event["rule"]) for event in events(box, "statement") if event["verdict"] == "deny"}
    assert (f"sftp lstat {server.files}/secret/key", "no-secrets") in refused
    assert (f"sftp put {server.files}/a.exe", "no-programs") in refused


HOLDING = """
[[rule]]
name = "second-person"
what = {{ target = ["box"], effect = ["transfer.in"], object = ["{files}/held/*"] }}
then = "hold"
approvers = {{ groups = ["approvers"], count = 1 }}
timeout = "60s"
"""


def test_a_held_file_waits_for_people_and_others_go_on(make_gate: Make, server: SshTarget, tmp_path: Path) -> None:
    (server.files / "held").mkdir(exist_ok=True)
    box = clients(make_gate, server, tmp_path / "client", (HOLDING + RULES).format(files=server.files))
    (tmp_path / "a").write_text("approved")
    batch = f"put {tmp_path}/a held/a\n-put {tmp_path}/a held/b\nput {tmp_path}/a free\n"
    running = subprocess.Popen(
        ["sftp", *box.base, "-b", "-", "gate"], env=box.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdin is not None
    running.stdin.write(batch)
    running.stdin.close()
    running.stdin = None
    first = wait_for(box.gate.pending, "a request")[0]
    assert first["statement"] == f"sftp put {server.files}/held/a"
    assert not (server.files / "held" / "a").exists()
    box.gate.approve(first["id"])
    second = wait_for(lambda: [one for one in box.gate.pending() if one["id"] != first["id"]], "another request")[0]
    assert (server.files / "held" / "a").read_text() == "approved"
    box.gate.deny(second["id"], "not that one")
    _, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    assert f"held for approval as {first['id']}" in err
    assert "not that one" in err
    assert not (server.files / "held" / "b").exists()
    assert (server.files / "free").read_text() == "approved"


def test_outside_of_what_is_allowed_is_nothing(box: Clients, tmp_path: Path) -> None:
    done = sftp(box, f"-get /etc/passwd {tmp_path}/x", f"-get ../../../../etc/passwd {tmp_path}/x")
    assert done.err.count("default-deny") == 2
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("mode", ["-O", "-s"])
def test_scp_in_both_modes(box: Clients, server: SshTarget, tmp_path: Path, mode: str) -> None:
    data = os.urandom(300_000)
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "leaf").write_bytes(data)
    (tree / "sub" / "bad.exe").write_text("MZ")
    (tree / "sub" / "good").write_text("good")
    up = scp(box, mode, "-r", "-p", str(tree), f"gate:{server.files}/up{mode}")
    assert "[no-programs]" in up.err
    assert (server.files / f"up{mode}" / "leaf").read_bytes() == data
    assert (server.files / f"up{mode}" / "sub" / "good").read_text() == "good"
    assert not (server.files / f"up{mode}" / "sub" / "bad.exe").exists()
    down = scp(box, mode, "-r", f"gate:{server.files}/up{mode}", str(tmp_path / "down"))
    assert down.code == 0, down.err
    assert (tmp_path / "down" / "leaf").read_bytes() == data
    told = events(box, "transfer")
    assert {event["via"] for event in told} == {"scp" if mode == "-O" else "sftp"}
    assert sorted(event["direction"] for event in told if event.get("sha256") == sha(data)) == ["in", "out"]
    denied = scp(box, mode, f"gate:{server.files}/secret/key", str(tmp_path / "key"))
    assert denied.code != 0
    assert not (tmp_path / "key").exists()
    small = scp(box, mode, str(tree / "leaf"), f"gate:{server.files}/small/")
    assert small.code != 0
    assert "over the 1000 bytes" in small.err
    left = server.files / "small" / "leaf"
    assert not left.exists() or left.stat().st_size <= 1000


def test_paramiko_and_asyncssh(box: Clients, server: SshTarget, tmp_path: Path) -> None:
    data = os.urandom(500_000)
    (tmp_path / "data").write_bytes(data)

    def with_paramiko() -> None:
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            client.connect(
                "127.0.0.1", box.port, "dev%box", key_filename=str(box.directory / "key"), allow_agent=False,
                look_for_keys=False,
            )  # fmt: skip
            files = client.open_sftp()
            files.put(str(tmp_path / "data"), f"{server.files}/paramiko")
            files.get(f"{server.files}/paramiko", str(tmp_path / "got"))
            with pytest.raises(PermissionError, match="no-secrets"):
                files.open(f"{server.files}/secret/key")

    async def with_asyncssh() -> None:
        async with (
            asyncssh.connect(
                "127.0.0.1", box.port, username="dev%box", client_keys=[str(box.directory / "key")], known_hosts=None,
                config=None, agent_path=None,
            ) as connection,
            connection.start_sftp_client() as files,
        ):  # fmt: skip
            await files.put(str(tmp_path / "data"), f"{server.files}/asyncssh")
            await files.get(f"{server.files}/asyncssh", str(tmp_path / "got2"))
            with pytest.raises(asyncssh.SFTPPermissionDenied, match="no-secrets"):
                await files.open(f"{server.files}/secret/key")

    with_paramiko()
    asyncio.run(with_asyncssh())
    assert (tmp_path / "got").read_bytes() == (tmp_path / "got2").read_bytes() == data
    told = events(box, "transfer")
    assert len(told) == 4
    assert {event["sha256"] for event in told if "sha256" in event} == {sha(data)}


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_rsync_is_told_by_direction_and_bytes(box: Clients, server: SshTarget, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "f").write_bytes(os.urandom(100_000))
    shell = f"ssh {' '.join(box.base)}"
    done = box.run(["rsync", "-a", "-e", shell, f"{tmp_path}/tree/", f"gate:{server.files}/synced/"])
    assert done.code == 0, done.err
    (told,) = events(box, "transfer")
    assert (told["via"], told["direction"], told["path"]) == ("rsync", "in", f"{server.files}/synced/")
    assert told["bytes"]["in"] > 100_000


def test_a_client_that_is_killed_leaves_an_unfinished_transfer(box: Clients, server: SshTarget, tmp_path: Path) -> None:
    batch = f"put {tmp_path}/endless endless\n"
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(20_000_000_000)
    running = subprocess.Popen(
        ["sftp", *box.base, "-b", "-", "gate"], env=box.environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert running.stdin is not None
    running.stdin.write(batch)
    running.stdin.flush()
    written = server.files / "endless"
    for _ in range(400):
        if written.exists() and written.stat().st_size > 1_000_000:
            break
        asyncio.run(asyncio.sleep(0.05))
    running.kill()
    running.wait()
    for _ in range(200):
        if events(box, "transfer"):
            break
        asyncio.run(asyncio.sleep(0.05))
    (told,) = events(box, "transfer")
    written.unlink()
    assert told["whole"] is False
    assert told["errors"]
    json.dumps(told)
