"""From a proved identity to an open session of SSH: which target and role the user name asks for, and the target's
connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred

from hoopgate.admission import Begun, Refusal, begin, may_open, role_of, target_for
from hoopgate.codecs.ssh.username import Asked, parse_user
from hoopgate.config.model import Listener, Role, Target
from hoopgate.interfaces import Identity
from hoopgate.protocols.ssh.userauth import Proven
from hoopgate.session import Session
from hoopgate.tunnel import Tunnel

if TYPE_CHECKING:
    from hoopgate.gateway import Gateway

_HOW: Final = "Connect as TARGET@gateway or ROLE%TARGET@gateway."

Connect = Callable[[Session, Role], Deferred[Any]]
"""Connects and logs in to the session's target in this role. Fails with UpstreamError or SecretError."""

MakeRelay = Callable[..., Any]
"""Of (session, client's transport, target's connection, chain, leave=): ``hoopgate.protocols.ssh.relay.Relay``."""


@frozen
class Admission:
    """One client's way in, once it is known who it is. ``tunnel``: what an HTTP CONNECT has settled before."""

    gateway: Gateway
    listener: Listener
    client: str
    application: str
    tunnel: Tunnel | None
    connect: Connect

    async def admit(self, user: bytes, proven: Proven) -> Begun[Any] | Refusal:
        """Everything that must be true before the first channel; any fault refuses."""
        identity = proven.identity
        chosen = self._choose(user, identity)
        if isinstance(chosen, Refusal):
            return chosen
        target, role = chosen
        refusal = may_open(self.gateway, identity, target, role)
        if refusal is not None:
            return refusal
        session = Session(
            self.gateway, listener=self.listener, identity=identity, target=target, role=role.name, client=self.client
        )
        session.application = self.application
        session.restrictions = proven.restrictions
        login = {"method": proven.method, "listener": self.listener.name, **proven.details}
        return await begin(session, login, lambda: self.connect(session, role))

    def _choose(self, user: bytes, identity: Identity) -> tuple[Target, Role] | Refusal:
        asked = self._asked(user)
        if asked is None:
            return Refusal("the user name names no target", "3D000", "target", _HOW)
        target = target_for(self.gateway, identity, asked.target, "ssh")
        if target is None or not target.roles:
            return Refusal(f'target "{asked.target}" does not exist', "3D000", "target", _HOW)
        role = role_of(target, asked.role) if asked.role else target.roles[0]
        if role is None:
            end = f"@{target.name}" if self.tunnel else f"%{target.name}"
            offered = ", ".join(f"{role.name}{end}" for role in target.roles)
            reason = f'role "{asked.role}" is not offered by target "{target.name}"'
            return Refusal(reason, "28000", "target.role", f"Connect as one of: {offered}")
        return target, role

    def _asked(self, user: bytes) -> Asked | None:
        """Inside a tunnel the target is settled, and the user name is the role; that target's name is no other one."""
        if self.tunnel is None:
            return parse_user(user)
        if user.decode("ascii", "replace") == self.tunnel.target:
            return Asked("", self.tunnel.target)
        asked = parse_user(user)
        if asked is None or (asked.role and asked.target != self.tunnel.target):
            return None
        return Asked(asked.role or asked.target, self.tunnel.target)
