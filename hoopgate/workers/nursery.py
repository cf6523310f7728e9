"""The nursery: a small process that forks workers, at the start and whenever one has died.

A gateway that serves has threads, connections and a reactor, and a fork would take a torn copy of all of them along.
So the nursery is forked before there are any: everything is imported in it, nothing runs. It does nothing but wait
for its parent's word, and ends with it: what its parent's death leaves behind it kills after a short grace.

The two talk in single packets (SOCK_SEQPACKET) of JSON. To the nursery: ``{"fork": number}`` with the worker's end of
its channel, and ``{"keep": true}`` with the descriptor that holds the lock on the state directory, so that no other
gateway takes the directory over while a worker still lives. From it: ``{"number", "pid"}`` for a worker that was
forked, ``{"number", "errno"}`` for one that could not be, whose channel closes, and ``{"pid", "status"}`` (as
``waitpid``'s) for one that has ended.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

Become = Callable[[int, socket.socket], None]

GRACE: Final = 5.0  # seconds that workers have to end after their supervisor has
PACKET: Final = 4096
_IGNORED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # sent to whole process groups; the parent's to act on


def plant(become: Become, forget: Callable[[], None]) -> socket.socket:
    """Fork the nursery, and return our end of the line to it.

    ``forget()`` runs in the nursery and lets go of what the parent has open. ``become(number, channel)`` runs in each
    worker, which ends when it returns.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gc.collect()
    gc.freeze()  # what is there is there to stay: never looked at again, and its pages are shared for longer
    if os.fork() == 0:
        ours.close()
        _forever(theirs, become, forget)
    theirs.close()
    return ours


def ask_for(line: socket.socket, number: int) -> socket.socket:
    """Have worker ``number`` forked; returns our end of its channel, which ends when the worker does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        socket.send_fds(line, [json.dumps({"fork": number}).encode()], [theirs.fileno()])
    return ours


def entrust(line: socket.socket, lock: int) -> None:
    """Have the nursery hold this lock for as long as it or one of its workers lives."""
    socket.send_fds(line, [json.dumps({"keep": True}).encode()], [lock])


def close_descriptors(keep: set[int]) -> None:
    """Close every descriptor of this process but standard input, output, error and those to ``keep``."""
    for path in tuple(Path("/proc/self/fd").iterdir()):
        descriptor = int(path.name)
        if descriptor > 2 and descriptor not in keep:
            with contextlib.suppress(OSError):  # the directory's own, which is closed by now
                os.close(descriptor)


def name_process(name: str) -> None:
    """Show ``name`` in ps and top: 15 characters of it."""
    with contextlib.suppress(OSError):  # a help for people, and no more
        Path("/proc/self/comm").write_text(name)


def _forever(line: socket.socket, become: Become, forget: Callable[[], None]) -> NoReturn:
    """The nursery's life."""
    code = 1
    try:
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        forget()
        close_descriptors({line.fileno()})
        name_process("hoopgate-forks")
        _Nursery(line, become).run()
        code = 0
    finally:
        os._exit(code)


class _Nursery:
    def __init__(self, line: socket.socket, become: Become) -> None:
        self._line = line
        self._become = become
        self._children: set[int] = set()
        self._lock = -1
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        signal.signal(signal.SIGCHLD, _noted)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._line.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, PACKET)
                self._reap()
            if self._line.fileno() in ready and not self._hear():
                break
        self._end()

    def _hear(self) -> bool:
        """One word of the parent's; False where there will be no more."""
        word, descriptors, _, _ = socket.recv_fds(self._line, PACKET, 1)
        if not word:
            return False
        asked: dict[str, Any] = json.loads(word)
        if "fork" in asked:
            self._fork(asked["fork"], descriptors[0])
        else:
            self._lock = descriptors[0]
        return True

    def _fork(self, number: int, descriptor: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes: as things are now, and not for ever
            self._tell({"number": number, "errno": error.errno or 0})
            os.close(descriptor)
            return
        if pid == 0:
            self._born(number, socket.socket(fileno=descriptor))
        os.close(descriptor)
        self._children.add(pid)
        self._tell({"number": number, "pid": pid})

    def _born(self, number: int, channel: socket.socket) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):  # of hangups the supervisor tells
                signal.signal(each, signal.SIG_DFL)
            close_descriptors({channel.fileno()})
            name_process(f"hoopgate-{number}")
            self._become(number, channel)
            code = 0
        finally:
            os._exit(code)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.discard(pid)
                self._tell({"pid": pid, "status": status})

    def _tell(self, word: dict[str, int]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more; the end of the line says so next
            self._line.send(json.dumps(word).encode())

    def _end(self) -> None:
        """The parent has gone or lets us go: workers notice for themselves, and are not waited for for ever."""
        if self._lock >= 0:
            os.ftruncate(self._lock, 0)  # the process id in it is nobody's now
        last = time.monotonic() + GRACE
        while self._children and time.monotonic() < last:
            select.select([self._woken], [], [], 0.05)
            self._reap()
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _noted(number: int, frame: object) -> None:
    """A child ended: the byte that comes with it through the pipe is what counts."""
