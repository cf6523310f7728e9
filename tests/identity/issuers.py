"""An issuer for tests: real keys, real signatures, and a fetch that counts, breaks and delays as a test wishes."""

from __future__ import annotations

import json
from typing import Any

import jwt
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgate.config.model import Issuer
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.tokens import GatewayTokens, TokenRecord
from hoopgate.interfaces import Identity

NOW = 1_800_000_000.0
URL = "https://id.example.com/"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EVERY_ALGORITHM = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


def private_key(algorithm: str) -> Any:
    if algorithm in ("RS256", "PS256") or algorithm[:2] in ("RS", "PS"):
        return RSA
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    return ec.generate_private_key(curves[algorithm]) if algorithm in curves else ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str | None, **members: Any) -> dict[str, Any]:
    """The public key as a JWK."""
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        kind: Any = RSAAlgorithm
    elif isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        kind = OKPAlgorithm
    else:
        kind = ECAlgorithm
    found: dict[str, Any] = json.loads(kind.to_jwk(public))
    found.pop("key_ops", None)
    return found | ({} if kid is None else {"kid": kid}) | members


def clock_at(now: float = NOW) -> Clock:
    clock = Clock()
    clock.advance(now)
    return clock


class FakeIssuer:
    """``keys`` maps kids to (private key, JWK members). ``fetched`` lists every URL that was asked for."""

    def __init__(self, url: str = URL, name: str = "example", **settings: Any) -> None:
        self.url = url
        self.config = Issuer(name=name, url=url, audience=("hoopgate",), **settings)
        self.keys: dict[str, tuple[Any, dict[str, Any]]] = {"one": (RSA, {})}
        self.jwks: Any = None  # in place of what `keys` makes
        self.discovery: dict[str, Any] = {}
        self.fetched: list[str] = []
        self.down: BaseException | None = None
        self.waiting: list[tuple[str, Deferred[bytes]]] | None = None  # a list: answers wait in it

    def fetch(self, url: str) -> Deferred[bytes]:
        self.fetched.append(url)
        if self.down is not None:
            return fail(self.down)
        if self.waiting is not None:
            answer: Deferred[bytes] = Deferred()
            self.waiting.append((url, answer))
            return answer
        return succeed(self.answer(url))

    def answer(self, url: str) -> bytes:
        if url.endswith("/.well-known/openid-configuration"):
            document: Any = {"issuer": self.url, "jwks_uri": f"{self.url.rstrip('/')}/jwks"} | self.discovery
        elif self.jwks is not None:
            document = self.jwks
        else:
            document = {"keys": [jwk(key, kid, **members) for kid, (key, members) in self.keys.items()]}
        return document if isinstance(document, bytes) else json.dumps(document).encode()

    def release(self) -> None:
        """Answer what waits, and what those answers lead to."""
        assert self.waiting is not None
        while self.waiting:
            url, answer = self.waiting.pop(0)
            answer.callback(self.answer(url))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims of a good token; a change to None takes one out."""
        claims = {"iss": self.url, "sub": "ada", "aud": "hoopgate", "iat": NOW, "exp": NOW + 600} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, *, key: Any = RSA, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        return jwt.encode(
            self.claims(**changes), key, algorithm, headers={"kid": "one"} if headers is None else headers
        )

    def with_config(self, **changes: Any) -> FakeIssuer:
        self.config = evolve(self.config, **changes)
        return self


def authenticator(
    *issuers: FakeIssuer, clock: Clock | None = None, tokens: GatewayTokens | None = None
) -> Authenticator:
    """Over the issuers' own fetches, chosen by the URL's host."""

    def fetch(url: str) -> Deferred[bytes]:
        return next(issuer for issuer in issuers if url.startswith(issuer.url.rstrip("/"))).fetch(url)

    return Authenticator([issuer.config for issuer in issuers], fetch, tokens, clock or clock_at())


class MemoryStore:
    """The part of a store that tokens need, answering at once."""

    def __init__(self) -> None:
        self.records: dict[str, TokenRecord] = {}
        self.asked = 0

    def add_token(self, record: TokenRecord) -> Deferred[None]:
        self.records[record.id] = record
        return succeed(None)

    def token(self, token_hash: bytes) -> Deferred[TokenRecord | None]:
        self.asked += 1
        return succeed(next((one for one in self.records.values() if one.hash == token_hash), None))

    def revoke_token(self, token_id: str, at: float, reason: str, by: str) -> Deferred[bool]:
        known = self.records.get(token_id)
        if known is None or known.revoked is not None:
            return succeed(False)
        self.records[token_id] = evolve(known, revoked=at)
        return succeed(True)


def result(deferred: Deferred[Any]) -> Any:
    """What the Deferred has fired with; its failure is raised; not to have fired is a failure of the test."""
    fired: list[Any] = []
    deferred.addBoth(fired.append)
    assert fired, "the Deferred has not fired"
    if isinstance(fired[0], Failure):
        raise fired[0].value
    return fired[0]


def identity(subject: str = "ada", **changes: Any) -> Identity:
    return Identity(URL, subject, claims={"exp": NOW + 600}, **changes)
