"""The relay of SSH with guards of the tests' own: what is refused, held, changed, kept apart, recorded."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import classImplements

from hoopgate.approvals import Outcome
from hoopgate.chain import Chain
from hoopgate.codecs.ssh import messages as m
from hoopgate.codecs.ssh.channels import CLIENT, TARGET
from hoopgate.config.limits import Limits
from hoopgate.errors import RecordingError
from hoopgate.frames import ChannelEnd, ChannelInput, ChannelOutput, Command, Frame, Opened, Request
from hoopgate.interfaces import IReviewingGuard
from hoopgate.protocols.ssh.relay import Relay
from hoopgate.verdicts import ALLOW, Approvers, Block, Hold, Rewrite, Verdict

WINDOW = 2 * 1024 * 1024
NO = Block("that may not run", rule="no-that", hint="Ask for a grant.")
NO_WORDS = b"hoopgate: that may not run [no-that]. Ask for a grant."


class Guard:
    """Asks a function, which knows frames by their class."""

    wants = frozenset({Opened, Command, Request, ChannelInput, ChannelOutput, ChannelEnd})

    def __init__(self, judge: Callable[[Frame], Any]) -> None:
        self.inspect = judge
        self.reason = ""

    def closed(self, reason: str) -> None:
        self.reason = reason


class Transport:
    """An SSH transport of which everybody has logged in."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.finished: Any = None
        self.words = b""
        self.debug: list[bytes] = []
        self.service: Any = None
        self.producer: Any = None
        self.paused = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def sendMessage(self, message: bytes) -> None:
        self.sent.append(message)

    def sendDisconnect(self, reason: int, words: bytes) -> None:
        self.finished, self.words = (reason, ""), words

    def sendDebug(self, text: bytes, alwaysDisplay: bool = False) -> None:
        self.debug.append(text)

    def setService(self, service: Any) -> None:
        self.service = service

    def take_over(self, service: Any, lost: Any) -> None:
        self.service = service

    def terminate(self) -> None:
        self.finished = (11, "")


class Recording:
    def __init__(self) -> None:
        self.runs: list[tuple[int, bytes]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.broken = False

    def data(self, direction: int, data: bytes) -> None:
        if self.broken:
            raise RecordingError("full")
        self.runs.append((direction, data))

    def messages(self, direction: int) -> list[bytes]:
        found = []
        for way, run in self.runs:
            while way == direction and run:
                length = int.from_bytes(run[:4], "big")
                found.append(run[4 : 4 + length])
                run = run[4 + length :]
        return found


class Session:
    """What a relay and a hold ask of a session."""

    def __init__(self, **limits: Any) -> None:
        self.id = "01"
        self.clock = Clock()
        self.requests: list[Any] = []
        self.outcome: Deferred[Outcome] = Deferred()
        self.withdrawn: list[str] = []
        approvals = SimpleNamespace(open=self._open, withdraw=self._withdraw)
        self.gateway = SimpleNamespace(
            clock=self.clock, metrics=SimpleNamespace(bytes=SimpleNamespace(moved=[0, 0])), approvals=approvals
        )
        self.config = SimpleNamespace(
            limits=evolve(Limits(), **limits), recorder=SimpleNamespace(input="kept"), version="v1",
            api=SimpleNamespace(url="https://gate"),
        )  # fmt: skip
        self.identity = SimpleNamespace(key="people|ada")
        self.target = SimpleNamespace(name="box", roles=())
        self.role = "dev"
        self.printed = None
        self.restrictions = None
        self.recording: Any = Recording()
        self.active = False
        self.ended: tuple[str, str, str] | None = None
        self.live: Any = None

    def attach(self, live: Any) -> None:
        self.live = live

    def event(self, kind: str, **fields: Any) -> None:
        self.recording.events.append((kind, fields))

    def unrecorded(self, error: RecordingError) -> None:
        self.end(f"the recording failed: {error}", rule="recorder")

    def end(self, reason: str, *, sqlstate: str = "57P01", rule: str = "") -> None:
        if self.ended is None:
            self.ended = (reason, sqlstate, rule)
            self.live.close(reason, sqlstate, rule)

    def _open(self, request: Any) -> Deferred[Any]:
        self.requests.append(request)
        return succeed(SimpleNamespace(id="apr_1", outcome=self.outcome))

    def _withdraw(self, ticket: str, reason: str) -> None:
        self.withdrawn.append(reason)
        self.outcome.callback(Outcome("withdrawn", (), reason))


class Rig:
    """A relay between two transports; ``say`` is what one peer sends, ``heard`` what the other got since."""

    def __init__(self, judge: Callable[[Frame], Any] | None = None, **limits: Any) -> None:
        self.session = Session(**limits)
        self.ends = (Transport(), Transport())
        self.guard = Guard(judge or (lambda frame: ALLOW))
        chain = Chain((self.guard,) if judge is not None else ())
        self.left = False
        self.relay = Relay(self.session, *self.ends, chain, leave=self.leave)  # type: ignore[arg-type]
        self.relay.start()

    def leave(self) -> None:
        self.left = True

    def say(self, side: int, *said: bytes) -> None:
        service = self.ends[side].service
        for message in said:
            service.messageReceived(b"\0" + message, 1, len(message) + 1)
        service.allReceived()

    def heard(self, side: int) -> list[bytes]:
        found = self.ends[side].sent[:]
        self.ends[side].sent.clear()
        return found

    def open(self, client: int = 0, target: int = 0) -> None:
        self.say(CLIENT, m.open_message("session", client, WINDOW, 32_768, b""))
        self.say(TARGET, m.open_confirmation(client, target, WINDOW, 32_768, b""))
        self.heard(CLIENT), self.heard(TARGET)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.session.recording.events if name == kind]


