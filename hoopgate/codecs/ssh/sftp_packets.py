"""Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) and of OpenSSH's extensions (its file PROTOCOL, section 4).

Here a packet is what follows its length word: a type byte, a request id (but in INIT and VERSION) and fields.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from attrs import frozen

from hoopgate.errors import RemoteProtocolError

VERSION: Final = 3

INIT: Final = 1
VERSION_REPLY: Final = 2
OPEN: Final = 3
CLOSE: Final = 4
READ: Final = 5
WRITE: Final = 6
LSTAT: Final = 7
FSTAT: Final = 8
SETSTAT: Final = 9
FSETSTAT: Final = 10
OPENDIR: Final = 11
READDIR: Final = 12
REMOVE: Final = 13
MKDIR: Final = 14
RMDIR: Final = 15
REALPATH: Final = 16
STAT: Final = 17
RENAME: Final = 18
READLINK: Final = 19
SYMLINK: Final = 20
STATUS: Final = 101
HANDLE: Final = 102
DATA: Final = 103
NAME: Final = 104
ATTRS: Final = 105
EXTENDED: Final = 200
EXTENDED_REPLY: Final = 201

NAMES: Final = {
    OPEN: "open", CLOSE: "close", READ: "read", WRITE: "write", LSTAT: "lstat", FSTAT: "fstat", SETSTAT: "setstat",
    FSETSTAT: "fsetstat", OPENDIR: "opendir", READDIR: "readdir", REMOVE: "remove", MKDIR: "mkdir", RMDIR: "rmdir",
    REALPATH: "realpath", STAT: "stat", RENAME: "rename", READLINK: "readlink", SYMLINK: "symlink",
}  # fmt: skip
"""Requests by their types; an extended one has its own name."""

# pflags of OPEN
FOR_READING: Final = 0x01
FOR_WRITING: Final = 0x02
APPENDING: Final = 0x04
CREATING: Final = 0x08
TRUNCATING: Final = 0x10
EXCLUSIVE: Final = 0x20

# codes of STATUS
OK: Final = 0
EOF: Final = 1
NO_SUCH_FILE: Final = 2
PERMISSION_DENIED: Final = 3
FAILURE: Final = 4
OP_UNSUPPORTED: Final = 8

LONGEST_HANDLE: Final = 256  # bytes; "The length of the handle string MUST NOT exceed 256 data bytes"
LONGEST_PATH: Final = 16 * 1024  # bytes: over any system's PATH_MAX
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x01, 0x02, 0x04, 0x08, 0x80000000
_KIND: Final = 0o170000  # of a mode (stat(2))
_DIRECTORY: Final = 0o040000
SPECIAL: Final = 0o6000  # of a mode: setuid and setgid


@frozen
class Attributes:
    """What an ATTRS structure says; None and False where it says nothing. ``more``: names of extended attributes."""

    size: int | None = None
    owner: bool = False
    mode: int | None = None
    times: bool = False
    more: tuple[bytes, ...] = ()

    @property
    def directory(self) -> bool | None:
        """Whether it is one; None where that is not said."""
        return None if self.mode is None or not self.mode & _KIND else self.mode & _KIND == _DIRECTORY


@frozen
class Request:
    """One request of the client's.

    ``name`` is lower case ("open") or the extension's own; ``known``: it is one that this module reads. ``path`` and
    ``second`` are as they came. ``offset`` and ``length`` are of READ and WRITE (the data's), ``flags`` OPEN's.
    """

    kind: int
    id: int
    name: str
    path: bytes = b""
    second: bytes = b""
    handle: bytes = b""
    flags: int = 0
    offset: int = 0
    length: int = 0
    attributes: Attributes = Attributes()
    known: bool = True


class Cursor:
    """Reads fields one after the other. Raises RemoteProtocolError where there are too few bytes, or too many."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def byte(self) -> int:
        return self._take(1)[0]

    def uint32(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def uint64(self) -> int:
        return int.from_bytes(self._take(8), "big")

    def string(self, longest: int = LONGEST_PATH) -> bytes:
        size = self.uint32()
        if size > longest:
            raise RemoteProtocolError(f"a string of an SFTP packet is longer than {longest} bytes")
        return self._take(size)

    def path(self) -> bytes:
        found = self.string()
        if b"\0" in found:  # where a server's own language would end it
            raise RemoteProtocolError("a path of an SFTP packet holds a NUL")
        return found

    def attributes(self) -> Attributes:
        flags = self.uint32()
        if flags & ~(_HAS_SIZE | _HAS_OWNER | _HAS_MODE | _HAS_TIMES | _HAS_MORE):
            raise RemoteProtocolError("attributes of an SFTP packet have flags that version 3 does not know")
        size = self.uint64() if flags & _HAS_SIZE else None
        if flags & _HAS_OWNER:
            self._take(8)
        mode = self.uint32() if flags & _HAS_MODE else None
        if flags & _HAS_TIMES:
            self._take(8)
        more: list[bytes] = []
        if flags & _HAS_MORE:
            for _ in range(self.uint32()):
                more.append(self.string())
                self.string()
        return Attributes(size, bool(flags & _HAS_OWNER), mode, bool(flags & _HAS_TIMES), tuple(more))

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def end(self) -> None:
        if self.left:
            raise RemoteProtocolError("an SFTP packet has bytes behind its end")

    def _take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise RemoteProtocolError("an SFTP packet ends before its fields do")
        return self._data[start : self._at]


# --- requests

_Fields = Callable[[Cursor], dict[str, object]]


def _open(cursor: Cursor) -> dict[str, object]:
    return {"path": cursor.path(), "flags": cursor.uint32(), "attributes": cursor.attributes()}


def _path(cursor: Cursor) -> dict[str, object]:
    return {"path": cursor.path()}


def _two_paths(cursor: Cursor) -> dict[str, object]:
    return {"path": cursor.path(), "second": cursor.path()}


def _path_attributes(cursor: Cursor) -> dict[str, object]:
    return {"path": cursor.path(), "attributes": cursor.attributes()}


def _handle(cursor: Cursor) -> dict[str, object]:
    return {"handle": cursor.string(LONGEST_HANDLE)}


def _handle_attributes(cursor: Cursor) -> dict[str, object]:
    return {"handle": cursor.string(LONGEST_HANDLE), "attributes": cursor.attributes()}


def _read(cursor: Cursor) -> dict[str, object]:
    return {"handle": cursor.string(LONGEST_HANDLE), "offset": cursor.uint64(), "length": cursor.uint32()}


def _copy(cursor: Cursor) -> dict[str, object]:
    """From ``handle`` to the handle in ``second``; ``offset`` is where it reads."""
    found = {"handle": cursor.string(LONGEST_HANDLE), "offset": cursor.uint64(), "length": cursor.uint64()}
    found["second"] = cursor.string(LONGEST_HANDLE)
    cursor.uint64()
    return found


def _nothing(cursor: Cursor) -> dict[str, object]:
    return {}


def _identifiers(cursor: Cursor) -> dict[str, object]:
    cursor.string()
    cursor.string()
    return {}


_READERS: Final[dict[int, _Fields]] = {
    OPEN: _open, CLOSE: _handle, READ: _read, WRITE: _read, LSTAT: _path, FSTAT: _handle, SETSTAT: _path_attributes,
    FSETSTAT: _handle_attributes, OPENDIR: _path, READDIR: _handle, REMOVE: _path, MKDIR: _path_attributes,
    RMDIR: _path, REALPATH: _path, STAT: _path, RENAME: _two_paths, READLINK: _path, SYMLINK: _two_paths,
}  # fmt: skip

EXTENSIONS: Final[dict[str, _Fields]] = {
    "copy-data": _copy,
    "expand-path@openssh.com": _path,
    "fstatvfs@openssh.com": _handle,
    "fsync@openssh.com": _handle,
    "hardlink@openssh.com": _two_paths,
    "home-directory": _path,
    "limits@openssh.com": _nothing,
    "lsetstat@openssh.com": _path_attributes,
    "posix-rename@openssh.com": _two_paths,
    "statvfs@openssh.com": _path,
    "users-groups-by-id@openssh.com": _identifiers,
}
"""The extensions that are let through, and their fields."""


def parse_request(packet: bytes) -> Request:
    """One request; of a WRITE, whatever comes before its data. Raises RemoteProtocolError."""
    kind = packet[0]
    cursor = Cursor(packet, 1)
    number = cursor.uint32()
    if kind == EXTENDED:
        name = cursor.string(1024).decode("utf-8", "replace")
        fields = EXTENSIONS.get(name)
        if fields is None:
            return Request(kind, number, name, known=False)
    elif kind in _READERS:
        name, fields = NAMES[kind], _READERS[kind]
    else:
        # A type of later versions: its id stands where all have theirs.
        return Request(kind, number, f"type {kind}", known=False)
    found = fields(cursor)
    cursor.end()
    return Request(kind, number, name, **found)  # type: ignore[arg-type]


def parse_init(packet: bytes) -> int:
    """The version that the client offers. What follows (extensions, of later drafts) is not looked at."""
    return Cursor(packet, 1).uint32()


# --- answers


def parse_version(packet: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """The target's version, and its extensions with their data."""
    cursor = Cursor(packet, 1)
    version = cursor.uint32()
    extensions = []
    while cursor.left:
        extensions.append((cursor.string(), cursor.string()))
    return version, extensions


def parse_status(packet: bytes) -> tuple[int, str]:
    """The code and the message; servers of before version 3 say no message."""
    cursor = Cursor(packet, 5)
    code = cursor.uint32()
    return code, cursor.string().decode("utf-8", "replace") if cursor.left else ""


def parse_handle(packet: bytes) -> bytes:
    cursor = Cursor(packet, 5)
    handle = cursor.string(LONGEST_HANDLE)
    cursor.end()
    return handle


def parse_attributes(packet: bytes) -> Attributes:
    """Of the ATTRS that answers a STAT."""
    return Cursor(packet, 5).attributes()


def parse_one_name(packet: bytes) -> bytes | None:
    """The one name that answers a REALPATH; None where there are none or several."""
    cursor = Cursor(packet, 5)
    return cursor.string() if cursor.uint32() == 1 else None


# --- what we say ourselves


def packet(kind: int, *fields: bytes) -> bytes:
    """With its length word."""
    body = b"".join(fields)
    return struct.pack(">IB", len(body) + 1, kind) + body


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def uint32(number: int) -> bytes:
    return struct.pack(">I", number)


def init(version: int) -> bytes:
    return packet(INIT, uint32(version))


def version_reply(version: int, extensions: list[tuple[bytes, bytes]]) -> bytes:
    return packet(VERSION_REPLY, uint32(version), *(string(name) + string(data) for name, data in extensions))


def about(kind: int, number: int, path: bytes) -> bytes:
    """A request that has nothing but a path."""
    return packet(kind, uint32(number), string(path))


def status(number: int, code: int, message: str) -> bytes:
    return packet(STATUS, uint32(number), uint32(code), string(message.encode("utf-8", "replace")), string(b"en"))
