"""The contracts between rooms (zope.interface), and the small values they pass.

Third parties implement these and register by entry point: ``hoopgate.guards``, ``hoopgate.recorders``,
``hoopgate.stores``, ``hoopgate.secrets``. ``verifyObject`` runs at load.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from hoopgate.frames import Frame
from hoopgate.verdicts import Verdict

__all__ = ["evolve"]


@frozen
class Identity:
    """Who: issuer + subject, never one without the other.

    ``chain`` is the chain of delegation, outermost actor last, as ``issuer|subject`` strings (RFC 8693 ``act``,
    and configured claims). ``person`` is what counts as one human across issuers. ``expires`` is epoch seconds
    of a *gateway-issued* token's end, else None (an identity provider's token is only checked at login).
    """

    issuer: str
    subject: str
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    claims: dict[str, Any] = field(factory=dict, eq=False)
    chain: tuple[str, ...] = ()
    person: str = ""
    expires: float | None = None
    token_id: str = ""  # of a gateway-issued token: revoking it ends the session
    targets: tuple[str, ...] = ()  # a gateway-issued token may be bound to these; empty: any

    @property
    def key(self) -> str:
        """``issuer|subject``: the name under which stores and logs know this identity."""
        return f"{self.issuer}|{self.subject}"


class IGuardFactory(Interface):
    """Makes a guard for each session, or none where the session does not concern it."""

    def open(session: Any) -> Any:
        """Return an :class:`IGuard` or None. Raising refuses the session."""


class IGuard(Interface):
    """Looks at frames of one session. Knows no socket. A guard that raises blocks."""

    wants = Attribute("frozenset of Frame classes; frames of other kinds never reach it")

    def inspect(frame: Frame) -> Verdict | Deferred[Verdict]:
        """Judge one frame; a Deferred pauses that lane until it fires."""

    def closed(reason: str) -> None:
        """The session ended."""


class IAuthenticator(Interface):
    """Turns what a client presented into an identity."""

    def authenticate(token: str) -> Deferred[Identity]:
        """Verify a bearer token (JWT or gateway-issued). Fails with AuthenticationError."""


class ISecretSource(Interface):
    """Fetches secrets of one scheme."""

    def fetch(rest: str) -> Deferred[bytes]:
        """The secret's bytes now, uncached, trailing newline removed. Fails with SecretError."""


class IRecorder(Interface):
    """Opens recordings."""

    def open(session: Any) -> Any:
        """Return an :class:`IRecording`, its head already written. Raises RecordingError."""


class IRecording(Interface):
    """One session's recording: appended before forwarded, hash-chained, signed at the end."""

    def data(direction: int, data: bytes) -> None:
        """Append wire bytes. direction 0: client to target, 1: target to client. Raises RecordingError."""

    def event(kind: str, fields: dict[str, Any]) -> None:
        """Append an event: login, statement, verdict, hold, approval, mask, notice... Raises RecordingError."""

    def close(reason: str) -> None:
        """Append the end with its reason, sign, close. Idempotent."""


class IStore(Interface):
    """What two nodes must agree on. Every method returns a Deferred; the store is the truth."""
