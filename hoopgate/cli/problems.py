"""How commands fail: one exit code a kind of trouble, and a text that says what to do.

======  ==========================================================================
code    meaning
======  ==========================================================================
0       done
1       the command failed in another way
2       wrong usage or settings
3       no token: log in (or the login has ended)
4       refused: by the person, the identity provider or the gateway
5       unreachable: the identity provider or the gateway did not answer
6       unsafe: a file or directory of ours is open to others
======  ==========================================================================
"""

from __future__ import annotations

EXIT_CODES = (
    "Exit codes: 0 done, 2 usage or settings, 3 no token (log in), 4 refused, 5 unreachable, 6 unsafe file modes."
)


class CommandError(Exception):
    """A command failed: ``message`` is for the person, ``exit_code`` for programs.

    It is no exception of click's, whose import alone takes longer than what ``hoopgate connect`` has to do;
    ``hoopgate.cli.main`` hands it to click.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NoTokenError(CommandError):
    """There is no token, or the login has ended."""

    exit_code = 3


class RefusedError(CommandError):
    """Somebody said no. ``code`` is the OAuth error, where there is one."""

    exit_code = 4

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class UnreachableError(CommandError):
    """No answer, or none that makes sense."""

    exit_code = 5


class UnsafeError(CommandError):
    """Others could read or change what only we may."""

    exit_code = 6


def printable(text: str) -> str:
    """Text of somebody else's, fit for a terminal: control characters could rewrite what was printed before."""
    return "".join(character if character.isprintable() else "?" for character in text)
