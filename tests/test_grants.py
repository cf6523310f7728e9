"""Grants: who may ask for what, who may agree, and that they end on time and at once when revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet.defer import fail
from twisted.internet.task import Clock

from hoopgate.config.model import Api, Config, Host, Rule, Target, What, Who
from hoopgate.errors import LimitError
from hoopgate.grants import Grants, ScopeError
from hoopgate.interfaces import Identity
from hoopgate.stores.feed import BLIND
from hoopgate.stores.records import AlreadyVotedError, NoSuchRecordError, RequestClosedError, StoreError
from hoopgate.verdicts import Approvers
from hoopgate.voting import NotEligibleError, ReasonError
from tests.stores.parts import AGENT, ALICE, BOB, CAROL, DORA, NOW, Node, clock_at, eventually, person, start_node

OPERATOR = person("olga", "operators")
DEV = Who(groups=("dev",))
CONFIG = Config(
    path=Path("hoopgate.toml"),
    version="v1",
    targets=tuple(Target(name, "postgresql", (Host("db"),)) for name in ("shop", "ledger")),
    rules=(
        Rule("fix-data", "allow", DEV, What(target=("shop",)), approvers=Approvers(("dba",)), grant=True),
        Rule("fix-schema", "hold", DEV, What(target=("*",)), approvers=Approvers(("security",), 1), grant=True),
        Rule("lonely", "allow", DEV, What(target=("shop",)), grant=True),
        Rule("no-grant", "allow", DEV, approvers=Approvers(("dba",))),
    ),
    api=Api(operators=("operators",)),
)  # fmt: skip
WITHOUT_LONELY = evolve(CONFIG, rules=tuple(rule for rule in CONFIG.rules if rule.name != "lonely"))


def concerns(rule: Rule, identity: Identity, target: Target) -> bool:
    who = not rule.who.groups or bool(identity.groups & set(rule.who.groups))
    return who and (not rule.what.target or any(fnmatchcase(target.name, glob) for glob in rule.what.target))


class Gate:
    """One process with grants; ``config`` may be replaced, as a reload does."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.config = WITHOUT_LONELY
        self.grants = Grants(node.store, node.feed, node.clock, lambda: self.config, concerns)
        self.told: list[str] = []
        self.grants.watch(self.told.append)

    async def advance(self, seconds: float) -> None:
        self.node.clock.advance(seconds)
        await self.node.feed.poll()
        await self.node.store.latest()


async def started(folder: Path, clock: Clock, name: str) -> Gate:
    gate = Gate(await start_node(folder, clock, name))
    await gate.grants.start()
    return gate


@pytest_twisted.async_yield_fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    gate = await started(tmp_path, clock_at(NOW), "node-1")
    yield gate
    gate.grants.stop()
    await gate.node.stop()


@pytest_twisted.async_yield_fixture
async def other(tmp_path: Path, gate: Gate) -> AsyncIterator[Gate]:
    other = await started(tmp_path, gate.node.clock, "node-2")
    yield other
    other.grants.stop()
    await other.node.stop()


async def granted(gate: Gate, identity: Identity = ALICE, scope: str = "fix-data", seconds: float = 600) -> Any:
    asked = await gate.grants.request(identity, scope, seconds, "ticket 7")
    voter = BOB if scope == "fix-data" else DORA
    return await gate.grants.decide(voter, asked.id, True)


@pytest_twisted.ensureDeferred
async def test_a_rule_is_granted_by_its_approvers(gate: Gate) -> None:
    asked = await gate.grants.request(ALICE, "fix-data", 600, "ticket 7")
    assert gate.grants.active(ALICE) == frozenset()
    with pytest.raises(NoSuchRecordError):
        await gate.grants.decide(DORA, asked.id, True)
    known = await gate.grants.decide(BOB, asked.id, True)
    assert (known.state, known.ends) == ("approved", NOW + 600)
    assert gate.grants.active(ALICE) == {"fix-data"}
    assert gate.told == [ALICE.key]


