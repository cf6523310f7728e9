"""Writing: what is in the file, who may read it, and that every fault of the disk ends the recording for good."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.python.failure import Failure
from zope.interface.verify import verifyClass, verifyObject

from hoopgate.config.model import Config, Gateway, Limits, Recorder, SecretRef
from hoopgate.errors import RecordingError, SecretError
from hoopgate.interfaces import IRecorder, IRecording
from hoopgate.recorders import format as layout
from hoopgate.recorders.file import ConfiguredRecorder, factory
from hoopgate.recorders.format import Kind
from hoopgate.recorders.keys import key_id, own_key
from hoopgate.recorders.reader import read
from hoopgate.recorders.spool import FileRecorder, FileRecording
from hoopgate.recorders.verify import verify
from tests.recorders.fakes import KEY, FakeSession, Ticks, make_clock, make_recorder, make_recording, small_recording

PUBLIC = KEY.public_key()


def kinds(path: Path) -> list[Kind]:
    return [record.kind for record in read(path)]


def poisoned(recording: FileRecording) -> None:
    """Every call from now on must raise, whatever the disk does."""
    for call in (lambda: recording.data(0, b"x"), lambda: recording.data(1, b"x"), lambda: recording.event("e", {})):
        with pytest.raises(RecordingError):
            call()
    size = recording.path.stat().st_size if recording.path.exists() else 0
    recording.close("after the fault")
    assert (recording.path.stat().st_size if recording.path.exists() else 0) == size, "no end was forged"


def test_interfaces(tmp_path: Path) -> None:
    assert verifyClass(IRecorder, FileRecorder)
    assert verifyClass(IRecorder, ConfiguredRecorder)
    assert verifyClass(IRecording, FileRecording)
    assert verifyObject(IRecording, make_recording(tmp_path))


def test_opening_is_written_before_anything_else_and_signed_in_two_seconds(tmp_path: Path) -> None:
    clock = make_clock()
    recording = make_recording(tmp_path, clock=clock)
    assert kinds(recording.path) == [Kind.EVENT]
    clock.advance(2.0)
    records = list(read(recording.path))
    assert [record.kind for record in records] == [Kind.EVENT, Kind.CHECKPOINT]
    opening = records[0].event()
    assert opening["event"] == "open"
    assert (opening["subject"], opening["target"], opening["role"]) == ("ada", "shop", "app_ro")
    report = verify(recording.path, PUBLIC)
    assert report.truncated
    assert report.proven == recording.path.stat().st_size


def test_modes_and_place(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "recordings"
    before = os.umask(0)
    try:
        path = small_recording(directory)
    finally:
        os.umask(before)
    assert path == directory / "2026-11-06" / f"{FakeSession().id}.hgr"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(RecordingError, match="nobody else"):
        make_recorder(tmp_path)


def test_data_comes_back_as_it_was_given(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    given = [(0, b""), (1, b"a"), (0, os.urandom(5000)), (1, os.urandom(3 * layout.DATA_SLICE + 7))]
    for direction, data in given:
        recording.data(direction, data)
    recording.close("done")
    for direction in (0, 1):
        written = b"".join(record.payload for record in read(recording.path) if record.kind == direction)
        assert written == b"".join(data for to, data in given if to == direction)
    assert verify(recording.path, PUBLIC).ok


def test_times_are_microseconds_of_both_clocks(tmp_path: Path) -> None:
    ticks, clock = Ticks(), make_clock()
    recording = make_recorder(tmp_path, monotonic=ticks, clock=clock).open(FakeSession())
    ticks.now += 1_500_000_000
    clock.advance(1.25)
    recording.event("later", {})
    ticks.now += 3_000_000_000
    clock.rightNow -= 5  # the wall clock is set back, which the next checkpoint notices
    recording.event("unnoticed", {})
    recording.event("before", {})
    ticks.now += 3_000_000_000
    clock.rightNow += 10 * 365 * 86400  # and far forward
    recording.event("unnoticed", {})
    recording.event("future", {})
    recording.close("done")
    events = {record.event()["event"]: record for record in read(recording.path) if record.kind is Kind.EVENT}
    assert 1_500_000 <= events["later"].elapsed < 1_500_100
    assert abs(events["later"].wall - 1_500_000) <= 100  # reckoned by the monotonic clock since the beginning
    assert abs(events["before"].wall + 3_750_000) <= 100
    assert abs(events["future"].wall - 10 * 365 * 86400 * 1_000_000 + 3_750_000) <= 100
    assert verify(recording.path, PUBLIC).ok


def test_checkpoint_each_mebibyte(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for _ in range(40):
        recording.data(1, bytes(100_000))
    report = verify(recording.path, PUBLIC)
    assert report.truncated
    assert report.size - report.proven <= 1024 * 1024 + 100_000
    assert kinds(recording.path).count(Kind.CHECKPOINT) == 3


def test_checkpoint_each_4096_records(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for _ in range(5000):
        recording.data(1, b"x")
    assert kinds(recording.path).count(Kind.CHECKPOINT) == 1


def test_checkpoint_within_two_seconds_of_traffic_and_none_while_idle(tmp_path: Path) -> None:
    ticks, clock = Ticks(), make_clock()
    recording = make_recorder(tmp_path, monotonic=ticks, clock=clock).open(FakeSession())
    recording.data(0, b"x")
    assert kinds(recording.path).count(Kind.CHECKPOINT) == 0
    clock.advance(2.0)
    assert kinds(recording.path)[-1] is Kind.CHECKPOINT
    size = recording.path.stat().st_size
    clock.pump([1.0] * 60)
    assert recording.path.stat().st_size == size
    assert clock.getDelayedCalls() == []
    recording.data(0, b"x")
    ticks.now += 3_000_000_000
    recording.data(0, b"x")  # a busy reactor may be late with timers
    assert kinds(recording.path)[-1] is Kind.CHECKPOINT
    recording.close("done")
    assert clock.getDelayedCalls() == []
    assert verify(recording.path, PUBLIC).ok


def test_close_is_idempotent_and_final(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.close("first")
    recording.close("second")
    with pytest.raises(RecordingError):
        recording.data(0, b"x")
    report = verify(recording.path, PUBLIC)
    assert report.ok
    assert report.end is not None
    assert report.end["reason"] == "first"
    assert report.end["events"] == {"open": 1}


def test_end_counts(tmp_path: Path) -> None:
    report = verify(small_recording(tmp_path), PUBLIC)
    assert report.end is not None
    assert report.end["bytes"] == [14, 20]
    assert report.end["events"] == {"open": 1, "statement": 1}
    assert report.end["records"] == report.records - 1


class FailingDisk:
    """Stands in for os.pwrite and os.pwritev."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, outcome: Any) -> None:
        self.outcome = outcome
        self.write = os.pwrite
        monkeypatch.setattr("hoopgate.recorders.spoolfile.os.pwrite", self._write)
        monkeypatch.setattr("hoopgate.recorders.spoolfile.os.pwritev", self._writev)

    def _write(self, descriptor: int, data: bytes, at: int) -> int:
        return self.outcome(lambda cut=0: self.write(descriptor, data[: len(data) - cut], at))

    def _writev(self, descriptor: int, parts: list[bytes], at: int) -> int:
        return self.outcome(lambda cut=0: self.write(descriptor, b"".join(parts)[: -cut or None], at))


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EBADF])
def test_error_of_the_disk_poisons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, size: int) -> None:
    recording = make_recording(tmp_path)

    def fail(write: Any) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        FailingDisk(patch, fail)
        with pytest.raises(RecordingError, match="cannot be written"):
            recording.data(1, bytes(size))
    poisoned(recording)
    assert verify(recording.path, PUBLIC).truncated


