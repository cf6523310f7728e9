"""The supervisor's side: which workers there are, what they are told, and who takes the place of one that died."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredList, FirstError, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.config.status import WorkerStatus
from hoopgate.errors import HoopgateError
from hoopgate.workers.channel import Channel, ChannelError, Message, attach
from hoopgate.workers.line import Line
from hoopgate.workers.tally import Tally

log = Logger()
State = Literal["starting", "serving", "ending", "dead"]

BEAT: Final = 1.0  # seconds between two questions how a worker is
COUNTS: Final = 5  # every so many of them it also says what it has counted: as much as its death may lose
SILENT: Final = 15  # questions without an answer, one after the other, until it counts as stuck
START: Final = 30.0  # seconds from a worker's fork to its listening
FOLLOW: Final = 2.0  # seconds within which a worker takes a new configuration, or is ended
ANSWER: Final = 1.0  # seconds that a scrape of the metrics waits for a worker
STEADY: Final = 10.0  # seconds after which a worker that dies has not died at once
LONGEST_WAIT: Final = 30.0  # seconds between two attempts to replace one that keeps dying
LATE: Final = 5.0  # seconds beyond limits.drain until a worker that drains is killed


class CrewError(HoopgateError):
    """Not every worker came up, so the service does not start."""


@define(eq=False)
class Slot:
    """One place among the workers. ``deaths`` counts those that came at once, one after the other."""

    number: int
    state: State = "dead"
    channel: Channel | None = None
    pid: int = 0
    version: str = ""
    core: str = ""
    sessions: int = 0
    born: float = 0.0
    deaths: int = 0
    silent: int = 0
    why: str = ""
    ready: Deferred[None] | None = None


@frozen
class Orders:
    """What a worker is told at its start. ``text`` is the configuration if it is another than when all began."""

    ports: dict[str, int]
    text: str | None = None


@define(eq=False)
class Crew:
    """Workers 1 to ``of`` - 1; worker 0 is this process.

    ``died(number)`` deals with what a dead worker left behind and fires when another may take its place;
    ``cancel(pid, key)`` is for this process's own sessions, ``defined(target, database)`` for its own catalogues;
    ``changed()`` hears of every change of a worker's state.
    """

    clock: Any  # the reactor
    line: Line
    of: int
    write_log: Callable[[str], None]
    orders: Orders = Orders({})
    tally: Tally = field(factory=Tally)
    died: Callable[[int], Deferred[None]] = field(default=lambda number: succeed(None))
    cancel: Callable[[int, bytes], None] = field(default=lambda pid, key: None)
    defined: Callable[[str, str], None] = field(default=lambda target, database: None)
    changed: Callable[[], None] = field(default=lambda: None)
    slots: dict[int, Slot] = field(init=False)
    _stopping: bool = field(default=False, init=False)
    _all_gone: Deferred[None] | None = field(default=None, init=False)
    _beat: LoopingCall = field(init=False)
    _beats: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.slots = {number: Slot(number) for number in range(1, self.of)}
        self._beat = LoopingCall(self._ask_all)
        self._beat.clock = self.clock
        self.line.told = self._nursery_said

    # --- life

    async def start(self, orders: Orders) -> None:
        """Bring all workers up. Raises CrewError for the first that does not come."""
        self.orders = orders
        waiting = []
        for slot in self.slots.values():
            slot.ready = Deferred()
            waiting.append(slot.ready)
            self._hire(slot)
        try:
            await gatherResults(waiting, consumeErrors=True)
        except FirstError as error:
            raise CrewError(error.subFailure.getErrorMessage()) from None
        for slot in self.slots.values():
            slot.ready = None
        self._beat.start(BEAT, now=False)

    def _hire(self, slot: Slot) -> None:
        if self._stopping:
            return
        slot.state, slot.born, slot.why = "starting", time.monotonic(), ""
        slot.pid, slot.silent, slot.sessions = 0, 0, 0
        try:
            end = self.line.fork(slot.number)
        except OSError as error:  # the nursery has gone: those that live serve on
            slot.why = f"no process can be forked: {error.strerror}"
            self._dead(slot)
            return
        channel = slot.channel = Channel(self.clock, self._receiver(slot), lambda: self._lost(slot))
        attach(self.clock, end, channel)
        started = channel.ask("start", START, ports=self.orders.ports, text=self.orders.text, of=self.of)
        started.addCallbacks(self._started, self._not_started, callbackArgs=(slot,), errbackArgs=(slot,))
        started.addErrback(lambda failure: log.failure("a worker's start", failure))

    def _started(self, told: Message, slot: Slot) -> None:
        slot.state, slot.pid = "serving", told["pid"]
        slot.version, slot.core = told["version"], told["core"]
        log.info("worker {number} serves (process {pid})", number=slot.number, pid=slot.pid)
        self.changed()
        if slot.ready is not None:
            slot.ready.callback(None)

    def _not_started(self, failure: Failure, slot: Slot) -> None:
        slot.why = slot.why or failure.getErrorMessage()
        self._kill(slot)

    def _lost(self, slot: Slot) -> None:
        """A worker's channel is closed: it has ended, whatever it was at."""
        slot.channel = None
        self.tally.gone(slot.number)
        if self._stopping:
            slot.state = "dead"
            self._look_whether_all_gone()
            return
        log.error("worker {number} (process {pid}) has died: its sessions end. {reason}", number=slot.number,
                  pid=slot.pid, reason=slot.why)  # fmt: skip
        slot.state = "dead"
        self._dead(slot)

    def _dead(self, slot: Slot) -> None:
        slot.state = "dead"
        if slot.ready is not None:
            ready, slot.ready = slot.ready, None
            ready.errback(CrewError(f"worker {slot.number} did not come up: {slot.why or 'it died'}"))
            return
        slot.deaths = 1 if time.monotonic() - slot.born > STEADY else slot.deaths + 1
        self.changed()
        done = self.died(slot.number)
        done.addErrback(lambda failure: log.failure("what a dead worker left is not dealt with", failure))
        done.addCallback(lambda _: self.clock.callLater(wait_before(slot.deaths), self._hire, slot))

    def stop(self, seconds: float) -> Deferred[None]:
        """Let all drain; fires when the last has gone. Who takes longer than ``seconds`` and a little is killed."""
        self._stopping = True
        if self._beat.running:
            self._beat.stop()
        self._all_gone = Deferred()
        for slot in self.slots.values():
            if slot.channel is not None:
                slot.state = "ending"
                slot.channel.tell("stop")
        late = self.clock.callLater(seconds + LATE, self._kill_all)
        done = self._all_gone.addCallback(lambda _: self._over(late))
        self._look_whether_all_gone()
        return done

    def _over(self, late: IDelayedCall) -> Deferred[None]:
        if late.active():
            late.cancel()
        return self.line.close()

    def _look_whether_all_gone(self) -> None:
        if self._all_gone is not None and all(slot.channel is None for slot in self.slots.values()):
            done, self._all_gone = self._all_gone, None
            done.callback(None)

    def _kill_all(self) -> None:
        for slot in self.slots.values():
            self._kill(slot)

    def _kill(self, slot: Slot) -> None:
        """End a worker that cannot be spoken with. While its channel is open, the number is still its own."""
        if slot.channel is not None and slot.pid:
            log.error("worker {number} (process {pid}) is killed: {reason}", number=slot.number, pid=slot.pid,
                      reason=slot.why or "it did not end in time")  # fmt: skip
            with suppress(ProcessLookupError):  # it has just died, and the news of it are on their way
                os.kill(slot.pid, signal.SIGKILL)
        elif slot.channel is not None and slot.channel.transport is not None:
            slot.channel.transport.abortConnection()  # type: ignore[attr-defined]  # forked or not: alone it ends itself

    # --- what they are told

    async def reload(self, text: str, version: str) -> None:
        """Have all take a configuration that this process has taken; who does not follow is ended."""
        self.orders = Orders(self.orders.ports, text)
        asked = [self._follow(slot, text, version) for slot in self.slots.values() if slot.channel is not None]
        await DeferredList(asked)
        self.changed()

    def _follow(self, slot: Slot, text: str, version: str) -> Deferred[None]:
        assert slot.channel is not None
        seconds = FOLLOW if slot.state == "serving" else START

        def taken(told: Message) -> None:
            if told["version"] != version:
                raise ChannelError(f"it took version {told['version'][:12]}")
            slot.version = version

        def refused(failure: Failure) -> None:
            slot.why = f"it did not follow to the new configuration: {failure.getErrorMessage()}"
            self._kill(slot)

        return slot.channel.ask("reload", seconds, text=text).addCallback(taken).addErrback(refused)

    async def measure(self) -> None:
        """Ask all for their metrics now; who does not answer in time counts with what it said last."""
        await DeferredList([self._measure(slot) for slot in self._serving()])

    def _measure(self, slot: Slot) -> Deferred[None]:
        assert slot.channel is not None
        asked = slot.channel.ask("measure", ANSWER, families=True)
        return asked.addCallbacks(self._measured, _silent, callbackArgs=(slot,))

    def _measured(self, told: Message, slot: Slot) -> None:
        slot.sessions = told["sessions"]
        if told["families"]:
            self.tally.saw(slot.number, told["families"])

    def _ask_all(self) -> None:
        self._beats += 1
        for slot in self._serving():
            assert slot.channel is not None
            if slot.silent >= SILENT:
                slot.why = "it does not answer"
                self._kill(slot)
            slot.silent += 1
            if slot.silent == 1:
                asked = slot.channel.ask("measure", 2 * SILENT * BEAT, families=self._beats % COUNTS == 0)
                asked.addCallbacks(self._answered, _silent, callbackArgs=(slot,))

    def _answered(self, told: Message, slot: Slot) -> None:
        slot.silent = 0
        self._measured(told, slot)

    def _serving(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.state == "serving" and slot.channel is not None]

    def pass_on(self, number: int, pid: int, key: bytes) -> None:
        """A cancel request for a session of worker ``number``."""
        if number == 0:
            self.cancel(pid, key)
            return
        slot = self.slots.get(number)
        if slot is not None and slot.channel is not None:
            slot.channel.tell("cancel", pid=pid, key=key.hex())

    def tell_defined(self, target: str, database: str, but: int = 0) -> None:
        """Definitions change in a database: all look anew, but the worker that says so."""
        for slot in self._serving():
            if slot.number != but and slot.channel is not None:
                slot.channel.tell("defined", target=target, database=database)

    # --- what they say

    def _receiver(self, slot: Slot) -> Callable[[str, Message], None]:
        return lambda kind, message: self._received(slot, kind, message)

    def _received(self, slot: Slot, kind: str, message: Message) -> None:
        if kind == "log":
            self.write_log(message["line"])
        elif kind == "lost":
            log.warn("{lines} lines of worker {number}'s log are lost", lines=message["lines"], number=slot.number)
        elif kind == "cancel":
            self.pass_on(message["number"], message["pid"], bytes.fromhex(message["key"]))
        elif kind == "defined":
            self.defined(message["target"], message["database"])
            self.tell_defined(message["target"], message["database"], slot.number)

    def _nursery_said(self, word: dict[str, int] | None) -> None:
        if word is None:
            if not self._stopping:
                log.error("the process that forks workers has died: a worker that dies stays dead until a restart")
        elif "errno" in word:  # the closing of its channel follows, and then another try
            self.slots[word["number"]].why = f"no process can be forked: {os.strerror(word['errno'])}"
        elif "number" in word:
            self.slots[word["number"]].pid = word["pid"]
        elif word["status"]:
            code = os.waitstatus_to_exitcode(word["status"])
            log.error("process {pid} ended with {code}", pid=word["pid"], code=code)

    # --- what is said of them

    def finding(self) -> str:
        """ "" while all serve, else who does not."""
        missing = [slot for slot in self.slots.values() if slot.state != "serving"]
        told = [f"worker {slot.number} is {slot.state}" + (f" ({slot.why})" if slot.why else "") for slot in missing]
        if self.line.lost:
            told.append("no worker can be replaced")
        return "; ".join(told)

    def report(self) -> tuple[WorkerStatus, ...]:
        return tuple(
            WorkerStatus(slot.number, slot.pid, slot.version, slot.state, slot.core, slot.sessions, slot.deaths)
            for slot in self.slots.values()
        )


def wait_before(deaths: int) -> float:
    """Seconds until a dead worker is replaced: none the first time, then ever longer while they die at once."""
    return 0.0 if deaths <= 1 else min(LONGEST_WAIT, 2.0 ** (deaths - 2))


def _silent(failure: Failure) -> None:
    """It did not answer in time: what it said last stands, and who counts its silence acts."""
    failure.trap(ChannelError)
