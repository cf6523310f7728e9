"""The contracts between rooms (zope.interface), and the small values they pass.

Third parties implement these and register by entry point: ``hoopgate.guards``, ``hoopgate.recorders``,
``hoopgate.stores``, ``hoopgate.secrets``. ``verifyObject`` runs at load.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from hoopgate.frames import Channel, Frame
from hoopgate.verdicts import Block, Verdict

if TYPE_CHECKING:
    from hoopgate.identity.tokens import TokenRecord
    from hoopgate.stores.records import (
        Audience,
        Change,
        Request,
        SessionRecord,
        State,
        Vote,
    )

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
    decides: bool = True  # False: its issuer's people approve nothing and operate nothing (``issuer.approves``)

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


class IReviewingGuard(IGuard):
    """A guard of a protocol in which what was once let through goes on for long: a shell, a forwarded port."""

    def review(channels: Sequence[Channel]) -> Block | None:
        """The policy or the identity's grants are others now. ``channels``: those that are open. A Block ends the
        session: something in them may not go on. Raising does too."""


class IAuthenticator(Interface):
    """Turns what a client presented into an identity."""

    def authenticate(token: str) -> Deferred[Identity]:
        """Verify a bearer token (JWT or gateway-issued). Fails with AuthenticationError."""


class IDetector(Interface):
    """Finds values that are to be hidden, by what they look like."""

    def find(text: str) -> Iterable[tuple[int, int, str]]:
        """(start, end, kind) of each value in ``text``, in characters. Called in threads, several at once; may take its
        time. Raising ends the session whose answer it was asked about."""


class ISecretSource(Interface):
    """Fetches secrets of one scheme."""

    def fetch(rest: str) -> Deferred[bytes]:
        """The secret's bytes now, uncached, trailing newline removed. Fails with SecretError."""


class IRecorder(Interface):
    """Opens recordings."""

    def start() -> Deferred[None]:
        """Fetch the key and make ready; called once, before the first ``open``. Fails with SecretError or
        RecordingError, which stops the service's start."""

    def open(session: Any) -> Any:
        """Return an :class:`IRecording`, its head already written. Raises RecordingError."""


class IRecording(Interface):
    """One session's recording: appended before forwarded, hash-chained, signed at the end."""

    def data(direction: int, data: bytes) -> None:
        """Append wire bytes. direction 0: client to target, 1: target to client. Raises RecordingError."""

    def event(kind: str, fields: dict[str, Any]) -> None:
        """Append an event: login, statement, verdict, hold, approval, mask, notice... Raises RecordingError."""

    def later(payload: bytes) -> None:
        """Keep an event that is encoded already (``hoopgate.recorders.events``) until the next ``data``, ``event`` or
        ``close``, which appends it before its own, or until two seconds are over. Raises RecordingError."""

    def close(reason: str) -> None:
        """Append the end with its reason, sign, close. Idempotent."""


class IStore(Interface):
    """What two nodes must agree on: the store is the truth, and a node may die at any instruction.

    Every method returns a Deferred. Every write is one transaction that also appends to the log of changes.
    Failures are ``hoopgate.stores.records.StoreError``; who depends on the store then fails closed. Times are epoch
    seconds from the caller's clock.
    """

    def start() -> Deferred[None]:
        """Open and migrate. Fails if the store is newer than this code, or readable by others."""

    def close() -> Deferred[None]:
        """Finish what is under way and close. Idempotent."""

    # --- nodes and sessions

    def heartbeat(node: str, at: float) -> Deferred[None]:
        """This process lives."""

    def interrupt(node: str, at: float, reason: str) -> Deferred[int]:
        """A process with this name starts, so an earlier one is dead: end its sessions and mark its pending requests
        ``interrupted``. Returns how many requests."""

    def interrupt_silent(before: float, at: float, reason: str) -> Deferred[int]:
        """The same for every node whose last heartbeat is older than ``before``."""

    def open_session(record: SessionRecord) -> Deferred[None]:
        """A session begins."""

    def close_session(session_id: str, at: float, reason: str) -> Deferred[None]:
        """It ended; the first reason stays. Its pending requests become ``withdrawn``."""

    def end_session(session_id: str, at: float, reason: str, by: str) -> Deferred[bool]:
        """Ask its process to end it (a Change ``session``/``end``). False if it does not live."""

    def session(session_id: str) -> Deferred[SessionRecord | None]:
        """One session, live or ended."""

    def live_sessions(prefix: str) -> Deferred[tuple[SessionRecord, ...]]:
        """Every session that has not ended, of the nodes whose names begin with ``prefix``."""

    def sessions(*, audience: Audience | None, live: bool, limit: int) -> Deferred[tuple[SessionRecord, ...]]:
        """Sessions, newest first; of the audience's key or person only, or of all with None."""

    # --- requests: held statements and grants

    def add_request(request: Request, *, per_identity: int, per_session: int) -> Deferred[None]:
        """A pending request begins. Fails with LimitError where its requester (or session) has that many pending
        ones of the kind already (0: no limit)."""

    def request(request_id: str) -> Deferred[Request | None]:
        """One request with its votes."""

    def requests(
        kind: str, *, states: tuple[State, ...], audience: Audience | None, limit: int
    ) -> Deferred[tuple[Request, ...]]:
        """Requests in any of ``states`` (empty: all), newest first; the audience's own and those its groups may
        decide, or all with None."""

    def vote(request_id: str, vote: Vote) -> Deferred[Request]:
        """Count one vote, atomically: a denial ends the request, an approval ends it once every requirement is met.

        Returns the request after it. Fails with NoSuchRecordError, RequestClosedError (also where ``expires`` has
        passed, which then is recorded) or AlreadyVotedError (but who approved may still deny). Whether the voter is
        eligible is the caller's question (``hoopgate.voting``).
        """

    def finish(
        request_id: str,
        state: State,
        at: float,
        *,
        reason: str,
        by: str,
        only: tuple[State, ...],
    ) -> Deferred[Request]:
        """End a request if its state is in ``only``; returns it as it then stands. Fails with NoSuchRecordError."""

    def finish_stale(node: str, policy_version: str, at: float, reason: str) -> Deferred[tuple[str, ...]]:
        """Mark this node's pending held statements of any other policy version ``stale``; returns their ids."""

    def sweep(at: float) -> Deferred[None]:
        """Mark pending requests past their time ``expired`` and approved grants past their end ``ended``."""

    # --- gateway-issued tokens

    def add_token(record: TokenRecord) -> Deferred[None]:
        """Keep a token's hash."""

    def token(token_hash: bytes) -> Deferred[TokenRecord | None]:
        """By hash, revoked and expired ones included."""

    def token_by_id(token_id: str) -> Deferred[TokenRecord | None]:
        """By id, revoked and expired ones included."""

    def revoke_token(token_id: str, at: float, reason: str, by: str) -> Deferred[bool]:
        """Revoke; False if there is none or it was revoked before."""

    # --- the log of changes

    def latest() -> Deferred[int]:
        """The sequence of the last change; 0 before the first."""

    def changes(since: int, limit: int = 1000) -> Deferred[tuple[Change, ...]]:
        """Changes after ``since`` in order. Where some of them were pruned, one Change of kind ``reset`` comes
        first: what the reader knows is out of date."""

    def prune(changes_before: float, records_before: float) -> Deferred[None]:
        """Forget changes older than the one, and ended sessions, requests and expired tokens older than the other."""
