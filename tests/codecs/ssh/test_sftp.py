"""SFTP without a server: each packet, each limit, any chunking, and whatever else a peer may send."""

from __future__ import annotations

import hashlib
import itertools
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.sftp import Sftp
from hoopgate.codecs.ssh.sftp_files import OpenFile
from hoopgate.codecs.ssh.sftp_framer import RequestFramer
from hoopgate.codecs.ssh.sftp_packets import EXTENSIONS, packet, parse_request, status, string, uint32
from hoopgate.codecs.ssh.transfers import IN, OUT, Transfer
from hoopgate.errors import LimitError, LocalProtocolError, RemoteProtocolError
from tests.codecs.ssh.sftp_bridge import conversation, decide, everything

NO_ATTRIBUTES = uint32(0)
INIT = packets.init(3)
VERSION = packets.version_reply(3, [(b"posix-rename@openssh.com", b"1")])


def uint64(number: int) -> bytes:
    return struct.pack(">Q", number)


def request(kind: int, number: int, *fields: bytes) -> bytes:
    return packet(kind, uint32(number), *fields)


def real(number: int, path: bytes) -> bytes:
    return packets.about(packets.REALPATH, number, path)


def open_(number: int, path: bytes, flags: int = packets.FOR_WRITING | packets.TRUNCATING) -> bytes:
    return request(packets.OPEN, number, string(path), uint32(flags), NO_ATTRIBUTES)


def handle(number: int, name: bytes) -> bytes:
    return packet(packets.HANDLE, uint32(number), string(name))


def write(number: int, name: bytes, offset: int, data: bytes) -> bytes:
    return request(packets.WRITE, number, string(name), uint64(offset), string(data))


def read(number: int, name: bytes, offset: int, length: int) -> bytes:
    return request(packets.READ, number, string(name), uint64(offset), uint32(length))


def close(number: int, name: bytes) -> bytes:
    return request(packets.CLOSE, number, string(name))


def data_(number: int, data: bytes) -> bytes:
    return packet(packets.DATA, uint32(number), string(data))


def begun(**limits: int) -> Sftp:
    sftp = conversation(**limits)
    sftp.receive(INIT)
    assert sftp.take() is None
    assert sftp.to_target() == INIT
    sftp.answer(VERSION)
    assert sftp.to_client() == VERSION
    return sftp


def with_open(**more: Any) -> Sftp:
    """With ``h`` open both ways."""
    sftp = begun()
    sftp.receive(open_(1, b"f", 3))
    assert sftp.take() is not None
    sftp.forward(OpenFile("f", incoming=Transfer(IN, "f", **more), outgoing=Transfer(OUT, "f", **more)))
    sftp.answer(handle(1, b"h"))
    sftp.to_target()
    sftp.to_client()
    return sftp


