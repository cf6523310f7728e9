"""What lies between a verified identity and an open session, whatever the protocol: target, policy, recording, guards.

Each protocol adds what only it has, before :func:`begin` (settings that a client asks for) and after it (its greeting).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hoopgate.chain import Chain
from hoopgate.config.model import Role, Target
from hoopgate.errors import HoopgateError, PolicyError, RecordingError, SecretError, UpstreamError
from hoopgate.interfaces import Identity
from hoopgate.session import Session, State

if TYPE_CHECKING:
    from hoopgate.gateway import Gateway

log = Logger()
Connection = TypeVar("Connection")


@frozen
class Refusal:
    """Why a client is turned away; ``rule`` is the rule or the limit that decided, ``sqlstate`` PostgreSQL's code."""

    reason: str
    sqlstate: str
    rule: str
    hint: str = ""


@frozen
class Begun(Generic[Connection]):
    """A session whose target is connected and logged in. ``target`` is the protocol's own connection to it."""

    session: Session
    target: Connection
    guards: tuple[Any, ...]

    def abandon(self, reason: str) -> None:
        """Nobody is there to be relayed to: end the session; whoever holds ``target`` ends that."""
        self.session.end(reason, sqlstate="")
        Chain(self.guards).closed(reason)


def target_for(gateway: Gateway, identity: Identity, name: str, protocol: str) -> Target | None:
    """The target that this identity's token may reach; None also where it is another protocol's."""
    target = gateway.config.target(name)
    allowed = not identity.targets or name in identity.targets
    return target if target is not None and target.protocol == protocol and allowed else None


def role_of(target: Target, name: str) -> Role | None:
    return next((role for role in target.roles if role.name == name), None)


def may_begin(gateway: Gateway) -> Refusal | None:
    """Why nobody may open a session now, if so."""
    if gateway.closing:
        return Refusal("the gateway is shutting down", "57P03", "shutdown", "Connect again.")
    if gateway.feed.blind:
        return Refusal("the gateway's store does not answer", "57P03", "store", "Tell the gateway's operators.")
    if len(gateway.sessions) >= gateway.config.limits.sessions:
        return Refusal("too many sessions", "53300", "limits.sessions")
    return None


def may_open(gateway: Gateway, identity: Identity, target: Target, role: Role) -> Refusal | None:
    """Why no session may be opened now, if so."""
    refusal = may_begin(gateway)
    if refusal is not None:
        return refusal
    decision = gateway.engine.access(identity, target, role.name, gateway.grants_of(identity))
    if decision.then == "deny":
        gateway.access_denied(identity, target, role, decision)
        return Refusal(decision.reason, "42501", decision.rule, decision.hint)
    return None


async def begin(
    session: Session, login: dict[str, Any], connect: Callable[[], Deferred[Connection]]
) -> Begun[Connection] | Refusal:
    """Open the session: store, recording (whose first event is ``login``), guards, and only then the target."""
    gateway = session.gateway
    gateway.opened(session)
    guards: tuple[Any, ...] = ()
    try:
        # Before the recording begins: should this process die, its recordings are found by the store's sessions.
        await gateway.sessions_store_opened(session)
        if session.state is State.ENDED:
            return Refusal(session.reason, "57P01", session.ended_by)
        session.recording = gateway.recorder.open(session)
        session.event("login", **login)
        guards = gateway.open_guards(session)
        began = gateway.clock.seconds()
        target = await connect()
        gateway.metrics.connected(session.target.name, gateway.clock.seconds() - began)
    except BaseException as error:
        refusal = why(error)
        if isinstance(error, RecordingError):
            log.error("session {session} cannot be recorded: {error}", session=session.id, error=str(error))
        session.end(f"{refusal.reason} ({type(error).__name__})", sqlstate="")
        Chain(guards).closed(refusal.reason)
        if isinstance(error, HoopgateError):
            return refusal
        raise
    return Begun(session, target, guards)


def why(error: BaseException) -> Refusal:
    """What a client is told of an error."""
    if isinstance(error, PolicyError):
        return Refusal(str(error), "42501", error.rule, error.hint)
    if isinstance(error, UpstreamError):
        return Refusal(str(error), "08006", "target")
    if isinstance(error, SecretError):
        return Refusal("the target's credential cannot be read", "08006", "secret", "Tell the gateway's operators.")
    if isinstance(error, RecordingError):
        return Refusal("the session cannot be recorded", "58030", "recorder", "Tell the gateway's operators.")
    return Refusal("the gateway failed" if not isinstance(error, HoopgateError) else str(error), "XX000", "internal")
