"""Token exchange in the shape of RFC 8693: an issuer's token goes in, a short opaque one of the gateway's comes out.

The answer lives as long as the smallest of what was asked for, ``api.token_lifetime`` and the given token's own
rest: an exchange never lengthens anything. For the same reason a gateway token cannot be exchanged again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from hoopgate.errors import AuthenticationError, HoopgateError
from hoopgate.identity.keys import UnreachableIssuerError
from hoopgate.identity.tokens import PREFIX, GatewayTokens
from hoopgate.interfaces import IAuthenticator, Identity

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of a kind
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105
JWT = "urn:ietf:params:oauth:token-type:jwt"

Form = Mapping[Any, Any]

_TYPES = frozenset({ACCESS_TOKEN, ID_TOKEN, JWT})
_REPEATABLE = frozenset({"audience", "resource"})  # RFC 8693 2.1; nothing else may be (RFC 6749 3.2)
_LIFETIME = re.compile(r"[1-9][0-9]{0,8}\Z")
_UNFIT = re.compile(r"[^ !#-\[\]-~]")  # what an error_description may not hold (RFC 6749, 5.2)


class OAuthError(HoopgateError):
    """A refusal in RFC 6749's shape (section 5.2): ``code`` is its ``error``, ``status`` the HTTP status."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = _UNFIT.sub("'", description)
        self.status = status

    def body(self) -> dict[str, str]:
        """The JSON answer; send it with ``Cache-Control: no-store``."""
        return {"error": self.code, "error_description": self.description}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise OAuthError("invalid_request", "a parameter is not UTF-8") from None
    if not isinstance(value, str):
        raise OAuthError("invalid_request", "a parameter is no string")
    return value


def _parameters(form: Form) -> dict[str, list[str]]:
    """Names and values; an empty value counts as left out (RFC 6749, 3.2)."""
    found: dict[str, list[str]] = {}
    for name, value in form.items():
        values = [value] if isinstance(value, (str, bytes)) else list(value)
        found[_text(name)] = [one for one in map(_text, values) if one]
    for name, texts in found.items():
        if len(texts) > 1 and name not in _REPEATABLE:
            raise OAuthError("invalid_request", f"{name[:40]} is given more than once")
    return found


def exchange(
    form: Form,
    authenticator: IAuthenticator,
    tokens: GatewayTokens,
    *,
    known_targets: Collection[str] | None = None,
) -> Deferred[dict[str, Any]]:
    """Serve one token request; fires with the JSON answer, to be sent with ``Cache-Control: no-store``.

    ``form`` maps names to a value or a list of values, text or bytes (as ``twisted.web`` has them). Besides
    RFC 8693's parameters it may hold ``lifetime`` (seconds). ``audience`` names targets and may be repeated;
    with ``known_targets`` any other is refused. The answer has ``token_id`` besides, by which to revoke.
    Fails with :class:`OAuthError`.
    """
    return Deferred.fromCoroutine(_exchange(form, authenticator, tokens, known_targets))


async def _exchange(
    form: Form, authenticator: IAuthenticator, tokens: GatewayTokens, known_targets: Collection[str] | None
) -> dict[str, Any]:
    asked = {name: values for name, values in _parameters(form).items() if values}
    if asked.get("grant_type") != [GRANT_TYPE]:
        raise OAuthError("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
    if asked.get("requested_token_type", [ACCESS_TOKEN]) != [ACCESS_TOKEN]:
        raise OAuthError("invalid_request", f"requested_token_type can only be {ACCESS_TOKEN}")
    identity = await _presented(asked, "subject_token", authenticator)
    targets = _targets(asked, known_targets)  # only now: nobody without a token may find out which there are
    lifetime = min(_lifetime(asked, tokens), _rest(identity, tokens))
    if "actor_token" in asked or "actor_token_type" in asked:
        actor = await _presented(asked, "actor_token", authenticator)
        identity = _delegated(identity, actor)
        lifetime = min(lifetime, _rest(actor, tokens))
    if "scope" in asked and frozenset(asked["scope"][0].split()) != identity.scopes:
        # Fewer scopes are not always less: a rule may deny by one.
        raise OAuthError("invalid_scope", "a gateway token keeps exactly the scopes of the token it came from")
    token, record = await tokens.issue(identity, lifetime, targets)
    return {
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": int(record.expires - record.issued),
        "token_id": record.id,
    }


async def _presented(asked: Mapping[str, Sequence[str]], name: str, authenticator: IAuthenticator) -> Identity:
    if name not in asked or f"{name}_type" not in asked:
        raise OAuthError("invalid_request", f"{name} and {name}_type are required together")
    if asked[f"{name}_type"][0] not in _TYPES:
        raise OAuthError("invalid_request", f"{name}_type must be one of {', '.join(sorted(_TYPES))}")
    if asked[name][0].startswith(PREFIX):
        raise OAuthError("invalid_request", f"{name} is a gateway token already; present your issuer's own")
    try:
        return await authenticator.authenticate(asked[name][0])
    except UnreachableIssuerError as error:
        raise OAuthError("temporarily_unavailable", str(error), status=503) from error
    except AuthenticationError as error:
        # RFC 8693 2.2.2: a token that is invalid for any reason is an invalid request.
        raise OAuthError("invalid_request", f"{name}: {error}") from error


def _targets(asked: Mapping[str, Sequence[str]], known: Collection[str] | None) -> tuple[str, ...]:
    if "resource" in asked:
        raise OAuthError("invalid_target", "name targets as audience; resource is not used here")
    targets = tuple(asked.get("audience", ()))
    if len(targets) > 64 or any(len(target) > 200 for target in targets):
        raise OAuthError("invalid_target", "too many or too long audiences")
    for target in targets:
        if known is not None and target not in known:
            raise OAuthError("invalid_target", f"there is no target {target}")
    return targets


def _lifetime(asked: Mapping[str, Sequence[str]], tokens: GatewayTokens) -> float:
    if "lifetime" not in asked:
        return tokens.longest
    if not _LIFETIME.match(asked["lifetime"][0]):
        raise OAuthError("invalid_request", "lifetime is a whole number of seconds above 0")
    return float(asked["lifetime"][0])


def _rest(identity: Identity, tokens: GatewayTokens) -> float:
    rest = float(identity.claims["exp"]) - tokens.now()
    if rest < 1:
        raise OAuthError("invalid_request", "the token has expired: get a new one")
    return rest


def _delegated(subject: Identity, actor: Identity) -> Identity:
    """The subject with the actor at the end of its chain, where the subject's issuer says so (RFC 8693, 4.4)."""
    allowed = subject.claims.get("may_act")
    if not isinstance(allowed, dict) or allowed.get("sub") != actor.subject:
        raise OAuthError("invalid_request", "the subject_token names no such actor in may_act")
    if allowed.get("iss", subject.issuer) != actor.issuer:
        raise OAuthError("invalid_request", "the subject_token names an actor of another issuer in may_act")
    return evolve(subject, chain=(*subject.chain, *actor.chain, actor.key))
