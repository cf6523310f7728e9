"""Keys are cached, rotated, fetched once for all who wait, and outlive the issuer's outage."""

from __future__ import annotations

import pytest

from hoopgate.errors import AuthenticationError
from hoopgate.identity.keys import UnreachableIssuerError
from tests.identity.issuers import (
    EVERY_ALGORITHM,
    NOW,
    OTHER_RSA,
    RSA,
    URL,
    FakeIssuer,
    authenticator,
    clock_at,
    private_key,
    result,
)

DISCOVERY, JWKS = "https://id.example.com/.well-known/openid-configuration", "https://id.example.com/jwks"


@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
def test_every_public_key_algorithm_verifies(algorithm: str) -> None:
    key = private_key(algorithm)
    issuer = FakeIssuer(algorithms=(algorithm,))
    issuer.keys = {"one": (key, {})}
    found = result(authenticator(issuer).authenticate(issuer.token(key=key, algorithm=algorithm)))
    assert found.key == f"{URL}|ada"


def test_an_algorithm_that_the_issuer_is_not_configured_for_is_refused() -> None:
    issuer = FakeIssuer(algorithms=("ES256",))
    with pytest.raises(AuthenticationError):
        result(authenticator(issuer).authenticate(issuer.token()))


def test_documents_are_fetched_once_for_many_tokens() -> None:
    issuer = FakeIssuer()
    who = authenticator(issuer)
    for number in range(20):
        result(who.authenticate(issuer.token(jti=str(number))))
    assert issuer.fetched == [DISCOVERY, JWKS]


def test_one_fetch_serves_all_who_wait() -> None:
    issuer = FakeIssuer()
    issuer.waiting = []
    who = authenticator(issuer)
    logins = [who.authenticate(issuer.token(jti=str(number))) for number in range(50)]
    assert issuer.fetched == [DISCOVERY]
    issuer.release()
    assert {result(login).subject for login in logins} == {"ada"}
    assert issuer.fetched == [DISCOVERY, JWKS]


def test_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    issuer = FakeIssuer()
    issuer.waiting = []
    who = authenticator(issuer)
    first, second = who.authenticate(issuer.token()), who.authenticate(issuer.token(jti="2"))
    first.addErrback(lambda _: None)
    first.cancel()
    issuer.release()
    assert result(second).subject == "ada"


def test_a_rotated_key_is_fetched_when_it_is_first_seen() -> None:
    issuer = FakeIssuer()
    who = authenticator(issuer)
    result(who.authenticate(issuer.token()))
    issuer.keys = {"one": (RSA, {}), "two": (OTHER_RSA, {})}
    rotated = issuer.token(key=OTHER_RSA, headers={"kid": "two"})
    assert result(who.authenticate(rotated)).subject == "ada"
    assert issuer.fetched == [DISCOVERY, JWKS, JWKS]


def test_a_withdrawn_key_stops_verifying_at_the_ttl() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token(exp=NOW + 90_000)))
    issuer.keys = {"two": (OTHER_RSA, {})}
    clock.advance(issuer.config.keys_ttl + 1)
    with pytest.raises(AuthenticationError):
        result(who.authenticate(issuer.token(exp=NOW + 90_000)))


def test_an_empty_key_set_is_the_issuers_word() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token()))
    issuer.jwks = {"keys": []}
    clock.advance(issuer.config.keys_ttl + 1)
    with pytest.raises(AuthenticationError):
        result(who.authenticate(issuer.token(exp=NOW + 90_000)))


def test_unknown_kids_cause_one_fetch_a_cooldown() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token()))
    for number in range(200):
        with pytest.raises(AuthenticationError):
            result(who.authenticate(issuer.token(key=OTHER_RSA, headers={"kid": f"x{number}"})))
    assert issuer.fetched == [DISCOVERY, JWKS, JWKS]
    clock.advance(issuer.config.unknown_key_cooldown + 1)
    with pytest.raises(AuthenticationError):
        result(who.authenticate(issuer.token(key=OTHER_RSA, headers={"kid": "again"})))
    assert issuer.fetched == [DISCOVERY, JWKS, JWKS, JWKS]


def test_a_bad_signature_under_a_known_kid_fetches_nothing() -> None:
    issuer = FakeIssuer()
    who = authenticator(issuer)
    result(who.authenticate(issuer.token()))
    with pytest.raises(AuthenticationError):
        result(who.authenticate(issuer.token(key=OTHER_RSA)))
    assert issuer.fetched == [DISCOVERY, JWKS]


def test_a_token_without_kid_is_tried_on_the_fitting_keys_also_after_a_rotation() -> None:
    issuer = FakeIssuer()
    who = authenticator(issuer)
    assert result(who.authenticate(issuer.token(headers={}))).subject == "ada"
    issuer.keys = {"two": (OTHER_RSA, {})}
    assert result(who.authenticate(issuer.token(key=OTHER_RSA, headers={}))).subject == "ada"


