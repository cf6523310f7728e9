"""The supervisor's end of the line to the nursery, served by the reactor."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.workers.nursery import PACKET, ask_for, entrust

Word = dict[str, int]


@implementer(IReadDescriptor)
class Line:
    """``told(word)`` hears what the nursery says (see there), and None when it has gone."""

    def __init__(self, reactor: Any, end: socket.socket) -> None:
        self._reactor = reactor
        self._end = end
        self._closing: Deferred[None] | None = None
        self.lost = False
        self.told: Callable[[Word | None], None] = lambda word: None
        reactor.addReader(self)

    def fork(self, number: int) -> socket.socket:
        """Have a worker forked; returns our end of its channel. Raises OSError where the nursery has gone."""
        return ask_for(self._end, number)

    def entrust(self, lock: int) -> None:
        """See :func:`hoopgate.workers.nursery.entrust`."""
        entrust(self._end, lock)

    def close(self) -> Deferred[None]:
        """Let the nursery end; fires when it has."""
        if self.lost:
            return succeed(None)
        self._end.shutdown(socket.SHUT_WR)
        self._closing = Deferred()
        return self._closing

    # --- IReadDescriptor

    def fileno(self) -> int:
        return self._end.fileno()

    def logPrefix(self) -> str:
        return "nursery"

    def doRead(self) -> None:
        word = self._end.recv(PACKET)
        if word:
            self.told(json.loads(word))
        else:
            self._gone()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor found the line broken."""
        if not self.lost:
            self._gone()

    def _gone(self) -> None:
        self.lost = True
        self._reactor.removeReader(self)
        self._end.close()
        self.told(None)
        closing, self._closing = self._closing, None
        if closing is not None:
            closing.callback(None)
