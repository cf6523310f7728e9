"""Certificates, against OpenSSH's ssh-keygen and against those who try."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key

from hoopgate.conch.certificates import (
    FOREVER,
    PERMISSIONS,
    CertificateError,
    issue,
    parse,
    parse_text,
    text_of,
    verify,
    within,
)
from hoopgate.conch.fields import string
from tests.conch.peers import keygen, missing

CA = Ed25519PrivateKey.generate()
CA_BLOB = Key(CA).public().blob()
HOLDER = Key(Ed25519PrivateKey.generate()).public().blob()
NOW = 1_000_000

needs_keygen = pytest.mark.skipif(bool(missing("ssh-keygen")), reason=missing("ssh-keygen"))


def made(authority: Ed25519PrivateKey = CA, key: bytes = HOLDER, **changes: Any) -> bytes:
    wanted = {
        "as_kind": "user",
        "key_id": "alice",
        "principals": ["alice"],
        "valid_after": NOW - 60,
        "valid_before": NOW + 60,
        **changes,
    }
    return issue(authority, key, **wanted)


def check(blob: bytes, **changes: Any) -> None:
    wanted = {"as_kind": "user", "authorities": [CA_BLOB], "now": NOW, "principal": "alice", **changes}
    verify(parse(blob), **wanted)


def test_what_was_made_is_read_and_verified() -> None:
    found = parse(made(serial=7, critical_options={"force-command": "ls -l"}, extensions=PERMISSIONS))
    assert (found.kind, found.key, found.serial, found.key_id) == ("user", HOLDER, 7, "alice")
    assert found.principals == ("alice",)
    assert found.force_command == "ls -l"
    assert found.may("permit-pty")
    assert not found.may("permit-everything")
    assert found.authority == CA_BLOB
    check(found.blob)
    assert parse_text(text_of(found.blob, "a comment")) == found


@pytest.mark.parametrize(
    "key",
    [
        Key(rsa.generate_private_key(65537, 2048)),
        Key(ec.generate_private_key(ec.SECP256R1())),
        Key(ec.generate_private_key(ec.SECP521R1())),
    ],
    ids=["rsa", "nistp256", "nistp521"],
)
def test_other_kinds_of_keys(key: Key) -> None:
    found = parse(made(key=key.public().blob()))
    assert found.key == key.public().blob()
    check(found.blob)


@pytest.mark.parametrize(
    ("made_so", "asked_so", "words"),
    [
        ({"as_kind": "host"}, {}, "of a host"),
        ({}, {"as_kind": "host"}, "of a user"),
        ({}, {"now": NOW - 61}, "not valid yet"),
        ({}, {"now": NOW + 60}, "expired"),
        ({}, {"principal": "root"}, "somebody else"),
        ({}, {"principal": "ALICE"}, "somebody else"),
        ({}, {"authorities": []}, "not trusted"),
        ({}, {"authorities": [HOLDER]}, "not trusted"),
        ({"critical_options": {"verify-required": ""}}, {}, "not known here"),
        ({"critical_options": {"no-such-option": "x"}}, {}, "not known here"),
        ({"critical_options": {"force-command": ""}}, {}, "not known here"),
        ({"critical_options": {"force-command": "ls"}}, {"options": ()}, "not known here"),
        ({"critical_options": {"source-address": "10.0.0.0/8"}}, {"address": "192.0.2.1"}, "this address"),
        ({"critical_options": {"source-address": "10.0.0.0/8"}}, {"address": ""}, "this address"),
        ({"critical_options": {"source-address": "10.0.0.0/8,all"}}, {"address": "10.0.0.1"}, "no list"),
        # one principal with a comma in it is one name, not two (CVE-2026-35414)
        ({"principals": ["alice,root"]}, {"principal": "root"}, "somebody else"),
        ({"principals": ["alice,root"]}, {"principal": "alice"}, "somebody else"),
        ({"principals": ["*"]}, {"principal": "alice"}, "somebody else"),
    ],
)
def test_what_does_not_hold(made_so: dict[str, Any], asked_so: dict[str, Any], words: str) -> None:
    with pytest.raises(CertificateError, match=words):
        check(made(**made_so), **asked_so)


def test_no_principals_are_nobody() -> None:
    blob = made(principals=["a"])
    bare = replace(parse(blob), principals=())
    with pytest.raises(CertificateError, match="nobody"):
        verify(bare, as_kind="user", authorities=[CA_BLOB], now=NOW, principal=None)


@pytest.mark.parametrize(
    ("address", "networks", "inside"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("2001:db8::1", "10.0.0.0/8,2001:db8::/32", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("10.1.2.3", "10.1.2.3/33", None),
        ("10.1.2.3", "", None),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("nonsense", "10.0.0.0/8", False),
    ],
)
def test_source_addresses(address: str, networks: str, inside: bool | None) -> None:
    if inside is None:
        with pytest.raises(CertificateError):
            within(address, networks)
    else:
        assert within(address, networks) is inside


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("*.example.com", "db.Example.com", True),
        ("*.example.com", "example.com", False),
        ("db?.example.com", "db1.example.com", True),
        ("db.example.com", "db.example.com.evil", False),
        ("[a-z]", "b", False),
        ("*" * 30 + "x", "a" * 100, False),
    ],
)
def test_names_of_hosts(pattern: str, host: str, fits: bool) -> None:
    blob = made(as_kind="host", principals=[pattern])
    if fits:
        check(blob, as_kind="host", principal=host)
    else:
        with pytest.raises(CertificateError, match="somebody else"):
            check(blob, as_kind="host", principal=host)


def test_an_authority_that_is_itself_a_certificate() -> None:
    """It would let whoever holds a certificate make more of them."""
    holder = Ed25519PrivateKey.generate()
    intermediate = made(key=Key(holder).public().blob())
    blob = made(holder)
    own = string(Key(holder).public().blob())
    assert blob.count(own) == 1
    forged = blob.replace(own, string(intermediate))
    for authorities in ([CA_BLOB], [CA_BLOB, intermediate]):
        with pytest.raises(CertificateError):
            check(forged, authorities=authorities)


def test_a_certificate_is_not_certified() -> None:
    with pytest.raises(ValueError, match="cannot be certified"):
        made(key=made())


def test_a_plain_key_is_no_certificate() -> None:
    with pytest.raises(CertificateError, match="no certificate"):
        parse(HOLDER)


@pytest.mark.parametrize("text", [b"", b"ssh-ed25519", b"ssh-ed25519 !!!", b"ssh-rsa-cert-v01@openssh.com "])
def test_lines_that_are_no_certificate(text: bytes) -> None:
    with pytest.raises(CertificateError):
        parse_text(text)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_change_is_noticed(place: int, bit: int) -> None:
    blob = bytearray(made(extensions=PERMISSIONS, critical_options={"force-command": "ls"}))
    blob[place % len(blob)] ^= 1 << bit
    with pytest.raises(CertificateError):
        check(bytes(blob))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(0, 400))
def test_garbage_is_no_certificate(data: bytes, cut: int) -> None:
    for blob in (data, string(b"ssh-ed25519-cert-v01@openssh.com") + data, made()[: cut % 300]):
        with pytest.raises(CertificateError):
            parse(blob)


@needs_keygen
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("ca_kind", ["ed25519", "ecdsa", "rsa"])
def test_those_of_ssh_keygen(tmp_path: Path, kind: str, ca_kind: str) -> None:
    ca, key = keygen(tmp_path / "ca", ca_kind), keygen(tmp_path / "id", kind)
    options = ("-O", "force-command=/bin/true", "-O", "source-address=192.0.2.0/24", "-O", "no-pty", "-z", "12")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", ca, "-I", "an id", "-n", "alice,bob", "-V", "-1h:+1h", *options, f"{key}.pub"],
        check=True,
        capture_output=True,
    )
    found = parse_text((tmp_path / "id-cert.pub").read_bytes())
    authority = Key.fromFile(f"{ca}.pub").blob()
    assert found.principals == ("alice", "bob")
    assert found.serial == 12
    assert found.force_command == "/bin/true"
    assert not found.may("permit-pty")
    assert found.may("permit-port-forwarding")
    verify(
        found,
        as_kind="user",
        authorities=[authority],
        now=found.valid_after + 1,
        principal="bob",
        address="192.0.2.7",
    )


@needs_keygen
def test_a_signature_by_sha1_is_refused(tmp_path: Path) -> None:
    ca, key = keygen(tmp_path / "ca", "rsa"), keygen(tmp_path / "id")
    done = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ssh-rsa", "-s", ca, "-I", "x", "-n", "alice", f"{key}.pub"], capture_output=True
    )
    if done.returncode:
        pytest.skip("this ssh-keygen does not sign by SHA-1 any more")
    found = parse_text((tmp_path / "id-cert.pub").read_bytes())
    with pytest.raises(CertificateError, match="not taken"):
        verify(found, as_kind="user", authorities=[Key.fromFile(f"{ca}.pub").blob()], now=NOW, principal="alice")


@needs_keygen
def test_ssh_keygen_reads_ours(tmp_path: Path) -> None:
    blob = made(
        principals=["alice", "a,b"],
        serial=9,
        valid_before=FOREVER,
        extensions=PERMISSIONS,
        critical_options={"source-address": "10.0.0.0/8", "force-command": "id"},
    )
    path = tmp_path / "x-cert.pub"
    path.write_bytes(text_of(blob) + b"\n")
    told = subprocess.run(["ssh-keygen", "-L", "-f", path], capture_output=True, text=True, check=True).stdout
    for part in ("user certificate", "Serial: 9", "a,b", "permit-pty", "force-command id", "source-address 10.0.0.0/8"):
        assert part in told
    assert "UNKNOWN" not in told
