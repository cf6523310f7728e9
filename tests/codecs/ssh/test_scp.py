"""scp's own protocol: between OpenSSH's two ends, record by record, and whatever else a peer may send."""

from __future__ import annotations

import hashlib
import itertools
import os
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hoopgate.codecs.ssh.file_commands import FileCommand, Word, recognised, split
from hoopgate.codecs.ssh.scp import AHEAD, LONGEST, Record, Scp
from hoopgate.codecs.ssh.transfers import IN, OUT, Transfer
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

SCP = shutil.which("scp")
Allows = Callable[[Record], bool]


def everything(record: Record) -> bool:
    return True


def decide(scp: Scp, allows: Allows = everything) -> None:
    while (record := scp.take()) is not None:
        if not allows(record):
            scp.refuse("not for you")
        else:
            scp.forward(None if record.directory else Transfer(scp.direction, "/".join((*record.within, record.name))))


def begun(direction: str = "in") -> Scp:
    scp = Scp(IN if direction == "in" else OUT)
    scp.answer(b"\0")
    assert scp.to_source() == b"\0"
    return scp


# --- records


def test_a_file_passes_and_is_hashed() -> None:
    scp = begun()
    scp.receive(b"T1700000000 0 1700000000 0\n")
    decide(scp)
    assert scp.to_sink() == b"T1700000000 0 1700000000 0\n"
    scp.answer(b"\0")
    scp.receive(b"C0644 5 a b\n")
    decide(scp)
    assert scp.to_sink() == b"C0644 5 a b\n"
    scp.answer(b"\0")
    scp.receive(b"hello\0")
    decide(scp)
    assert scp.to_sink() == b"hello\0"
    assert scp.done == []
    scp.answer(b"\0")
    (told,) = [each.fields() for each in scp.done]
    assert told == {
        "direction": "in", "path": "a b", "size": 5, "whole": True, "sha256": hashlib.sha256(b"hello").hexdigest(),
    }  # fmt: skip


def test_directories_stand_in_each_other() -> None:
    scp, seen = begun(), []

    def allows(record: Record) -> bool:
        seen.append((record.within, record.name, record.directory))
        return True

    for line in (b"D0755 0 a\n", b"D0755 0 b\n", b"C0644 0 f\n", b"\0", b"E\n", b"C0644 0 g\n"):
        scp.receive(line)
        decide(scp, allows)
        scp.answer(b"\0")
    assert seen == [((), "a", True), (("a",), "b", True), (("a", "b"), "f", False), (("a",), "g", False)]


def test_a_directory_that_the_sink_has_not_is_left_out() -> None:
    scp = begun()
    scp.receive(b"D0755 0 a\n")
    decide(scp)
    scp.answer(b"\x01mkdir: no\n")
    scp.receive(b"C0644 0 f\n")
    record = scp.take()
    assert record is not None
    assert record.within == ()


def test_what_is_refused_is_not_seen_by_the_sink_that_is_the_target() -> None:
    scp = begun()
    scp.receive(b"C0644 5 secret\n")
    decide(scp, lambda record: False)
    assert scp.to_sink() == b""
    assert scp.to_source() == b"\x01not for you\n"
    scp.receive(b"C0644 0 f\n")
    decide(scp)
    assert scp.to_sink() == b"C0644 0 f\n"


def test_a_sink_that_is_the_client_is_shown_why() -> None:
    scp = begun("out")
    scp.receive(b"C0644 5 secret\n")
    decide(scp, lambda record: False)
    assert (scp.to_sink(), scp.to_source()) == (b"\x01not for you\n",) * 2


def test_bytes_that_come_before_the_answer_wait_for_it() -> None:
    """What they are depends on it: a file's bytes, or the next record."""
    for answer, wanted in ((b"\0", b"C0644 11 a\nC0644 5 b\nx\0"), (b"\x01no\n", b"C0644 11 a\nC0644 5 b\n")):
        scp = begun()
        scp.receive(b"C0644 11 a\nC0644 5 b\nx\0")
        decide(scp)
        assert scp.to_sink() == b"C0644 11 a\n"
        scp.answer(answer)
        names: list[str] = []
        decide(scp, lambda record, names=names: not names.append(record.name))  # type: ignore[misc]
        assert b"C0644 11 a\n" + scp.to_sink() == wanted
        assert names == ([] if answer == b"\0" else ["b"])


