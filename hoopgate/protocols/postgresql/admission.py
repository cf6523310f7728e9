"""From a verified identity to an open session: target, role, policy, guards, recording, upstream connection."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from attrs import frozen

from hoopgate.admission import Begun, Refusal, begin, may_open, role_of, target_for
from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.startup import Startup
from hoopgate.config.model import Listener, Role, Target
from hoopgate.interfaces import Identity
from hoopgate.policy import replication
from hoopgate.policy.engine import Subject
from hoopgate.policy.sql.session import startup_setting
from hoopgate.protocols.postgresql.relay import Relay
from hoopgate.protocols.postgresql.target import TargetConnection
from hoopgate.session import Session
from hoopgate.tunnel import Tunnel

if TYPE_CHECKING:
    from hoopgate.gateway import Gateway

NOT_SETTINGS = frozenset({"user", "database", "options", "replication"})
NAME_LIMIT = 63  # bytes of application_name (NAMEDATALEN - 1)


def fatal(refusal: Refusal) -> bytes:
    """The refusal as a FATAL ErrorResponse."""
    return messages.error_response(
        severity="FATAL",
        sqlstate=refusal.sqlstate,
        message=refusal.reason,
        detail=f'Refused by "{refusal.rule}".',
        hint=refusal.hint,
    )


@frozen
class Admitted:
    """A session whose target is connected and logged in."""

    begun: Begun[TargetConnection]
    hint: str

    @property
    def session(self) -> Session:
        return self.begun.session

    @property
    def target(self) -> TargetConnection:
        return self.begun.target

    def greeting(self, key: tuple[int, bytes]) -> bytes:
        """What follows AuthenticationOk: the target's parameters and our cancel key."""
        assert self.target.login is not None
        login = self.target.login
        parts = [messages.parameter_status(key, value) for key, value in login.parameters.items()]
        parts.append(messages.backend_key_data(*key))
        return b"".join(parts)

    @property
    def ready(self) -> bytes:
        """What ends the login: ReadyForQuery."""
        assert self.target.login is not None
        return messages.ready_for_query(self.target.login.status)

    def abandon(self, reason: str) -> None:
        """Nobody is there to be relayed to: leave nothing open."""
        self.begun.abandon(reason)
        self.target.terminate(self.session.gateway.clock)

    def relay(self, transport: Any, leave: Callable[[], None]) -> Relay:
        """Tie the client's transport to the target; ``leave`` closes it."""
        session = self.session
        watching = session.engine.watches(session.identity, session.target)
        chain = Chain(self.begun.guards)
        return Relay(session, transport, self.target, chain, chain, watching=watching, hint=self.hint, leave=leave)


