"""The gateway's API, called with the person's own token; every answer is verified TLS, bounded JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import Request

from hoopgate.cli.bearer import bearer
from hoopgate.cli.problems import NoTokenError, RefusedError, UnreachableError, printable
from hoopgate.cli.settings import Settings, check_url, settings
from hoopgate.cli.web import Web


class Client(Web):
    """``token`` is presented with every call."""

    def __init__(self, known: Settings, token: str) -> None:
        super().__init__(known.ca)
        self._base = check_url(known.api, "api").rstrip("/")
        self._token = token

    def read(self, path: str, query: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """GET. Raises NoTokenError, RefusedError or UnreachableError."""
        return self._call("GET", path + (f"?{urlencode(query)}" if query else ""), None)

    def write(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST of a JSON object. Raises as :meth:`read` does."""
        return self._call("POST", path, json.dumps(body).encode("ascii"))

    def _call(self, method: str, path: str, data: bytes | None) -> dict[str, Any]:
        request = Request(self._base + path, data=data, method=method)  # noqa: S310 - the base was checked
        # Unredirected: should a redirect ever be followed, the token does not go along.
        request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        status, answer = self._send(request)
        if status < 400:
            return answer
        raise _trouble(status, answer)


def _trouble(status: int, answer: Mapping[str, Any]) -> NoTokenError | RefusedError | UnreachableError:
    """What an error answer (RFC 9457) means to the person at the terminal."""
    title, detail = printable(str(answer.get("title") or status)), printable(str(answer.get("detail") or ""))
    text = f"{title}: {detail}" if detail else title
    if status == 401:
        return NoTokenError(f"the gateway does not take your token ({detail or title}). Run: hoopgate login")
    if status >= 500:
        return UnreachableError(f"the gateway cannot serve: {text}. Try again shortly.")
    kind = str(answer.get("type") or "").rpartition(":")[2]
    if kind == "not-found":
        return RefusedError("there is no such thing, or it does not concern you. Look at the list.", kind)
    return RefusedError(text, kind)


def segment(identifier: str) -> str:
    """An id that somebody typed, as one segment of a path."""
    return quote(identifier, safe="")


def connect() -> Client:
    """A client for the settings in force and the token found. Raises what ``bearer`` and ``settings`` raise."""
    known = settings()
    return Client(known, bearer(known, os.environ).token)