ATTRIBUTES = uint32(0x8000000F) + uint64(9) + uint32(1) * 2 + uint32(0o644) + uint32(5) * 2
ATTRIBUTES += uint32(1) + string(b"acl") + string(b"...")
CASES = [
    (packets.OPEN, string(b"/p") + uint32(3) + ATTRIBUTES, {"path": b"/p", "flags": 3}),
    (packets.CLOSE, string(b"h"), {"handle": b"h"}),
    (packets.READ, string(b"h") + uint64(7) + uint32(8), {"handle": b"h", "offset": 7, "length": 8}),
    (packets.LSTAT, string(b"p"), {"path": b"p"}),
    (packets.FSTAT, string(b"h"), {"handle": b"h"}),
    (packets.SETSTAT, string(b"p") + ATTRIBUTES, {"path": b"p"}),
    (packets.FSETSTAT, string(b"h") + NO_ATTRIBUTES, {"handle": b"h"}),
    (packets.OPENDIR, string(b"p"), {"path": b"p"}),
    (packets.READDIR, string(b"h"), {"handle": b"h"}),
    (packets.REMOVE, string(b"p"), {"path": b"p"}),
    (packets.MKDIR, string(b"p") + NO_ATTRIBUTES, {"path": b"p"}),
    (packets.RMDIR, string(b"p"), {"path": b"p"}),
    (packets.REALPATH, string(b"p"), {"path": b"p"}),
    (packets.STAT, string(b"p"), {"path": b"p"}),
    (packets.RENAME, string(b"p") + string(b"q"), {"path": b"p", "second": b"q"}),
    (packets.READLINK, string(b"p"), {"path": b"p"}),
    (packets.SYMLINK, string(b"p") + string(b"q"), {"path": b"p", "second": b"q"}),
    (
        "copy-data",
        string(b"h") + uint64(1) + uint64(2) + string(b"i") + uint64(3),
        {"handle": b"h", "second": b"i", "length": 2},
    ),
    ("expand-path@openssh.com", string(b"~/p"), {"path": b"~/p"}),
    ("fstatvfs@openssh.com", string(b"h"), {"handle": b"h"}),
    ("fsync@openssh.com", string(b"h"), {"handle": b"h"}),
    ("hardlink@openssh.com", string(b"p") + string(b"q"), {"path": b"p", "second": b"q"}),
    ("home-directory", string(b"ada"), {"path": b"ada"}),
    ("limits@openssh.com", b"", {}),
    ("lsetstat@openssh.com", string(b"p") + ATTRIBUTES, {"path": b"p"}),
    ("posix-rename@openssh.com", string(b"p") + string(b"q"), {"path": b"p", "second": b"q"}),
    ("statvfs@openssh.com", string(b"p"), {"path": b"p"}),
    ("users-groups-by-id@openssh.com", string(b"...") + string(b"..."), {}),
]


def body(kind: int | str, fields: bytes) -> bytes:
    if isinstance(kind, str):
        return bytes([packets.EXTENDED]) + uint32(77) + string(kind.encode()) + fields
    return bytes([kind]) + uint32(77) + fields


@pytest.mark.parametrize(("kind", "fields", "wanted"), CASES)
def test_a_request_is_read_and_nothing_may_lack_or_follow(
    kind: int | str, fields: bytes, wanted: dict[str, Any]
) -> None:
    found = parse_request(body(kind, fields))
    assert found.id == 77
    assert found.known
    assert {name: getattr(found, name) for name in wanted} == wanted
    if fields == ATTRIBUTES:
        assert found.attributes == packets.Attributes(9, True, 0o644, True, (b"acl",))
    for wrong in (fields + b"x", fields[:-1]) if fields else (b"x",):
        with pytest.raises(RemoteProtocolError):
            parse_request(body(kind, wrong))


def test_every_extension_that_passes_is_tried() -> None:
    assert {case[0] for case in CASES if isinstance(case[0], str)} == set(EXTENSIONS)
    assert {case[0] for case in CASES if isinstance(case[0], int)} == set(packets.NAMES) - {packets.WRITE}


@pytest.mark.parametrize("kind", ["check-file", "vendor-id", "md5-hash"])
def test_an_extension_that_is_not_known_says_so(kind: str) -> None:
    found = parse_request(body(kind, b"anything"))
    assert (found.known, found.name) == (False, kind)


@pytest.mark.parametrize("kind", [21, 22, 100, 199, 202, 255])
def test_a_type_that_is_not_known_says_so(kind: int) -> None:
    assert not parse_request(body(kind, b"anything")).known


def test_a_path_with_a_nul_is_no_path() -> None:
    """A server in C would see another one."""
    for kind in (packets.REMOVE, packets.OPENDIR):
        with pytest.raises(RemoteProtocolError):
            parse_request(body(kind, string(b"/allowed/\0/../denied")))


# --- the beginning


def test_extensions_that_are_not_known_are_not_offered() -> None:
    sftp = conversation()
    sftp.receive(INIT)
    sftp.take()
    sftp.answer(packets.version_reply(3, [(b"limits@openssh.com", b"1"), (b"check-file", b"sha1")]))
    assert sftp.to_client() == packets.version_reply(3, [(b"limits@openssh.com", b"1")])


