"""Just-in-time grants: asked for, agreed to by others, ended on time, revocable with effect in live sessions.

A grant's scope is the name of a rule with ``grant = true``, or ``target:NAME`` for every such rule that concerns that
target. Who may agree: the approvers of every rule that the scope covers, each rule's own number of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.approvals import new_id
from hoopgate.config.model import Config, Rule, Target
from hoopgate.errors import HoopgateError, LimitError
from hoopgate.holders import Holders
from hoopgate.interfaces import Identity, IStore
from hoopgate.stores.feed import ChangeFeed
from hoopgate.stores.records import (
    RESET,
    Audience,
    Change,
    NoSuchRecordError,
    Request,
    RequestClosedError,
    State,
    StoreError,
)
from hoopgate.voting import NotEligibleError, ballot, checked_reason, concerned, decidable, owns, person_of, refusal

Concerns = Callable[[Rule, Identity, Target], bool]
Watcher = Callable[[str], None]

_TICK: Final = 0.5  # seconds: how late a session may hear that a grant's time is over
_LOADED: Final = 100_000  # grants in force at once; more fail closed, the newest are kept
_TARGET: Final = "target:"


class ScopeError(HoopgateError):
    """The scope names nothing that this identity could be granted; the text says what to write."""


class Grants:
    """``config()`` is the configuration now in force. ``concerns(rule, identity, target)`` says whether the rule's
    who, target and labels match, leaving aside what a statement does.

    ``active`` answers from memory, kept fresh by ``feed``; while the feed is blind nobody has a grant.
    """

    log = Logger()

    def __init__(
        self, store: IStore, feed: ChangeFeed, clock: IReactorTime, config: Callable[[], Config], concerns: Concerns
    ) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock
        self._config = config
        self._concerns = concerns
        self._known: dict[str, Request] = {}  # approved ones, by id
        self._holders = Holders(self._look)  # who has any of them
        self.active = self._holders.active
        """``active(identity)``: the scopes granted to it now, that is to its key, acting through the same chain and
        nothing longer. Asked at each statement: costs next to nothing for who has no grant at all."""
        self._told: dict[str, frozenset[str]] = {}  # identity key -> ids last told of as in force
        self._watchers: list[Watcher] = []
        self._reload = False
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock
        feed.subscribe("grant", self._changed)

    def start(self) -> Deferred[None]:
        """Load what is in force; start the feed first, so that nothing is missed between."""
        return self._load().addCallback(lambda _: self._begin())

    def _begin(self) -> None:
        self._loop.start(_TICK)

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    # --- what sessions ask

    def _look(self, identity: Identity) -> frozenset[str]:
        if self._holders.keys is None:
            self._holders.keys = frozenset([known.requester.key for known in self._known.values()])
        return frozenset(
            known.scope
            for known in self._in_force()
            if known.requester.key == identity.key
            and known.requester.chain == identity.chain
            and self._still_given(known, identity)
        )

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher(identity.key)`` whenever that identity's active grants became more or fewer."""
        self._watchers.append(watcher)

        def unwatch() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return unwatch

    # --- asking and deciding

    def request(self, identity: Identity, scope: str, seconds: float, reason: str) -> Deferred[Request]:
        """Ask for a grant. Fails with ScopeError, ReasonError, LimitError or StoreError."""
        try:
            record = self._record(identity, scope, seconds, checked_reason(reason, required=True))
        except HoopgateError:
            broken: Deferred[Request] = Deferred()
            broken.errback()
            return broken
        most = self._config().limits.holds_per_identity
        return self._store.add_request(record, per_identity=most, per_session=0).addCallback(lambda _: record)

    def decide(self, approver: Identity, request_id: str, approve: bool, reason: str = "") -> Deferred[Request]:
        """Vote on a grant. Fails as ``Approvals.decide`` does, but there is no digest to match."""
        return Deferred.fromCoroutine(self._decide(approver, request_id, approve, reason))

    async def _decide(self, approver: Identity, request_id: str, approve: bool, reason: str) -> Request:
        reason = checked_reason(reason, required=not approve)
        known = await self.get(request_id, approver)
        refused = refusal(known, approver)
        if refused is not None:
            raise NotEligibleError(refused)
        now = self._clock.seconds()
        if known.state == "pending" and known.policy_version != self._config().version:
            # The rules may now ask for other approvers than those that the request was made to.
            why = "the rules changed since this was asked for"
            await self._store.finish(request_id, "stale", now, reason=why, by="", only=("pending",))
            raise RequestClosedError(f"{why}: it must be asked for again", state="stale")
        voted = await self._store.vote(request_id, ballot(approver, approve, reason, now))
        self._remember(voted)
        return voted

    def revoke(self, identity: Identity, request_id: str, reason: str) -> Deferred[Request]:
        """End a grant or a request for one: its owner, whoever may decide it, and operators may.

        Fails with NoSuchRecordError, RequestClosedError, ReasonError or StoreError.
        """
        return Deferred.fromCoroutine(self._revoke(identity, request_id, reason))

    async def _revoke(self, identity: Identity, request_id: str, reason: str) -> Request:
        reason = checked_reason(reason, required=True)
        known = await self.get(request_id, identity)
        if known.state not in ("pending", "approved"):
            raise RequestClosedError(f"this grant has ended: {known.state}", state=known.state)
        state: State = "withdrawn" if known.state == "pending" and owns(known, identity) else "revoked"
        ended = await self._store.finish(
            request_id, state, self._clock.seconds(), reason=reason, by=identity.key, only=(known.state,)
        )
        self._remember(ended)
        if ended.state != state:
            raise RequestClosedError(f"it changed meanwhile, to {ended.state}: look again", state=ended.state)
        return ended

    def get(self, request_id: str, viewer: Identity) -> Deferred[Request]:
        """A grant that the viewer asked for, may decide, or sees as an operator; else NoSuchRecordError."""
        return self._store.request(request_id).addCallback(self._shown, viewer)

    def list(self, viewer: Identity, states: tuple[State, ...], limit: int) -> Deferred[tuple[Request, ...]]:
        """Those that :meth:`get` would show, newest first."""
        everything = is_operator(self._config(), viewer)
        audience = None if everything else Audience(viewer.key, person_of(viewer), viewer.groups)
        found = self._store.requests("grant", states=states, audience=audience, limit=limit)
        return found.addCallback(lambda rows: tuple(row for row in rows if self._visible(row, viewer)))

    # --- inside

    def _record(self, identity: Identity, scope: str, seconds: float, reason: str) -> Request:
        config = self._config()
        if identity.targets and scope not in {f"{_TARGET}{name}" for name in identity.targets}:
            raise ScopeError("the token presented is bound to other targets")
        rules = self._offered(config, identity, scope)
        if not math.isfinite(seconds) or seconds < 1:
            raise ScopeError("a grant lasts one second or more")
        if seconds > config.limits.grant:
            raise LimitError(f"a grant lasts at most {config.limits.grant:g} seconds", limit="limits.grant")
        now = self._clock.seconds()
        return Request(
            id=new_id(),
            kind="grant",
            node="",
            requester=evolve(identity, claims={}),
            person=person_of(identity),
            target=scope.removeprefix(_TARGET) if scope.startswith(_TARGET) else "",
            rule=", ".join(rule.name for rule in rules),
            requirements=tuple(dict.fromkeys(rule.approvers for rule in rules)),
            created=now,
            expires=now + config.limits.grant_request,
            scope=scope,
            policy_version=config.version,
            seconds=seconds,
            details={"reason": reason},
        )

    def _offered(self, config: Config, identity: Identity, scope: str) -> tuple[Rule, ...]:
        """The rules that the scope would open to this identity. Raises ScopeError for none."""
        rules = [rule for rule in config.rules if rule.grant and rule.then in ("allow", "hold")]
        if scope.startswith(_TARGET):
            targets = [target for target in config.targets if target.name == scope.removeprefix(_TARGET)]
        else:
            targets = list(config.targets)
            rules = [rule for rule in rules if rule.name == scope]
        offered = tuple(rule for rule in rules if any(self._concerns(rule, identity, each) for each in targets))
        if not offered:
            raise ScopeError(f"no grant of {scope!r} is offered to you: name target:NAME or a rule with grant = true")
        if not decidable(rule.approvers for rule in offered):
            raise ScopeError(f"nobody is named who could approve {scope!r}: its rules need approvers")
        return offered

    def _still_given(self, known: Request, identity: Identity) -> bool:
        """Whether those who gave it are those who would have to give it now: a reload may have added a rule that the
        target's grant would open, or changed who gives it."""
        config = self._config()
        if known.policy_version == config.version:
            return True
        try:
            offered = self._offered(config, identity, known.scope)
        except ScopeError:
            return False
        return {rule.approvers for rule in offered} <= set(known.requirements)

    def _in_force(self) -> tuple[Request, ...]:
        if self._feed.blind:
            return ()
        now = self._clock.seconds()
        return tuple(known for known in self._known.values() if known.ends is not None and now < known.ends)

    def _load(self) -> Deferred[None]:
        found = self._store.requests("grant", states=("approved",), audience=None, limit=_LOADED)
        return found.addCallback(self._loaded)

    def _loaded(self, rows: tuple[Request, ...]) -> None:
        self._known, self._holders.keys = {row.id: row for row in rows}, None
        self._tell()

    def _remember(self, known: Request) -> None:
        self._holders.keys = None
        if known.state == "approved":
            self._known[known.id] = known
        else:
            self._known.pop(known.id, None)
        self._tell()

    def _tick(self) -> None:
        if self._reload:
            self._reload = False
            self._load().addErrback(self._unread)
        self._tell()

    def _tell(self) -> None:
        """Tell watchers of each identity whose grants in force are not those last told of."""
        now: dict[str, set[str]] = {}
        for known in self._in_force():
            now.setdefault(known.requester.key, set()).add(known.id)
        current = {key: frozenset(ids) for key, ids in now.items()}
        differing = [key for key in current.keys() | self._told.keys() if current.get(key) != self._told.get(key)]
        self._told = current
        for key in differing:
            for watcher in tuple(self._watchers):
                self._notify(watcher, key)

    def _notify(self, watcher: Watcher, key: str) -> None:
        try:
            watcher(key)
        except Exception:
            # One session's fault must not keep an end from the next.
            self.log.failure("a watcher of grants failed for {key}", key=key)

    def _changed(self, change: Change) -> None:
        if change.kind == RESET:
            self._load().addErrback(self._unread)
            return
        if change.action in ("pending", "voted"):
            return
        if change.action != "approved":
            self._known.pop(change.subject, None)
            self._holders.keys = None
            self._tell()
            return
        self._store.request(change.subject).addCallbacks(self._read, self._unread)

    def _read(self, known: Request | None) -> None:
        if known is not None:
            self._remember(known)

    def _unread(self, failure: Failure) -> None:
        """What could not be read is not in force; the next tick reads everything again."""
        self._known.clear()
        self._holders.keys = None
        self._reload = True
        if isinstance(failure.value, StoreError):
            self.log.error("grants could not be read: {error}", error=failure.value)
        else:  # of a record that makes no sense, too: whatever it is, nothing of it is in force
            self.log.failure("grants could not be read", failure)

    def _visible(self, known: Request, viewer: Identity) -> bool:
        return owns(known, viewer) or concerned(known, viewer) or is_operator(self._config(), viewer)

    def _shown(self, known: Request | None, viewer: Identity) -> Request:
        if known is None or known.kind != "grant" or not self._visible(known, viewer):
            raise NoSuchRecordError("there is no such grant")
        return known


def is_operator(config: Config, identity: Identity) -> bool:
    """A person, not something acting for one, in one of ``api.operators``, of an issuer whose people decide."""
    return identity.decides and not identity.chain and bool(identity.groups & set(config.api.operators))
