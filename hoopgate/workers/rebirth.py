"""What a forked process must do to be one of its own: a reactor, chance and a log that it does not share."""

from __future__ import annotations

import random
import sys
from collections import deque
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from twisted.internet.main import installReactor
from twisted.logger import globalLogPublisher
from twisted.python.logfile import LogFile
from zope.interface import implementer

from hoopgate.logs import JsonObserver
from hoopgate.workers.channel import Channel

KEPT: Final = 1000  # lines of log that wait for the channel; later ones are lost, and counted


def forget_reactor(log_to: object) -> None:
    """Let go of what twistd has installed and opened before the fork, without touching what it means to the parent."""
    installed: Any = sys.modules.pop("twisted.internet.reactor", None)
    poller = getattr(installed, "_poller", None)
    if poller is not None:
        poller.close()  # an object that closed its number later would close somebody else's
    if isinstance(log_to, LogFile):
        log_to.close()


def fresh_reactor() -> Any:
    """A reactor of this process's own, installed as the one that Twisted's own code finds."""
    from twisted.internet.epollreactor import EPollReactor

    random.seed()
    reactor = EPollReactor()
    installReactor(reactor)
    conch: Any = sys.modules.get("twisted.conch.ssh.userauth")
    if conch is not None:  # which takes the reactor as it is imported
        conch.reactor = conch.SSHUserAuthServer.clock = reactor
    return reactor


def log_through(out: Lines, number: int) -> None:
    """Make the channel the one place that this process logs to."""
    for inherited in tuple(globalLogPublisher._observers):
        globalLogPublisher.removeObserver(inherited)
    globalLogPublisher.addObserver(JsonObserver(out, worker=number))


@implementer(IPushProducer)
class Lines:
    """A worker's log as a file of lines that go to the supervisor.

    A log must not hold up whom it tells of: while the supervisor does not read, what is more than waits in the
    transport anyway is lost, and how much it was is told once it reads again.
    """

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._early: deque[str] = deque(maxlen=KEPT)
        self._paused = False
        self._lost = 0

    def attach(self, channel: Channel) -> None:
        """The channel is open; what was said before goes first."""
        self._channel = channel
        channel.transport.registerProducer(self, True)  # type: ignore[union-attr]
        while self._early:
            channel.tell("log", line=self._early.popleft())

    def write(self, line: str) -> None:
        if self._channel is None:
            self._early.append(line)
        elif self._paused:
            self._lost += 1
        else:
            self._channel.tell("log", line=line)

    def flush(self) -> None:
        """Nothing is kept back."""

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        lost, self._lost = self._lost, 0
        if lost and self._channel is not None:
            self._channel.tell("lost", lines=lost)

    def stopProducing(self) -> None:
        self._paused = True
