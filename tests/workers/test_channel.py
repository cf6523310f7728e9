"""Messages and questions between two processes, here between two ends in one."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from hoopgate.errors import ConfigError
from hoopgate.workers.channel import Channel, ChannelError, Message, attach


@define
class End:
    """What one side heard, and what it answers."""

    heard: list[tuple[str, Message]] = field(factory=list)
    lost: Deferred[None] = field(factory=Deferred)
    answer: Any = None
    channel: Channel = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.channel = Channel(reactor, self.received, lambda: self.lost.callback(None))

    def received(self, kind: str, message: Message) -> Any:
        self.heard.append((kind, message))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def ends() -> Any:
    first, second = socket.socketpair()
    one, other = End(), End()
    attach(reactor, first, one.channel)
    attach(reactor, second, other.channel)
    yield one, other
    for each in (one, other):
        each.channel.transport.loseConnection()  # type: ignore[union-attr]


@pytest_twisted.ensureDeferred
async def test_what_is_told_arrives_in_order(ends: tuple[End, End]) -> None:
    one, other = ends
    one.channel.tell("first", text="ä\n" * 100_000)
    one.channel.tell("second")
    await one.channel.ask("third", 5)
    assert [kind for kind, _ in other.heard] == ["first", "second", "third"]
    assert other.heard[0][1]["text"] == "ä\n" * 100_000


@pytest_twisted.ensureDeferred
async def test_questions_are_answered_each_by_its_own(ends: tuple[End, End]) -> None:
    one, other = ends
    later: Deferred[Message] = Deferred()
    other.answer = later
    first = one.channel.ask("slow", 5)
    await deferLater(reactor, 0.01)
    other.answer = {"value": 2}
    assert (await one.channel.ask("quick", 5))["value"] == 2
    later.callback({"value": 1})
    assert (await first)["value"] == 1


@pytest_twisted.ensureDeferred
async def test_a_refusal_comes_back_with_its_reason(ends: tuple[End, End]) -> None:
    one, other = ends
    other.answer = ConfigError("line 3 is wrong", where="x", remedy="Change it")
    with pytest.raises(ChannelError, match="line 3 is wrong"):
        await one.channel.ask("reload", 5)


@pytest_twisted.ensureDeferred
async def test_a_fault_comes_back_without_its_text(ends: tuple[End, End]) -> None:
    """Whatever it says may hold a secret; the log of the process where it arose has it."""
    one, other = ends
    other.answer = ValueError("hunter2")
    with pytest.raises(ChannelError, match="ValueError") as caught:
        await one.channel.ask("reload", 5)
    assert "hunter2" not in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_who_does_not_answer_in_time_did_not(ends: tuple[End, End]) -> None:
    one, other = ends
    late: Deferred[Message] = Deferred()
    other.answer = late
    with pytest.raises(ChannelError, match="does not answer"):
        await one.channel.ask("beat", 0.05)
    late.callback({})  # and nobody waits for it any more
    other.answer = {"value": 1}
    assert (await one.channel.ask("beat", 5))["value"] == 1


@pytest_twisted.ensureDeferred
async def test_questions_fail_when_the_other_side_goes(ends: tuple[End, End]) -> None:
    one, other = ends
    other.answer = Deferred()
    asked = one.channel.ask("beat", 5)
    await deferLater(reactor, 0.01)
    other.channel.transport.abortConnection()  # type: ignore[union-attr]
    with pytest.raises(ChannelError, match="gone"):
        await asked
    await one.lost
    with pytest.raises(ChannelError, match="gone"):
        await one.channel.ask("beat", 5)
    one.channel.tell("nobody hears")
