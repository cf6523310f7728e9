"""What the certificate that a session of SSH was opened with leaves out is refused, whatever policy allows.

Its ``force-command`` is no guard's: it takes the place of what the client asks to run before any guard sees that
(``hoopgate.protocols.ssh.wires``).
"""

from __future__ import annotations

from typing import Any, Final

from hoopgate.frames import Frame, Opened, Request
from hoopgate.identity.ssh_restrictions import AGENT, FORWARD, PTY, X11
from hoopgate.verdicts import ALLOW, Block, Verdict

RULE: Final = "certificate"
_REQUESTS: Final = {
    "pty-req": PTY,
    "auth-agent-req@openssh.com": AGENT,
    "x11-req": X11,
    "tcpip-forward": FORWARD,
    "streamlocal-forward@openssh.com": FORWARD,
}
_CHANNELS: Final = {
    "direct-tcpip": FORWARD,
    "forwarded-tcpip": FORWARD,
    "direct-streamlocal@openssh.com": FORWARD,
    "forwarded-streamlocal@openssh.com": FORWARD,
    "tun@openssh.com": FORWARD,
    "auth-agent@openssh.com": AGENT,
    "x11": X11,
}


class CertificateLimits:
    """The factory: a guard for sessions whose certificate leaves something out."""

    def open(self, session: Any) -> Limited | None:
        kept = session.restrictions
        lacking = frozenset((AGENT, FORWARD, PTY, X11)) - kept.permitted if kept is not None else frozenset()
        return Limited(lacking) if lacking else None


class Limited:
    """One session's. ``lacking``: the extensions that its certificate has not."""

    wants = frozenset((Opened, Request))

    def __init__(self, lacking: frozenset[str]) -> None:
        self._lacking = lacking

    def inspect(self, frame: Frame) -> Verdict:
        """Block what needs an extension that is not there."""
        needed = None
        if isinstance(frame, Opened):
            needed = _CHANNELS.get(frame.channel.kind)
        elif isinstance(frame, Request):
            needed = _REQUESTS.get(frame.name)
        if needed not in self._lacking:
            return ALLOW
        return Block(
            f"the certificate that opened this session has no {needed}", RULE, "Ask for a certificate that has it."
        )

    def closed(self, reason: str) -> None:
        """There is nothing to let go of."""
