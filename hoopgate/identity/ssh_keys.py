"""Public keys that the configuration registers to an identity (``[[ssh_key]]``)."""

from __future__ import annotations

import unicodedata

from hoopgate.conch.certificates import text_of, within
from hoopgate.config.model import Config, SshKey
from hoopgate.errors import AuthenticationError
from hoopgate.interfaces import Identity

CLAIM = "ssh_key"  # of such an identity: the name of its key


def registered(config: Config, blob: bytes, now: float, address: str) -> SshKey:
    """The registration of a key in wire form. Raises AuthenticationError where there is none that holds now."""
    text = text_of(blob).decode("ascii", "replace")
    found = next((key for key in config.ssh_keys if key.key == text), None)
    if found is None:
        raise AuthenticationError("login failed", detail="a public key that is not registered")
    if now >= found.expires:
        raise AuthenticationError("the key's registration has ended", detail=f"ssh_key {found.name} expired")
    if found.source and not within(address, ",".join(found.source)):
        raise AuthenticationError("login failed", detail=f"ssh_key {found.name} may not come from {address}")
    return found


def identity_of(key: SshKey, config: Config) -> Identity:
    """Who the key stands for. Approves nothing: that takes a token. Raises AuthenticationError."""
    issuer = next((issuer for issuer in config.issuers if issuer.name == key.issuer), None)
    if issuer is None:
        raise AuthenticationError("login failed", detail=f"the issuer of ssh_key {key.name} is not configured")
    return Identity(
        issuer=issuer.url,
        subject=key.subject,
        groups=frozenset(key.groups),
        claims={CLAIM: key.name},
        person=unicodedata.normalize("NFKC", key.person).strip().casefold(),
        expires=key.expires,
        targets=key.targets,
        decides=False,
    )


def still_registered(config: Config, identity: Identity) -> bool:
    """Whether an identity that a registered key stands for is still what the configuration says of that key."""
    name = identity.claims.get(CLAIM)
    key = next((key for key in config.ssh_keys if key.name == name), None)
    if key is None:
        return False
    try:
        return identity_of(key, config) == identity
    except AuthenticationError:
        return False
