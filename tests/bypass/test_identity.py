"""Ways round verification that other systems left open. Each stays here for good, named after what it prevents."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from hoopgate.errors import AuthenticationError
from hoopgate.identity.jose import key_of
from hoopgate.identity.tokens import GatewayTokens
from hoopgate.interfaces import Identity
from tests.identity.issuers import (
    NOW,
    OTHER_RSA,
    RSA,
    URL,
    FakeIssuer,
    MemoryStore,
    authenticator,
    clock_at,
    identity,
    jwk,
    result,
)


def base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: str | bytes, payload: str | bytes, key: Any = RSA) -> str:
    """An RS256 token over exactly these texts, whatever JSON they are."""
    parts = [part.encode() if isinstance(part, str) else part for part in (header, payload)]
    signing_input = ".".join(base64(part) for part in parts)
    return f"{signing_input}.{base64(RSAAlgorithm(RSAAlgorithm.SHA256).sign(signing_input.encode(), key))}"


def present(token: str, issuer: FakeIssuer | None = None) -> Identity:
    found: Identity = result(authenticator(issuer or FakeIssuer()).authenticate(token))
    return found


def refuse(token: str, issuer: FakeIssuer | None = None) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        present(token, issuer)
    return caught.value


HEADER = json.dumps({"alg": "RS256", "kid": "one", "typ": "JWT"})
CLAIMS = FakeIssuer().claims()
PAYLOAD = json.dumps(CLAIMS)


def test_the_tokens_made_here_are_good_but_for_their_fault() -> None:
    assert present(signed(HEADER, PAYLOAD)).subject == "ada"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 0, ["RS256"], {"a": "RS256"}])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_alg_none_in_any_spelling(name: Any, signature: str) -> None:
    header = json.dumps({"alg": name, "kid": "one"})
    refuse(f"{base64(header.encode())}.{base64(PAYLOAD.encode())}.{signature}")


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "pkcs1", "der", "jwk", "n", "empty"])
def test_hmac_with_the_public_key_as_its_secret(name: str, form: str) -> None:
    public = RSA.public_key()
    info, pkcs1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
    secrets = {
        "pem": public.public_bytes(serialization.Encoding.PEM, info),
        "pkcs1": public.public_bytes(serialization.Encoding.PEM, pkcs1),
        "der": public.public_bytes(serialization.Encoding.DER, info),
        "jwk": json.dumps(jwk(RSA, "one")).encode(),
        "n": jwk(RSA, "one")["n"].encode(),
        "empty": b"",
    }
    signing_input = f"{base64(json.dumps({'alg': name, 'kid': 'one'}).encode())}.{base64(PAYLOAD.encode())}"
    digest = hmac.digest(secrets[form], signing_input.encode(), getattr(hashlib, f"sha{name[2:]}"))
    refuse(f"{signing_input}.{base64(digest)}")


def test_a_symmetric_key_in_the_key_set() -> None:
    issuer = FakeIssuer()
    issuer.jwks = {"keys": [{"kty": "oct", "kid": "one", "k": base64(b"k" * 32), "alg": "HS256"}]}
    refuse(jwt.encode(CLAIMS, b"k" * 32, "HS256", headers={"kid": "one"}), issuer)


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "one' OR '1'='1",
        "one\x00",
        "https://evil.example.com/jwks",
        "one; sleep 5",
        "",
        "x" * 10_000,
        5,
        None,
        ["one"],
        {"one": 1},
    ],
)
def test_a_kid_is_a_name_in_the_key_set_and_nothing_else(kid: Any) -> None:
    issuer = FakeIssuer()
    refuse(signed(json.dumps({"alg": "RS256", "kid": kid}), PAYLOAD, OTHER_RSA), issuer)
    assert all(url.startswith(URL) and "evil" not in url and len(url) < 80 for url in issuer.fetched)


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_the_token_brings_along(name: str) -> None:
    """CVE-2018-0114 and its kin: keys come from the issuer's configured place alone."""
    public = jwk(OTHER_RSA, "mine")
    values = {
        "jwk": public,
        "x5c": ["MIIB"],
        "jku": "https://evil.example.com/jwks",
        "x5u": "https://evil.example.com/c",
    }
    issuer = FakeIssuer()
    refuse(signed(json.dumps({"alg": "RS256", "kid": "mine", name: values[name]}), PAYLOAD, OTHER_RSA), issuer)
    refuse(signed(json.dumps({"alg": "RS256", "kid": "one", name: values[name]}), PAYLOAD, OTHER_RSA), issuer)
    assert all("evil" not in url for url in issuer.fetched)


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD[:-1] + ', "sub": "root"}',
        PAYLOAD[:-1] + ', "\\u0073ub": "root"}',  # the same name, escaped
        PAYLOAD[:-1] + ', "a": {"b": 1, "b": 2}}',  # nested
        PAYLOAD[:-1] + ', "aud": "hoopgate"}',  # even of the same value
    ],
)
def test_duplicated_names_in_the_payload(payload: str) -> None:
    refuse(signed(HEADER, payload))


