"""What a user's certificate restricts (OpenSSH's PROTOCOL.certkeys, "Critical options" and "Extensions")."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from hoopgate.conch.certificates import Certificate

AGENT: Final = "permit-agent-forwarding"
FORWARD: Final = "permit-port-forwarding"
PTY: Final = "permit-pty"
X11: Final = "permit-X11-forwarding"
EXTENSIONS: Final = (X11, AGENT, FORWARD, PTY)
"""Those that mean something here. Any other is ignored, as the format wants it."""


@frozen
class Restrictions:
    """``command``: the only thing that may run, whatever is asked for; "" for anything. ``source``: networks to come
    from, none for anywhere. ``permitted``: of EXTENSIONS, those that the certificate has."""

    command: str = ""
    source: tuple[str, ...] = ()
    permitted: frozenset[str] = frozenset(EXTENSIONS)

    @classmethod
    def of(cls, certificate: Certificate) -> Restrictions:
        """Those of a certificate that holds."""
        source = certificate.critical_options.get("source-address", "")
        permitted = frozenset(name for name in EXTENSIONS if certificate.may(name))
        return cls(certificate.force_command or "", tuple(source.split(",")) if source else (), permitted)

    def options(self) -> dict[str, str]:
        """As critical options of a certificate, in their order."""
        found = {"force-command": self.command, "source-address": ",".join(self.source)}
        return {name: value for name, value in found.items() if value}
