"""Held statements and who lets them run: requests in the store, and the tickets that this process waits on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from attrs import evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as LateError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.config.limits import Limits
from hoopgate.errors import LimitError, PolicyError
from hoopgate.frames import Parameter
from hoopgate.interfaces import Identity, IStore
from hoopgate.stores.feed import ChangeFeed
from hoopgate.stores.records import Audience, Change, NoSuchRecordError, Request, RequestClosedError, State, StoreError
from hoopgate.verdicts import Approvers
from hoopgate.voting import (
    DigestMismatchError,
    NotEligibleError,
    ballot,
    checked_reason,
    concerned,
    decidable,
    owns,
    person_of,
    refusal,
)

_ID_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: people read ids out to each other
_ID_LENGTH: Final = 10
_STORE_ANSWERS: Final = 10.0  # seconds that the end of a hold waits for a store's word on it


@frozen
class ApprovalRequest:
    """What the approver is shown, and what the approval is bound to.

    ``statement`` and ``parameters`` are text for people (secrets taken out by the guard); ``digest`` is
    :func:`binding` over the very bytes. ``timeout`` is seconds. ``locks`` names what an open transaction keeps
    locked meanwhile. ``session`` is the session's id.
    """

    session: str
    requester: Identity
    target: str
    role: str
    statement: str
    parameters: tuple[str, ...]
    digest: str
    search_path: str
    policy_version: str
    rule: str
    reason: str
    approvers: Approvers
    timeout: float
    risk: int = 0
    risk_reasons: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    in_transaction: bool = False


@frozen
class Outcome:
    """How a hold ended. Only ``approved`` lets the statement run. ``by``: keys of those who decided."""

    status: State
    by: tuple[str, ...] = ()
    reason: str = ""


@frozen(eq=False)
class Ticket:
    """A hold that waits. ``outcome`` fires once, never fails; cancelling it withdraws the request."""

    id: str
    request: Request
    outcome: Deferred[Outcome] = field(repr=False)


def binding(
    statement: bytes,
    parameters: Sequence[Parameter] | None,
    target: str,
    role: str,
    search_path: str,
    policy_version: str,
) -> str:
    """SHA-256 (hex) of exactly what will run, and as whom, where and under which rules.

    Every field is preceded by its length, and NULL differs from every value, so that no two different requests
    have one input. ``parameters`` None (not bound) differs from none.
    """
    digest = sha256(b"hoopgate approval 1\0")
    fields = [statement, *(text.encode() for text in (target, role, search_path, policy_version))]
    for each in fields:
        digest.update(len(each).to_bytes(8, "big") + each)
    digest.update(b"unbound" if parameters is None else len(parameters).to_bytes(8, "big"))
    for parameter in parameters or ():
        digest.update(parameter.type_oid.to_bytes(4, "big") + parameter.format.to_bytes(2, "big"))
        value = parameter.value
        digest.update(b"null" if value is None else b"some" + len(value).to_bytes(8, "big") + value)
    return digest.hexdigest()


def new_id() -> str:
    """An id of 50 random bits, easy to say and to type."""
    return "".join(secrets.choice(_ID_DIGITS) for _ in range(_ID_LENGTH))


@frozen(eq=False)
class _Waiting:
    ticket: Ticket
    timer: IDelayedCall


class Approvals:
    """Opens holds, takes votes on them, and tells this process's tickets how they ended.

    The store is the truth; tickets learn of other processes' decisions through ``feed``. ``limits`` is read anew
    for each request, since a reload may change it.
    """

    log = Logger()

    def __init__(
        self,
        store: IStore,
        feed: ChangeFeed,
        clock: IReactorTime,
        *,
        node: str,
        limits: Callable[[], Limits] = Limits,
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._limits = limits
        self._policy_version = ""  # of the last reload; "" before the first
        self._waiting: dict[str, _Waiting] = {}
        feed.subscribe("approval", self._changed)

    # --- the requester's side

    def open(self, request: ApprovalRequest) -> Deferred[Ticket]:
        """Ask for approval. Fires with the ticket once the store has the request.

        Fails with PolicyError where nobody could ever approve, LimitError where too many wait already or the
        statement is too long to be judged by a person, StoreError where it cannot be kept.
        """
        try:
            record = self._record(request)
        except (PolicyError, LimitError):
            return _failed()
        limits = self._limits()
        added = self._store.add_request(
            record, per_identity=limits.holds_per_identity, per_session=limits.holds_per_session
        )
        opened: Deferred[Ticket] = Deferred(lambda _: self._abandon(added, record.id))
        added.addCallbacks(
            lambda _: None if opened.called else opened.callback(self._ticket(record)),
            lambda failure: None if opened.called else opened.errback(failure),
        )
        return opened

    def withdraw(self, request_id: str, reason: str) -> Deferred[None]:
        """The requester gave up (Ctrl-C, disconnect): never run it, whatever the store says."""
        return self._end(request_id, "withdrawn", reason)

    def stale(self, policy_version: str) -> Deferred[int]:
        """The rules are now of ``policy_version``: holds asked for under others end ``stale``. Fires with how many."""
        self._policy_version = policy_version
        old = [key for key, each in self._waiting.items() if each.ticket.request.policy_version != policy_version]
        for request_id in old:
            self._settle(request_id, Outcome("stale", (), "the rules changed"))
        marked = self._store.finish_stale(self._node, policy_version, self._clock.seconds(), "the rules changed")
        return marked.addCallback(lambda _: len(old))

    # --- the approver's side

    def decide(
        self, approver: Identity, request_id: str, approve: bool, reason: str = "", digest: str = ""
    ) -> Deferred[Request]:
        """Vote. An approval must carry the digest of what the approver saw; a denial must say why.

        Fires with the request as it then stands. Fails with NoSuchRecordError, NotEligibleError,
        RequestClosedError, AlreadyVotedError, DigestMismatchError, ReasonError or StoreError.
        """
        return Deferred.fromCoroutine(self._decide(approver, request_id, approve, reason, digest))

    async def _decide(self, approver: Identity, request_id: str, approve: bool, reason: str, digest: str) -> Request:
        reason = checked_reason(reason, required=not approve)
        known = await self.get(request_id, approver)
        refused = refusal(known, approver)
        if refused is not None:
            raise NotEligibleError(refused)
        if known.state != "pending":
            raise RequestClosedError(f"this request has ended: {known.state}", state=known.state)
        if approve and not compare_digest(digest.encode(), known.digest.encode()):
            raise DigestMismatchError("what you saw is not what is held now: look at the request again")
        voted = await self._store.vote(request_id, ballot(approver, approve, reason, self._clock.seconds()))
        self._conclude(voted)
        return voted

    def get(self, request_id: str, viewer: Identity) -> Deferred[Request]:
        """One request that the viewer made or may decide. Fails with NoSuchRecordError for any other."""
        return self._store.request(request_id).addCallback(self._shown, viewer)

    def list(self, viewer: Identity, states: tuple[State, ...], limit: int) -> Deferred[tuple[Request, ...]]:
        """The viewer's own requests and those it may decide, newest first."""
        audience = Audience(viewer.key, person_of(viewer), viewer.groups)
        found = self._store.requests("approval", states=states, audience=audience, limit=limit)
        return found.addCallback(lambda rows: tuple(row for row in rows if visible(row, viewer)))

    # --- inside

    def _record(self, request: ApprovalRequest) -> Request:
        if not decidable((request.approvers,)):
            raise PolicyError(f"rule {request.rule!r} names nobody who could approve", rule=request.rule)
        texts = (request.statement, *request.parameters, request.search_path, *request.locks)
        if sum(len(text.encode("utf-8", "replace")) for text in texts) > self._limits().hold_statement:
            raise LimitError("nobody can judge so long a statement", limit="limits.hold_statement")
        now = self._clock.seconds()
        return Request(
            id=new_id(),
            kind="approval",
            node=self._node,
            requester=evolve(request.requester, claims={}),
            person=person_of(request.requester),
            target=request.target,
            rule=request.rule,
            requirements=(request.approvers,),
            created=now,
            expires=now + request.timeout,
            session=request.session,
            digest=request.digest,
            policy_version=request.policy_version,
            details={
                "role": request.role,
                "statement": request.statement,
                "parameters": list(request.parameters),
                "search_path": request.search_path,
                "reason": request.reason,
                "risk": request.risk,
                "risk_reasons": list(request.risk_reasons),
                "locks": list(request.locks),
                "in_transaction": request.in_transaction,
            },
        )

    def _ticket(self, record: Request) -> Ticket:
        outcome: Deferred[Outcome] = Deferred(lambda _: self._cancelled(record.id))
        ticket = Ticket(record.id, record, outcome)
        left = max(0.0, record.expires - self._clock.seconds())
        timer = self._clock.callLater(left, self._expired, record.id)
        self._waiting[record.id] = _Waiting(ticket, timer)
        if self._policy_version not in ("", record.policy_version):
            # Judged by rules that a reload has replaced meanwhile.
            self._end(record.id, "stale", "the rules changed")
        return ticket

    def _abandon(self, added: Deferred[None], request_id: str) -> None:
        """The one who asked went away before the store had answered."""
        added.addCallback(lambda _: self._end(request_id, "withdrawn", "the requester left"))

    def _cancelled(self, request_id: str) -> None:
        self._end(request_id, "withdrawn", "the requester left")

    def _expired(self, request_id: str) -> None:
        """The store knows whether a vote elsewhere came in time; if it cannot say, the hold has expired."""
        late = Outcome("expired", (), "nobody decided in time")
        finished = self._store.finish(
            request_id, "expired", self._clock.seconds(), reason=late.reason, by="", only=("pending",)
        )
        finished.addTimeout(_STORE_ANSWERS, self._clock)
        finished.addCallbacks(self._conclude, self._unkept)
        finished.addBoth(lambda _: self._settle(request_id, late))

    def _end(self, request_id: str, state: State, reason: str) -> Deferred[None]:
        """End it here at once, and in the store if nobody has yet."""
        self._settle(request_id, Outcome(state, (), reason))
        finished = self._store.finish(request_id, state, self._clock.seconds(), reason=reason, by="", only=("pending",))
        return finished.addCallbacks(lambda _: None, self._unkept, callbackArgs=())

    def _unkept(self, failure: Failure) -> None:
        """The hold has ended here, which is what matters; the store's sweep ends it there."""
        _expect(failure, StoreError, LateError)
        self.log.error("the end of a request was not stored: {error}", error=failure.value)

    def _changed(self, change: Change) -> None:
        """Somebody, perhaps another process, did something to a request that may be ours."""
        ids = [change.subject] if change.kind == "approval" else list(self._waiting)
        for request_id in ids:
            if request_id in self._waiting and change.action not in ("pending", "voted"):
                self._store.request(request_id).addCallbacks(self._refreshed, self._unread, (request_id,))

    def _refreshed(self, known: Request | None, request_id: str) -> None:
        if known is None:
            self._settle(request_id, Outcome("interrupted", (), "the request is gone from the store"))
        else:
            self._conclude(known)

    def _unread(self, failure: Failure) -> None:
        """Not knowing is not an approval: the ticket's own timer still ends it."""
        _expect(failure, StoreError, LateError)
        self.log.error("a request could not be read: {error}", error=failure.value)

    def _conclude(self, known: Request) -> None:
        if known.state == "pending":
            return
        if known.state == "approved" and self._policy_version not in ("", known.policy_version):
            self._settle(known.id, Outcome("stale", (), "the rules changed"))
            return
        self._settle(known.id, Outcome(known.state, known.by, known.reason))

    def _settle(self, request_id: str, outcome: Outcome) -> None:
        waiting = self._waiting.pop(request_id, None)
        if waiting is None:
            return
        if waiting.timer.active():
            waiting.timer.cancel()
        waiting.ticket.outcome.callback(outcome)

    def _shown(self, known: Request | None, viewer: Identity) -> Request:
        if known is None or known.kind != "approval" or not visible(known, viewer):
            raise NoSuchRecordError("there is no such request")
        return known


def visible(request: Request, viewer: Identity) -> bool:
    """Who made a request sees it, and who is asked to decide it; nobody else sees another's statement."""
    return owns(request, viewer) or concerned(request, viewer)


def _failed() -> Deferred[Ticket]:
    """A Deferred that has failed with the exception being dealt with."""
    broken: Deferred[Ticket] = Deferred()
    broken.errback()
    return broken


def _expect(failure: Failure, *kinds: type[Exception]) -> None:
    """Let any failure of another kind go on."""
    if not isinstance(failure.value, kinds):
        raise failure.value or AssertionError("a failure without an exception")
