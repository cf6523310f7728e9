"""A token that was verified a moment ago is taken at once; whatever could make it wrong makes us look again."""

from __future__ import annotations

import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.task import Clock

from hoopgate.config.limits import Limits
from hoopgate.errors import AuthenticationError
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.jose import Key
from tests.identity.issuers import NOW, OTHER_RSA, RSA, FakeIssuer, authenticator, clock_at, result


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each signature that was looked at."""
    seen: list[object] = []
    verify = Key.verify

    def counting(self: Key, token: object) -> bool:
        seen.append(token)
        return verify(self, token)  # type: ignore[arg-type]

    monkeypatch.setattr(Key, "verify", counting)
    return seen


def logged_in(issuer: FakeIssuer, clock: Clock, **changes: object) -> tuple[Authenticator, str]:
    who, token = authenticator(issuer, clock=clock), issuer.token(**changes)
    assert result(who.authenticate(token)).subject == "ada"
    return who, token


def test_a_signature_is_checked_once_a_minute_at_most(checked: list[object]) -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who, token = logged_in(issuer, clock)
    clock.advance(59.9)
    assert result(who.authenticate(token)).subject == "ada"
    assert len(checked) == 1
    clock.advance(0.1)
    result(who.authenticate(token))
    assert len(checked) == 2


def test_a_token_that_expires_meanwhile_is_refused() -> None:
    issuer, clock = FakeIssuer(skew=0.0), clock_at()
    who, token = logged_in(issuer, clock, exp=NOW + 10)
    clock.advance(10.0)
    with pytest.raises(AuthenticationError, match="expired"):
        result(who.authenticate(token))


def test_a_clock_that_is_set_back_before_the_tokens_begin_is_noticed() -> None:
    issuer = FakeIssuer(skew=0.0)
    clock = clock_at(NOW + 20)
    who, token = logged_in(issuer, clock, nbf=NOW + 10)
    clock.rightNow = NOW + 5
    with pytest.raises(AuthenticationError, match="not valid yet"):
        result(who.authenticate(token))


def test_a_withdrawn_key_ends_what_is_remembered_at_the_next_look_at_the_keys() -> None:
    """Also where another's unknown key made us look, long before the set was due."""
    issuer, clock = FakeIssuer(keys_ttl=3600.0), clock_at()
    who, token = logged_in(issuer, clock)
    issuer.keys = {"two": (OTHER_RSA, {})}
    assert result(who.authenticate(token)).subject == "ada"  # nobody has looked
    result(who.authenticate(issuer.token(key=OTHER_RSA, headers={"kid": "two"})))
    with pytest.raises(AuthenticationError):
        result(who.authenticate(token))


def test_keys_past_their_time_are_looked_at_before_a_token_is_taken_again() -> None:
    issuer, clock = FakeIssuer(keys_ttl=30.0), clock_at()
    who, token = logged_in(issuer, clock)
    issuer.keys = {"two": (OTHER_RSA, {})}
    clock.advance(30.0)
    with pytest.raises(AuthenticationError):
        result(who.authenticate(token))


def test_a_key_exchanged_under_its_name_ends_what_is_remembered() -> None:
    issuer, clock = FakeIssuer(keys_ttl=30.0), clock_at()
    who, token = logged_in(issuer, clock)
    issuer.keys = {"one": (OTHER_RSA, {})}
    clock.advance(30.0)
    with pytest.raises(AuthenticationError, match="not valid"):
        result(who.authenticate(token))


def test_the_same_keys_fetched_again_end_nothing(checked: list[object]) -> None:
    issuer, clock = FakeIssuer(keys_ttl=30.0), clock_at()
    who, token = logged_in(issuer, clock)
    clock.advance(31.0)
    result(who.authenticate(token))  # verified again with the set that was fetched again
    issuer.fetched.clear()
    result(who.authenticate(token))
    assert (len(checked), issuer.fetched) == (2, [])


def test_keys_that_no_longer_serve_in_an_outage_end_what_is_remembered() -> None:
    issuer, clock = FakeIssuer(keys_ttl=10.0, keys_outage=20.0), clock_at()
    who, token = logged_in(issuer, clock)
    issuer.down = ValueError("no route")
    clock.advance(15.0)
    assert result(who.authenticate(token)).subject == "ada"  # verified by the old keys, which still serve
    clock.advance(10.0)
    with pytest.raises(AuthenticationError, match="cannot be reached"):
        result(who.authenticate(token))


def test_a_reload_of_the_issuers_ends_what_is_remembered() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who, token = logged_in(issuer, clock)
    who.reload([evolve(issuer.config, authorized_parties=("another",))])
    with pytest.raises(AuthenticationError, match="another client"):
        result(who.authenticate(token))


def test_only_success_is_remembered() -> None:
    """A refused token is looked at anew each time; a good one does not vouch for its like."""
    issuer, clock = FakeIssuer(), clock_at()
    who, token = logged_in(issuer, clock)
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            result(who.authenticate(forged))
    assert len(who._remembered) == 1
    other = issuer.token(key=OTHER_RSA, sub="mallory")
    with pytest.raises(AuthenticationError):
        result(who.authenticate(other))
    assert len(who._remembered) == 1


def test_what_is_remembered_is_bounded_and_holds_no_token() -> None:
    issuer, key = FakeIssuer(algorithms=("EdDSA",)), Ed25519PrivateKey.generate()
    issuer.keys = {"one": (key, {})}
    who = authenticator(issuer)
    who.limits = Limits(verified_tokens=16)
    for number in range(40):
        result(who.authenticate(issuer.token(key=key, algorithm="EdDSA", jti=str(number))))
    assert len(who._remembered) == 16
    assert all(len(name) == 32 for name in who._remembered._kept)


@pytest.mark.parametrize("limits", [Limits(verified_tokens=0), Limits(verified_token=0.0)])
def test_remembering_can_be_turned_off(limits: Limits, checked: list[object]) -> None:
    issuer = FakeIssuer()
    who, token = authenticator(issuer), issuer.token(key=RSA)
    who.limits = limits
    for _ in range(3):
        result(who.authenticate(token))
    assert len(checked) == 3