def only(kind: type[Frame], verdict: Verdict) -> Callable[[Frame], Any]:
    return lambda frame: verdict if isinstance(frame, kind) else ALLOW


def refused_in(channel: int, words: bytes = NO_WORDS) -> list[bytes]:
    return [
        m.extended_data(channel, words + b"\r\n"),
        m.request(channel, "exit-status", m.uint32(126)),
        m.bare(m.EOF, channel),
        m.bare(m.CLOSE, channel),
    ]


# --- refusals


def test_a_refused_command_succeeds_says_why_and_exits() -> None:
    rig = Rig(only(Command, NO))
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "rm -rf /", wants_reply=True))
    assert rig.heard(CLIENT) == [m.bare(m.SUCCESS, 0), *refused_in(0)]
    assert rig.heard(TARGET) == [m.bare(m.CLOSE, 0)]
    assert rig.events("refused") == [
        {"rule": "no-that", "reason": "that may not run", "what": "rm -rf /", "channel": 0}
    ]
    rig.say(CLIENT, m.data(0, b"and more"), m.exec_request(0, "ls", wants_reply=True), m.bare(m.CLOSE, 0))
    rig.say(TARGET, m.bare(m.CLOSE, 0))
    assert rig.heard(TARGET) == []
    assert rig.relay.at_rest


@pytest.mark.parametrize("name", ["shell", "subsystem"])
def test_a_refused_shell_and_subsystem_say_why(name: str) -> None:
    rig = Rig(lambda frame: NO if isinstance(frame, Request) and frame.name == name else ALLOW)
    rig.open()
    rest = m.string(b"sftp") if name == "subsystem" else b""
    rig.say(CLIENT, m.request(0, name, rest, wants_reply=True))
    assert rig.heard(CLIENT) == [m.bare(m.SUCCESS, 0), *refused_in(0)]


def test_the_event_of_a_refusal_has_no_password_of_a_statement() -> None:
    rig = Rig(lambda frame: NO if isinstance(frame, Command) else ALLOW)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "echo ALTER ROLE ada PASSWORD 'hunter2'", wants_reply=True))
    (event,) = rig.events("refused")
    assert "hunter2" not in event["what"]
    assert "ALTER ROLE ada" in event["what"]


