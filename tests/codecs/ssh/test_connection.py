"""The accounts of SSH's channels: what goes through is what came, in any order, and garbage ends one connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.ssh import messages as m
from hoopgate.codecs.ssh.channels import CLIENT, TARGET
from hoopgate.codecs.ssh.connection import Connection
from hoopgate.errors import LimitError, RemoteProtocolError

WINDOW = 2 * 1024 * 1024


def made(**changes: int) -> Connection:
    return Connection(**{"window": WINDOW, "packet": 32_768, "channels": 64, "requests": 64, **changes})


def drained(connection: Connection, side: int) -> list[bytes]:
    found = [message for message, _ in connection.out[side]]
    connection.out[side].clear()
    return found


def go(connection: Connection, side: int, message: bytes) -> tuple[list[bytes], list[bytes]]:
    """Take and pass on one message; what then goes to client and target."""
    stream = connection.receive(side, message)
    if stream is not None:
        connection.forward(side, stream, message)
    elif message[0] == m.GLOBAL_REQUEST:
        connection.forward_global(side, message)
    return drained(connection, CLIENT), drained(connection, TARGET)


def opened(connection: Connection, client: int = 0, target: int = 0, window: int = WINDOW) -> Any:
    go(connection, CLIENT, m.open_message("session", client, window, 32_768, b""))
    go(connection, TARGET, m.open_confirmation(client, target, window, 32_768, b""))
    return next(iter(connection.streams[CLIENT].values()))


# --- one channel


def test_a_session_goes_through_as_it_is() -> None:
    connection = made()
    story = [
        (CLIENT, m.open_message("session", 3, WINDOW, 32_768, b"")),
        (TARGET, m.open_confirmation(3, 9, 0, 32_768, b"")),
        (TARGET, m.window_adjust(3, WINDOW)),
        (CLIENT, m.request(9, "pty-req", m.string(b"xterm") + bytes(16) + m.string(b"\0"), wants_reply=True)),
        (CLIENT, m.exec_request(9, "ls", wants_reply=True)),
        (TARGET, m.bare(m.SUCCESS, 3)),
        (TARGET, m.bare(m.FAILURE, 3)),
        (TARGET, m.data(3, b"out")),
        (TARGET, m.extended_data(3, b"err")),
        (CLIENT, m.data(9, b"in")),
        (CLIENT, m.bare(m.EOF, 9)),
        (TARGET, m.bare(m.EOF, 3)),
        (TARGET, m.request(3, "exit-status", m.uint32(7))),
        (TARGET, m.bare(m.CLOSE, 3)),
        (CLIENT, m.bare(m.CLOSE, 9)),
    ]
    for side, message in story:
        out = go(connection, side, message)
        assert out[1 - side] == [message]
        assert out[side] == []
    assert not connection.present
    assert connection.streams == ({}, {})
    assert connection.numbers == (set(), set())


def test_a_recording_has_the_clients_number_in_both_directions() -> None:
    connection = made()
    opened(connection, 3, 9)
    for side, message in ((CLIENT, m.data(9, b"in")), (TARGET, m.data(3, b"out"))):
        stream = connection.receive(side, message)
        assert stream is not None
        connection.forward(side, stream, message)
        [(sent, mark)] = connection.out[1 - side]
        connection.out[1 - side].clear()
        assert mark is not None
        assert (mark or sent[1:5]) == m.uint32(3)


def test_a_number_that_is_taken_is_replaced() -> None:
    """The client closes a refused channel and uses its number again, while the target has not closed the first."""
    connection = made()
    first = opened(connection, 0, 0)
    connection.finish(first, b"no\r\n")
    drained(connection, CLIENT), drained(connection, TARGET)
    go(connection, CLIENT, m.bare(m.CLOSE, 0))
    _, out = go(connection, CLIENT, m.open_message("session", 0, WINDOW, 32_768, b""))
    opening = m.OpenMessage(out[0])
    assert opening.sender != 0
    toward, _ = go(connection, TARGET, m.open_confirmation(opening.sender, 1, WINDOW, 32_768, b""))
    assert toward == [m.open_confirmation(0, 1, WINDOW, 32_768, b"")]
    assert go(connection, TARGET, m.data(opening.sender, b"x"))[0] == [m.data(0, b"x")]
    go(connection, TARGET, m.bare(m.CLOSE, 0))
    assert len(connection.present) == 1


@pytest.mark.parametrize("side", [CLIENT, TARGET])
def test_a_peer_cannot_use_a_number_twice(side: int) -> None:
    connection = made()
    opening = m.open_message("session", 5, WINDOW, 32_768, b"")
    go(connection, side, opening)
    with pytest.raises(RemoteProtocolError):
        connection.receive(side, opening)


# --- windows


def test_a_peer_that_overruns_its_window_is_told_so() -> None:
    connection = made()
    opened(connection, window=10)
    go(connection, CLIENT, m.data(0, b"12345678"))
    with pytest.raises(RemoteProtocolError, match="window"):
        connection.receive(CLIENT, m.data(0, b"abc"))


def test_a_message_longer_than_was_agreed_ends_the_connection() -> None:
    connection = made(packet=100)
    opened(connection)
    with pytest.raises(RemoteProtocolError, match="one message"):
        connection.receive(CLIENT, m.data(0, bytes(101)))


def test_a_window_that_is_opened_wide_is_passed_on_in_parts() -> None:
    """A receiver that takes 4 GiB at once does not make us a buffer of 4 GiB."""
    connection = made(window=1000)
    stream = opened(connection, window=2**32 - 1)
    assert stream.ends[TARGET].credit == 1000
    total = 0
    for _ in range(50):
        stream = connection.receive(TARGET, m.data(0, bytes(100)))
        assert stream is not None
        connection.forward(TARGET, stream, m.data(0, bytes(100)))
        total += 100
        assert stream.ends[TARGET].credit <= 1000
        drained(connection, CLIENT), drained(connection, TARGET)
    assert total == 5000


def test_what_is_held_up_gives_no_more_room() -> None:
    """While data waits for a verdict, the sender may send what the window had room for, and no more."""
    connection = made()
    stream = opened(connection, window=1000)
    connection.receive(CLIENT, m.data(0, bytes(1000)))
    go(connection, TARGET, m.window_adjust(0, 500))
    assert stream.ends[CLIENT].credit == 500
    with pytest.raises(RemoteProtocolError):
        connection.receive(CLIENT, m.data(0, bytes(501)))


def test_room_that_comes_in_pieces_at_once_is_given_at_once() -> None:
    """A receiver opens its window after each few packets; passed on one by one, each would cost a packet's work."""
    connection = made(window=1000)
    opened(connection, window=1000)
    taken = connection.receive(TARGET, m.data(0, bytes(900)))
    assert taken is not None
    connection.forward(TARGET, taken, m.data(0, bytes(900)))
    drained(connection, TARGET)
    for more in (300, 200, 100):
        connection.receive(CLIENT, m.window_adjust(0, more))
    assert drained(connection, TARGET) == [m.window_adjust(0, 600)]
    connection.receive(CLIENT, m.window_adjust(0, 50))
    assert drained(connection, TARGET) == [m.window_adjust(0, 50)]
    assert taken.ends[TARGET].credit == 750


