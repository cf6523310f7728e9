"""Who may vote and when votes suffice."""

from __future__ import annotations

import pytest
from attrs import evolve

from hoopgate.interfaces import Identity
from hoopgate.stores.records import Vote
from hoopgate.verdicts import Approvers
from hoopgate.voting import ReasonError, checked_reason, decidable, describe, owns, person_of, refusal, settled
from tests.contracts.test_store import request
from tests.stores.parts import AGENT, ALICE, BOB, ISSUER, person

HELD = evolve(request(), requester=ALICE, person=person_of(ALICE))


def vote(subject: str, name: str = "", *groups: str, approve: bool = True, issuer: str = "i") -> Vote:
    key = f"{issuer}|{subject}"
    return Vote(key, name or key, frozenset(groups or ("dba",)), approve, "", 1.0)


def test_an_approver_of_a_group_may_vote() -> None:
    assert refusal(HELD, BOB) is None


@pytest.mark.parametrize(
    ("voter", "why"),
    [
        (evolve(ALICE, groups=frozenset({"dba"})), "of their own"),
        (person("alice2", "dba", person="ALICE@example.com "), "of their own"),
        (Identity("https://other", "x", groups=frozenset({"dba"}), person="alice@example.com"), "of their own"),
        (person("zed", "dev"), "none of your groups"),
        (person("zed"), "none of your groups"),
        (evolve(BOB, chain=(f"{ISSUER}|bot",)), "acts for one"),
        (evolve(BOB, targets=("other",)), "not good for target"),
        (evolve(BOB, decides=False), "people of your issuer"),
    ],
)
def test_who_may_not(voter: Identity, why: str) -> None:
    refused = refusal(HELD, voter)
    assert refused is not None
    assert why in refused


@pytest.mark.parametrize(
    "link",
    [BOB.key, "bob@example.com", "BOB@Example.com", "https://other|bob@example.com", "https://other|BOB@Example.com"],
)
def test_nobody_in_the_requesters_chain(link: str) -> None:
    delegated = evolve(HELD, requester=evolve(ALICE, chain=(link,)))
    assert "acts for them" in str(refusal(delegated, BOB))


def test_a_token_bound_to_the_target_may() -> None:
    assert refusal(HELD, evolve(BOB, targets=("shop", "other"))) is None


def test_a_person_is_the_same_in_every_spelling() -> None:
    assert person_of(person("b", person="Bob@Example.com")) == person_of(person("b", person="ｂob@example.com "))  # noqa: RUF001
    assert person_of(Identity("i", "Sub")) == "i|Sub"
    assert person_of(Identity("i", "Sub")) != person_of(Identity("i", "sub"))


@pytest.mark.parametrize(
    ("votes", "enough"),
    [
        ([], False),
        ([vote("a")], False),
        ([vote("a"), vote("b")], True),
        ([vote("a"), vote("b"), vote("c")], True),
        ([vote("a", "p"), vote("b", "p")], False),
        ([vote("a", "p"), vote("a", "q")], False),
        ([vote("a", "", "dba", "security")], False),
        ([vote("a"), vote("b", "", "strangers")], False),
        ([vote("a"), vote("b", approve=False)], False),
        ([vote("a"), vote("b", issuer="j")], False),
        ([vote("a", "p"), vote("b", issuer="j")], False),
        ([vote("a", "p"), vote("b", "q", issuer="j")], True),
        ([vote("a", "p"), vote("b", "p", issuer="j")], False),
        ([vote("a"), vote("b"), vote("c", issuer="j")], True),
    ],
)
def test_two_of_two_groups(votes: list[Vote], enough: bool) -> None:
    assert settled((Approvers(("dba", "security"), 2),), votes) is enough


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_still_needs_one(count: int) -> None:
    assert not settled((Approvers(("dba",), count),), [])
    assert settled((Approvers(("dba",), count),), [vote("a")])


def test_no_requirement_is_never_met() -> None:
    assert not settled((), [vote("a")])
    assert not settled((Approvers(()),), [vote("a")])
    assert not decidable(())
    assert not decidable((Approvers(("dba",)), Approvers(())))
    assert decidable((Approvers(("dba",)),))


def test_own_is_by_key_or_person_and_an_agent_sees_only_its_own() -> None:
    by_agent = evolve(HELD, requester=AGENT)
    assert owns(HELD, ALICE)
    assert owns(by_agent, ALICE)
    assert owns(by_agent, AGENT)
    assert not owns(HELD, AGENT)
    assert not owns(HELD, BOB)
    assert owns(HELD, person("alice-admin", person="Alice@example.com"))
    assert not owns(HELD, Identity("https://other", "x", person="Alice@example.com"))


def test_reasons() -> None:
    assert checked_reason("  because ", required=True) == "because"
    assert checked_reason("", required=False) == ""
    for text in (" \n", "x" * 2001):
        with pytest.raises(ReasonError):
            checked_reason(text, required=True)


def test_what_is_asked_for_reads_well() -> None:
    assert describe((Approvers(("dba", "sec"), 2), Approvers(("owners",)))) == "2 of dba or sec, and 1 of owners"