class Admission:
    """One client's way in, once it is known who it is."""

    def __init__(
        self, gateway: Gateway, listener: Listener, startup: Startup, client: str, tunnel: Tunnel | None = None
    ) -> None:
        self._gateway = gateway
        self._listener = listener
        self._startup = startup
        self._client = client
        self._tunnel = tunnel

    async def admit(self, identity: Identity) -> Admitted | Refusal:
        """Everything that must be true before the first statement; any fault refuses."""
        chosen = self._choose(identity)
        if isinstance(chosen, Refusal):
            return chosen
        target, role, database = chosen
        refusal = may_open(self._gateway, identity, target, role)
        if refusal is not None:
            return refusal
        settings = self._settings(target)
        if isinstance(settings, Refusal):
            return settings
        refusal = self._may_set(identity, target, role, settings)
        if refusal is not None:
            return refusal
        mode = self._startup.parameters.get("replication", "false")
        if replication.asked(mode):
            refusal = self._may_replicate(identity, target, role)
            if refusal is not None:
                return refusal
            settings["replication"] = mode
        session = Session(
            self._gateway,
            listener=self._listener,
            identity=identity,
            target=target,
            role=role.name,
            client=self._client,
        )
        session.database = database
        session.replication = "replication" in settings
        session.application = settings.get("application_name", "")
        return await self._open(session, role, {**settings, "database": database})

    def _choose(self, identity: Identity) -> tuple[Target, Role, str] | Refusal:
        """Database names the target, ``target/database`` a database of it too; user names one of its roles."""
        user = self._startup.parameters["user"]
        asked = self._startup.parameters.get("database") or user
        name, _, database = asked.partition("/")
        if self._tunnel is not None and name != self._tunnel.target:
            opened = self._tunnel.target
            return Refusal(
                f'this connection was opened to target "{opened}", not to "{name}"', "3D000", "target",
                f"Give {opened} as database.",
            )  # fmt: skip
        target = target_for(self._gateway, identity, name, "postgresql")
        if target is None:
            return Refusal(f'target "{name}" does not exist', "3D000", "target", "Give the target's name as database.")
        if database and database != target.database and not _matches(database, target.databases):
            return Refusal(f'database "{database}" of target "{name}" is not offered', "3D000", "target.databases")
        role = role_of(target, user)
        if role is None:
            return Refusal(
                f'role "{user}" is not offered by target "{name}"', "28000", "target.role",
                "The user selects one of the target's roles: " + ", ".join(role.name for role in target.roles),
            )  # fmt: skip
        return target, role, database or target.database or target.name

    def _may_replicate(self, identity: Identity, target: Target, role: Role) -> Refusal | None:
        """A replication connection streams everything, so a rule must name it, and no mask may be in force."""
        gateway = self._gateway
        subject = Subject(identity, target, role.name, gateway.grants_of(identity))
        decision = gateway.engine.decide_operation(subject, replication.CONNECTION)
        if decision.then != "allow":
            gateway.access_denied(identity, target, role, decision)
            reason = decision.reason or "a replication connection cannot be held for approval"
            return Refusal(reason, "42501", decision.rule, decision.hint)
        masks = gateway.engine.masks(identity, target)
        if masks:
            return Refusal("replication would pass by the masks in force", "42501", masks[0].name)
        return None

    def _settings(self, target: Target) -> dict[str, str] | Refusal:
        startup = self._startup
        given = {name: value for name, value in startup.parameters.items() if name not in NOT_SETTINGS}
        given.update(startup.options)
        allowed = {name.lower() for name in target.startup_parameters}
        for name in given:
            if name.lower() not in allowed:
                return Refusal(
                    f'setting "{name}" may not be given at connect', "42501", "target.startup_parameters",
                    "Allowed are: " + ", ".join(target.startup_parameters) + ". Use SET after connecting.",
                )  # fmt: skip
        return given

    def _may_set(self, identity: Identity, target: Target, role: Role, settings: dict[str, str]) -> Refusal | None:
        """A setting that takes a rule in SET takes one at connect too, such as ``role`` and other people's schemas."""
        gateway = self._gateway
        subject = Subject(identity, target, role.name, gateway.grants_of(identity))
        for name, value in settings.items():
            operation = startup_setting(name, value)
            if operation is None:
                continue
            decision = gateway.engine.decide_operation(subject, operation)
            if decision.then != "allow":
                gateway.access_denied(identity, target, role, decision)
                reason = decision.reason or f'setting "{name}" cannot be held for approval at connect'
                return Refusal(reason, "42501", decision.rule, decision.hint)
        return None

    async def _open(self, session: Session, role: Role, parameters: dict[str, str]) -> Admitted | Refusal:
        hint = f"hg:{session.id} "
        parameters["application_name"] = (hint + session.application).encode()[:NAME_LIMIT].decode("utf-8", "ignore")
        upstream = self._gateway.upstream
        begun = await begin(session, self._login(), lambda: upstream.connect(session.target, role, parameters))
        if isinstance(begun, Refusal):
            return begun
        login = begun.target.login
        if login is not None and "application_name" in login.parameters:
            # As the client knows it, before anybody compares with it what the target tells later.
            login.parameters["application_name"] = login.parameters["application_name"].removeprefix(hint)
        return Admitted(begun, hint)

    def _login(self) -> dict[str, Any]:
        return {
            "method": self._listener.login if self._tunnel is None else "connect",
            "listener": self._listener.name,
            "settings": {k: v for k, v in self._startup.parameters.items() if k not in ("user", "database")},
        }


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
