"""Appends without a system call: what is in the file at every instant, and what the file's faults do."""

from __future__ import annotations

import errno
import gc
import itertools
import mmap
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.errors import RecordingError
from hoopgate.frames import Phase
from hoopgate.recorders import mappable, spoolfile
from hoopgate.recorders.conversation import conversation
from hoopgate.recorders.events import result_event, statement_event, statement_prefix
from hoopgate.recorders.format import Kind
from hoopgate.recorders.reader import read
from hoopgate.recorders.spool import FileRecording
from hoopgate.recorders.verify import verify
from tests.recorders.fakes import KEY, FakeSession, make_clock, make_recorder, make_recording
from tests.recorders.story import told

PUBLIC = KEY.public_key()


@pytest.fixture(autouse=True)
def _mapped_here(tmp_path: Path) -> None:
    if why := mappable.hindrance(tmp_path):
        pytest.skip(f"nothing can be mapped: {why}")


def busy(directory: Path, **more: Any) -> FileRecording:
    """A recording whose file is mapped."""
    recording = make_recording(directory, **more)
    for _ in range(spoolfile.STREAK):
        recording.data(0, b"x")
    assert recording.mapped
    return recording


def payloads(path: Path) -> list[bytes]:
    return [record.payload for record in read(path) if record.kind in (Kind.FROM_CLIENT, Kind.FROM_TARGET)]


def test_a_few_appends_are_written_and_many_are_mapped(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for _ in range(spoolfile.STREAK - 2):
        recording.data(0, b"x")
    assert not recording.mapped
    recording.data(1, bytes(100_000))  # ends the streak
    for _ in range(spoolfile.STREAK - 1):
        recording.data(0, b"x")
    assert not recording.mapped
    recording.data(0, b"x")
    assert recording.mapped
    recording.close("done")
    assert verify(recording.path, PUBLIC).ok


def test_a_mapped_append_makes_no_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = busy(tmp_path)

    def fail(*arguments: Any) -> int:
        raise AssertionError

    with monkeypatch.context() as patch:
        for call in ("pwrite", "pwritev", "fstat", "open", "ftruncate"):
            patch.setattr(spoolfile.os, call, fail)
        for _ in range(50):
            recording.later(result_event(1, "SELECT 1"))
            recording.data(1, b"y" * 500)
    assert payloads(recording.path)[-50:] == [b"y" * 500] * 50


def test_segments_grow_and_are_never_larger_than_their_limit(tmp_path: Path) -> None:
    recording = busy(tmp_path)
    lengths = set()
    for _ in range(10_000):
        recording.data(1, bytes(1000))
        lengths.add(recording.path.stat().st_size)
    steps = sorted(lengths)
    growth = [after - before for before, after in itertools.pairwise(steps)]
    assert max(growth) <= spoolfile.LAST_SEGMENT
    assert growth[0] < growth[3]
    recording.close("done")
    report = verify(recording.path, PUBLIC)
    assert report.ok
    assert report.size < 10_000 * 1040 + 5000


def test_records_across_the_ends_of_segments(tmp_path: Path) -> None:
    for size in (4085, 4086, 4087, 5000, 8191, 8192):
        recording = make_recording(tmp_path / str(size))
        given_ = [os.urandom(size) for _ in range(60)]
        for data in given_:
            recording.data(1, data)
        recording.close("done")
        assert payloads(recording.path) == given_
        assert verify(recording.path, PUBLIC).ok


def test_large_data_goes_into_the_same_file(tmp_path: Path) -> None:
    recording = busy(tmp_path)
    large = [os.urandom(size) for size in (10_000, 32 * 1024, 40_000, 3_000_000, 9_000)]
    expected = b""
    for data in large:
        for _ in range(20):
            recording.data(1, b"small")
            expected += b"small"
        recording.data(1, data)
        expected += data
    assert b"".join(payloads(recording.path))[spoolfile.STREAK :] == expected
    recording.close("done")
    assert verify(recording.path, PUBLIC).ok


def test_idle_recording_keeps_neither_mapping_nor_descriptor(tmp_path: Path) -> None:
    clock = make_clock()
    before = set(os.listdir("/proc/self/fd"))
    recording = busy(tmp_path, clock=clock)
    assert recording.path.stat().st_size >= spoolfile.FIRST_SEGMENT
    clock.advance(2.0)
    assert recording.mapped
    clock.advance(2.0)
    assert not recording.mapped
    assert set(os.listdir("/proc/self/fd")) == before
    report = verify(recording.path, PUBLIC)
    assert report.proven == report.size
    assert clock.getDelayedCalls() == []
    recording.data(0, b"again")
    assert payloads(recording.path)[-1] == b"again"
    recording.close("done")
    assert verify(recording.path, PUBLIC).ok
    assert set(os.listdir("/proc/self/fd")) == before


def test_idle_recording_can_be_closed(tmp_path: Path) -> None:
    clock = make_clock()
    recording = make_recording(tmp_path, clock=clock)
    clock.advance(2.0)
    clock.advance(2.0)
    recording.close("done")
    assert verify(recording.path, PUBLIC).ok


def test_a_thousand_idle_recordings_are_small(tmp_path: Path) -> None:
    clock = make_clock()
    recorder = make_recorder(tmp_path, clock=clock)
    sessions = [FakeSession(id=f"{number:026d}") for number in range(300)]
    recorder.open(FakeSession(id="z" * 26)).close("warm")
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    recordings = [recorder.open(session) for session in sessions]
    for recording in recordings:
        for _ in range(20):
            recording.data(1, b"x")
    clock.pump([1.0] * 60)
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / len(recordings)
    tracemalloc.stop()
    assert not any(recording.mapped for recording in recordings)
    for recording in recordings:
        recording.close("done")
    assert each <= 1200  # interpreted; compiled it is below 800


def fault_while_idle(tmp_path: Path, fault: Any) -> FileRecording:
    clock = make_clock()
    recording = busy(tmp_path, clock=clock)
    clock.advance(2.0)
    clock.advance(2.0)
    fault(recording.path)
    return recording


def swap(path: Path) -> None:
    content = path.read_bytes()
    path.rename(path.with_suffix(".old"))
    path.write_bytes(content)


def link(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.symlink_to(path.with_suffix(".old"))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Path.unlink, "removed"),
        (swap, "replaced"),
        (link, "opened again"),
        (lambda path: os.truncate(path, 100), "bytes where"),
        (lambda path: path.write_bytes(path.read_bytes() + b"!"), "bytes where"),
    ],
)
def test_what_happens_to_an_idle_file_is_noticed(tmp_path: Path, fault: Any, said: str) -> None:
    for use in ("data", "close"):
        recording = fault_while_idle(tmp_path / use, fault)
        with pytest.raises(RecordingError, match=said):
            recording.data(0, b"x") if use == "data" else recording.close("done")
        with pytest.raises(RecordingError):
            recording.data(0, b"x")
        recording.close("done")


