"""Child processes of the demo and the tests that cannot outlive their parent."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hoopgate.development.accounts import Account

KEEPER = Path(__file__).with_name("keeper.py")


class StartError(Exception):
    """A child did not come up; the text ends with the last lines of its log."""


class Kept:
    """One running command under a keeper (see :mod:`hoopgate.development.keeper`).

    ``log`` is the file with its output, ``pid`` the command's own process id (0 before it runs), ``remove``
    directories that go when it has ended. Start it from any thread; ``stop`` is idempotent.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stop_signal: int = signal.SIGTERM,
        grace: float = 10.0,
        remove: Sequence[Path] = (),
    ) -> None:
        self.log = log
        self.grace = grace
        arguments = [sys.executable, "-I", "-S", str(KEEPER), f"--signal={stop_signal:d}", f"--grace={grace}"]
        arguments += [f"--log={log}", *(f"--remove={path}" for path in remove)]
        if account is not None:
            arguments += [f"--uid={account.uid}", f"--gid={account.gid}"]
        self._process = subprocess.Popen(
            [*arguments, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what readline leaves unread must be seen by select
            cwd=directory,
            env=dict(environment) if environment is not None else None,
            start_new_session=True,  # Ctrl-C at the terminal is for the parent, which then stops us in order
        )
        assert self._process.stdout is not None
        self._told = self._process.stdout
        self.pid = int(self._told.readline() or 0)

    def alive(self) -> bool:
        """Whether the command still runs: the keeper says when it ended, or is gone itself."""
        return not self._told.closed and not select.select([self._told], [], [], 0)[0]

    def stop(self) -> None:
        """Ask the command to end and wait for it; the keeper kills it after ``grace`` seconds."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(self.grace + 10)
        self._told.close()

    def signal(self, number: int) -> None:
        """Send a signal to the command itself, such as SIGHUP."""
        os.kill(self.pid, number)

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        """Poll ``ready`` ten times a second. Raises StartError when the command ends first or time is up."""
        end = time.monotonic() + seconds
        while not ready():
            if not self.alive() or time.monotonic() > end:
                raise StartError(f"{what} did not start:\n{self.tail()}")
            time.sleep(0.02)

    def tail(self, lines: int = 15) -> str:
        try:
            text = self.log.read_text(errors="replace")
        except OSError as error:
            return f"(no log: {error})"
        return "\n".join(text.splitlines()[-lines:])


def free_port(preferred: int = 0, address: str = "127.0.0.1") -> int:
    """Return ``preferred`` if nobody listens there, else a port that the kernel picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As our own listeners do: a port whose last connections are in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartError(f"no free port on {address}")


def listening(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a TCP connection to that port is accepted."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((address, port)) == 0
