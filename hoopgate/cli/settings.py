"""What the command line knows of its surroundings: the environment first, then ``cli.toml``.

The file is ``$XDG_CONFIG_HOME/hoopgate/cli.toml`` (``~/.config/hoopgate/cli.toml``); every key of
:class:`Settings` is a key of the file, and ``HOOPGATE_`` plus its upper-case name is its variable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hoopgate.cli.problems import CommandError
from hoopgate.identity.urls import is_loopback

DEFAULT_API = "https://127.0.0.1:8443"


class SettingsError(CommandError):
    """The settings cannot be used; the text says where and what to write instead. Exit code 2."""

    exit_code = 2


class Settings(NamedTuple):
    """``issuer`` and ``client_id``: where and as which client people log in. ``api``: the gateway's HTTPS API.

    ``gate``: where its CONNECT listener is, ``HOST:PORT``, "" to ask the API each time.
    ``ca``: a PEM file with the authorities to trust for all of them, "" for the system's. ``audience``: what a
    workload asks its platform's token for ("": the client id, or ``hoopgate``). ``token``: which of the
    provider's tokens is shown to the gateway, ``id_token`` or ``access_token``. ``scopes``: what a login asks for.
    """

    issuer: str = ""
    client_id: str = ""
    api: str = DEFAULT_API
    ca: str = ""
    audience: str = ""
    token: str = "id_token"  # noqa: S105 - the kind of token, not one
    scopes: str = "openid email offline_access"
    gate: str = ""


# HOOPGATE_TOKEN holds a token itself, so this one key has another variable.
VARIABLES = {name: f"HOOPGATE_{name.upper()}" for name in Settings._fields} | {"token": "HOOPGATE_TOKEN_KIND"}


def config_directory(environ: Mapping[str, str] | None = None) -> Path:
    """``$XDG_CONFIG_HOME/hoopgate``, or ``~/.config/hoopgate`` (XDG Base Directory: relative values are ignored)."""
    environ = os.environ if environ is None else environ
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".config") / "hoopgate"


def check_url(url: str, key: str) -> str:
    """The URL itself, if tokens may travel to it: https, or http on loopback alone."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and is_loopback(url):
        return url
    raise SettingsError(f"{key} is {url!r}, over which no token may travel. Write an https:// address.")


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Correct it or take it away.") from error
    import tomllib  # only now: there is something to read

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} cannot be read: {error}. Correct it or take it away.") from error
    for key, value in values.items():
        if key not in VARIABLES:
            raise SettingsError(f"{path}: unknown key {key!r}. Known are {', '.join(sorted(VARIABLES))}.")
        if not isinstance(value, str):
            raise SettingsError(f"{path}: {key} must be a string. Put its value in quotes.")
    return values


def settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force; each variable of the environment beats the file's key. Raises SettingsError."""
    environ = os.environ if environ is None else environ
    values = _read(config_directory(environ) / "cli.toml")
    values |= {key: environ[name] for key, name in VARIABLES.items() if environ.get(name)}
    found = Settings(**values)
    if found.token not in ("id_token", "access_token"):
        raise SettingsError(f"token is {found.token!r}. Write id_token or access_token.")
    for key in ("issuer", "api"):
        if getattr(found, key):
            check_url(getattr(found, key), key)
    return found
