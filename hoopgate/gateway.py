"""The running gateway: what all sessions of this process share, and what may end them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.cancel import CancelKeys, Pace, SingleFlight, worker_of
from hoopgate.catalogue import Catalogue
from hoopgate.codecs.postgresql import messages
from hoopgate.config.model import Config, Issuer, Limits, Listener, Role, Target
from hoopgate.doors import Doors
from hoopgate.errors import AuthenticationError, ConfigError, HoopgateError
from hoopgate.interfaces import Identity
from hoopgate.policy.engine import Decision, Engine
from hoopgate.protocols.postgresql.query import Queries
from hoopgate.rounds import Rounds
from hoopgate.session import Session
from hoopgate.stores.records import RESET, Change, SessionRecord, StoreError

if TYPE_CHECKING:
    from hoopgate.protocols.connect.client import ConnectConnection
    from hoopgate.protocols.postgresql.target import TargetConnection

log = Logger()
CATALOGUE_SETTINGS = {
    "application_name": "hoopgate catalogue",
    "options": "-c statement_timeout=10000 -c lock_timeout=1000 -c default_transaction_read_only=on -c search_path=",
    "client_encoding": "UTF8",
}
_TICK = 0.5  # seconds: how late a session may end after its time
_AGAIN = 5.0  # seconds until a session's end that the store did not take is brought again


@define(eq=False)
class Gateway:
    """Built by ``service``; every part comes in from there."""

    clock: Any  # the reactor
    config: Config
    parser: Any
    make_engine: Callable[[Config], Engine]
    authenticator: Any
    approvals: Any
    grants: Any
    recorder: Any
    store: Any
    feed: Any
    upstream: Any
    metrics: Any
    guards: tuple[Any, ...]  # IGuardFactory, in order
    node: str
    worker: int = 0
    tell_defined: Callable[[str, str], None] | None = None  # (target, database): other workers, that definitions change
    forward_cancel: Callable[[int, int, bytes], None] | None = None  # (worker, pid, key): to another worker's session
    engine: Engine = field(init=False)
    grants_of: Callable[[Identity], frozenset[str]] = field(init=False)
    """Names of the scopes granted to an identity now."""
    sessions: dict[str, Session] = field(factory=dict, init=False)
    tunnels: set[ConnectConnection] = field(factory=set, init=False)  # opened with a token of ours
    doors: Doors = field(init=False)
    closing: bool = field(default=False, init=False)
    reloaded: list[Callable[[], None]] = field(factory=list, init=False)
    _cancel_keys: CancelKeys[Session] = field(init=False)
    _cancelling: SingleFlight[TargetConnection] = field(init=False)
    _forwarding: Pace = field(init=False)
    _targets: dict[str, TargetConnection] = field(factory=dict, init=False)
    _catalogues: dict[tuple[str, str], tuple[Target, Catalogue, Queries]] = field(factory=dict, init=False)
    _loop: LoopingCall = field(init=False)
    _rounds: Rounds = field(factory=lambda: Rounds(_TICK), init=False)
    _drained: Deferred[None] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.engine = self.make_engine(self.config)
        self.grants_of = self.grants.active
        self.doors = Doors(lambda: self.config.limits)
        self._cancel_keys = CancelKeys(self.worker)
        self._cancelling = SingleFlight(self._send_cancel)
        self._forwarding = Pace(self.clock, lambda: self.config.limits.cancels)
        self._loop = LoopingCall(self._tick)
        self._loop.clock = self.clock

    def start(self) -> None:
        """Begin to watch over sessions."""
        self.feed.subscribe("token", self._token_changed)
        self.feed.subscribe("session", self._session_changed)
        self.grants.watch(self._grants_changed)
        self._loop.start(_TICK, now=False)

    # --- what sessions ask

    def login_issuer(self, listener: Listener) -> Issuer:
        """The issuer that a client of this listener is told of."""
        issuers = self.config.issuers
        return next((issuer for issuer in issuers if issuer.name == listener.issuer), issuers[0])

    def catalogue(self, target: Target, database: str) -> Catalogue:
        """What the target's database holds, read over a connection of our own that is opened when first needed."""
        key = (target.name, database)
        known = self._catalogues.get(key)
        if known is not None and (known[0] is target or known[0] == target):
            return known[1]
        if known is not None:
            known[2].close()
        role = _catalogue_role(target)
        queries = Queries(lambda: self.upstream.connect(target, role, {**CATALOGUE_SETTINGS, "database": database}))
        catalogue = Catalogue(
            queries.query,
            self.clock,
            refreshed=partial(self.metrics.catalogue_refreshed, target.name),
            limits=self.config.limits,
            breathe=lambda: deferLater(self.clock, 0),
            tell=None if self.tell_defined is None else partial(self.tell_defined, *key),
        )
        self._catalogues[key] = (target, catalogue, queries)
        return catalogue

    def defined(self, session: Session, *, over: bool = False) -> None:
        """A session may have changed what its database holds, once its transaction is at its end (``over``: it is):
        what is known of that is looked at anew."""
        if self.tell_defined is not None:  # other workers may know of it what nobody asked here
            self.catalogue(session.target, session.database).defined(session, over=over)
            return
        known = self._catalogues.get((session.target.name, session.database))
        if known is not None:
            known[1].defined(session, over=over)

    def defined_elsewhere(self, target: str, database: str) -> None:
        """Another worker's session changes, or has changed, what this database holds."""
        known = self._catalogues.get((target, database))
        if known is not None:
            known[1].outdated()

    def open_guards(self, session: Session) -> tuple[Any, ...]:
        """The session's guards; a factory that raises refuses the session."""
        opened = (factory.open(session) for factory in self.guards)
        return tuple(guard for guard in opened if guard is not None)

    def observe(self, session: Session, kind: str, fields: dict[str, Any]) -> None:
        """An event of a session, for metrics and log; never with a statement's text or values."""
        self.metrics.event(kind, fields)

    def login_failed(self, address: str, error: AuthenticationError) -> None:
        self.metrics.login_failed("token")
        log.warn("login failed from {address}: {reason} {detail}", address=address, reason=str(error),
                 detail=error.detail)  # fmt: skip

    def access_denied(self, identity: Identity, target: Target, role: Role, decision: Decision) -> None:
        self.metrics.login_failed("access")
        log.warn("{who} may not open {target} as {role}: rule {rule}", who=identity.key, target=target.name,
                 role=role.name, rule=decision.rule)  # fmt: skip

    # --- sessions come and go

    def opened(self, session: Session) -> None:
        self.sessions[session.id] = session
        self._rounds.enter(session)
        self.metrics.session_opened(session.target.name)
        log.info("session {session} opened by {who} on {target} as {role}", session=session.id,
                 who=session.identity.key, target=session.target.name, role=session.role)  # fmt: skip

    def sessions_store_opened(self, session: Session) -> Deferred[None]:
        """Enter the session in the store before it may do anything."""
        identity = session.identity
        record = SessionRecord(
            session.id, self.node, identity, identity.person or identity.key, session.target.name, session.role,
            session.target.protocol, session.client, session.started,
        )  # fmt: skip
        opened: Deferred[None] = self.store.open_session(record)
        return opened

    def ended(self, session: Session) -> None:
        self.sessions.pop(session.id, None)
        self._cancel_keys.forget(session)
        self._targets.pop(session.id, None)
        self.metrics.session_ended(session.target.name, session.reason, session.ended_by)
        log.info("session {session} ended: {reason}", session=session.id, reason=session.reason)
        self._keep_end(session.id, self.clock.seconds(), session.reason)
        if self._drained is not None and not self.sessions:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def _keep_end(self, session_id: str, at: float, reason: str) -> None:
        """Store a session's end, again and again while the store fails: else it would be listed as live for ever."""
        self.store.close_session(session_id, at, reason).addErrback(self._end_unkept, session_id, at, reason)

    def _end_unkept(self, failure: Failure, session_id: str, at: float, reason: str) -> None:
        if not failure.check(StoreError):
            log.failure("the end of {session} is not stored", failure, session=session_id)
            return
        log.error(
            "the end of {session} is not stored yet: {error}", session=session_id, error=failure.getErrorMessage()
        )
        if self._loop.running:
            self.clock.callLater(_AGAIN, self._keep_end, session_id, at, reason)

    def issue_cancel_key(self, session: Session, target: TargetConnection, *, long: bool) -> tuple[int, bytes]:
        """A cancel key of our own for the client; the target's stays here."""
        self._targets[session.id] = target
        return self._cancel_keys.issue(session, long=long)

    def cancel(self, pid: int, secret: bytes) -> None:
        """A CancelRequest that came in here: its session may be another worker's, who alone knows the key."""
        owner = worker_of(pid)
        if owner == self.worker or self.forward_cancel is None:
            self.cancel_own(pid, secret)
        elif self._forwarding.allows():
            self.forward_cancel(owner, pid, secret)

    def cancel_own(self, pid: int, secret: bytes) -> None:
        """Withdraw what is held, else ask the target. A wrong key does nothing, as PostgreSQL."""
        session = self._cancel_keys.owner(pid, secret)
        if session is None:
            log.warn("a cancel request with a wrong key")
            return
        if not session.cancel_held():
            self.cancel_running(session)

    def cancel_running(self, session: Session) -> None:
        """Ask the target to cancel what the session runs there."""
        connection = self._targets.get(session.id)
        if connection is not None and connection.login is not None:
            self._cancelling.ask(connection)

    def _send_cancel(self, connection: TargetConnection) -> Deferred[None]:
        assert connection.login is not None
        request = messages.cancel_request(connection.login.pid, connection.login.secret)
        sent: Deferred[None] = self.upstream.send_cancel(connection, request)
        return sent

    # --- what ends them

    def reload(self, config: Config) -> None:
        """Judge every next statement by ``config``. Raises ConfigError, changing nothing."""
        _only_reloadable(self.config, config)
        engine = self.make_engine(config)
        self.authenticator.reload(config.issuers)
        self.config, self.engine = config, engine
        self.metrics.set_targets(target.name for target in config.targets)
        self.approvals.stale(config.version).addErrback(lambda f: log.failure("stale holds are not marked", f))
        for name, (_, _, queries) in list(self._catalogues.items()):
            if config.target(name[0]) is None:
                queries.close()
                del self._catalogues[name]
        for session in list(self.sessions.values()):
            target = config.target(session.target.name)
            if target is None:
                session.end("the target is no longer offered", rule="target")
                continue
            session.target = target
            self._check_access(session)
        for each in self.reloaded:
            each()

    def drain(self) -> Deferred[None]:
        """Take no new sessions; let the others end their transactions for ``limits.drain`` seconds, then end them."""
        self.closing = True
        if not self.sessions:
            return succeed(None)
        self._drained = Deferred()
        self.clock.callLater(self.config.limits.drain, self._end_all)
        return self._drained

    def stop(self) -> None:
        """End everything now."""
        if self._loop.running:
            self._loop.stop()
        self._end_all()
        for _, _, queries in self._catalogues.values():
            queries.close()

    def _end_all(self) -> None:
        for session in list(self.sessions.values()):
            session.end("the gateway is shutting down", rule="shutdown")

    def _tick(self) -> None:
        now, limits = self.clock.seconds(), self.config.limits
        everybody = self.closing or self.feed.blind
        for session in list(self.sessions.values()) if everybody else self._rounds.due(self.sessions, now, limits):
            try:
                self._look_at(session, now, limits)
            except Exception:  # the others' times must still be watched
                log.failure("session {session} could not be ended", session=session.id)

    def _look_at(self, session: Session, now: float, limits: Limits) -> None:
        if session.active or session.running:
            session.active = False
            session.last_activity = now
        expires = session.identity.expires
        if expires is not None and now >= expires:
            session.end("the gateway's token has expired", rule="token")
        elif self.feed.blind and session.identity.token_id:
            session.end("the gateway cannot tell whether its token was revoked", rule="token")
        elif now - session.started >= limits.session:
            session.end("the session has reached its time limit", rule="limits.session")
        elif now - session.last_activity >= limits.idle and not session.holding:
            session.end("the session was idle for too long", rule="limits.idle")
        elif self.closing and session.at_rest:
            session.end("the gateway is shutting down", rule="shutdown")

    def _token_changed(self, change: Change) -> None:
        for session in list(self.sessions.values()):
            if session.identity.token_id and session.identity.token_id == change.subject:
                session.end("the gateway's token was revoked", rule="token")
        for tunnel in list(self.tunnels):
            tunnel.revoked(change.subject)

    def _session_changed(self, change: Change) -> None:
        session = self.sessions.get(change.subject)
        if change.kind == RESET:
            self._missed_changes()
        elif session is not None and change.action == "end":
            session.end(f"ended by {change.by}: {change.reason}", rule="operator")

    def _missed_changes(self) -> None:
        """Who was revoked meanwhile cannot be known: sessions that stand on a token of ours end."""
        for session in list(self.sessions.values()):
            if session.identity.token_id:
                session.end("the gateway could not tell whether its token was revoked", rule="token")
        for tunnel in list(self.tunnels):
            tunnel.revoked("")

    def _grants_changed(self, key: str) -> None:
        for session in list(self.sessions.values()):
            if session.identity.key == key:
                self._check_access(session)

    def _check_access(self, session: Session) -> None:
        decision = self.engine.access(session.identity, session.target, session.role, session.grants)
        if decision.then == "deny":
            session.end(f"access has ended: {decision.reason}", rule=decision.rule)
        elif session.replication and self.engine.watches(session.identity, session.target):
            session.end("replication would pass by the masks that are in force now", rule="masks")
        else:
            session.policy_changed()


