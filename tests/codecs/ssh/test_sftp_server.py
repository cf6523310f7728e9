"""The SFTP codec between real peers: OpenSSH's server, and OpenSSH's and paramiko's clients."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from hoopgate.codecs.ssh.sftp_packets import Request
from tests.codecs.ssh.sftp_bridge import SERVER, Bridge

pytestmark = pytest.mark.skipif(SERVER is None, reason="OpenSSH's sftp-server is not installed")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def bridges(tmp_path: Path) -> Iterator[Any]:
    made: list[Bridge] = []

    def make(*args: Any, **more: Any) -> tuple[Bridge, paramiko.SFTPClient]:
        bridge = Bridge(tmp_path, *args, **more)
        made.append(bridge)
        return bridge, paramiko.SFTPClient(bridge.client)  # type: ignore[arg-type]

    yield make
    for bridge in made:
        bridge.close()
        assert bridge.error is None, repr(bridge.error)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("chunk", [1, 1000, 65536])
def test_files_pass_unchanged_both_ways(bridges: Any, tmp_path: Path, chunk: int) -> None:
    bridge, client = bridges(chunk=chunk)
    data = os.urandom(20_000 if chunk == 1 else 3_000_000)
    client.putfo(io.BytesIO(data), "up")
    assert (tmp_path / "up").read_bytes() == data
    taken = io.BytesIO()
    client.getfo("up", taken)
    assert taken.getvalue() == data
    up, down = [each.fields() for each in bridge.sftp.done]
    down.pop("again", None)  # at times this client reads twice what it has asked for beforehand
    assert up == {"direction": "in", "path": "up", "size": len(data), "whole": True, "sha256": sha(data)}
    assert down == {"direction": "out", "path": "up", "size": len(data), "whole": True, "sha256": sha(data)}


def test_every_operation_of_a_client_works(bridges: Any, tmp_path: Path) -> None:
    _, client = bridges()
    assert client.normalize(".") == str(tmp_path)
    client.mkdir("d", 0o750)
    with client.open("d/f", "w") as file:
        file.write("hello")
        file.chmod(0o640)
        assert file.stat().st_size == 5
        file.truncate(4)
    client.symlink("f", "d/l")
    assert client.readlink("d/l") == "f"
    assert client.lstat("d/l").st_mode != client.stat("d/l").st_mode
    assert sorted(client.listdir("d")) == ["f", "l"]
    client.utime("d/f", (1, 2))
    assert client.stat("d/f").st_mtime == 2
    client.rename("d/f", "d/g")
    client.posix_rename("d/g", "d/h")
    with client.open("d/h") as file:
        assert file.read() == b"hell"
    client.remove("d/h")
    client.remove("d/l")
    client.rmdir("d")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="No such file"):
        client.stat("nowhere")


def test_what_is_refused_comes_in_its_turn_and_others_go_on(bridges: Any, tmp_path: Path) -> None:
    def allows(request: Request) -> bool:
        return not request.path.endswith(b"secret")

    bridge, client = bridges(allows)
    (tmp_path / "secret").write_text("no")
    with client.open("fine", "w") as file:
        for _ in range(3):
            with pytest.raises(PermissionError) as refused:
                client.open("secret")
            assert refused.value.errno == errno.EACCES
            file.write("a")
            with pytest.raises(PermissionError):
                client.remove("secret")
    assert (tmp_path / "fine").read_text() == "aaa"
    assert (tmp_path / "secret").read_text() == "no"
    assert bridge.sftp.asked == {}
    assert bridge.sftp.files == {}


def test_a_transfer_over_its_size_is_cut_off(bridges: Any, tmp_path: Path) -> None:
    bridge, client = bridges(most=100_000)
    (tmp_path / "big").write_bytes(bytes(200_000))
    with pytest.raises(PermissionError):
        client.get("big", str(tmp_path / "got"), prefetch=False)
    with pytest.raises((PermissionError, OSError)):
        client.put(str(tmp_path / "big"), "up")
    assert (tmp_path / "up").stat().st_size <= 100_000
    client.put(str(tmp_path / "got"), "small", confirm=False)
    down, up, small = [each.fields() for each in bridge.sftp.done]
    assert (down["error"], up["error"]) == ("big is too large", "up is too large")
    assert not down["whole"]
    assert not up["whole"]
    assert small["whole"]


def test_reading_here_and_there_says_so(bridges: Any, tmp_path: Path) -> None:
    bridge, client = bridges()
    (tmp_path / "f").write_bytes(bytes(range(256)))
    with client.open("f") as file:
        assert list(file.readv([(10, 5), (100, 5)])) == [bytes(range(10, 15)), bytes(range(100, 105))]
        file.seek(200)
        file.read(10)
    (seen,) = [each.fields() for each in bridge.sftp.done]
    assert seen["ordered"] is False
    assert not seen["whole"]
    assert "sha256" not in seen


def test_resuming_and_appending_say_what_passed(bridges: Any, tmp_path: Path) -> None:
    bridge, client = bridges()
    (tmp_path / "f").write_bytes(b"0123456789")
    with client.open("f", "r+") as file:
        file.seek(5)
        file.write("abcde")
    with client.open("f", "a") as file:
        file.write("xyz")
    assert (tmp_path / "f").read_bytes() == b"01234abcdexyz"
    resumed, appended = [each.fields() for each in bridge.sftp.done if each.direction == "in"]
    assert (resumed["start"], resumed["size"], resumed["sha256"], resumed["whole"]) == (5, 5, sha(b"abcde"), False)
    assert (appended["size"], appended["sha256"], appended["whole"]) == (3, sha(b"xyz"), False)


def test_a_client_that_leaves_leaves_its_transfers_unfinished(bridges: Any, tmp_path: Path) -> None:
    bridge, client = bridges()
    file = client.open("f", "w")
    file.write("half")
    bridge.client.shutdown(socket.SHUT_RDWR)
    bridge._thread.join(10)
    bridge.sftp.end()
    (seen,) = [each.fields() for each in bridge.sftp.done]
    assert seen["whole"] is False
    assert seen["error"] == "the channel ended before the file was closed"


@pytest.mark.skipif(shutil.which("sftp") is None, reason="OpenSSH's sftp is not installed")
def test_the_client_of_openssh(tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    (tmp_path / "from").write_bytes(data)
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "leaf").write_text("leaf")
    batch = (
        "put from up\nget up down\n-put from denied.exe\nput -p from kept\nput -R tree copy\nln -s up link\nls -l\n"
        "ln up hard\ndf .\nrename up moved\nget -R copy back\n-reput from moved\nchmod 600 moved\nls copy/sub\n"
    )
    program = f"{sys.executable} -m tests.codecs.ssh.sftp_bridge *.exe"
    done = subprocess.run(
        ["sftp", "-D", program, "-b", "-"],
        input=batch, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'dest open "' in done.stderr
    assert "denied.exe" in done.stderr
    assert not (tmp_path / "denied.exe").exists()
    assert (tmp_path / "down").read_bytes() == data
    assert (tmp_path / "moved").read_bytes() == data
    assert (tmp_path / "back" / "sub" / "leaf").read_text() == "leaf"
    assert (tmp_path / "hard").stat().st_nlink == 2
    assert sha(data) in done.stderr
