"""Short-lived OpenSSH user certificates of the gateway's own authority: issued for an identity, good here alone.

A certificate is kept as a token is (``hoopgate.identity.tokens.TokenRecord``): the store holds its keyed hash and the
identity that it was issued for, so that it ends with its lifetime, with the revocation of its id, and with the store.
What the certificate itself says is checked first, without the store: authority, kind, times, principals, source.

Its principals are ``role%target``, ``%target`` (any role of it) and ``%`` (any target): none of them is a name that
could log in at a server which trusts this authority by mistake.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import evolve, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hoopgate.codecs.ssh.username import Asked
from hoopgate.conch import certificates
from hoopgate.conch.certificates import Certificate, CertificateError
from hoopgate.conch.fields import string
from hoopgate.conch.private_keys import PrivateKeyError, load_private
from hoopgate.errors import AuthenticationError, SecretError
from hoopgate.identity.ssh_restrictions import Restrictions
from hoopgate.identity.tokens import TokenRecord, TokenStore
from hoopgate.interfaces import Identity
from hoopgate.stores.records import identity_from_json, identity_to_json

_EARLIER: Final = 60.0  # seconds that a certificate is valid before it is issued: clocks differ
_MOST_PRINCIPALS: Final = 64
_FAILED: Final = "login failed"
ANYWHERE: Final = "%"


@frozen
class Issued:
    """``text`` is what stands in a ``-cert.pub`` file."""

    text: str
    record: TokenRecord
    serial: int
    principals: tuple[str, ...]


@frozen
class Presented:
    """A certificate that holds, of which the store has not been asked."""

    certificate: Certificate
    restrictions: Restrictions


def principals_for(asked: Asked, role: str) -> frozenset[str]:
    """The principals of which a certificate needs one to log in so; ``role`` is the one that would be used."""
    return frozenset((f"{role}%{asked.target}", f"%{asked.target}", ANYWHERE))


def make_key() -> bytes:
    """A new Ed25519 private key, as OpenSSH writes it."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def load_ca(data: bytes, where: str) -> Ed25519PrivateKey:
    """Raises SecretError."""
    try:
        key = load_private(data)
    except PrivateKeyError as error:
        raise SecretError(f"{where} is no private key of an authority: it {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SecretError(f"{where} is no Ed25519 key: an authority of certificates has one")
    return key


class UserCertificates:
    """Issues and knows again. ``key`` (32 bytes or more) is that of the gateway's tokens, ``ca`` the authority's.

    ``longest()`` bounds every lifetime (``ssh.certificate_lifetime``, seconds).
    """

    def __init__(
        self, store: TokenStore, key: bytes, ca: Ed25519PrivateKey, clock: IReactorTime, longest: Callable[[], float]
    ) -> None:
        self._store = store
        self._key = key
        self._ca = ca
        self._authority = string(b"ssh-ed25519") + string(ca.public_key().public_bytes_raw())
        self._clock = clock
        self._longest = longest

    @property
    def authority(self) -> str:
        """The authority's public key, as ``authorized_keys`` has keys."""
        return certificates.text_of(self._authority).decode("ascii")

    def issue(
        self,
        identity: Identity,
        public_key: bytes,
        principals: Sequence[str],
        *,
        lifetime: float = math.inf,
        limits: Restrictions | None = None,
    ) -> Deferred[Issued]:
        """A certificate of ``public_key`` (in wire form) for an identity that an issuer's token vouches for.

        It lives no longer than that token. Raises ValueError where it cannot be: a key or principals that are none,
        or an identity that itself came from a token, key or certificate of the gateway.
        """
        if not 0 < len(principals) <= _MOST_PRINCIPALS or not all(principals):
            raise ValueError(f"name 1 to {_MOST_PRINCIPALS} targets")
        now = self._clock.seconds()
        end = self._end(identity, now, lifetime)
        number, serial, kept = f"crt_{secrets.token_urlsafe(12)}", secrets.randbits(63), limits or Restrictions()
        blob = certificates.issue(
            self._ca,
            public_key,
            as_kind="user",
            key_id=f"{number} {identity.key}",
            principals=principals,
            valid_after=int(now - _EARLIER),
            valid_before=math.ceil(end),
            serial=serial,
            critical_options=kept.options(),
            extensions=sorted(kept.permitted),
        )
        record = TokenRecord(
            id=number, hash=self._hash(blob), identity=identity_to_json(identity), issued=now, expires=end,
            targets=_targets(principals),
        )  # fmt: skip
        issued = Issued(certificates.text_of(blob).decode("ascii"), record, serial, tuple(principals))
        return self._store.add_token(record).addCallback(lambda _: issued)

    def _end(self, identity: Identity, now: float, lifetime: float) -> float:
        if identity.token_id or "exp" not in identity.claims:
            raise ValueError("a certificate needs a token of an issuer, not one of the gateway")
        end = min(now + min(lifetime, self._longest()), float(identity.claims["exp"]))
        if not end - now >= 1:
            raise ValueError("the token has expired: get a new one")
        return end

    def read(self, blob: bytes, accepted: Iterable[str], address: str) -> Presented:
        """The certificate, if it is ours, in its time, for one of these principals, and may come from ``address``.

        Nobody has proved to hold its key yet. Raises AuthenticationError.
        """
        try:
            certificate = certificates.parse(blob)
            certificates.verify(
                certificate,
                as_kind="user",
                authorities=(self._authority,),
                now=self._clock.seconds(),
                principal=None,
                address=address,
            )
        except CertificateError as error:
            raise AuthenticationError(f"{_FAILED}: {error}", detail=f"a certificate: {error}") from None
        if set(accepted).isdisjoint(certificate.principals):
            what = "the certificate is for another target or role"
            raise AuthenticationError(f"{_FAILED}: {what}", detail=f"{certificate.key_id[:200]!r}: {what}")
        return Presented(certificate, Restrictions.of(certificate))

    def identify(self, presented: Presented) -> Deferred[Identity]:
        """Who it was issued for. Fails with AuthenticationError where it was revoked, or never issued here."""
        return Deferred.fromCoroutine(self._identify(presented))

    async def _identify(self, presented: Presented) -> Identity:
        digest = self._hash(presented.certificate.blob)
        record = await self._store.token(digest)
        if record is None or not hmac.compare_digest(record.hash, digest):
            raise _refused(f"certificate {presented.certificate.key_id[:200]!r} is not in the store")
        if record.revoked is not None:
            raise _refused(f"certificate {record.id} was revoked", "the certificate was revoked")
        if self._clock.seconds() >= record.expires:
            raise _refused(f"certificate {record.id} expired", "the certificate has expired: get a new one")
        identity = identity_from_json(record.identity)
        return evolve(identity, expires=record.expires, token_id=record.id, targets=record.targets)

    def _hash(self, blob: bytes) -> bytes:
        return hmac.digest(self._key, b"hoopgate ssh certificate\0" + blob, "sha256")


def _refused(detail: str, message: str = _FAILED) -> AuthenticationError:
    return AuthenticationError(message, detail=detail)


def _targets(principals: Sequence[str]) -> tuple[str, ...]:
    """The targets that these principals name; none where they mean any."""
    if ANYWHERE in principals:
        return ()
    return tuple(dict.fromkeys(each.rpartition("%")[2] for each in principals))
