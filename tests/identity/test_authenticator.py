"""Which issuers are served, what a reload keeps, and what is remembered how long."""

from __future__ import annotations

import pytest
from attrs import evolve
from zope.interface.verify import verifyObject

from hoopgate.config.model import SecretRef
from hoopgate.errors import AuthenticationError, ConfigError
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.tokens import GatewayTokens
from hoopgate.interfaces import IAuthenticator
from tests.identity.issuers import (
    FakeIssuer,
    MemoryStore,
    authenticator,
    clock_at,
    identity,
    result,
)


def test_it_provides_the_interface() -> None:
    assert verifyObject(IAuthenticator, authenticator(FakeIssuer()))


def test_a_token_of_an_unknown_issuer_fetches_nothing() -> None:
    issuer = FakeIssuer()
    with pytest.raises(AuthenticationError):
        result(authenticator(issuer).authenticate(issuer.token(iss="https://evil.example.com/")))
    assert issuer.fetched == []


def test_two_issuers_with_one_subject_are_two_identities() -> None:
    one, two = FakeIssuer(), FakeIssuer("https://other.example.com", "other")
    who = authenticator(one, two)
    found = {result(who.authenticate(issuer.token())).key for issuer in (one, two)}
    assert found == {"https://id.example.com/|ada", "https://other.example.com|ada"}


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [10**400, -(10**400), 1e300, True, "1"])
def test_a_time_that_is_no_date_is_refused_and_breaks_nothing(name: str, value: object) -> None:
    issuer = FakeIssuer()
    with pytest.raises(AuthenticationError):
        result(authenticator(issuer).authenticate(issuer.token(**{name: value})))


def test_whose_people_decide_is_the_issuers_table_of_now() -> None:
    issuer, store, clock = FakeIssuer(), MemoryStore(), clock_at()
    tokens = GatewayTokens(store, b"k" * 32, clock)
    who = Authenticator([issuer.config], issuer.fetch, tokens, clock)
    theirs = issuer.token()
    found = result(who.authenticate(theirs))
    ours, _ = result(tokens.issue(found, 60))
    assert found.decides
    assert result(who.authenticate(ours)).decides
    who.reload([evolve(issuer.config, approves=False)])
    assert not result(who.authenticate(theirs)).decides
    assert not result(who.authenticate(ours)).decides


def test_a_reload_keeps_the_keys_of_unchanged_issuers_and_drops_removed_ones() -> None:
    one, two = FakeIssuer(), FakeIssuer("https://other.example.com", "other")
    who = authenticator(one, two)
    token = two.token()
    result(who.authenticate(one.token()))
    result(who.authenticate(token))
    who.reload([one.config])
    result(who.authenticate(one.token()))
    assert len(one.fetched) == 2
    with pytest.raises(AuthenticationError):
        result(who.authenticate(token))


def test_a_reload_applies_a_changed_audience_at_once() -> None:
    issuer = FakeIssuer()
    who = authenticator(issuer)
    token = issuer.token()
    result(who.authenticate(token))
    who.reload([evolve(issuer.config, audience=("another",))])
    with pytest.raises(AuthenticationError, match="audience"):
        result(who.authenticate(token))


def test_a_token_in_flight_over_a_reload_is_refused() -> None:
    issuer = FakeIssuer()
    issuer.waiting = []
    who = authenticator(issuer)
    login = who.authenticate(issuer.token())
    who.reload([])
    issuer.release()
    with pytest.raises(AuthenticationError):
        result(login)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": ("RS256", "HS256")},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"audience": ()},
        {"url": "http://id.example.com/"},
        {"url": "http://127.0.0.1:8080"},  # not marked as a development issuer
        {"url": "http://id.example.com/", "development": True},  # not loopback
        {"ca": SecretRef("file", "/ca.pem")},  # this fetch cannot trust one
    ],
)
def test_an_issuer_that_cannot_be_served_safely_stops_the_start(changes: dict[str, object]) -> None:
    issuer = FakeIssuer().with_config(**changes)
    with pytest.raises(ConfigError):
        authenticator(issuer)


def test_a_bad_reload_changes_nothing() -> None:
    issuer = FakeIssuer()
    who = authenticator(issuer)
    with pytest.raises(ConfigError):
        who.reload([issuer.config, issuer.config])
    assert result(who.authenticate(issuer.token())).subject == "ada"


def test_gateway_tokens_die_with_their_issuers_table() -> None:
    clock = clock_at()
    tokens = GatewayTokens(MemoryStore(), bytes(32), clock)
    issuer = FakeIssuer()
    who = authenticator(issuer, clock=clock, tokens=tokens)
    token, _ = result(tokens.issue(identity(), 600.0))
    assert result(who.authenticate(token)).subject == "ada"
    who.reload([])
    with pytest.raises(AuthenticationError):
        result(who.authenticate(token))


def test_without_gateway_tokens_none_is_accepted() -> None:
    token, _ = result(GatewayTokens(MemoryStore(), bytes(32), clock_at()).issue(identity(), 600.0))
    with pytest.raises(AuthenticationError):
        result(Authenticator([], lambda url: NotImplemented, None, clock_at()).authenticate(token))
