"""What somebody whose login failed can do next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoopgate.config.model import Listener
    from hoopgate.gateway import Gateway

CUT = (1023, 1024)  # bytes at which libpq's and OpenSSH's prompts cut what is typed
_HEADLESS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # a JWT without its signature


def is_cut(token: str) -> bool:
    """Whether the token looks like the beginning of one."""
    return _HEADLESS.fullmatch(token) is not None or len(token) in CUT


def token_hint(gateway: Gateway, listener: Listener, token: str) -> str:
    """For a token that was refused."""
    if is_cut(token):
        return "The token looks cut off; a client's prompt may be too short for it. Use: hoopgate token --gateway"
    issuers, named = gateway.config.issuers, listener.issuer
    issuer = gateway.login_issuer(listener) if named or len(issuers) == 1 else None
    if issuer is None or not issuer.client_id:
        return "Get a fresh token with: hoopgate token"
    login = f"hoopgate login --issuer {issuer.url} --client-id {issuer.client_id}"
    return f"Get a fresh token with: hoopgate token (once, before it: {login})"
