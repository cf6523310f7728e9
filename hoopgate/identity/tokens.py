"""Tokens that the gateway itself issues: opaque, short, bound, revocable; the store holds only a keyed hash."""

from __future__ import annotations

from typing import Any

from attrs import frozen


@frozen
class TokenRecord:
    """What the store keeps of one token. Nothing in it can be turned back into the token.

    ``hash`` is HMAC-SHA-256 of the token (32 bytes) and unique; ``identity`` is JSON-ready. Times are epoch
    seconds; ``targets`` empty means any target; ``revoked`` is when it was revoked, or None.
    """

    id: str
    hash: bytes
    identity: dict[str, Any]
    issued: float
    expires: float
    targets: tuple[str, ...] = ()
    revoked: float | None = None
