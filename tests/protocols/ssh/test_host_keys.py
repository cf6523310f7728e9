"""Whether a target is who it should be: every way to say so, and every way to be somebody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from hoopgate.conch.certificates import fingerprint, issue, text_of
from hoopgate.errors import UpstreamError
from hoopgate.protocols.ssh.host_keys import Known, known

NOW = 1_900_000_000.0


def key() -> bytes:
    blob: bytes = Key(Ed25519PrivateKey.generate()).public().blob()
    return blob


ONE, OTHER = key(), key()


def told(
    state: Path, *, known_hosts: bytes | None = None, host: str = "Box.internal", port: int = 22, **more: Any
) -> Known:
    target: Any = SimpleNamespace(**{"name": "box", "host_keys": (), "host_ca": (), "trust_first_use": False, **more})
    at: Any = SimpleNamespace(name=host, port=port)
    return known(target, at, known_hosts, state)


def line(blob: bytes) -> str:
    return text_of(blob).decode()


def test_a_pinned_key_holds_and_no_other(tmp_path: Path) -> None:
    for pins in ((line(ONE),), (fingerprint(ONE),)):
        found = told(tmp_path, host_keys=pins)
        found.check(ONE, NOW)
        with pytest.raises(UpstreamError, match="is not known"):
            found.check(OTHER, NOW)


def test_the_kind_of_key_that_is_known_is_asked_for(tmp_path: Path) -> None:
    assert told(tmp_path, host_keys=(line(ONE),)).algorithms == (b"ssh-ed25519",)
    assert b"rsa-sha2-512" in told(tmp_path, host_keys=(fingerprint(ONE),)).algorithms
    assert told(tmp_path, host_ca=(line(ONE),)).algorithms[0].endswith(b"-cert-v01@openssh.com")


def certificate(authority: Ed25519PrivateKey, **changes: Any) -> bytes:
    return issue(
        authority,
        ONE,
        **{
            "as_kind": "host",
            "key_id": "box",
            "principals": ["box.internal"],
            "valid_after": int(NOW) - 60,
            "valid_before": int(NOW) + 60,
            **changes,
        },
    )


def test_a_certificate_of_the_hosts_authority_holds(tmp_path: Path) -> None:
    authority = Ed25519PrivateKey.generate()
    found = told(tmp_path, host_ca=(line(Key(authority).public().blob()),))
    found.check(certificate(authority), NOW)
    found.check(certificate(authority, principals=["*.internal"]), NOW)
    for wrong in (
        certificate(Ed25519PrivateKey.generate()),
        certificate(authority, principals=["other.internal"]),
        certificate(authority, as_kind="user"),
        certificate(authority, valid_before=int(NOW) - 1),
        certificate(authority, critical_options={"made-up": "x"}),
    ):
        with pytest.raises(UpstreamError, match="does not hold"):
            found.check(wrong, NOW)
    with pytest.raises(UpstreamError, match="is not known"):
        found.check(ONE, NOW)


def hashed(name: str) -> str:
    salt = b"s" * 20
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("names", "port", "holds"),
    [
        ("box.internal", 22, True),
        ("BOX.internal,10.0.0.1", 22, True),
        ("*.internal", 22, True),
        ("*.internal,!box.internal", 22, False),
        ("box.internal", 2222, False),
        ("[box.internal]:2222", 2222, True),
        (hashed("box.internal"), 22, True),
        (hashed("[box.internal]:2222"), 2222, True),
        (hashed("other.internal"), 22, False),
    ],
)
def test_known_hosts_name_hosts_as_openssh_reads_them(tmp_path: Path, names: str, port: int, holds: bool) -> None:
    found = told(tmp_path, known_hosts=f"# ours\n\n{names} {line(ONE)} comment\n".encode(), port=port)
    if holds:
        found.check(ONE, NOW)
    else:
        with pytest.raises(UpstreamError):
            found.check(ONE, NOW)


def test_markers_of_known_hosts(tmp_path: Path) -> None:
    authority = Ed25519PrivateKey.generate()
    ca = line(Key(authority).public().blob())
    found = told(tmp_path, known_hosts=f"@cert-authority *.internal {ca}\n".encode())
    found.check(certificate(authority), NOW)
    text = f"@cert-authority *.internal {ca}\n@revoked * {line(ONE)}\nbox.internal {line(ONE)}\n"
    found = told(tmp_path, known_hosts=text.encode(), host_keys=(line(ONE),))
    for shown in (ONE, certificate(authority)):
        with pytest.raises(UpstreamError, match="is revoked"):
            found.check(shown, NOW)


@pytest.mark.parametrize("text", ["box.internal", "box.internal ssh-ed25519 !!!", "@made-up box.internal x y",
                                  "box.internal ssh-ed25519 AAAA", "|1|x|y ssh-ed25519 AAAA"])  # fmt: skip
def test_known_hosts_that_cannot_be_read_refuse(tmp_path: Path, text: str) -> None:
    with pytest.raises(UpstreamError, match=r"line 2 .* cannot be read"):
        told(tmp_path, known_hosts=f"# first\n{text}\n".encode())


def test_nothing_is_believed_because_it_was_first_unless_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError):
        told(tmp_path).check(ONE, NOW)
    found = told(tmp_path, trust_first_use=True)
    found.check(ONE, NOW)
    told(tmp_path, trust_first_use=True).check(ONE, NOW)
    with pytest.raises(UpstreamError, match="is not the first one"):
        told(tmp_path, trust_first_use=True).check(OTHER, NOW)
    [kept] = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    told(tmp_path, trust_first_use=True, port=2222).check(OTHER, NOW)


def test_first_keys_of_two_targets_are_never_one(tmp_path: Path) -> None:
    for blob, name, host in ((ONE, "a-b", "c"), (OTHER, "a", "b-c"), (OTHER, "a,b", "c"), (ONE, "a", "b,c")):
        told(tmp_path, trust_first_use=True, name=name, host=host).check(blob, NOW)
    assert len(list(tmp_path.iterdir())) == 4


def test_where_a_key_is_pinned_none_is_believed_for_being_first(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match="is not known"):
        told(tmp_path, trust_first_use=True, host_keys=(line(ONE),)).check(OTHER, NOW)


@pytest.mark.parametrize("blob", [b"", b"\0\0\0\x0bssh-ed25519", b"garbage"])
def test_a_key_that_is_none_refuses(tmp_path: Path, blob: bytes) -> None:
    with pytest.raises(UpstreamError):
        told(tmp_path, host_keys=(line(ONE),)).check(blob, NOW)