@pytest.mark.parametrize("offered", [4, 5, 6])
def test_a_later_version_is_taken_down_to_three(offered: int) -> None:
    sftp = conversation()
    sftp.receive(packet(packets.INIT, uint32(offered), string(b"x"), string(b"y")))
    sftp.take()
    assert sftp.to_target() == INIT


def test_who_begins_otherwise_is_in_error() -> None:
    for first in (packets.init(2), open_(1, b"f")):
        sftp = conversation()
        sftp.receive(first)
        with pytest.raises(RemoteProtocolError):
            sftp.take()
    for version in (packets.version_reply(2, []), packets.version_reply(6, [])):
        sftp = conversation()
        sftp.receive(INIT)
        sftp.take()
        with pytest.raises(RemoteProtocolError):
            sftp.answer(version)
    with pytest.raises(RemoteProtocolError):
        conversation().answer(VERSION)
    with pytest.raises(RemoteProtocolError):
        begun().answer(VERSION)
    sftp = begun()
    sftp.receive(INIT)
    again = sftp.take()  # INIT again is a request like any: of a type that nobody knows
    assert again is not None
    assert not again.known


# --- decisions


def test_a_refusal_takes_the_place_of_an_answer_of_the_targets() -> None:
    sftp = begun()
    sftp.receive(open_(9, b"secret"))
    taken = sftp.take()
    assert taken is not None
    with pytest.raises(LocalProtocolError):
        sftp.take()
    sftp.refuse(packets.PERMISSION_DENIED, "rule no-secrets")
    with pytest.raises(LocalProtocolError):
        sftp.refuse(packets.PERMISSION_DENIED, "again")
    assert sftp.to_target() == real(9, b".")
    sftp.answer(packet(packets.NAME, uint32(9), uint32(1), string(b"/home"), string(b""), NO_ATTRIBUTES))
    assert sftp.to_client() == status(9, packets.PERMISSION_DENIED, "rule no-secrets")


def test_the_target_is_asked_on_the_side() -> None:
    sftp = begun()
    first, second = sftp.ask(packets.REALPATH, b"a"), sftp.ask(packets.REALPATH, b"b")
    third = sftp.ask(packets.LSTAT, b"c")
    assert len({first, second, third}) == 3
    assert sftp.to_target() == real(first, b"a") + real(second, b"b") + packets.about(packets.LSTAT, third, b"c")
    sftp.answer(packet(packets.NAME, uint32(second), uint32(1), string(b"/b"), string(b"l"), NO_ATTRIBUTES))
    sftp.answer(status(first, packets.NO_SUCH_FILE, "no"))
    sftp.answer(packet(packets.ATTRS, uint32(third), uint32(4), uint32(0o040755)))
    assert sftp.told[:2] == [(second, b"/b"), (first, None)]
    assert isinstance(sftp.told[2][1], packets.Attributes)
    assert sftp.told[2][1].directory
    assert sftp.to_client() == b""


def test_a_handle_that_was_never_given_is_refused_here() -> None:
    sftp = begun()
    asks = [
        read(1, b"x", 0, 10), close(2, b"x"), request(packets.FSTAT, 3, string(b"x")),
        request(packets.FSETSTAT, 4, string(b"x"), NO_ATTRIBUTES), request(packets.READDIR, 5, string(b"x")),
        packet(packets.EXTENDED, uint32(6), string(b"fsync@openssh.com"), string(b"x")), write(7, b"x", 0, b"data"),
    ]  # fmt: skip
    sftp.receive(b"".join(asks))
    assert sftp.take() is None
    assert sftp.to_target() == b"".join(real(number, b".") for number in range(1, 8))
    sftp.answer(b"".join(status(number, packets.FAILURE, "") for number in range(1, 8)))
    assert sftp.to_client() == b"".join(status(n, packets.FAILURE, "there is no such handle") for n in range(1, 8))