def test_other_refused_requests_fail() -> None:
    rig = Rig(lambda frame: NO if isinstance(frame, Request) and frame.name == "env" else ALLOW)
    rig.open()
    rig.say(CLIENT, m.request(0, "env", m.string(b"LD_PRELOAD") + m.string(b"x"), wants_reply=True))
    rig.say(CLIENT, m.exec_request(0, "ls", wants_reply=True))
    assert rig.heard(CLIENT) == [m.bare(m.FAILURE, 0)]
    assert rig.heard(TARGET) == [m.exec_request(0, "ls", wants_reply=True)]


@pytest.mark.parametrize("side", [CLIENT, TARGET])
def test_a_refused_channel_is_not_opened(side: int) -> None:
    rig = Rig(only(Opened, NO))
    rest = m.string(b"10.0.0.1") + m.uint32(5432) + m.string(b"127.0.0.1") + m.uint32(1)
    rig.say(side, m.open_message("direct-tcpip" if side == CLIENT else "forwarded-tcpip", 7, 1000, 1000, rest))
    assert rig.heard(side) == [m.open_failure(7, m.PROHIBITED, NO_WORDS.decode())]
    assert rig.heard(1 - side) == []
    assert rig.events("refused")[0]["what"].endswith("10.0.0.1:5432")


def test_a_refused_request_of_the_connection_fails() -> None:
    rig = Rig(only(Request, NO))
    asked = m.global_request("tcpip-forward", m.string(b"") + m.uint32(8080), wants_reply=True)
    rig.say(CLIENT, asked)
    assert rig.heard(CLIENT) == [bytes((m.REQUEST_FAILURE,))]
    assert rig.heard(TARGET) == []


def test_refused_input_ends_the_channel_at_both_ends() -> None:
    def judge(frame: Frame) -> Verdict:
        if isinstance(frame, Command):
            frame.channel.watch_input = True
        return NO if isinstance(frame, ChannelInput) else ALLOW

    rig = Rig(judge)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "psql", wants_reply=False), m.data(0, b"DROP"))
    assert rig.heard(CLIENT) == refused_in(0)
    assert rig.heard(TARGET) == [m.exec_request(0, "psql", wants_reply=False), m.bare(m.CLOSE, 0)]


def test_a_guard_that_raises_refuses() -> None:
    def judge(frame: Frame) -> Verdict:
        if isinstance(frame, Command):
            raise ZeroDivisionError
        return ALLOW

    rig = Rig(judge)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "ls", wants_reply=False))
    assert b"guard.Guard" in rig.heard(CLIENT)[0]
    assert m.exec_request(0, "ls", wants_reply=False) not in rig.heard(TARGET)


# --- what guards change


def test_a_command_may_run_in_other_words() -> None:
    def judge(frame: Frame) -> Verdict:
        if isinstance(frame, Command):
            return Rewrite(Command(frame.raw, frame.channel, "nice " + frame.text))
        return ALLOW

    rig = Rig(judge)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "make", wants_reply=True))
    assert rig.heard(TARGET) == [m.exec_request(0, "nice make", wants_reply=True)]


def test_output_may_change_its_length_and_what_is_kept_back_comes_before_the_end() -> None:
    kept: list[bytes] = []

    def judge(frame: Frame) -> Verdict:
        if isinstance(frame, Command):
            frame.channel.watch_output = True
        if isinstance(frame, ChannelOutput):
            kept.append(frame.data[-1:])
            return Rewrite(ChannelOutput(frame.raw, frame.channel, frame.data[:-1] * 2, frame.error))
        if isinstance(frame, ChannelEnd) and not frame.closed:
            frame.channel.inject(frame.by, b"".join(kept))
        return ALLOW

    rig = Rig(judge)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "x", wants_reply=False))
    rig.say(TARGET, m.data(0, b"abc"), m.extended_data(0, b"def"), m.bare(m.EOF, 0))
    assert rig.heard(CLIENT) == [
        m.data(0, b"abab"), m.extended_data(0, b"dede"), m.data(0, b"cf"), m.bare(m.EOF, 0),
    ]  # fmt: skip
    assert b"abc" not in b"".join(run for _, run in rig.session.recording.runs)


