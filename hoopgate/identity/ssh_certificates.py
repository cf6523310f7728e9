"""Short-lived OpenSSH user certificates of the gateway's own authority: issued for an identity, good here alone.

A certificate is kept as a token is (``hoopgate.identity.tokens.TokenRecord``): the store holds its keyed hash and the
identity that it was issued for, so that it ends with its lifetime, with the revocation of its id, and with the store.
What the certificate itself says is checked first, without the store: authority, kind, times, principals, source.

Its principals are ``role%target``, ``%target`` (any role of it) and ``%`` (any target): none of them is a name that
could log in at a server which trusts this authority by mistake.
"""

from __future__ import annotations

import base64
import hmac
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import evolve, frozen
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    SSHCertificate,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_pem_private_key,
    load_ssh_private_key,
)
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hoopgate.codecs.ssh.username import Asked
from hoopgate.conch.fields import Malformed
from hoopgate.conch.signatures import PublicKey, load_identity
from hoopgate.errors import AuthenticationError, SecretError
from hoopgate.identity.ssh_restrictions import Restrictions, comes_from, restrictions
from hoopgate.identity.tokens import TokenRecord, TokenStore
from hoopgate.interfaces import Identity
from hoopgate.stores.records import identity_from_json, identity_to_json

_EARLIER: Final = 60.0  # seconds that a certificate is valid before it is issued: clocks differ
_MOST_PRINCIPALS: Final = 64
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
    """A certificate that is in order, of which the store has not been asked."""

    blob: bytes
    key_id: str
    serial: int
    restrictions: Restrictions


def principals_for(asked: Asked, role: str) -> frozenset[str]:
    """The principals of which a certificate needs one to log in so; ``role`` is the one that would be used."""
    return frozenset((f"{role}%{asked.target}", f"%{asked.target}", ANYWHERE))


def make_ca() -> bytes:
    """A new authority's private key, as OpenSSH writes it."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def load_ca(data: bytes, where: str) -> Ed25519PrivateKey:
    """Raises SecretError."""
    load = load_ssh_private_key if b"OPENSSH" in data else load_pem_private_key
    try:
        key = load(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SecretError(f"{where} is no private key without passphrase ({type(error).__name__})") from None
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
        self._public = ca.public_key().public_bytes_raw()
        self._clock = clock
        self._longest = longest

    @property
    def authority(self) -> str:
        """The authority's public key, as ``authorized_keys`` has keys."""
        return self._ca.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")

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
        if identity.token_id or "exp" not in identity.claims:
            raise ValueError("a certificate needs a token of an issuer, not one of the gateway")
        if not 0 < len(principals) <= _MOST_PRINCIPALS or not all(principals):
            raise ValueError(f"name 1 to {_MOST_PRINCIPALS} targets")
        now = self._clock.seconds()
        end = min(now + min(lifetime, self._longest()), float(identity.claims["exp"]))
        if not end - now >= 1:
            raise ValueError("the token has expired: get a new one")
        number, serial = f"crt_{secrets.token_urlsafe(12)}", secrets.randbits(63)
        builder = (
            SSHCertificateBuilder()
            .public_key(_plain(public_key))
            .serial(serial)
            .type(SSHCertificateType.USER)
            .key_id(f"{number} {identity.key}".encode())
            .valid_principals([each.encode("ascii") for each in principals])
            .valid_after(int(now - _EARLIER))
            .valid_before(math.ceil(end))
        )
        text = _sign(builder, limits or Restrictions(), self._ca)
        record = TokenRecord(
            id=number,
            hash=self._hash(base64.b64decode(text.split()[1])),
            identity=identity_to_json(identity),
            issued=now,
            expires=end,
            targets=_targets(principals),
        )
        issued = Issued(text, record, serial, tuple(principals))
        return self._store.add_token(record).addCallback(lambda _: issued)

    def read(self, blob: bytes, accepted: Iterable[str], address: str) -> Presented:
        """The certificate, if it is ours, in its time, for one of these principals, and may come from ``address``.

        Nobody has proved to hold its key yet. Raises AuthenticationError.
        """
        try:
            certificate = load_identity(blob)
        except Malformed as error:
            raise refused(str(error)) from None
        if not isinstance(certificate, SSHCertificate):
            raise refused("a plain key in place of a certificate")
        self._check_authority(certificate)
        now = self._clock.seconds()
        if certificate.type is not SSHCertificateType.USER:
            raise refused("a host's certificate")
        if not certificate.valid_after <= now < certificate.valid_before:
            raise refused("a certificate outside its time", "the certificate has expired: get a new one")
        named = {each.decode("utf-8", "replace") for each in certificate.valid_principals}
        if named.isdisjoint(accepted):
            raise refused("a certificate of other principals", "the certificate is not for this target and role")
        kept = restrictions(certificate.critical_options, certificate.extensions)
        if kept.source and not comes_from(address, kept.source):
            raise refused(f"a certificate that may not come from {address}", "the certificate is not for this address")
        return Presented(blob, certificate.key_id.decode("utf-8", "replace"), certificate.serial, kept)

    def identify(self, presented: Presented) -> Deferred[Identity]:
        """Who it was issued for. Fails with AuthenticationError where it was revoked, or never issued here."""
        return Deferred.fromCoroutine(self._identify(presented))

    async def _identify(self, presented: Presented) -> Identity:
        digest = self._hash(presented.blob)
        record = await self._store.token(digest)
        if record is None or not hmac.compare_digest(record.hash, digest):
            raise refused(f"certificate {presented.key_id[:200]!r} is not in the store")
        if record.revoked is not None:
            raise refused(f"certificate {record.id} was revoked", "the certificate was revoked")
        if self._clock.seconds() >= record.expires:
            raise refused(f"certificate {record.id} expired", "the certificate has expired: get a new one")
        identity = identity_from_json(record.identity)
        return evolve(identity, expires=record.expires, token_id=record.id, targets=record.targets)

    def _check_authority(self, certificate: SSHCertificate) -> None:
        """The very key of our authority has signed; whatever else stands in its place is none."""
        authority = certificate.signature_key()
        raw = getattr(authority, "public_bytes_raw", bytes)()
        if not hmac.compare_digest(raw, self._public):
            raise refused("a certificate of another authority")
        try:
            certificate.verify_cert_signature()
        except (InvalidSignature, ValueError):
            raise refused("a certificate whose signature is not the authority's") from None

    def _hash(self, blob: bytes) -> bytes:
        return hmac.digest(self._key, b"hoopgate ssh certificate\0" + blob, "sha256")


def refused(detail: str, message: str = "login failed") -> AuthenticationError:
    return AuthenticationError(message, detail=detail)


def _sign(builder: SSHCertificateBuilder, kept: Restrictions, ca: Ed25519PrivateKey) -> str:
    for name, value in sorted(kept.options().items()):
        builder = builder.add_critical_option(name, value)
    for extension in sorted(kept.permitted):
        builder = builder.add_extension(extension.encode(), b"")
    return builder.sign(ca).public_bytes().decode("ascii")


def _plain(blob: bytes) -> PublicKey:
    """A public key that may be certified. Raises ValueError."""
    found = load_identity(blob)
    if isinstance(found, SSHCertificate):
        raise ValueError("a certificate cannot be certified again")
    return found


def _targets(principals: Sequence[str]) -> tuple[str, ...]:
    """The targets that these principals name; none where they mean any."""
    if ANYWHERE in principals:
        return ()
    return tuple(dict.fromkeys(each.rpartition("%")[2] for each in principals))
