"""Public keys and signatures (RFC 4253, section 6.6; RFC 5656, RFC 8332, RFC 8709), verified strictly.

A signature counts only by the very algorithm that was agreed on, and neither SHA-1 nor a short RSA key does.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import SSHCertificate, load_ssh_public_identity

from hoopgate.conch.algorithms import CERTIFICATE, KEY_ALGORITHMS
from hoopgate.conch.fields import Fields, MalformedError

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
BLOB: Final = 16_384  # bytes of a public key or certificate
RSA_BITS: Final = (2048, 16_384)
_HASHES: Final = {
    b"rsa-sha2-256": SHA256(),
    b"rsa-sha2-512": SHA512(),
    b"ecdsa-sha2-nistp256": SHA256(),
    b"ecdsa-sha2-nistp384": SHA384(),
    b"ecdsa-sha2-nistp521": SHA512(),
}


class SignatureError(Exception):
    """A signature that is none of this key over this data."""


def kind(blob: bytes) -> bytes:
    """How a public key or certificate calls itself. Raises MalformedError."""
    return Fields(blob).string()


def load_identity(blob: bytes) -> SSHCertificate | PublicKey:
    """A public key, or a certificate of which nothing is verified yet. Raises MalformedError where it is neither."""
    if len(blob) > BLOB:
        raise MalformedError("a public key that is too long")
    try:
        found = load_ssh_public_identity(kind(blob) + b" " + b64encode(blob))
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        raise MalformedError("a public key that is none, or of an unknown kind") from error
    key = found.public_key() if isinstance(found, SSHCertificate) else found
    if isinstance(key, RSAPublicKey):
        if not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
            raise MalformedError("an RSA key of a size that is not taken")
    elif not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey):
        raise MalformedError("a public key of a kind that is not taken")
    if kind(blob).startswith(b"sk-"):
        raise MalformedError("a security key")
    return found  # type: ignore[return-value]  # what else there is was refused


def load_key(blob: bytes) -> PublicKey:
    """A public key; of a certificate, the key that it certifies. Raises MalformedError."""
    found = load_identity(blob)
    return found.public_key() if isinstance(found, SSHCertificate) else found


def verify(algorithm: bytes, blob: bytes, signature: bytes, data: bytes) -> None:
    """Raises MalformedError and SignatureError.

    ``algorithm``: the public key algorithm that was agreed on, which says what the key and its signature are called.
    """
    expected = KEY_ALGORITHMS.get(algorithm)
    if expected is None or kind(blob) != expected.blob:
        raise SignatureError(f"a key that is none of {algorithm.decode('ascii', 'replace')}")
    fields = Fields(signature)
    name, raw = fields.string(), fields.string()
    fields.end()
    if name != expected.signature:
        raise SignatureError("a signature by another algorithm than was agreed on")
    try:
        _check(load_key(blob), name, raw, data)
    except InvalidSignature:
        raise SignatureError("a signature that does not verify") from None


def _check(key: PublicKey, name: bytes, raw: bytes, data: bytes) -> None:
    if isinstance(key, Ed25519PublicKey):
        key.verify(raw, data)
    elif isinstance(key, RSAPublicKey):
        key.verify(raw.rjust((key.key_size + 7) // 8, b"\0"), data, padding.PKCS1v15(), _HASHES[name])
    else:
        fields = Fields(raw)
        r, s = (int.from_bytes(fields.string(), "big", signed=True) for _ in range(2))
        fields.end()
        if r <= 0 or s <= 0:
            raise InvalidSignature
        key.verify(encode_dss_signature(r, s), data, ECDSA(_HASHES[name]))


def algorithms_of(blob: bytes) -> tuple[bytes, ...]:
    """The public key algorithms that a key or certificate can sign by, the best first."""
    named = kind(blob)
    return tuple([name for name, algorithm in KEY_ALGORITHMS.items() if algorithm.blob == named])


def is_certificate(blob: bytes) -> bool:
    return kind(blob).endswith(CERTIFICATE)