@pytest_twisted.ensureDeferred
async def test_a_target_needs_the_approvers_of_every_rule_it_opens(gate: Gate) -> None:
    asked = await gate.grants.request(ALICE, "target:shop", 600, "ticket 7")
    assert asked.rule == "fix-data, fix-schema"
    assert (await gate.grants.decide(BOB, asked.id, True)).state == "pending"
    with pytest.raises(AlreadyVotedError):
        await gate.grants.decide(BOB, asked.id, True)
    assert (await gate.grants.decide(DORA, asked.id, True)).state == "approved"
    assert gate.grants.active(ALICE) == {"target:shop"}


@pytest_twisted.ensureDeferred
async def test_after_a_reload_a_grant_opens_nothing_that_its_givers_did_not_give(gate: Gate) -> None:
    await gate.grants.decide(CAROL, (await gate.grants.request(ALICE, "target:shop", 600, "ticket 7")).id, True)
    await granted(gate)
    both = {"target:shop", "fix-data"}
    assert gate.grants.active(ALICE) == both
    rules = gate.config.rules
    gate.config = evolve(gate.config, version="v2")  # other rules, the same givers
    assert gate.grants.active(ALICE) == both
    owner = Rule("owner", "allow", DEV, What(target=("shop",)), approvers=Approvers(("owners",)), grant=True)
    gate.config = evolve(gate.config, version="v3", rules=(*rules, owner))
    assert gate.grants.active(ALICE) == {"fix-data"}  # nobody of the owners was asked
    stricter = tuple(evolve(rule, approvers=Approvers(("dba",), 2)) for rule in rules)
    gate.config = evolve(gate.config, version="v4", rules=stricter)
    assert gate.grants.active(ALICE) == frozenset()
    gate.config = evolve(gate.config, version="v5", rules=rules[1:])
    assert gate.grants.active(ALICE) == {"target:shop"}  # less than what was given


@pytest_twisted.ensureDeferred
async def test_one_person_of_both_groups_is_one_for_each_rule(gate: Gate) -> None:
    asked = await gate.grants.request(ALICE, "target:shop", 600, "ticket 7")
    assert (await gate.grants.decide(CAROL, asked.id, True)).state == "approved"


