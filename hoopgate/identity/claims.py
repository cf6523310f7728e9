"""From verified claims to an identity (OpenID Connect Core 1.0, section 2; RFC 7519, 4.1; RFC 8693, 4.1).

Whatever is malformed refuses the token: a group or an actor that we cannot read must not look like none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from hoopgate.config.model import Issuer
from hoopgate.identity.jose import refused
from hoopgate.interfaces import Identity

_LONGEST_CHAIN = 8
_LONGEST_NAME = 1024  # characters of a subject, group, scope or actor

# Kinds of token that some issuers sign with the same keys and mark only in the payload (Keycloak's `typ`).
_OTHER_KINDS = frozenset({"refresh", "offline", "logout"})


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim under ``path``, or None.

    A name that is there literally wins (``https://example.com/groups``); else dots descend
    (``realm_access.roles``), longest literal part first.
    """
    if path in claims:
        return claims[path]
    end = path.rfind(".")
    while end > 0:
        inner = claims.get(path[:end])
        if isinstance(inner, dict):
            return claim_at(inner, path[end + 1 :])
        end = path.rfind(".", 0, end)
    return None


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST_NAME:
        raise refused(f"its {what} is no string of fit length")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise refused(f"its {what} holds a control character")
    return value


def _names(value: Any, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(_name(one, what) for one in value)
    return (_name(value, what),)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refused(f"its {name} is no number")
    if not abs(value) <= 1e15:  # of an integer beyond any float too, and of what is no number at all
        raise refused(f"its {name} is no date")
    return float(value)


def check_times(claims: Mapping[str, Any], now: float, skew: float) -> float:
    """The token's end (epoch seconds), if ``now`` lies within its life, give or take ``skew``."""
    expires, begins, issued = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None:
        raise refused("it has no exp", "the token has no expiry")
    if now >= expires + skew:
        raise refused(f"it expired {now - expires:.0f} s ago", "the token has expired: get a new one")
    if any(time is not None and time > now + skew for time in (begins, issued)):
        raise refused("its nbf or iat lies in the future", "the token is not valid yet: check the clocks")
    return expires


def check_purpose(claims: Mapping[str, Any], issuer: Issuer) -> None:
    """Made for us, at the wish of a client that we know, and not for another use."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(one, str) and one in issuer.audience for one in audiences):
        raise refused(f"its aud is {str(audience)[:200]}", "the token was made for another audience")
    if issuer.authorized_parties:
        party = claims.get("azp", claims.get("client_id"))  # RFC 9068 tokens name their client so
        if not isinstance(party, str) or party not in issuer.authorized_parties:
            raise refused(f"its azp is {str(party)[:200]}", "the token was issued to another client")
    if "cnf" in claims:
        # RFC 7800 3.1: whoever presents it must prove a key, and no login here carries such a proof.
        raise refused("it is bound to a key (cnf)", "the token is bound to a key and cannot serve as a bearer")
    if "events" in claims or str(claims.get("typ", "")).lower() in _OTHER_KINDS:
        raise refused("it is a logout, event or refresh token", "this is not an access or ID token")


def _scopes(value: Any) -> frozenset[str]:
    # RFC 6749 3.3: one string, separated by spaces; some issuers send a list.
    return frozenset(value.split()) if isinstance(value, str) else frozenset(_names(value, "scopes"))


def _acted(claims: Mapping[str, Any], issuer: str) -> list[str]:
    """``act`` from the current actor inwards to the first (RFC 8693, 4.1)."""
    chain: list[str] = []
    actor = claims.get("act")
    while actor is not None:
        if not isinstance(actor, dict) or len(chain) >= _LONGEST_CHAIN:
            raise refused("its act is no chain of actors, or too long a one")
        where = _name(actor.get("iss", issuer), "act.iss")
        if "|" in where:
            raise refused("its act.iss is no issuer")
        chain.append(f"{where}|{_name(actor.get('sub'), 'act.sub')}")
        actor = actor.get("act")
    return chain


def delegation(claims: Mapping[str, Any], issuer: Issuer) -> tuple[str, ...]:
    """Who acts: the configured claims first (GitHub's ``actor``), then ``act``, the current actor last."""
    named = [
        f"{issuer.url}|{name}" for path in issuer.delegation_claims for name in _names(claim_at(claims, path), path)
    ]
    return tuple(dict.fromkeys(named + _acted(claims, issuer.url)[::-1]))


def _person(claims: Mapping[str, Any], issuer: Issuer) -> str:
    """The claim that makes one human of several accounts, folded so that spelling makes no second one."""
    value = claim_at(claims, issuer.person_claim) if issuer.person_claim else None
    if value is None:
        return ""
    if issuer.person_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        return ""  # anybody may claim an address that nobody verified (OpenID Connect Core 1.0, 5.7)
    return unicodedata.normalize("NFKC", _name(value, issuer.person_claim)).strip().casefold()


def identity_of(claims: dict[str, Any], issuer: Issuer) -> Identity:
    """The identity that verified, current claims describe. Raises AuthenticationError."""
    return Identity(
        issuer=issuer.url,
        subject=_name(claims.get("sub"), "sub"),
        groups=frozenset(_names(claim_at(claims, issuer.groups_claim), "groups")),
        scopes=_scopes(claim_at(claims, issuer.scopes_claim)),
        claims=claims,
        chain=delegation(claims, issuer),
        person=_person(claims, issuer),
        decides=issuer.approves,
    )