def test_who_wants_no_stream_gets_none() -> None:
    seen: list[Frame] = []

    def judge(frame: Frame) -> Verdict:
        seen.append(frame)
        return ALLOW

    rig = Rig(judge)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "x", wants_reply=False), m.data(0, b"in"), m.bare(m.EOF, 0))
    rig.say(TARGET, m.data(0, b"out"), m.bare(m.EOF, 0))
    assert [type(frame) for frame in seen] == [Opened, Command]


# --- holds

HOLD = Hold("somebody looks first", rule="four-eyes", approvers=Approvers(("admins",)), timeout=60)


def held(frame: Frame) -> Verdict:
    return HOLD if isinstance(frame, Command) and not frame.released else ALLOW


def test_a_held_command_runs_once_it_is_approved_and_other_channels_go_on() -> None:
    rig = Rig(held)
    rig.open()
    rig.open(1, 1)
    rig.say(CLIENT, m.exec_request(0, "reboot", wants_reply=True), m.data(0, b"y\n"), m.bare(m.EOF, 0))
    assert rig.heard(TARGET) == []
    [notice] = rig.heard(CLIENT)
    assert b"held for approval as apr_1" in notice
    assert b"hoopgate approvals approve apr_1" in notice
    assert rig.session.requests[0].statement == "reboot"
    assert rig.relay.pending
    rig.say(CLIENT, m.data(1, b"meanwhile"))
    assert rig.heard(TARGET) == [m.data(1, b"meanwhile")]
    rig.session.outcome.callback(Outcome("approved", ("grace",), ""))
    assert rig.heard(TARGET) == [
        m.exec_request(0, "reboot", wants_reply=True), m.data(0, b"y\n"), m.bare(m.EOF, 0),
    ]  # fmt: skip
    assert not rig.relay.pending


def test_a_denied_command_says_so() -> None:
    rig = Rig(held)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "reboot", wants_reply=True))
    rig.heard(CLIENT)
    rig.session.outcome.callback(Outcome("denied", ("grace",), "not today"))
    said = rig.heard(CLIENT)
    assert said[0] == m.bare(m.SUCCESS, 0)
    assert b"not today" in said[1]
    assert said[-1] == m.bare(m.CLOSE, 0)
    assert rig.heard(TARGET) == [m.bare(m.CLOSE, 0)]


@pytest.mark.parametrize("how", ["close", "signal", "ctrl-c"])
def test_who_gives_up_withdraws_what_is_held(how: str) -> None:
    rig = Rig(held)
    rig.open()
    if how == "ctrl-c":
        rig.say(CLIENT, m.request(0, "pty-req", m.string(b"xterm") + bytes(16) + m.string(b"\0")))
    rig.say(CLIENT, m.exec_request(0, "reboot", wants_reply=True))
    rig.heard(TARGET)
    message = {
        "close": m.bare(m.CLOSE, 0),
        "signal": m.request(0, "signal", m.string(b"INT")),
        "ctrl-c": m.data(0, b"\x03"),
    }[how]
    rig.say(CLIENT, message)
    assert rig.session.withdrawn == ["canceled by the client"]
    assert m.exec_request(0, "reboot", wants_reply=True) not in rig.heard(TARGET)
    assert m.bare(m.CLOSE, 0) in rig.heard(CLIENT)