def test_a_closed_handle_is_closed_at_once() -> None:
    sftp = with_open()
    sftp.receive(close(2, b"h") + read(3, b"h", 0, 5))
    sftp.take()
    assert sftp.to_target() == close(2, b"h") + real(3, b".")


def test_what_is_read_and_written_is_hashed() -> None:
    sftp = with_open()
    sftp.receive(write(2, b"h", 0, b"abc") + write(3, b"h", 3, b"def") + read(4, b"h", 0, 100) + read(5, b"h", 6, 9))
    sftp.receive(close(6, b"h"))
    assert sftp.take() is None
    sftp.answer(status(2, 0, "") + status(3, 0, "") + data_(4, b"abcdef") + status(5, packets.EOF, ""))
    assert sftp.done == []
    sftp.answer(status(6, 0, ""))
    up, down = [each.fields() for each in sftp.done]
    assert up["sha256"] == down["sha256"] == hashlib.sha256(b"abcdef").hexdigest()
    assert (up["size"], down["size"], down["whole"]) == (6, 6, True)


def resize(number: int, name: bytes, size: int) -> bytes:
    return request(packets.FSETSTAT, number, string(name), uint32(1), uint64(size))


@pytest.mark.parametrize(
    ("size", "code", "whole"), [(6, packets.OK, True), (6, packets.FAILURE, False), (5, packets.OK, False)]
)
def test_a_file_cut_behind_what_was_written_is_whole(size: int, code: int, whole: bool) -> None:
    """OpenSSH's scp opens without TRUNC, and sets the size at the end."""
    sftp = with_open()
    sftp.receive(write(2, b"h", 0, b"abcdef"))
    assert sftp.take() is None
    sftp.receive(resize(3, b"h", size))
    assert sftp.take() is not None
    sftp.forward()
    sftp.receive(close(4, b"h"))
    assert sftp.take() is None
    sftp.answer(status(2, 0, "") + status(3, code, "") + status(4, 0, ""))
    assert sftp.done[0].fields()["whole"] is whole


def test_what_is_read_twice_is_hashed_once() -> None:
    sftp = with_open()
    asks = (read(2, b"h", 0, 3), read(3, b"h", 3, 3), read(4, b"h", 0, 3), read(5, b"h", 6, 3), close(6, b"h"))
    sftp.receive(b"".join(asks))
    sftp.take()
    sftp.answer(data_(2, b"abc") + data_(3, b"def") + data_(4, b"abc") + data_(5, b"ghi") + status(6, 0, ""))
    down = sftp.done[1].fields()
    assert (down["size"], down["again"]) == (9, 3)
    assert down["sha256"] == hashlib.sha256(b"abcdefghi").hexdigest()


def test_what_is_written_twice_has_no_hash() -> None:
    sftp = with_open()
    sftp.receive(write(2, b"h", 0, b"abc") + write(3, b"h", 0, b"abd") + close(4, b"h"))
    sftp.take()
    sftp.answer(status(2, 0, "") + status(3, 0, "") + status(4, 0, ""))
    assert "sha256" not in sftp.done[0].fields()


def test_a_failed_write_is_told() -> None:
    sftp = with_open()
    sftp.receive(write(2, b"h", 0, b"abc") + close(3, b"h"))
    sftp.take()
    sftp.answer(status(2, packets.FAILURE, "disk full") + status(3, packets.FAILURE, "not saved"))
    up = sftp.done[0].fields()
    assert (up["errors"], up["error"], up["whole"]) == (2, "disk full", False)


def test_over_its_size_a_write_is_refused_and_its_data_dropped() -> None:
    sftp = with_open(most=4)
    sftp.receive(write(2, b"h", 0, b"abcd") + write(3, b"h", 4, b"e") + write(4, b"h", 2, b"xy"))
    sftp.take()
    assert sftp.to_target() == write(2, b"h", 0, b"abcd") + real(3, b".") + write(4, b"h", 2, b"xy")


