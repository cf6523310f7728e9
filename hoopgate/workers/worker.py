"""A worker's own side: it does as its supervisor says, tells how it is, and ends when the supervisor does."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.logger import Logger

from hoopgate.boot import Boot
from hoopgate.compiled import core
from hoopgate.config.load import loads
from hoopgate.config.model import Config
from hoopgate.errors import HoopgateError
from hoopgate.transport import Tickets
from hoopgate.workers.channel import Channel, Message, attach
from hoopgate.workers.post import Post
from hoopgate.workers.process import settle
from hoopgate.workers.rebirth import Lines, fresh_reactor, log_through
from hoopgate.workers.tally import plain

log = Logger()
HURRY: Final = 3.0  # seconds to end everything in when the supervisor has died


def work(config: Config, number: int, end: socket.socket, tickets: Mapping[str, Tickets]) -> None:
    """A worker's whole life, in a process that was forked for it; ``end`` is of its channel, ``tickets`` are Boot's."""
    lines = Lines()
    log_through(lines, number)
    Worker(config, number, end, fresh_reactor(), lines, tickets).run()


class Worker:
    """``config`` is what was in force when all began."""

    def __init__(
        self,
        config: Config,
        number: int,
        end: socket.socket,
        reactor: Any,
        lines: Lines,
        tickets: Mapping[str, Tickets],
    ) -> None:
        self._config = config
        self._tickets = tickets
        self._number = number
        self._reactor = reactor
        self._channel = Channel(reactor, self._received, self._alone)
        self._end = end
        self._lines = lines
        self._boot: Boot | None = None
        self._up: Deferred[Any] = succeed(None)
        self._turn = DeferredLock()  # a reload waits for the start, and for the reload before it
        self._over: Deferred[None] | None = None
        self._stopping = False

    def run(self) -> None:
        attach(self._reactor, self._end, self._channel)
        self._lines.attach(self._channel)
        self._reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(self._down()))
        self._reactor.run()

    def _received(self, kind: str, message: Message) -> Message | Deferred[Message] | None:
        if kind == "start":
            return self._turn.run(lambda: Deferred.fromCoroutine(self._start(message)))
        if kind == "reload":
            return self._turn.run(self._reload, message)
        if kind == "stop":
            self._stop()
        elif kind == "cancel" and self._boot is not None and self._boot.gateway is not None:
            self._boot.gateway.cancel_own(message["pid"], bytes.fromhex(message["key"]))
        elif kind == "defined" and self._boot is not None and self._boot.gateway is not None:
            self._boot.gateway.defined_elsewhere(message["target"], message["database"])
        elif kind == "measure":
            return self._measured(message["families"])
        return None

    async def _start(self, message: Message) -> Message:
        config = self._config
        if message["text"] is not None:
            config = loads(message["text"], config.path, tried=True)
        post = Post(self._number, message["of"], message["ports"], self._forward_cancel, self._tell_defined)
        boot = self._boot = Boot(config, self._reactor, post=post, tickets=self._tickets)
        try:
            await boot.up()
        except Exception as error:
            log.critical("worker {number} cannot start: {error}", number=self._number, error=str(error))
            if not isinstance(error, HoopgateError):
                log.failure("why it cannot start")
            self._reactor.callLater(0, self._stop)
            raise
        settle()
        return {"pid": os.getpid(), "version": boot.config.version, "core": core()}

    def _reload(self, message: Message) -> Message:
        if self._boot is None:
            raise HoopgateError("it has not started")
        return {"version": self._boot.take(message["text"]).version}

    def _measured(self, families: bool) -> Message:
        gateway = None if self._boot is None else self._boot.gateway
        if gateway is None:
            return {"sessions": 0, "families": []}
        return {"sessions": len(gateway.sessions), "families": plain(gateway.metrics.registry) if families else []}

    def _forward_cancel(self, worker: int, pid: int, key: bytes) -> None:
        self._channel.tell("cancel", number=worker, pid=pid, key=key.hex())

    def _tell_defined(self, target: str, database: str) -> None:
        self._channel.tell("defined", target=target, database=database)

    # --- the end

    def _alone(self) -> None:
        """The channel is closed: by ourselves at the end, or because the supervisor has died."""
        if self._over is not None:
            self._over.callback(None)
            return
        self._reactor.callLater(HURRY, os._exit, 1)
        if self._boot is not None:
            self._boot.hurry()
        self._stop()

    def _stop(self) -> None:
        if not self._stopping:
            self._reactor.stop()

    async def _down(self) -> None:
        self._stopping = True  # told so, or by a signal
        if self._boot is not None:
            await self._turn.run(self._boot.down)
        self._over = Deferred()
        transport: Any = self._channel.transport
        if transport.connected:
            transport.loseConnection()  # what the log still has to say goes first
            await self._over
