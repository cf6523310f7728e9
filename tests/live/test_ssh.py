"""SSH end to end: OpenSSH's clients, the gateway, OpenSSH's server."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopgate.development.processes import free_port, listening
from hoopgate.development.ssh_target import SshTarget
from tests.live.conftest import Make
from tests.live.gate import Gate, World
from tests.live.ssh import (
    NO_SSH,
    Clients,
    Terminal,
    clients,
    contents,
    echo_server,
    echoed,
    eventually,
    feed,
    live_ids,
    live_sessions,
    master,
    started_server,
)

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("ssh") is None, reason=NO_SSH)]


@pytest.fixture(scope="module")
def server() -> Iterator[SshTarget]:
    running = started_server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared_box(
    world: World, home: Path, server: SshTarget, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clients]:
    made = clients(
        lambda text: Gate(world, home / "ssh", text).prepare().start(),
        server,
        tmp_path_factory.mktemp("ssh") / "client",
    )
    yield made
    made.gate.remove()


@pytest.fixture
def box(shared_box: Clients) -> Iterator[Clients]:
    """The gateway that most of these tests share. After each, every recording verifies, and it lives."""
    yield shared_box
    assert shared_box.gate.alive(), shared_box.gate.log()[-4000:]
    assert not shared_box.gate.faults()
    eventually(lambda: sum(live_sessions(shared_box)) == 0)
    shared_box.gate.check_recordings()


def test_a_command_runs_with_its_input_output_and_status(box: Clients) -> None:
    done = box.ssh("cat; echo problem >&2; exit 7", input="through\n")
    assert (done.code, done.out, done.err) == (7, "through\n", "problem\n")


def test_a_shell_has_a_terminal_and_hears_of_its_size(box: Clients) -> None:
    """The terminal's size, what is typed, its echo, and the end of it."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 33, 101, 0, 0))
    client = box.popen(options=("-tt",), stdin=follower, stdout=follower, stderr=subprocess.PIPE)
    os.close(follower)
    terminal = Terminal(leader)
    terminal.type("stty size; echo term=$TERM\n")
    terminal.until(rb"33 101\r?\n")
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("4H", 44, 132, 0, 0))
    client.send_signal(signal.SIGWINCH)
    terminal.type("sleep 0.3; stty size\n")
    terminal.until(rb"44 132\r?\n")
    terminal.type("sleep 60\n")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.type("echo still $((40+2)); exit 5\n")
    terminal.until(rb"still 42")
    assert client.wait(20) == 5


