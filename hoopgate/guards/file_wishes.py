"""What a request of SFTP wants to do with files, once it is known which files its names mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.paths import shown
from hoopgate.codecs.ssh.sftp_packets import Request
from hoopgate.policy.files import Wish, does, linking, renaming
from hoopgate.policy.operations import Object, Operation

_VERBS: Final = {
    "opendir": "list",
    "stat": "stat",
    "lstat": "stat",
    "statvfs@openssh.com": "stat",
    "readlink": "readlink",
    "mkdir": "mkdir",
    "remove": "remove",
    "rmdir": "rmdir",
}
RENAMES: Final = frozenset({"rename", "posix-rename@openssh.com"})
_LINKS: Final = frozenset({"symlink", "hardlink@openssh.com"})
_ATTRIBUTES: Final = frozenset({"setstat", "fsetstat", "lsetstat@openssh.com"})
NAMING: Final = frozenset({
    "realpath", "expand-path@openssh.com", "home-directory", "limits@openssh.com", "users-groups-by-id@openssh.com",
})  # fmt: skip
"""Requests that tell what things are called, and how the server is: part of having a session."""

ITSELF: Final = frozenset({"lstat", "readlink", "remove", "rmdir", "mkdir", "lsetstat@openssh.com"}) | RENAMES | _LINKS
"""Requests that mean a link itself, and not what it leads to."""


def wish(request: Request, first: Sequence[Object], second: Sequence[Object], *, tree: bool = True) -> Wish:
    """``first`` and ``second`` are what the request's paths mean: one file, but for links (see ``sftp_names``).

    ``tree``: what is renamed is a directory, or may be one.
    """
    name = request.name
    text = described(request, first, second)
    if not request.known:
        return Wish(text, does("other", (Object("", f"sftp {name}", "subsystem"),)))
    if name in NAMING:
        return Wish(text, does("realpath", ()))
    if name == "open":
        return _open(request, text, first)
    if name in RENAMES:
        return renaming(text, first[0], second[0], tree=tree)
    if name in _LINKS:
        return linking(text, first, second, tree=name == "symlink")
    if name in _ATTRIBUTES:
        return _attributes(request, text, first)
    return Wish(text, does(_VERBS[name], first))


def described(request: Request, first: Sequence[Object], second: Sequence[Object]) -> str:
    """As an approver and the recording see it: ``sftp put /srv/in/report.csv``."""
    verb = request.name.partition("@")[0]
    if request.name == "open":
        verb = {1: "get", 2: "put", 3: "open to read and write"}.get(request.flags & 3, "open")
    names = [
        str(things[0]) if things else shown(raw) for things, raw in ((first, request.path), (second, request.second))
    ]
    return " ".join(["sftp", verb, *(name for name in names if name)])


def _open(request: Request, text: str, things: Sequence[Object]) -> Wish:
    flags = request.flags
    if not flags & (packets.FOR_READING | packets.FOR_WRITING):
        flags |= packets.FOR_READING | packets.FOR_WRITING  # what a server makes of it is not known
    found = does("get", things) if flags & packets.FOR_READING else ()
    if flags & (packets.FOR_WRITING | packets.APPENDING | packets.CREATING | packets.TRUNCATING):
        found += does("put", things)
    return Wish(text, (*found, *_rights(request, things, new=True)))


def _attributes(request: Request, text: str, things: Sequence[Object]) -> Wish:
    found = does("truncate", things) if request.attributes.size is not None else ()
    return Wish(text, (*found, *_rights(request, things, new=False)))


def _rights(request: Request, things: Sequence[Object], *, new: bool) -> tuple[Operation, ...]:
    """What setting the attributes is. A ``new`` file has a mode without saying."""
    attributes = request.attributes
    found = does("setstat", things) if not new or attributes.owner or attributes.more else ()
    return (*found, *(does("setuid", things) if (attributes.mode or 0) & packets.SPECIAL else ()))


def belongs(request: Request) -> bool:
    """Whether attributes that are set through a handle are but those of the file that is being written."""
    attributes = request.attributes
    return not (attributes.owner or attributes.more or (attributes.mode or 0) & packets.SPECIAL)
