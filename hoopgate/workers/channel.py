"""What a worker and its supervisor say to each other: JSON messages, and questions with a time limit."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.defer import TimeoutError as LateError
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

from hoopgate.errors import HoopgateError

Message = dict[str, Any]
Receive = Callable[[str, Message], Any]  # a Message, a Deferred of one, or None

log = Logger()
LONGEST: Final = 32 * 1024 * 1024  # bytes of a message: a configuration of 4 MiB, escaped


class ChannelError(HoopgateError):
    """The other side said that it could not, did not say anything in time, or is gone."""


class Channel(Int32StringReceiver):
    """One end. ``receive(kind, message)`` is called for each message; what it returns answers a question.

    ``lost()`` is called once when the other side has gone.
    """

    MAX_LENGTH = LONGEST

    def __init__(self, clock: Any, receive: Receive, lost: Callable[[], None]) -> None:
        self._clock = clock
        self._receive = receive
        self._lost = lost
        self._asked: dict[int, Deferred[Message]] = {}
        self._count = 0
        self._there = False

    def connectionMade(self) -> None:
        self._there = True

    def tell(self, kind: str, **fields: Any) -> None:
        """Say something that needs no answer."""
        self._send({"kind": kind, **fields})

    def ask(self, kind: str, seconds: float, **fields: Any) -> Deferred[Message]:
        """Ask; fails with ChannelError."""
        if not self._there:
            return fail(ChannelError("it is gone"))
        self._count += 1
        number = self._count
        answer: Deferred[Message] = Deferred()
        self._asked[number] = answer
        self._send({"kind": kind, "ask": number, **fields})
        answer.addTimeout(seconds, self._clock)
        return answer.addBoth(self._answered, number)

    def _answered(self, outcome: Message | Failure, number: int) -> Message:
        self._asked.pop(number, None)
        if isinstance(outcome, Failure):
            if outcome.check(LateError):
                raise ChannelError("it does not answer")
            raise ChannelError(outcome.getErrorMessage())
        if "error" in outcome:
            raise ChannelError(str(outcome["error"]))
        return outcome

    def stringReceived(self, string: bytes) -> None:
        message: Message = json.loads(string)
        if "answer" in message:
            waiting = self._asked.get(message["answer"])
            if waiting is not None:
                waiting.callback(message)
            return
        done: Deferred[Message | None] = maybeDeferred(self._receive, message["kind"], message)
        if "ask" in message:
            done.addErrback(_told).addCallback(self._reply, message["ask"])
        done.addErrback(lambda failure: log.failure("a message could not be dealt with", failure))

    def _reply(self, answer: Message | None, number: int) -> None:
        self._send({**(answer or {}), "answer": number})

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._there = False
        for waiting in list(self._asked.values()):
            waiting.errback(ConnectionLost("it is gone"))
        self._lost()

    def _send(self, message: Message) -> None:
        if self._there:
            self.sendString(json.dumps(message).encode())  # type: ignore[no-untyped-call]


def _told(failure: Failure) -> Message:
    """What went wrong, for the one who asked; what is no ordinary refusal is our fault, and also in our log."""
    if not failure.check(HoopgateError):
        log.failure("a question could not be answered", failure)
        return {"error": f"{type(failure.value).__name__}; see the log"}
    return {"error": failure.getErrorMessage()}


class _One(Factory):
    noisy = False

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def buildProtocol(self, addr: object) -> Channel:
        return self._channel


def attach(reactor: Any, end: socket.socket, channel: Channel) -> None:
    """Let the reactor serve this end of a socketpair; it is taken over."""
    with end:
        end.setblocking(False)
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, _One(channel))
