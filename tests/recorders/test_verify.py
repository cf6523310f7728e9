"""Every changed, missing, foreign or reordered byte of a recording is noticed and named."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.recorders import format as layout
from hoopgate.recorders.format import Kind
from hoopgate.recorders.reader import read
from hoopgate.recorders.verify import Report, verify
from tests.recorders.fakes import KEY, OTHER_KEY, FakeSession, make_recorder, make_recording, small_recording

PUBLIC = KEY.public_key()


def check(path: Path, content: bytes) -> Report:
    path.write_bytes(content)
    return verify(path, PUBLIC)


def test_whole_recording_verifies(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    report = verify(path, PUBLIC)
    assert report.ok
    assert not report.truncated
    assert report.first_bad_offset is None
    assert report.proven == report.size == path.stat().st_size
    assert report.end is not None
    assert report.end["reason"] == "client left"


@pytest.mark.parametrize("bit", range(8))
def test_flipped_bit_at_every_offset_is_named_exactly(tmp_path: Path, bit: int) -> None:
    good = small_recording(tmp_path).read_bytes()
    changed = tmp_path / "changed"
    for offset in range(bit, len(good), 8):  # over the eight runs of this test, every offset
        report = check(changed, good[:offset] + bytes((good[offset] ^ 1 << bit,)) + good[offset + 1 :])
        assert not report.ok, offset
        assert not report.truncated, offset
        assert (report.first_bad_offset, report.exact) == (offset, True), (report, offset)


def test_any_other_value_of_a_byte_is_named_exactly(tmp_path: Path) -> None:
    good = small_recording(tmp_path).read_bytes()
    for offset in range(0, len(good), 13):
        report = check(tmp_path / "changed", good[:offset] + bytes((good[offset] ^ 0xA7,)) + good[offset + 1 :])
        assert (report.ok, report.first_bad_offset, report.exact) == (False, offset, True)


def test_several_changed_bytes_are_named_within_their_record(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    good = path.read_bytes()
    at = good.index(b"SELECT 1")
    report = check(path, good.replace(b"SELECT 1", b"REJECT 2", 1))
    assert not report.ok
    assert not report.exact
    assert report.bad_range is not None
    assert report.bad_range[0] <= at < report.bad_range[1]
    record = next(record for record in read(path) if b"REJECT" in record.payload)
    assert report.bad_range == (record.offset, record.end)


def test_truncation_at_every_offset_is_truncation(tmp_path: Path) -> None:
    good = small_recording(tmp_path).read_bytes()
    proven = 0
    for size in range(len(good)):
        report = check(tmp_path / "cut", good[:size])
        assert not report.ok, size
        assert report.truncated, (size, report)
        assert report.first_bad_offset is None
        assert proven <= report.proven <= size
        proven = report.proven
    assert proven > layout.FILE_HEAD_SIZE  # the first checkpoint vouches for the opening


def test_bytes_after_the_end_are_named(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    good = path.read_bytes()
    report = check(path, good + b"more")
    assert (report.ok, report.truncated, report.first_bad_offset, report.exact) == (False, False, len(good), True)


def test_wrong_key(tmp_path: Path) -> None:
    report = verify(small_recording(tmp_path), OTHER_KEY.public_key())
    assert not report.ok
    assert not report.truncated
    assert "another key" in report.reason
    assert report.proven == 0


def test_signed_anew_by_somebody_else_under_our_key_id(tmp_path: Path) -> None:
    """Whoever rewrites a recording can compute the chain, but not sign it."""
    recorder = make_recorder(tmp_path)
    recorder.key = OTHER_KEY
    recording = recorder.open(FakeSession())
    recording.data(0, b"forged")
    recording.close("forged")
    report = verify(recording.path, PUBLIC)
    assert not report.ok
    assert "signature" in report.reason
    assert report.first_bad_offset == layout.FILE_HEAD_SIZE


def spliced(path: Path, donor: Path) -> tuple[bytes, int]:
    """The recording with the donor's record of the same place put over its own; and that place."""
    own = next(record for record in read(path) if record.kind is Kind.FROM_TARGET)
    foreign = next(record for record in read(donor) if record.kind is Kind.FROM_TARGET)
    mine, theirs = path.read_bytes(), donor.read_bytes()
    return mine[: own.offset] + theirs[foreign.offset : foreign.end] + mine[own.end :], own.offset


