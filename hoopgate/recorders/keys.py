"""The Ed25519 key (RFC 8032) that signs recordings: loading, making, and its short name."""

from __future__ import annotations

import hashlib
import os
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
    """The key kept at ``path`` (mode 0600), made on first use. Raises SecretError or RecordingError.

    Two processes that start together get the same key: the loser of the race reads the winner's.
    """
    try:
        return load_private_key(path.read_bytes())
    except FileNotFoundError:
        pass  # first start
    except OSError as error:
        raise RecordingError(f"cannot read the recorder's key {path}: {error.strerror}") from error
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        return _publish(draft, path, key)
    except OSError as error:
        raise RecordingError(f"cannot keep the recorder's key at {path}: {error.strerror}") from error


def _publish(draft: Path, path: Path, key: Ed25519PrivateKey) -> Ed25519PrivateKey:
    try:
        os.link(draft, path)  # unlike rename, fails if somebody was first
    except FileExistsError:
        return load_private_key(path.read_bytes())
    finally:
        draft.unlink()
    return key
