"""The key pair of ``hoopgate ssh certificate`` and the gateway's short-lived certificate beside it."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from hoopgate.cli.problems import UnsafeError

DIRECTORY = "ssh"  # below our configuration directory
KEY = "id_ed25519"


def key_path(configuration: Path) -> Path:
    return configuration / DIRECTORY / KEY


def key_pair(path: Path) -> str:
    """The public key, as OpenSSH writes it; the pair is made where there is none. Raises UnsafeError."""
    try:
        data = _read(path)
    except FileNotFoundError:
        return _make(path)
    try:
        key = load_ssh_private_key(data, None)
    except ValueError as error:
        raise UnsafeError(f"{path} is no key of ours. Take it away: a new one is made.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsafeError(f"{path} is no Ed25519 key. Take it away: a new one is made.")
    return _public(key)


def write_file(path: Path, text: str | bytes) -> None:
    """Write or replace a file that its owner alone can read, all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # 0600 by itself
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _read(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise UnsafeError(f"{path} is open to others, who may have read it. Take it away: a new one is made.")
        return file.read(65_536)


def _make(path: Path) -> str:
    key = Ed25519PrivateKey.generate()
    public = _public(key)
    write_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    write_file(path.with_name(path.name + ".pub"), f"{public} hoopgate\n")
    return public


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