def test_a_terminal_is_heard_before_the_target_makes_room() -> None:
    """sshd makes none before the program runs, and ssh reads no keys before there is some."""
    for key, approved in ((b"\x03", False), (b"y", True)):
        rig = Rig(held)
        rig.say(CLIENT, m.open_message("session", 0, WINDOW, 32_768, b""))
        rig.say(TARGET, m.open_confirmation(0, 0, 0, 32_768, b""))
        rig.say(CLIENT, m.request(0, "pty-req", m.string(b"xterm") + bytes(16) + m.string(b"\0")))
        rig.say(CLIENT, m.exec_request(0, "reboot", wants_reply=True))
        assert m.window_adjust(0, 1024) in rig.heard(CLIENT)
        rig.heard(TARGET)
        rig.say(CLIENT, m.data(0, key))
        assert bool(rig.session.withdrawn) is not approved
        if approved:
            rig.session.outcome.callback(Outcome("approved", ("grace",), ""))
            assert rig.heard(TARGET) == [m.exec_request(0, "reboot", wants_reply=True)]
            rig.heard(CLIENT)
            rig.say(TARGET, m.window_adjust(0, 5000))
            assert rig.heard(TARGET) == [m.data(0, key)]
            assert rig.heard(CLIENT) == [m.window_adjust(0, 5000 - 1024)]


def test_a_channel_that_is_held_is_opened_once_it_is_approved() -> None:
    rig = Rig(lambda frame: HOLD if isinstance(frame, Opened) and not frame.released else ALLOW)
    opening = m.open_message("session", 0, WINDOW, 32_768, b"")
    rig.say(CLIENT, opening)
    assert rig.heard(TARGET) == rig.heard(CLIENT) == []
    assert b"held for approval" in rig.ends[CLIENT].debug[0]
    assert rig.session.requests[0].statement == "session"
    rig.session.outcome.callback(Outcome("approved", ("grace",), ""))
    assert rig.heard(TARGET) == [opening]


def test_the_sessions_end_withdraws_what_is_held() -> None:
    rig = Rig(held)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "reboot", wants_reply=True))
    rig.session.end("the gateway's token was revoked", rule="token")
    assert rig.session.withdrawn == ["the gateway's token was revoked"]
    assert rig.ends[CLIENT].words == b"hoopgate: the gateway's token was revoked [token]"
    assert rig.left
    assert rig.guard.reason == "the gateway's token was revoked"
    assert rig.ends[TARGET].finished


def test_a_flood_behind_a_hold_is_bounded() -> None:
    rig = Rig(held, ssh_requests=10)
    rig.open()
    rig.say(CLIENT, m.exec_request(0, "reboot", wants_reply=True))
    for _ in range(20):
        rig.say(CLIENT, m.request(0, "window-change", bytes(16)))
    assert rig.session.ended is not None
    assert rig.session.ended[2] == "limits.ssh_requests"


# --- the recording


def test_nothing_is_sent_that_is_not_recorded_before() -> None:
    rig = Rig()
    rig.open(3, 9)
    rig.session.recording.runs.clear()
    rig.say(CLIENT, m.data(9, b"in"))
    rig.say(TARGET, m.data(3, b"out"))
    assert rig.session.recording.messages(CLIENT) == [m.data(3, b"in")]
    assert rig.session.recording.messages(TARGET) == [m.data(3, b"out")]
    rig.heard(CLIENT), rig.heard(TARGET)
    rig.session.recording.broken = True
    rig.say(TARGET, m.data(3, b"unseen"))
    assert m.data(3, b"unseen") not in rig.heard(CLIENT)
    assert rig.session.ended is not None
    assert rig.session.ended[2] == "recorder"


def test_what_is_typed_is_not_recorded_where_nobody_wants_it() -> None:
    rig = Rig()
    rig.relay._keeps_input = False
    rig.open()
    rig.session.recording.runs.clear()
    rig.say(CLIENT, m.data(0, b"password"), m.request(0, "env", m.string(b"A") + m.string(b"b")))
    assert rig.heard(TARGET)[0] == m.data(0, b"password")
    assert [message[0] for message in rig.session.recording.messages(CLIENT)] == [m.REQUEST]


# --- the connection


