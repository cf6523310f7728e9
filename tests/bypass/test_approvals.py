"""Faults that other systems shipped in approvals and grants, each as a permanent case named after what it prevents."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet.defer import DeferredList

from hoopgate.approvals import binding
from hoopgate.frames import Parameter
from hoopgate.interfaces import Identity
from hoopgate.stores.housekeeping import Housekeeping
from hoopgate.stores.records import AlreadyVotedError, NoSuchRecordError, RequestClosedError
from hoopgate.verdicts import Approvers
from hoopgate.voting import DigestMismatchError, NotEligibleError
from tests.stores.parts import (
    ALICE,
    BOB,
    CAROL,
    DORA,
    ISSUER,
    NOW,
    Node,
    clock_at,
    eventually,
    held,
    person,
    start_node,
)
from tests.test_grants import Gate

DIGEST = "d" * 64
TWO = Approvers(("dba", "security"), 2)


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
async def test_one_reviewer_in_several_groups_counts_once(node: Node) -> None:
    ticket = await node.approvals.open(held(approvers=TWO))
    voted = await node.approvals.decide(CAROL, ticket.id, True, digest=DIGEST)  # in both groups
    assert voted.state == "pending"
    for again in (CAROL, evolve(CAROL, groups=frozenset({"security"}))):
        with pytest.raises(AlreadyVotedError):
            await node.approvals.decide(again, ticket.id, True, digest=DIGEST)
    assert not ticket.outcome.called


@pytest_twisted.ensureDeferred
async def test_one_human_with_accounts_at_two_issuers_counts_once(node: Node) -> None:
    ticket = await node.approvals.open(held(approvers=TWO))
    elsewhere = Identity("https://other", "b2", groups=frozenset({"security"}), person="BOB@Example.com")
    await node.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    with pytest.raises(AlreadyVotedError):
        await node.approvals.decide(elsewhere, ticket.id, True, digest=DIGEST)
    assert not ticket.outcome.called


@pytest_twisted.ensureDeferred
async def test_two_issuers_with_one_subject_are_two_identities(node: Node) -> None:
    """The requester's subject at another issuer is somebody else, and may approve."""
    namesake = Identity("https://other", "alice", groups=frozenset({"dba"}), person="alice@other.example")
    ticket = await node.approvals.open(held())
    await node.approvals.decide(namesake, ticket.id, True, digest=DIGEST)
    assert (await ticket.outcome).by == (namesake.key,)


@pytest_twisted.ensureDeferred
async def test_a_token_without_the_person_claim_makes_no_second_person(node: Node) -> None:
    """Whoever asks an issuer for a token without ``email`` is still the same human."""
    nameless = Identity("https://other", "b2", groups=frozenset({"security"}))
    ticket = await node.approvals.open(held(approvers=TWO))
    await node.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    with pytest.raises(NotEligibleError, match="your token does not say which person"):
        await node.approvals.decide(nameless, ticket.id, True, digest=DIGEST)
    assert not ticket.outcome.called

    by_nameless = await node.approvals.open(held(requester=evolve(nameless, groups=frozenset()), session="s2"))
    with pytest.raises(NotEligibleError, match="the requester's token does not say which person"):
        await node.approvals.decide(BOB, by_nameless.id, True, digest=DIGEST)
    colleague = Identity("https://other", "c3", groups=frozenset({"security"}))
    await node.approvals.decide(colleague, by_nameless.id, True, digest=DIGEST)  # one issuer tells its own apart
    assert (await by_nameless.outcome).status == "approved"


@pytest_twisted.ensureDeferred
async def test_an_address_chosen_at_another_issuer_shows_nothing(node: Node) -> None:
    """Whoever calls themselves alice@example.com elsewhere sees none of Alice's statements."""
    ticket = await node.approvals.open(held())
    claimant = Identity("https://other", "mallory", person=ALICE.person)
    with pytest.raises(NoSuchRecordError):
        await node.approvals.get(ticket.id, claimant)
    assert await node.approvals.list(claimant, (), 100) == ()
    assert [each.id for each in await node.approvals.list(ALICE, (), 100)] == [ticket.id]