def test_removal_while_mapped_is_noticed_in_two_seconds(tmp_path: Path) -> None:
    clock = make_clock()
    recording = busy(tmp_path, clock=clock)
    recording.path.unlink()
    clock.advance(2.0)
    with pytest.raises(RecordingError, match="removed"):
        recording.data(0, b"x")
    with pytest.raises(RecordingError, match="removed"):
        recording.later(b'{"event":"x"}')


def test_without_room_for_a_segment_appends_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = make_recording(tmp_path)
    whole = os.pwrite

    def small_only(descriptor: int, data: bytes, at: int) -> int:
        if len(data) > 30_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(descriptor, data, at)

    with monkeypatch.context() as patch:
        patch.setattr(spoolfile.os, "pwrite", small_only)
        for number in range(100):
            recording.data(0, b"%d" % number)
        assert not recording.mapped
    for number in range(100, 1000):
        recording.data(0, b"%d" % number)
    assert recording.mapped  # it is tried again
    recording.close("done")
    assert payloads(recording.path) == [b"%d" % number for number in range(1000)]
    assert verify(recording.path, PUBLIC).ok


def fill(recording: FileRecording) -> None:
    for _ in range(100):
        recording.data(1, bytes(1000))


def test_full_disk_in_the_middle_of_a_segment_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its room was taken beforehand; only what needs more meets the fault, and cuts the zeros off."""
    recording = busy(tmp_path)

    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spoolfile.os, "pwrite", full)
        with pytest.raises(RecordingError, match="cannot be written"):
            fill(recording)
    report = verify(recording.path, PUBLIC)
    assert report.truncated
    written = sum(record.kind is Kind.FROM_TARGET for record in read(recording.path))
    assert written > 50
    assert report.size < written * 1040 + 2000


def test_mapping_that_is_refused_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(spoolfile.mmap, "mmap", refuse)
    recording = make_recording(tmp_path)
    for _ in range(50):
        recording.data(0, b"x")
    assert not recording.mapped
    recording.close("done")
    assert verify(recording.path, PUBLIC).ok


def test_appends_by_a_call_are_timed_and_every_64th_of_the_others(tmp_path: Path) -> None:
    seen: list[int] = []
    recording = busy(tmp_path, observe=seen.append)
    called = len(seen)
    assert called == 1 + spoolfile.STREAK  # the opening, what was written, the first segment
    for _ in range(6 * 64):
        recording.data(0, b"x")
    assert len(seen) == called + 6
    recording.data(0, bytes(10_000))
    assert len(seen) == called + 7


def test_written_mode_never_maps(tmp_path: Path) -> None:
    recording = make_recording(tmp_path, append="written")
    for number in range(100):
        recording.data(0, b"%d" % number)
    assert not recording.mapped
    before = recording.path.stat().st_size
    assert verify(recording.path, PUBLIC).size == before
    assert payloads(recording.path)[-1] == b"99"
    recording.close("done")
    assert verify(recording.path, PUBLIC).ok


def test_events_kept_are_appended_with_what_follows(tmp_path: Path) -> None:
    clock = make_clock()
    recording = make_recording(tmp_path, clock=clock)
    recording.later(result_event(1, "A"))
    recording.later(result_event(2, "B"))
    assert len(list(read(recording.path))) == 1
    recording.data(1, b"answer")
    records = list(read(recording.path))[1:]
    assert [record.kind for record in records] == [Kind.EVENT, Kind.EVENT, Kind.FROM_TARGET]
    assert len({record.offset for record in records}) == 1
    recording.later(result_event(3, "C"))
    recording.event("masked", {})
    assert [record.event()["event"] for record in list(read(recording.path))[-2:]] == ["result", "masked"]
    recording.later(result_event(4, "D"))
    clock.advance(2.0)  # nothing follows
    assert [record.event()["of"] for record in read(recording.path) if b'"result"' in record.payload][-1] == 4
    recording.later(result_event(5, "E"))
    recording.close("done")
    report = verify(recording.path, PUBLIC)
    assert report.end is not None
    assert report.end["events"] == {"open": 1, "result": 5, "masked": 1}


def test_events_kept_are_bounded(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for number in range(10_000):
        recording.later(result_event(number, "SELECT 1"))
    assert sum(record.kind is Kind.EVENT for record in read(recording.path)) > 8_000
    recording.close("done")
    assert verify(recording.path, PUBLIC).ok


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_split_into_appends_replays_alike(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """However the target's bytes arrive, and whatever the way of appending, the same is read back."""
    whole = told(tmp_path_factory.mktemp("whole"))
    recording = make_recording(
        tmp_path_factory.mktemp("split"), append=data.draw(st.sampled_from(["mapped", "written"]))
    )
    for record in list(read(whole))[1:]:
        at = 0
        if record.kind is Kind.EVENT:
            recording.later(record.payload)
        while record.kind in (Kind.FROM_CLIENT, Kind.FROM_TARGET) and at < len(record.payload):
            size = data.draw(st.integers(1, len(record.payload) - at))
            recording.data(record.kind, record.payload[at : at + size])
            at += size
    recording.close("the client ended the session")

    def shown(path: Path) -> list[Any]:
        return [
            (type(item).__name__, *[value for name, value in vars_of(item).items() if name not in ("at", "fields")])
            for item in conversation(read(path))
        ]

    assert shown(recording.path) == shown(whole)
    assert verify(recording.path, PUBLIC).ok


