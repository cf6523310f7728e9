"""Each kind is found, alone and within text; look-alikes are not; hiding leaves the rest as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.detectors.finder import Finder, own_kind
from hoopgate.detectors.kinds import FAMILIES, KINDS, chosen
from tests.detectors.samples import HARMLESS, SECRETS

ALL = Finder(KINDS.values())
CASES = [(kind, secret) for kind, secrets in SECRETS.items() for secret in secrets]


def test_every_kind_has_a_sample() -> None:
    assert set(SECRETS) == set(KINDS)


@pytest.mark.parametrize(("kind", "secret"), CASES)
def test_found_alone(kind: str, secret: str) -> None:
    data = secret.encode()
    (span,) = Finder([KINDS[kind]]).spans(data)
    assert (data[span.start : span.end], span.kind) == (data, kind)


@pytest.mark.parametrize(("kind", "secret"), CASES)
@pytest.mark.parametrize(
    ("before", "behind"), [("see ", " here"), ('{"a":"', '"}'), ("(", ")"), ("=", "&b=1"), (",", ",")]
)
def test_hidden_within_text(kind: str, secret: str, before: str, behind: str) -> None:
    hidden = ALL.hide(f"{before}{secret}{behind}".encode()).decode()
    assert secret not in hidden
    assert "****" in hidden
    if kind not in ("private-key", "url-password"):  # which go as far as they could be one, and to the host
        assert hidden in (f"{before}****{behind}", f"{before}****{behind}".lstrip("="))


@pytest.mark.parametrize("text", HARMLESS)
def test_look_alikes_stay(text: str) -> None:
    data = text.encode()
    assert ALL.hide(data) is data


@given(st.text())
def test_text_without_secrets_stays_the_same_object(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    assert ALL.hide(data) is data or ALL.spans(data)


@given(st.binary())
def test_spans_lie_in_order_within_the_data(data: bytes) -> None:
    end = 0
    for span in ALL.spans(data):
        assert end <= span.start < span.end <= len(data)
        end = span.end


def test_a_failed_candidate_hides_none_behind_it() -> None:
    assert ALL.hide(b"XX12ABCDEFGHIJKL DE89370400440532013000") == b"XX12ABCDEFGHIJKL ****"
    assert ALL.hide(b"4111111111111112 4111111111111111") == b"4111111111111112 ****"


def test_two_kinds_at_one_place_are_hidden_once() -> None:
    assert ALL.hide(b"postgres://app:hunter2@db.example.com/x").count(b"****") == 1


def test_families_and_kinds_by_name() -> None:
    assert [kind.name for kind in chosen(("financial", "card", "jwt"))] == ["card", "iban", "jwt"]
    assert set().union(*FAMILIES.values()) == set(KINDS)
    with pytest.raises(KeyError):
        chosen(("cards",))


def test_own_patterns() -> None:
    finder = Finder([own_kind("ticket", r"ACME-[0-9]{4}")], b"[hidden]")
    assert finder.hide(b"a ACME-1234 b") == b"a [hidden] b"
    for wrong in ("(", "a*", ""):
        with pytest.raises(ValueError, match=r".+"):
            own_kind("wrong", wrong)


def test_time_is_linear() -> None:
    for attack in (b"a" * 200_000, b"1" * 200_000, b"a@" * 100_000, b"eyJ" * 70_000, b"-----BEGIN " * 20_000,
                   b"AA11" * 50_000, b"a." * 100_000 + b"@", b"x://" * 50_000, b"1234 " * 40_000):  # fmt: skip
        ALL.hide(attack)  # the test's own time limit bounds it
