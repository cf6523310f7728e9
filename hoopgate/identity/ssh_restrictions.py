"""What a user's certificate restricts (OpenSSH's PROTOCOL.certkeys, section "Critical options" and "Extensions")."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from hoopgate.errors import AuthenticationError

AGENT: Final = "permit-agent-forwarding"
FORWARD: Final = "permit-port-forwarding"
PTY: Final = "permit-pty"
X11: Final = "permit-X11-forwarding"
EXTENSIONS: Final = (X11, AGENT, FORWARD, PTY)
"""Those that mean something here. Any other is ignored, as the format wants it."""

_FORCE_COMMAND: Final = b"force-command"
_SOURCE_ADDRESS: Final = b"source-address"


@frozen
class Restrictions:
    """``command``: the only thing that may run, whatever is asked for; "" for anything. ``source``: networks to come
    from, "" for anywhere. ``permitted``: of EXTENSIONS, those that the certificate has."""

    command: str = ""
    source: tuple[str, ...] = ()
    permitted: frozenset[str] = frozenset(EXTENSIONS)

    def options(self) -> dict[bytes, bytes]:
        """As critical options of a certificate."""
        found = {}
        if self.command:
            found[_FORCE_COMMAND] = self.command.encode()
        if self.source:
            found[_SOURCE_ADDRESS] = ",".join(self.source).encode()
        return found


def restrictions(options: Mapping[bytes, bytes], extensions: Mapping[bytes, bytes]) -> Restrictions:
    """Read from a certificate. A critical option that is not known refuses it. Raises AuthenticationError."""
    unknown = sorted(set(options) - {_FORCE_COMMAND, _SOURCE_ADDRESS})
    if unknown:
        name = unknown[0].decode("ascii", "replace")[:64]
        raise AuthenticationError("login failed", detail=f"a certificate with the critical option {name!r}")
    try:
        command = options.get(_FORCE_COMMAND, b"").decode()
        source = options.get(_SOURCE_ADDRESS, b"").decode("ascii")
    except UnicodeDecodeError:
        raise AuthenticationError("login failed", detail="a certificate with options that are no text") from None
    if (_FORCE_COMMAND in options and not command) or (_SOURCE_ADDRESS in options and not source):
        raise AuthenticationError("login failed", detail="a certificate with an empty critical option")
    permitted = frozenset(name for name in EXTENSIONS if name.encode() in extensions)
    return Restrictions(command, tuple(source.split(",")) if source else (), permitted)


def comes_from(address: str, networks: tuple[str, ...]) -> bool:
    """Whether the client's address lies in one of the networks; what cannot be read contains nothing."""
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None)
    return any(_within(mapped or client, network) for network in networks)


def _within(client: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return client in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
