"""Blocking HTTPS for commands: JSON both ways, verified, bounded, never redirected. Not for the service."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from hoopgate.cli.problems import UnreachableError, printable
from hoopgate.cli.settings import SettingsError, check_url
from hoopgate.identity.strict import json_object
from hoopgate.identity.urls import is_loopback

_TIMEOUT = 15.0  # seconds
_LONGEST = 8 * 1024 * 1024  # bytes of an answer: the longest statement that can be held, all of it escaped, fits


class _NoRedirect(HTTPRedirectHandler):
    # A redirect would carry a token to wherever the answer says.
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Web:
    """``ca`` is a PEM file with the only authorities to trust, "" for the system's."""

    def __init__(self, ca: str = "") -> None:
        try:
            self._context = ssl.create_default_context(cafile=ca or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"ca {ca!r} cannot be read: {error}. Name a PEM file with certificates.") from error

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of the answer. Raises UnreachableError, or SettingsError for an unfit URL."""
        return self._send(Request(check_url(url, "the address"), headers=dict(headers or {})))  # noqa: S310 - checked

    def post(
        self, url: str, form: Mapping[str, str] | list[tuple[str, str]], headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The same for a form."""
        data = urlencode(form).encode("ascii")
        return self._send(Request(check_url(url, "the address"), data, dict(headers or {})))  # noqa: S310 - checked

    def _send(self, request: Request) -> tuple[int, dict[str, Any]]:
        request.add_header("Accept", "application/json")
        where = urlsplit(request.full_url).netloc
        try:
            with self._opener(request.full_url).open(request, timeout=_TIMEOUT) as response:
                status, body = response.status, response.read(_LONGEST + 1)
        except HTTPError as error:
            with error:
                status, body = error.code, error.read(_LONGEST + 1)
        except (URLError, OSError, HTTPException) as error:
            reason = printable(str(getattr(error, "reason", "") or error))
            raise UnreachableError(
                f"{where} does not answer: {reason}. Check the address, the network and ca."
            ) from error
        if len(body) > _LONGEST:
            raise UnreachableError(f"{where} answers with more than {_LONGEST} bytes. Check the address.")
        try:
            return status, json_object(body)
        except ValueError:
            raise UnreachableError(f"{where} answers {status} without JSON. Check the address.") from None

    def _opener(self, url: str) -> OpenerDirector:
        proxies = [ProxyHandler({})] if is_loopback(url) else []
        return build_opener(HTTPSHandler(context=self._context), _NoRedirect(), *proxies)
