"""The gateway's own tokens: opaque, bound, revocable, never longer than what they came from."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from attrs import asdict
from twisted.internet.task import Clock

from hoopgate.errors import AuthenticationError
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.exchange import ACCESS_TOKEN, GRANT_TYPE, ID_TOKEN, JWT, OAuthError, exchange
from hoopgate.identity.tokens import GatewayTokens
from tests.identity.issuers import (
    NOW,
    OTHER_RSA,
    URL,
    FakeIssuer,
    MemoryStore,
    authenticator,
    clock_at,
    identity,
    result,
)

KEY = bytes(range(32))


class World:
    """An issuer, a gateway that knows it, and a clock."""

    def __init__(self, **settings: Any) -> None:
        self.clock: Clock = clock_at()
        self.store = MemoryStore()
        self.tokens = GatewayTokens(self.store, KEY, self.clock)
        self.issuer = FakeIssuer(**settings)
        self.who: Authenticator = authenticator(self.issuer, clock=self.clock, tokens=self.tokens)

    def exchange(self, **changes: Any) -> dict[str, Any]:
        form = {"grant_type": GRANT_TYPE, "subject_token_type": JWT, "subject_token": self.issuer.token()} | changes
        form = {name: value for name, value in form.items() if value is not None}
        found: dict[str, Any] = result(exchange(form, self.who, self.tokens, known_targets=("shop", "billing")))
        return found

    def refusal(self, **changes: Any) -> OAuthError:
        with pytest.raises(OAuthError) as caught:
            self.exchange(**changes)
        assert self.store.records == {}
        return caught.value


def test_a_token_is_short_opaque_and_kept_nowhere() -> None:
    world = World()
    token, record = result(world.tokens.issue(identity(), 60.0, ["shop"]))
    assert re.fullmatch(r"hgt_[0-9A-Za-z]{54}", token)
    kept = repr(asdict(record))
    assert token not in kept
    assert token[4:20] not in kept
    assert len(record.hash) == 32
    json.dumps(record.identity)


def test_tokens_do_not_repeat() -> None:
    world = World()
    issued = [result(world.tokens.issue(identity(), 60.0)) for _ in range(200)]
    assert len({token for token, _ in issued}) == len({record.id for _, record in issued}) == 200


def test_it_stands_for_the_same_identity_with_end_id_and_targets() -> None:
    world = World()
    groups, chain = frozenset({"a", "b"}), (f"{URL}|agent",)
    original = identity(groups=groups, scopes=frozenset({"s"}), chain=chain, person="ada@example.com")
    token, record = result(world.tokens.issue(original, 60.0, ["shop"]))
    found = result(world.tokens.verify(token))
    assert (found.key, found.groups, found.chain, found.person) == (original.key, groups, chain, "ada@example.com")
    assert (found.scopes, found.claims) == (original.scopes, original.claims)
    assert (found.expires, found.token_id, found.targets) == (NOW + 60, record.id, ("shop",))


def test_it_ends_on_time_and_when_revoked() -> None:
    world = World()
    token, _ = result(world.tokens.issue(identity(), 60.0))
    world.clock.advance(59.9)
    result(world.tokens.verify(token))
    world.clock.advance(0.1)
    with pytest.raises(AuthenticationError, match="expired"):
        result(world.tokens.verify(token))
    token, record = result(world.tokens.issue(identity(), 60.0))
    assert result(world.tokens.revoke(record.id, reason="lost", by="grace")) is True
    with pytest.raises(AuthenticationError, match="revoked"):
        result(world.tokens.verify(token))
    assert result(world.tokens.revoke(record.id)) is False


def test_guesses_never_reach_the_store() -> None:
    world = World()
    token, _ = result(world.tokens.issue(identity(), 60.0))
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for guess in (
        "hgt_",
        "hgt_" + "A" * 54,
        flipped,
        token + "A",
        token[:-1],
        "hgt_" + "é" * 54,
        "hgt_" + "A" * 100_000,
    ):
        with pytest.raises(AuthenticationError):
            result(world.who.authenticate(guess))
    assert world.store.asked == 0


def test_another_key_voids_all_tokens() -> None:
    world = World()
    token, _ = result(world.tokens.issue(identity(), 60.0))
    other = GatewayTokens(world.store, bytes(32), world.clock)
    with pytest.raises(AuthenticationError):
        result(other.verify(token))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        GatewayTokens(MemoryStore(), b"short", clock_at())


@pytest.mark.parametrize("lifetime", [0.0, -1.0, float("nan"), float("inf")])
def test_a_lifetime_is_a_positive_number(lifetime: float) -> None:
    with pytest.raises(ValueError, match="lifetime"):
        World().tokens.issue(identity(), lifetime)


def test_no_lifetime_is_longer_than_the_configured_one() -> None:
    world = World()
    _, record = result(world.tokens.issue(identity(), 1e9))
    assert record.expires - record.issued == 900.0


def test_the_answer_has_the_shape_of_the_rfc() -> None:
    world = World()
    answer = world.exchange(audience=["shop", "billing"])
    token = answer.pop("access_token")
    assert len(token) <= 200
    assert answer.pop("token_id") in world.store.records
    assert answer == {"issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 600}
    found = result(world.who.authenticate(token))
    assert found.targets == ("shop", "billing")
    assert found.key == f"{URL}|ada"


def test_forms_of_the_web_server_are_taken_as_they_are() -> None:
    world = World()
    form = {b"grant_type": [GRANT_TYPE.encode()], b"subject_token_type": [ID_TOKEN.encode()]}
    form[b"subject_token"] = [world.issuer.token().encode()]
    assert result(exchange(form, world.who, world.tokens))["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("changes", "expires_in"),
    [
        ({}, 600),  # what is left of the given token
        ({"lifetime": "30"}, 30),
        ({"lifetime": "999999"}, 600),
        ({"audience": ""}, 600),  # empty: left out
        ({"scope": ""}, 600),
    ],
)
def test_an_exchange_lengthens_nothing(changes: dict[str, Any], expires_in: int) -> None:
    assert World().exchange(**changes)["expires_in"] == expires_in


def test_the_gateways_own_bound_holds_for_long_tokens() -> None:
    world = World()
    assert world.exchange(subject_token=world.issuer.token(exp=NOW + 1e6))["expires_in"] == 900


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"subject_token": "rubbish"}, "invalid_request"),
        ({"subject_token": "hgt_rubbish"}, "invalid_request"),
        ({"requested_token_type": JWT}, "invalid_request"),
        ({"audience": "nowhere"}, "invalid_target"),
        ({"audience": 'no"such\\\u00e9'}, "invalid_target"),
        ({"audience": ["shop"] * 65}, "invalid_target"),
        ({"resource": "https://shop.example.com"}, "invalid_target"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"lifetime": "-5"}, "invalid_request"),
        ({"lifetime": "0"}, "invalid_request"),
        ({"lifetime": "1e3"}, "invalid_request"),
        ({"lifetime": "٣"}, "invalid_request"),
        ({"lifetime": ["1", "2"]}, "invalid_request"),
        ({"grant_type": [GRANT_TYPE, GRANT_TYPE]}, "invalid_request"),
        ({"subject_token_type": b"\xff"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"actor_token_type": JWT}, "invalid_request"),
    ],
)
def test_errors_have_the_shape_of_the_rfc(changes: dict[str, Any], code: str) -> None:
    error = World().refusal(**changes)
    assert error.body()["error"] == code
    assert re.fullmatch(r"[ !#-\[\]-~]+", error.body()["error_description"])
    assert error.status == 400


def test_an_issuer_that_is_away_is_no_fault_of_the_request() -> None:
    world = World()
    world.issuer.down = ConnectionError("away")
    error = world.refusal()
    assert (error.code, error.status) == ("temporarily_unavailable", 503)


def test_no_error_shows_the_token() -> None:
    world = World()
    token = world.issuer.token(key=OTHER_RSA)
    error = world.refusal(subject_token=token)
    assert token.split(".")[2] not in repr(error.body()) + str(error)


def test_a_gateway_token_begets_no_other() -> None:
    world = World()
    token = world.exchange()["access_token"]
    world.clock.advance(300.0)
    with pytest.raises(OAuthError, match="already"):
        world.exchange(subject_token=token)
    with pytest.raises(ValueError, match="begets"):
        world.tokens.issue(result(world.who.authenticate(token)), 60.0)


def test_an_expiring_token_within_the_skew_is_not_exchanged() -> None:
    world = World()
    assert "expired" in world.refusal(subject_token=world.issuer.token(exp=NOW - 30)).description


def test_an_actor_joins_the_chain_where_the_issuer_allows_it() -> None:
    world = World()
    subject = world.issuer.token(may_act={"sub": "agent"})
    actor = world.issuer.token(sub="agent", exp=NOW + 100)
    answer = world.exchange(subject_token=subject, actor_token=actor, actor_token_type=JWT)
    found = result(world.who.authenticate(answer["access_token"]))
    assert (found.subject, found.chain) == ("ada", (f"{URL}|agent",))
    assert answer["expires_in"] == 100


@pytest.mark.parametrize(
    "may_act", [None, "agent", {"sub": "other"}, {"sub": "agent", "iss": "https://other.example.com"}, {}]
)
def test_an_actor_that_the_issuer_does_not_name_is_refused(may_act: Any) -> None:
    world = World()
    subject, actor = world.issuer.token(may_act=may_act), world.issuer.token(sub="agent")
    error = world.refusal(subject_token=subject, actor_token=actor, actor_token_type=JWT)
    assert error.code == "invalid_request"
