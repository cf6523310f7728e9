"""Keys that the gateway makes for itself and keeps in its state directory: private, whole, made once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hoopgate.errors import SecretError
from hoopgate.secrets.material import permission_fault


def private_directory(path: Path) -> None:
    """Make it with mode 0700, or see that nobody else can write there; others' right to look is taken away.

    Raises SecretError: whoever may write there could have laid keys or a store for us to find. Raises OSError.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        raise SecretError(f"{path} belongs to user {status.st_uid}: give it to the gateway's user (chown)")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SecretError(f"{path} has mode {mode:04o} and others may write it: look what is in it, then chmod 700")
    if mode & 0o077:
        path.chmod(0o700)


def kept_key(path: Path, make: Callable[[], bytes]) -> bytes:
    """The bytes at ``path``; on first use those that ``make`` gives, written whole or not at all.

    Two processes that start together get the same: the loser of the race reads the winner's. Raises SecretError
    where others could have read or written it, and OSError.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        pass  # first start
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a process with our number that was killed here
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):  # somebody was first
            os.link(draft, path)  # unlike rename, never replaces
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(f"{path} is not a regular file")
        fault = permission_fault(status, public=False)
        if fault:
            raise SecretError(f"{path} {fault}; if somebody may have read it, remove it and let a new one be made")
        return file.read(64 * 1024)
