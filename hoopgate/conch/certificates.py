"""OpenSSH's certificates of users and hosts (PROTOCOL.certkeys): read, verified and made.

Reading, the check of the signature and making are cryptography's; what a certificate grants to whom is decided here. A
principal is compared whole: one with a comma in it is one name (CVE-2026-35414).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    SSHCertificateBuilder,
    SSHCertificateType,
)

from hoopgate.conch.algorithms import CERTIFICATE, KEY_ALGORITHMS
from hoopgate.conch.fields import Fields, MalformedError, string
from hoopgate.conch.signatures import algorithms_of, kind, load_identity, load_key

Kind = Literal["user", "host"]
FOREVER: Final = 0xFFFFFFFFFFFFFFFF
SIGNATURES: Final = tuple([name for name in KEY_ALGORITHMS if not name.endswith(CERTIFICATE)])
"""By what a CA may have signed: no SHA-1."""
_KEY_FIELDS: Final = {b"ssh-ed25519": 1, b"ssh-rsa": 2}  # of ECDSA's two


class CertificateError(ValueError):
    """A certificate that is none, or does not grant what it is shown for. The words may be told to its holder."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says; nothing of it is verified by ``parse``.

    ``key`` and ``authority`` are blobs of public keys: of the holder and of the CA. Times are Unix seconds; the second
    ``valid_before`` is not in it any more. Values of options and extensions are what is within their inner string.
    """

    blob: bytes
    kind: Kind
    key: bytes
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical_options: Mapping[str, str]
    extensions: Mapping[str, str]
    authority: bytes
    signature_algorithm: bytes

    def may(self, name: str) -> bool:
        """It has an extension of this name, such as permit-pty."""
        return name in self.extensions

    @property
    def force_command(self) -> str | None:
        """The only command that its holder may run."""
        return self.critical_options.get("force-command")

    @property
    def fingerprint(self) -> str:
        """Of the holder's key, as ssh-keygen -l shows it."""
        return fingerprint(self.key)


def fingerprint(blob: bytes) -> str:
    """SHA256:... of a public key's blob."""
    return "SHA256:" + b64encode(sha256(blob).digest()).rstrip(b"=").decode()


def parse(blob: bytes) -> Certificate:
    """Raises CertificateError."""
    try:
        found = load_identity(blob)
        if not isinstance(found, SSHCertificate):
            raise CertificateError("a public key, and no certificate")
        key, authority, algorithm = _outline(blob)
        return Certificate(
            blob,
            "user" if found.type is SSHCertificateType.USER else "host",
            key,
            found.serial,
            found.key_id.decode("utf-8", "replace"),
            tuple([_text(name) for name in found.valid_principals]),
            found.valid_after,
            found.valid_before,
            {_text(name): _text(value) for name, value in found.critical_options.items()},
            {_text(name): value.decode("utf-8", "replace") for name, value in found.extensions.items()},
            authority,
            algorithm,
        )
    except MalformedError as error:
        raise CertificateError(f"no certificate: {error}") from error


def parse_text(text: bytes) -> Certificate:
    """A certificate as in a file id_ed25519-cert.pub. Raises CertificateError."""
    words = text.split(None, 2)
    try:
        blob = b64decode(words[1], validate=True)
    except (IndexError, ValueError) as error:
        raise CertificateError("no certificate: neither a type nor base64") from error
    found = parse(blob)
    if kind(blob) != words[0]:
        raise CertificateError("a certificate of another type than it is called")
    return found


def text_of(blob: bytes, comment: str = "") -> bytes:
    """A public key or certificate as one line of a file, without the line's end."""
    return b" ".join([kind(blob), b64encode(blob), *([comment.encode()] if comment else ())])


def _outline(blob: bytes) -> tuple[bytes, bytes, bytes]:
    """The holder's key, the CA's key and by what that has signed: what cryptography does not tell."""
    fields = Fields(blob)
    name = fields.string().removesuffix(CERTIFICATE)
    fields.string()
    key = string(name) + b"".join([string(fields.string()) for _ in range(_KEY_FIELDS.get(name, 2))])
    fields.take(12)
    fields.string(), fields.string()
    fields.take(16)
    fields.string(), fields.string(), fields.string()
    authority, signature = fields.string(), Fields(fields.string())
    fields.end()
    return key, authority, signature.string()


def _text(value: bytes) -> str:
    try:
        found = value.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("a name in it is not UTF-8") from error
    if "\0" in found:
        raise MalformedError("a name in it has a NUL")
    return found


