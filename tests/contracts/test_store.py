"""What any store must do. A store of another kind joins by one more entry in ``MAKERS``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import DeferredList
from zope.interface.verify import verifyObject

from hoopgate.errors import LimitError
from hoopgate.identity.tokens import TokenRecord
from hoopgate.interfaces import Identity, IStore
from hoopgate.stores.records import (
    RESET,
    AlreadyVotedError,
    Audience,
    NoSuchRecordError,
    Request,
    RequestClosedError,
    SessionRecord,
    StoreError,
    Vote,
)
from hoopgate.stores.sqlite import SqliteStore
from hoopgate.verdicts import Approvers

MAKERS: dict[str, Callable[[Path], Any]] = {"sqlite": lambda folder: SqliteStore(folder / "store.sqlite3", reactor)}

NOW = 1_800_000_000.0
ALICE = Identity("https://id", "alice", groups=frozenset({"dev"}), chain=("https://id|agent",), claims={"email": "a@x"})


def request(id: str = "r1", **changes: Any) -> Request:
    known = Request(
        id=id,
        kind="approval",
        node="node-1",
        requester=evolve(ALICE, claims={}),
        person=ALICE.key,
        target="shop",
        rule="hold-deletes",
        requirements=(Approvers(("dba", "security"), 2),),
        created=NOW,
        expires=NOW + 60,
        session="s1",
        digest="d" * 64,
        policy_version="v1",
        details={"statement": "DELETE FROM orders", "locks": ["orders"]},
    )
    return evolve(known, **changes)


def grant(id: str = "g1", **changes: Any) -> Request:
    return request(
        id, **{"kind": "grant", "node": "", "session": "", "seconds": 3600.0, "scope": "target:shop", **changes}
    )


def vote(who: str, approve: bool = True, *, at: float = NOW + 1, groups: tuple[str, ...] = ("dba",), **k: Any) -> Vote:
    return Vote(f"https://id|{who}", k.get("person", f"{who}@x"), frozenset(groups), approve, k.get("reason", ""), at)


def session(id: str = "s1", **changes: Any) -> SessionRecord:
    known = SessionRecord(
        id, "node-1", evolve(ALICE, claims={}), ALICE.key, "shop", "app_rw", "postgresql", "127.0.0.1:5", NOW
    )
    return evolve(known, **changes)


async def add(store: Any, *requests: Request) -> None:
    for each in requests:
        await store.add_request(each, per_identity=0, per_session=0)


async def actions(store: Any, since: int = 0) -> list[tuple[str, str, str]]:
    return [(each.kind, each.subject, each.action) for each in await store.changes(since)]


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    return lambda: MAKERS[request.param](tmp_path)


@pytest_twisted.async_yield_fixture
async def store(make: Callable[[], Any]) -> AsyncIterator[Any]:
    opened = make()
    await opened.start()
    yield opened
    await opened.close()


@pytest_twisted.async_yield_fixture
async def other(store: Any, make: Callable[[], Any]) -> AsyncIterator[Any]:
    """A second process's view of the same store."""
    opened = make()
    await opened.start()
    yield opened
    await opened.close()


@pytest_twisted.ensureDeferred
async def test_it_provides_the_interface(store: Any) -> None:
    verifyObject(IStore, store)


@pytest_twisted.ensureDeferred
async def test_a_closed_store_fails_rather_than_hangs(make: Callable[[], Any]) -> None:
    store = make()
    await store.start()
    await store.close()
    await store.close()
    with pytest.raises(StoreError):
        await store.latest()


@pytest_twisted.ensureDeferred
async def test_what_is_under_way_when_it_closes_is_kept(make: Callable[[], Any]) -> None:
    store = make()
    await store.start()
    added = store.open_session(session())
    await store.close()
    await added
    again = make()
    await again.start()
    assert await again.session("s1") == session()
    await again.close()


@pytest_twisted.ensureDeferred
async def test_a_request_comes_back_whole(store: Any) -> None:
    await add(store, request())
    assert await store.request("r1") == request()
    assert await store.request("r2") is None


@pytest_twisted.ensureDeferred
async def test_an_id_is_used_once(store: Any) -> None:
    await add(store, request())
    with pytest.raises(StoreError):
        await add(store, request())


