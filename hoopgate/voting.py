"""Who may vote on a request, and when the votes suffice: pure functions, the same for held statements and grants."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from hoopgate.errors import HoopgateError
from hoopgate.interfaces import Identity
from hoopgate.stores.records import Request, Vote
from hoopgate.verdicts import Approvers

REASON_LIMIT = 2000  # characters of a reason


class NotEligibleError(HoopgateError):
    """This identity may not decide this request; the text says why and is fit for that person."""


class DigestMismatchError(HoopgateError):
    """The approver saw another request than the one that is held."""


class ReasonError(HoopgateError):
    """A reason is missing or too long."""


def person_of(identity: Identity) -> str:
    """What counts as one human: the person claim without differences of case and width, or else the key.

    Two issuers may spell one address differently; treating them as two people would let one person vote twice.
    """
    if not identity.person:
        return identity.key
    return _fold(identity.person)


def refusal(request: Request, voter: Identity) -> str | None:
    """Why ``voter`` may not decide ``request``, or None if it may."""
    return _not_asked(request, voter) or _perhaps_the_same(request.requester, voter)


def concerned(request: Request, voter: Identity) -> bool:
    """Whether ``voter`` is of those who are asked, and so sees the request; :func:`refusal` may still forbid a vote."""
    return _not_asked(request, voter) is None


def _perhaps_the_same(requester: Identity, voter: Identity) -> str | None:
    """Across issuers only the person claim tells people apart: where a token lacks it, nothing does."""
    if voter.issuer == requester.issuer or (voter.person and requester.person):
        return None
    whose = "the requester's" if voter.person else "your"
    return (
        f"{whose} token does not say which person it stands for, so nobody can tell whether the two of you are one: "
        "the issuer's person_claim must name a claim that its tokens have"
    )


def _not_asked(request: Request, voter: Identity) -> str | None:
    if voter.chain:
        return "an approval must come from a person, not from something that acts for one"
    if not voter.decides:
        return "people of your issuer decide nothing here (issuer.approves)"
    requester = _names(request.requester) | {request.person}
    if _names(voter) & requester:
        return "nobody decides a request of their own, or of one that acts for them"
    if not any(voter.groups & set(requirement.groups) for requirement in request.requirements):
        return f"none of your groups may decide this: rule {request.rule!r} asks for {describe(request.requirements)}"
    if voter.targets and request.target not in voter.targets:
        return f"the token presented is not good for target {request.target!r}"
    return None


def owns(request: Request, identity: Identity) -> bool:
    """Whether this is a request of the identity's own: see :func:`is_own`."""
    return is_own(request.requester, identity)


def is_own(theirs: Identity, identity: Identity) -> bool:
    """Whether what ``theirs`` did is ``identity``'s own: the same key, or the same issuer's word for the same person.

    Another issuer's word on a person takes rights away (see :func:`refusal`) and never gives any: whoever can choose
    an address there would else see what the person does here. Something that acts for a person sees what it did
    itself, not what the person or another agent did.
    """
    same_person = identity.issuer == theirs.issuer and person_of(identity) == person_of(theirs)
    same = identity.key == theirs.key or same_person
    return same and (not identity.chain or identity.chain == theirs.chain)


def settled(requirements: Iterable[Approvers], votes: Sequence[Vote]) -> bool:
    """Whether every requirement has its number of distinct people among the approving votes; False for none."""
    approving = [vote for vote in votes if vote.approve]
    answers = [_people(requirement, approving) >= max(1, requirement.count) for requirement in requirements]
    return bool(answers) and all(answers)


def decidable(requirements: Iterable[Approvers]) -> bool:
    """Whether anybody at all could decide: some requirement, and each with groups."""
    wanted = tuple(requirements)
    return bool(wanted) and all(requirement.groups for requirement in wanted)


def describe(requirements: Iterable[Approvers]) -> str:
    """``2 of dba or security, and 1 of owners``."""
    return ", and ".join(f"{max(1, each.count)} of {' or '.join(each.groups) or 'nobody'}" for each in requirements)


def checked_reason(reason: str, *, required: bool) -> str:
    """The reason without surrounding space. Raises ReasonError."""
    text = reason.strip()
    if required and not text:
        raise ReasonError("say why: a reason is required")
    if len(text) > REASON_LIMIT:
        raise ReasonError(f"the reason is longer than {REASON_LIMIT} characters")
    return text


def ballot(voter: Identity, approve: bool, reason: str, at: float) -> Vote:
    """The voter's vote, with the groups that it has now."""
    return Vote(voter.key, person_of(voter), voter.groups, approve, reason, at)


def _people(requirement: Approvers, approving: Sequence[Vote]) -> int:
    """How many people of the requirement's groups: the smaller of distinct persons and distinct keys.

    A vote without a person claim counts among those of its own issuer alone: beside others' it may be anybody's second.
    """
    fitting = [vote for vote in approving if vote.groups & set(requirement.groups)]
    issuers = {vote.key.partition("|")[0] for vote in fitting}
    of_one = [[vote for vote in fitting if vote.key.partition("|")[0] == issuer] for issuer in issuers]
    named = [vote for vote in fitting if vote.person != vote.key]
    return max((_distinct(votes) for votes in (*of_one, named)), default=0)


def _distinct(votes: Sequence[Vote]) -> int:
    return min(len({vote.person for vote in votes}), len({vote.key for vote in votes}))


def _names(identity: Identity) -> set[str]:
    """Every name this identity and those in its chain go by (chains hold keys, or bare names).

    A link's subject counts by itself too: it may be what another issuer calls the person.
    """
    names = {identity.key, person_of(identity), *identity.chain}
    for link in identity.chain:
        names |= {_fold(link), _fold(link.partition("|")[2] or link)}
    return names


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
