"""SASL OAUTHBEARER as libpq 18 speaks it, and what RFC 7628 and PostgreSQL refuse."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import oauthbearer
from hoopgate.errors import RemoteProtocolError


def initial(auth: bytes, head: bytes = b"n,,", more: bytes = b"") -> bytes:
    return head + b"\1" + more + b"auth=" + auth + b"\1\1"


def test_libpqs_discovery_attempt() -> None:
    assert oauthbearer.parse_initial(b"n,,\1auth=\1\1") == ""


@pytest.mark.parametrize("token", ["abc", "a.b-c_d~e+f/g==", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"])
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_token(token: str, scheme: str) -> None:
    assert oauthbearer.parse_initial(initial((scheme + token).encode())) == token
    assert oauthbearer.parse_initial(initial((scheme + token).encode(), b"y,,", b"host=a\1port=5\1")) == token


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (None, "empty"),
        (b"", "empty"),
        (initial(b"Bearer x", b"p=tls-unique,,"), "channel binding"),
        (initial(b"Bearer x", b"x,,"), "channel-binding flag"),
        (initial(b"Bearer x", b"n"), "channel-binding flag"),
        (initial(b"Bearer x", b"n,a=root,"), "authorization identity"),
        (initial(b"Bearer x", b"n,"), "terminator|authorization"),
        (b"n,,\1auth=Bearer x\1", "terminator"),
        (b"n,,auth=Bearer x\1\1", "terminator"),
        (b"n,,\1\1", "invalid|terminator"),
        (b"n,,\1host=x\1\1", "no auth value"),
        (initial(b"Bearer x", more=b"auth=Bearer y\1"), "several auth"),
        (initial(b"Bearer x") + b"\1auth=\1\1", "invalid"),
        (initial(b"Bearer x", more=b"=y\1"), "invalid"),
        (initial(b"Bearer x", more=b"noequals\1"), "invalid"),
        (initial(b"Bearer"), "format"),
        (initial(b"Bearer "), "format"),
        (initial(b"Basic abc"), "format"),
        (initial(b"Bearer a b"), "format"),
        (initial(b"Bearer a=b"), "format"),
        (initial(b"Bearer a\0b"), "invalid"),
        (initial(b"Bearer \xff"), "ASCII"),
    ],
)
def test_malformed_initial_responses(data: bytes | None, match: str) -> None:
    with pytest.raises(RemoteProtocolError, match=match):
        oauthbearer.parse_initial(data)


def test_an_error_never_quotes_the_token() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        oauthbearer.parse_initial(initial(b"Bearer topsecret topsecret"))
    assert "topsecret" not in str(caught.value)


@given(st.binary(max_size=60))
def test_garbage(data: bytes) -> None:
    for raw in (data, b"n,," + data, initial(data)):
        with contextlib.suppress(RemoteProtocolError):
            oauthbearer.parse_initial(raw)


def test_the_status_names_the_issuer_and_the_scope() -> None:
    raw = oauthbearer.discovery_status("https://issuer.example/.well-known/openid-configuration", "openid groups")
    assert json.loads(raw) == {
        "status": "invalid_token",
        "openid-configuration": "https://issuer.example/.well-known/openid-configuration",
        "scope": "openid groups",
    }


def test_the_dummy_response() -> None:
    oauthbearer.parse_dummy_response(b"\1")
    for wrong in (b"", b"\1\1", b"\0", b"n,,"):
        with pytest.raises(RemoteProtocolError):
            oauthbearer.parse_dummy_response(wrong)