@pytest_twisted.ensureDeferred
async def test_two_distinct_votes_approve(store: Any) -> None:
    await add(store, request())
    first = await store.vote("r1", vote("bob"))
    assert first.state == "pending"
    last = await store.vote("r1", vote("carol", groups=("security",)))
    assert (last.state, last.decided, set(last.by)) == ("approved", NOW + 1, {"https://id|bob", "https://id|carol"})
    assert await actions(store) == [
        ("approval", "r1", "pending"),
        ("approval", "r1", "voted"),
        ("approval", "r1", "approved"),
    ]


@pytest_twisted.ensureDeferred
async def test_more_groups_than_one_do_not_count_as_more_people(store: Any) -> None:
    await add(store, request())
    known = await store.vote("r1", vote("bob", groups=("dba", "security")))
    assert known.state == "pending"


@pytest.mark.parametrize(
    "again",
    [vote("bob"), vote("bob", person="other@x"), vote("robert", person="bob@x")],
    ids=["same", "same-key", "same-person"],
)
@pytest_twisted.ensureDeferred
async def test_one_vote_each(store: Any, again: Vote) -> None:
    await add(store, request())
    await store.vote("r1", vote("bob"))
    with pytest.raises(AlreadyVotedError):
        await store.vote("r1", again)
    assert len((await store.request("r1")).votes) == 1


@pytest_twisted.ensureDeferred
async def test_who_approved_may_still_deny(store: Any) -> None:
    await add(store, request())
    await store.vote("r1", vote("bob"))
    known = await store.vote("r1", vote("bob", False, reason="wrong table"))
    assert (known.state, known.reason, known.by) == ("denied", "wrong table", ("https://id|bob",))


@pytest_twisted.ensureDeferred
async def test_a_denial_ends_it_and_later_votes_are_refused(store: Any) -> None:
    await add(store, request())
    await store.vote("r1", vote("bob", False, reason="no"))
    with pytest.raises(RequestClosedError) as caught:
        await store.vote("r1", vote("carol"))
    assert caught.value.state == "denied"


@pytest_twisted.ensureDeferred
async def test_a_vote_on_nothing_is_refused(store: Any) -> None:
    with pytest.raises(NoSuchRecordError):
        await store.vote("none", vote("bob"))


@pytest_twisted.ensureDeferred
async def test_a_vote_at_the_deadline_is_late_and_the_end_is_recorded(store: Any) -> None:
    await add(store, request(requirements=(Approvers(("dba",), 1),)))
    with pytest.raises(RequestClosedError) as caught:
        await store.vote("r1", vote("bob", at=NOW + 60))
    assert caught.value.state == "expired"
    assert (await store.request("r1")).state == "expired"


@pytest_twisted.ensureDeferred
async def test_every_requirement_must_be_met(store: Any) -> None:
    await add(store, request(requirements=(Approvers(("dba",), 1), Approvers(("owners",), 1))))
    assert (await store.vote("r1", vote("bob"))).state == "pending"
    assert (await store.vote("r1", vote("carol"))).state == "pending"
    assert (await store.vote("r1", vote("dora", groups=("owners",)))).state == "approved"


@pytest_twisted.ensureDeferred
async def test_a_request_without_requirements_is_never_approved(store: Any) -> None:
    await add(store, request(requirements=()))
    assert (await store.vote("r1", vote("bob"))).state == "pending"


@pytest_twisted.ensureDeferred
async def test_simultaneous_votes_from_two_processes_each_count_once(store: Any, other: Any) -> None:
    for number in range(10):
        await add(store, request(f"r{number}", session=f"s{number}"))
        both = await DeferredList(
            [
                store.vote(f"r{number}", vote("bob")), other.vote(f"r{number}", vote("bob")),
                other.vote(f"r{number}", vote("carol")), store.vote(f"r{number}", vote("dora")),
            ],
            consumeErrors=True,
        )  # fmt: skip
        known = await store.request(f"r{number}")
        assert known.state == "approved"
        assert len(known.votes) == 2
        assert sum(succeeded for succeeded, _ in both) == 2
        ends = [change for change in await actions(store) if change == ("approval", f"r{number}", "approved")]
        assert len(ends) == 1