@pytest.mark.parametrize(
    ("who", "scope"),
    [
        (ALICE, "no-grant"),
        (ALICE, "none"),
        (ALICE, ""),
        (ALICE, "target:"),
        (ALICE, "target:none"),
        (ALICE, "target:*"),
        (BOB, "fix-data"),
        (BOB, "target:shop"),
        (evolve(ALICE, targets=("ledger",)), "target:shop"),
        (evolve(ALICE, targets=("fix-data",)), "fix-data"),  # a target's name is no rule's
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_not_offered_cannot_be_asked_for(gate: Gate, who: Identity, scope: str) -> None:
    with pytest.raises(ScopeError):
        await gate.grants.request(who, scope, 600, "please")


@pytest_twisted.ensureDeferred
async def test_a_rule_that_nobody_may_approve_cannot_be_asked_for(gate: Gate) -> None:
    gate.config = CONFIG
    for scope in ("lonely", "target:shop"):
        with pytest.raises(ScopeError, match="nobody is named"):
            await gate.grants.request(ALICE, scope, 600, "please")


@pytest.mark.parametrize("seconds", [0, -1, 0.5, float("nan"), float("inf")])
@pytest_twisted.ensureDeferred
async def test_a_grant_lasts_a_sensible_time(gate: Gate, seconds: float) -> None:
    with pytest.raises(ScopeError):
        await gate.grants.request(ALICE, "fix-data", seconds, "please")


@pytest_twisted.ensureDeferred
async def test_bounds(gate: Gate) -> None:
    with pytest.raises(LimitError, match=r"limits\.grant"):
        await gate.grants.request(ALICE, "fix-data", 8 * 3600 + 1, "please")
    with pytest.raises(ReasonError):
        await gate.grants.request(ALICE, "fix-data", 600, "")
    for _ in range(20):
        await gate.grants.request(ALICE, "fix-data", 600, "please")
    with pytest.raises(LimitError):
        await gate.grants.request(ALICE, "fix-data", 600, "please")


@pytest_twisted.ensureDeferred
async def test_it_ends_on_time_and_watchers_hear_of_it(gate: Gate) -> None:
    await granted(gate, seconds=5)
    gate.told.clear()
    gate.node.clock.advance(4.9)
    await gate.node.feed.poll()
    assert gate.grants.active(ALICE) == {"fix-data"}
    assert gate.told == []
    gate.node.clock.advance(0.1)
    assert gate.grants.active(ALICE) == frozenset()
    gate.node.clock.advance(0.5)
    assert gate.told == [ALICE.key]


@pytest_twisted.ensureDeferred
async def test_revoked_here_it_ends_at_once_and_elsewhere_within_two_seconds(gate: Gate, other: Gate) -> None:
    known = await granted(gate)
    await other.advance(1)

    async def seen() -> bool:
        return other.grants.active(ALICE) == {"fix-data"}

    await eventually(seen)
    other.told.clear()
    await gate.grants.revoke(BOB, known.id, "done")
    assert gate.grants.active(ALICE) == frozenset()
    gate.node.clock.advance(1)
    await other.node.feed.poll()
    assert other.grants.active(ALICE) == frozenset()
    assert other.told == [ALICE.key]


@pytest.mark.parametrize(("who", "state"), [(ALICE, "revoked"), (BOB, "revoked"), (OPERATOR, "revoked")])
@pytest_twisted.ensureDeferred
async def test_who_may_revoke(gate: Gate, who: Identity, state: str) -> None:
    known = await granted(gate)
    ended = await gate.grants.revoke(who, known.id, "done")
    assert (ended.state, ended.by, ended.ends) == (state, (who.key,), NOW)
    with pytest.raises(RequestClosedError):
        await gate.grants.revoke(who, known.id, "again")


@pytest.mark.parametrize(
    "who", [person("mallory", "dev"), evolve(OPERATOR, chain=("bot",)), evolve(BOB, chain=("bot",)), AGENT]
)
@pytest_twisted.ensureDeferred
async def test_who_may_not_revoke(gate: Gate, who: Identity) -> None:
    known = await granted(gate)
    with pytest.raises(NoSuchRecordError):
        await gate.grants.revoke(who, known.id, "mine now")
    assert gate.grants.active(ALICE) == {"fix-data"}


@pytest_twisted.ensureDeferred
async def test_a_request_withdrawn_by_its_owner(gate: Gate) -> None:
    asked = await gate.grants.request(ALICE, "fix-data", 600, "please")
    assert (await gate.grants.revoke(ALICE, asked.id, "not needed")).state == "withdrawn"
    with pytest.raises(RequestClosedError):
        await gate.grants.decide(BOB, asked.id, True)


@pytest_twisted.ensureDeferred
async def test_who_holds_grants_is_found_anew_with_each_that_comes_and_goes(gate: Gate) -> None:
    eve = person("eve", "dev")
    one = await granted(gate)
    assert (gate.grants.active(ALICE), gate.grants.active(eve)) == ({"fix-data"}, frozenset())
    two = await granted(gate, eve)
    assert (gate.grants.active(ALICE), gate.grants.active(eve)) == ({"fix-data"}, {"fix-data"})
    await gate.grants.revoke(ALICE, one.id, "done")
    assert (gate.grants.active(ALICE), gate.grants.active(eve)) == (frozenset(), {"fix-data"})
    await gate.grants.revoke(eve, two.id, "done")
    await granted(gate)
    assert (gate.grants.active(ALICE), gate.grants.active(eve)) == ({"fix-data"}, frozenset())


@pytest_twisted.ensureDeferred
async def test_nobody_grants_themselves(gate: Gate) -> None:
    self_serving = evolve(ALICE, groups=frozenset({"dev", "dba"}))
    asked = await gate.grants.request(self_serving, "fix-data", 600, "please")
    with pytest.raises(NotEligibleError):
        await gate.grants.decide(self_serving, asked.id, True)


@pytest_twisted.ensureDeferred
async def test_a_grant_is_not_inherited_along_a_chain(gate: Gate) -> None:
    await granted(gate, AGENT)
    await granted(gate, ALICE, "fix-schema")
    assert gate.grants.active(AGENT) == {"fix-data"}
    assert gate.grants.active(ALICE) == {"fix-schema"}
    assert gate.grants.active(evolve(AGENT, chain=(*AGENT.chain, "deeper"))) == frozenset()
    assert gate.grants.active(person("zed", "dev")) == frozenset()


@pytest_twisted.ensureDeferred
async def test_rules_that_changed_must_be_asked_again(gate: Gate) -> None:
    asked = await gate.grants.request(ALICE, "fix-data", 600, "please")
    gate.config = evolve(WITHOUT_LONELY, version="v2")
    with pytest.raises(RequestClosedError, match="asked for again"):
        await gate.grants.decide(BOB, asked.id, True)
    assert (await gate.node.store.request(asked.id)).state == "stale"


@pytest_twisted.ensureDeferred
async def test_grants_outlive_a_restart(gate: Gate, tmp_path: Path) -> None:
    await granted(gate)
    again = await started(tmp_path, gate.node.clock, "node-1")
    assert again.grants.active(ALICE) == {"fix-data"}
    again.grants.stop()
    await again.node.stop()


@pytest_twisted.ensureDeferred
async def test_a_store_that_stays_silent_ends_all_grants_and_they_come_back_with_it(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await granted(gate)
    gate.told.clear()
    real = gate.node.store.changes
    monkeypatch.setattr(gate.node.store, "changes", lambda *a: fail(StoreError("gone")))
    gate.node.clock.pump([1] * (int(BLIND) + 2))
    assert gate.grants.active(ALICE) == frozenset()
    assert gate.told == [ALICE.key]
    monkeypatch.setattr(gate.node.store, "changes", real)
    await gate.advance(1)
    assert gate.grants.active(ALICE) == {"fix-data"}


@pytest_twisted.ensureDeferred
async def test_a_grant_that_cannot_be_read_is_not_in_force_until_it_can(
    gate: Gate, other: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gate.node.store.request
    monkeypatch.setattr(gate.node.store, "request", lambda *a: fail(StoreError("gone")))
    await granted(other)
    await gate.advance(1)
    assert gate.grants.active(ALICE) == frozenset()
    monkeypatch.setattr(gate.node.store, "request", real)
    gate.node.clock.advance(0.5)

    async def back() -> bool:
        return gate.grants.active(ALICE) == {"fix-data"}

    await eventually(back)


@pytest_twisted.ensureDeferred
async def test_a_watcher_that_raises_keeps_no_end_from_the_next(gate: Gate) -> None:
    heard: list[str] = []

    def broken(key: str) -> None:
        raise ValueError("a bug")

    gate.grants.watch(broken)
    unwatch = gate.grants.watch(heard.append)
    known = await granted(gate)
    unwatch()
    unwatch()
    await gate.grants.revoke(ALICE, known.id, "done")
    assert heard == [ALICE.key]


@pytest_twisted.ensureDeferred
async def test_who_sees_which(gate: Gate) -> None:
    known = await granted(gate)

    async def ids(viewer: Identity) -> list[str]:
        return [each.id for each in await gate.grants.list(viewer, (), 10)]

    assert [await ids(each) for each in (ALICE, BOB, OPERATOR)] == [[known.id]] * 3
    assert [await ids(each) for each in (DORA, AGENT, person("zed", "dev"))] == [[]] * 3
