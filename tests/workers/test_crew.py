"""The supervisor over workers that are ends of sockets in this very process, so that each can be as bad as wanted."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher

from hoopgate.workers import crew as crews
from hoopgate.workers.channel import Channel, ChannelError, Message, attach
from hoopgate.workers.crew import Crew, CrewError, Orders, wait_before

ORDERS = Orders({"local": 15432})


@define
class FakeWorker:
    """Answers as told; ``silent`` kinds are never answered."""

    number: int
    line: FakeLine
    silent: set[str] = field(factory=set)
    heard: list[tuple[str, Message]] = field(factory=list)
    channel: Channel = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.channel = Channel(reactor, self.received, lambda: None)

    def received(self, kind: str, message: Message) -> Any:
        self.heard.append((kind, message))
        if kind in self.silent:
            return Deferred()
        if kind == "stop":
            self.die()
        if kind == "start" and self.line.broken:
            raise ChannelError("the guard cannot load")
        return {
            "start": {"pid": 1000 + self.number, "version": "v1", "core": "compiled"},
            "reload": {"version": self.line.version},
            "measure": {"sessions": 3, "families": [["hits", "Hits", "counter", "", [["hits_total", {}, 1.0]]]]},
        }.get(kind)

    def die(self) -> None:
        self.channel.transport.abortConnection()  # type: ignore[union-attr]


@define
class FakeLine:
    """A nursery whose workers are FakeWorkers."""

    workers: list[FakeWorker] = field(factory=list)
    broken: bool = False
    dead: bool = False
    unforkable: int = 0
    mute: bool = False
    silent: set[str] = field(factory=set)
    version: str = "v2"
    lost: bool = False
    told: Any = None

    def fork(self, number: int) -> socket.socket:
        if self.dead:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        ours, theirs = socket.socketpair()
        if self.unforkable:
            self.told({"number": number, "errno": self.unforkable})
            theirs.close()
            return ours
        worker = FakeWorker(number, self, set(self.silent))
        self.workers.append(worker)
        attach(reactor, theirs, worker.channel)
        if not self.mute:
            self.told({"number": number, "pid": 1000 + number})
        return ours

    def close(self) -> Deferred[None]:
        return succeed(None)


@pytest.fixture
def line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch, line: FakeLine) -> list[int]:
    """Process ids that were killed; the worker of that number dies of it."""
    numbers: list[int] = []

    def kill(pid: int, number: int) -> None:
        assert number == signal.SIGKILL
        numbers.append(pid)
        for worker in line.workers:
            if 1000 + worker.number == pid:
                worker.die()

    monkeypatch.setattr(os, "kill", kill)
    return numbers


@pytest.fixture
def crew(line: FakeLine, killed: list[int]) -> Iterator[Crew]:
    made = Crew(reactor, line, 3, lambda text: None)  # type: ignore[arg-type]
    yield made
    pytest_twisted.blockon(made.stop(0))
    for call in reactor.getDelayedCalls():  # type: ignore[attr-defined]
        if call.func in (made._hire, made._kill_all):
            call.cancel()


async def until(true: Any, seconds: float = 5.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError("it did not happen")


@pytest_twisted.ensureDeferred
async def test_all_are_told_what_to_do_and_then_it_is_up(crew: Crew, line: FakeLine) -> None:
    await crew.start(ORDERS)
    assert [worker.number for worker in line.workers] == [1, 2]
    kind, message = line.workers[0].heard[0]
    assert (kind, message["ports"], message["text"], message["of"]) == ("start", {"local": 15432}, None, 3)
    assert [(each.state, each.pid, each.config_version, each.core) for each in crew.report()] == [
        ("serving", 1001, "v1", "compiled"),
        ("serving", 1002, "v1", "compiled"),
    ]
    assert crew.finding() == ""


@pytest_twisted.ensureDeferred
async def test_one_that_cannot_start_stops_the_start(crew: Crew, line: FakeLine) -> None:
    line.broken = True
    with pytest.raises(CrewError, match=r"worker [12] did not come up: the guard cannot load"):
        await crew.start(ORDERS)


@pytest_twisted.ensureDeferred
async def test_a_dead_one_is_replaced_once_its_sessions_are_ended(crew: Crew, line: FakeLine) -> None:
    ended: Deferred[None] = Deferred()
    died: list[int] = []
    crew.died = lambda number: died.append(number) or ended  # type: ignore[func-returns-value]
    await crew.start(ORDERS)
    line.workers[0].die()
    await until(lambda: died == [1])
    assert len(line.workers) == 2
    assert "worker 1 is dead" in crew.finding()
    ended.callback(None)
    await until(lambda: crew.finding() == "")
    assert [worker.number for worker in line.workers] == [1, 2, 1]
    assert crew.slots[1].deaths == 1


@pytest_twisted.ensureDeferred
async def test_one_whose_number_nobody_said_does_not_stay_starting(
    crew: Crew, line: FakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hoopgate.workers.crew.START", 0.1)
    await crew.start(ORDERS)
    line.mute, line.silent = True, {"start"}
    line.workers[0].die()
    await until(lambda: len(line.workers) == 3)
    line.mute, line.silent = False, set()
    await until(lambda: crew.finding() == "")
    assert len(line.workers) == 4


@pytest_twisted.ensureDeferred
async def test_one_that_cannot_be_forked_just_now_is_tried_again_and_says_why(crew: Crew, line: FakeLine) -> None:
    await crew.start(ORDERS)
    line.unforkable = errno.EAGAIN
    line.workers[0].die()
    await until(lambda: "no process can be forked: Resource temporarily unavailable" in crew.finding())
    line.unforkable = 0
    await until(lambda: crew.finding() == "")


def test_the_first_death_is_forgiven_and_the_next_ones_wait_longer() -> None:
    assert [wait_before(deaths) for deaths in range(1, 10)] == [0, 1, 2, 4, 8, 16, 30, 30, 30]


@pytest_twisted.ensureDeferred
async def test_one_that_does_not_answer_is_ended(
    crew: Crew, line: FakeLine, killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "SILENT", 3)
    monkeypatch.setattr(crews, "BEAT", 0.02)
    await crew.start(ORDERS)
    line.workers[1].silent = {"measure"}
    await until(lambda: killed == [1002])
    await until(lambda: crew.finding() == "")
    assert crew.slots[1].deaths == 0


@pytest_twisted.ensureDeferred
async def test_one_that_is_dead_already_when_it_is_to_be_ended(
    crew: Crew, line: FakeLine, killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "SILENT", 3)
    monkeypatch.setattr(crews, "BEAT", 0.02)
    await crew.start(ORDERS)
    ended = os.kill

    def gone(pid: int, number: int) -> None:
        ended(pid, number)
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(os, "kill", gone)
    faults: list[object] = []
    publisher = globalLogPublisher
    publisher.addObserver(heard := lambda event: event.get("log_failure") and faults.append(event["log_failure"]))
    try:
        line.workers[1].silent = {"measure"}
        await until(lambda: killed == [1002])
        await until(lambda: crew.finding() == "")
    finally:
        publisher.removeObserver(heard)
    assert faults == []


@pytest_twisted.ensureDeferred
async def test_who_follows_to_another_policy_stays_and_who_does_not_goes(
    crew: Crew, line: FakeLine, killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "FOLLOW", 0.1)
    await crew.start(ORDERS)
    line.workers[1].silent = {"reload"}
    await crew.reload("the text", "v2")
    assert killed == [1002]
    assert crew.slots[1].version == "v2"
    await until(lambda: len(line.workers) == 3 and line.workers[2].heard)
    assert line.workers[2].heard[0][1]["text"] == "the text"  # its replacement has the policy in force
    line.version = "v3"  # it says that it took another
    await crew.reload("the text", "v2")
    assert 1001 in killed


@pytest_twisted.ensureDeferred
async def test_a_cancel_request_goes_to_the_one_that_it_names(crew: Crew, line: FakeLine) -> None:
    own: list[tuple[int, bytes]] = []
    crew.cancel = lambda pid, key: own.append((pid, key))
    await crew.start(ORDERS)
    first, second = line.workers
    first.channel.tell("cancel", number=2, pid=2 << 24, key="00ff")
    first.channel.tell("cancel", number=0, pid=7, key="0102")
    first.channel.tell("cancel", number=99, pid=99 << 24, key="00")
    await until(lambda: ("cancel", {"kind": "cancel", "pid": 2 << 24, "key": "00ff"}) in second.heard)
    await until(lambda: own == [(7, b"\x01\x02")])


@pytest_twisted.ensureDeferred
async def test_definitions_of_one_are_told_to_all_others(crew: Crew, line: FakeLine) -> None:
    own: list[tuple[str, str]] = []
    crew.defined = lambda target, database: own.append((target, database))
    await crew.start(ORDERS)
    first, second = line.workers
    first.channel.tell("defined", target="shop", database="app")
    told = ("defined", {"kind": "defined", "target": "shop", "database": "app"})
    await until(lambda: told in second.heard)
    assert own == [("shop", "app")]
    assert told not in first.heard
    crew.tell_defined("shop", "app")  # by this process's own sessions
    await until(lambda: told in first.heard)


@pytest_twisted.ensureDeferred
async def test_a_scrape_waits_no_longer_than_it_must(
    crew: Crew, line: FakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "ANSWER", 0.1)
    await crew.start(ORDERS)
    line.workers[1].silent = {"measure"}
    await crew.measure()
    assert len(crew.tally.sources()) == 2  # the dead, and the one that answered
    assert crew.slots[1].sessions == 3


@pytest_twisted.ensureDeferred
async def test_their_logs_are_written_here(line: FakeLine, killed: list[int]) -> None:
    written: list[str] = []
    crew = Crew(reactor, line, 2, written.append)  # type: ignore[arg-type]
    await crew.start(ORDERS)
    line.workers[0].channel.tell("log", line='{"message": "x"}\n')
    line.workers[0].channel.tell("lost", lines=3)
    await until(lambda: written == ['{"message": "x"}\n'])
    await crew.stop(0)


@pytest_twisted.ensureDeferred
async def test_without_the_nursery_the_living_serve_on(crew: Crew, line: FakeLine) -> None:
    await crew.start(ORDERS)
    line.dead = line.lost = True
    line.told(None)
    assert crew.finding() == "no worker can be replaced"
    line.workers[0].die()
    await until(lambda: "no process can be forked" in crew.finding())
    assert crew.slots[2].state == "serving"


@pytest_twisted.ensureDeferred
async def test_a_stop_waits_for_the_last_and_kills_who_takes_too_long(
    line: FakeLine, killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "LATE", 0.1)
    crew = Crew(reactor, line, 3, lambda text: None)  # type: ignore[arg-type]
    await crew.start(ORDERS)
    line.workers[1].silent = {"stop"}
    await crew.stop(0.1)
    assert killed == [1002]
    assert all(slot.channel is None for slot in crew.slots.values())
    assert len(line.workers) == 2  # nobody is replaced any more
