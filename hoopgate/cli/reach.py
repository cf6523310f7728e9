"""What the API says of targets and of the gateway's ports, as commands use it: checked, since files are made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hoopgate.cli.problems import RefusedError, UnreachableError
from hoopgate.cli.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_KEY = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{16,8192}={0,2}")


class Target(NamedTuple):
    """A target that may be opened, in one of ``roles``."""

    name: str
    protocol: str
    roles: tuple[str, ...]


class Listener(NamedTuple):
    """A port of the gateway; ``host_keys`` are what it shows to SSH's clients, as ``known_hosts`` has keys."""

    protocol: str
    port: int
    plaintext: bool
    host_keys: tuple[str, ...]


class Reach(NamedTuple):
    """The answer of ``GET /v1/targets``; ``host`` is the API's."""

    host: str
    targets: tuple[Target, ...]
    listeners: tuple[Listener, ...]

    @property
    def gate(self) -> str:
        """The CONNECT listener, ``HOST:PORT``. Raises RefusedError where a client elsewhere could use none."""
        return at(self.host, self._first("connect").port)

    def _first(self, protocol: str) -> Listener:
        for listener in self.listeners:
            if listener.protocol == protocol and not listener.plaintext:
                return listener
        raise RefusedError(f'the gateway has no listener with protocol = "{protocol}". Ask its operators for one.')

    @property
    def tunnel_keys(self) -> tuple[str, ...]:
        """The host keys that SSH's clients see behind ``gate``."""
        return self._first("connect").host_keys

    @property
    def ssh(self) -> Listener | None:
        """The listener for SSH without CONNECT, if there is one."""
        return next((listener for listener in self.listeners if listener.protocol == "ssh"), None)


def read_reach(known: Settings, answer: Mapping[str, Any]) -> Reach:
    """Raises UnreachableError for an answer that is none."""
    try:
        targets = [Target(_name(each["name"]), _name(each["protocol"]), tuple(map(_name, each["roles"])))
                   for each in answer["targets"]]  # fmt: skip
        listeners = [Listener(_name(each["protocol"]), _port(each["port"]), each["plaintext"] is True,
                              tuple(map(_key, each["host_keys"]))) for each in answer["listeners"]]  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise UnreachableError(f"{known.api} gives no list of targets. Check the api setting.") from None
    return Reach(urlsplit(known.api).hostname or "", tuple(targets), tuple(listeners))


def at(host: str, port: int) -> str:
    """``HOST:PORT``, in brackets where the host is an address of IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("no name")
    return value


def _port(value: object) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise ValueError("no port")
    return value


def _key(value: object) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError("no key")
    return value