@pytest.mark.parametrize("extra", ['"alg": "RS256"', '"alg": "none"', '"kid": "one"'])
def test_duplicated_names_in_the_header(extra: str) -> None:
    refuse(signed(HEADER[:-1] + f", {extra}}}", PAYLOAD))


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe" + PAYLOAD.encode("utf-16-le"),
        PAYLOAD.encode("utf-16"),
        PAYLOAD.encode("utf-8-sig"),
        PAYLOAD[:-1].encode() + b', "x": NaN}',
        PAYLOAD[:-1].encode() + b', "x": -Infinity}',
        PAYLOAD[:-1].encode() + b', "x": "\\ud800"}',  # a lone surrogate: no store can write it
        PAYLOAD[:-1].encode() + b', "x": "\xed\xa0\x80"}',
        PAYLOAD[:-1].encode() + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        PAYLOAD[:-1].encode() + b', "x": ' + b"9" * 5000 + b"}",
        PAYLOAD.encode() + b"{}",
        b"[" + PAYLOAD.encode() + b"]",
        b"null",
        b"",
    ],
)
def test_a_payload_that_is_not_one_plain_object(payload: bytes) -> None:
    refuse(signed(HEADER, payload))


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["http://example.com/unknown"], [], "b64", None])
def test_a_critical_extension(crit: Any) -> None:
    header = {"alg": "RS256", "kid": "one", "crit": crit, "b64": True, "http://example.com/unknown": 1}
    refuse(signed(json.dumps(header), PAYLOAD))


def test_an_unencoded_payload() -> None:
    refuse(signed(json.dumps({"alg": "RS256", "kid": "one", "b64": False}), PAYLOAD))


@pytest.mark.parametrize(
    "kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", "application/logout+jwt", "JWE", 5, None, []]
)
def test_a_token_of_another_type(kind: Any) -> None:
    refuse(signed(json.dumps({"alg": "RS256", "kid": "one", "typ": kind}), PAYLOAD))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_access_tokens_of_the_right_type_pass(kind: str) -> None:
    assert present(signed(json.dumps({"alg": "RS256", "kid": "one", "typ": kind}), PAYLOAD)).subject == "ada"


@pytest.mark.parametrize(
    "claims",
    [
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        {"typ": "Refresh"},
        {"typ": "Offline"},
        {"typ": "Logout"},
        {"cnf": {"jkt": "x"}},  # RFC 7800: bound to a key that nobody proves here
    ],
)
def test_a_token_that_only_its_payload_tells_apart(claims: dict[str, Any]) -> None:
    refuse(FakeIssuer().token(**claims))


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        "other",
        ["other"],
        [],
        {"hoopgate": 1},
        "hoopgate ",
        "HOOPGATE",
        "hoopgate,other",
        [["hoopgate"]],
        5,
        True,
    ],
)
def test_a_token_for_another_audience(audience: Any) -> None:
    refuse(signed(HEADER, json.dumps(FakeIssuer().claims(aud=None) | {"aud": audience})))


def test_one_of_several_audiences_suffices() -> None:
    assert present(FakeIssuer().token(aud=["other", "hoopgate"])).subject == "ada"


@pytest.mark.parametrize("party", [{"azp": "evil"}, {}, {"azp": ["good"]}, {"azp": "evil", "client_id": "good"}])
def test_a_token_issued_to_another_client(party: dict[str, Any]) -> None:
    issuer = FakeIssuer(authorized_parties=("good",))
    refuse(issuer.token(**party), issuer)