def vars_of(item: Any) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in item.__attrs_attrs__}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 1), st.integers(0, 9000)),
            st.tuples(st.integers(0, 1), st.sampled_from([8192, 8193, 32768, 32769, 70_000, 1_200_000])),
            st.sampled_from([2.0, 4.0]),
        ),
        max_size=60,
    )
)
def test_any_traffic_is_read_back(tmp_path_factory: pytest.TempPathFactory, traffic: list[Any]) -> None:
    clock = make_clock()
    recording = busy(tmp_path_factory.mktemp("traffic"), clock=clock)
    expected = [bytearray(b"x" * spoolfile.STREAK), bytearray()]
    for number, each in enumerate(traffic):
        if isinstance(each, float):
            clock.advance(each)
            continue
        direction, size = each
        piece = number.to_bytes(2, "big") * (size // 2 + 1)
        recording.data(direction, piece[:size])
        expected[direction] += piece[:size]
    recording.close("done")
    found = [bytearray(), bytearray()]
    for record in read(recording.path):
        if record.kind in (Kind.FROM_CLIENT, Kind.FROM_TARGET):
            found[record.kind] += record.payload
    assert found == expected
    assert verify(recording.path, PUBLIC).ok


WRITER = """
import itertools, os, sys
from pathlib import Path
from twisted.internet.task import Clock
from hoopgate.config.model import Limits
from hoopgate.recorders.events import result_event
from hoopgate.recorders.spool import FileRecorder
from tests.recorders.fakes import KEY, FakeSession
recording = FileRecorder(Path(sys.argv[1]), KEY, Clock(), Limits()).open(FakeSession())
print(recording.path, flush=True)
done = os.open(sys.argv[1] + "/count", os.O_RDWR | os.O_CREAT)
for number in itertools.count(1):
    recording.later(result_event(number, "SELECT 1"))
    recording.data(1, b"%020d" % number + bytes(number % 700))
    if number % 997 == 0:
        recording.data(0, bytes(50_000))
    os.pwrite(done, number.to_bytes(8, "big"), 0)  # forwarded
"""


@pytest.mark.parametrize("delay", [0.1, 0.23, 0.4, 0.61])
def test_killed_in_mid_traffic_leaves_all_that_was_appended(tmp_path: Path, delay: float) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        path = Path(writer.stdout.readline().strip())
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
    forwarded = int.from_bytes((tmp_path / "count").read_bytes(), "big")
    assert forwarded > 100
    report = verify(path, PUBLIC)
    assert report.truncated
    assert report.first_bad_offset is None
    numbers = [int(record.payload[:20]) for record in read(path) if record.kind is Kind.FROM_TARGET]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= forwarded
    results = [record.event()["of"] for record in read(path) if b'"result"' in record.payload[:20]]
    assert results == numbers


def test_what_is_appended_outlives_the_process_at_once(tmp_path: Path) -> None:
    """The same file, opened by somebody else, shows each append as soon as it returns."""
    recording = busy(tmp_path)
    with recording.path.open("rb", buffering=0) as file:
        for number in range(200):
            recording.data(1, b"mark %d." % number)
            assert b"mark %d." % number in os.pread(file.fileno(), 1 << 20, 0)
    recording.close("done")


def test_the_mark_is_what_is_stored_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append that is interrupted before that is not there, and the file verifies without it."""
    recording = busy(tmp_path)

    class Interrupted:
        def __init__(self, mapping: Any) -> None:
            self.mapping = mapping

        def __setitem__(self, at: Any, value: Any) -> None:
            if isinstance(at, int):
                raise KeyboardInterrupt
            self.mapping[at] = value

        def close(self) -> None:
            self.mapping.close()

    file: Any = recording._file
    try:
        file._map = Interrupted(file._map)
    except TypeError:  # compiled, where nothing else can stand there
        pytest.skip("the core is compiled")
    with pytest.raises(KeyboardInterrupt):
        recording.data(1, b"never forwarded")
    assert b"never forwarded" in recording.path.read_bytes()
    assert payloads(recording.path) == [b"x"] * spoolfile.STREAK
    assert verify(recording.path, PUBLIC).truncated


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("30 1 {} / / rw,relatime shared:1 - ext4 /dev/vda rw", "ext4"),
        ("30 1 {} / /mnt\\040x rw - btrfs /dev/vdb rw", "btrfs"),
        ("30 1 0:99 / / rw - ext4 /dev/vda rw", ""),
        ("nonsense", ""),
    ],
)
def test_filesystem_of_a_device(line: str, found: str) -> None:
    device = os.makedev(253, 7)
    assert mappable.filesystem(device, f"1 1 0:1 / /proc rw - proc proc rw\n{line.format('253:7')}\n") == found


def test_filesystem_that_is_not_known_is_not_mapped(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 1 {os.major(device)}:{os.minor(device)} / / rw - zfs pool rw\n")
    assert mappable.hindrance(tmp_path, mounts) == "its filesystem is zfs"
    mounts.write_text("")
    assert "not known" in mappable.hindrance(tmp_path, mounts)
    assert "No such file" in mappable.hindrance(tmp_path, tmp_path / "none")


def test_recorder_falls_back_where_mapping_cannot_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mappable, "FILESYSTEMS", frozenset())
    recorder = make_recorder(tmp_path)
    assert not recorder.mapped


def test_statement_and_result_share_their_turns_appends(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    prefix = statement_prefix("allow", "readers", ["read"])
    recording.later(statement_event(prefix, "SELECT 1", 1, Phase.SIMPLE))
    recording.data(0, b"query")
    recording.later(result_event(1, "SELECT 1"))
    recording.data(1, b"answer")
    assert len({record.offset for record in read(recording.path)}) == 3


def test_pages_are_what_segments_begin_at() -> None:
    assert mmap.ALLOCATIONGRANULARITY == mmap.PAGESIZE