def test_over_its_size_an_answer_is_refused_and_its_data_dropped() -> None:
    sftp = with_open(most=4)
    sftp.receive(read(2, b"h", 0, 100) + read(3, b"h", 0, 100))
    sftp.take()
    sftp.answer(data_(2, b"abcde") + data_(3, b"abcd"))
    assert sftp.to_client() == status(2, packets.PERMISSION_DENIED, "f is too large") + data_(3, b"abcd")


def test_an_appended_file_is_measured_by_what_was_appended() -> None:
    sftp = begun()
    sftp.receive(open_(1, b"log", packets.FOR_WRITING | packets.APPENDING))
    sftp.take()
    sftp.forward(OpenFile("log", incoming=Transfer(IN, "log", most=5), appends=True))
    sftp.answer(handle(1, b"h"))
    sftp.receive(write(2, b"h", 0, b"abc") + write(3, b"h", 0, b"def"))
    sftp.take()
    assert sftp.to_target().endswith(write(2, b"h", 0, b"abc") + real(3, b"."))


# --- limits


def test_over_its_requests_the_client_waits() -> None:
    sftp = begun(requests=2)
    for number in range(4):
        sftp.receive(request(packets.REALPATH, number, string(b"p")))
    decide(sftp, everything)
    assert sftp.full
    assert len(sftp.asked) == 2
    assert sftp.buffered > 0
    sftp.answer(status(0, packets.FAILURE, ""))
    decide(sftp, everything)
    assert len(sftp.asked) == 2
    sftp.answer(status(1, packets.FAILURE, "") + status(2, packets.FAILURE, ""))
    decide(sftp, everything)
    assert sftp.buffered == 0


def test_over_its_handles_an_open_fails() -> None:
    sftp = begun(handles=2)
    for number in range(3):
        sftp.receive(open_(number, b"f"))
    decide(sftp, everything)
    assert sftp.asked[2].code == packets.FAILURE
    assert "limits.sftp_handles" in sftp.asked[2].message
    sftp.answer(handle(0, b"a") + status(1, packets.FAILURE, ""))
    sftp.receive(open_(5, b"f"))
    decide(sftp, everything)
    assert sftp.asked[5].message == ""


def test_a_packet_that_must_be_read_is_bounded_and_one_of_data_is_not() -> None:
    sftp = begun(packet=1000)
    sftp.receive(request(packets.REMOVE, 1, string(b"p" * 1000)))
    with pytest.raises(LimitError, match=r"limits\.sftp_packet"):
        sftp.take()
    sftp = with_open()
    sftp.receive(write(2, b"h", 0, bytes(2_000_000))[:1_000_000])
    assert sftp.take() is None
    assert sftp.buffered == 0
    assert len(sftp.to_target()) == 1_000_000
    sftp = begun(packet=1000)
    sftp.receive(request(packets.REALPATH, 1, string(b"p")))
    decide(sftp, everything)
    with pytest.raises(LimitError, match=r"limits\.sftp_packet"):
        sftp.answer(status(1, packets.FAILURE, "x" * 2000))


# --- peers in error


@pytest.mark.parametrize(
    "wrong",
    [
        uint32(0), uint32(0xFFFFFFFF) + b"x", packet(packets.REMOVE, b"abc"), packet(packets.WRITE, uint32(1)),
        request(packets.WRITE, 1, string(b"h" * 257), uint64(0), string(b"data")),
        request(packets.WRITE, 1, string(b"h"), uint64(0), uint32(100), b"short"),
        request(packets.WRITE, 1, string(b"h"), uint64(0), uint32(1), b"long"),
        open_(1, b"f") + open_(1, b"g"), request(packets.STAT, 1, uint32(0xFFFFFFFF)),
        request(packets.SETSTAT, 1, string(b"p"), uint32(0x10)),
    ],
)  # fmt: skip
def test_a_client_in_error_ends_the_channel(wrong: bytes) -> None:
    sftp = begun()
    sftp.receive(wrong)
    with pytest.raises(RemoteProtocolError):
        decide(sftp, everything)


