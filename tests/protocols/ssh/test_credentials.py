"""What a role logs in to a target with: each form of key, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred, succeed

from hoopgate.config.model import Role, SecretRef
from hoopgate.errors import UpstreamError
from hoopgate.protocols.ssh.credentials import Credentials, credentials
from tests.identity.issuers import result

KEY, PASSPHRASE = SecretRef("test", "key"), SecretRef("test", "passphrase")
ED25519, ECDSA = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
UNDER = BestAvailableEncryption(b"open sesame")


class Threads:
    """Runs what it is given at once, and counts it."""

    def __init__(self) -> None:
        self.used = 0

    def __call__(self, function: Any, *arguments: Any) -> Deferred[Any]:
        self.used += 1
        return succeed(function(*arguments))


def read(key: bytes, passphrase: bytes | None = None, threads: Threads | None = None) -> Credentials:
    secrets = {KEY: key, PASSPHRASE: passphrase or b""}
    role = Role("root", user="root", key=KEY, key_passphrase=None if passphrase is None else PASSPHRASE)
    reading = credentials(role, lambda ref: succeed(secrets[ref]), None, threads or Threads())
    found: Credentials = result(Deferred.fromCoroutine(reading))
    return found


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
@pytest.mark.parametrize("key", [ED25519, ECDSA, RSA], ids=["ed25519", "ecdsa", "rsa"])
def test_every_form_of_a_key_serves(key: Any, form: PrivateFormat) -> None:
    (identity,) = read(key.private_bytes(Encoding.PEM, form, NoEncryption())).identities
    assert identity.blob == Key(key.public_key()).blob()


@pytest.mark.parametrize("key", [ECDSA, RSA], ids=["ecdsa", "rsa"])
def test_openssl_s_old_form_serves(key: Any) -> None:
    (identity,) = read(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())).identities
    assert identity.blob == Key(key.public_key()).blob()


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_a_passphrase_is_used_where_it_blocks_nobody(form: PrivateFormat) -> None:
    threads = Threads()
    (identity,) = read(ED25519.private_bytes(Encoding.PEM, form, UNDER), b"open sesame", threads).identities
    assert identity.blob == Key(ED25519.public_key()).blob()
    assert threads.used == 1


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_what_cannot_be_read_says_what_is_wrong_and_repeats_nothing(form: PrivateFormat) -> None:
    plain = ED25519.private_bytes(Encoding.PEM, form, NoEncryption())
    under = ED25519.private_bytes(Encoding.PEM, form, UNDER)
    public = ED25519.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    for key, passphrase, words in (
        (under, None, "is under a passphrase"),
        (under, b"other", "its passphrase is another"),
        (plain, b"other", "is under no passphrase"),
        (public, None, "cannot be read"),
        (b"nothing", None, "cannot be read"),
    ):
        with pytest.raises(UpstreamError, match=words) as caught:
            read(key, passphrase)
        assert "root" in str(caught.value)
        assert key.decode().splitlines()[-1] not in str(caught.value)