def test_host_keys_of_the_target_are_none_of_the_clients_business() -> None:
    rig = Rig()
    rig.say(TARGET, m.global_request("hostkeys-00@openssh.com", m.string(b"key")))
    assert rig.heard(CLIENT) == rig.heard(TARGET) == []
    rig.say(CLIENT, m.global_request("hostkeys-prove-00@openssh.com", m.string(b"key"), wants_reply=True))
    assert rig.heard(CLIENT) == [bytes((m.REQUEST_FAILURE,))]
    assert rig.heard(TARGET) == []


@pytest.mark.parametrize("side", [CLIENT, TARGET])
def test_a_peer_that_breaks_the_protocol_ends_its_session(side: int) -> None:
    rig = Rig()
    rig.open()
    rig.say(side, m.data(77, b"x"))
    assert rig.session.ended is not None
    reason, sqlstate, rule = rig.session.ended
    assert reason.startswith(("the client", "the target")[side] + " broke the protocol")
    assert (sqlstate, rule) == ("08P01", "protocol")
    assert b"broke the protocol" in rig.ends[CLIENT].words


def test_each_peer_is_paused_while_the_other_is_slow() -> None:
    rig = Rig()
    client, target = rig.ends
    seen = []
    for step in (client.producer.pauseProducing, client.producer.resumeProducing, target.producer.pauseProducing):
        step()
        seen.append((client.paused, target.paused))
    assert seen == [(False, True), (False, False), (True, False)]


def test_what_a_session_of_ssh_answers_to_questions_of_sql() -> None:
    rig = Rig()
    relay = rig.relay
    assert (relay.transaction, relay.client_encoding, relay.tentative, relay.prepared("x")) == (
        "I",
        "utf-8",
        False,
        None,
    )
    seen = [(relay.at_rest, relay.running)]
    rig.open()
    seen.append((relay.at_rest, relay.running))
    rig.say(CLIENT, m.exec_request(0, "make", wants_reply=False))
    seen.append((relay.at_rest, relay.running))
    assert seen == [(True, False), (False, False), (False, True)]
    failures: list[Any] = []
    relay.ask("SELECT 1").addErrback(failures.append)
    assert "cannot be asked" in failures[0].getErrorMessage()


# --- the policy changes


class Reviewing(Guard):
    """Says of what is open what it is told to."""

    answer: Any = None

    def review(self, channels: Any) -> Any:
        self.channels = [channel.number for channel in channels]
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


classImplements(Reviewing, IReviewingGuard)


@pytest.mark.parametrize("answer", [None, NO, ValueError("a fault")])
def test_guards_say_whether_what_is_open_may_go_on(answer: Any) -> None:
    rig = Rig()
    guard = Reviewing(lambda frame: ALLOW)
    guard.answer = answer
    rig.relay.chain = Chain((Guard(lambda frame: ALLOW), guard))
    rig.open(client=3)
    rig.relay.policy_changed()
    assert guard.channels == [3]
    if answer is None:
        assert rig.session.ended is None
    else:
        assert rig.session.ended is not None
        assert rig.session.ended[2] == ("no-that" if answer is NO else "internal")


def test_a_client_that_only_says_that_it_is_there_is_idle() -> None:
    """OpenSSH's ServerAliveInterval, and its answers to the target's ClientAliveInterval."""
    rig = Rig()
    rig.open()
    rig.say(TARGET, m.global_request("keepalive@openssh.com", b"", wants_reply=True))
    rig.session.active = False
    rig.say(CLIENT, bytes((m.REQUEST_FAILURE,)), m.global_request("keepalive@openssh.com", b"", wants_reply=True))
    rig.say(CLIENT, m.request(0, "keepalive@openssh.com", b"", wants_reply=True))
    assert not rig.session.active
    for message in (m.request(0, "shell", b"", wants_reply=True), m.data(0, b"x"), m.window_adjust(0, 5)):
        rig.session.active = False
        rig.say(CLIENT, message)
        assert rig.session.active
