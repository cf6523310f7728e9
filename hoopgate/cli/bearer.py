"""The token that commands present: the environment's, a cached login's (refreshed in time), or the platform's."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from hoopgate.cli.claims import end_of
from hoopgate.cli.credentials import Credentials, CredentialsFile
from hoopgate.cli.problems import NoTokenError, RefusedError
from hoopgate.cli.settings import Settings, config_directory
from hoopgate.identity.workload import WorkloadError, WorkloadToken, ambient_token, explicit_token

_RESERVE = 60.0  # seconds that a token must still last, to survive the way and two clocks

NOTHING_FOUND = (
    "no token found. Run: hoopgate login --issuer URL --client-id ID  (a workload: set HOOPGATE_TOKEN or "
    "HOOPGATE_TOKEN_FILE)"
)


class Bearer(NamedTuple):
    """``expires`` is in epoch seconds, 0 if unknown; ``source`` says where the token came from."""

    token: str
    expires: float
    source: str

    def __repr__(self) -> str:
        return f"Bearer({self.source!r}, expires={self.expires!r})"


def bearer(settings: Settings, environ: Mapping[str, str] | None = None) -> Bearer:
    """A token to present now. Raises NoTokenError, RefusedError, UnreachableError, UnsafeError or SettingsError."""
    environ = os.environ if environ is None else environ
    try:
        found = explicit_token(environ)
        if found is not None:
            return _of_workload(found)
        cached = _cached(settings, environ)
        if cached is not None:
            return Bearer(cached.token, cached.expires, f"login at {cached.issuer}")
        audience = settings.audience or settings.client_id or "hoopgate"
        found = ambient_token(environ, audience, lambda url, headers: _web(settings).get(url, headers))
    except WorkloadError as error:
        raise NoTokenError(str(error)) from error
    if found is None:
        raise NoTokenError(NOTHING_FOUND)
    return _of_workload(found)


def _of_workload(found: WorkloadToken) -> Bearer:
    return Bearer(found.token, end_of(found.token), found.source)


def _web(settings: Settings) -> Any:
    from hoopgate.cli.web import Web  # only now: most tokens are found without any call

    return Web(settings.ca)


def _refreshed(settings: Settings, known: Credentials) -> Credentials:
    from hoopgate.cli.provider import refreshed

    return refreshed(_web(settings), known, settings.token)


def _is_current(known: Credentials) -> bool:
    return known.expires == 0 or known.expires - _RESERVE > time.time()


def _cached(settings: Settings, environ: Mapping[str, str]) -> Credentials | None:
    file = CredentialsFile(config_directory(environ))
    known = file.find(settings.issuer, settings.client_id)
    if known is None or _is_current(known):
        return known
    with file.locked():
        known = file.find(settings.issuer, settings.client_id)  # another process may have refreshed it meanwhile
        if known is None or _is_current(known):
            return known
        if not known.refresh_token:
            raise NoTokenError(f"the login at {known.issuer} has ended. Run: hoopgate login")
        try:
            fresh = _refreshed(settings, known)
        except RefusedError as error:
            if error.code != "invalid_grant":
                raise
            file.forget(known.issuer, known.client_id)
            raise NoTokenError(f"the login at {known.issuer} has ended. Run: hoopgate login") from error
        file.save(fresh)
        return fresh
