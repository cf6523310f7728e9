"""``hoopgate connect`` at work: find the gateway and a token, open the tunnel, relay standard input and output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from hoopgate.cli.bearer import bearer
from hoopgate.cli.link import Link, read_gate
from hoopgate.cli.problems import CommandError, NoTokenError, UnreachableError
from hoopgate.cli.settings import Settings, settings

PORT = 1  # what stands for a port that was not given: HTTP wants one, and the gateway looks at the name alone
INTERRUPTED = 130  # as shells report SIGINT


class Asked(NamedTuple):
    """``gate`` and ``ca`` beat the settings where they are not ""."""

    target: str
    port: int = PORT
    gate: str = ""
    ca: str = ""


def plain(arguments: Sequence[str]) -> Asked | None:
    """``TARGET [PORT] [--gate HOST:PORT] [--ca FILE]``; None for anything else, which click has to look at."""
    options: dict[str, str] = {}
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("--gate", "--ca"):
            options[name[2:]] = value if equals else next(rest, "")
        elif word.startswith("-"):
            return None
        else:
            words.append(word)
    if "" in options.values() or len(words) not in (1, 2) or not _is_target(words[0]):
        return None
    if not all(map(_is_port, words[1:])):
        return None
    port = int(words[1]) if len(words) > 1 else PORT
    return Asked(words[0], port, options.get("gate", ""), options.get("ca", ""))


def _is_target(word: str) -> bool:
    return 0 < len(word) < 64 and word.isascii() and word.replace("-", "").replace("_", "").replace(".", "").isalnum()


def _is_port(word: str) -> bool:
    return word.isascii() and word.isdigit() and 0 < len(word) < 6 and 0 < int(word) < 65536


def run(asked: Asked) -> int:
    """Serve one client on standard input and output; the exit code."""
    from hoopgate.cli.relay import relay

    try:
        link, early = opened(asked)
        try:
            relay(link, 0, 1, early)
        except OSError as error:
            raise UnreachableError(f"the connection to the gateway broke: {error.strerror or error}") from error
        finally:
            link.close()
    except CommandError as error:
        sys.stderr.write(f"hoopgate: {error.message}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def opened(asked: Asked) -> tuple[Link, bytes]:
    """A link to the target, and what came over it already. Raises CommandError."""
    known = settings()
    known = known._replace(gate=asked.gate or known.gate, ca=asked.ca or known.ca)
    token = _token(known)
    gate = read_gate(known.gate or _asked_for(known, token))
    link = Link(gate, known.ca)
    try:
        return link, link.open(asked.target, asked.port, token)
    except BaseException:
        link.close()
        raise


def _token(known: Settings) -> str:
    """A token that is found, or that a person gets now: there is a terminal, and we know where to log in."""
    try:
        return bearer(known, os.environ).token
    except NoTokenError:
        if not (known.issuer and known.client_id and sys.stderr.isatty()):
            raise
    from rich.console import Console

    from hoopgate.cli.login import log_in_and_keep

    return log_in_and_keep(known, Console(stderr=True)).token


def _asked_for(known: Settings, token: str) -> str:
    """The gate as the API tells it."""
    from hoopgate.cli.client import Client
    from hoopgate.cli.reach import read_reach

    return read_reach(known, Client(known, token).read("/v1/targets")).gate