def test_data_that_grows_waits_for_the_receivers_window() -> None:
    connection = made(window=1000)
    stream = opened(connection, window=100)
    stream.apart[TARGET] = True
    connection.receive(TARGET, m.data(0, b"x" * 80))
    connection.changed(TARGET, stream, 80, b"y" * 250, error=False)
    assert drained(connection, CLIENT) == [m.data(0, b"y" * 100)]
    go_on, _ = go(connection, TARGET, m.bare(m.EOF, 0))
    assert go_on == []  # behind what waits
    out, _ = go(connection, CLIENT, m.window_adjust(0, 100))
    assert out == [m.data(0, b"y" * 100)]
    out, _ = go(connection, CLIENT, m.window_adjust(0, 100))
    assert out == [m.data(0, b"y" * 50), m.bare(m.EOF, 0)]


def test_a_window_beyond_four_gigabytes_ends_the_connection() -> None:
    connection = made()
    opened(connection)
    with pytest.raises(RemoteProtocolError):
        connection.receive(CLIENT, m.window_adjust(0, 2**32 - 1))


# --- answers


def test_our_own_answers_come_in_their_turn() -> None:
    connection = made()
    stream = opened(connection)
    go(connection, CLIENT, m.request(0, "env", m.string(b"A") + m.string(b"b"), wants_reply=True))
    connection.receive(CLIENT, m.request(0, "x11-req", b"", wants_reply=True))
    connection.answer(stream, CLIENT, success=False)
    assert drained(connection, CLIENT) == []
    out, _ = go(connection, TARGET, m.bare(m.SUCCESS, 0))
    assert out == [m.bare(m.SUCCESS, 0), m.bare(m.FAILURE, 0)]


