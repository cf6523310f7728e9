"""Real client programs, run and watched by the tour."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from typing import IO

from attrs import frozen

PATIENCE = 30.0  # seconds for any one thing that should happen at once
HELD = re.compile(r"held for approval as (\S+)")


class DifferentError(Exception):
    """A step did not do what it should; the text says what was seen instead."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise DifferentError(what)


@frozen
class Done:
    """What a finished program said."""

    code: int
    out: str
    err: str


class Waiting:
    """psql with a statement that waits: its notices are read as they come."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._process.stderr is not None
        self.err = ""
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.err += line

    def notice(self) -> str:
        """The id of the request, as the NOTICE gives it. Raises DifferentError when none comes."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = HELD.search(self.err)
            if found:
                return found.group(1)
            if not self.running():
                break
            time.sleep(0.05)
        raise DifferentError(f"no notice of a held statement came: {self.err or 'psql ended'}")

    def running(self) -> bool:
        return self._process.poll() is None

    def finish(self) -> Done:
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return Done(code, out, self.err)

    def kill(self) -> None:
        if self.running():
            self._process.kill()
            self._process.wait()