@pytest_twisted.ensureDeferred
async def test_more_votes_than_asked_for_do_not_hang_it(node: Node, other: Node) -> None:
    """``==`` on the number of votes: three at once jump over two."""
    voters = [person(f"v{number}", "dba") for number in range(4)]
    for number in range(5):
        ticket = await node.approvals.open(held(approvers=TWO, session=f"s{number}"))
        sides = [node.approvals, other.approvals, node.approvals, other.approvals]
        await DeferredList(
            [side.decide(each, ticket.id, True, digest=DIGEST) for side, each in zip(sides, voters, strict=True)],
            consumeErrors=True,
        )
        node.clock.advance(1)
        outcome = await ticket.outcome
        assert outcome.status == "approved"
        assert len(outcome.by) == 2


@pytest.mark.parametrize(
    "voter",
    [
        evolve(ALICE, groups=frozenset({"dba"})),
        Identity("https://other", "other-account", groups=frozenset({"dba"}), person="Alice@example.com"),
        Identity(ISSUER, "alice", groups=frozenset({"dba"}), person="renamed@example.com"),
        evolve(BOB, chain=(ALICE.key,)),
        evolve(BOB, chain=(f"{ISSUER}|some-agent",)),
    ],
    ids=["herself", "her-other-account", "her-account-renamed", "she-acting-for-bob", "an-agent-of-bob"],
)
@pytest_twisted.ensureDeferred
async def test_self_approval(node: Node, voter: Identity) -> None:
    ticket = await node.approvals.open(held())
    with pytest.raises((NotEligibleError, NoSuchRecordError)):
        await node.approvals.decide(voter, ticket.id, True, digest=DIGEST)
    assert not ticket.outcome.called


@pytest.mark.parametrize("link", [f"{ISSUER}|bob", "bob@example.com", "https://other|bob@example.com"])
@pytest_twisted.ensureDeferred
async def test_approval_by_a_link_of_the_requesters_chain(node: Node, link: str) -> None:
    ticket = await node.approvals.open(held(requester=evolve(ALICE, chain=(f"{ISSUER}|agent", link))))
    with pytest.raises((NotEligibleError, NoSuchRecordError)):
        await node.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    assert not ticket.outcome.called


@pytest_twisted.ensureDeferred
async def test_the_text_approved_is_the_text_that_runs(node: Node) -> None:
    seen = binding(b"DELETE FROM orders WHERE id = $1", [Parameter(b"1")], "shop", "rw", "public", "v1")
    swapped = [
        binding(b"DELETE FROM orders WHERE id > $1", [Parameter(b"1")], "shop", "rw", "public", "v1"),
        binding(b"DELETE FROM orders WHERE id = $1", [Parameter(b"2")], "shop", "rw", "public", "v1"),
        binding(b"DELETE FROM orders WHERE id = $1", [Parameter(b"1")], "ledger", "rw", "public", "v1"),
        binding(b"DELETE FROM orders WHERE id = $1", [Parameter(b"1")], "shop", "owner", "public", "v1"),
        binding(b"DELETE FROM orders WHERE id = $1", [Parameter(b"1")], "shop", "rw", "evil, public", "v1"),
        binding(b"DELETE FROM orders WHERE id = $1", [Parameter(b"1")], "shop", "rw", "public", "v2"),
    ]
    for number, digest in enumerate(swapped):
        ticket = await node.approvals.open(held(digest=digest, session=f"s{number}"))
        with pytest.raises(DigestMismatchError):
            await node.approvals.decide(BOB, ticket.id, True, digest=seen)
        assert not ticket.outcome.called


@pytest_twisted.ensureDeferred
async def test_a_pending_request_always_expires(node: Node, tmp_path: Path) -> None:
    ticket = await node.approvals.open(held(timeout=30))
    node.clock.advance(30)
    assert (await ticket.outcome).status == "expired"
    with pytest.raises(RequestClosedError):
        await node.approvals.decide(BOB, ticket.id, True, digest=DIGEST)


@pytest_twisted.ensureDeferred
async def test_a_vote_after_the_time_is_refused_although_nobody_swept(node: Node, other: Node) -> None:
    """The process that held it is gone, and with it the timer: the vote itself looks at the clock."""
    ticket = await node.approvals.open(held(timeout=30))
    await node.feed.stop()
    other.clock.advance(0)
    late = clock_at(NOW + 31)
    other.approvals._clock = late  # node's own timer never ran
    with pytest.raises(RequestClosedError):
        await other.approvals.decide(BOB, ticket.id, True, digest=DIGEST)