def test_answers_of_the_connection_come_in_their_turn() -> None:
    connection = made()
    go(connection, CLIENT, m.global_request("keepalive@openssh.com", b"", wants_reply=True))
    connection.answer_global(CLIENT, success=False)
    assert drained(connection, CLIENT) == []
    out, _ = go(connection, TARGET, bytes((m.REQUEST_SUCCESS,)))
    assert out == [bytes((m.REQUEST_SUCCESS,)), bytes((m.REQUEST_FAILURE,))]


@pytest.mark.parametrize(
    "message", [m.bare(m.SUCCESS, 0), m.bare(m.FAILURE, 0), bytes((m.REQUEST_SUCCESS,)), bytes((m.REQUEST_FAILURE,))]
)
def test_an_answer_that_nobody_is_owed_ends_the_connection(message: bytes) -> None:
    connection = made()
    opened(connection)
    with pytest.raises(RemoteProtocolError):
        connection.receive(TARGET, message)


def test_requests_that_nobody_answers_are_bounded() -> None:
    connection = made(requests=3)
    opened(connection)
    asking = m.request(0, "env", m.string(b"A") + m.string(b"b"), wants_reply=True)
    for _ in range(3):
        go(connection, CLIENT, asking)
    with pytest.raises(LimitError, match="ssh_requests"):
        connection.receive(CLIENT, asking)
    for _ in range(3):
        go(connection, TARGET, m.global_request("keepalive@openssh.com", b"", wants_reply=True))
    with pytest.raises(LimitError, match="ssh_requests"):
        connection.receive(TARGET, m.global_request("keepalive@openssh.com", b"", wants_reply=True))


def test_channels_are_bounded() -> None:
    connection = made(channels=2)
    opened(connection, 0, 0)
    go(connection, CLIENT, m.open_message("session", 1, WINDOW, 32_768, b""))
    out, toward = go(connection, CLIENT, m.open_message("session", 2, WINDOW, 32_768, b""))
    assert toward == []
    assert out == [m.open_failure(2, m.SHORTAGE, "too many channels (limits.ssh_channels)")]


# --- refusals


def test_a_refused_channel_says_why_and_ends() -> None:
    connection = made()
    stream = opened(connection)
    connection.receive(CLIENT, m.exec_request(0, "rm -rf /", wants_reply=True))
    connection.answer(stream, CLIENT, success=True)
    connection.finish(stream, b"hoopgate: no\r\n")
    assert drained(connection, CLIENT) == [
        m.bare(m.SUCCESS, 0),
        m.extended_data(0, b"hoopgate: no\r\n"),
        m.request(0, "exit-status", m.uint32(126)),
        m.bare(m.EOF, 0),
        m.bare(m.CLOSE, 0),
    ]
    assert drained(connection, TARGET) == [m.bare(m.CLOSE, 0)]
    assert go(connection, CLIENT, m.data(0, b"more")) == ([], [])
    assert go(connection, TARGET, m.data(0, b"more")) == ([], [])
    assert go(connection, CLIENT, m.bare(m.CLOSE, 0)) == ([], [])
    assert go(connection, TARGET, m.bare(m.CLOSE, 0)) == ([], [])
    assert not connection.present


def test_a_refusal_waits_for_the_answers_that_the_target_owes() -> None:
    connection = made()
    stream = opened(connection)
    go(connection, CLIENT, m.request(0, "env", m.string(b"A") + m.string(b"b"), wants_reply=True))
    connection.receive(CLIENT, m.exec_request(0, "x", wants_reply=True))
    connection.answer(stream, CLIENT, success=True)
    connection.finish(stream, b"no")
    assert drained(connection, CLIENT) == []
    drained(connection, TARGET)
    out, _ = go(connection, TARGET, m.bare(m.FAILURE, 0))
    assert out[:3] == [m.bare(m.FAILURE, 0), m.bare(m.SUCCESS, 0), m.extended_data(0, b"no")]
    assert out[-1] == m.bare(m.CLOSE, 0)


