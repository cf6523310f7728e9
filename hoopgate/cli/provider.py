"""The identity provider as commands see it: where its endpoints are, and turning refresh tokens into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from hoopgate.cli.claims import end_of
from hoopgate.cli.credentials import Credentials
from hoopgate.cli.problems import RefusedError, UnreachableError, printable
from hoopgate.cli.settings import SettingsError, check_url
from hoopgate.cli.web import Web


@frozen
class Endpoints:
    """From the discovery document; ``device`` is "" where the provider has no device flow."""

    token: str
    device: str


def discover(web: Web, issuer: str) -> Endpoints:
    """The provider's endpoints (OpenID Connect Discovery 1.0, section 4). Raises UnreachableError or SettingsError."""
    status, document = web.get(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if status != 200:
        raise UnreachableError(f"{issuer} answers {status} to discovery. Check the issuer's address.")
    if document.get("issuer") != issuer:
        named = printable(str(document.get("issuer"))[:200])
        raise SettingsError(f"the provider calls itself {named}, not {issuer}. Write it exactly so.")
    token, device = document.get("token_endpoint"), document.get("device_authorization_endpoint", "")
    if not isinstance(token, str) or not isinstance(device, str):
        raise UnreachableError(f"{issuer} names no token endpoint. Check the issuer's address.")
    return Endpoints(check_url(token, "token_endpoint"), check_url(device, "endpoint") if device else "")


def credentials_of(answer: Mapping[str, Any], issuer: str, client_id: str, kind: str, old: str = "") -> Credentials:
    """The login a token answer makes (RFC 6749, 5.1). ``kind`` is the token to show; ``old`` the refresh token so far.

    Raises RefusedError where the answer lacks the token.
    """
    token = answer.get(kind)
    if not isinstance(token, str) or not token:
        other = "access_token" if kind == "id_token" else "id_token"
        raise RefusedError(f"the provider gave no {kind}. Ask for the scope openid, or set token = {other!r}.")
    refresh = answer.get("refresh_token")
    return Credentials(
        issuer=issuer,
        client_id=client_id,
        token=token,
        expires=end_of(token, answer.get("expires_in")),
        refresh_token=refresh if isinstance(refresh, str) and refresh else old,
    )


def refreshed(web: Web, known: Credentials, kind: str) -> Credentials:
    """New tokens for an earlier login (RFC 6749, 6). Raises RefusedError where that login has ended."""
    form = {"grant_type": "refresh_token", "refresh_token": known.refresh_token, "client_id": known.client_id}
    status, answer = web.post(discover(web, known.issuer).token, form)
    if status >= 500:
        raise UnreachableError(f"{known.issuer} answers {status}. Try again.")
    if status != 200:
        code = printable(str(answer.get("error", status))[:100])
        raise RefusedError(f"the provider does not refresh the login ({code})", code)
    return credentials_of(answer, known.issuer, known.client_id, kind, known.refresh_token)