@pytest.mark.parametrize("size", [10, 100_000])
def test_short_write_poisons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    recording = make_recording(tmp_path)
    with monkeypatch.context() as patch:
        FailingDisk(patch, lambda write: write(cut=5))
        with pytest.raises(RecordingError, match="cut short"):
            recording.data(1, bytes(size))
    poisoned(recording)
    assert verify(recording.path, PUBLIC).truncated


def test_slow_write_poisons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = Ticks()
    seen: list[int] = []
    recording = make_recorder(tmp_path, monotonic=ticks, limits=Limits(recorder_write=0.5), observe=seen.append).open(
        FakeSession()
    )

    def slow(write: Any) -> int:
        ticks.now += 600_000_000
        return write()

    with monkeypatch.context() as patch:
        FailingDisk(patch, slow)
        with pytest.raises(RecordingError, match=r"limits\.recorder_write"):
            recording.event("statement", {"text": "SELECT 1"})
    assert seen[-1] > 500_000_000
    poisoned(recording)


def test_end_that_cannot_be_written_raises_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = make_recording(tmp_path)

    def fail(write: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        FailingDisk(patch, fail)
        with pytest.raises(RecordingError):
            recording.close("done")
        recording.close("done")
    assert verify(recording.path, PUBLIC).truncated


def test_removed_directory_poisons_within_two_seconds(tmp_path: Path) -> None:
    clock = make_clock()
    directory = tmp_path / "recordings"
    recording = make_recorder(directory, clock=clock).open(FakeSession())
    shutil.rmtree(directory)
    recording.data(0, b"x")
    clock.advance(2.0)
    with pytest.raises(RecordingError, match="removed"):
        recording.data(0, b"x")
    poisoned(recording)
    with pytest.raises(RecordingError):
        make_recorder_without_directory(directory)


def make_recorder_without_directory(directory: Path) -> None:
    recorder = make_recorder(directory)
    shutil.rmtree(directory)
    recorder.open(FakeSession())


def test_removed_file_keeps_the_end_from_being_claimed(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.path.unlink()
    with pytest.raises(RecordingError, match="removed"):
        recording.close("done")


def test_somebody_else_writing_poisons(tmp_path: Path) -> None:
    clock = make_clock()
    recording = make_recorder(tmp_path, clock=clock).open(FakeSession())
    recording.data(0, b"x")
    with recording.path.open("ab") as file:
        file.write(b"!")
    clock.advance(2.0)
    with pytest.raises(RecordingError, match="bytes where"):
        recording.data(0, b"x")


def fill(recording: FileRecording) -> None:
    for _ in range(100):
        recording.data(1, os.urandom(10_000))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_full_disk(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir(mode=0o700)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "hoopgate-test", str(mount)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted: {made.stderr.decode(errors='replace').strip()}")
    try:
        recording = make_recording(mount)
        with pytest.raises(RecordingError):
            fill(recording)
        poisoned(recording)
        assert verify(recording.path, PUBLIC).truncated
        with pytest.raises(RecordingError):
            make_recorder(mount).open(FakeSession(id="z" * 26)).data(1, bytes(300_000))
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_file_size_limit(tmp_path: Path) -> None:
    """RLIMIT_FSIZE, in a process of its own: the kernel writes what fits and then says EFBIG."""
    code = f"""
import resource, signal
from pathlib import Path
from hoopgate.errors import RecordingError
from tests.recorders.fakes import make_recording
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recording = make_recording(Path({str(tmp_path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
failed = 0
for _ in range(20):
    try:
        recording.data(1, bytes(10_000))
    except RecordingError:
        failed += 1
print(failed, recording.path)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    failed, path = out.split()
    assert int(failed) == 14
    assert verify(Path(path), PUBLIC).truncated
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


WRITER = """
import os, sys
from pathlib import Path
from twisted.internet.task import Clock
from hoopgate.config.model import Limits
from hoopgate.recorders.spool import FileRecorder
from tests.recorders.fakes import KEY, FakeSession
recording = FileRecorder(Path(sys.argv[1]), KEY, Clock(), Limits()).open(FakeSession())
print(recording.path, flush=True)
while True:
    recording.data(1, os.urandom(200_000))
    recording.data(0, b"small")
"""


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3])
def test_killed_in_mid_write_leaves_a_verified_prefix(tmp_path: Path, delay: float) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        path = Path(writer.stdout.readline().strip())
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
    report = verify(path, PUBLIC)
    assert report.truncated
    assert report.first_bad_offset is None
    assert report.proven > 0
    assert report.size - report.proven < 2 * 1024 * 1024


def test_own_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "recorder-key.pem"
    key = own_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_id(own_key(path).public_key()) == key_id(key.public_key())
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


class FakeSecrets:
    def __init__(self, value: bytes) -> None:
        self.value = value

    def get(self, ref: SecretRef) -> Any:
        from twisted.internet.defer import succeed

        return succeed(self.value)


def config_in(directory: Path, **recorder: Any) -> Config:
    return Config(
        path=directory / "c.toml", version="1", gateway=Gateway(state=directory), recorder=Recorder(**recorder)
    )


def test_configured_recorder_keeps_a_key_of_its_own(tmp_path: Path) -> None:
    seen: list[int] = []
    recorder = factory(config_in(tmp_path), FakeSecrets(b""), make_clock())
    recorder.observe = seen.append
    with pytest.raises(RecordingError, match="not been started"):
        recorder.open(FakeSession())
    recorder.start()
    recording = recorder.open(FakeSession())
    recording.close("done")
    assert seen
    assert verify(recording.path, own_key(tmp_path / "recorder-key.pem").public_key()).ok
    assert (tmp_path / "recordings" / "public-key.pem").read_bytes().startswith(b"-----BEGIN PUBLIC KEY")


def test_configured_key_that_is_none_fails_the_start_without_quoting_it(tmp_path: Path) -> None:
    config = config_in(tmp_path, key=SecretRef("env", "KEY"))
    failures: list[Failure] = []
    factory(config, FakeSecrets(b"hunter2"), make_clock()).start().addErrback(failures.append)
    [failure] = failures
    assert failure.check(SecretError)
    assert "hunter2" not in str(failure.value)


def test_identity_with_hostile_names_is_only_data(tmp_path: Path) -> None:
    session = FakeSession()
    session.identity = evolve(session.identity, subject="../../etc/passwd\x00\n", groups=frozenset({"\ud800"}))
    path = small_recording(tmp_path, session)
    assert path.parent.parent == tmp_path
    assert verify(path, PUBLIC).ok