@pytest_twisted.ensureDeferred
async def test_a_vote_and_a_withdrawal_at_once_leave_one_end(store: Any, other: Any) -> None:
    for number in range(10):
        await add(store, request(f"r{number}", session="", requirements=(Approvers(("dba",), 1),)))
        await DeferredList(
            [
                store.vote(f"r{number}", vote("bob")),
                other.finish(f"r{number}", "withdrawn", NOW, reason="ctrl-c", by="", only=("pending",)),
            ],
            consumeErrors=True,
        )
        ends = [
            action for kind, subject, action in await actions(store) if subject == f"r{number}" and action != "pending"
        ]
        assert ends in (["approved"], ["withdrawn"])


@pytest_twisted.ensureDeferred
async def test_finish_ends_only_from_the_states_named(store: Any) -> None:
    await add(store, request())
    ended = await store.finish("r1", "withdrawn", NOW + 2, reason="ctrl-c", by="https://id|alice", only=("pending",))
    assert (ended.state, ended.reason, ended.by) == ("withdrawn", "ctrl-c", ("https://id|alice",))
    assert (await store.finish("r1", "expired", NOW + 3, reason="", by="", only=("pending",))).state == "withdrawn"
    with pytest.raises(NoSuchRecordError):
        await store.finish("r2", "expired", NOW, reason="", by="", only=("pending",))


@pytest_twisted.ensureDeferred
async def test_limits_on_pending_requests(store: Any) -> None:
    await store.add_request(request("r1"), per_identity=2, per_session=1)
    with pytest.raises(LimitError, match="holds_per_session"):
        await store.add_request(request("r2"), per_identity=2, per_session=1)
    await store.add_request(request("r2", session="s2"), per_identity=2, per_session=1)
    with pytest.raises(LimitError, match="holds_per_identity"):
        await store.add_request(request("r3", session="s3"), per_identity=2, per_session=1)
    await store.add_request(grant(), per_identity=2, per_session=1)
    await store.finish("r1", "expired", NOW, reason="", by="", only=("pending",))
    await store.add_request(request("r3", session="s3"), per_identity=2, per_session=1)


@pytest_twisted.ensureDeferred
async def test_a_restart_interrupts_what_its_node_left(store: Any) -> None:
    await store.open_session(session())
    await store.open_session(session("s2", node="node-2"))
    await add(store, request("r1"), request("r2", node="node-2"), grant())
    assert await store.interrupt("node-1", NOW + 5, "the gateway restarted") == 1
    assert [(await store.request(each)).state for each in ("r1", "r2", "g1")] == ["interrupted", "pending", "pending"]
    assert ((await store.session("s1")).ended, (await store.session("s2")).ended) == (NOW + 5, None)
    with pytest.raises(RequestClosedError):
        await store.vote("r1", vote("bob"))


@pytest_twisted.ensureDeferred
async def test_live_sessions_are_found_by_what_their_nodes_names_begin_with(store: Any) -> None:
    for id_, node in (("s1", "gate/0"), ("s2", "gate/1"), ("s3", "gate-2/0"), ("s4", "gate/1")):
        await store.open_session(session(id_, node=node))
    await store.close_session("s4", NOW + 1, "the client left")
    assert [each.id for each in await store.live_sessions("gate/")] == ["s1", "s2"]
    assert [each.id for each in await store.live_sessions("gate/1")] == ["s2"]
    assert await store.live_sessions("gate%") == ()


@pytest_twisted.ensureDeferred
async def test_a_silent_node_is_interrupted_by_the_others(store: Any) -> None:
    await store.heartbeat("node-1", NOW)
    await store.heartbeat("node-2", NOW)
    await store.heartbeat("node-2", NOW + 50)
    await store.open_session(session())
    await add(store, request("r1"), request("r2", node="node-2"))
    assert await store.interrupt_silent(NOW + 20, NOW + 60, "its node went silent") == 1
    assert await store.interrupt_silent(NOW + 20, NOW + 60, "its node went silent") == 0
    assert (await store.session("s1")).reason == "its node went silent"
    assert [(await store.request(each)).state for each in ("r1", "r2")] == ["interrupted", "pending"]