@pytest_twisted.ensureDeferred
async def test_a_restart_ends_what_was_pending(node: Node, other: Node) -> None:
    ticket = await node.approvals.open(held())
    keeper = Housekeeping(other.store, other.clock, "node-1")
    assert await keeper.start() == 1
    keeper.stop()
    with pytest.raises(RequestClosedError, match="interrupted"):
        await other.approvals.decide(BOB, ticket.id, True, digest=DIGEST)


@pytest_twisted.ensureDeferred
async def test_one_denial_outweighs_approvals(node: Node) -> None:
    ticket = await node.approvals.open(held(approvers=TWO))
    await node.approvals.decide(BOB, ticket.id, True, digest=DIGEST)
    await node.approvals.decide(DORA, ticket.id, False, "wrong table")
    assert (await ticket.outcome).status == "denied"
    with pytest.raises(RequestClosedError):
        await node.approvals.decide(CAROL, ticket.id, True, digest=DIGEST)


@pytest.mark.parametrize("count", [0, -1])
@pytest_twisted.ensureDeferred
async def test_a_count_of_nought_is_not_an_approval_by_nobody(node: Node, count: int) -> None:
    ticket = await node.approvals.open(held(approvers=Approvers(("dba",), count)))
    assert not ticket.outcome.called
    assert (await node.store.request(ticket.id)).state == "pending"


@pytest_twisted.ensureDeferred
async def test_a_grant_outlives_neither_its_end_nor_its_revocation(node: Node, other: Node) -> None:
    """A live session hears of the end from another process within two seconds."""
    here, there = Gate(node), Gate(other)
    await here.grants.start()
    await there.grants.start()
    asked = await here.grants.request(ALICE, "fix-data", 5, "ticket")
    await there.grants.decide(BOB, asked.id, True)
    await here.advance(1)

    async def heard() -> bool:
        return here.grants.active(ALICE) == {"fix-data"}

    await eventually(heard)
    for _ in range(4):
        await here.advance(1)
    assert here.grants.active(ALICE) == frozenset()
    again = await here.grants.request(ALICE, "fix-data", 600, "ticket")
    await here.grants.decide(BOB, again.id, True)
    assert here.grants.active(ALICE) == {"fix-data"}
    await there.grants.revoke(BOB, again.id, "misused")
    here.told.clear()
    await here.advance(1)
    await here.advance(1)
    assert here.grants.active(ALICE) == frozenset()
    assert here.told == [ALICE.key]
    here.grants.stop()
    there.grants.stop()


@pytest_twisted.ensureDeferred
async def test_killed_between_vote_and_answer_nothing_is_half_done(tmp_path: Path) -> None:
    """kill -9 while votes are written: each request is wholly decided or not at all."""
    script = """
        import sys
        from pathlib import Path
        from twisted.internet import reactor
        from twisted.internet.defer import Deferred
        from tests.contracts.test_store import request, vote
        from hoopgate.stores.sqlite import SqliteStore
        from hoopgate.verdicts import Approvers

        async def main():
            store = SqliteStore(Path(sys.argv[1]), reactor)
            await store.start()
            for number in range(100000):
                record = request(f"r{number}", session="", requirements=(Approvers(("dba",), 1),))
                await store.add_request(record, per_identity=0, per_session=0)
                if number == 20:
                    print("ready", flush=True)
                await store.vote(record.id, vote("bob"))

        reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()))
        reactor.run()
    """
    path = tmp_path / "store.sqlite3"
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    node = await start_node(tmp_path, clock_at(NOW))
    known: Any = await node.store.requests("approval", states=(), audience=None, limit=100_000)
    changes = [(each.subject, each.action) for each in await node.store.changes(0, 1_000_000)]
    assert len(known) >= 20
    for each in known:
        assert (each.state, len(each.votes)) in (("approved", 1), ("pending", 0))
        assert ((each.id, "approved") in changes) == (each.state == "approved")
    await node.stop()
