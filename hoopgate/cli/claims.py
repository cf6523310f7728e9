"""What a token says of itself, for messages and to know its end; nobody may rely on it."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from typing import Any

from hoopgate.identity.strict import json_object


def unverified_claims(token: str) -> dict[str, Any]:
    """What a JWT says of itself, to show it or to know its end; {} if it is none. Nobody may rely on it."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return json_object(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}


def end_of(token: str, expires_in: object = None) -> float:
    """When the token ends (epoch seconds), by its own ``exp`` or else the answer's ``expires_in``; 0 if unknown."""
    expires = unverified_claims(token).get("exp")
    if isinstance(expires, (int, float)):
        return float(expires)
    return time.time() + float(expires_in) if isinstance(expires_in, (int, float)) else 0.0