def test_record_of_another_session_is_named(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    donor = small_recording(tmp_path, FakeSession(id="9" * 26), tag=b"SELECT 7")
    content, at = spliced(path, donor)
    report = check(path, content)
    assert (report.ok, report.truncated, report.first_bad_offset) == (False, False, at)


def test_end_of_another_session_does_not_complete_a_cut_one(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    donor = small_recording(tmp_path, FakeSession(id="9" * 26))
    last, foreign = list(read(path))[-1], list(read(donor))[-1]
    cut = list(read(path))[-2].offset
    assert last.kind is foreign.kind is Kind.END
    report = check(path, path.read_bytes()[:cut] + donor.read_bytes()[foreign.offset :])
    assert (report.ok, report.truncated, report.first_bad_offset) == (False, False, cut)


def test_reordered_records_are_named(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    good = path.read_bytes()
    first, second = list(read(path))[-3:-1]
    content = (
        good[: first.offset] + good[second.offset : second.end] + good[first.offset : first.end] + good[second.end :]
    )
    report = check(path, content)
    assert (report.ok, report.truncated, report.first_bad_offset) == (False, False, first.offset)


def test_left_out_record_is_named(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    good = path.read_bytes()
    left_out = list(read(path))[3]
    report = check(path, good[: left_out.offset] + good[left_out.end :])
    assert (report.ok, report.truncated, report.first_bad_offset) == (False, False, left_out.offset)


def test_bad_byte_in_a_long_record_is_named_exactly(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.data(1, bytes(8192))
    recording.close("done")
    good = recording.path.read_bytes()
    at = len(good) // 2
    report = check(recording.path, good[:at] + bytes((good[at] ^ 4,)) + good[at + 1 :])
    assert (report.first_bad_offset, report.exact) == (at, True)


def test_search_gives_up_and_names_the_record(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    recording.data(1, bytes(8192))
    recording.close("done")
    content = recording.path.read_bytes().replace(bytes(64), b"x" * 64, 50)
    recording.path.write_bytes(content)
    report = verify(recording.path, PUBLIC, patience=0.05)
    assert not report.exact
    assert report.bad_range is not None


def test_zeros_behind_what_was_appended_are_no_damage_and_no_end(tmp_path: Path) -> None:
    """The rest of a segment that a killed process leaves, or of a file after a power cut."""
    path = small_recording(tmp_path)
    good = path.read_bytes()
    for record in read(path):
        report = check(tmp_path / "cut", good[: record.offset] + bytes(4096))
        assert (report.ok, report.truncated, report.first_bad_offset) == (False, True, None)
        assert report.proven <= record.offset


def test_torn_append_is_no_damage(tmp_path: Path) -> None:
    """Killed in the middle of a copy: any of its bytes may be there, but not its mark."""
    path = small_recording(tmp_path)
    good = path.read_bytes()
    record = list(read(path))[-2]
    for torn in range(1, record.end - record.offset):
        first = good[: record.offset] + b"\0" + good[record.offset + 1 : record.offset + torn]
        assert check(tmp_path / "torn", first + bytes(4096)).truncated, torn
        last = good[: record.offset] + bytes(torn) + good[record.offset + torn : record.end]
        assert check(tmp_path / "torn", last + bytes(4096)).truncated, torn


def test_mark_that_was_taken_away_is_named(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    good = path.read_bytes()
    for record in read(path):
        if record.kind is not Kind.END:
            report = check(tmp_path / "changed", good[: record.offset] + b"\0" + good[record.offset + 1 :])
            assert (report.truncated, report.first_bad_offset, report.exact) == (False, record.offset, True)


def test_zeros_in_the_middle_are_named(tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    for _ in range(100):
        recording.data(1, b"x" * 30_000)
    recording.close("done")
    good = recording.path.read_bytes()
    at = next(record.offset for record in read(recording.path) if record.kind is Kind.FROM_TARGET)
    report = check(tmp_path / "changed", good[:at] + bytes(100_000) + good[at + 100_000 :])
    assert (report.truncated, report.first_bad_offset) == (False, at)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600))
def test_no_file_crashes_the_verifier(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    assert not check(path, content).ok


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_passes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("damage")
    path = small_recording(directory)
    good = path.read_bytes()
    start = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(start, len(good)))
    content = good[:start] + data.draw(st.binary(max_size=40)) + good[end:]
    path.write_bytes(content)
    report = verify(path, PUBLIC, patience=0.2)
    assert report.ok == (content == good)
    if report.first_bad_offset is not None:
        assert report.first_bad_offset <= end


def test_reference_is_enough_to_verify_by_hand(tmp_path: Path) -> None:
    """Reads a recording as docs/reference/recording.md describes it, without our code."""
    content = small_recording(tmp_path).read_bytes()
    assert content[:12] == b"\x89HGR\r\n\x1a\n\x00\x02\x1a\x00"
    assert content[12:52].rstrip(b"\0").decode() == FakeSession().id
    raw_key = PUBLIC.public_bytes_raw()
    assert content[60:76] == hashlib.sha256(raw_key).digest()[:16]
    chain, at, kinds, told = hashlib.sha256(content[:76]), 76, [], []
    while at < len(content):
        assert content[at : at + 1] == b"R"
        kind = content[at + 1]
        events, data = int.from_bytes(content[at + 2 : at + 6], "big"), int.from_bytes(content[at + 6 : at + 10], "big")
        size = events + data
        assert zlib.crc32(content[at + 1 : at + 26]) == int.from_bytes(content[at + 26 : at + 30], "big")
        payload = content[at + 30 : at + 30 + size]
        told += [json.loads(line)["event"] for line in payload[:events].split(b"\n") if events]
        signed = {3: 16, 4: size - 100}.get(kind)
        if signed is not None:
            digest = chain.copy()
            digest.update(content[at + 1 : at + 30 + signed])
            assert payload[signed : signed + 32] == digest.digest()
            context = b"hoopgate recording v2 " + (b"checkpoint" if kind == 3 else b"end") + b"\x00"
            PUBLIC.verify(payload[signed + 32 : signed + 96], context + digest.digest())
        if kind == 3:
            assert payload[:16] == len(kinds).to_bytes(8, "big") + at.to_bytes(8, "big")
        if kind == 4:
            assert payload[-4:] == size.to_bytes(4, "big")
            assert json.loads(payload[:signed])["records"] == len(kinds)
        chain.update(content[at + 1 : at + 30 + size])
        assert content[at + 30 + size : at + 38 + size] == chain.digest()[:8]
        kinds.append(kind)
        at += 38 + size
    assert kinds == [2, 0, 1, 3, 1, 4]
    assert told == ["open", "statement"]
