"""The lines before the packets (RFC 4253, section 4.2): a version each way, and what a server says before it."""

from __future__ import annotations

import re
from typing import Final

from hoopgate.conch.fields import MalformedError
from hoopgate.conch.limits import VERSION

_VERSION: Final = re.compile(rb"SSH-(2\.0|1\.99)-[\x21-\x7e][\x20-\x7e]*")


class WrongVersionError(MalformedError):
    """The peer speaks another protocol than SSH 2."""


class Greeting:
    """Reads the peer's ``version``; a server may say other lines before it, ``limit`` bytes with it."""

    __slots__ = ("_buffer", "_limit", "_server", "version")

    def __init__(self, *, server: bool, limit: int) -> None:
        self._buffer = b""
        self._server = server
        self._limit = limit if server else VERSION
        self.version = b""

    def feed(self, data: bytes) -> bytes:
        """Returns what comes behind the version once that is known. Raises MalformedError and WrongVersionError."""
        self._buffer += data[: self._limit + 1]
        rest = data[self._limit + 1 :]
        at = 0
        while (end := self._buffer.find(b"\n", at)) >= 0:
            if end >= self._limit:
                break
            line = self._buffer[at:end].removesuffix(b"\r")
            if line.startswith(b"SSH-"):
                self._check(line, end + 1 - at)
                self.version = line
                return self._buffer[end + 1 :] + rest
            if not self._server:
                raise MalformedError("a client begins with its version")
            at = end + 1
        if len(self._buffer) > self._limit:
            raise MalformedError("no version within the bytes that one may take")
        if not self._server and not b"SSH-".startswith(self._buffer[:4]):
            raise MalformedError("a client begins with its version")
        return b""

    def _check(self, line: bytes, length: int) -> None:
        if length > VERSION:
            raise MalformedError("a version of more than 255 bytes")
        if not _VERSION.fullmatch(line):
            raise WrongVersionError("no version of SSH 2")
        if line.startswith(b"SSH-1.99-") and not self._server:
            raise WrongVersionError("1.99 is what a server says")
