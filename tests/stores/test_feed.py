"""Another process's acts are seen once, in order, within two seconds, and a silent store is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from hoopgate.stores.feed import BLIND, ChangeFeed
from hoopgate.stores.housekeeping import BEAT, SILENT, Housekeeping
from hoopgate.stores.records import RESET, Change, StoreError
from tests.contracts.test_store import request, session
from tests.stores.parts import NOW, Node, clock_at, eventually, start_node


@pytest_twisted.async_yield_fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    started = await start_node(tmp_path, clock_at(NOW))
    yield started
    await started.stop()


@pytest_twisted.async_yield_fixture
async def other(tmp_path: Path, node: Node) -> AsyncIterator[Node]:
    started = await start_node(tmp_path, node.clock, "node-2")
    yield started
    await started.stop()


@pytest_twisted.ensureDeferred
async def test_what_another_process_did_is_told_within_a_second(node: Node, other: Node) -> None:
    seen: list[Change] = []
    node.feed.subscribe("session", seen.append)
    await other.store.open_session(session())
    await other.store.add_request(request(), per_identity=0, per_session=0)
    await other.store.end_session("s1", NOW, "enough", "bob")
    node.clock.advance(1)
    await node.feed.poll()
    node.clock.advance(1)
    await node.feed.poll()
    assert [(each.subject, each.action, each.reason) for each in seen] == [("s1", "end", "enough")]


@pytest_twisted.ensureDeferred
async def test_who_unsubscribed_hears_no_more_and_one_that_raises_harms_nobody(node: Node) -> None:
    seen: list[Change] = []

    def broken(change: Change) -> None:
        raise ValueError("a bug")

    gone = node.feed.subscribe("approval", lambda change: seen.append(change))
    gone()
    gone()
    node.feed.subscribe("approval", broken)
    node.feed.subscribe("approval", seen.append)
    await node.store.add_request(request(), per_identity=0, per_session=0)
    await node.feed.poll()
    assert len(seen) == 1


class FakeStore:
    """A store that answers when told, to see what no real one does on demand."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Deferred[tuple[Change, ...]]]] = []

    def latest(self) -> Deferred[int]:
        return succeed(7)

    def changes(self, since: int, limit: int) -> Deferred[tuple[Change, ...]]:
        answer: Deferred[tuple[Change, ...]] = Deferred()
        self.asked.append((since, answer))
        return answer


def started(store: FakeStore, clock: Clock) -> ChangeFeed:
    feed = ChangeFeed(store, clock)
    feed.start()
    return feed


def test_one_look_at_a_time_and_one_after_it() -> None:
    store, clock = FakeStore(), clock_at(NOW)
    feed = started(store, clock)
    seen: list[Change] = []
    feed.subscribe("token", seen.append)
    clock.pump([1, 1, 1])
    assert [since for since, _ in store.asked] == [7]
    store.asked[0][1].callback((Change(9, "token", "t", "revoked", NOW),))
    assert [since for since, _ in store.asked] == [7, 9]
    assert len(seen) == 1


def test_a_reset_goes_to_everybody() -> None:
    store, clock = FakeStore(), clock_at(NOW)
    feed = started(store, clock)
    kinds: list[str] = []
    feed.subscribe("token", lambda change: kinds.append("token"))
    feed.subscribe("grant", lambda change: kinds.append("grant"))
    clock.advance(1)
    store.asked[0][1].callback((Change(30, RESET, "", RESET, 0.0),))
    assert kinds == ["token", "grant"]


def test_a_store_that_fails_makes_the_feed_blind_and_is_asked_again() -> None:
    store, clock = FakeStore(), clock_at(NOW)
    feed = started(store, clock)
    clock.advance(1)
    store.asked.pop()[1].errback(StoreError("gone"))
    clock.advance(1)
    store.asked.pop()[1].errback(ValueError("another maker's fault"))
    clock.advance(1)
    assert not feed.blind
    clock.advance(BLIND)
    assert feed.blind
    store.asked.pop()[1].callback(())
    assert not feed.blind


async def beaten(node: Node) -> bool:
    """Whether nothing of the last beat is still under way."""
    await node.store.latest()
    return not node.store._under_way


def test_waking_from_a_long_sleep_is_not_blindness() -> None:
    store, clock = FakeStore(), clock_at(NOW)
    feed = started(store, clock)
    clock.advance(1)
    store.asked.pop()[1].callback(())
    clock.rightNow += 3600  # the machine was suspended
    assert not feed.blind
    feed.stop()
    assert feed.blind


@pytest_twisted.ensureDeferred
async def test_housekeeping_buries_the_dead_and_lives_itself(node: Node, other: Node) -> None:
    await other.store.heartbeat("node-2", NOW)
    await node.store.open_session(session("mine"))
    await node.store.open_session(session("theirs", node="node-2"))
    await node.store.add_request(request("r2", node="node-2", expires=NOW + 900), per_identity=0, per_session=0)
    keeper = Housekeeping(node.store, node.clock, "node-1")
    await keeper.start()
    assert (await node.store.session("mine")).reason == "the gateway restarted"
    await node.store.open_session(session("mine-2"))
    for _ in range(int(SILENT / BEAT) + 2):
        node.clock.advance(BEAT)
        await eventually(lambda: beaten(node))
    keeper.stop()
    assert (await node.store.session("theirs")).reason == "its node went silent"
    assert (await node.store.request("r2")).state == "interrupted"
    assert (await node.store.session("mine-2")).ended is None


@pytest_twisted.ensureDeferred
async def test_a_worker_only_gives_signs_of_life(node: Node) -> None:
    """One process of a gateway tidies; as many as there are workers would be in each other's way."""
    await node.store.heartbeat("node-2", NOW - SILENT - 1)
    await node.store.open_session(session("theirs", node="node-2"))
    keeper = Housekeeping(node.store, node.clock, "node-1", tidies=False)
    await keeper.start()
    for _ in range(3):
        node.clock.advance(BEAT)
        await eventually(lambda: beaten(node))
    keeper.stop()
    assert (await node.store.session("theirs")).ended is None


@pytest.mark.parametrize("error", [StoreError("disk full"), ValueError("a record that makes no sense")])
def test_housekeeping_outlives_a_store_that_fails(error: Exception) -> None:
    class Failing:
        beats = 0

        def interrupt(self, *args: object) -> Deferred[int]:
            return succeed(0)

        def heartbeat(self, node: str, at: float) -> Deferred[None]:
            self.beats += 1
            return succeed(None) if self.beats == 1 else fail(error)

        def prune(self, *args: object) -> Deferred[None]:
            return fail(error)

    store, clock = Failing(), clock_at(NOW)
    Housekeeping(store, clock, "n").start()
    clock.pump([BEAT, BEAT, BEAT])
    assert store.beats == 4
