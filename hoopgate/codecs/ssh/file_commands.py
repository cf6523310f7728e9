"""The commands by which clients move files over SSH: ``scp -t``, ``rsync --server``, ``git-upload-pack`` and the like.

Clients make them, and so they have a narrow form: one command of plain words. Whatever has more in it (operators,
variables, substitutions) is not recognised here. What they may do is the policy's (``hoopgate.policy.shell``); here it
is only told which protocol flows in the channel.
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

from hoopgate.codecs.ssh.transfers import IN, OUT, Direction

Program = Literal["scp", "rsync", "sftp-server", "git"]

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%")
_GLOBS: Final = frozenset("*?[]")
_SPECIAL_IN_QUOTES: Final = frozenset('$`\\!"')
_GIT: Final[dict[str, Direction]] = {"git-upload-pack": OUT, "git-upload-archive": OUT, "git-receive-pack": IN}
_SFTP: Final = frozenset({"sftp-server", "internal-sftp"})
_SYSTEM: Final = ("", "/bin/", "/usr/bin/", "/usr/local/bin/", "/usr/lib/openssh/", "/usr/libexec/", "/usr/lib/ssh/",
                  "/usr/libexec/openssh/", "/opt/homebrew/bin/")  # fmt: skip


@frozen
class Word:
    """``glob``: the shell may make other words of it. ``home``: it began with a ``~`` that the shell expands."""

    text: str
    glob: bool = False
    home: bool = False


@frozen
class FileCommand:
    """``direction``: ``in`` to the target. ``paths`` are its arguments, as the target's shell gets them.

    ``tree``: whole directories may go. ``directory`` (scp): the path must be one.
    """

    program: Program
    direction: Direction
    paths: tuple[Word, ...]
    tree: bool = False
    directory: bool = False


def recognised(text: str) -> FileCommand | None:
    """What the command line moves; None if it is no such command."""
    words = split(text)
    if not words or words[0].glob or words[0].home:
        return None
    directory, _, name = words[0].text.rpartition("/")
    if (f"{directory}/" if directory else "") not in _SYSTEM:
        return None
    if name == "scp":
        return _scp(words[1:])
    if name == "rsync":
        return _rsync(words[1:])
    if name in _SFTP:
        return FileCommand("sftp-server", IN, ())
    if name == "git" and len(words) > 1 and f"git-{words[1].text}" in _GIT:
        return _git(f"git-{words[1].text}", words[2:])
    return _git(name, words[1:]) if name in _GIT else None


# --- words


def split(text: str) -> list[Word] | None:
    """The words of one simple command; None where a shell would do more than take quotes and backslashes away."""
    words: list[Word] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        found = _word(text, at)
        if found is None:
            return None
        word, at = found
        words.append(word)
    return words


def _word(text: str, at: int) -> tuple[Word, int] | None:
    parts: list[str] = []
    glob = home = False
    start = at
    while at < len(text) and text[at] not in " \t":
        char = text[at]
        if char in ("'", '"'):
            end = text.find(char, at + 1)
            inside = text[at + 1 : end]
            if end < 0 or (char == '"' and _SPECIAL_IN_QUOTES.intersection(inside)):
                return None
            parts.append(inside)
            at = end + 1
            continue
        if char == "\\":
            at += 1
            char = text[at : at + 1]
            if char in ("", "\n"):
                return None
        elif char in _GLOBS:
            glob = True
        elif char == "~" and at == start:
            home = True
        elif (char not in _PLAIN and ord(char) < 0x80) or (char == "=" and at == start):  # zsh: where that command is
            return None
        parts.append(char)
        at += 1
    return Word("".join(parts), glob, home), at


def _options(words: list[Word]) -> tuple[list[str], list[Word]]:
    """Those before the first word that is none, and the rest; ``--`` ends them."""
    for index, word in enumerate(words):
        if word.text == "--" and not word.glob:
            return [each.text for each in words[:index]], words[index + 1 :]
        if not word.text.startswith("-") or word.text == "-":
            return [each.text for each in words[:index]], words[index:]
    return [word.text for word in words], []


# --- programs


def _scp(words: list[Word]) -> FileCommand | None:
    """``scp [-v] [-r] [-p] [-d] -t|-f [--] PATH``, as OpenSSH's, dropbear's, PuTTY's and libssh2's clients ask."""
    options, paths = _options(words)
    letters = "".join(option[1:] for option in options)
    if not paths or set(letters) - set("vrpdtfq12346BC") or ("t" in letters) == ("f" in letters):
        return None
    direction: Direction = IN if "t" in letters else OUT
    if direction == IN and len(paths) > 1:
        return None
    return FileCommand("scp", direction, tuple(paths), tree="r" in letters, directory="d" in letters)


def _rsync(words: list[Word]) -> FileCommand | None:
    """``rsync --server [--sender] OPTIONS . PATH...`` (rsync's options.c, ``server_options``)."""
    if not words or words[0].text != "--server" or any(word.text == "--daemon" for word in words):
        return None
    options, rest = _options(words)
    paths = tuple(rest[1:] if rest[:1] and rest[0].text == "." else rest)
    return FileCommand("rsync", OUT if "--sender" in options else IN, paths, tree=True)


def _git(name: str, words: list[Word]) -> FileCommand | None:
    _, paths = _options(words)
    return FileCommand("git", _GIT[name], tuple(paths), tree=True)
