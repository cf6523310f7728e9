"""The parser as the service uses it: remembered trees, and a worker process for long statements."""

from __future__ import annotations

import struct
import sys
from collections import deque
from typing import Any, Final, Protocol

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from hoopgate.config.model import Limits
from hoopgate.policy.memory import Memory
from hoopgate.policy.sql.tree import Node, Parsed, Unparsable, from_json, inline_limit, parse
from hoopgate.policy.sql.worker import ANSWER, SHORT, WHOLE

__all__ = ["Node", "Parsed", "Parser", "Unparsable", "parse"]

_LENGTH: Final = struct.Struct(">I")
_REMEMBERED: Final = 256 * 1024  # characters of text; a tree takes some 200 bytes for each
_WAITING: Final = 64  # requests in line for the worker


class Spawner(Protocol):
    """A reactor, as far as the parser needs one (twisted's IReactorProcess and IReactorTime)."""

    @property
    def spawnProcess(self) -> Any: ...

    @property
    def callLater(self) -> Any: ...


class Parser:
    """Parses, at once where the text is short, in a worker process where it is longer than ``statement_inline``.

    ``spawner`` is the reactor; without one, long statements are refused. The worker starts with the first long
    statement, and is killed and replaced when it is late (``parse_time``); it may not use more memory than
    ``parse_memory``.
    """

    def __init__(self, spawner: Spawner | None, limits: Limits, cache_size: int = 1000) -> None:
        self._inline = min(limits.statement_inline, inline_limit())
        self._longest = limits.statement
        self._worker = Worker(spawner, limits) if spawner is not None else None
        self._known: Memory[str, Parsed] = Memory(cache_size, _REMEMBERED)

    def parse(self, text: str, *, whole: bool = False) -> Parsed | Deferred[Parsed]:
        """The text's trees, or a Deferred of them. Raises :class:`Unparsable`, or fails with it.

        ``whole``: nothing may be left out of them, and they are not remembered.
        """
        known = None if whole else self._known.get(text)
        if known is not None:
            return known
        size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
        if size > self._longest:
            raise Unparsable(f"the statement is longer than limits.statement ({self._longest} bytes)")
        if size > self._inline:
            if self._worker is None:
                raise Unparsable("the statement is too long to be parsed here")
            return self._worker.parse(text, whole=whole)
        parsed = parse(text)
        if not whole:
            self._known.put(text, parsed, len(text))
        return parsed

    def close(self) -> None:
        """End the worker; what waits for it fails."""
        if self._worker is not None:
            self._worker.close("the gateway is stopping")


@define(eq=False)
class _Request:
    text: str
    encoded: bytes
    deferred: Deferred[Parsed]


class Worker:
    """One worker process and the line before it."""

    def __init__(self, spawner: Spawner, limits: Limits) -> None:
        self._spawner = spawner
        self._seconds = limits.parse_time
        self._memory = limits.parse_memory
        self._most = max(limits.statement * 4, 64 * 1024 * 1024)  # bytes in line
        self._line: deque[_Request] = deque()
        self._current: _Request | None = None
        self._process: _Process | None = None
        self._timer: IDelayedCall | None = None

    def parse(self, text: str, *, whole: bool) -> Deferred[Parsed]:
        deferred: Deferred[Parsed] = Deferred()
        try:
            encoded = (WHOLE if whole else SHORT) + text.encode()
        except UnicodeEncodeError:
            raise Unparsable("the statement is not valid text in its encoding") from None
        waiting = sum(len(request.encoded) for request in self._line)
        if len(self._line) >= _WAITING or waiting + len(encoded) > self._most:
            raise Unparsable("too many long statements wait to be judged; try again")
        self._line.append(_Request(text, encoded, deferred))
        self._next()
        return deferred

    def close(self, reason: str) -> None:
        requests = [self._current, *self._line] if self._current else list(self._line)
        self._line.clear()
        self._current = None
        self._kill()
        for request in requests:
            assert request is not None
            request.deferred.errback(Failure(Unparsable(reason)))

    def _next(self) -> None:
        if self._current is not None or not self._line:
            return
        self._current = self._line.popleft()
        if self._process is None:
            self._process = _Process(self)
            command = [sys.executable, "-m", "hoopgate.policy.sql.worker", str(self._memory), str(self._seconds)]
            self._spawner.spawnProcess(self._process, sys.executable, command, env=None)
        self._timer = self._spawner.callLater(self._seconds, self._late)
        self._process.send(self._current.encoded)

    def _late(self) -> None:
        self._timer = None
        self._kill()
        self._settle(Unparsable(f"the statement takes longer than limits.parse_time ({self._seconds:g} s) to judge"))

    def _kill(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def answered(self, process: _Process, answer: bytes) -> None:
        if process is not self._process or self._current is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        text = self._current.text
        if answer[:1] == b"-":
            self._settle(Unparsable(answer[1:].decode(errors="replace")))
            return
        try:
            self._settle(from_json(text, answer[1:], pruned=answer[:1] == b"*"))
        except Unparsable as error:
            self._settle(error)

    def ended(self, process: _Process) -> None:
        """The worker is gone: out of stack, memory or CPU time, or killed by somebody."""
        if process is not self._process:
            return
        self._process = None
        self._kill()
        if self._current is not None:
            self._settle(Unparsable("the statement is too complex to judge"))

    def _settle(self, result: Parsed | Unparsable) -> None:
        request, self._current = self._current, None
        assert request is not None
        if isinstance(result, Unparsable):
            request.deferred.errback(Failure(result))
        else:
            request.deferred.callback(result)
        self._next()


class _Process(ProcessProtocol):
    """The pipe to one worker process."""

    transport: IProcessTransport

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._received = bytearray()

    def send(self, request: bytes) -> None:
        self.transport.writeToChild(0, _LENGTH.pack(len(request)) + request)

    def kill(self) -> None:
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return  # that is what was wanted

    def outReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < _LENGTH.size:
            return
        length = _LENGTH.unpack_from(self._received)[0]
        if length > ANSWER + 1:
            self.kill()
        elif len(self._received) >= _LENGTH.size + length:
            answer = bytes(self._received[_LENGTH.size : _LENGTH.size + length])
            del self._received[: _LENGTH.size + length]
            self._worker.answered(self, answer)

    def errReceived(self, data: bytes) -> None:
        """A traceback of the worker could quote the statement: nowhere to go."""

    def processEnded(self, reason: Failure) -> None:
        self._worker.ended(self)