def test_a_refusal_does_not_wait_for_a_target_that_leaves() -> None:
    connection = made()
    stream = opened(connection)
    go(connection, CLIENT, m.request(0, "env", m.string(b"A") + m.string(b"b"), wants_reply=True))
    connection.finish(stream, b"no")
    out, _ = go(connection, TARGET, m.bare(m.CLOSE, 0))
    assert out[-1] == m.bare(m.CLOSE, 0)


def test_a_refused_opening_frees_its_number() -> None:
    connection = made()
    for side in (CLIENT, TARGET):
        stream = connection.receive(side, m.open_message("session", 4, WINDOW, 32_768, b""))
        assert stream is not None
        connection.refuse_open(stream, "no [rule]")
        assert drained(connection, side) == [m.open_failure(4, m.PROHIBITED, "no [rule]")]
        go(connection, side, m.open_message("session", 4, WINDOW, 32_768, b""))
        go(connection, 1 - side, m.open_failure(4, m.CONNECT_FAILED, "no"))
        assert not connection.present
        assert connection.numbers[side] == set()


def test_the_end_is_said_to_a_client_that_closed_with_data_on_its_way() -> None:
    connection = made()
    stream = opened(connection, window=10)
    stream.apart[TARGET] = True
    connection.receive(TARGET, m.data(0, b"x" * 10))
    connection.changed(TARGET, stream, 10, b"y" * 50, error=False)
    drained(connection, CLIENT), drained(connection, TARGET)
    assert go(connection, TARGET, m.bare(m.CLOSE, 0)) == ([], [])
    assert go(connection, CLIENT, m.bare(m.CLOSE, 0)) == ([m.bare(m.CLOSE, 0)], [m.bare(m.CLOSE, 0)])
    assert not connection.present


def test_many_small_pieces_that_wait_take_little_more_than_their_bytes() -> None:
    connection = made()
    stream = opened(connection, window=WINDOW)
    stream.ends[CLIENT].allowed = 0
    for number in range(20_000):
        message = m.data(0, b"x") if number % 2 else m.extended_data(0, b"y")
        connection.receive(TARGET, message)
        connection.forward(TARGET, stream, message)
    pending = stream.ends[CLIENT].pending
    assert pending is not None
    assert len(pending) < 10
    assert pending.size == 20_000


# --- any history, any garbage


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """What two well-behaved peers may say, with several channels at once."""
    peers = Peers()
    for _ in range(draw(st.integers(1, 60))):
        moves = peers.moves()
        make = moves[draw(st.integers(0, len(moves) - 1))]
        make(draw)
    return peers.said


