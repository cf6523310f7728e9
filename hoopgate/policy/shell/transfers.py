"""Command lines by which clients move files over SSH: scp, rsync, git, sftp's server, and what they do.

The client's program chooses these words, not a person: they are read as the servers read them, strictly. What flows
is then the codecs' part (``hoopgate.codecs.ssh``), which know each file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from attrs import evolve, frozen

from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.options import options, taken
from hoopgate.policy.shell.paths import files
from hoopgate.policy.shell.values import Value

Direction = Literal["in", "out"]
"""``in``: files to the target's host; ``out``: from it."""


@frozen
class Transfer:
    """What a server's command line moves. ``paths`` are on the target's host, as written. ``deletes``: files there may
    go, too."""

    program: Literal["scp", "rsync", "git", "sftp"]
    direction: Direction | None
    paths: tuple[Value, ...]
    recursive: bool = False
    deletes: bool = False
    written: tuple[Value, ...] = ()
    compared: tuple[Value, ...] = ()


_SCP: Final = options("-f -t -r -p -d -v -q")
_RSYNC_LONG: Final = re.compile(
    r"--(?:server|sender|delete(?:-before|-during|-after|-delay|-excluded|-missing-args)?|force|ignore-errors|partial|"
    r"inplace|append|append-verify|existing|ignore-existing|ignore-non-existing|size-only|numeric-ids|no-implied-dirs|"
    r"safe-links|copy-links|copy-unsafe-links|munge-links|keep-dirlinks|stats|no-r|dirs|old-dirs|fsync|checksum|"
    r"update|delay-updates|prune-empty-dirs|no-inc-recursive|no-W|whole-file|one-file-system|compress|new-compress|"
    r"old-compress|preallocate|mkpath|fuzzy|trust-sender|secluded-args|list-only|no-relative|relative|omit-dir-times|"
    r"omit-link-times|super|fake-super|sparse|hard-links|usermap=\S*|groupmap=\S*|timeout=\d+|max-size=\w+|"
    r"min-size=\w+|modify-window=\S+|bwlimit=\S+|block-size=\d+|compress-level=\d+|compress-choice=\w+|"
    r"checksum-choice=\w+|max-delete=\d+|skip-compress=\S*|checksum-seed=\d+|info=\S*|debug=\S*|log-format=\S*|"
    r"out-format=\S*|iconv=\S*|protocol=\d+|remove-source-files|no-\w[\w-]*|zc=\w+|zl=\d+|stop-after=\d+)"
)
_WRITTEN: Final = ("--temp-dir", "--partial-dir", "--backup-dir")
_COMPARED: Final = ("--link-dest", "--copy-dest", "--compare-dest")
_GIT: Final[Mapping[str, Direction]] = {
    "git-upload-pack": "out",
    "git-receive-pack": "in",
    "git-upload-archive": "out",
}


def recognised(call: Call) -> Transfer | None:
    """The transfer that a server's command line begins; None where it is none, or holds what is not known."""
    if call.name == "scp":
        return _scp(call)
    if call.name == "rsync":
        return _rsync(call)
    if call.name in _GIT:
        return _git(call)
    if call.name.rpartition("/")[2] == "sftp-server" and not call.arguments:
        return Transfer("sftp", None, ())
    return None


def _scp(call: Call) -> Transfer | None:
    """``scp -t path`` receives, ``scp -f path...`` sends (OpenSSH, scp.c)."""
    line = taken(call.arguments, _SCP)
    receives, sends = line.has("-t"), line.has("-f")
    if line.strange or receives == sends or not line.operands or (receives and len(line.operands) > 1):
        return None
    return Transfer("scp", "in" if receives else "out", tuple(line.operands), line.has("-r"))


def _rsync(call: Call) -> Transfer | None:
    """``rsync --server [--sender] -flags . path...`` (rsync, options.c, server_options)."""
    words = list(call.arguments)
    if not words or words[0].text != "--server":
        return None
    sends = deletes = recursive = False
    places: tuple[list[Value], list[Value]] = ([], [])
    while words and words[0].text.startswith("-"):
        value = words.pop(0)
        if not value.exact or not _rsync_option(value.text):
            return None
        name, equals, rest = value.text.partition("=")
        if name in (*_WRITTEN, *_COMPARED):
            place = Value(rest) if equals else words.pop(0) if words else None
            if place is None or not place.exact:
                return None
            places[name in _COMPARED].append(place)
        sends = sends or value.text == "--sender"
        deletes = deletes or value.text.startswith("--delete") or (value.text == "--remove-source-files")
        short = not value.text.startswith("--")
        recursive = recursive or (short and "r" in value.text.partition("e")[0])
    if not words or words[0].text != "." or any(value.option for value in words[1:]):
        return None
    written, compared = [_beside(found, words[1:]) for found in places]
    return Transfer("rsync", "out" if sends else "in", tuple(words[1:]), recursive, deletes, written, compared)


def _beside(places: Sequence[Value], paths: Sequence[Value]) -> tuple[Value, ...]:
    """Directories that rsync's options name: relative ones stand in the destination, or beside it if it is a file."""
    found = []
    for place in places:
        if place.text.startswith("/"):
            found.append(place)
        else:
            found += [evolve(path, text=f"{path.text}/{way}{place.text}") for path in paths for way in ("", "../")]
    return tuple(found)


def _rsync_option(text: str) -> bool:
    if not text.startswith("--"):
        return re.fullmatch(r"-[a-zA-Z0-9]*(?:e[\w.]*)?(?:[\w.]*)", text) is not None
    return text.partition("=")[0] in (*_WRITTEN, *_COMPARED) or _RSYNC_LONG.fullmatch(text) is not None


def _git(call: Call) -> Transfer | None:
    line = taken(call.arguments, options("--strict --no-strict --timeout= --stateless-rpc --advertise-refs"))
    if line.strange or len(line.operands) != 1:
        return None
    return Transfer("git", _GIT[call.name], tuple(line.operands))


def _judge(call: Call) -> None:
    transfer = recognised(call)
    if transfer is None:
        call.dynamic("its options may run programs, or are not known")
        return
    things = files(transfer.paths, call.finder.directories)
    if transfer.direction is None:
        call.dynamic("a server whose requests nobody reads: use the subsystem sftp")
        return
    call.add(f"transfer.{transfer.direction}", things)
    if transfer.direction == "out":
        call.add("read", things)
    else:
        call.add("write", things)
    if transfer.written:
        call.add("write", files(transfer.written, call.finder.directories))
    if transfer.compared:
        call.add("read", files(transfer.compared, call.finder.directories))
    if transfer.deletes:
        call.add("delete", things, bounded=False)


def server(call: Call) -> bool:
    """Is the command line one of a server, and judged now?"""
    words = [value.text for value in call.arguments]
    if call.name == "rsync" and "--server" in words:
        _judge(call)
        return True
    if call.name == "scp" and any(re.fullmatch(r"-[a-z]*[ft][a-z]*", word) for word in words):
        _judge(call)
        return True
    return False


JUDGES: Final[Mapping[str, Judge]] = dict.fromkeys(
    (
        *_GIT,
        "sftp-server",
        "/usr/lib/openssh/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/lib/ssh/sftp-server",
    ),
    _judge,
)
