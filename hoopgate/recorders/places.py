"""Where recordings lie: ``directory/YYYY-MM-DD/SESSION.hgr``, made through directory descriptors.

Nothing but a validated session id ever becomes a name, no component below the configured directory may be a
symbolic link, and a file is only ever created, never opened for more (a session id cannot be written twice).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hoopgate.errors import RecordingError
from hoopgate.recorders.format import SUFFIX, valid_session_id

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = _FILE | os.O_CREAT | os.O_EXCL


def shard(started: float) -> str:
    """The UTC day of ``started`` (epoch seconds) as a directory name."""
    return datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d")


def prepare(directory: Path) -> None:
    """Make the spool's directory (0700) and refuse one that others may write to. Raises RecordingError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        seen = directory.stat()
    except OSError as error:
        raise RecordingError(f"cannot make the recordings' directory {directory}: {error.strerror}") from error
    if seen.st_uid not in (os.geteuid(), 0) or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RecordingError(f"the recordings' directory {directory} must be ours and writable by nobody else")


def create(directory: Path, session: str, started: float) -> tuple[int, str, str]:
    """Create a session's file (0600). Returns its descriptor, its day and its name. Raises RecordingError."""
    if not valid_session_id(session):
        raise RecordingError("the session id is not fit for a file name")
    day, name = shard(started), session + SUFFIX
    try:
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            below = _enter(top, day)
        finally:
            os.close(top)
        try:
            descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=below)
        finally:
            os.close(below)
    except OSError as error:
        raise RecordingError(f"cannot create the recording of session {session}: {error.strerror}") from error
    return descriptor, day, name


def reopen(directory: Path, day: str, name: str) -> int:
    """A descriptor of a file that ``create`` made; whose it is now must be looked at. Raises OSError."""
    below = os.open(directory / day, _DIRECTORY)
    try:
        return os.open(name, _FILE, dir_fd=below)
    finally:
        os.close(below)


def _enter(top: int, day: str) -> int:
    """A descriptor of the day's directory, made (0700) when missing."""
    try:
        return os.open(day, _DIRECTORY, dir_fd=top)
    except FileNotFoundError:
        pass  # the day's first session
    with suppress(FileExistsError):  # another process was first
        os.mkdir(day, 0o700, dir_fd=top)
    return os.open(day, _DIRECTORY, dir_fd=top)


def recordings(directory: Path) -> Iterator[Path]:
    """Every recording below ``directory``, oldest day first; names that no recorder makes are passed over."""
    for day in sorted(entry for entry in _entries(directory) if entry.is_dir() and not entry.is_symlink()):
        for path in sorted(_entries(day)):
            if path.suffix == SUFFIX and valid_session_id(path.stem) and not path.is_symlink():
                yield path


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def find(directory: Path, session: str) -> Path | None:
    """The recording of a session, by its whole id or a prefix that fits exactly one."""
    fitting = [path for path in recordings(directory) if path.stem.startswith(session)]
    exact = [path for path in fitting if path.stem == session]
    if exact:
        return exact[0]
    return fitting[0] if len(fitting) == 1 else None