class Peers:
    """A client and a target back to back without a gateway: the numbers are what each told the other."""

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.next = [0, 100]
        self.channels: list[dict[str, Any]] = []
        self.asked = [0, 0]

    def moves(self) -> list[Any]:
        found = [lambda draw, side=side: self.open(side, draw) for side in (CLIENT, TARGET)]
        for side in (CLIENT, TARGET):
            found.append(lambda draw, side=side: self.ask(side))
            if self.asked[side]:
                found.append(lambda draw, side=side: self.reply(side))
        for channel in self.channels:
            found += self.of(channel)
        return found

    def say(self, side: int, message: bytes) -> None:
        self.said.append((side, message))

    def open(self, side: int, draw: st.DrawFn) -> None:
        number = self.next[side]
        self.next[side] += 1
        window = draw(st.integers(0, 5000))
        self.say(side, m.open_message("session", number, window, 1000, b""))
        self.channels.append(
            {"by": side, "number": [number if each == side else -1 for each in (0, 1)], "state": "opening",
             "room": [0, 0], "asked": [0, 0], "eof": [False, False], "close": [False, False]}
        )  # fmt: skip
        self.channels[-1]["room"][1 - side] = window

    def ask(self, side: int) -> None:
        self.say(side, m.global_request("keepalive@openssh.com", b"", wants_reply=True))
        self.asked[1 - side] += 1

    def reply(self, side: int) -> None:
        self.say(side, bytes((m.REQUEST_SUCCESS,)) + b"anything")
        self.asked[side] -= 1

    def of(self, channel: dict[str, Any]) -> list[Any]:
        opener = channel["by"]
        if channel["state"] == "opening":
            return [lambda draw: self.confirm(channel, 1 - opener, draw), lambda draw: self.fail(channel, 1 - opener)]
        found: list[Any] = []
        for side in (CLIENT, TARGET):
            if channel["close"][side]:
                continue
            found.append(lambda draw, side=side: self.close(channel, side))
            found.append(lambda draw, side=side: self.adjust(channel, side, draw))
            found.append(lambda draw, side=side: self.request(channel, side))
            if channel["asked"][side]:
                found.append(lambda draw, side=side: self.answer(channel, side))
            if not channel["eof"][side]:
                found.append(lambda draw, side=side: self.data(channel, side, draw))
                found.append(lambda draw, side=side: self.data(channel, side, draw))
                found.append(lambda draw, side=side: self.eof(channel, side))
        return found

    def confirm(self, channel: dict[str, Any], side: int, draw: st.DrawFn) -> None:
        number = self.next[side]
        self.next[side] += 1
        window = draw(st.integers(0, 5000))
        channel["number"][side] = number
        channel["room"][1 - side] = window
        channel["state"] = "open"
        self.say(side, m.open_confirmation(channel["number"][1 - side], number, window, 1000, b""))

    def fail(self, channel: dict[str, Any], side: int) -> None:
        self.channels.remove(channel)
        self.say(side, m.open_failure(channel["number"][1 - side], 2, "no"))

    def close(self, channel: dict[str, Any], side: int) -> None:
        channel["close"][side] = True
        self.say(side, m.bare(m.CLOSE, channel["number"][1 - side]))
        if all(channel["close"]):
            self.channels.remove(channel)

    def adjust(self, channel: dict[str, Any], side: int, draw: st.DrawFn) -> None:
        more = draw(st.integers(1, 5000))
        channel["room"][1 - side] += more
        self.say(side, m.window_adjust(channel["number"][1 - side], more))

    def request(self, channel: dict[str, Any], side: int) -> None:
        channel["asked"][1 - side] += 1
        self.say(side, m.request(channel["number"][1 - side], "made-up", b"whatever", wants_reply=True))

    def answer(self, channel: dict[str, Any], side: int) -> None:
        channel["asked"][side] -= 1
        self.say(side, m.bare(m.SUCCESS, channel["number"][1 - side]))

    def data(self, channel: dict[str, Any], side: int, draw: st.DrawFn) -> None:
        length = draw(st.integers(0, min(1000, channel["room"][side])))
        channel["room"][side] -= length
        make = m.extended_data if draw(st.booleans()) else m.data
        self.say(side, make(channel["number"][1 - side], bytes(length)))

    def eof(self, channel: dict[str, Any], side: int) -> None:
        channel["eof"][side] = True
        self.say(side, m.bare(m.EOF, channel["number"][1 - side]))


@settings(max_examples=200, deadline=None)
@given(histories())
def test_without_guards_what_goes_out_is_what_came_in(history: list[tuple[int, bytes]]) -> None:
    connection = made(requests=1000)
    closed: set[tuple[int, int]] = set()
    for side, message in history:
        out = go(connection, side, message)
        assert out[side] == []
        # to a peer that has closed a channel nothing is said of it but its end, and none that sends nothing gets room
        late = message[0] == m.WINDOW_ADJUST or (message[0] not in (
            m.OPEN, m.GLOBAL_REQUEST, m.REQUEST_SUCCESS, m.CLOSE
        ) and (1 - side, int.from_bytes(message[1:5], "big")) in closed)  # fmt: skip
        assert out[1 - side] in ([message], []) if late else out[1 - side] == [message]
        if message[0] == m.CLOSE:
            closed.add((side, int.from_bytes(message[1:5], "big")))
    for stream in connection.present:
        for side in (CLIENT, TARGET):
            assert stream.queued[side] == 0
            assert stream.ends[side].pending is None
            if stream.confirmed and not stream.ends[side].close_in and not stream.ends[side].eof_in:
                assert stream.ends[side].credit == stream.ends[1 - side].allowed


