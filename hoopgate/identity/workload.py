"""A workload's token, found where its platform puts it: nobody logs in, nothing is configured.

In this order: ``HOOPGATE_TOKEN``, the file that ``HOOPGATE_TOKEN_FILE`` names, GitHub Actions (with
``permissions: id-token: write``), a Kubernetes projected service-account token.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from hoopgate.errors import HoopgateError

Get = Callable[[str, Mapping[str, str]], tuple[int, dict[str, Any]]]
"""GET with headers: status and JSON answer. What it raises passes through."""

# The first is where the documentation mounts a token made for the gateway's audience, the second is what
# Kubernetes mounts by itself (made for its own API server's audience, unless the cluster says otherwise).
KUBERNETES_FILES: Final = (
    Path("/var/run/secrets/hoopgate/token"),
    Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
)
_LONGEST = 64 * 1024


class WorkloadError(HoopgateError):
    """A place was named, but holds no token; the text says which and what to do."""


class WorkloadToken(NamedTuple):
    """``source`` says where it was found, for messages."""

    token: str
    source: str

    def __repr__(self) -> str:
        return f"WorkloadToken({self.source!r})"


def explicit_token(environ: Mapping[str, str]) -> WorkloadToken | None:
    """What the environment names outright, if it does: this beats a cached login. Raises WorkloadError."""
    if environ.get("HOOPGATE_TOKEN"):
        return WorkloadToken(_checked(environ["HOOPGATE_TOKEN"], "HOOPGATE_TOKEN"), "HOOPGATE_TOKEN")
    if environ.get("HOOPGATE_TOKEN_FILE"):
        return _from_file(Path(environ["HOOPGATE_TOKEN_FILE"]), "HOOPGATE_TOKEN_FILE")
    return None


def ambient_token(
    environ: Mapping[str, str], audience: str, get: Get, files: tuple[Path, ...] = KUBERNETES_FILES
) -> WorkloadToken | None:
    """What the platform offers, if it does. ``audience`` is what the token should be for. Raises WorkloadError."""
    if environ.get("ACTIONS_ID_TOKEN_REQUEST_URL") and environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        return _from_github(environ, audience, get)
    for path in files:
        if path.exists():
            return _from_file(path, "Kubernetes")
    return None


def workload_token(
    environ: Mapping[str, str], audience: str, get: Get, files: tuple[Path, ...] = KUBERNETES_FILES
) -> WorkloadToken | None:
    """The first that is found, or None. Raises WorkloadError."""
    return explicit_token(environ) or ambient_token(environ, audience, get, files)


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise WorkloadError(f"{where} holds no token. Put exactly one token into it.")
    return token


def _from_file(path: Path, source: str) -> WorkloadToken:
    try:
        with path.open("rb") as file:
            # Never more than a token's length: the name may be of anything, even of a device.
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise WorkloadError(
            f"{source}: {path} cannot be read: {error.strerror}. Correct the path or the mount."
        ) from None
    if len(content) > _LONGEST:
        raise WorkloadError(f"{source}: {path} is longer than any token. Name the file that holds the token alone.")
    return WorkloadToken(_checked(os.fsdecode(content), f"{source}: {path}"), f"{source} ({path})")


def _from_github(environ: Mapping[str, str], audience: str, get: Get) -> WorkloadToken:
    url = environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    separator = "&" if urlsplit(url).query else "?"
    headers = {"Authorization": f"Bearer {environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    status, answer = get(f"{url}{separator}audience={quote(audience, safe='')}", headers)
    value = answer.get("value")
    if status != 200 or not isinstance(value, str):
        raise WorkloadError(f"GitHub Actions answers {status} without a token. Give the job `id-token: write`.")
    return WorkloadToken(_checked(value, "GitHub Actions"), "GitHub Actions")
