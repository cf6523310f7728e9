"""The lines before the packets, and what is too much of them (CVE-2022-21716)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.conch.fields import MalformedError
from hoopgate.conch.greeting import Greeting, WrongVersionError


@pytest.mark.parametrize(
    ("data", "version", "rest"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\nmore", b"SSH-2.0-OpenSSH_9.2p1 Debian-2", b"more"),
        (b"SSH-2.0-x\n", b"SSH-2.0-x", b""),
        (b"SSH-2.0-" + b"x" * 245 + b"\r\n" + b"y" * 99_999, b"SSH-2.0-" + b"x" * 245, b"y" * 99_999),
    ],
)
def test_the_version_of_a_client(data: bytes, version: bytes, rest: bytes) -> None:
    greeting = Greeting(server=False, limit=16_384)
    assert greeting.feed(data) == rest
    assert greeting.version == version


@settings(max_examples=100)
@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_any_chunks_give_the_same(cuts: list[int]) -> None:
    data = b"hello\r\nworld\nSSH-1.99-some thing\r\n\0\0\0\x0cabc"
    greeting = Greeting(server=True, limit=16_384)
    places = sorted({0, len(data), *[cut % (len(data) + 1) for cut in cuts]})
    rest = b""
    for start, stop in itertools.pairwise(places):
        rest += data[start:stop] if greeting.version else greeting.feed(data[start:stop])
    assert greeting.version == b"SSH-1.99-some thing"
    assert rest == b"\0\0\0\x0cabc"


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-" + b"x" * 248 + b"\r\n",
        b"GET / HTTP/1.1\r\n",
        b"G",
        b"hello\nSSH-2.0-x\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-1.99-as a client\r\n",
        b"SSH-2.0-\r\n",
        b"SSH-2.0-a\0b\r\n",
        b"SSH-2.0-caf\xc3\xa9\r\n",
        b"\0" * 300,
    ],
)
def test_a_client_that_says_something_else(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Greeting(server=False, limit=16_384).feed(data)


def feed(greeting: Greeting, pieces: list[bytes]) -> None:
    for piece in pieces:
        greeting.feed(piece)


def test_a_client_that_never_ends_its_version() -> None:
    greeting = Greeting(server=False, limit=16_384)
    with pytest.raises(MalformedError):
        feed(greeting, [b"SSH-", *[b"x"] * 300])
    assert len(greeting._buffer) <= 256


def test_a_server_that_never_comes_to_its_version() -> None:
    greeting = Greeting(server=True, limit=1_000)
    with pytest.raises(MalformedError):
        feed(greeting, [b"please wait\n"] * 101)
    assert len(greeting._buffer) <= 2_001


def test_another_version_is_told_apart() -> None:
    with pytest.raises(WrongVersionError):
        Greeting(server=True, limit=16_384).feed(b"SSH-1.5-old\n")