@settings(max_examples=200, deadline=None)
@given(histories(), st.data())
def test_where_data_changes_every_byte_is_accounted_for(history: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """Whatever a guard makes of data, in whatever pieces: receivers get no more than they have room for."""
    connection = made(requests=1000, window=2000)
    room: dict[tuple[int, int], int] = {}
    for side, message in history:
        number = message[0]
        if number in (m.DATA, m.EXTENDED_DATA) and not fits(connection, side, message):
            return  # the history knew of the other's window, and not of ours
        stream = connection.receive(side, message)
        if stream is not None:
            stream.apart[0] = stream.apart[1] = True
            if number in (m.DATA, m.EXTENDED_DATA):
                taken = len(message) - (m.DATA_HEAD if number == m.DATA else m.EXTENDED_HEAD)
                made_of_it = bytes(data.draw(st.integers(0, 3000)))
                connection.changed(side, stream, taken, made_of_it, error=number == m.EXTENDED_DATA)
            else:
                connection.forward(side, stream, message)
        elif number == m.GLOBAL_REQUEST:
            connection.forward_global(side, message)
        account(message, side, room, connection)
        for stream in connection.present:
            for each in (CLIENT, TARGET):
                assert stream.ends[each].allowed >= 0
                assert stream.ends[each].credit <= 5000


def fits(connection: Connection, side: int, message: bytes) -> bool:
    stream = connection.streams[side].get(int.from_bytes(message[1:5], "big"))
    return stream is not None and len(message) - m.DATA_HEAD <= stream.ends[side].credit


def account(message: bytes, side: int, room: dict[tuple[int, int], int], connection: Connection) -> None:
    """What each peer said that it has room for, less what it got, is never below nothing."""
    if message[0] == m.OPEN:
        opening = m.OpenMessage(message)
        room[side, opening.sender] = opening.window
    elif message[0] == m.OPEN_CONFIRMATION:
        room[side, int.from_bytes(message[5:9], "big")] = int.from_bytes(message[9:13], "big")
    elif message[0] == m.WINDOW_ADJUST:
        for stream in connection.present:
            if stream.ends[side].ours == int.from_bytes(message[1:5], "big"):
                room[side, stream.ends[side].theirs] += int.from_bytes(message[5:9], "big")
    for receiver in (CLIENT, TARGET):
        for sent in drained(connection, receiver):
            if sent[0] in (m.DATA, m.EXTENDED_DATA):
                head = m.DATA_HEAD if sent[0] == m.DATA else m.EXTENDED_HEAD
                room[receiver, int.from_bytes(sent[1:5], "big")] -= len(sent) - head
                assert room[receiver, int.from_bytes(sent[1:5], "big")] >= 0
                assert len(sent) - head <= 1000


numbers = st.sampled_from([80, 81, 82, *range(90, 101), 0, 79, 101, 255])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([CLIENT, TARGET]), numbers, st.binary(max_size=40)), max_size=30))
def test_garbage_raises_nothing_but_a_protocol_error(garbage: list[tuple[int, int, bytes]]) -> None:
    connection = made()
    opened(connection)
    for side, number, rest in garbage:
        for message in (bytes((number,)) + rest, bytes((number,)) + bytes(4) + rest):
            try:
                go(connection, side, message)
            except (RemoteProtocolError, LimitError):
                return


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([m.OPEN, m.REQUEST, m.GLOBAL_REQUEST]), st.sampled_from(
    [*m.CHANNEL_SHAPES, *m.GLOBAL_SHAPES, "direct-tcpip", "forwarded-tcpip", "x11", "session", "made-up"]
), st.binary(max_size=60))  # fmt: skip
def test_fields_of_garbage_raise_nothing_but_a_protocol_error(number: int, name: str, rest: bytes) -> None:
    head = bytes((number,)) + (bytes(4) if number == m.REQUEST else b"") + m.string(name.encode())
    message = head + (bytes(12) if number == m.OPEN else b"\1") + rest
    try:
        if number == m.OPEN:
            m.OpenMessage(message).fields()
        else:
            m.RequestMessage(message).fields()
    except RemoteProtocolError:
        return


def test_no_text_has_a_nul_behind_which_some_do_not_read_on() -> None:
    where = m.string(b"evil.org\0.example.com") + m.uint32(443) + m.string(b"") + m.uint32(0)
    with pytest.raises(RemoteProtocolError, match="NUL"):
        m.OpenMessage(m.open_message("direct-tcpip", 0, 1, 1, where)).fields()
    with pytest.raises(RemoteProtocolError, match="NUL"):
        m.RequestMessage(m.exec_request(0, "ls\0; rm x", wants_reply=True)).fields()
