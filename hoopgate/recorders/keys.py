"""The Ed25519 key (RFC 8032) that signs recordings: loading, making, and its short name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from hoopgate.errors import RecordingError, SecretError
from hoopgate.kept_keys import kept_key
from hoopgate.recorders.format import KEY_ID_SIZE


def load_private_key(pem: bytes) -> Ed25519PrivateKey:
    """A PKCS#8 PEM without a passphrase. Raises SecretError, which never quotes the bytes."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SecretError("the recorder's key is not an unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SecretError("the recorder's key is not an Ed25519 key; make one with: openssl genpkey -algorithm ed25519")
    return key


def load_public_key(pem: bytes) -> Ed25519PublicKey:
    """A SubjectPublicKeyInfo PEM. Raises SecretError."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SecretError("this is not a PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SecretError("this is not an Ed25519 public key")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> bytes:
    """The first 16 bytes of SHA-256 over the raw 32-byte public key."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).digest()[:KEY_ID_SIZE]


def own_key(path: Path) -> Ed25519PrivateKey:
    """The key kept at ``path`` (mode 0600), made on first use. Raises SecretError or RecordingError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = kept_key(path, _new_pem)
    except OSError as error:
        raise RecordingError(f"cannot keep the recorder's key at {path}: {error.strerror}") from error
    try:
        return load_private_key(pem)
    except SecretError as error:
        raise SecretError(f"{path}: {error}; restore it, or remove it to have a new one made") from error


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