def test_files_travel_by_scp_both_ways_in_both_modes(box: Clients, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    there = box.server.files / "there"
    for mode in ([], ["-O"]):
        back = tmp_path / f"back{len(mode)}"
        there.unlink(missing_ok=True)
        up = box.run(["scp", *mode, *box.base, str(source), f"gate:{there}"])
        assert (up.code, up.err) == (0, "")
        assert there.read_bytes() == source.read_bytes()
        down = box.run(["scp", *mode, *box.base, f"gate:{there}", str(back)])
        assert (down.code, down.err) == (0, "")
        assert back.read_bytes() == source.read_bytes()


def test_sftp_lists_renames_and_removes(box: Clients, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")
    batch = tmp_path / "batch"
    where = box.server.files
    batch.write_text(
        f"put {tmp_path}/one {where}/one\nrename {where}/one {where}/two\nls -1 {where}\n"
        f"get {where}/two {tmp_path}/three\nrm {where}/two\n"
    )
    done = box.run(["sftp", *box.base, "-b", str(batch), "gate"])
    assert done.code == 0, done.err
    assert f"{where}/two" in done.out
    assert (tmp_path / "three").read_text() == "one"


@pytest.mark.skipif(shutil.which("rsync") is None, reason="there is no rsync here")
def test_rsync_synchronises_both_ways(box: Clients, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    for number in range(30):
        (tree / "deep" / f"{number}").write_bytes(os.urandom(number * 1000))
    remote = box.server.files / "tree"
    shell = " ".join(["ssh", *box.base])
    done = box.run(["rsync", "-a", "--delete", "-e", shell, f"{tree}/", f"gate:{remote}/"])
    assert (done.code, done.err) == (0, "")
    back = tmp_path / "back"
    done = box.run(["rsync", "-a", "-e", shell, f"gate:{remote}/", f"{back}/"])
    assert (done.code, done.err) == (0, "")
    assert contents(tree) == contents(remote) == contents(back)


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_git_pushes_and_clones(box: Clients, tmp_path: Path) -> None:
    bare = box.server.files / "repo.git"
    mine = tmp_path / "mine"
    author = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    for command in (
        ["git", "init", "-q", "--bare", str(bare)],
        ["git", "init", "-q", "-b", "main", str(mine)],
        ["git", "-C", str(mine), *author, "commit", "-q", "--allow-empty", "-m", "first"],
        ["git", "-C", str(mine), "push", "-q", f"ssh://gate{bare}", "main"],
        ["git", "clone", "-q", "-b", "main", f"ssh://gate{bare}", str(tmp_path / "clone")],
    ):
        done = box.run(command)
        assert done.code == 0, (command, done.err)
    assert box.run(["git", "-C", str(tmp_path / "clone"), "log", "--format=%s"]).out == "first\n"


def test_environment_signals_and_how_a_command_died(box: Clients) -> None:
    done = box.ssh("echo $LC_THING", options=("-o", "SetEnv LC_THING=through"))
    assert done.out == "through\n"
    done = box.ssh("kill -TERM $$")
    assert done.code == 255  # ssh's own word for a signal
    assert box.ssh("exec true").code == 0


def test_the_end_of_input_leaves_output_open(box: Clients) -> None:
    """A half-close: the command hears of it, works on, and its answer still comes."""
    done = box.ssh("cat > /dev/null; sleep 0.3; echo after", input="x" * 100_000)
    assert (done.code, done.out) == (0, "after\n")


def test_fifty_megabytes_both_ways_arrive_whole(box: Clients) -> None:
    data = os.urandom(50_000_000)
    digest = hashlib.sha256(data).hexdigest()
    client = box.popen("sha256sum")
    out, _ = client.communicate(data, timeout=60)
    assert out.split()[0].decode() == digest
    path = box.server.files / "fifty"
    path.write_bytes(data)
    client = box.popen(f"cat {path}")
    out, _ = client.communicate(timeout=60)
    assert hashlib.sha256(out).hexdigest() == digest


def test_keys_are_renewed_every_megabyte_on_both_sides(make_gate: Make, tmp_path: Path) -> None:
    server = started_server(more="RekeyLimit 1M")
    try:
        box = clients(make_gate, server, tmp_path / "client", text="\n[ssh]\nrekey_bytes = 1048576\n")
        data = os.urandom(20_000_000)
        client = box.popen("tee /dev/stderr | sha256sum", options=("-o", "RekeyLimit=1M"))
        out, err = client.communicate(data, timeout=60)
        assert out.split()[0].decode() == hashlib.sha256(data).hexdigest()
        assert err == data
    finally:
        server.stop()


def test_twenty_channels_share_one_connection(box: Clients) -> None:
    with master(box) as options:
        running = [box.popen(f"cat; sleep 0.5; exit {number}", options=options) for number in range(20)]
        payloads = [os.urandom(200_000) for _ in running]
        for client, payload in zip(running, payloads, strict=True):
            threading.Thread(target=feed, args=(client, payload), daemon=True).start()
        for number, (client, payload) in enumerate(zip(running, payloads, strict=True)):
            assert client.stdout is not None
            assert client.stdout.read() == payload
            assert client.wait(20) == number


def test_a_hundred_sessions_at_once(box: Clients) -> None:
    running = [box.popen(f"read line; echo {number} $line") for number in range(100)]
    eventually(lambda: sum(live_sessions(box)) == 100, 60)
    for number, client in enumerate(running):
        out, err = client.communicate(b"hello\n", timeout=60)
        assert (out, client.returncode) == (f"{number} hello\n".encode(), 0), err


def test_a_reader_that_stops_does_not_fill_our_memory(box: Clients) -> None:
    """300 MB wait at the target, whoever does not read them; others go on meanwhile."""
    client = box.popen("head -c 300000000 /dev/zero")
    assert client.stdout is not None
    client.stdout.read(1_000_000)
    client.send_signal(signal.SIGSTOP)
    before = box.gate.memory()
    time.sleep(1.5)
    assert box.ssh("echo well").out == "well\n"
    assert box.gate.memory() - before < 24_000_000
    client.send_signal(signal.SIGCONT)
    rest = 0
    while part := client.stdout.read(1 << 20):
        rest += len(part)
    assert rest == 299_000_000
    assert client.wait(20) == 0


def test_a_target_that_reads_slowly_does_not_fill_our_memory(box: Clients) -> None:
    client = box.popen("sleep 2; sha256sum")
    before = box.gate.memory()
    threading.Thread(target=feed, args=(client, bytes(300_000_000)), daemon=True).start()
    time.sleep(1.5)
    assert box.gate.memory() - before < 24_000_000
    assert client.stdout is not None
    assert client.stdout.read().split()[0].decode() == hashlib.sha256(bytes(300_000_000)).hexdigest()


def test_connections_are_forwarded_to_where_the_target_reaches(box: Clients) -> None:
    with echo_server() as port:
        local = free_port()
        client = box.popen("-N", options=("-L", f"{local}:127.0.0.1:{port}"))
        try:
            eventually(lambda: listening(local))
            assert echoed(local, b"x" * 300_000) == b"x" * 300_000
        finally:
            client.terminate()
            client.wait(20)


def test_the_target_forwards_connections_back(box: Clients) -> None:
    with echo_server() as port:
        remote = free_port()
        client = box.popen("-N", options=("-R", f"{remote}:127.0.0.1:{port}"))
        try:
            eventually(lambda: listening(remote))
            assert echoed(remote, b"y" * 300_000) == b"y" * 300_000
        finally:
            client.terminate()
            client.wait(20)


def test_sockets_of_the_file_system_are_forwarded(box: Clients, tmp_path: Path) -> None:
    with echo_server() as port:
        remote, local = box.server.directory / "remote.sock", tmp_path / "local.sock"
        client = box.popen("-N", options=("-R", f"{remote}:127.0.0.1:{port}", "-L", f"{local}:{remote}"))
        try:
            eventually(lambda: local.exists() and remote.exists())
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(local))
                connection.sendall(b"both ways")
                assert connection.recv(100) == b"both ways"
        finally:
            client.terminate()
            client.wait(20)


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="there is no ssh-agent here")
def test_the_clients_agent_answers_at_the_target(box: Clients, tmp_path: Path) -> None:
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        eventually((tmp_path / "agent").exists)
        os.environ["SSH_AUTH_SOCK"] = str(tmp_path / "agent")
        assert box.run(["ssh-add", str(box.directory / "key")]).code == 0
        assert "ED25519" in box.ssh("ssh-add -l", options=("-A",)).out
    finally:
        del os.environ["SSH_AUTH_SOCK"]
        agent.terminate()
        agent.wait(10)


def test_an_idle_connection_is_kept_alive_by_both(make_gate: Make, tmp_path: Path) -> None:
    server = started_server(more="ClientAliveInterval 1\nClientAliveCountMax 1")
    try:
        box = clients(make_gate, server, tmp_path / "client")
        options = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")
        done = box.ssh("sleep 4; echo alive", options=options)
        assert (done.code, done.out) == (0, "alive\n")
    finally:
        server.stop()


def test_an_operator_ends_a_session_and_the_client_reads_why(box: Clients) -> None:
    client = box.popen("echo ready; sleep 60", options=("-o", "LogLevel=INFO"))
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    [session] = live_ids(box)
    assert box.gate.api("operator", "POST", f"/v1/sessions/{session}/end", {"reason": "lunch"})[0] == 202
    _, err = client.communicate(timeout=20)
    assert b"lunch" in err
    assert client.returncode == 255


def test_the_gateway_drains_until_channels_are_closed(make_gate: Make, server: SshTarget, tmp_path: Path) -> None:
    box = clients(make_gate, server, tmp_path / "client")
    client = box.popen("read line; echo $line")
    eventually(lambda: sum(live_sessions(box)) == 1)
    box.gate.signal(signal.SIGTERM)
    time.sleep(0.5)
    out, _ = client.communicate(b"finished\n", timeout=20)
    assert (out, client.returncode) == (b"finished\n", 0)
    box.gate.ended()
