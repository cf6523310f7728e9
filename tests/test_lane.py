"""The lane: order kept however late a verdict is, back-pressure while it waits, nothing after it is dead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgate.frames import Frame, Opaque
from hoopgate.lane import Lane
from hoopgate.pauser import Pauser
from hoopgate.verdicts import ALLOW, Verdict
from hoopgate.wire import Wire


class Letters(Wire):
    """A wire on which every byte is a frame."""

    def __init__(self) -> None:
        self.letters: deque[int] = deque()
        self.open = True

    @property
    def buffered(self) -> int:
        return len(self.letters)

    @property
    def boundary(self) -> bool:
        return self.open

    @property
    def waiting(self) -> bool:
        return False

    def receive(self, data: bytes) -> None:
        self.letters.extend(data)

    def next_frame(self) -> Frame | None:
        return Opaque(bytes([self.letters.popleft()])) if self.letters else None


class Reactor(Clock):
    """As the real one, it leaves what is called for while a turn runs to the next turn."""

    def turn(self) -> None:
        due, self.calls = self.calls, []
        for call in due:
            call.called = 1
            call.func(*call.args, **call.kw)

    @property
    def awaited(self) -> bool:
        return bool(self.calls)


@define
class Peer:
    paused: bool = False

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False


class Letter(Lane):
    """Says of each frame what ``judge`` does, and keeps what it delivers."""

    def __init__(self, rig: Rig, wire: Letters, pauser: Pauser, limit: int, turn: int) -> None:
        super().__init__(wire, pauser, limit=limit, clock=rig.clock, turn=turn)
        self.rig = rig

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        return self.rig.judge(frame)

    def apply(self, frame: Frame, verdict: Verdict) -> bytes:
        return frame.raw

    def deliver(self, data: bytes, witnessed: bytes) -> None:
        if self.rig.refuses:
            self.stop()
            return
        self.rig.delivered.append(data)
        self.rig.witnessed.append(witnessed)

    def failed(self, failure: Failure) -> None:
        self.rig.failures.append(failure)

    def moved(self) -> None:
        self.rig.turns += 1

    def redacted(self, frame: Frame, data: bytes) -> bytes:
        return b"*" if data == b"s" else data


class Rig:
    def __init__(self, judge: Callable[[Frame], Verdict | Deferred[Verdict]], limit: int = 10, turn: int = 100) -> None:
        self.judge = judge
        self.clock = Reactor()
        self.wire, self.peer = Letters(), Peer()
        self.delivered: list[bytes] = []
        self.witnessed: list[bytes] = []
        self.failures: list[Failure] = []
        self.turns = 0
        self.refuses = False
        self.lane = Letter(self, self.wire, Pauser(self.peer), limit, turn)

    @property
    def out(self) -> bytes:
        return b"".join(self.delivered)


@settings(max_examples=150)
@given(st.binary(min_size=1, max_size=40), st.lists(st.integers(0, 39), max_size=20), st.randoms())
def test_frames_leave_in_the_order_in_which_they_came(data: bytes, late: list[int], chance: object) -> None:
    waiting: list[Deferred[Verdict]] = []
    count = iter(range(1000))

    def inspect(frame: Frame) -> Verdict | Deferred[Verdict]:
        if next(count) in late:
            waiting.append(Deferred())
            return waiting[-1]
        return ALLOW

    rig = Rig(inspect)
    rig.lane.receive(data)
    while waiting:
        waiting.pop(0).callback(ALLOW)
    assert rig.out == data


def test_ready_bytes_are_delivered_at_once_and_together() -> None:
    rig = Rig(lambda frame: ALLOW)
    rig.lane.receive(b"abc")
    assert rig.delivered == [b"abc"]


def test_a_witness_sees_what_was_redacted_and_the_peer_what_was_sent() -> None:
    rig = Rig(lambda frame: ALLOW)
    rig.lane.receive(b"asb")
    assert rig.out == b"asb"
    assert b"".join(rig.witnessed) == b"a*b"


def test_what_was_not_passed_on_does_not_count_as_delivered() -> None:
    """A recording that fails stops the lane before the rest of a message: nothing of our own may follow its half."""
    rig = Rig(lambda frame: ALLOW)
    rig.wire.open = False
    rig.lane.receive(b"ab")
    assert not rig.lane.between
    rig.refuses = rig.wire.open = True
    rig.lane.receive(b"c")
    assert rig.out == b"ab"
    assert not rig.lane.between


def test_a_waiting_lane_reads_on_to_its_limit_and_then_pauses_its_peer() -> None:
    verdict: Deferred[Verdict] = Deferred()
    rig = Rig(lambda frame: verdict if frame.raw == b"?" else ALLOW, limit=5)
    rig.lane.receive(b"a?bcd")
    assert not rig.peer.paused
    rig.lane.receive(b"efghij")
    assert rig.peer.paused
    verdict.callback(ALLOW)
    assert rig.out == b"a?bcdefghij"
    assert not rig.peer.paused


def test_an_inspection_that_raises_kills_the_lane_and_nothing_more_is_delivered() -> None:
    def inspect(frame: Frame) -> Verdict:
        if frame.raw == b"x":
            raise RuntimeError("broken")
        return ALLOW

    rig = Rig(inspect)
    rig.lane.receive(b"ab")
    rig.lane.receive(b"x")
    rig.lane.receive(b"c")
    assert rig.out == b"ab"
    assert len(rig.failures) == 1


def test_a_verdict_that_fails_late_kills_the_lane() -> None:
    verdict: Deferred[Verdict] = Deferred()
    rig = Rig(lambda frame: verdict)
    rig.lane.receive(b"a")
    verdict.errback(RuntimeError("broken"))
    assert rig.out == b""
    assert len(rig.failures) == 1


def test_a_stopped_lane_ignores_the_verdict_that_was_out() -> None:
    verdict: Deferred[Verdict] = Deferred(lambda _: None)
    rig = Rig(lambda frame: verdict)
    rig.lane.receive(b"a")
    rig.lane.stop()
    assert rig.out == b""
    assert rig.failures == []


def test_what_is_injected_waits_for_a_boundary() -> None:
    rig = Rig(lambda frame: ALLOW)
    rig.wire.open = False
    rig.lane.inject(b"!")
    rig.lane.receive(b"a")
    assert rig.out == b"a"
    rig.wire.open = True
    rig.lane.receive(b"b")
    assert rig.out == b"a!b"


def test_what_is_injected_passes_while_a_verdict_is_out() -> None:
    rig = Rig(lambda frame: Deferred())
    rig.lane.receive(b"a")
    rig.lane.inject(b"!")
    assert rig.out == b"!"


def test_what_is_sent_goes_behind_what_was_judged() -> None:
    rig: Rig

    def inspect(frame: Frame) -> Verdict:
        if frame.raw == b"b":
            rig.lane.send(b"!")
        return ALLOW

    rig = Rig(inspect)
    rig.lane.receive(b"abc")
    assert rig.out == b"a!bc"


def test_a_turn_is_bounded_and_the_lane_goes_on_when_others_had_theirs() -> None:
    rig = Rig(lambda frame: ALLOW, turn=3)
    rig.lane.receive(b"abcdefgh")
    assert rig.delivered == [b"abc"]
    rig.lane.receive(b"i")
    assert rig.delivered == [b"abc"]  # no second turn for who sends more
    rig.clock.turn()
    assert rig.delivered == [b"abc", b"def"]
    rig.clock.turn()
    rig.clock.turn()
    assert rig.out == b"abcdefghi"
    assert not rig.clock.awaited


def test_a_lane_that_rests_pauses_a_peer_that_sends_on() -> None:
    rig = Rig(lambda frame: ALLOW, limit=5, turn=3)
    rig.lane.receive(b"abcdefghijkl")
    assert rig.peer.paused
    rig.clock.turn()
    rig.clock.turn()
    assert not rig.peer.paused
    while rig.clock.awaited:
        rig.clock.turn()
    assert rig.out == b"abcdefghijkl"


def test_a_verdict_that_is_waited_for_is_not_waited_for_by_the_clock_too() -> None:
    verdict: Deferred[Verdict] = Deferred()
    rig = Rig(lambda frame: verdict if frame.raw == b"c" else ALLOW, turn=3)
    rig.lane.receive(b"abcd")
    assert rig.out == b"ab"
    assert not rig.clock.awaited
    verdict.callback(ALLOW)
    assert rig.out == b"abcd"


def test_a_stopped_lane_has_no_further_turn() -> None:
    rig = Rig(lambda frame: ALLOW, turn=3)
    rig.lane.receive(b"abcdef")
    rig.lane.stop()
    assert not rig.clock.awaited
    assert rig.out == b"abc"


def test_what_is_injected_amid_a_turn_goes_out_in_it() -> None:
    rig: Rig

    def inspect(frame: Frame) -> Verdict:
        if frame.raw == b"b":
            rig.lane.inject(b"!")
        return ALLOW

    rig = Rig(inspect)
    rig.lane.receive(b"abc")
    assert rig.out == b"ab!c"
    assert rig.delivered == [b"ab!c"]


def test_a_redacted_frame_behind_others_is_redacted_alone() -> None:
    rig = Rig(lambda frame: ALLOW)
    rig.lane.receive(b"absab")
    rig.lane.receive(b"ab")
    assert rig.witnessed == [b"ab*ab", b"ab"]