def test_errors_in_the_midst_are_told() -> None:
    scp = begun()
    scp.receive(b"C0644 3 f\n")
    decide(scp)
    scp.answer(b"\0")
    scp.receive(b"ab")
    decide(scp)
    scp.answer(b"\x01disk full\n")  # before the file is at its end: OpenSSH's sink does so
    scp.receive(b"c\0C0644 0 g\n")
    decide(scp)
    assert scp.to_sink().endswith(b"c\0C0644 0 g\n")
    assert scp.done[0].fields()["error"] == "disk full"
    scp = begun()
    scp.receive(b"C0644 1 f\n")
    decide(scp)
    scp.answer(b"\0")
    scp.receive(b"\0\x01file changed\n")
    decide(scp)
    scp.answer(b"\0")
    assert not scp.done[0].fields()["whole"]
    assert scp.done[0].fields()["error"] == "file changed"


def test_a_channel_that_ends_leaves_its_file_unfinished() -> None:
    scp = begun()
    scp.receive(b"C0644 3 f\n")
    decide(scp)
    scp.answer(b"\0")
    scp.receive(b"ab")
    decide(scp)
    scp.end()
    told = scp.done[0].fields()
    assert (told["size"], told["whole"]) == (2, False)


def test_nobody_decides_twice() -> None:
    scp = begun()
    with pytest.raises(LocalProtocolError):
        scp.forward(None)
    scp.receive(b"C0644 3 f\n")
    assert scp.take() is not None
    with pytest.raises(LocalProtocolError):
        scp.take()


@pytest.mark.parametrize(
    "wrong",
    [
        b"C0644 5 ../up\n", b"C0644 5 a/b\n", b"C0644 5 ..\n", b"D0755 0 .\n", b"C0644 5 \n", b"C0644 x f\n",
        b"C0644 -5 f\n", b"C06 5 f\n", b"C0899 5 f\n", b"C0644 5\n", b"E\n", b"T1 2\n", b"X\n", b"\n", b"C" * LONGEST,
        b"C0644 99999999999999999999 f\n", b"C0644 5 a\0b\n",
    ],
)  # fmt: skip
def test_a_source_in_error_ends_the_channel(wrong: bytes) -> None:
    scp = begun()
    scp.receive(wrong)
    with pytest.raises(RemoteProtocolError):
        decide(scp)


def test_a_source_that_does_not_wait_is_bounded() -> None:
    scp = begun()
    scp.receive(b"C0644 999999 f\n" + bytes(AHEAD + 1))
    with pytest.raises(RemoteProtocolError):
        decide(scp)


