"""SCRAM-SHA-256 as a client: the RFC's own example, SASLprep, and servers that cheat."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.codecs.postgresql.scram import PLAIN, PLUS, Derivation, ScramClient, choose_mechanism, prepare
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from tests.codecs.postgresql.scramserver import ScramServer


def client(mechanism: str = PLAIN, binding: bytes | None = None) -> ScramClient:
    return ScramClient(mechanism, b"pencil", binding, nonce=lambda: b"nonce")


def answered(scram: ScramClient, first: bytes) -> bytes:
    return scram.final(scram.challenged(first).keys())


NONCE = base64.b64encode(b"nonce")
SALT = base64.b64encode(b"salt")


def test_the_example_of_rfc_7677() -> None:
    """Section 3; its client names a user, which PostgreSQL's clients leave empty, so the messages are put in."""
    scram = ScramClient(PLAIN, b"pencil", nonce=lambda: base64.b64decode("rOprNGfwEbeRWgbNEkqO"))
    assert scram.first() == b"n,,n=,r=rOprNGfwEbeRWgbNEkqO"
    scram._bare = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
    first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert scram.final(scram.challenged(first).keys()) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    scram.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    ("mechanism", "binding", "flag"),
    [(PLAIN, None, b"n"), (PLAIN, b"hash", b"y"), (PLUS, b"hash", b"p=tls-server-end-point")],
)
def test_flags_of_channel_binding(mechanism: str, binding: bytes | None, flag: bytes) -> None:
    server, scram = ScramServer(b"pencil", b"hash"), client(mechanism, binding)
    assert scram.first().startswith(flag + b",,")
    scram.verify(server.final(answered(scram, server.first(scram.first()))))


@pytest.mark.parametrize(
    ("offered", "binding", "expected"),
    [
        ([PLUS, PLAIN], b"x", PLUS),
        ([PLAIN, PLUS], b"x", PLUS),
        ([PLUS, PLAIN], None, PLAIN),
        ([PLAIN], b"x", PLAIN),
        ([PLUS], None, None),
        (["OAUTHBEARER"], b"x", None),
        ([], None, None),
    ],
)
def test_choice_of_mechanism(offered, binding, expected) -> None:
    assert choose_mechanism(offered, binding) == expected


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"r=" + NONCE + b",s=" + SALT + b",i=4096",  # the server added nothing to the nonce
        b"r=other,s=" + SALT + b",i=4096",
        b"r=" + NONCE + b"\x80,s=" + SALT + b",i=4096",
        b"r=" + NONCE + b"x,s=,i=4096",
        b"r=" + NONCE + b"x,s=!!,i=4096",
        b"r=" + NONCE + b"x,s=" + SALT,
        b"r=" + NONCE + b"x,i=4096,s=" + SALT,
        b"m=ext,r=" + NONCE + b"x,s=" + SALT + b",i=4096",
        b"r=" + NONCE + b"x,s=" + SALT + b",i=4095",
        b"r=" + NONCE + b"x,s=" + SALT + b",i=0",
        b"r=" + NONCE + b"x,s=" + SALT + b",i=-1",
        b"r=" + NONCE + b"x,s=" + SALT + b",i=1000000000",
        b"r=" + NONCE + b"x,s=" + SALT + b",i=" + b"9" * 3000,
        b"r=" + NONCE + b"x" * 5000 + b",s=" + SALT + b",i=4096",
        b"e=other-error",
    ],
)
def test_first_messages_that_are_refused(first: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        client().challenged(first)


@pytest.mark.parametrize("final", [b"", b"v=", b"v=AAAA", b"v=!!", b"e=invalid-proof", b"x=1", b"v"])
def test_a_server_that_does_not_prove_itself_is_refused(final: bytes) -> None:
    scram, server = client(), ScramServer(b"pencil")
    answered(scram, server.first(scram.first()))
    with pytest.raises(RemoteProtocolError):
        scram.verify(final)


def test_a_server_with_another_password_is_refused() -> None:
    scram, server = client(), ScramServer(b"pencil")
    message = answered(scram, server.first(scram.first()))
    good = server.final(message)
    scram._signature = bytes(32)
    with pytest.raises(RemoteProtocolError, match="wrong signature"):
        scram.verify(good)


def test_no_proof_is_given_before_the_server_has_spoken() -> None:
    with pytest.raises(LocalProtocolError):
        client().final(Derivation(b"pencil", b"salt", 4096).keys())


def test_keys_show_nothing() -> None:
    derivation = Derivation(b"pencil", b"salt", 4096)
    assert "pencil" not in repr(derivation)
    assert repr(derivation.keys()) == "Keys()"


def test_a_signature_before_the_exchange_is_refused() -> None:
    """An empty expectation must never equal an empty signature."""
    with pytest.raises(RemoteProtocolError, match="too early"):
        client().verify(b"v=")


@given(st.binary(max_size=60))
def test_garbage(data: bytes) -> None:
    for raw in (data, b"r=" + NONCE + data, b"r=" + NONCE + b"x,s=" + SALT + data):
        with contextlib.suppress(RemoteProtocolError):
            client().challenged(raw)


def test_plus_needs_a_binding() -> None:
    with pytest.raises(LocalProtocolError):
        client(PLUS, None)
    with pytest.raises(LocalProtocolError):
        client("SCRAM-SHA-1")


@pytest.mark.parametrize(
    ("given_password", "prepared"),
    [
        ("pencil", "pencil"),
        ("I\u00adX", "IX"),
        ("ª", "a"),
        ("Ⅸ", "IX"),
        ("a\u00a0b", "a b"),
        ("é", "é"),
        ("\u0007\u0627", "\u0007\u0627"),  # a control character is prohibited: stays as it is
        ("\u0627\u0031", "\u0627\u0031"),  # bidirectional check fails
        ("\u0627a\u0627", "\u0627a\u0627"),
        ("\u00ad", "\u00ad"),  # nothing would be left
        ("\x07", "\x07"),  # PostgreSQL leaves plain ASCII alone
    ],
)
def test_saslprep(given_password: str, prepared: str) -> None:
    assert prepare(given_password.encode()) == prepared.encode()


def test_passwords_that_are_no_utf8_stay_as_they_are() -> None:
    assert prepare(b"\xff\xfe") == b"\xff\xfe"
