"""The status file is whole or the old one, and a process id is only believed while its lock is held."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from hoopgate.config.status import (
    PID,
    STATUS,
    PidFile,
    Reload,
    Status,
    StatusError,
    WorkerStatus,
    read_status,
    running_pid,
    write_status,
)

NO_WORKER = '{"pid": 7, "config_version": "", "reload": null, "workers": [{"number": 1}]}'
HOLD = """
import sys
from pathlib import Path
from hoopgate.config.status import PidFile
PidFile(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_what_is_written_is_read(tmp_path):
    assert read_status(tmp_path) is None
    for status in (
        Status(7, "abc"),
        Status(7, "abc", Reload(12.5, False, ("a", "b"))),
        Status(8, "d", Reload(1.0, True)),
        Status(9, "e", None, (WorkerStatus(1, 10, "e", "serving", "compiled", 4, 2), WorkerStatus(2, 0, "", "dead"))),
    ):
        write_status(tmp_path, status)
        assert read_status(tmp_path) == status
    assert [path.name for path in tmp_path.iterdir()] == [STATUS]
    assert stat.S_IMODE((tmp_path / STATUS).stat().st_mode) == 0o600


def test_errors_are_bounded(tmp_path):
    write_status(tmp_path, Status(7, "abc", Reload(1.0, False, ("x" * 5000,) * 500)))
    assert (tmp_path / STATUS).stat().st_size < 100_000
    assert len(read_status(tmp_path).reload.errors) == 50


def test_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    write_status(tmp_path, Status(7, "old"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("json.dump", full)
    with pytest.raises(OSError, match="No space"):
        write_status(tmp_path, Status(7, "new"))
    assert read_status(tmp_path) == Status(7, "old")
    assert [path.name for path in tmp_path.iterdir()] == [STATUS]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"pid": "x", "config_version": "", "reload": null}', "7", NO_WORKER]
)
def test_what_is_no_status(tmp_path, text):
    (tmp_path / STATUS).write_text(text)
    with pytest.raises(StatusError, match=STATUS):
        read_status(tmp_path)


def test_a_running_service_is_found_and_a_dead_one_is_not(tmp_path):
    assert running_pid(tmp_path) is None
    service = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with service:
        assert service.stdout.readline() == "held\n"
        assert running_pid(tmp_path) == service.pid
        with pytest.raises(StatusError, match="another gateway uses this state directory"):
            PidFile(tmp_path).acquire()
        service.kill()
    # the number is still in the file, and may be anybody's by now
    assert (tmp_path / PID).read_text() == f"{service.pid}\n"
    assert running_pid(tmp_path) is None


def test_release_and_acquire_again(tmp_path):
    mine = PidFile(tmp_path)
    mine.acquire()
    assert running_pid(tmp_path) == os.getpid()
    mine.release()
    mine.release()
    assert running_pid(tmp_path) is None
    mine.acquire()
    assert running_pid(tmp_path) == os.getpid()
    mine.release()


def test_nobody_makes_us_write_through_a_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / PID).symlink_to(victim)
    with pytest.raises(OSError):
        PidFile(tmp_path).acquire()
    assert victim.read_text() == "precious"
