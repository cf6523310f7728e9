"""The recording of a process that was killed gets a signed end, wherever the blow fell; a damaged one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopgate.errors import RecordingError
from hoopgate.recorders.chain import Chain
from hoopgate.recorders.heads import MARK
from hoopgate.recorders.keys import key_id
from hoopgate.recorders.reader import ending
from hoopgate.recorders.seal import DAY, _Walk, find, seal
from hoopgate.recorders.verify import verify
from tests.recorders.fakes import KEY, OTHER_KEY, SESSION_ID, STARTED, make_recording, small_recording

WHY = "its process died"
NOW = STARTED + 60


@pytest.fixture
def killed(tmp_path: Path) -> bytes:
    """What a process leaves that is killed: never closed."""
    recording = make_recording(tmp_path / "live")
    recording.data(0, b"Q\x00\x00\x00\x0dSELECT 1\x00")
    recording.event("note", {"text": "between"})
    recording.data(1, b"x" * 5000)
    return recording.path.read_bytes()


def sealed(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    return seal(path, KEY, WHY, NOW)


def test_it_gets_an_end_that_says_what_it_is(tmp_path: Path, killed: bytes) -> None:
    path = tmp_path / "killed.hgr"
    assert sealed(path, killed)
    report = verify(path, KEY.public_key())
    assert report.ok
    assert report.end is not None
    assert (report.end["reason"], report.end["bytes"]) == (WHY, [14, 5000])
    assert report.end["events"] == {"open": 1, "note": 1}
    assert report.end["sealed"]["at"] == NOW
    assert report.end["sealed"]["proven"] < report.size
    assert report.end["sealed"]["dropped"] == 0
    last = ending(path)
    assert last is not None
    assert last.wall == 60_000_000


def test_zeros_behind_the_last_record_go(tmp_path: Path, killed: bytes) -> None:
    """A piece of the file that was laid out and not written to."""
    whole = killed.rstrip(b"\0")
    path = tmp_path / "killed.hgr"
    assert sealed(path, killed + bytes(70_000))
    assert verify(path, KEY.public_key()).ok
    assert path.stat().st_size < len(whole) + 1000


def test_wherever_the_blow_fell(tmp_path: Path, killed: bytes) -> None:
    """Every length that a file can have been cut to, with and without zeros behind it; half a record goes."""
    whole = len(killed.rstrip(b"\0"))
    for at in [*range(76, 700, 7), *range(whole - 60, whole), whole - 2500]:
        for tail in (b"", bytes(3000)):
            path = tmp_path / "cut.hgr"
            assert sealed(path, killed[:at] + tail), at
            report = verify(path, KEY.public_key())
            assert report.ok, (at, report)
            assert report.end is not None
            assert report.end["sealed"]["dropped"] <= 5100


def test_one_that_has_an_end_keeps_it(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    before = path.read_bytes()
    assert not seal(path, KEY, WHY, NOW)
    assert path.read_bytes() == before
    assert not sealed(path, before + bytes(4096))  # killed between the end and the cut
    assert path.read_bytes() == before


def test_what_is_damaged_is_left_for_verification_to_name(tmp_path: Path, killed: bytes) -> None:
    path = tmp_path / "bad.hgr"
    at = killed.index(b"SELECT 1")
    bad = killed[:at] + b"S3LECT 1" + killed[at + 8 :]
    with pytest.raises(RecordingError, match=r"damaged at byte \d+"):
        sealed(path, bad)
    assert path.read_bytes() == bad
    assert not verify(path, KEY.public_key()).truncated


@pytest.mark.parametrize("kind", ["checkpoint", "end"])
def test_what_somebody_else_signed_gets_no_end_of_ours(tmp_path: Path, killed: bytes, kind: str) -> None:
    """The chain has no key: who can write to the file can go on with it, but not sign."""
    path = tmp_path / "forged.hgr"
    path.write_bytes(killed)
    forger = _Walk(path.open("rb"), Chain(KEY))
    forger.run(key_id(KEY.public_key()))
    chain = forger.chain
    chain._key = OTHER_KEY
    signed = chain.checkpoint(1, 1) if kind == "checkpoint" else chain.end(b'{"event":"end"}', 1, 1)
    forged = killed[: forger.offset] + MARK + signed + chain.tag() + bytes(100)
    forger.file.close()
    with pytest.raises(RecordingError, match=r"damaged before byte \d+: a signature"):
        sealed(path, forged)
    assert path.read_bytes() == forged


def test_an_event_that_is_none_is_damage(tmp_path: Path) -> None:
    """And no fault of ours, which would keep the recordings behind it from being sealed, too."""
    recording = make_recording(tmp_path / "live")
    recording.later(b'{"event":"note",')
    recording.data(0, b"x")
    with pytest.raises(RecordingError, match="an event is not JSON"):
        sealed(tmp_path / "forged.hgr", recording.path.read_bytes())


def test_what_another_key_signed_is_not_ours_to_end(tmp_path: Path, killed: bytes) -> None:
    path = tmp_path / "foreign.hgr"
    path.write_bytes(killed)
    with pytest.raises(RecordingError, match="another key"):
        seal(path, OTHER_KEY, WHY, NOW)
    assert path.read_bytes() == killed


@pytest.mark.parametrize("content", [b"", b"\x89HGR", b"something else entirely" * 10])
def test_what_has_no_head_has_no_end(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RecordingError, match="no head"):
        sealed(tmp_path / "short.hgr", content)


def test_a_link_is_not_followed(tmp_path: Path, killed: bytes) -> None:
    (tmp_path / "real.hgr").write_bytes(killed)
    (tmp_path / "link.hgr").symlink_to(tmp_path / "real.hgr")
    with pytest.raises(OSError, match="symbolic"):
        seal(tmp_path / "link.hgr", KEY, WHY, NOW)


def test_it_is_found_by_session_and_day(tmp_path: Path) -> None:
    path = small_recording(tmp_path)
    assert find(tmp_path, SESSION_ID, STARTED) == path
    assert find(tmp_path, SESSION_ID, STARTED - DAY) == path  # opened right after midnight
    assert find(tmp_path, SESSION_ID, STARTED - 2 * DAY) is None
    assert find(tmp_path, "../../etc/passwd", STARTED) is None
