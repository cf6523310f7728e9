"""What a role logs in to an SSH target with: keys, certificates and passwords out of secrets, or issued at once."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from hoopgate.conch.certificates import PERMISSIONS, CertificateError, issue, parse_text
from hoopgate.conch.login import Identity
from hoopgate.conch.private_keys import PrivateKeyError, load_private
from hoopgate.config.model import Role, SecretRef
from hoopgate.errors import UpstreamError

EARLIER: Final = 60.0  # seconds that a certificate is valid before it is issued: clocks differ
LIFETIME: Final = 300.0  # and after; sshd asks once, at the login
Issue = Callable[[], Identity]
"""Makes a key and a certificate for one session."""
InThread = Callable[..., Awaitable[Any]]
"""Calls a function, with these arguments, where it blocks nobody."""


@frozen
class Credentials:
    """``identities`` are tried in order, then ``password``."""

    identities: tuple[Identity, ...]
    password: bytes | None


def references(role: Role) -> list[SecretRef]:
    """The role's secrets, in one order."""
    found = (role.password, role.key, role.key_passphrase, role.key_certificate)
    return [reference for reference in found if reference is not None]


async def credentials(
    role: Role, get: Callable[[SecretRef], Awaitable[bytes]], issuing: Issue | None, in_thread: InThread
) -> Credentials:
    """Read them. Fails with SecretError, or with UpstreamError where a secret is not what it should be."""
    identities = []
    if role.issue:
        if issuing is None:
            raise UpstreamError("the gateway has no authority to issue certificates with")
        identities.append(issuing())
    if role.key is not None:
        passphrase = await get(role.key_passphrase) if role.key_passphrase is not None else None
        key = await _private_key(await get(role.key), passphrase, role, in_thread)
        if role.key_certificate is not None:
            identities.append(_certified(key, await get(role.key_certificate), role))
        identities.append(Identity(key))
    password = await get(role.password) if role.password is not None else None
    return Credentials(tuple(identities), password)


async def _private_key(data: bytes, passphrase: bytes | None, role: Role, in_thread: InThread) -> Key:
    try:
        if passphrase is None:
            return Key(load_private(data))
        return Key(await in_thread(load_private, data, passphrase))  # half a second, which nobody else is to wait
    except PrivateKeyError as error:
        raise UpstreamError(f"the key of role {role.name} {error} (key, key_passphrase)") from error


def _certified(key: Key, text: bytes, role: Role) -> Identity:
    try:
        certificate = parse_text(text)
    except CertificateError as error:
        raise UpstreamError(f"the certificate of role {role.name} cannot be read: {error}") from error
    if certificate.key != key.public().blob():
        raise UpstreamError(f"the certificate of role {role.name} is not for its key")
    return Identity(key, certificate.blob)


def issuer(authority: Ed25519PrivateKey, role: Role, key_id: str, now: float) -> Issue:
    """Makes a fresh key and, signed by ``authority``, a certificate that lets it log in as the role for a short time.

    ``key_id`` is what the target's log shows of it.
    """

    def issue_one() -> Identity:
        key = Key(Ed25519PrivateKey.generate())
        certificate = issue(
            authority,
            key.public().blob(),
            as_kind="user",
            key_id=key_id,
            principals=[role.user],
            valid_after=int(now - EARLIER),
            valid_before=math.ceil(now + LIFETIME),
            extensions=PERMISSIONS,
        )
        return Identity(key, certificate)

    return issue_one