@pytest_twisted.ensureDeferred
async def test_a_session_that_ends_withdraws_its_requests(store: Any) -> None:
    await store.open_session(session())
    await add(store, request("r1"), request("r2", session="s2"))
    await store.close_session("s1", NOW + 1, "client left")
    await store.close_session("s1", NOW + 2, "second reason")
    assert await store.session("s1") == session(ended=NOW + 1, reason="client left")
    assert [(await store.request(each)).state for each in ("r1", "r2")] == ["withdrawn", "pending"]


@pytest_twisted.ensureDeferred
async def test_sessions_are_listed_for_their_own_or_for_all(store: Any) -> None:
    mallory = Identity("https://id", "mallory")
    await store.open_session(session("s1"))
    await store.open_session(session("s2", identity=mallory, person="m@x"))
    await store.open_session(session("s3", identity=Identity("https://other", "al"), person=ALICE.key))
    await store.close_session("s3", NOW, "left")

    async def ids(audience: Audience | None, live: bool, limit: int = 10) -> list[str]:
        return [each.id for each in await store.sessions(audience=audience, live=live, limit=limit)]

    own = Audience(ALICE.key, ALICE.key, frozenset())
    assert await ids(own, True) == ["s1"]
    assert await ids(own, False) == ["s3", "s1"]
    assert await ids(None, True) == ["s2", "s1"]
    assert await ids(None, False, 1) == ["s3"]


@pytest_twisted.ensureDeferred
async def test_ending_a_session_is_asked_of_its_process(store: Any) -> None:
    await store.open_session(session())
    assert await store.end_session("s1", NOW, "seen enough", "https://id|bob") is True
    (change,) = await store.changes(0)
    assert (change.kind, change.action, change.reason, change.by) == ("session", "end", "seen enough", "https://id|bob")
    await store.close_session("s1", NOW, "ended")
    assert await store.end_session("s1", NOW, "again", "") is False
    assert await store.end_session("none", NOW, "again", "") is False


@pytest_twisted.ensureDeferred
async def test_requests_are_listed_for_those_whom_they_concern(store: Any) -> None:
    await add(
        store,
        request("r1"),
        request("r2", requester=Identity("https://id", "zed"), person="zed@x"),
        request("r3", requirements=(Approvers(("owners",), 1),), requester=Identity("https://o", "a"), person="zed@x"),
        grant(),
    )

    async def ids(audience: Audience | None, *states: Any, limit: int = 10) -> list[str]:
        return [each.id for each in await store.requests("approval", states=states, audience=audience, limit=limit)]

    assert await ids(None) == ["r3", "r2", "r1"]
    assert await ids(None, limit=1) == ["r3"]
    assert await ids(Audience(ALICE.key, "none", frozenset())) == ["r1"]
    assert await ids(Audience("none", "zed@x", frozenset())) == ["r3", "r2"]
    assert await ids(Audience("none", "none", frozenset({"dba", "x" * 100}))) == ["r2", "r1"]
    assert await ids(Audience("none", "none", frozenset(f"g{n}" for n in range(5000)))) == []
    assert await ids(None, "denied", "expired") == []
    assert [each.id for each in await store.requests("grant", states=("pending",), audience=None, limit=9)] == ["g1"]


@pytest_twisted.ensureDeferred
async def test_an_approved_grant_lasts_its_seconds_from_the_last_vote(store: Any) -> None:
    await add(store, grant(requirements=(Approvers(("dba",), 1),)))
    known = await store.vote("g1", vote("bob", at=NOW + 7))
    assert (known.state, known.ends) == ("approved", NOW + 7 + 3600)
    await store.sweep(NOW + 3606)
    assert (await store.request("g1")).state == "approved"
    await store.sweep(NOW + 3607)
    assert (await store.request("g1")).state == "ended"
    assert (await actions(store))[-1] == ("grant", "g1", "ended")


@pytest_twisted.ensureDeferred
async def test_a_revoked_grant_ends_at_once(store: Any) -> None:
    await add(store, grant(requirements=(Approvers(("dba",), 1),)))
    await store.vote("g1", vote("bob"))
    known = await store.finish(
        "g1", "revoked", NOW + 9, reason="done", by="https://id|bob", only=("pending", "approved")
    )
    assert (known.state, known.ends) == ("revoked", NOW + 9)


@pytest_twisted.ensureDeferred
async def test_sweep_expires_what_nobody_decided(store: Any) -> None:
    await add(store, request())
    await store.sweep(NOW + 59)
    assert (await store.request("r1")).state == "pending"
    await store.sweep(NOW + 60)
    assert (await store.request("r1")).state == "expired"