@pytest.mark.parametrize("party", [{"azp": "good"}, {"client_id": "good"}])
def test_a_token_issued_to_a_client_that_is_named(party: dict[str, Any]) -> None:
    issuer = FakeIssuer(authorized_parties=("good",))
    assert present(issuer.token(**party), issuer).subject == "ada"


@pytest.mark.parametrize(
    "iss", [None, "", URL[:-1], URL.upper(), URL + "/", [URL], {"a": URL}, "https://evil.example.com/", 5]
)
def test_a_token_of_another_issuer_signed_by_ours(iss: Any) -> None:
    issuer = FakeIssuer()
    refuse(signed(HEADER, json.dumps(CLAIMS | {"iss": iss})), issuer)
    assert issuer.fetched == []


def test_one_issuers_key_does_not_sign_for_another() -> None:
    """Two issuers, one of them hostile: its keys serve its own name alone, also under the other's kid."""
    good, evil = FakeIssuer(), FakeIssuer("https://evil.example.com/", "evil")
    evil.keys = {"one": (OTHER_RSA, {}), "two": (OTHER_RSA, {})}
    who = authenticator(good, evil)
    assert result(who.authenticate(evil.token(key=OTHER_RSA))).key == "https://evil.example.com/|ada"
    for kid in ("one", "two"):
        with pytest.raises(AuthenticationError):
            result(who.authenticate(good.token(key=OTHER_RSA, headers={"kid": kid})))


def test_two_issuers_with_the_same_subject_stay_two() -> None:
    one, two = FakeIssuer(), FakeIssuer("https://other.example.com/", "other")
    who = authenticator(one, two)
    first, second = (result(who.authenticate(issuer.token())) for issuer in (one, two))
    assert first.subject == second.subject
    assert first != second
    assert first.key != second.key


@pytest.mark.parametrize("behind", [600.0, -600.0])
def test_a_clock_ten_minutes_off(behind: float) -> None:
    """Their clock: a token of theirs is then either long over or not valid yet."""
    refuse(FakeIssuer().token(iat=NOW - behind, nbf=NOW - behind, exp=NOW - behind + 300))


def test_an_algorithm_that_the_key_was_not_published_for() -> None:
    issuer = FakeIssuer(algorithms=("RS256", "RS512", "PS256"))
    issuer.keys = {"one": (RSA, {"alg": "PS256"})}
    refuse(issuer.token(algorithm="RS256"), issuer)
    assert present(issuer.token(algorithm="PS256"), issuer).subject == "ada"


def test_an_elliptic_key_of_another_curve() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    issuer = FakeIssuer(algorithms=("ES256", "ES384"))
    issuer.keys = {"one": (key, {})}
    header = base64(json.dumps({"alg": "ES256", "kid": "one"}).encode())
    genuine = jwt.encode(CLAIMS, key, "ES384", headers={"kid": "one"})
    refuse(".".join([header, *genuine.split(".")[1:]]), issuer)


@pytest.mark.parametrize("signature", [b"\x00" * 64, b"\x00" * 63 + b"\x01", b"\xff" * 64, b""])
def test_a_zero_signature(signature: bytes) -> None:
    """CVE-2022-21449: r = s = 0 verified anything."""
    issuer = FakeIssuer(algorithms=("ES256",))
    issuer.keys = {"one": (ec.generate_private_key(ec.SECP256R1()), {})}
    header = base64(json.dumps({"alg": "ES256", "kid": "one"}).encode())
    refuse(f"{header}.{base64(PAYLOAD.encode())}.{base64(signature)}", issuer)


@pytest.mark.parametrize(
    "members",
    [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"kid": 5}, {"alg": "RSA-OAEP"}],
)
def test_a_key_of_the_set_that_is_not_for_verifying(members: dict[str, Any]) -> None:
    issuer = FakeIssuer()
    issuer.jwks = {"keys": [jwk(RSA, "one") | members]}
    refuse(issuer.token(), issuer)


def test_a_private_key_in_the_key_set() -> None:
    """Whoever reads the key set can sign with it: it proves nothing."""
    issuer = FakeIssuer()
    issuer.jwks = {"keys": [RSAAlgorithm.to_jwk(RSA, as_dict=True) | {"kid": "one", "key_ops": ["sign", "verify"]}]}
    refuse(issuer.token(), issuer)


