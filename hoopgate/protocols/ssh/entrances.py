"""What the listeners of SSH show and ask, each built once, and its host key looked at again while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.logger import Logger

from hoopgate.config.model import Config, Listener
from hoopgate.errors import HoopgateError
from hoopgate.identity.device_login import DeviceLogins
from hoopgate.identity.ssh_certificates import UserCertificates, load_ca, make_key
from hoopgate.identity.ssh_keys import CLAIM, still_registered
from hoopgate.kept_keys import kept_key
from hoopgate.protocols.ssh.client import Entrance
from hoopgate.protocols.ssh.own_keys import Secret, known_hosts, own_keys
from hoopgate.protocols.ssh.relay import Relay
from hoopgate.protocols.ssh.turns import Turns

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from hoopgate.config.model import SecretRef
    from hoopgate.gateway import Gateway

log = Logger()
USER_CA = "ssh-user-ca"  # files in the state directory, where the configuration names none
TARGET_CA = "ssh-target-ca"


@define(eq=False)
class Entrances:
    """``devices`` and ``certificates`` serve all of them."""

    secret: Secret
    certificates: UserCertificates
    devices: DeviceLogins
    _open: dict[str, Entrance] = field(factory=dict, init=False)
    _turns: Turns | None = field(default=None, init=False)

    async def entrance(self, gateway: Gateway, listener: Listener) -> Entrance:
        """The listener's. Raises SecretError and OSError where its host key cannot be had."""
        keys = await own_keys(listener, gateway.config.gateway.state, self.secret)
        connect: Any = gateway.upstream.connect_ssh
        if self._turns is None:
            self._turns = Turns(gateway.clock, lambda: gateway.config.limits.ssh_key_exchanges)
        entrance = Entrance(gateway, listener, keys, self.certificates, self.devices, connect, Relay, self._turns)
        self._open[listener.name] = entrance
        return entrance

    def known_hosts(self, listener: Listener) -> tuple[str, ...]:
        """Public host keys that clients of this listener see; none where it has no SSH."""
        entrance = self._open.get(listener.name)
        return () if entrance is None else known_hosts(entrance.host_keys)

    async def renew(self) -> None:
        """Take host keys and certificates that have changed; what cannot be used changes nothing."""
        for entrance in self._open.values():
            listener = entrance.listener
            if listener.host_key is None and listener.host_certificate is None:
                continue
            try:
                entrance.host_keys = await own_keys(listener, entrance.gateway.config.gateway.state, self.secret)
            except (HoopgateError, OSError) as error:
                log.error("listener {listener} keeps its host key: {error}", listener=listener.name, error=str(error))


async def authority(config: Config, reference: SecretRef | None, file: str, secret: Secret) -> Ed25519PrivateKey:
    """The private key of an authority: the configured one, or one that is made once and kept."""
    if reference is not None:
        return load_ca(await secret(reference), str(reference))
    path = config.gateway.state / file
    return load_ca(kept_key(path, make_key), str(path))


def end_unregistered(gateway: Gateway) -> None:
    """End the sessions of registered keys that a reload has taken away or changed."""
    for session in list(gateway.sessions.values()):
        by_key = CLAIM in session.identity.claims and session.listener.protocol == "ssh"
        if by_key and not still_registered(gateway.config, session.identity):
            session.end("its key is no longer registered", rule="ssh_key")
