"""Canaries are found in every spelling, wherever they stand, and nothing else is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.detectors.canaries import SHORTEST, Canaries

VALUE = b"zx-Canary/42 +\xc3\xa4"
SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda value: value,
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64 behind one": lambda value: base64.b64encode(b"x" + value + b"tail"),
    "base64 behind two": lambda value: base64.b64encode(b"xy" + value + b"tail"),
    "base64url": lambda value: base64.urlsafe_b64encode(b"x" + value),
    "percent": lambda value: quote(value.decode(), safe="").encode(),
    "json": lambda value: json.dumps(value.decode()).encode(),
    "reversed": lambda value: value[::-1],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling(spelling: str) -> None:
    canaries = Canaries({"other": b"something else", "vault": VALUE})
    assert canaries.found(b"\0\0row " + SPELLINGS[spelling](VALUE) + b" tail") == "vault"


@given(st.binary(min_size=SHORTEST, max_size=40), st.binary(max_size=7), st.binary(max_size=7))
def test_base64_at_any_offset(value: bytes, before: bytes, behind: bytes) -> None:
    assert Canaries({"c": value}).found(base64.b64encode(before + value + behind)) == "c"


@given(st.binary(max_size=200))
def test_nothing_else(data: bytes) -> None:
    assert Canaries({"c": b"a very rare value indeed"}).found(data) == ""


def test_none_at_all() -> None:
    assert Canaries({}).found(VALUE) == ""