def test_a_weak_rsa_key_in_the_key_set() -> None:
    weak = jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "one")
    assert key_of(weak, ("RS256",)) is None
    assert key_of(jwk(RSA, "one"), ("RS256",)) is not None


def test_a_huge_rsa_key_in_the_key_set_costs_nothing() -> None:
    assert key_of({"kty": "RSA", "kid": "one", "e": "AQAB", "n": base64(b"\xff" * 4096)}, ("RS256",)) is None


def test_one_broken_key_does_not_hide_the_others() -> None:
    issuer = FakeIssuer()
    broken: list[Any] = [5, {}, {"kty": "EC", "crv": "P-256", "x": "!", "y": 5}, {"kty": "RSA", "n": "", "e": ""}]
    issuer.jwks = {"keys": [*broken, jwk(RSA, "one")]}
    assert present(issuer.token(), issuer).subject == "ada"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.replace(".", "..", 1),
        lambda token: token + ".",
        lambda token: token + ".AAAA.AAAA",  # an encrypted token has five parts
        lambda token: token.rsplit(".", 1)[0],
        lambda token: token.rsplit(".", 1)[0] + ".",
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "E"),
        lambda token: token[:40] + "\u0131" + token[41:],
        lambda token: token[:40] + "+" + token[41:],
        lambda token: token + "A" * 20_000,
        lambda token: json.dumps({"payload": token.split(".")[1], "signatures": []}),  # the JSON serialisation
        lambda token: "." * 100_000,
        lambda token: "Bearer " + token,
        lambda token: "",
    ],
)
def test_a_token_that_is_spoiled_or_in_another_form(spoil: Any) -> None:
    refuse(spoil(FakeIssuer().token()))


def test_a_payload_changed_under_its_signature() -> None:
    header, _, signature = FakeIssuer().token().split(".")
    refuse(f"{header}.{base64(json.dumps(CLAIMS | {'sub': 'root'}).encode())}.{signature}")


def test_no_refusal_tells_the_client_which_check_of_the_signature_failed() -> None:
    texts = {
        str(refuse(token))
        for token in (
            FakeIssuer().token(key=OTHER_RSA),
            FakeIssuer().token(headers={"kid": "unknown"}),
            signed(HEADER, PAYLOAD[:-1] + ', "sub": "root"}'),
            "a.b.c",
        )
    }
    assert texts == {"the token is not valid"}


def test_no_refusal_holds_the_token() -> None:
    token = FakeIssuer().token(aud="other", key=OTHER_RSA)
    error = refuse(token)
    assert token.split(".")[1] not in f"{error!r} {error} {error.detail}"
    assert token.split(".")[2] not in f"{error!r} {error} {error.detail}"


def test_a_flood_of_unknown_kids_and_issuers_is_no_flood_of_fetches() -> None:
    issuer = FakeIssuer()
    who = authenticator(issuer)
    for number in range(300):
        for token in (
            issuer.token(key=OTHER_RSA, headers={"kid": f"k{number}"}),
            issuer.token(iss=f"https://{number}.evil.example.com/", key=OTHER_RSA),
        ):
            with pytest.raises(AuthenticationError):
                result(who.authenticate(token))
    assert len(issuer.fetched) <= 3


def test_a_refused_token_is_never_remembered_as_good() -> None:
    issuer, clock = FakeIssuer(), clock_at()
    who = authenticator(issuer, clock=clock)
    token = issuer.token(aud="other")
    for _ in range(3):
        with pytest.raises(AuthenticationError):
            result(who.authenticate(token))
    assert not who._remembered


def test_a_revoked_token_is_refused_at_once_although_it_was_just_verified() -> None:
    """The memory of verified tokens holds issuers' tokens alone."""
    clock = clock_at()
    tokens = GatewayTokens(MemoryStore(), bytes(32), clock)
    who = authenticator(FakeIssuer(), clock=clock, tokens=tokens)
    token, record = result(tokens.issue(identity(), 600.0))
    result(who.authenticate(token))
    result(tokens.revoke(record.id))
    with pytest.raises(AuthenticationError, match="revoked"):
        result(who.authenticate(token))
