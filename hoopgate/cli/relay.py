"""Bytes both ways between two descriptors and a link, until both halves are closed.

A side is read only while the other one has taken all that came before, so that a slow reader is what bounds the
sender; each half is closed by itself.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hoopgate.cli.link import READ, Link

PIPE = 1024 * 1024  # bytes that pipes shall hold, where the system lets us
_F_SETPIPE_SZ = 1031  # fcntl(2) of Linux
_IN, _OUT = select.POLLIN, select.POLLOUT
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


def relay(link: Link, source: int, sink: int, early: bytes = b"") -> None:
    """From ``source`` to the link and from there to ``sink``; ``early`` was received already. Raises OSError."""
    with unblocked(source), unblocked(sink):
        Relay(link, source, sink, early).run()


class Relay:
    """The state of one relay. ``source`` and ``sink`` may be the same descriptor."""

    def __init__(self, link: Link, source: int, sink: int, early: bytes) -> None:
        self._link = link
        self._source = source
        self._sink = sink
        self._unwritten = memoryview(early)
        self._source_ended = False
        self._wall = link.socket.fileno()
        self._poll = select.poll()
        self._masks: dict[int, int] = {}

    def run(self) -> None:
        """Return once the gateway has ended and all it said is written, or nobody is there to read it."""
        link = self._link
        while not (link.ended and not self._unwritten):
            self._watch()
            for number, events in self._poll.poll():
                if number == self._wall:
                    self._link_ready(events)
                elif events & (_OUT | _GONE) and number == self._sink and not self._drain(events):
                    return
                if events & (_IN | _GONE) and number == self._source and not self._source_ended:
                    self._read()
        with suppress(OSError):
            link.close_write()
            link.send()

    def _watch(self) -> None:
        """Ask for what can be gone on with; of the sink always whether it is still there."""
        link = self._link
        wanted = {self._sink: _OUT if self._unwritten else 0}
        wall = (_OUT if link.unsent else 0) | (0 if self._unwritten or link.ended else _IN)
        if wall:  # else its errors, which are always told, would be told without end
            wanted[self._wall] = wall
        if not self._source_ended and not link.unsent and not link.ended:
            wanted[self._source] = wanted.get(self._source, 0) | _IN
        for number in self._masks.keys() - wanted.keys():
            self._poll.unregister(number)
        for number, mask in wanted.items():
            if self._masks.get(number) != mask:
                self._poll.register(number, mask)
        self._masks = wanted

    def _link_ready(self, events: int) -> None:
        link = self._link
        if events & _OUT:
            link.send()
        if events & (_IN | _GONE) and not self._unwritten and not link.ended:
            self._unwritten = memoryview(link.receive())
            if self._unwritten:
                self._drain(_OUT)

    def _drain(self, events: int) -> bool:
        """Write what is there; False where nobody reads it any more."""
        if not self._unwritten:
            return not events & _GONE
        try:
            self._unwritten = self._unwritten[os.write(self._sink, self._unwritten) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return True

    def _read(self) -> None:
        try:
            data = os.read(self._source, READ)
        except BlockingIOError:
            return
        if data:
            self._link.write(data)
        else:
            self._source_ended = True
            self._link.close_write()
        self._link.send()


@contextmanager
def unblocked(number: int) -> Iterator[None]:
    """A pipe or socket that blocks nobody meanwhile. Others (a terminal, a file) may be shared with who must block."""
    mode = os.fstat(number).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        yield
        return
    if stat.S_ISFIFO(mode):
        with suppress(OSError):
            fcntl.fcntl(number, _F_SETPIPE_SZ, PIPE)
    before = os.get_blocking(number)
    os.set_blocking(number, False)
    try:
        yield
    finally:
        with suppress(OSError):  # it may be closed by now
            os.set_blocking(number, before)
