"""Runs one command and ends it when the parent is gone, however the parent went (also by ``kill -9``).

A script, started as ``python -I -S keeper.py OPTIONS -- COMMAND``; it imports nothing of hoopgate, so it is up
within milliseconds. The parent holds the other end of our standard input: its closing is the order to stop.
The command itself is told by the kernel (``PR_SET_PDEATHSIG``, prctl(2)) should *we* be killed.

Standard output carries two lines: the command's process id, and its exit status when it has ended. The command's
own output goes to ``--log``. After an end of its own the directories stay until the parent has had a look.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

PR_SET_PDEATHSIG = 1


def _die_with_parent(number: int) -> Callable[[], None]:
    """Return what the child runs between fork and exec. Looked up here: the child must not load libraries."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)

    return ask


def _start(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # The death signal is set after setuid, which would clear it: subprocess runs preexec_fn last.
        return subprocess.Popen(
            options.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=options.uid,
            group=options.gid,
            extra_groups=[] if options.uid is not None else None,
            preexec_fn=_die_with_parent(options.signal),
        )
    finally:
        os.close(log)


def _wait(child: subprocess.Popen[bytes]) -> None:
    """Return when standard input has ended, or on SIGTERM: both mean stop. Say so if the child ends before."""
    wake, waker = os.pipe()
    for descriptor in (wake, waker):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(waker)
    said = False
    while True:
        if not said and child.poll() is not None:
            said = True
            _say(child.returncode)
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 4096):
            return
        if wake in ready and signal.SIGTERM in os.read(wake, 4096):
            return


def _say(number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent is gone: standard input says so too
        os.write(1, b"%d\n" % number)


def _stop(child: subprocess.Popen[bytes], number: int, grace: float) -> None:
    if child.poll() is None:
        child.send_signal(number)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal's number reaches the loop through the wake-up descriptor."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", type=int, default=signal.SIGTERM)
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--log", default=os.devnull)
    parser.add_argument("--remove", action="append", default=[], help="a directory of ours to remove at the end")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _noted)
    signal.signal(signal.SIGCHLD, _noted)
    child = _start(options)
    _say(child.pid)
    _wait(child)
    _stop(child, options.signal, options.grace)
    for directory in options.remove:
        shutil.rmtree(directory, ignore_errors=True)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