@pytest.mark.parametrize(
    "wrong",
    [
        status(5, 0, ""), data_(1, b"x"), packet(packets.ATTRS, uint32(1), NO_ATTRIBUTES), handle(1, b"h" * 257),
        packet(packets.HANDLE, b""), packet(packets.OPEN, uint32(1)), uint32(0), handle(1, b"taken"),
        packet(packets.VERSION_REPLY, uint32(3)),
    ],
)  # fmt: skip
def test_a_target_in_error_ends_the_channel(wrong: bytes) -> None:
    sftp = begun()
    sftp.receive(open_(7, b"f") + open_(1, b"f"))
    decide(sftp, everything)
    sftp.answer(handle(7, b"taken"))
    with pytest.raises(RemoteProtocolError):
        sftp.answer(wrong)


def test_a_target_that_sends_more_than_was_asked_for_ends_the_channel() -> None:
    sftp = with_open()
    sftp.receive(read(2, b"h", 0, 3))
    sftp.take()
    with pytest.raises(RemoteProtocolError):
        sftp.answer(data_(2, b"four"))


# --- any bytes


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


CUTS = some.lists(some.integers(0, 10_000), max_size=12)
PATHS = some.binary(max_size=30).filter(lambda path: b"\0" not in path)


@given(some.lists(some.tuples(some.sampled_from(["remove", "write", "open", "stat"]), PATHS), max_size=12), CUTS, CUTS)
@settings(max_examples=100, deadline=None)
def test_any_chunking_gives_the_same(asks: list[tuple[str, bytes]], cuts: list[int], answer_cuts: list[int]) -> None:
    asked, answers = b"", b""
    for number, (kind, path) in enumerate(asks, 10):
        if kind == "write":
            asked += write(number, b"h", 0, path)
        elif kind == "open":
            asked += open_(number, path)
        else:
            asked += request(packets.REMOVE if kind == "remove" else packets.STAT, number, string(path))
        answers += status(number, packets.FAILURE, "no")
    sftp, went, came = with_open(), b"", b""
    for piece in pieces(asked, cuts):
        sftp.receive(piece)
        decide(sftp, everything)
        went += sftp.to_target()
    for piece in pieces(answers, answer_cuts):
        sftp.answer(piece)
        came += sftp.to_client()
    assert (went, came) == (asked, answers)
    assert sftp.asked == {}


@given(some.binary(max_size=300), some.lists(some.binary(max_size=40), max_size=3), CUTS)
@settings(max_examples=200, deadline=None)
def test_garbage_of_a_client_is_an_error_or_nothing(tail: bytes, fields: list[bytes], cuts: list[int]) -> None:
    sftp = begun(packet=200)
    data = b"".join(packet(field[0] if field else 0, field[1:]) for field in fields) + tail
    try:
        for piece in pieces(data, cuts):
            sftp.receive(piece)
            decide(sftp, everything)
    except (RemoteProtocolError, LimitError):
        return
    assert sftp.buffered <= 204


@given(some.binary(max_size=300), some.lists(some.binary(max_size=40), max_size=3), CUTS)
@settings(max_examples=200, deadline=None)
def test_garbage_of_a_target_is_an_error_or_nothing(tail: bytes, fields: list[bytes], cuts: list[int]) -> None:
    sftp = with_open()
    sftp.receive(read(0, b"h", 0, 100) + request(packets.STAT, 1, string(b"p")) + open_(2, b"p"))
    decide(sftp, everything)
    data = b"".join(packet(field[0] if field else 0, uint32(len(field) % 3), field[1:]) for field in fields) + tail
    try:
        for piece in pieces(data, cuts):
            sftp.answer(piece)
    except (RemoteProtocolError, LimitError):
        return


def test_single_bytes_cost_no_more_than_their_number() -> None:
    framer = RequestFramer(256 * 1024)
    for byte in request(packets.REMOVE, 1, string(b"p" * 60_000)):
        framer.receive(bytes([byte]))
        found = framer.next_event()
    assert found is not None
