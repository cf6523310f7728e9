"""The cache of logins: ``credentials.json`` in our configuration directory, readable by its owner alone.

What others could have read or written is not used; the error says how to set it right.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from hoopgate.cli.problems import UnsafeError
from hoopgate.identity.strict import json_object

_NAME = "credentials.json"
_LONGEST = 1024 * 1024


class Credentials(NamedTuple):
    """One login's tokens. ``expires`` is the shown token's end in epoch seconds, 0 if unknown."""

    issuer: str
    client_id: str
    token: str
    expires: float
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.issuer!r}, {self.client_id!r}, expires={self.expires!r})"


class CredentialsFile:
    """The logins, by issuer and client id; the last one is the one in use where nothing else is said."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / _NAME

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process refreshes at a time: a refresh token spent twice voids the whole login (RFC 9700, 4.14)."""
        self._own_directory()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        path = self._directory / "credentials.lock"
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise UnsafeError(f"{path} cannot be opened: {error.strerror}. Take it away.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def find(self, issuer: str = "", client_id: str = "") -> Credentials | None:
        """The login at ``issuer`` ("": the last one made) as ``client_id`` ("": any). Raises UnsafeError."""
        for one in reversed(self._read()):
            if issuer in ("", one.issuer) and client_id in ("", one.client_id):
                return one
        return None

    def save(self, credentials: Credentials) -> None:
        """Keep it, in place of an earlier login there. Raises UnsafeError."""
        self._own_directory()
        self._write([*self._others(credentials.issuer, credentials.client_id), credentials])

    def forget(self, issuer: str, client_id: str) -> None:
        """Drop a login, if it is there."""
        self._own_directory()
        self._write(self._others(issuer, client_id))

    def _others(self, issuer: str, client_id: str) -> list[Credentials]:
        return [one for one in self._read() if (one.issuer, one.client_id) != (issuer, client_id)]

    def _own_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._directory.stat()
        if status.st_uid != os.geteuid():
            raise UnsafeError(
                f"{self._directory} belongs to somebody else. Set XDG_CONFIG_HOME to a directory of yours."
            )
        if status.st_mode & 0o022:
            # Others may have put things there: closing it now would not undo that.
            raise UnsafeError(f"{self._directory} can be written by others. Check what is in it, then: chmod 700 it.")
        if stat.S_IMODE(status.st_mode) != 0o700:
            self._directory.chmod(0o700)

    def _read(self) -> list[Credentials]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UnsafeError(
                f"{self._path} cannot be opened: {error.strerror}. Take it away and log in again."
            ) from error
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
                raise UnsafeError(
                    f"{self._path} is open to others, who may have read your tokens. "
                    f"Remove it (rm {self._path}) and run: hoopgate login"
                )
            return _decode(file.read(_LONGEST), self._path)

    def _write(self, logins: list[Credentials]) -> None:
        content = json.dumps({"version": 1, "logins": [one._asdict() for one in logins]}, indent=1)
        import tempfile  # only now: it is slow to import, and most commands write nothing

        descriptor, name = tempfile.mkstemp(prefix=".credentials-", dir=self._directory)  # 0600 by itself
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(self._path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise


def _decode(content: bytes, path: Path) -> list[Credentials]:
    try:
        found: list[Any] = json_object(content)["logins"]
        return [Credentials(**one) for one in found]
    except (ValueError, KeyError, TypeError):
        raise UnsafeError(f"{path} is damaged. Remove it (rm {path}) and run: hoopgate login") from None
