"""Back-pressure of a transport, both ways: who may read, and who has to wait with writing, for which reasons."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Flow:
    """Of ``owner``, an SSH transport over the ITransport ``owner.transport``.

    Reading stops where the owner's consumer asks for it (``paused``) or a decision is awaited. The producer
    that writes to the owner pauses where the socket takes no more and during a key exchange.
    """

    __slots__ = ("_exchanging", "_full", "_held", "_needed", "_owner", "_producer", "_reads", "paused")

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._producer: Any = None
        self._full = False
        self._exchanging = False
        self._held = self._needed = self.paused = False
        self._reads = True

    # --- reading

    def pause(self) -> None:
        self.paused = True
        self._read()

    def resume(self) -> None:
        self.paused = False
        self._read()

    def hold(self, now: bool) -> None:
        self._held = now
        self._read()

    def need(self, now: bool) -> None:
        """A key exchange goes on: who asks for a pause meanwhile gets it behind it.

        Else two transports that produce for each other, each in an exchange and so holding the other up, wait for ever.
        """
        self._needed = now
        self._read()

    def _read(self) -> None:
        reads = not self._held and (self._needed or not self.paused)
        if reads is not self._reads and self._owner.finished is None:
            self._reads = reads
            if reads:
                self._owner.transport.resumeProducing()
            else:
                self._owner.transport.pauseProducing()

    # --- writing

    def register(self, producer: Any, *, streaming: bool) -> None:
        """Raises RuntimeError where there is one, ValueError where it does not push."""
        if not streaming:
            raise ValueError("a producer that waits to be asked cannot be registered")
        if self._producer is not None:
            raise RuntimeError(f"{producer} cannot be registered: {self._producer} is")
        if self._owner.finished is not None:
            producer.stopProducing()
            return
        self._producer = producer
        self._full = False
        self._owner.transport.registerProducer(self, True)
        if self._exchanging:
            producer.pauseProducing()

    def unregister(self) -> None:
        if self._producer is not None:
            self._producer = None
            self._owner.transport.unregisterProducer()

    def exchanging(self, now: bool) -> None:
        """A key exchange begins to hold up what is sent, or ends doing so."""
        before, self._exchanging = self._exchanging, now
        if self._producer is not None and not self._full and before is not now:
            if now:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    def end(self) -> None:
        """Nothing more will be sent: its producer may go on, to no effect."""
        producer = self._producer
        if producer is not None:
            self.unregister()
            if self._full or self._exchanging:
                producer.resumeProducing()

    def stop(self) -> None:
        """The connection is lost."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    # --- what the socket says, as to a producer

    def pauseProducing(self) -> None:
        self._full = True
        if self._producer is not None and not self._exchanging:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self._full = False
        if self._producer is not None and not self._exchanging:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The socket is gone; the owner's connectionLost follows."""
