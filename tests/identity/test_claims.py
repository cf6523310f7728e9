"""Claims become groups, scopes, a person and a chain of delegation, or refuse the token."""

from __future__ import annotations

from typing import Any

import pytest

from hoopgate.errors import AuthenticationError
from hoopgate.identity.claims import claim_at
from hoopgate.interfaces import Identity
from tests.identity.issuers import NOW, URL, FakeIssuer, authenticator, result


def identify(claims: dict[str, Any], **settings: Any) -> Identity:
    issuer = FakeIssuer(**settings)
    found: Identity = result(authenticator(issuer).authenticate(issuer.token(**claims)))
    return found


@pytest.mark.parametrize(
    ("path", "claims", "expected"),
    [
        ("groups", {"groups": ["a", "b"]}, {"a", "b"}),
        ("groups", {"groups": "a b"}, {"a b"}),  # a group's name may hold a space
        ("groups", {}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["dba"]}}, {"dba"}),
        ("resource_access.my.app.roles", {"resource_access": {"my.app": {"roles": ["x"]}}}, {"x"}),
        ("https://example.com/groups", {"https://example.com/groups": ["ns"]}, {"ns"}),
        ("a.b", {"a.b": ["literal"], "a": {"b": ["nested"]}}, {"literal"}),
    ],
)
def test_groups_come_from_the_configured_claim(path: str, claims: dict[str, Any], expected: set[str]) -> None:
    assert identify(claims, groups_claim=path).groups == expected


@pytest.mark.parametrize(
    ("claims", "path"),
    [({"scope": "read write"}, "scope"), ({"scp": ["read", "write"]}, "scp"), ({"a": {"s": "write read"}}, "a.s")],
)
def test_scopes_are_separated_by_spaces_or_listed(claims: dict[str, Any], path: str) -> None:
    assert identify(claims, scopes_claim=path).scopes == {"read", "write"}


@pytest.mark.parametrize("groups", [[1], [["a"]], {"a": 1}, 5, [None], [""], ["a\nb"], ["a\x00"], ["x" * 1025], True])
def test_groups_that_cannot_be_read_refuse_the_token(groups: Any) -> None:
    with pytest.raises(AuthenticationError):
        identify({"groups": groups})


@pytest.mark.parametrize("subject", [None, "", 5, ["ada"], "a\nb", "x" * 1025])
def test_a_subject_is_a_name(subject: Any) -> None:
    with pytest.raises(AuthenticationError):
        identify({"sub": subject})


def test_the_chain_ends_with_the_current_actor() -> None:
    acted = {"sub": "agent", "act": {"sub": "sub-agent", "iss": "https://agents.example.com"}}
    found = identify({"act": acted, "actor": "octocat"})
    assert found.subject == "ada"
    assert found.chain == (f"{URL}|octocat", "https://agents.example.com|sub-agent", f"{URL}|agent")


def test_named_delegation_claims_may_be_nested_and_lists() -> None:
    found = identify({"via": {"who": ["x", "y"]}}, delegation_claims=("via.who", "missing"))
    assert found.chain == (f"{URL}|x", f"{URL}|y")


@pytest.mark.parametrize(
    "act",
    ["agent", {}, {"sub": ""}, {"sub": 5}, {"sub": "a", "act": "b"}, {"sub": "a", "iss": "https://a|b"}, [], False],
)
def test_an_act_that_cannot_be_read_does_not_look_like_nobody(act: Any) -> None:
    with pytest.raises(AuthenticationError):
        identify({"act": act})


def test_a_chain_is_bounded() -> None:
    act: dict[str, Any] = {"sub": "a"}
    for _ in range(8):
        act = {"sub": "a", "act": act}
    with pytest.raises(AuthenticationError):
        identify({"act": act})


@pytest.mark.parametrize("actor", [5, "", {"name": "x"}, [""], False])
def test_a_named_actor_that_cannot_be_read_refuses_the_token(actor: Any) -> None:
    with pytest.raises(AuthenticationError):
        identify({"actor": actor})


def test_one_person_is_one_however_the_address_is_spelt() -> None:
    spellings = ["Ada@Example.com", "ada@example.com", "\uff41da@example.com "]
    assert {identify({"email": spelling}).person for spelling in spellings} == {"ada@example.com"}


@pytest.mark.parametrize(("verified", "person"), [(True, "a@b"), ("true", "a@b"), (False, ""), ("no", ""), (0, "")])
def test_an_address_that_nobody_verified_is_no_person(verified: Any, person: str) -> None:
    assert identify({"email": "a@b", "email_verified": verified}).person == person


def test_another_person_claim() -> None:
    assert identify({"oid": "X1", "email": "a@b"}, person_claim="oid").person == "x1"


@pytest.mark.parametrize(
    ("claims", "path", "expected"),
    [
        ({"a": {"b": {"c": 1}}}, "a.b.c", 1),
        ({"a.b": {"c": 1}}, "a.b.c", 1),
        ({"a": {"b.c": 1}}, "a.b.c", 1),
        ({"a": 5}, "a.b", None),
        ({}, "a.b", None),
        ({}, "", None),
        ({}, "..", None),
    ],
)
def test_paths(claims: dict[str, Any], path: str, expected: Any) -> None:
    assert claim_at(claims, path) == expected


@pytest.mark.parametrize(
    ("claims", "skew", "accepted"),
    [
        ({"exp": NOW - 59}, 60.0, True),
        ({"exp": NOW - 60}, 60.0, False),
        ({"exp": NOW + 1}, 0.0, True),
        ({"exp": NOW}, 0.0, False),
        ({"nbf": NOW + 60}, 60.0, True),
        ({"nbf": NOW + 61}, 60.0, False),
        ({"iat": NOW + 61}, 60.0, False),
        ({"iat": None}, 60.0, True),
        ({"exp": None}, 60.0, False),
        ({"exp": str(NOW + 600)}, 60.0, False),
        ({"exp": True}, 60.0, False),
        ({"exp": [NOW + 600]}, 60.0, False),
        ({"exp": 1e300}, 60.0, False),
        ({"nbf": "soon"}, 60.0, False),
    ],
)
def test_times(claims: dict[str, Any], skew: float, accepted: bool) -> None:
    if accepted:
        assert identify(claims, skew=skew).subject == "ada"
    else:
        with pytest.raises(AuthenticationError):
            identify(claims, skew=skew)