def _catalogue_role(target: Target) -> Role:
    if not target.roles:
        raise HoopgateError(f"target {target.name} has no role")
    return next((role for role in target.roles if role.name == target.catalogue_role), target.roles[0])


# Read once, by parts that are built at the start.
FIXED_TABLES = ("gateway", "listeners", "recorder", "store", "api", "admin", "guards", "guard_options")
FIXED_SSH = ("user_ca", "target_ca")
FIXED_LIMITS = ("statement", "statement_inline", "parse_time", "parse_memory", "token", "recorder_write")


def _plugged(config: Config) -> list[tuple[str, dict[str, Any]]]:
    """Detectors that third parties' code makes: it is loaded at the start."""
    return [(detector.plugin, detector.options) for detector in config.detectors if detector.plugin]


def _only_reloadable(old: Config, new: Config) -> None:
    # of the API everything but where and how it listens is read at each use
    new_api = evolve(new.api, operators=old.api.operators, token_lifetime=old.api.token_lifetime, url=old.api.url)
    compared = evolve(new, api=new_api)
    changed = [name for name in FIXED_TABLES if getattr(old, name) != getattr(compared, name)]
    if _plugged(old) != _plugged(new):
        changed.append("detector")
    changed += [f"ssh.{name}" for name in FIXED_SSH if getattr(old.ssh, name) != getattr(new.ssh, name)]
    changed += [f"limits.{name}" for name in FIXED_LIMITS if getattr(old.limits, name) != getattr(new.limits, name)]
    if changed:
        raise ConfigError(
            f"[{changed[0]}] has changed, which a reload cannot do", where=f"{new.path}: {changed[0]}",
            remedy="Restart the service for it, or put it back",
        )  # fmt: skip
