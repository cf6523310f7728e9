"""Real shells with a PATH of stubs: which programs does a text run?"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

SECONDS = 3.0
SHELLS = tuple(shell for shell in ("bash", "dash") if shutil.which(shell))
STUBS = ("rm", "frob", "reboot", "base64", "cat", "ls", "tr", "env", "xargs", "find", "sh", "busybox", "rev", "tee")
REAL = {
    "base64",
    "cat",
    "tr",
    "env",
    "xargs",
    "find",
    "sh",
    "rev",
    "tee",
}  # these run; the others only say that they did


class Place:
    """A directory in which texts run, with nothing else of the machine in reach by name."""

    def __init__(self, path: Path) -> None:
        self.home = path / "home"
        self.bin = path / "bin"
        self._logs = path / "logs"
        self._logs.mkdir()
        self._runs = 0
        self.home.mkdir(parents=True)
        self.bin.mkdir()
        for name in STUBS:
            real = shutil.which(name) if name in REAL else None
            tail = f'exec {real} "$@"\n' if real else ""
            stub = self.bin / name
            stub.write_text(f'#!/bin/dash\necho {name} >> "$STUB_LOG"\n{tail}')
            stub.chmod(0o755)

    def ran(self, shell: str, text: str) -> set[str]:
        """Names of the programs that it runs."""
        for entry in self.home.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (self.home / "rmfile").write_text("rm x\n")
        self._runs += 1  # what one text leaves in the background writes to its own log
        log = self._logs / str(self._runs)
        log.write_text("")
        path = shutil.which(shell)
        assert path is not None
        _confined([path, "-c", text], self.home, {
            "PATH": str(self.bin), "HOME": str(self.home), "LANG": "C.UTF-8", "STUB_LOG": str(log), "FUNCNEST": "20",
        })  # fmt: skip
        return set(log.read_text().split())


def _confined(command: list[str], directory: Path, environment: dict[str, str]) -> None:
    """Run it for SECONDS at most, and leave nothing behind: chance writes functions that fork for ever."""
    with subprocess.Popen(
        command, cwd=directory, env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS)
            _settled(process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _settled(group: int) -> None:
    """What runs in the background has a moment to end by itself."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


def accepted(shell: str, text: str) -> bool:
    """Does the shell's own parser take it (``-n``)?"""
    path = shutil.which(shell)
    assert path is not None
    done = subprocess.run(
        [path, "-n", "-c", text], capture_output=True, check=False, timeout=10, env={"PATH": os.devnull}
    )
    return done.returncode == 0
