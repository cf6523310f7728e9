"""The only place that holds a target's credentials: connecting and logging in to targets.

Hosts are tried in order. A credential is read at each connect (cached a short while by the secrets); when the target
refuses it, it is read afresh and tried once more, so that a rotation is never noticed by a client. Who rotates changes
the secret and the server one after the other, in whatever order: what was refused between the two is tried once more
after a moment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.config.model import Host, Role, Target
from hoopgate.dialling import dial
from hoopgate.errors import ConfigError, HoopgateError, UpstreamError
from hoopgate.protocols.postgresql.derived import DerivedKeys
from hoopgate.protocols.postgresql.target import FAREWELL, CancelConnection, TargetConnection
from hoopgate.protocols.postgresql.tls import TargetContexts, failure_text
from hoopgate.protocols.ssh.client import transport_limits
from hoopgate.protocols.ssh.credentials import InThread, credentials, issuer
from hoopgate.protocols.ssh.credentials import references as ssh_references
from hoopgate.protocols.ssh.host_keys import known as known_keys
from hoopgate.protocols.ssh.target import TargetConnection as SshTarget
from hoopgate.secrets import Secrets

if TYPE_CHECKING:
    from hoopgate.session import Session

log = Logger()
Connected = TypeVar("Connected")
Attempt = Callable[[Host], Awaitable[Connected]]
MOMENT = 1.0  # seconds that may lie between the two halves of a rotation


class Upstream:
    """Opens connections to targets."""

    def __init__(self, reactor: Any, secrets: Secrets, derived: DerivedKeys, in_thread: InThread) -> None:
        self._reactor = reactor
        self._secrets = secrets
        self._contexts = TargetContexts()
        self._derived = derived
        self._in_thread = in_thread
        self._cancelling: set[Deferred[None]] = set()
        self.user_ca: Ed25519PrivateKey | None = None  # that issues certificates for SSH targets

    def connect(self, target: Target, role: Role, parameters: Mapping[str, str]) -> Deferred[TargetConnection]:
        """A logged-in connection. ``parameters`` are StartupMessage's, ``database`` among them.

        Fails with UpstreamError (no host could be reached, or the target refused us; the text is fit for the client)
        or SecretError.
        """

        async def attempt(host: Host) -> TargetConnection:
            return await self._attempt(target, host, role, parameters)

        return Deferred.fromCoroutine(self._connect(target, role, attempt))

    def send_cancel(self, connection: TargetConnection, request: bytes) -> Deferred[None]:
        """Open a connection beside ``connection`` just to cancel what it runs. Best effort, as PostgreSQL's own.

        In clear text where the session itself was (libpq sends it so too before version 17); over TLS else. Fires
        once it has arrived or failed, and never fails.
        """
        sent = Deferred.fromCoroutine(self._cancel(connection, request))
        sent.addErrback(
            lambda failure: log.warn("a cancel request was not sent: {reason}", reason=failure.getErrorMessage())
        )
        self._cancelling.add(sent)
        return sent.addBoth(lambda _: self._cancelling.discard(sent))

    async def settled(self) -> None:
        """Wait until the cancel requests that are on their way have arrived, or failed."""
        for sent in tuple(self._cancelling):
            await sent

    async def _cancel(self, connection: TargetConnection, request: bytes) -> None:
        canceller = CancelConnection(request, tls=connection.tls)
        assert connection.host is not None
        await dial(self._reactor, connection.host, FAREWELL, canceller)
        canceller.done.addTimeout(FAREWELL, self._reactor)
        await canceller.done

    def connect_ssh(self, session: Session, role: Role) -> Deferred[SshTarget]:
        """A connection of SSH, logged in as ``role`` of the session's target. Fails as ``connect`` does."""
        target = session.target

        async def attempt(host: Host) -> SshTarget:
            return await self._attempt_ssh(session, host, role)

        return Deferred.fromCoroutine(self._connect(target, role, attempt))

    async def _connect(self, target: Target, role: Role, attempt: Attempt[Connected]) -> Connected:
        problems: list[str] = []
        for host in target.hosts:
            try:
                return await self._log_in(target, host, role, attempt)
            except CancelledError:
                raise
            except HoopgateError as error:
                if not (isinstance(error, UpstreamError) and error.unavailable) or host is target.hosts[-1]:
                    raise
                self._passed_over(target, host, error)
                problems.append(str(error))
            except Exception as error:  # every way in which a socket, a resolver or an endpoint can fail
                self._passed_over(target, host, error)
                problems.append(type(error).__name__)
        raise UpstreamError(f"no host of target {target.name} can be reached ({', '.join(problems)})")

    def _passed_over(self, target: Target, host: Host, error: Exception) -> None:
        log.warn(
            "target {target}: host {host} cannot be reached: {error}",
            target=target.name, host=host.name, error=str(error),
        )  # fmt: skip

    async def _log_in(self, target: Target, host: Host, role: Role, attempt: Attempt[Connected]) -> Connected:
        used = await self._credential(role)
        try:
            return await attempt(host)
        except UpstreamError as error:
            if not error.credential_refused:
                raise
        log.info("target {target} refused the credential of {role}: reading it afresh", target=target.name,
                 role=role.name)  # fmt: skip
        refused, used = used, await self._credential(role, refused=used)
        if used != refused:
            try:
                return await attempt(host)
            except UpstreamError as error:
                if not error.credential_refused:
                    raise
        await deferLater(self._reactor, MOMENT)
        await self._credential(role, refused=used)
        return await attempt(host)

    async def _credential(self, role: Role, *, refused: tuple[bytes, ...] | None = None) -> tuple[bytes, ...]:
        """All secrets of the role, read afresh where they were ``refused``."""
        references = ssh_references(role)
        if role.certificate is not None:
            references += [role.certificate.certificate, role.certificate.key]
        if refused is None:
            return tuple([await self._secrets.get(reference) for reference in references])
        pairs = zip(references, refused, strict=True)
        return tuple([await self._secrets.refresh(reference, old) for reference, old in pairs])

    async def _attempt(self, target: Target, host: Host, role: Role, parameters: Mapping[str, str]) -> TargetConnection:
        credential = await self._secrets.get(role.password) if role.password else None
        tls = await self._tls(target, host, role)
        connection = TargetConnection(
            {**parameters, "user": role.user}, tls=tls, credential=credential, derive=self._derived.get
        )
        connection.host = host
        ready = connection.ready
        await dial(self._reactor, host, target.connect_timeout, connection)
        ready.addTimeout(target.connect_timeout, self._reactor, _timed_out)
        return await ready

    async def _attempt_ssh(self, session: Session, host: Host, role: Role) -> SshTarget:
        target, config, clock = session.target, session.config, self._reactor
        listed = await self._secrets.get(target.known_hosts) if target.known_hosts is not None else None
        known = known_keys(target, host, listed, config.gateway.state)
        issuing = None
        if self.user_ca is not None:
            issuing = issuer(self.user_ca, role, f"{session.id} {session.identity.key}", clock.seconds())
        shown = await credentials(role, self._secrets.get, issuing, self._in_thread)
        limits = replace(transport_limits(config), key_exchange_seconds=target.connect_timeout)
        connection = SshTarget(
            clock=clock, limits=limits, known=known, user=role.user,
            identities=shown.identities, password=shown.password,
        )  # fmt: skip
        ready = connection.ready
        await dial(clock, host, target.connect_timeout, connection)
        ready.addTimeout(target.connect_timeout, clock, _timed_out)
        return await ready

    async def _tls(self, target: Target, host: Host, role: Role) -> Any:
        if target.tls == "disable" or host.is_socket:
            return None
        ca = await self._secrets.get(target.ca) if target.ca else None
        certificate = key = None
        if role.certificate is not None:
            certificate = await self._secrets.get(role.certificate.certificate)
            key = await self._secrets.get(role.certificate.key)
        try:
            return self._contexts.get(target.tls, host.name, ca, certificate, key)
        except ConfigError:
            raise
        except Exception as error:
            why = failure_text(Failure(error))
            raise UpstreamError(f"TLS towards target {target.name} cannot be set up: {why}") from error


def _timed_out(result: object, timeout: float) -> NoReturn:
    raise UpstreamError(f"the target did not finish the login within {timeout:g} s", unavailable=True)
