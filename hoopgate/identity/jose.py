"""Signed JSON Web Tokens: what may be read before, and what is proved by, the signature (RFC 7515, 7519, 8725).

PyJWT does the cryptography; what it leaves to its caller is done here: which headers are fit to be looked at,
which key may serve which algorithm, and what JSON counts as JSON.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping
from typing import Any

from attrs import field, frozen
from jwt import PyJWK, PyJWS
from jwt.exceptions import PyJWTError

from hoopgate.errors import AuthenticationError
from hoopgate.identity.strict import json_object

NOT_VALID = "the token is not valid"

# RFC 7518 3.1 and RFC 8037 3.1. No "none", no HMAC: a gateway holds public keys alone.
ALGORITHMS: Mapping[str, tuple[str, frozenset[str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", frozenset({""}))),
    "ES256": ("EC", frozenset({"P-256"})),
    "ES384": ("EC", frozenset({"P-384"})),
    "ES512": ("EC", frozenset({"P-521"})),
    "EdDSA": ("OKP", frozenset({"Ed25519", "Ed448"})),
}

# RFC 8725 3.11: tokens made for something else (logout+jwt, dpop+jwt, secevent+jwt, ...) are no access tokens.
TYPES = frozenset({"", "jwt", "at+jwt"})

_SEGMENT = re.compile(rb"[A-Za-z0-9_-]+\Z")
_LONGEST_KID = 512
_LARGEST_RSA = 8192  # bits; verifying with a larger one is a way to keep us busy
_JWS = PyJWS(algorithms=list(ALGORITHMS), options={"enforce_minimum_key_length": True})


def refused(detail: str, message: str = NOT_VALID) -> AuthenticationError:
    """``message`` is what the client may read, ``detail`` what our log says."""
    return AuthenticationError(message, detail=detail)


@frozen
class Unverified:
    """A token taken apart. Nothing in it is true yet: ``claims`` serve to find the issuer, no more."""

    token: str = field(repr=False)
    algorithm: str
    kid: str | None
    claims: dict[str, Any] = field(repr=False)


def _segment(segment: bytes, what: str) -> bytes:
    if not _SEGMENT.match(segment) or len(segment) % 4 == 1:
        raise refused(f"its {what} is not base64url")
    return urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


def _json_segment(segment: bytes, what: str) -> dict[str, Any]:
    try:
        return json_object(_segment(segment, what))
    except ValueError as error:
        raise refused(f"its {what} is not fit JSON: {error}") from None


def parse(token: str, limit: int) -> Unverified:
    """Take a compact JWS apart, within ``limit`` bytes. Raises AuthenticationError."""
    if len(token) > limit:
        raise refused(f"it is longer than limits.token ({limit})", "the token is too long")
    if not token.isascii():
        raise refused("it is not ASCII")
    segments = token.encode("ascii").split(b".")
    if len(segments) != 3:
        raise refused("it is encrypted" if len(segments) == 5 else "it has not three parts")
    header = _json_segment(segments[0], "header")
    algorithm, kid = _checked_header(header)
    return Unverified(token, algorithm, kid, _json_segment(segments[1], "payload"))


def _checked_header(header: dict[str, Any]) -> tuple[str, str | None]:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise refused(f"algorithm {str(algorithm)[:20]!r} is not a public-key signature that is known here")
    if "crit" in header or "b64" in header:
        raise refused("its header has a critical extension, and none is known here (RFC 7515, 4.1.11)")
    if "kid" in header and (not isinstance(kid, str) or len(kid) > _LONGEST_KID):
        raise refused("its kid is no string of fit length")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TYPES:
        raise refused(f"its type is {str(kind)[:40]!r}, not an access or ID token's")
    return algorithm, kid


@frozen
class Key:
    """One public key of an issuer, with the algorithms that it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    public: Any = field(repr=False, eq=False)

    def verify(self, token: Unverified) -> bool:
        """Whether the token's signature is this key's. The algorithm must be one of the key's own."""
        if token.algorithm not in self.algorithms:
            return False
        try:
            _JWS.decode_complete(token.token, self.public, algorithms=[token.algorithm])
        except PyJWTError:
            return False
        return True


def _fits(jwk: Mapping[str, Any], algorithm: str) -> bool:
    kind, curves = ALGORITHMS[algorithm]
    curve = jwk.get("crv", "") if kind != "RSA" else ""
    return jwk.get("kty") == kind and curve in curves and jwk.get("alg", algorithm) == algorithm


def key_of(jwk: Any, allowed: Collection[str]) -> Key | None:
    """The key a JWK holds, or None if it is not one for verifying with the ``allowed`` algorithms (RFC 7517).

    A symmetric key, or a private one that somebody published by mistake, verifies nothing here.
    """
    if not isinstance(jwk, dict) or "d" in jwk or "k" in jwk or jwk.get("use", "sig") != "sig":
        return None
    if "key_ops" in jwk and (not isinstance(jwk["key_ops"], list) or "verify" not in jwk["key_ops"]):
        return None
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        return None
    try:
        algorithms = frozenset(name for name in allowed if _fits(jwk, name))
        if not algorithms:
            return None
        public = PyJWK(jwk, algorithm=min(algorithms)).key
    except (PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None  # one key that is beyond us must not take the others away
    if jwk["kty"] == "RSA" and not 2048 <= public.key_size <= _LARGEST_RSA:
        return None
    return Key(kid, algorithms, public)
