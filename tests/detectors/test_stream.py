"""A stream's answer does not depend on how its data is cut, and no beginning of a secret goes out early."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.detectors.finder import Finder, own_kind
from hoopgate.detectors.kinds import KINDS
from hoopgate.detectors.stream import Stream
from tests.detectors.samples import HARMLESS, JWT, KEY, SECRETS

ALL = Finder(KINDS.values())
PIECES = [secret for secrets in SECRETS.values() for secret in secrets] + list(HARMLESS) + list(' \n",:;.-@=0aA{}')


def through(chunks: list[bytes], finder: Finder = ALL) -> bytes:
    stream = Stream(finder)
    return b"".join([stream.feed(chunk) for chunk in chunks]) + stream.flush()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.integers(0, 4000), max_size=12))
def test_any_chunking_gives_the_same(pieces: list[str], places: list[int]) -> None:
    data = "".join(pieces).encode()
    assert through(cut(data, places)) == ALL.hide(data)


@pytest.mark.parametrize("secret", [secret for secrets in SECRETS.values() for secret in secrets])
@pytest.mark.parametrize("around", [(" ", " "), ("x=", ";"), ('"', '"')])
def test_byte_by_byte(secret: str, around: tuple[str, str]) -> None:
    data = (around[0] + secret + around[1]).encode()
    assert through([data[at : at + 1] for at in range(len(data))]) == ALL.hide(data)


@pytest.mark.parametrize("secret", [secret for secrets in SECRETS.values() for secret in secrets])
def test_no_beginning_goes_out_early(secret: str) -> None:
    data = b" " + secret.encode()
    for end in range(2, len(data)):
        shown = Stream(ALL).feed(data[:end])
        assert shown.strip() in (b"", b"****")


def test_plain_text_is_not_kept_back() -> None:
    assert Stream(ALL).feed(b"ls -l /tmp\n") == b"ls -l /tmp\n"


def test_a_long_token_is_hidden_to_its_end() -> None:
    long = JWT.encode() + b"A" * 100_000
    data = long + b" rest"
    for size in (1000, 16_384, 50_000, len(data)):
        assert through([data[at : at + size] for at in range(0, len(data), size)]) == b"**** rest"


def test_a_key_that_never_ends_is_hidden() -> None:
    data = KEY[:40].encode() + b"A" * 100_000
    assert through([data[at : at + 700] for at in range(0, len(data), 700)]) == b"****"


def test_what_is_kept_back_is_bounded() -> None:
    stream = Stream(ALL, longest=1024)
    out = sum(len(stream.feed(b"a" * 500)) for _ in range(100))
    assert out > 50_000 - 2048


def test_own_patterns_across_chunks() -> None:
    finder = Finder([own_kind("ticket", "ACME-[0-9]{4}")])
    assert through([b"see AC", b"ME-12", b"34!"], finder) == b"see ****!"
