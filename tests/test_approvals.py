"""Holds: opened, decided here or by another process, and ended by everything that can end them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.internet.defer import CancelledError, Deferred, fail

from hoopgate.approvals import Outcome, binding
from hoopgate.errors import LimitError, PolicyError
from hoopgate.frames import Parameter
from hoopgate.stores.records import NoSuchRecordError, RequestClosedError, StoreError
from hoopgate.verdicts import Approvers
from hoopgate.voting import DigestMismatchError, NotEligibleError, ReasonError
from tests.stores.parts import AGENT, ALICE, BOB, CAROL, DORA, NOW, Node, clock_at, eventually, held, person, start_node

DIGEST = "d" * 64


@pytest_twisted.async_yield_fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    started = await start_node(tmp_path, clock_at(NOW))
    yield started
    await started.stop()


@pytest_twisted.async_yield_fixture
async def other(tmp_path: Path, node: Node) -> AsyncIterator[Node]:
    """A second process over the same store."""
    started = await start_node(tmp_path, node.clock, "node-2")
    yield started
    await started.stop()


async def state(node: Node, request_id: str) -> str:
    known = await node.store.request(request_id)
    assert known is not None
    return known.state


@pytest_twisted.ensureDeferred
async def test_one_approval_releases(node: Node) -> None:
    ticket = await node.approvals.open(held())
    assert not ticket.outcome.called
    await node.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    assert await ticket.outcome == Outcome("approved", (BOB.key,), "")
    assert node.clock.getDelayedCalls() == [node.feed._loop.call]


@pytest_twisted.ensureDeferred
async def test_two_people_of_two_groups(node: Node) -> None:
    ticket = await node.approvals.open(held(approvers=Approvers(("dba", "security"), 2)))
    await node.approvals.decide(CAROL, ticket.id, True, digest=DIGEST)
    assert not ticket.outcome.called
    await node.approvals.decide(DORA, ticket.id, True, digest=DIGEST)
    assert (await ticket.outcome).status == "approved"


@pytest_twisted.ensureDeferred
async def test_a_denial_says_why(node: Node) -> None:
    ticket = await node.approvals.open(held())
    with pytest.raises(ReasonError):
        await node.approvals.decide(BOB, ticket.id, False, " ")
    await node.approvals.decide(BOB, ticket.id, False, "not on a Friday")
    assert await ticket.outcome == Outcome("denied", (BOB.key,), "not on a Friday")


@pytest_twisted.ensureDeferred
async def test_another_digest_than_the_held_one_is_refused(node: Node) -> None:
    ticket = await node.approvals.open(held())
    for digest in ("", "e" * 64, "é"):
        with pytest.raises(DigestMismatchError):
            await node.approvals.decide(BOB, ticket.id, True, digest=digest)
    assert not ticket.outcome.called
    assert (await node.store.request(ticket.id)).votes == ()


@pytest_twisted.ensureDeferred
async def test_strangers_learn_nothing(node: Node) -> None:
    ticket = await node.approvals.open(held())
    stranger = person("mallory", "dev")
    for attempt in (
        node.approvals.decide(stranger, ticket.id, True, digest=DIGEST),
        node.approvals.get(ticket.id, stranger),
        node.approvals.decide(BOB, "none", True, digest=DIGEST),
    ):
        with pytest.raises(NoSuchRecordError, match="no such request"):
            await attempt
    assert await node.approvals.list(stranger, (), 10) == ()


@pytest_twisted.ensureDeferred
async def test_who_sees_what(node: Node) -> None:
    mine = await node.approvals.open(held())
    agents = await node.approvals.open(held(requester=AGENT, session="s2"))

    async def ids(viewer: object) -> list[str]:
        return [each.id for each in await node.approvals.list(viewer, ("pending",), 10)]

    assert await ids(ALICE) == [agents.id, mine.id]
    assert await ids(AGENT) == [agents.id]
    assert await ids(BOB) == [agents.id, mine.id]
    assert await ids(evolve(BOB, chain=("x",))) == []


@pytest_twisted.ensureDeferred
async def test_a_vote_after_the_end_is_refused(node: Node) -> None:
    ticket = await node.approvals.open(held())
    await node.approvals.withdraw(ticket.id, "ctrl-c")
    with pytest.raises(RequestClosedError, match="withdrawn"):
        await node.approvals.decide(BOB, ticket.id, True, digest=DIGEST)


@pytest_twisted.ensureDeferred
async def test_it_expires_on_time(node: Node) -> None:
    ticket = await node.approvals.open(held())
    node.clock.advance(59.9)
    assert not ticket.outcome.called
    node.clock.advance(0.1)
    assert (await ticket.outcome).status == "expired"
    assert await state(node, ticket.id) == "expired"


@pytest_twisted.ensureDeferred
async def test_it_expires_although_the_store_has_failed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = await node.approvals.open(held())
    monkeypatch.setattr(node.store, "finish", lambda *a, **k: fail(StoreError("disk full")))
    node.clock.advance(60)
    assert (await ticket.outcome).status == "expired"


@pytest_twisted.ensureDeferred
async def test_it_expires_although_the_store_never_answers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = await node.approvals.open(held(timeout=30.0))
    monkeypatch.setattr(node.store, "finish", lambda *args, **more: Deferred())
    node.clock.advance(30.0)
    assert not ticket.outcome.called  # a vote may have come in time
    node.clock.advance(10.0)
    assert (await ticket.outcome).status == "expired"


@pytest_twisted.ensureDeferred
async def test_a_vote_elsewhere_in_the_last_second_counts(node: Node, other: Node) -> None:
    ticket = await node.approvals.open(held())
    await other.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    node.approvals._expired(ticket.id)
    assert (await ticket.outcome).status == "approved"


@pytest_twisted.ensureDeferred
async def test_another_processes_decision_is_seen_within_two_seconds(node: Node, other: Node) -> None:
    ticket = await node.approvals.open(held())
    await other.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    assert not ticket.outcome.called
    node.clock.advance(1)
    assert await ticket.outcome == Outcome("approved", (BOB.key,), "")


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_withdraws(node: Node) -> None:
    ticket = await node.approvals.open(held())
    ticket.outcome.cancel()
    assert (await ticket.outcome).status == "withdrawn"

    async def withdrawn() -> bool:
        return await state(node, ticket.id) == "withdrawn"

    await eventually(withdrawn)


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_before_the_store_has_answered(node: Node) -> None:
    opening = node.approvals.open(held())
    opening.cancel()
    with pytest.raises(CancelledError):
        await opening

    async def withdrawn() -> bool:
        known = await node.store.requests("approval", states=(), audience=None, limit=5)
        return [each.state for each in known] == ["withdrawn"]

    await eventually(withdrawn)


@pytest_twisted.ensureDeferred
async def test_withdrawn_beats_an_approval_that_came_at_once(node: Node, other: Node) -> None:
    ticket = await node.approvals.open(held())
    await other.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    await node.approvals.withdraw(ticket.id, "the client left")
    assert (await ticket.outcome).status == "withdrawn"


@pytest_twisted.ensureDeferred
async def test_a_reload_makes_older_holds_stale_and_keeps_the_rest(node: Node) -> None:
    old = await node.approvals.open(held())
    new = await node.approvals.open(held(session="s2", policy_version="v2"))
    assert await node.approvals.stale("v2") == 1
    assert (await old.outcome).status == "stale"
    assert await state(node, old.id) == "stale"
    assert not new.outcome.called
    await node.approvals.decide(BOB, new.id, True, digest=DIGEST)
    assert (await new.outcome).status == "approved"


@pytest_twisted.ensureDeferred
async def test_a_hold_opened_under_rules_just_replaced_is_stale(node: Node) -> None:
    await node.approvals.stale("v2")
    ticket = await node.approvals.open(held())
    assert (await ticket.outcome).status == "stale"


@pytest_twisted.ensureDeferred
async def test_an_approval_under_older_rules_does_not_release(node: Node, other: Node) -> None:
    ticket = await node.approvals.open(held())
    await other.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    await node.approvals.stale("v2")
    assert (await ticket.outcome).status == "stale"


@pytest_twisted.ensureDeferred
async def test_limits(node: Node) -> None:
    await node.approvals.open(held())
    with pytest.raises(LimitError, match="holds_per_session"):
        await node.approvals.open(held())
    for number in range(19):
        await node.approvals.open(held(session=f"n{number}"))
    with pytest.raises(LimitError, match="holds_per_identity"):
        await node.approvals.open(held(session="one-more"))
    with pytest.raises(LimitError, match="hold_statement"):
        await node.approvals.open(held(session="long", statement="x" * 300_000))


@pytest.mark.parametrize("approvers", [Approvers(()), Approvers((), 2)])
@pytest_twisted.ensureDeferred
async def test_a_rule_without_approvers_refuses_at_once(node: Node, approvers: Approvers) -> None:
    with pytest.raises(PolicyError, match="names nobody"):
        await node.approvals.open(held(approvers=approvers))


@pytest_twisted.ensureDeferred
async def test_what_cannot_be_kept_is_not_held(node: Node) -> None:
    await node.store.close()
    with pytest.raises(StoreError):
        await node.approvals.open(held())


@pytest_twisted.ensureDeferred
async def test_the_store_keeps_no_claims(node: Node) -> None:
    ticket = await node.approvals.open(held(requester=evolve(ALICE, claims={"secret": "x"})))
    assert (await node.store.request(ticket.id)).requester.claims == {}


@pytest_twisted.ensureDeferred
async def test_not_eligible_says_why(node: Node) -> None:
    ticket = await node.approvals.open(held())
    with pytest.raises(NotEligibleError, match="of their own"):
        await node.approvals.decide(evolve(ALICE, groups=frozenset({"dba"})), ticket.id, True, digest=DIGEST)


PARAMETERS = some.lists(
    some.builds(
        Parameter, some.none() | some.binary(max_size=4), some.sampled_from([0, 1]), some.sampled_from([0, 25])
    ),
    max_size=3,
)
PARTS = some.tuples(
    some.binary(max_size=6), some.none() | PARAMETERS, *[some.text("ab|", max_size=3) for _ in range(4)]
)


def plain(parts: tuple[object, ...]) -> tuple[object, ...]:
    statement, parameters, *rest = parts
    values = None if parameters is None else [(each.value, each.format, each.type_oid) for each in parameters]
    return (statement, values, *rest)


@settings(max_examples=150, deadline=None)
@given(PARTS, PARTS)
def test_two_requests_have_one_digest_only_if_they_are_the_same(one: tuple, two: tuple) -> None:
    assert (binding(*one) == binding(*two)) == (plain(one) == plain(two))


def test_every_part_is_bound() -> None:
    base = (b"DELETE", [Parameter(b"1", 0, 23)], "shop", "rw", "public", "v1")
    digests = {binding(*base)}
    for position, value in enumerate((b"delete", [Parameter(b"2", 0, 23)], "shop2", "ro", "private", "v2")):
        digests.add(binding(*base[:position], value, *base[position + 1 :]))
    for parameters in (None, [], [Parameter(None, 0, 23)], [Parameter(b"1", 1, 23)], [Parameter(b"1", 0, 25)]):
        digests.add(binding(base[0], parameters, *base[2:]))
    assert len(digests) == 12
    assert all(len(each) == 64 for each in digests)
