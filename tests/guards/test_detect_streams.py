"""Detectors and canaries over what runs in channels."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from hoopgate.config.model import Canary, Detector, Host, Limits, SecretRef, Target
from hoopgate.detectors.canaries import Canaries, literals
from hoopgate.detectors.planted import Planted
from hoopgate.errors import SecretError
from hoopgate.frames import Channel, ChannelEnd, ChannelOutput, Command, Frame, Request
from hoopgate.guards.detect import Detect
from hoopgate.guards.detect_streams import StreamGuard
from hoopgate.verdicts import ALLOW, Block, Rewrite

CARD = b"4111111111111111"
SECRET = b"planted-7f3a9c"
CARDS = Detector(name="cards", find=("card",))
PLANTED = Canary(name="tripwire", value=SecretRef("env", "TRIPWIRE"))


class Session:
    """What the guard knows of one."""

    def __init__(self, *, detectors: tuple[Detector, ...] = (CARDS,), canaries: tuple[Canary, ...] = ()) -> None:
        self.id = "s"
        self.target = Target(name="web", protocol="ssh", hosts=(Host("h", 22),))
        self.identity = SimpleNamespace(subject="ada")
        self.config = SimpleNamespace(version="1", limits=Limits())
        self.engine = SimpleNamespace(detectors=lambda identity, target: detectors, canaries=lambda target: canaries)
        metrics = SimpleNamespace(detected=SimpleNamespace(value=0), canaries=SimpleNamespace(value=0))
        self.gateway = SimpleNamespace(clock=Clock(), metrics=metrics)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.ended: list[str] = []

    def event(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))

    def end(self, reason: str, *, rule: str = "", sqlstate: str = "") -> None:
        self.ended.append(rule)


class Stage:
    """A guard, a channel, and what its client got."""

    def __init__(self, session: Session, fetch: Any = None) -> None:
        self.session = session
        made = Detect(fetch or (lambda reference: succeed(SECRET)), lambda call: succeed(call()), {}).open(session)
        assert isinstance(made, StreamGuard)
        self.guard = made
        self.channel = Channel(0, "session")
        self.channel.stream = self
        self.got = [b"", b""]

    def inject(self, channel: Channel, by: str, data: bytes, error: bool) -> None:
        assert by == "target"
        self.got[error] += data

    def ask(self, frame: Frame) -> Any:
        verdict = self.guard.inspect(frame)
        return verdict.result if isinstance(verdict, Deferred) else verdict

    def run(self, text: str, *, pty: bool = False) -> Any:
        self.channel.pty = pty
        return self.ask(Command(b"", self.channel, text))

    def output(self, data: bytes, *, error: bool = False) -> Any:
        verdict = self.ask(ChannelOutput(data, self.channel, data, error))
        if verdict is ALLOW:
            self.got[error] += data
        elif isinstance(verdict, Rewrite):
            assert isinstance(verdict.frame, ChannelOutput)
            self.got[error] += verdict.frame.data
        return verdict

    def close(self) -> None:
        self.ask(ChannelEnd(b"", self.channel, "target", False))


def test_nothing_is_looked_at_where_nothing_is_sought() -> None:
    stage = Stage(Session(detectors=()))
    assert stage.run("ls") is ALLOW
    assert not stage.channel.watch_output


@given(st.lists(st.integers(0, 60), max_size=5))
def test_a_value_is_hidden_however_it_was_cut(cuts: list[int]) -> None:
    stage = Stage(Session())
    stage.run("cat orders")
    whole = b"paid with " + CARD + b" on Monday\n"
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    for begin, end in itertools.pairwise(places):
        stage.output(whole[begin:end])
    stage.close()
    assert stage.got[0] == b"paid with **** on Monday\n"
    assert ("detected", {"channel": 0, "kinds": {"card": 1}}) in stage.session.events
    assert stage.session.gateway.metrics.detected.value == 1


def test_stderr_is_a_stream_of_its_own() -> None:
    stage = Stage(Session())
    stage.run("pay")
    stage.output(CARD[:8])
    stage.output(b"card " + CARD + b"\n", error=True)
    stage.output(b" and no more\n")
    stage.close()
    assert stage.got == [CARD[:8] + b" and no more\n", b"card ****\n"]


def test_a_terminal_waits_no_longer_than_the_limit_says() -> None:
    stage = Stage(Session())
    stage.run("bash", pty=True)
    stage.output(b"order 4111")
    assert b"4111" not in stage.got[0]
    stage.session.gateway.clock.advance(stage.session.config.limits.stream_delay)
    assert stage.got[0] == b"order 4111"
    assert not stage.session.gateway.clock.getDelayedCalls()


def test_what_is_no_terminal_waits_for_the_end() -> None:
    stage = Stage(Session())
    stage.run("cat")
    stage.output(b"4111")
    assert not stage.session.gateway.clock.getDelayedCalls()
    stage.close()
    assert stage.got[0] == b"4111"


@pytest.mark.parametrize("command", ["scp -f orders", "/usr/bin/rsync --server --sender . orders", "git-upload-pack r"])
def test_a_transfer_with_a_value_ends(command: str) -> None:
    stage = Stage(Session())
    stage.run(command)
    assert stage.output(b"C0644 40 orders\n" + CARD[:9]) is ALLOW
    verdict = stage.output(CARD[9:] + b"\n")
    assert isinstance(verdict, Block)
    assert verdict.rule == "detectors"


@pytest.mark.parametrize(
    "command",
    ["scp -f orders; cat orders", "scp; cat orders", "rsync --version && cat orders", "/tmp/git-upload-pack r"],
)
def test_what_only_begins_as_a_transfer_shows_no_beginning_of_a_value(command: str) -> None:
    stage = Stage(Session())
    stage.run(command)
    for at in range(len(CARD)):
        stage.output(CARD[at : at + 1])
    stage.close()
    assert stage.got[0] == b"****"


def test_sftp_with_a_value_ends() -> None:
    stage = Stage(Session())
    stage.ask(Request(b"", stage.channel, "subsystem", {"name": "sftp"}))
    assert isinstance(stage.output(b"\0\0\0\x20 " + CARD + b" "), Block)


@given(st.sampled_from([*literals(SECRET), SECRET.hex().encode(), SECRET.hex().upper().encode()]), st.data())
def test_a_canary_never_goes_out_whole(spelling: bytes, data: st.DataObject) -> None:
    stage = Stage(Session(detectors=(), canaries=(PLANTED,)))
    stage.run("cat vault")
    whole = b"here: " + spelling + b"."
    cut = data.draw(st.integers(0, len(whole)))
    stage.output(whole[:cut])
    if not stage.session.ended:
        assert stage.got[0] == whole[: min(cut, 6)]  # no piece of it either, while it may be one
        stage.output(whole[cut:])
    assert stage.session.ended == ["canary.tripwire"]
    assert spelling not in stage.got[0]
    assert stage.session.gateway.metrics.canaries.value == 1


def test_a_canary_that_a_terminal_showed_in_halves_ends_the_session() -> None:
    stage = Stage(Session(detectors=(), canaries=(PLANTED,)))
    stage.run("bash", pty=True)
    stage.output(SECRET[:7])
    stage.session.gateway.clock.advance(1)
    assert stage.got[0] == SECRET[:7]
    stage.output(SECRET[7:])
    assert stage.session.ended == ["canary.tripwire"]
    assert stage.got[0] == SECRET[:7]


@pytest.mark.parametrize("answer", [lambda reference: succeed(b"short"), lambda reference: fail(SecretError("gone"))])
def test_a_canary_that_cannot_be_sought_lets_nothing_run(answer: Any) -> None:
    stage = Stage(Session(canaries=(PLANTED,)), answer)
    verdict = stage.run("ls")
    assert isinstance(verdict, Block)
    assert verdict.rule == "canary.tripwire"


def test_a_plug_in_cannot_look_at_streams() -> None:
    slow = Detector(name="people", plugin="presidio")
    verdict = Stage(Session(detectors=(slow,))).run("ls")
    assert isinstance(verdict, Block)
    assert verdict.rule == "detector.people"


def test_a_detector_that_fails_late_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(Session())
    stage.run("bash", pty=True)
    stage.output(b"order 4111")

    def fails(self: object) -> bytes:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("hoopgate.detectors.stream.Stream.flush", fails)
    stage.session.gateway.clock.advance(1)
    assert stage.session.ended == ["guard.StreamGuard"]
    assert b"4111" not in stage.got[0]


def test_no_timer_outlives_the_session() -> None:
    stage = Stage(Session())
    stage.run("bash", pty=True)
    stage.output(b"4111")
    stage.guard.closed("gone")
    assert not stage.session.gateway.clock.getDelayedCalls()


@given(st.lists(st.binary(max_size=20), max_size=8), st.booleans())
def test_what_holds_no_canary_passes_unchanged(pieces: list[bytes], holding: bool) -> None:
    planted = Planted(Canaries({"c": SECRET}), holding=holding)
    out = b"".join([planted.feed(piece) for piece in pieces]) + planted.flush()
    assert out == b"".join(pieces)


@pytest.mark.parametrize("begins", [(), (CARDS,)])
def test_a_reload_that_brings_a_detector_ends_what_nobody_looks_at(begins: tuple[Detector, ...]) -> None:
    found = Detector(name="mails", find=("email",))
    stage = Stage(Session(detectors=begins))
    stage.run("bash", pty=True)
    assert stage.guard.review([stage.channel]) is None
    stage.session.engine.detectors = lambda identity, target: (*begins, found)
    block = stage.guard.review([stage.channel])
    assert isinstance(block, Block)
    assert block.rule == "detectors"
    assert stage.guard.review([]) is None
    assert stage.guard.review([Channel(1, "direct-tcpip")]) is None


def test_a_reload_that_brings_a_canary_ends_what_nobody_looks_at() -> None:
    stage = Stage(Session())
    stage.run("bash", pty=True)
    stage.session.engine.canaries = lambda target: (PLANTED,)
    assert isinstance(stage.guard.review([stage.channel]), Block)


def test_a_reload_that_brings_nothing_new_ends_nothing() -> None:
    stage = Stage(Session(canaries=(PLANTED,)))
    stage.run("bash", pty=True)
    stage.session.engine.detectors = lambda identity, target: ()
    assert stage.guard.review([stage.channel]) is None
