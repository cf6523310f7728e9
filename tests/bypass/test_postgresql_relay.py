"""A relay between two transports: whatever fails, and wherever, nothing passes behind it and nothing stays open."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.startup import Ready
from hoopgate.config.model import Limits
from hoopgate.errors import RecordingError
from hoopgate.frames import Columns, Frame, Statement
from hoopgate.guards.record import RecordGuard
from hoopgate.protocols.postgresql.relay import Relay
from hoopgate.protocols.postgresql.target import TargetConnection
from hoopgate.session import Session
from hoopgate.verdicts import ALLOW, Block, Rewrite, Verdict
from tests.codecs.postgresql.test_conversation import COLUMNS, ERROR, READY, ROW
from tests.test_lane import Reactor

DONE = m.command_complete("SELECT 1") + READY


@define
class Recording:
    """Fails at call number ``fails`` and ever after."""

    fails: int = -1
    calls: int = 0
    closed: list[str] = field(factory=list)

    def data(self, direction: int, data: bytes) -> None:
        self._count()

    def event(self, kind: str, fields: dict[str, Any]) -> None:
        self._count()

    def later(self, payload: bytes) -> None:
        self._count()

    def close(self, reason: str) -> None:
        self.closed.append(reason)
        if 0 <= self.fails < self.calls:
            raise RecordingError("no end either")

    def _count(self) -> None:
        self.calls += 1
        if 0 <= self.fails < self.calls:
            raise RecordingError("the disk is full")


class Guard:
    """Refuses what says so; judges columns when told to."""

    wants = frozenset({Statement, Columns})

    def __init__(self) -> None:
        self.late: Deferred[Verdict] | None = None
        self.ended: list[str] = []

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        if isinstance(frame, Columns) and self.late is not None:
            return self.late
        refused = isinstance(frame, Statement) and "refuse" in frame.text
        return Block("no", rule="r") if refused else ALLOW

    def closed(self, reason: str) -> None:
        self.ended.append(reason)
        raise ValueError("a guard that fails at the end")


def broken(session: Session) -> None:
    raise RuntimeError("no cancel request can be sent")


class Transport(StringTransport):
    def value(self) -> bytes:
        got: bytes = super().value()  # type: ignore[no-untyped-call]
        return got

    def clear(self) -> None:
        super().clear()  # type: ignore[no-untyped-call]

    def abortConnection(self) -> None:
        self.loseConnection()  # type: ignore[no-untyped-call]


class Rig:
    def __init__(
        self, *, fails: int = -1, watching: bool = False, guards: tuple[Any, ...] = (), clock: Any = None
    ) -> None:
        self.clock: Any = clock or Clock()
        self.over: list[Session] = []
        config = SimpleNamespace(limits=Limits(), version="1", target=lambda name: None)
        moved = SimpleNamespace(bytes=SimpleNamespace(moved=[0, 0]))
        gateway: Any = SimpleNamespace(
            clock=self.clock, config=config, metrics=moved, observe=lambda *a: None, ended=self.over.append,
            cancel_running=broken,
        )  # fmt: skip
        target: Any = SimpleNamespace(name="t", database="d")
        self.session = Session(gateway, listener=None, identity=None, target=target, role="r", client="c")  # type: ignore[arg-type]
        self.recording = Recording(fails)
        self.session.recording = self.recording  # type: ignore[assignment]
        self.client, self.server = Transport(), Transport()  # type: ignore[no-untyped-call]
        self.target = TargetConnection({"user": "u"}, tls=None, credential=None, derive=fail)
        self.target.makeConnection(self.server)  # type: ignore[no-untyped-call]
        self.server.clear()
        self.target.login = Ready({"client_encoding": "UTF8"}, 1, b"1234", b"I")
        self.guard = Guard()
        chain = Chain([*(guards or [self.guard]), RecordGuard(self.session)])
        self.relay = Relay(
            self.session, self.client, self.target, chain, chain, watching=watching, hint="",
            leave=self.client.loseConnection,
        )  # fmt: skip
        self.relay.start(b"")

    def came(self) -> tuple[bytes, bytes]:
        """What the target and the client got."""
        got = self.server.value(), self.client.value()
        self.server.clear()
        self.client.clear()
        return got


@pytest.mark.parametrize("fails", range(9))
def test_a_recorder_that_fails_ends_the_session_wherever_it_does(fails: int) -> None:
    rig = Rig(fails=fails)
    steps: list[Callable[[], object]] = [
        lambda: rig.relay.client_received(m.query("select 1")),
        lambda: rig.target.dataReceived(COLUMNS + ROW),
        lambda: rig.target.dataReceived(DONE),
        lambda: rig.relay.client_received(m.query("refuse") + m.query("select 2")),
        lambda: rig.target.dataReceived(ERROR + READY),
        lambda: rig.target.dataReceived(COLUMNS + ROW + DONE),
    ]
    for step in steps:
        before = rig.recording.calls
        step()
        to_target, to_client = rig.came()
        if rig.over:
            assert b"select" not in to_target
            assert b"secret" not in to_client
            assert to_target == m.terminate()
            break
        assert rig.recording.calls > before
    assert rig.over == [rig.session]
    assert rig.client.disconnecting
    assert rig.server.disconnecting
    assert len(rig.recording.closed) == 1
    assert len(rig.guard.ended) == 1
    for step in steps:
        step()
    assert rig.came() == (b"", b"")
    rig.session.end("again")
    rig.target.connectionLost()
    assert not rig.clock.getDelayedCalls()


def test_what_waited_goes_on_when_a_late_verdict_lets_the_answers_move() -> None:
    """The answers may have been here for long, and the target says nothing more."""
    rig = Rig(watching=True)
    rig.guard.late = Deferred()
    rig.relay.client_received(m.query("select 1") + m.query("select 'é'"))
    rig.target.dataReceived(COLUMNS + ROW + DONE)
    assert rig.came() == (m.query("select 1"), b"")
    rig.guard.late.callback(ALLOW)
    to_target, to_client = rig.came()
    assert to_target == m.query("select 'é'")
    assert to_client == COLUMNS + ROW + DONE
    assert rig.session.transaction == "I"


def test_nothing_is_said_in_the_middle_of_a_message() -> None:
    rig = Rig()
    rig.relay.client_received(m.query("select 1"))
    rig.target.dataReceived(COLUMNS + ROW[:-3])
    rig.session.end("enough")
    assert rig.came()[1] == COLUMNS + ROW[:-3]
    assert rig.client.disconnecting


def test_what_is_pipelined_behind_a_goodbye_never_runs() -> None:
    rig = Rig()
    rig.relay.client_received(m.query("select 1") + m.terminate() + m.query("select 2"))
    rig.clock.advance(0)
    assert rig.came()[0] == m.query("select 1") + m.terminate()
    for _ in range(10):
        rig.relay.client_received(m.query("select 3"))
    assert rig.relay.requests.wire.buffered < 100
    rig.target.dataReceived(COLUMNS + ROW + DONE)
    assert rig.came() == (b"", COLUMNS + ROW + DONE)
    rig.target.connectionLost()
    assert rig.over == [rig.session]


def test_a_client_that_does_not_read_pauses_the_target_and_one_that_floods_is_paused() -> None:
    rig = Rig()
    for _ in range(400):
        rig.relay.client_received(m.sync() * 1000)
        if rig.client.producerState == "paused":
            break
    assert rig.client.producerState == "paused"
    assert len(rig.relay.conversation.replies) <= 1024


def test_the_rest_of_a_message_that_is_followed_by_garbage_is_no_place_for_last_words() -> None:
    """What would complete the message is not delivered any more, so nothing may be said behind its beginning."""
    rig = Rig()
    rig.relay.client_received(m.query("select 1"))
    rig.target.dataReceived(COLUMNS + ROW[:-3])
    rig.target.dataReceived(ROW[-3:] + b"!garbage")
    assert rig.came()[1] == COLUMNS + ROW[:-3]
    assert rig.over == [rig.session]


def test_a_flood_of_small_messages_leaves_others_their_turn() -> None:
    rig = Rig(clock=Reactor())
    flood = m.flush() * 20_000
    rig.relay.client_received(flood)
    turns = [len(rig.came()[0])]
    while rig.clock.calls:
        rig.clock.turn()
        turns.append(len(rig.came()[0]))
    assert sum(turns) == len(flood)
    assert max(turns) == Limits().turn * len(m.flush())


def test_a_session_that_ends_amid_a_flood_does_nothing_more() -> None:
    rig = Rig()
    rig.relay.client_received(m.flush() * 20_000)
    assert rig.clock.calls
    rig.session.end("enough")
    rig.came()
    rig.clock.advance(0)
    assert rig.came() == (b"", b"")


def test_what_the_client_sends_keeps_the_session_from_being_idle() -> None:
    rig = Rig()
    assert not rig.session.active
    rig.relay.client_received(m.sync())
    assert rig.session.active


class Renames:
    """A guard that rewrites what a result's columns are called."""

    wants = frozenset({Columns})

    def inspect(self, frame: Frame) -> Verdict:
        assert isinstance(frame, Columns)
        return Rewrite(Columns(frame.raw.replace(b"email", b"liame"), frame.columns, frame.statement))

    def closed(self, reason: str) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize("described", [True, False])
def test_rows_follow_columns_that_were_rewritten(described: bool) -> None:
    rig = Rig(watching=True, guards=(Renames(),))
    if described:
        rig.relay.client_received(m.query("select 1"))
        rig.target.dataReceived(COLUMNS + ROW + DONE)
        assert rig.came()[1] == COLUMNS.replace(b"email", b"liame") + ROW + DONE
    else:
        rig.relay.client_received(m.parse_message("", "select 1") + m.bind("", "") + m.execute() + m.sync())
        rig.target.dataReceived(m.parse_complete() + m.bind_complete() + COLUMNS + ROW + DONE)
        assert rig.came()[1] == m.parse_complete() + m.bind_complete() + ROW + DONE
    assert rig.over == []
