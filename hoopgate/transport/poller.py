"""One epoll instance for all hot connections, which Twisted's reactor sees as a single reader.

The reactor spends more on an event (a log context, two dictionaries, a flag each way) than we spend on a whole message;
here an event costs one dictionary and one call. Rules that all descriptors live by:

- what an event writes is collected and sent once, at the event's end;
- nobody's connectionLost is called from within somebody's write: who is lost waits until the events are through;
- descriptors are closed behind the events of a turn, since an event that still waits may name a number used anew;
- an exception costs the one connection whose event it was.
"""

from __future__ import annotations

import os
import select
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import mypyc_attr
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import classImplements

IN: Final = select.EPOLLIN
OUT: Final = select.EPOLLOUT
ERR: Final = select.EPOLLERR
HUP: Final = select.EPOLLHUP
RDHUP: Final = select.EPOLLRDHUP  # the peer has said that it sends nothing more
TURNS: Final = 64  # until the reactor looks after itself, though it has nothing ready
EVENTS: Final = 64  # in one turn: then the reactor sees to its other descriptors and its timers

log = Logger()


@mypyc_attr(allow_interpreted_subclasses=True)
class Descriptor(ABC):
    """A socket that a poller watches. ``number`` is its file descriptor, -1 once it is on its way out."""

    __slots__ = ("_mask", "number", "poller", "socket")

    def __init__(self, poller: Poller, sock: socket.socket) -> None:
        self.poller = poller
        self.socket = sock
        self.number = sock.fileno()
        self._mask = 0
        poller.add(self)

    def readable(self) -> None:
        """The event is EPOLLIN, and nothing else."""
        self.ready(IN)

    @abstractmethod
    def ready(self, events: int) -> None:
        """Any other event."""

    def watch(self, mask: int) -> None:
        """Be told of these events from now on: a system call, where it changes anything. 0: of none.

        With 0 the kernel must not know of us: EPOLLHUP and EPOLLERR cannot be masked, and would come for ever.
        """
        if mask != self._mask and self.number >= 0:
            self.poller.change(self.number, self._mask, mask)
            self._mask = mask

    def leave(self, reason: Failure) -> None:
        """Be closed, and hear of it by ``connectionLost``, once the events of this turn are through."""
        if self.number >= 0:
            self.watch(0)
            self.poller.discard(self, reason)
            self.number = -1

    @abstractmethod
    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, and tell whom it concerns."""


class Collecting(Descriptor):
    """One that keeps something until the end of an event."""

    __slots__ = ()

    @abstractmethod
    def flush(self) -> None:
        """Send what was written."""

    @abstractmethod
    def deliver(self) -> None:
        """Deliver what was read and kept back."""


class Poller:
    """All descriptors of one process. ``inside``: an event is being worked on, so what is written may wait."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.inside = False
        self.unflushed: list[Collecting] = []  # what wrote in this event
        self.resumed: list[Collecting] = []  # what may deliver again that which it has read already
        self._epoll: Any = select.epoll()
        self._reactors = self._idle = -1
        self._descriptors: dict[int, Descriptor] = {}
        self._leaving: list[tuple[Descriptor, Failure]] = []
        self._scheduled = False

    # --- what descriptors ask for

    def add(self, descriptor: Descriptor) -> None:
        if not self._descriptors:
            self._join()
        self._descriptors[descriptor.number] = descriptor

    def change(self, number: int, before: int, after: int) -> None:
        if not before:
            self._epoll.register(number, after)
        elif after:
            self._epoll.modify(number, after)
        else:
            self._epoll.unregister(number)

    def discard(self, descriptor: Descriptor, reason: Failure) -> None:
        self._descriptors.pop(descriptor.number, None)
        if not self._descriptors:
            self._part()
        self._leaving.append((descriptor, reason))
        self.settle_soon()

    def settle_soon(self) -> None:
        """Flush and bury, at the end of this turn, or in the reactor's next where no turn is under way."""
        if not self.inside and not self._scheduled:
            self._scheduled = True
            self.reactor.callLater(0, self._settle)

    def failed(self, descriptor: Descriptor) -> None:
        """Log the exception that is being handled, and drop the connection whose it is."""
        failure = Failure()
        log.failure("a connection failed by a fault of its protocol", failure)
        descriptor.leave(failure)

    # --- what the reactor asks for

    def _join(self) -> None:
        """Be a reader of the reactor's, and where its poller is an epoll instance, the one that waits for it, too.

        So a turn costs one system call instead of two, and none of what the reactor does for each of its readers.
        """
        poller = getattr(self.reactor, "_poller", None)
        if isinstance(poller, select.epoll) and "doIteration" not in vars(self.reactor):
            self._reactors = poller.fileno()
            self._idle = os.eventfd(0, os.EFD_CLOEXEC)
            self._epoll.register(self._reactors, IN)
            self.reactor.doIteration = self.doIteration
        self.reactor.addReader(self)

    def _part(self) -> None:
        self.reactor.removeReader(self)
        if self._reactors >= 0:
            self._epoll.unregister(self._reactors)
            os.close(self._idle)
            self._reactors = self._idle = -1
            del self.reactor.doIteration

    def doIteration(self, delay: float | None) -> None:
        """In the reactor's place: wait for its descriptors as for ours, and again while nothing but ours is ready.

        So a turn costs one look at the reactor's timers, and not the round through all that it may have to do.
        """
        reactor = self.reactor
        for _ in range(TURNS):
            if self._turn(-1 if delay is None else delay):
                reactor.doPoll(0)
                return
            if delay == 0 or self._reactors < 0 or reactor._stopped or not reactor.running:
                return
            delay = reactor.timeout()
            if delay == 0:
                return

    def fileno(self) -> int:
        """What the reactor watches: nothing that would ever be readable, where it is we who wait."""
        return self._idle if self._idle >= 0 else self._epoll.fileno()

    def logPrefix(self) -> str:
        return "hoopgate.transport"

    def doRead(self) -> None:
        self._turn(0)

    def _turn(self, timeout: float) -> bool:
        """At most EVENTS events, in the kernel's order, which is fair. True: the reactor has some of its own."""
        descriptors = self._descriptors
        unflushed = self.unflushed
        others = False
        ready = self._epoll.poll(timeout, EVENTS)
        self.inside = True
        try:
            for number, events in ready:
                descriptor = descriptors.get(number)
                if descriptor is None:  # it left in this very turn, or it is the reactor
                    others = others or number == self._reactors
                    continue
                try:
                    if events == IN:
                        descriptor.readable()
                    else:
                        descriptor.ready(events)
                    while unflushed:
                        descriptor = writer = unflushed.pop()
                        writer.flush()
                except Exception:
                    self.failed(descriptor)  # it may have been its flush; what else waits for one is seen to below
        finally:
            self.inside = False
        if self._leaving or self.resumed or unflushed:
            self._settle()
        return others

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops: so do all connections and listeners, as Twisted's own would."""
        for descriptor in tuple(self._descriptors.values()):
            descriptor.leave(reason)
        self._settle()

    # --- the end of an event and of a turn

    def _flush(self) -> None:
        while self.unflushed:
            writer = self.unflushed.pop()
            self._guard(writer, writer.flush)

    def _settle(self) -> None:
        self._scheduled = False
        self.inside = True
        try:
            while self._leaving or self.unflushed or self.resumed:
                resumed, self.resumed = self.resumed, []
                for reader in resumed:
                    self._guard(reader, reader.deliver)
                self._flush()
                leaving, self._leaving = self._leaving, []
                for descriptor, reason in leaving:
                    self._guard(descriptor, descriptor.connectionLost, reason)
        finally:
            self.inside = False

    def _guard(self, descriptor: Descriptor, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Exception:
            self.failed(descriptor)


classImplements(Poller, IReadDescriptor)