@pytest.mark.parametrize("wrong", [b"\0", b"\x01x\n", b"hello", b"\x01" + b"x" * LONGEST])
def test_a_sink_that_answers_what_was_not_asked_ends_the_channel(wrong: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        begun().answer(wrong)


# --- any bytes

CUTS = some.lists(some.integers(0, 1000), max_size=8)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(some.lists(some.binary(max_size=60), max_size=4), CUTS)
@settings(max_examples=150, deadline=None)
def test_any_chunking_gives_the_same(files: list[bytes], cuts: list[int]) -> None:
    scp, went = begun(), b""
    for data in files:
        for part in (b"C0644 %d f\n" % len(data), data + b"\0"):
            for piece in pieces(part, cuts):
                scp.receive(piece)
                decide(scp)
                went += scp.to_sink()
            scp.answer(b"\0")
    assert went == b"".join(b"C0644 %d f\n%s\0" % (len(data), data) for data in files)
    assert [each.fields()["sha256"] for each in scp.done] == [hashlib.sha256(data).hexdigest() for data in files]


@given(some.binary(max_size=200), some.binary(max_size=20), some.sampled_from(["in", "out"]))
@settings(max_examples=200, deadline=None)
def test_garbage_is_an_error_or_waits(source: bytes, sink: bytes, direction: str) -> None:
    scp = begun(direction)
    try:
        scp.receive(source)
        decide(scp)
        scp.answer(sink)
        decide(scp)
    except RemoteProtocolError:
        return


# --- OpenSSH's own ends


def run_between(command: list[str], direction: str, peer: list[str], where: Path, allows: Allows) -> Scp:
    """``command`` is the server's end (``scp -t`` or ``-f``), ``peer`` the client's; both through the codec."""
    scp = Scp(IN if direction == "in" else OUT)
    ends = [subprocess.Popen(each, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=where, bufsize=0)
            for each in (command, peer)]  # fmt: skip
    server, client = ends
    source, sink = (client, server) if direction == "in" else (server, client)
    assert source.stdout is not None
    assert sink.stdout is not None
    open_ = {source.stdout.fileno(), sink.stdout.fileno()}
    while open_:
        for descriptor in select.select(list(open_), [], [], 10)[0]:
            data = os.read(descriptor, 5000)
            if not data:
                open_.discard(descriptor)
                (sink if descriptor == source.stdout.fileno() else source).stdin.close()  # type: ignore[union-attr]
            elif descriptor == source.stdout.fileno():
                scp.receive(data)
            else:
                scp.answer(data)
            decide(scp, allows)
            for stream, out in ((sink.stdin, scp.to_sink()), (source.stdin, scp.to_source())):
                if out and not stream.closed:  # type: ignore[union-attr]
                    stream.write(out)  # type: ignore[union-attr]
    for each in ends:
        each.wait(10)
        for pipe in (each.stdin, each.stdout):
            if pipe is not None:
                pipe.close()
    return scp


@pytest.mark.skipif(SCP is None, reason="OpenSSH's scp is not installed")
@pytest.mark.parametrize("direction", ["in", "out"])
def test_both_ends_of_openssh(tmp_path: Path, direction: str) -> None:
    data = os.urandom(200_000)
    (tmp_path / "from" / "sub").mkdir(parents=True)
    (tmp_path / "from" / "big").write_bytes(data)
    (tmp_path / "from" / "empty").touch()
    (tmp_path / "from" / "sub" / "leaf").write_text("leaf")
    (tmp_path / "from" / "sub" / "bad.exe").write_text("MZ")
    assert SCP is not None
    sends, receives = [SCP, "-r", "-p", "-f", "from"], [SCP, "-r", "-p", "-t", "to"]
    command, peer = (receives, sends) if direction == "in" else (sends, receives)
    scp = run_between(command, direction, peer, tmp_path, lambda record: not record.name.endswith(".exe"))
    assert (tmp_path / "to" / "big").read_bytes() == data
    assert (tmp_path / "to" / "empty").exists()
    assert (tmp_path / "to" / "sub" / "leaf").read_text() == "leaf"
    assert not (tmp_path / "to" / "sub" / "bad.exe").exists()
    told = {each.path: each.fields() for each in scp.done}
    assert told["from/big"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert all(each["whole"] for each in told.values())


# --- commands


def found(text: str) -> tuple[str, str, tuple[str, ...]] | None:
    command = recognised(text)
    return None if command is None else (command.program, command.direction, tuple(w.text for w in command.paths))


def test_commands_that_move_files_are_recognised() -> None:
    assert found("scp -t /srv/in") == ("scp", "in", ("/srv/in",))
    assert found("scp -v -r -p -d -t -- '/srv/a b'") == ("scp", "in", ("/srv/a b",))
    assert found("/usr/bin/scp -prf ~/x") == ("scp", "out", ("~/x",))
    assert found("scp -f a b\\ c") == ("scp", "out", ("a", "b c"))
    assert found("rsync --server -vlogDtpre.iLsfxCIvu . /srv/in/") == ("rsync", "in", ("/srv/in/",))
    assert found("rsync --server --sender -vr . a b") == ("rsync", "out", ("a", "b"))
    assert found("git-upload-pack '/srv/x.git'") == ("git", "out", ("/srv/x.git",))
    assert found("git receive-pack x.git") == ("git", "in", ("x.git",))
    assert found("/usr/lib/openssh/sftp-server") == ("sftp-server", "in", ())


@pytest.mark.parametrize(
    "text",
    [
        "", "scp", "scp -t", "scp a b", "scp -t -f a", "scp -t a b", "scp -t a; id", "scp -t $HOME", "scp -t `id`",
        "scp -t a && id", "scp -t a | id", "scp -t a > b", 'scp -t "$x"', "scp -t 'a", "scp -S id -t a", "x=1 scp -t a",
        "./scp -t a", "/tmp/scp -t a", "scp -o ProxyCommand=id -t a", "sudo scp -t a", "scp -t {a,b}", "scp -t a\nid",
        "rsync a b", "rsync --server --daemon .", "git push", "scp -t a #", "scp -t =ls", "scp -t !x", "(scp -t a)",
    ],
)  # fmt: skip
def test_whatever_is_more_than_that_is_not(text: str) -> None:
    assert recognised(text) is None


def test_words_say_what_a_shell_would_make_of_them() -> None:
    assert split("a 'b c' d\\ e \"f g\" *.x ~/y \\*") == [
        Word("a"), Word("b c"), Word("d e"), Word("f g"), Word("*.x", glob=True), Word("~/y", home=True), Word("*"),
    ]  # fmt: skip
    assert recognised("scp -r -d -t x") == FileCommand("scp", IN, (Word("x"),), tree=True, directory=True)


@given(some.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_has_words_or_none(text: str) -> None:
    words = split(text)
    if words is not None and any(sign in text for sign in ";|&<>()$`\n"):
        assert any(quote in text for quote in "'\"\\")
