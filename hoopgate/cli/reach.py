"""What the API says of the gateway's ports, as commands use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hoopgate.cli.problems import RefusedError, UnreachableError
from hoopgate.cli.settings import Settings


def gate_of(known: Settings, answer: Mapping[str, Any]) -> str:
    """The CONNECT listener, ``HOST:PORT``, from the answer of ``GET /v1/targets``; its host is the API's.

    Raises RefusedError where the gateway has none that a client elsewhere could use.
    """
    try:
        listening = [each for each in answer["listeners"] if each["protocol"] == "connect"]
        ports = [int(each["port"]) for each in listening if not each["plaintext"]]
    except (KeyError, TypeError, ValueError):
        raise UnreachableError(f"{known.api} gives no list of listeners. Check the api setting.") from None
    if not ports:
        raise RefusedError('the gateway has no CONNECT listener (protocol = "connect"). Ask its operators for one.')
    host = urlsplit(known.api).hostname or ""
    return f"[{host}]:{ports[0]}" if ":" in host else f"{host}:{ports[0]}"
