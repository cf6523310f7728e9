"""What a store keeps: sessions, requests with their votes, and the log of changes.

Times are epoch seconds and come from the caller's clock, never from the store's machine. What is kept of a
gateway-issued token is ``hoopgate.identity.tokens.TokenRecord``.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from attrs import field, frozen

from hoopgate.errors import HoopgateError
from hoopgate.interfaces import Identity
from hoopgate.verdicts import Approvers

RequestKind = Literal["approval", "grant"]
State = Literal[
    "pending", "approved", "denied", "expired", "withdrawn", "stale", "interrupted", "revoked", "ended",
]  # fmt: skip
STATES: Final[tuple[State, ...]] = (
    "pending", "approved", "denied", "expired", "withdrawn", "stale", "interrupted", "revoked", "ended",
)  # fmt: skip

RESET: Final = "reset"  # the kind of a Change that says: changes were pruned before you read them, load afresh


class StoreError(HoopgateError):
    """The store refused or could not do what was asked; whatever depends on it must fail closed."""


class NoSuchRecordError(StoreError):
    """No session, request or token has that id."""


class RequestClosedError(StoreError):
    """The request has ended, so it takes no vote any more. ``state`` says how it ended."""

    def __init__(self, message: str, *, state: State) -> None:
        super().__init__(message)
        self.state = state


class AlreadyVotedError(StoreError):
    """This person has voted on this request: one vote each, whatever groups and issuers they have."""


@frozen
class Vote:
    """One person's vote. ``person`` is the normal form that is counted (see ``hoopgate.voting.person_of``)."""

    key: str
    person: str
    groups: frozenset[str]
    approve: bool
    reason: str
    at: float


@frozen
class Request:
    """Something that people must agree to: a held statement (``approval``) or a just-in-time ``grant``.

    Every one of ``requirements`` must be met. ``expires`` is when an undecided request ends. ``seconds`` is how
    long a grant lasts once approved, and ``ends`` then says until when; both None for a held statement.
    ``details`` is JSON: what only this kind of request has. The requester is kept without its claims.
    """

    id: str
    kind: RequestKind
    node: str  # which process holds it: "" for one that outlives a process
    requester: Identity
    person: str  # the requester's, in the form votes are counted in
    target: str
    rule: str
    requirements: tuple[Approvers, ...]
    created: float
    expires: float
    session: str = ""
    scope: str = ""
    digest: str = ""
    policy_version: str = ""
    seconds: float | None = None
    details: dict[str, Any] = field(factory=dict)
    state: State = "pending"
    decided: float | None = None
    ends: float | None = None
    by: tuple[str, ...] = ()  # keys of those whose votes or act ended it
    reason: str = ""
    votes: tuple[Vote, ...] = ()


@frozen
class Audience:
    """Who asks for a list: their own requests by ``key`` or ``person``, and those that ``groups`` may decide."""

    key: str
    person: str
    groups: frozenset[str]


@frozen
class SessionRecord:
    """One session. ``node`` is the process that holds it; ``ended`` is None while it lives."""

    id: str
    node: str
    identity: Identity
    person: str
    target: str
    role: str
    protocol: str
    client: str
    started: float
    ended: float | None = None
    reason: str = ""


@frozen
class Change:
    """One line of the log of changes: ``sequence`` only ever grows, in the order of commits.

    kind/action: ``approval`` and ``grant``: pending, voted, or the state they ended in; ``token``: revoked;
    ``session``: end (somebody asks its process to end it); ``reset``: see RESET.
    ``subject`` is the record's id.
    """

    sequence: int
    kind: str
    subject: str
    action: str
    at: float
    reason: str = ""
    by: str = ""


def identity_to_json(identity: Identity, *, claims: bool = True) -> dict[str, Any]:
    """The identity as JSON values; ``claims=False`` leaves the claims out."""
    return {
        "issuer": identity.issuer,
        "subject": identity.subject,
        "groups": sorted(identity.groups),
        "scopes": sorted(identity.scopes),
        "claims": identity.claims if claims else {},
        "chain": list(identity.chain),
        "person": identity.person,
        "expires": identity.expires,
        "token_id": identity.token_id,
        "targets": list(identity.targets),
        "decides": identity.decides,
    }


def identity_from_json(value: dict[str, Any]) -> Identity:
    """The inverse of :func:`identity_to_json`."""
    return Identity(
        issuer=value["issuer"],
        subject=value["subject"],
        groups=frozenset(value["groups"]),
        scopes=frozenset(value["scopes"]),
        claims=dict(value["claims"]),
        chain=tuple(value["chain"]),
        person=value["person"],
        expires=value["expires"],
        token_id=value["token_id"],
        targets=tuple(value["targets"]),
        decides=bool(value.get("decides", True)),  # kept since it came to be
    )
