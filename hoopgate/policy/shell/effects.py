"""What the policy asks of a command line, a variable, a channel: it never fails, and is unknown where it must."""

from __future__ import annotations

from typing import Final, Literal

from hoopgate.policy.operations import Object, Operation
from hoopgate.policy.shell.environment import variable
from hoopgate.policy.shell.hosts import place
from hoopgate.policy.shell.syntax import Unreadable
from hoopgate.policy.shell.walk import walked

LoginShell = Literal["posix", "bash", "other"]

EMPTY: Final = Operation("session", "EMPTY", why="there is no command in the text")
SHELL: Final = Operation("execute", "SHELL", why="an interactive shell", part="shell")


def unreadable(reason: str) -> Operation:
    return Operation("unknown", "UNPARSABLE", why=reason, part="text")


def operations(text: str, shell: LoginShell = "posix", longest: int = 128 * 1024) -> tuple[Operation, ...]:
    """Every operation of ``ssh host text``, in order, each once. ``shell`` is what reads it: ``posix`` any of sh, dash,
    BusyBox and bash, in all of whose ways the text is read at once. ``longest``: characters.

    Costs some 30 µs a word, and is bounded.
    """
    if shell == "other":
        return (unreadable("the target's login shell is none whose commands are understood"),)
    if len(text) > longest:
        return (unreadable("the command is longer than limits.command"),)
    if text[:1] in ("-", "+"):
        return (unreadable("the login shell takes it for an option"),)  # it gets: -c text
    try:
        return walked(text, bash=shell == "bash") or (EMPTY,)
    except Unreadable as error:
        return (unreadable(error.reason),)
    except RecursionError:
        return (unreadable("it is nested too deeply"),)


def environment(name: str, value: str) -> Operation:
    """A variable that the client sets (``env`` request, RFC 4254 section 6.4)."""
    found = variable(name, value) if name.isidentifier() and name.isascii() else None
    return found or Operation("unknown", "ENV", (Object("", name, "variable"),), part="channel")


def forward(host: str, port: int) -> Operation:
    """A connection from the target to another host, or to a socket of its own (``port`` 0)."""
    return Operation("transfer", "FORWARD", (Object("", place(host, port), "host"),), part="forward")


def listen(host: str, port: int) -> Operation:
    """A port or socket of the target that leads to the client. An empty host is every address (RFC 4254, 7.1)."""
    name = place(host or "*", port) if port or host.startswith("/") else f"{host or '*'}:0"
    return Operation("transfer", "LISTEN", (Object("", name, "host"),), part="listen")


def subsystem(name: str) -> Operation:
    """A subsystem that no codec reads."""
    return Operation("unknown", "SUBSYSTEM", (Object("", name, "subsystem"),), part="channel")


def named(name: str, effect: Literal["agent", "display"]) -> Operation:
    """What reaches the client's own agent or display."""
    return Operation("transfer", name.upper(), part=effect)


def strange(name: str) -> Operation:
    """A channel or request that this release does not know."""
    return Operation("unknown", "CHANNEL", (Object("", name, "channel"),), part="channel")