def test_a_token_without_kid_is_not_tried_on_many_keys() -> None:
    issuer = FakeIssuer()
    issuer.keys = {str(number): (RSA, {}) for number in range(5)}
    with pytest.raises(AuthenticationError):
        result(authenticator(issuer).authenticate(issuer.token(headers={})))


def test_cached_keys_serve_through_an_outage_and_no_longer_than_stated() -> None:
    issuer, clock = FakeIssuer(keys_ttl=3600.0, keys_outage=86_400.0), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token()))
    issuer.down = ConnectionError("away")
    clock.advance(86_400.0)
    assert result(who.authenticate(issuer.token(exp=NOW + 200_000))).subject == "ada"
    clock.advance(61.0)
    with pytest.raises(UnreachableIssuerError):
        result(who.authenticate(issuer.token(exp=NOW + 200_000)))
    issuer.down = None
    clock.advance(10.0)
    assert result(who.authenticate(issuer.token(exp=NOW + 200_000))).subject == "ada"


def test_an_outage_is_not_met_with_a_fetch_for_each_login() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token()))
    issuer.down = ConnectionError("away")
    clock.advance(issuer.config.keys_ttl + 1)
    before = len(issuer.fetched)
    for number in range(100):
        result(who.authenticate(issuer.token(exp=NOW + 90_000, jti=str(number))))
    assert len(issuer.fetched) == before + 1


def test_an_issuer_that_was_never_reached_is_not_asked_for_each_login() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    issuer.down = ConnectionError("away")
    who = authenticator(issuer, clock=clock)
    for number in range(20):
        with pytest.raises(UnreachableIssuerError):
            result(who.authenticate(issuer.token(jti=str(number))))
    assert len(issuer.fetched) == 1
    issuer.down = None
    clock.advance(5.0)
    assert result(who.authenticate(issuer.token())).subject == "ada"


def test_a_fetch_that_never_ends_is_given_up() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    issuer.waiting = []
    login = authenticator(issuer, clock=clock).authenticate(issuer.token())
    clock.advance(5.1)
    with pytest.raises(UnreachableIssuerError):
        result(login)


@pytest.mark.parametrize(
    ("discovery", "jwks"),
    [
        ({"issuer": "https://id.example.com"}, None),  # no trailing slash: another issuer
        ({"issuer": "https://evil.example.com/"}, None),
        ({"jwks_uri": "http://id.example.com/jwks"}, None),
        ({"jwks_uri": "file:///etc/passwd"}, None),
        ({"jwks_uri": "https://user@id.example.com/jwks"}, None),
        ({"jwks_uri": None}, None),
        ({}, b"not JSON"),
        ({}, b'{"keys": [], "keys": []}'),
        ({}, {"keys": {}}),
        ({}, {"keys": [{}] * 101}),
        ({}, []),
    ],
)
def test_documents_that_are_not_as_specified_give_no_keys(discovery: dict[str, object], jwks: object) -> None:
    issuer = FakeIssuer()
    issuer.discovery, issuer.jwks = discovery, jwks
    with pytest.raises(UnreachableIssuerError):
        result(authenticator(issuer).authenticate(issuer.token()))


def test_a_bad_answer_does_not_take_the_good_keys_away() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token()))
    issuer.jwks = b"<html>maintenance</html>"
    clock.advance(issuer.config.keys_ttl + 1)
    assert result(who.authenticate(issuer.token(exp=NOW + 90_000))).subject == "ada"


def test_a_key_set_that_moved_is_found_again() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token()))
    issuer.discovery = {"jwks_uri": "https://id.example.com/keys/v2"}
    clock.advance(issuer.config.keys_ttl + 1)
    result(who.authenticate(issuer.token(exp=NOW + 90_000)))
    assert issuer.fetched[-2:] == [DISCOVERY, "https://id.example.com/keys/v2"]


def test_a_key_set_that_moved_within_the_ttl_is_found_after_the_cooldown() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    result(who.authenticate(issuer.token()))
    issuer.keys = {"two": (OTHER_RSA, {})}
    rotated = issuer.token(key=OTHER_RSA, headers={"kid": "two"})
    issuer.down = ConnectionError("404")
    with pytest.raises(AuthenticationError):
        result(who.authenticate(rotated))
    issuer.down, issuer.discovery = None, {"jwks_uri": "https://id.example.com/keys/v2"}
    clock.advance(issuer.config.unknown_key_cooldown)
    assert result(who.authenticate(rotated)).subject == "ada"
    assert issuer.fetched[-2:] == [DISCOVERY, "https://id.example.com/keys/v2"]