def verify(
    certificate: Certificate,
    *,
    as_kind: Kind,
    authorities: Collection[bytes],
    now: float,
    principal: str | None,
    address: str = "",
    options: Collection[str] = ("force-command", "source-address"),
) -> None:
    """Raises CertificateError where the certificate does not hold, with the reason.

    ``authorities``: blobs of the public keys of CAs that may say so. ``principal``: who the holder wants to be, of a
    host its name; None leaves that to the caller, who then has to compare with ``principals``. No principal in a
    certificate means nobody. ``address``: where a user comes from. ``options``: the critical options that the caller
    honours; of those source-address is checked here, any other is the caller's duty (``force_command``). The proof that
    the holder has the key is not in here either.
    """
    if certificate.kind != as_kind:
        raise CertificateError(f"a certificate of a {certificate.kind}, not of a {as_kind}")
    _signed(certificate, authorities)
    if not certificate.valid_after <= now:
        raise CertificateError("the certificate is not valid yet")
    if not now < certificate.valid_before:
        raise CertificateError("the certificate has expired")
    if not certificate.principals:
        raise CertificateError("the certificate names nobody")
    if principal is not None and not _named(principal, certificate):
        raise CertificateError("the certificate is for somebody else")
    for name, value in certificate.critical_options.items():
        if name not in options or not value:
            raise CertificateError(f"the certificate has an option that is not known here: {name[:64]!r}")
    source = certificate.critical_options.get("source-address")
    if source is not None and not within(address, source):
        raise CertificateError("the certificate is not valid from this address")


def _signed(certificate: Certificate, authorities: Collection[bytes]) -> None:
    """By a CA that is trusted, with a key that is itself no certificate, by an algorithm that is taken."""
    authority, algorithm = certificate.authority, certificate.signature_algorithm
    if algorithm not in SIGNATURES or algorithm not in algorithms_of(authority):
        raise CertificateError("the certificate is signed by an algorithm, or by a key, of a kind that is not taken")
    if authority not in authorities:
        raise CertificateError("the certificate is signed by an authority that is not trusted here")
    try:
        load_key(authority)
        found = load_identity(certificate.blob)
        assert isinstance(found, SSHCertificate)
        found.verify_cert_signature()
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise CertificateError("the certificate's signature does not verify") from error


def _named(principal: str, certificate: Certificate) -> bool:
    """Hosts may be named by patterns with ``*`` and ``?`` (ssh-keygen(1), CERTIFICATES); users may not."""
    if certificate.kind == "user":
        return principal in certificate.principals
    return any(_matches(principal.lower(), pattern.lower()) for pattern in certificate.principals)


def _matches(name: str, pattern: str) -> bool:
    if pattern.count("*") > 4:
        return False
    parts = [".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern)]
    return re.fullmatch("".join(parts), name) is not None


def within(address: str, networks: str) -> bool:
    """``address`` is in one of ``networks``, addresses in CIDR with commas. Raises CertificateError for no list."""
    try:
        listed = [ip_network(part, strict=False) for part in networks.split(",")]
    except ValueError as error:
        raise CertificateError("the certificate's source-address is no list of networks") from error
    try:
        own: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(own, IPv6Address) and own.ipv4_mapped is not None:
        own = own.ipv4_mapped
    return any(own in network for network in listed)


PERMISSIONS: Final = (
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
)
"""What ssh-keygen gives a user by default."""


def issue(
    authority: Ed25519PrivateKey,
    key: bytes,
    *,
    as_kind: Kind,
    key_id: str,
    principals: Sequence[str],
    valid_after: int,
    valid_before: int,
    serial: int = 0,
    critical_options: Mapping[str, str] | None = None,
    extensions: Collection[str] = (),
) -> bytes:
    """A certificate's blob for ``key``, a public key's blob, signed by ``authority``. Its nonce is drawn anew.

    Raises ValueError for what no certificate can say: no principals, times in the wrong order, a key of another kind.
    """
    public = load_identity(key)
    if isinstance(public, SSHCertificate):
        raise ValueError("a certificate cannot be certified")
    builder = SSHCertificateBuilder(
        _public_key=public,
        _serial=serial,
        _type=SSHCertificateType.USER if as_kind == "user" else SSHCertificateType.HOST,
        _key_id=key_id.encode(),
        _valid_principals=[name.encode() for name in principals],
        _valid_before=valid_before,
        _valid_after=valid_after,
        _critical_options=[(name.encode(), value.encode()) for name, value in (critical_options or {}).items()],
        _extensions=[(name.encode(), b"") for name in extensions],
    )
    return b64decode(builder.sign(authority).public_bytes().split(b" ")[1])
