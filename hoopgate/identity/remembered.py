"""JWTs that were verified a moment ago: a client that connects again and again is not verified again and again.

Only success is remembered, under the token's SHA-256 and never under the token itself; for a short while, never past
the token's end, and only as long as the issuer's key set is fresh and the very one that verified it.
"""

from __future__ import annotations

from hashlib import sha256

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from hoopgate.config.limits import Limits
from hoopgate.identity.oidc import Verified, Verifier
from hoopgate.interfaces import Identity


@frozen
class _Kept:
    verified: Verified
    verifier: Verifier
    since: float
    until: float


class RememberedTokens:
    """``limits.verified_tokens`` of them at most, each for ``limits.verified_token`` seconds at most."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._kept: dict[bytes, _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, token: str) -> Identity | None:
        """Whose token this is, if it was verified a moment ago and would be again."""
        name = _name(token)
        kept = self._kept.get(name)
        if kept is None:
            return None
        # A clock that was set back proves nothing about a time before the verification.
        current = kept.since <= self._clock.seconds() < kept.until
        if current and kept.verifier.still_vouches(kept.verified):
            return kept.verified.identity
        del self._kept[name]
        return None

    def keep(self, token: str, verified: Verified, verifier: Verifier, limits: Limits) -> None:
        """Remember a success; the oldest make room for it."""
        if not limits.verified_tokens:
            return
        now = self._clock.seconds()
        name = _name(token)
        self._kept.pop(name, None)
        while self._kept and len(self._kept) >= limits.verified_tokens:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = _Kept(verified, verifier, now, min(verified.until, now + limits.verified_token))

    def clear(self) -> None:
        """Forget all, as after a reload of the issuers."""
        self._kept.clear()


def _name(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