@pytest_twisted.ensureDeferred
async def test_a_new_policy_makes_this_nodes_older_requests_stale(store: Any) -> None:
    await add(
        store, request("r1"), request("r2", policy_version="v2"), request("r3", node="node-2"), grant(node="node-1")
    )
    assert await store.finish_stale("node-1", "v2", NOW, "the rules changed") == ("r1",)
    states = [(await store.request(each)).state for each in ("r1", "r2", "r3", "g1")]
    assert states == ["stale", "pending", "pending", "pending"]


@pytest_twisted.ensureDeferred
async def test_tokens_are_found_by_hash_and_revoked_once(store: Any) -> None:
    record = TokenRecord(
        "t1", b"\x00\xff" * 16, {"issuer": "https://id", "subject": "alice"}, NOW, NOW + 900, ("shop",)
    )
    await store.add_token(record)
    assert await store.token(b"\x00\xff" * 16) == record
    assert await store.token(b"\x00" * 32) is None
    assert await store.token_by_id("t1") == record
    assert await store.revoke_token("t1", NOW + 1, "lost", "https://id|alice") is True
    assert await store.revoke_token("t1", NOW + 2, "lost", "https://id|alice") is False
    assert await store.revoke_token("t2", NOW + 2, "lost", "") is False
    assert (await store.token_by_id("t1")).revoked == NOW + 1
    assert await actions(store) == [("token", "t1", "revoked")]
    with pytest.raises(StoreError):
        await store.add_token(evolve(record, id="t2"))


@pytest_twisted.ensureDeferred
async def test_changes_of_one_process_are_read_by_another_in_order(store: Any, other: Any) -> None:
    assert await other.latest() == 0
    await add(store, request("r1"), request("r2", session="s2"))
    known = await other.changes(0)
    assert [each.subject for each in known] == ["r1", "r2"]
    assert known[0].sequence < known[1].sequence == await other.latest()
    assert await other.changes(known[0].sequence) == known[1:]
    assert await other.changes(0, 1) == known[:1]
    assert await other.changes(known[1].sequence) == ()


@pytest_twisted.ensureDeferred
async def test_a_reader_whose_changes_were_pruned_is_told(store: Any) -> None:
    await add(store, request("r1", created=NOW - 100), request("r2", session="s2"))
    last = await store.latest()
    await store.prune(NOW - 50, NOW - 50)
    assert [each.kind for each in await store.changes(0)] == [RESET, "approval"]
    assert [each.kind for each in await store.changes(last - 1)] == ["approval"]
    await store.prune(NOW + 50, NOW - 50)
    assert await store.changes(last) == ()
    assert await store.latest() == last
    await add(store, request("r3", session="s3"))
    assert [each.sequence for each in await store.changes(last)] == [last + 1]


@pytest_twisted.ensureDeferred
async def test_prune_forgets_what_is_over_and_nothing_else(store: Any) -> None:
    await store.open_session(session("live"))
    await store.open_session(session("over", ended=NOW + 1))
    await add(store, request("pending"), request("done", session="s2"), grant(requirements=(Approvers(("dba",), 1),)))
    await store.finish("done", "expired", NOW + 1, reason="", by="", only=("pending",))
    await store.vote("g1", vote("bob"))
    await store.add_token(TokenRecord("t1", b"h", {}, NOW, NOW + 1))
    await store.add_token(TokenRecord("t2", b"i", {}, NOW, NOW + 9000))
    await store.prune(NOW + 100, NOW + 100)
    assert [bool(await store.session(each)) for each in ("live", "over")] == [True, False]
    assert [bool(await store.request(each)) for each in ("pending", "done", "g1")] == [True, False, True]
    assert await store.token_by_id("t1") is None
    assert await store.token_by_id("t2") is not None


@pytest_twisted.ensureDeferred
async def test_it_all_outlives_a_restart(store: Any, make: Callable[[], Any]) -> None:
    await add(store, request(requirements=(Approvers(("dba",), 1),)))
    await store.vote("r1", vote("bob"))
    await store.close()
    again = make()
    await again.start()
    assert (await again.request("r1")).state == "approved"
    await again.close()
