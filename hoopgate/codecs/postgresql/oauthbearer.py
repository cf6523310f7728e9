"""SASL OAUTHBEARER, the server's side (RFC 7628), as libpq 18 speaks it (fe-auth-oauth.c, auth-oauth.c).

A client that does not know the issuer yet sends an empty ``auth`` first; it gets the status JSON, answers with one
0x01 byte, is refused, and connects again with a token. That first attempt is no failed login.
"""

from __future__ import annotations

import json
import re
from typing import Final

from hoopgate.errors import RemoteProtocolError

MECHANISM: Final = "OAUTHBEARER"
DUMMY_RESPONSE: Final = b"\x01"  # what a client must answer to the status JSON
_SEPARATOR: Final = "\x01"
_PAIR: Final = re.compile(r"([A-Za-z]+)=([\x21-\x7e \t\r\n]*)")  # RFC 7628, section 3.1
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")  # RFC 6750, section 2.1


def parse_initial(data: bytes | None) -> str:
    """The token of an initial client response; "" for the attempt that only asks where to get one.

    Raises RemoteProtocolError for a malformed response, channel binding, or an authorization identity. The error
    never quotes the response.
    """
    text = _text(data)
    header, comma, rest = text.partition(",")
    if header.startswith("p"):
        raise RemoteProtocolError("OAUTHBEARER does not support channel binding here")
    if header not in ("n", "y") or not comma:
        raise _malformed("unexpected channel-binding flag")
    identity, comma, rest = rest.partition(",")
    if identity or not comma:
        raise RemoteProtocolError("OAUTHBEARER: an authorization identity is not supported", "0A000")
    return _token(_authorization(rest))


def _text(data: bytes | None) -> str:
    if not data:
        raise _malformed("the message is empty")
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise _malformed("the message is not ASCII") from None


def _authorization(pairs: str) -> str:
    """The value of ``auth``. Other keys (host, port) are allowed and mean nothing here."""
    if not pairs.startswith(_SEPARATOR) or not pairs.endswith(_SEPARATOR * 2):
        raise _malformed("the message has no final terminator")
    found: str | None = None
    for pair in pairs[1:-2].split(_SEPARATOR):
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise _malformed("a key or value is invalid")
        if match[1] == "auth":
            if found is not None:
                raise _malformed("the message has several auth values")
            found = match[2]
    if found is None:
        raise _malformed("the message has no auth value")
    return found


def _token(authorization: str) -> str:
    if not authorization:
        return ""
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise _malformed("the bearer token is not in the correct format")
    return match[1]


def discovery_status(configuration_url: str, scope: str) -> bytes:
    """The JSON to send with AuthenticationSASLContinue, for discovery as for a token that was refused.

    ``configuration_url`` is the issuer's OpenID configuration document, ``scope`` the scopes to ask for, separated
    by spaces (RFC 7628, section 3.2.2).
    """
    status = {"status": "invalid_token", "openid-configuration": configuration_url, "scope": scope}
    return json.dumps(status).encode("ascii")


def parse_dummy_response(data: bytes) -> None:
    """Check the client's answer to the status JSON; the login must be refused after it."""
    if data != DUMMY_RESPONSE:
        raise _malformed("the client did not send a kvsep response")


def _malformed(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"malformed OAUTHBEARER message: {why}")
