"""SSH recordings: channels, streams, replay on a terminal, asciicast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.cli.main import main
from hoopgate.codecs.ssh import messages as m
from hoopgate.recorders import reader
from hoopgate.recorders.asciicast import NoSuchChannelError, asciicast
from hoopgate.recorders.conversation import conversation
from hoopgate.recorders.format import Kind
from hoopgate.recorders.items import Asked, Began, Closed, Flowed, Happened, Item, Omitted
from hoopgate.recorders.ssh import LIMIT, Decoder
from hoopgate.recorders.terminal import Screen
from tests.recorders.ssh_story import CLIENT, TARGET, Story, confirmed, told
from tests.recorders.ssh_story import run as framed


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return told(tmp_path)


def items(path: Path) -> list[Item]:
    return [item for item in conversation(reader.read(path)) if not isinstance(item, Happened)]


def command(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["sessions", "--directory", str(path.parent), arguments[0], str(path), *arguments[1:]]
    )


def test_channels_are_counted_though_their_numbers_come_again(recording: Path) -> None:
    found = items(recording)
    assert [(item.number, item.kind) for item in found if isinstance(item, Began)] == [
        (1, "session"), (2, "session"), (3, "auth-agent@openssh.com"),
    ]  # fmt: skip
    assert [(item.number, item.status) for item in found if isinstance(item, Closed)] == [(2, 3), (3, None)]
    assert [item.fields for item in found if isinstance(item, Asked) and item.name == "exec"] == [{"command": "wc -l"}]
    assert [(item.stream, item.data) for item in found if isinstance(item, Flowed) and item.number == 2] == [
        ("input", b"one\ntwo\n"), ("output", b"2\n"), ("error", b"odd\n"),
    ]  # fmt: skip


def test_events_name_the_channel_as_the_replay_does(tmp_path: Path) -> None:
    story = Story(tmp_path)
    for name in ("first", "second"):
        story.say(CLIENT, m.open_message("session", 0, 1 << 21, 32768, b""))
        story.say(TARGET, confirmed(0))
        story.say(TARGET, m.bare(m.CLOSE, 0))
        story.say(CLIENT, m.bare(m.CLOSE, 0))
        story.event("transfer", channel=0, path=name)
    story.event("refused", channel=7, reason="never opened")
    found = [item.fields for item in conversation(reader.read(story.end())) if isinstance(item, Happened)]
    assert [each["channel"] for each in found if "path" in each] == [1, 2]
    (refused,) = [each for each in found if each.get("reason") == "never opened"]
    assert "channel" not in refused


@pytest.mark.parametrize("command", ["", "scp -t /srv/in", "rsync --server . x", "git-upload-pack x.git"])
def test_protocols_of_files_are_not_shown_but_what_is_said_beside_them(tmp_path: Path, command: str) -> None:
    story = Story(tmp_path)
    story.say(CLIENT, m.open_message("session", 0, 1 << 21, 32768, b""))
    begins = m.exec_request(0, command, wants_reply=True) if command else m.request(0, "subsystem", m.string(b"sftp"))
    story.say(CLIENT, begins, m.data(0, b"\0\0\0\x05"))
    story.say(TARGET, m.data(0, b"\0\0\0\x09"), m.extended_data(0, b"hoopgate: no\r\n"))
    found = [item for item in items(story.end()) if isinstance(item, Flowed)]
    assert [(item.stream, item.data) for item in found] == [("error", b"hoopgate: no\r\n")]


@given(st.data())
def test_any_cut_gives_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = told(tmp_path_factory.mktemp("cut"))
    whole = [record for record in reader.read(path) if record.kind in (Kind.FROM_CLIENT, Kind.FROM_TARGET)]

    def decoded(cut: bool) -> Iterator[Item]:
        decoder = Decoder()
        for record in whole:
            at = data.draw(st.integers(0, len(record.payload))) if cut else 0
            feed = decoder.from_client if record.kind is Kind.FROM_CLIENT else decoder.from_target
            yield from feed(0.0, record.payload[:at])
            yield from feed(0.0, record.payload[at:])

    assert list(decoded(True)) == list(decoded(False))


def test_what_is_too_long_is_passed_over_and_told(tmp_path: Path) -> None:
    story = Story(tmp_path)
    long = b"\x5e" + bytes(LIMIT)
    story.say(TARGET, long[: LIMIT + 1])
    story.say(TARGET, b"\x50" + bytes(4))
    assert [item.why for item in items(story.end()) if isinstance(item, Omitted)] == [f"a message of {LIMIT + 1} bytes"]


def test_bytes_that_are_no_messages_end_the_decoding_of_their_side() -> None:
    decoder = Decoder()
    assert isinstance(next(decoder.from_client(0.0, bytes(4))), Omitted)
    assert list(decoder.from_client(0.0, framed(b"\x5a"))) == []
    assert isinstance(next(decoder.from_target(0.0, framed(b"\x5a\x00\x00"))), Omitted)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        list(decoder.from_client(0.0, piece))
        list(decoder.from_target(0.0, framed(piece)))


def test_replay_in_lines(recording: Path) -> None:
    shown = command(recording, "replay", "--speed", "max").stdout
    assert "channel 1: pty-req xterm-256color 132 43 0 0 (as it was drawn: --channel 1)" in shown
    assert "$ café\n" in shown
    assert "> one\n> two\n2\n! odd\n" in shown
    assert "channel 2 closes: 3" in shown
    assert "\x1b" not in shown
    assert "exit" not in shown.replace("exit-status", "")  # what was typed on a terminal is its echo's to show


def test_replay_draws_a_terminal_and_nothing_else(recording: Path) -> None:
    shown = command(recording, "replay", "--channel", "1", "--speed", "max").stdout_bytes.decode()
    assert shown.startswith("$ \x1b[1mcafé\x1b[0m\r\n\x1b[0m")
    assert "52;c" not in shown
    assert command(recording, "replay", "--channel", "9").exit_code == 1


def test_asciicast(recording: Path) -> None:
    head, *events = [json.loads(line) for line in asciicast(recording)]
    assert head["version"] == 3
    assert head["term"] == {"cols": 132, "rows": 43, "type": "xterm-256color"}
    assert "".join(data for _, code, data in events if code == "o") == "$ \x1b[1mcafé\x1b[0m\r\n\x1b]52;c;aGk=\x07"
    assert [data for _, code, data in events if code == "r"] == ["80x24"]
    assert not [data for _, code, data in events if code == "i"]
    assert all(interval >= 0 for interval, _, _ in events)


def test_asciicast_ends_a_line_once(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.say(CLIENT, m.open_message("session", 0, 1 << 21, 32768, b""))
    story.say(TARGET, confirmed(0))
    story.say(CLIENT, m.exec_request(0, "ls", wants_reply=True))
    story.say(TARGET, m.extended_data(0, b"hoopgate: held\r\n"), m.data(0, b"a\nb\n"))
    shown = [json.loads(line)[2] for line in list(asciicast(story.end()))[1:]]
    assert shown[:2] == ["hoopgate: held\r\n", "a\r\nb\r\n"]


def test_asciicast_of_a_command(recording: Path) -> None:
    head, *events = [json.loads(line) for line in asciicast(recording, channel=2, typed=True)]
    assert head["command"] == "wc -l"
    assert [(code, data) for _, code, data in events] == [
        ("i", "one\r\ntwo\r\n"), ("o", "2\r\n"), ("o", "odd\r\n"), ("x", "3"),
    ]  # fmt: skip
    with pytest.raises(NoSuchChannelError):
        list(asciicast(recording, channel=7))
    exported = command(recording, "export", "--format", "asciicast", "--channel", "2")
    assert json.loads(exported.stdout.splitlines()[0])["command"] == "wc -l"
    assert command(recording, "export", "--format", "asciicast", "--channel", "7").exit_code == 1


EVIL = [
    b"\x1b]52;c;aGk=\x07", b"\x1b]0;title\x1b\\", b"\x1b[6n", b"\x1b[c", b"\x1b[>c", b"\x1b[21t", b"\x1bP$q\x1b\\",
    b"\x1b_G\x1b\\", b"\x1b[?1000h", b"\x1b[?2004h", b"\x1b[5i", b"\x1b[4;5$w", b"\x1bZ", b"\x05", b"\xc2\x9b",
    b"\x1b[20h",
]  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_a_terminal_does_nothing_but_draw(evil: bytes) -> None:
    whole = b"before\x1b[2J" + evil + b"after"
    for cut in range(len(whole) + 1):
        screen = Screen()
        assert screen.feed(whole[:cut]) + screen.feed(whole[cut:]) == "before\x1b[2Jafter"


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_cut_draws_the_same(data: bytes, cut: int) -> None:
    one, two = Screen(), Screen()
    assert one.feed(data) == two.feed(data[:cut]) + two.feed(data[cut:])
