"""What tests of approvals, grants and the API share: a clock by hand over a real store, and people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater

from hoopgate.approvals import ApprovalRequest, Approvals
from hoopgate.interfaces import Identity
from hoopgate.stores.feed import ChangeFeed
from hoopgate.stores.sqlite import SqliteStore
from hoopgate.verdicts import Approvers

NOW = 1_800_000_000.0
ISSUER = "https://id.example"


def person(name: str, *groups: str, **more: Any) -> Identity:
    return Identity(ISSUER, name, groups=frozenset(groups), **{"person": f"{name}@example.com", **more})


ALICE = person("alice", "dev")
AGENT = evolve(ALICE, chain=(f"{ISSUER}|agent",))
BOB = person("bob", "dba")
CAROL = person("carol", "dba", "security")
DORA = person("dora", "security")


def held(**changes: Any) -> ApprovalRequest:
    known = ApprovalRequest(
        session="s1",
        requester=ALICE,
        target="shop",
        role="app_rw",
        statement="DELETE FROM orders",
        parameters=(),
        digest="d" * 64,
        search_path="public",
        policy_version="v1",
        rule="hold-deletes",
        reason="unbounded delete",
        approvers=Approvers(("dba", "security"), 1),
        timeout=60.0,
        risk=65,
        risk_reasons=("delete", "unbounded"),
    )
    return evolve(known, **changes)


def clock_at(seconds: float) -> Clock:
    clock = Clock()
    clock.advance(seconds)
    return clock


@frozen
class Node:
    """One process of the gateway, as far as approvals go."""

    name: str
    store: SqliteStore
    feed: ChangeFeed
    clock: Clock
    approvals: Approvals

    async def stop(self) -> None:
        await self.feed.stop()
        await self.store.close()


async def start_node(folder: Path, clock: Clock, name: str = "node-1") -> Node:
    store = SqliteStore(folder / "store.sqlite3", reactor)
    await store.start()
    feed = ChangeFeed(store, clock)
    approvals = Approvals(store, feed, clock, node=name)
    await feed.start()
    return Node(name, store, feed, clock, approvals)


async def eventually(question: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, five seconds at most: threads answer when they like."""
    for _ in range(500):
        if await question():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it never came to be")
