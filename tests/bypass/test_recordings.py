"""What recordings of other systems lost or let in, kept here for good: one case a fault, named after it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hoopgate.cli.main import main
from hoopgate.codecs.postgresql import messages
from hoopgate.errors import RecordingError
from hoopgate.recorders import format as layout
from hoopgate.recorders import places
from hoopgate.recorders.format import Kind
from hoopgate.recorders.reader import read
from hoopgate.recorders.redact import recordable
from hoopgate.recorders.verify import verify
from tests.recorders.fakes import KEY, FakeSession, make_clock, make_recorder, make_recording, small_recording
from tests.recorders.story import told

PUBLIC = KEY.public_key()


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in ("pwrite", "pwritev"):
        monkeypatch.setattr(f"hoopgate.recorders.spoolfile.os.{call}", fail)


def test_a_final_flush_that_fails_is_neither_silent_nor_taken_for_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = make_recording(tmp_path)
    recording.data(0, b"x")
    with monkeypatch.context() as patch:
        full_disk(patch)
        with pytest.raises(RecordingError):
            recording.close("done")
    report = verify(recording.path, PUBLIC)
    assert report.truncated
    assert not report.ok


def test_after_a_crash_the_recording_can_be_replayed(tmp_path: Path) -> None:
    path = told(tmp_path, close=False)
    content = path.read_bytes()
    path.write_bytes(content[:-11])  # and its last record was torn
    result = CliRunner().invoke(main, ["sessions", "replay", str(path), "--speed", "max"])
    assert result.exit_code == 0
    assert "DELETE FROM orders" in result.stdout
    assert verify(path, PUBLIC).truncated


def test_nothing_stops_silently_at_a_size(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for _ in range(64):
        recording.data(1, bytes(1024 * 1024))
    recording.close("done")
    assert sum(len(r.payload) for r in read(recording.path) if r.kind is Kind.FROM_TARGET) == 64 * 1024 * 1024
    assert verify(recording.path, PUBLIC).ok


def test_one_call_larger_than_any_buffer_is_written_whole(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    data = os.urandom(1024) * 40 * 1024
    recording.data(1, data)
    recording.close("done")
    assert b"".join(r.payload for r in read(recording.path) if r.kind is Kind.FROM_TARGET) == data


def test_a_session_id_cannot_be_written_twice(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path)
    first = recorder.open(FakeSession())
    before = first.path.read_bytes()
    with pytest.raises(RecordingError):
        recorder.open(FakeSession())
    assert first.path.read_bytes() == before
    first.close("done")
    with pytest.raises(RecordingError):
        recorder.open(FakeSession())
    assert verify(first.path, PUBLIC).ok


@pytest.mark.parametrize(
    "session",
    [
        "",
        "a",
        "../" + "a" * 26,
        "a" * 25 + "/",
        "a" * 26 + "\x00",
        "A" * 26,
        "a" * 41,
        "a" * 26 + "\n",
        ".." * 13,
        "é" * 26,
    ],
)
def test_an_id_never_becomes_a_path(tmp_path: Path, session: str) -> None:
    directory = tmp_path / "recordings"
    with pytest.raises(RecordingError):
        make_recorder(directory).open(FakeSession(id=session))
    assert not list(directory.rglob("*.hgr"))
    assert not list(tmp_path.rglob("*a" * 3))


def test_a_symbolic_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep me")
    recorder = make_recorder(tmp_path / "recordings")
    day = tmp_path / "recordings" / places.shard(make_clock().seconds())
    day.mkdir(mode=0o700)
    for target in (victim, tmp_path / "nowhere"):
        link = day / f"{FakeSession().id}{layout.SUFFIX}"
        link.symlink_to(target)
        with pytest.raises(RecordingError):
            recorder.open(FakeSession())
        link.unlink()
    assert victim.read_bytes() == b"keep me"
    assert not (tmp_path / "nowhere").exists()


def test_a_symbolic_link_in_place_of_the_day_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    recorder = make_recorder(tmp_path / "recordings")
    (tmp_path / "recordings" / places.shard(make_clock().seconds())).symlink_to(elsewhere)
    with pytest.raises(RecordingError):
        recorder.open(FakeSession())
    assert not list(elsewhere.iterdir())


def test_the_clients_secret_is_not_in_the_recording(tmp_path: Path) -> None:
    session = FakeSession()
    recording = make_recording(tmp_path, session)
    recording.event("login", {"method": "password", "token": "hgt_secret", "password": "hunter2"})
    recording.data(0, recordable(messages.password_message("hunter2")))
    for text in (
        "ALTER ROLE app PASSWORD 'hunter2'",
        "CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'hunter2')",
    ):
        recording.event("statement", {"text": text, "verdict": "allow"})
        recording.data(0, recordable(messages.query(text)))
        recording.data(0, recordable(messages.parse_message("", text)))
    recording.close("done")
    content = recording.path.read_bytes()
    assert b"hunter2" not in content
    assert b"hgt_secret" not in content
    assert b"ALTER ROLE app PASSWORD '***'" in content


def test_nothing_is_dropped_when_there_is_much(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for number in range(20_000):
        recording.data(number & 1, b"%d" % number)
    recording.close("done")
    written = [r.payload for r in read(recording.path) if r.kind in (Kind.FROM_CLIENT, Kind.FROM_TARGET)]
    assert written == [b"%d" % number for number in range(20_000)]


def test_a_recorder_that_died_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One failed append is enough, even if the disk recovers: a recording with a hole would look whole."""
    recording = make_recording(tmp_path)
    with monkeypatch.context() as patch:
        full_disk(patch)
        with pytest.raises(RecordingError):
            recording.data(0, b"lost")
    for call in (lambda: recording.data(0, b"later"), lambda: recording.event("later", {})):
        with pytest.raises(RecordingError):
            call()
    recording.close("done")
    assert b"later" not in recording.path.read_bytes()
    assert not verify(recording.path, PUBLIC).ok


def test_others_on_the_machine_cannot_read_recordings(tmp_path: Path) -> None:
    path = small_recording(tmp_path / "recordings")
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_recording_cannot_drive_the_auditors_terminal(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.event("statement", {"text": "SELECT '\x1b]0;owned\x07'", "verdict": "allow", "parameters": ["\x1b[2J"]})
    recording.data(
        1, messages.error_response(sqlstate="XX000", message="\x1b[2J") + messages.command_complete("\x1b[2J")
    )
    recording.close("\x1b[2J")
    for command in (
        ["show"],
        ["replay", "--speed", "max"],
        ["export", "--format", "text"],
        ["export", "--format", "json"],
    ):
        result = CliRunner().invoke(main, ["sessions", command[0], str(recording.path), *command[1:]])
        assert result.exit_code == 0
        assert "\x1b" not in result.stdout, command
    written = CliRunner().invoke(main, ["sessions", "export", str(recording.path), "--format", "sql"])
    assert "SELECT '\x1b]0;owned\x07';" in written.stdout  # what runs again is what ran
    assert "SELECT '\\x1b]0;owned\\x07';" in on_terminal("sessions", "export", str(recording.path), "--format", "sql")


def on_terminal(*arguments: str) -> str:
    """What the command writes where its output is a terminal."""
    ours, theirs = os.openpty()
    done = subprocess.run([sys.executable, "-m", "hoopgate.cli", *arguments], stdout=theirs, check=False, timeout=60)
    os.close(theirs)
    assert done.returncode == 0
    with open(ours, "rb", buffering=0) as file:
        return file.read(65536).decode()
