"""The keys by which clients know the gateway: a listener's own, or one that is made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred

from hoopgate.conch import HostKey
from hoopgate.conch.certificates import CertificateError, parse_text, text_of
from hoopgate.conch.fields import MalformedError
from hoopgate.conch.private_keys import PrivateKeyError, load_private
from hoopgate.conch.signatures import load_key
from hoopgate.config.model import Listener, SecretRef
from hoopgate.errors import SecretError
from hoopgate.identity.ssh_certificates import make_key
from hoopgate.kept_keys import kept_key

FILE: Final = "ssh-host-key"  # in the state directory, where a listener names none
Secret = Callable[[SecretRef], Deferred[bytes]]


async def own_keys(listener: Listener, state: Path, secret: Secret) -> tuple[HostKey, ...]:
    """The plain key, and before it its certificate if there is one. Raises SecretError and OSError."""
    if listener.host_key is not None:
        data, where = await secret(listener.host_key), str(listener.host_key)
    else:
        data, where = kept_key(state / FILE, make_key), str(state / FILE)
    key, plain = _private(data, where)
    if listener.host_certificate is None:
        return (plain,)
    shown = await secret(listener.host_certificate)
    try:
        return HostKey(key, parse_text(shown).blob), plain
    except (CertificateError, ValueError) as error:
        raise SecretError(f"{listener.host_certificate} does not belong to the host key: {error}") from None


def _private(data: bytes, where: str) -> tuple[Key, HostKey]:
    try:
        key = Key(load_private(data))
        plain = HostKey(key)
        load_key(plain.blob)  # which knows what is too short
    except PrivateKeyError as error:
        raise SecretError(f"{where} is no private key of a host: it {error}") from None
    except MalformedError as error:
        raise SecretError(f"{where} is a key that nobody takes: {error}") from None
    if not plain.algorithms:
        raise SecretError(f"{where} is of a kind that cannot serve: make one with ssh-keygen -t ed25519")
    return key, plain


def known_hosts(keys: Sequence[HostKey]) -> tuple[str, ...]:
    """The plain keys as lines of ``known_hosts`` have them."""
    lines = [text_of(key.blob).decode("ascii") for key in keys]
    return tuple(line for line in lines if "-cert-v01@" not in line.split(" ", 1)[0])
