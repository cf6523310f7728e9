"""What the running service tells the command line about itself: ``state/status.json`` and ``state/hoopgate.pid``.

The format of ``status.json``, written whole or not at all::

    {"pid": 4711, "config_version": "9f2c...", "reload": {"at": 1763817600.0, "ok": false, "errors": ["..."]},
     "workers": [{"number": 1, "pid": 4715, "config_version": "9f2c...", "state": "serving", "deaths": 0, ...}]}

``config_version`` is the policy in force (:attr:`Config.version`). ``reload`` is the last attempt since the start, or
null; ``at`` is epoch seconds. A bad file leaves ``config_version`` as it was. ``workers`` are those beside this very
process, which is worker 0; it is written again whenever one comes, goes or takes another policy.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from hoopgate.errors import HoopgateError

STATUS = "status.json"
PID = "hoopgate.pid"
LARGEST = 256 * 1024  # bytes of status.json
MOST_ERRORS = 50


class StatusError(HoopgateError):
    """The state directory says something that cannot be: the text names the file."""


@frozen
class Reload:
    """One attempt to take a new file. ``errors``: the mistakes that kept it from being taken, as text."""

    at: float
    ok: bool
    errors: tuple[str, ...] = ()


@frozen
class WorkerStatus:
    """One worker. ``state`` is starting, serving, ending or dead; ``core`` compiled or interpreted, once it is known;
    ``deaths`` how often it died at once since it last ran for a while."""

    number: int
    pid: int
    config_version: str
    state: str
    core: str = ""
    sessions: int = 0
    deaths: int = 0


@frozen
class Status:
    pid: int
    config_version: str
    reload: Reload | None = None
    workers: tuple[WorkerStatus, ...] = ()


def write_status(state: Path, status: Status) -> None:
    """Replace ``state``/status.json at once. Raises OSError."""
    value = asdict(status)
    if status.reload is not None:
        value["reload"]["errors"] = [error[:1000] for error in status.reload.errors[:MOST_ERRORS]]
    descriptor, temporary = tempfile.mkstemp(prefix=".status-", dir=state)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
        Path(temporary).replace(state / STATUS)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_status(state: Path) -> Status | None:
    """What the service last said; None where it never said anything. Raises StatusError and OSError."""
    path = state / STATUS
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(LARGEST))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StatusError(f"{path} is not a status: {error}") from None
    return _status(value, path)


def _status(value: Any, path: Path) -> Status:
    try:
        reload = value["reload"]
        return Status(
            pid=int(value["pid"]),
            config_version=str(value["config_version"]),
            reload=reload
            and Reload(
                at=float(reload["at"]),
                ok=reload["ok"] is True,
                errors=tuple(str(error) for error in reload["errors"]),
            ),
            workers=tuple(_worker(each) for each in value.get("workers", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StatusError(f"{path} is not a status: {type(error).__name__} {error}") from None


def _worker(value: Any) -> WorkerStatus:
    return WorkerStatus(
        int(value["number"]), int(value["pid"]), str(value["config_version"]), str(value["state"]), str(value["core"]),
        int(value["sessions"]), int(value["deaths"]),
    )  # fmt: skip


class PidFile:
    """``state``/hoopgate.pid, locked for as long as the service runs.

    The lock, and not the file's being there, says that a service runs: after a crash the number in the file may be
    another process's, which must never get our signal. It also keeps two services off one state directory.
    """

    def __init__(self, state: Path) -> None:
        self.path = state / PID
        self._descriptor = -1

    def acquire(self) -> None:
        """Lock the file and write our process id. Raises StatusError where another service holds it, and OSError."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StatusError(f"{self.path} is locked: another gateway uses this state directory") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    @property
    def lock(self) -> int:
        """The descriptor that holds the lock; whoever has a copy of it holds the lock too."""
        return self._descriptor

    def release(self) -> None:
        """Unlock. The file stays, empty: taking it away could take away a successor's. Idempotent."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def running_pid(state: Path) -> int | None:
    """The process id of the service that runs on this state directory, or None. Raises OSError and StatusError."""
    path = state / PID
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        if not text.isascii() or not text.isdigit() or int(text) < 2:
            raise StatusError(f"{path} holds no process id; is the service just starting?") from None
        return int(text)
    finally:
        os.close(descriptor)
    return None
