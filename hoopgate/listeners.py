"""The ports that clients come to: what each speaks, what it shows of itself, and that looked at again while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hoopgate.certificates import Presented
from hoopgate.config.model import Listener
from hoopgate.protocols.connect.client import ALPN as HTTP
from hoopgate.protocols.connect.client import ConnectFactory, Inside
from hoopgate.protocols.postgresql.client import ClientConnection, ClientFactory
from hoopgate.protocols.postgresql.tls import server_context
from hoopgate.protocols.ssh.client import ClientConnection as SshConnection
from hoopgate.protocols.ssh.client import ClientFactory as SshFactory
from hoopgate.protocols.ssh.client import Entrance
from hoopgate.protocols.ssh.entrances import Entrances
from hoopgate.secrets import Secrets
from hoopgate.transport import Network, Tickets
from hoopgate.tunnel import Tunnel
from hoopgate.workers.ports import check_free

if TYPE_CHECKING:
    from hoopgate.gateway import Gateway

log = Logger()
BACKLOG = 1024
RENEW_EVERY = 60.0  # seconds between two looks at what listeners show; a secret is cached no longer either


@define(eq=False)
class Listeners:
    """``tickets``: by listener, what all workers resume TLS sessions with. ``shared``: other workers listen there too.
    ``given``: by listener, the ports that worker 0 has, where this is another worker.
    """

    clock: Any  # the reactor
    network: Network
    secrets: Secrets
    entrances: Entrances
    tickets: Mapping[str, Tickets]
    shared: bool
    given: Mapping[str, int] | None
    ports: dict[str, Any] = field(factory=dict, init=False)
    """By listener."""
    presented: list[Presented] = field(factory=list, init=False)
    _renewal: LoopingCall = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._renewal = LoopingCall(self.renew)
        self._renewal.clock = self.clock

    async def open(self, gateway: Gateway) -> None:
        """Listen. Raises SecretError, ConfigError and OSError."""
        for listener in gateway.config.listeners:
            port = self._listen_at(listener, await self._factory(gateway, listener))
            self.ports[listener.name] = port
            log.info("listener {name} on {address}:{port}", name=listener.name, address=listener.address,
                     port=port.getHost().port)  # fmt: skip
        self._renewal.start(RENEW_EVERY, now=False)

    def port(self, listener: Listener) -> int:
        """Where a listener that is open listens."""
        number: int = self.ports[listener.name].getHost().port
        return number

    def close(self) -> list[Any]:
        """Take no more connections. Returns what may be waited for: Deferreds, or None."""
        closing = [port.stopListening() for port in self.ports.values()]
        self.ports.clear()
        return closing

    def renew(self) -> None:
        """Look for new certificates and host keys, each on its own."""
        for presented in self.presented:
            renewing = Deferred.fromCoroutine(presented.renew())
            renewing.addErrback(lambda failure: log.failure("a certificate could not be renewed", failure))
        renewing = Deferred.fromCoroutine(self.entrances.renew())
        renewing.addErrback(lambda failure: log.failure("a host key could not be renewed", failure))

    def stop_renewing(self) -> None:
        """What is shown stays as it is."""
        if self._renewal.running:
            self._renewal.stop()

    async def _factory(self, gateway: Gateway, listener: Listener) -> Any:
        """What makes the protocols of a listener's clients."""
        presented = await self._present(listener)
        if listener.protocol == "connect":
            entrance = await self.entrances.entrance(gateway, listener)
            inside: Inside = {
                "postgresql": partial(_postgresql_inside, gateway),
                "ssh": partial(_ssh_inside, entrance),
            }
            return ConnectFactory(gateway, listener, presented, inside)
        if listener.protocol == "ssh":
            return SshFactory(await self.entrances.entrance(gateway, listener))
        return ClientFactory(gateway, listener, presented)

    async def _present(self, listener: Listener) -> Presented | None:
        if listener.tls is None:
            return None
        context = partial(server_context, tickets=self.tickets.get(listener.name))
        if listener.protocol == "connect":
            context = partial(context, alpn=HTTP)
        presented = Presented(listener.name, listener.tls, self.secrets.get, context)
        await presented.load()
        self.presented.append(presented)
        return presented

    def _listen_at(self, listener: Listener, factory: Any) -> Any:
        port = listener.port
        if self.given is not None:
            port = self.given[listener.name]
        elif self.shared:
            check_free(listener.address, port)
        return self.network.listenTCP(port, factory, BACKLOG, listener.address, reuse_port=self.shared)


def _postgresql_inside(gateway: Gateway, listener: Listener, tunnel: Tunnel) -> ClientConnection:
    """PostgreSQL inside a CONNECT."""
    return ClientConnection(gateway, listener, None, tunnel)


def _ssh_inside(entrance: Entrance, listener: Listener, tunnel: Tunnel) -> SshConnection:
    """SSH inside a CONNECT."""
    return SshConnection(entrance, tunnel)
