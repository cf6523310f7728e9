"""The gateway's own keys: made once and kept, or given; and what is none."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred, succeed

from hoopgate.conch import certificates
from hoopgate.config.model import Listener, SecretRef
from hoopgate.errors import SecretError
from hoopgate.identity.ssh_certificates import load_ca, make_key
from hoopgate.protocols.ssh.own_keys import known_hosts, own_keys
from hoopgate.secrets.material import is_public
from tests.identity.issuers import result

HOST, CERTIFICATE = SecretRef("test", "host"), SecretRef("test", "certificate")


def loaded(state: Path, secrets: dict[SecretRef, bytes] | None = None, **listener: Any) -> Any:
    found = Listener("gate", "ssh", 2222, **listener)
    return result(Deferred.fromCoroutine(own_keys(found, state, lambda ref: succeed((secrets or {})[ref]))))


def test_a_key_is_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    (first,) = loaded(tmp_path)
    (second,) = loaded(tmp_path)
    assert first.blob == second.blob
    assert (tmp_path / "ssh-host-key").stat().st_mode & 0o777 == 0o600
    (line,) = known_hosts((first,))
    assert line.startswith("ssh-ed25519 AAAA")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_ssh_keygen_serve(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    (key,) = loaded(tmp_path, {HOST: path.read_bytes()}, host_key=HOST)
    assert known_hosts((key,))[0] == " ".join(path.with_suffix(".pub").read_text().split()[:2])


def test_a_certificate_is_shown_beside_its_key(tmp_path: Path) -> None:
    key, ca = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    blob = Key(key.public_key()).blob()
    made = certificates.issue(
        ca, blob, as_kind="host", key_id="gate", principals=["gate"], valid_after=0, valid_before=2**40
    )
    secrets = {HOST: pem, CERTIFICATE: certificates.text_of(made, "gate")}
    shown = loaded(tmp_path, secrets, host_key=HOST, host_certificate=CERTIFICATE)
    assert [each.blob for each in shown] == [made, blob]
    assert known_hosts(shown) == (certificates.text_of(blob).decode(),)
    assert is_public(secrets[CERTIFICATE])
    with pytest.raises(SecretError, match="does not belong"):
        loaded(tmp_path, secrets, host_certificate=CERTIFICATE)  # of the key that was made


def private(key: Any, encryption: Any = None) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption or NoEncryption())
    return made


@pytest.mark.parametrize(
    "data",
    [
        b"not a key",
        private(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")),
        private(generate_private_key(65537, 1024)),
        Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    ],
    ids=["none", "encrypted", "short", "public"],
)
def test_what_is_no_host_key_stops_the_start_and_is_not_repeated(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SecretError) as caught:
        loaded(tmp_path, {HOST: data}, host_key=HOST)
    assert "test:host" in str(caught.value)
    assert data.decode().splitlines()[-1] not in str(caught.value)


def test_an_authority_is_an_ed25519_key() -> None:
    key = Ed25519PrivateKey.generate()
    for data in (make_key(), private(key), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())):
        assert isinstance(load_ca(data, "env:CA"), Ed25519PrivateKey)
    for data in (b"", b"x", private(generate_private_key(65537, 2048))):
        with pytest.raises(SecretError, match="env:CA"):
            load_ca(data, "env:CA")


def test_what_openssh_calls_public_may_be_read_by_all() -> None:
    line = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJkPkZ0HqJYzpcVzS0Pz4PmHk3rVbFQyFAyGw0b8gQ2u"
    assert is_public(line)
    assert is_public(b"# hosts\n@cert-authority *.example.com " + line + b"\nweb,10.0.0.1 " + line + b" comment\n")
    assert not is_public(line + b"\npassword\n")
    assert not is_public(b"secret")
    assert not is_public(make_key())
    assert not is_public(line + b"\n" + make_key())
