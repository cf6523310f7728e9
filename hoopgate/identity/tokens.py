"""Tokens that the gateway itself issues: opaque, short, bound, revocable; the store holds only a keyed hash.

``hgt_`` + 256 random bits + a 64-bit tag, in base62: 58 characters, under any client's limit for passwords.
The tag is keyed, so that guesses are refused without asking the store.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Sequence
from typing import Any, Final, Protocol

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hoopgate.identity.jose import refused
from hoopgate.interfaces import Identity
from hoopgate.stores.records import identity_from_json, identity_to_json

PREFIX: Final = "hgt_"

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET, _TAG = 43, 11  # base62 digits of 32 and of 8 bytes
_MOST_TARGETS = 64


@frozen
class TokenRecord:
    """What the store keeps of one token. Nothing in it can be turned back into the token.

    ``hash`` is HMAC-SHA-256 of the token (32 bytes) and unique; ``identity`` is JSON-ready
    (``hoopgate.stores.records.identity_to_json``). Times are epoch seconds; ``targets`` empty means any
    target; ``revoked`` is when it was revoked, or None.
    """

    id: str
    hash: bytes
    identity: dict[str, Any]
    issued: float
    expires: float
    targets: tuple[str, ...] = ()
    revoked: float | None = None


class TokenStore(Protocol):
    """What is asked of the store (see ``IStore``); writes fire when they are durable."""

    def add_token(self, record: TokenRecord) -> Deferred[None]: ...

    def token(self, token_hash: bytes) -> Deferred[TokenRecord | None]: ...

    def revoke_token(self, token_id: str, at: float, reason: str, by: str) -> Deferred[bool]: ...


def _base62(data: bytes, width: int) -> str:
    number, digits = int.from_bytes(data, "big"), []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


class GatewayTokens:
    """Issues, verifies and revokes. ``key`` (32 bytes or more) is the gateway's; another key voids all tokens.

    ``longest`` bounds every lifetime (``api.token_lifetime``, seconds) and may be set anew at a reload.
    """

    def __init__(self, store: TokenStore, key: bytes, clock: IReactorTime, *, longest: float = 900.0) -> None:
        if len(key) < 32:
            raise ValueError("the key of the gateway's tokens must have 32 bytes or more")
        self._store = store
        self._key = key
        self._clock = clock
        self.longest = longest

    def now(self) -> float:
        """Epoch seconds of the clock by which tokens end."""
        return self._clock.seconds()

    def issue(
        self, identity: Identity, lifetime: float, targets: Sequence[str] = ()
    ) -> Deferred[tuple[str, TokenRecord]]:
        """A new token for ``identity``, for ``lifetime`` seconds at most, good for ``targets`` (none: any).

        The token exists nowhere but in the answer. Raises ValueError for a lifetime or targets out of bounds,
        or an identity that itself came from a gateway token (whose life must not be prolonged).
        """
        if identity.token_id:
            raise ValueError("a gateway token begets no other")
        if not (math.isfinite(lifetime) and lifetime > 0):
            raise ValueError("a lifetime is a positive number of seconds")
        if len(targets) > _MOST_TARGETS or not all(targets):
            raise ValueError(f"targets are names, {_MOST_TARGETS} at most")
        secret = secrets.token_bytes(32)
        token = PREFIX + _base62(secret, _SECRET) + self._tag(_base62(secret, _SECRET))
        now = self.now()
        record = TokenRecord(
            id=f"tok_{_base62(secrets.token_bytes(12), 17)}",
            hash=self._hash(token),
            identity=identity_to_json(identity),
            issued=now,
            expires=now + min(lifetime, self.longest),
            targets=tuple(dict.fromkeys(targets)),
        )
        return self._store.add_token(record).addCallback(lambda _: (token, record))

    def verify(self, token: str) -> Deferred[Identity]:
        """Who the token stands for, with its end, id and targets. Fails with AuthenticationError."""
        return Deferred.fromCoroutine(self._verify(token))

    def revoke(self, token_id: str, *, reason: str = "", by: str = "") -> Deferred[bool]:
        """End the token and every session that it opened; False if there is none or it was revoked before."""
        return self._store.revoke_token(token_id, self.now(), reason, by)

    async def _verify(self, token: str) -> Identity:
        if not self._is_ours(token):
            raise refused("it has the prefix of a gateway token but not its form or tag")
        digest = self._hash(token)
        record = await self._store.token(digest)
        if record is None or not hmac.compare_digest(record.hash, digest):
            raise refused("no such gateway token")
        if record.revoked is not None:
            raise refused(f"gateway token {record.id} was revoked", "the token was revoked")
        if self.now() >= record.expires:
            raise refused(f"gateway token {record.id} expired", "the token has expired: get a new one")
        identity = identity_from_json(record.identity)
        return evolve(identity, expires=record.expires, token_id=record.id, targets=record.targets)

    def _is_ours(self, token: str) -> bool:
        if len(token) != len(PREFIX) + _SECRET + _TAG or not token.isascii() or not token.startswith(PREFIX):
            return False
        secret, tag = token[len(PREFIX) : -_TAG], token[-_TAG:]
        return hmac.compare_digest(self._tag(secret), tag)

    def _tag(self, secret: str) -> str:
        return _base62(self._mac(b"tag", secret)[:8], _TAG)

    def _hash(self, token: str) -> bytes:
        return self._mac(b"hash", token)

    def _mac(self, use: bytes, text: str) -> bytes:
        return hmac.digest(self._key, b"hoopgate token " + use + b"\0" + text.encode("ascii"), "sha256")
