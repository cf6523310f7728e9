"""Detectors and canaries over the output of channels (SSH): the stream that a person or a program reads.

Where somebody reads, what looks like a secret is hidden in the stream itself. What may be the beginning of a value is
kept back: until it is decided, or, where a terminal waits for it, for ``limits.stream_delay``. Where a program reads a
protocol of its own (sftp, scp, rsync, git), nothing can be put in a value's place, so such a channel ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from attrs import evolve
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from zope.interface import implementer

from hoopgate.codecs.ssh.file_commands import recognised
from hoopgate.config.model import Canary, Config, Detector
from hoopgate.detectors.canaries import SHORTEST, Canaries
from hoopgate.errors import HoopgateError
from hoopgate.frames import Channel, ChannelEnd, ChannelOutput, Command, Frame, Request
from hoopgate.guards.detect_alarm import alarm
from hoopgate.guards.detect_channel import Looking
from hoopgate.guards.mask_judge import Fetch, Step
from hoopgate.interfaces import IReviewingGuard
from hoopgate.verdicts import ALLOW, Block, Rewrite, Verdict

log = Logger()
NOTE: Final = "streams"
SOUGHT: Final = "sought"
"""The note on a channel of what is looked for in it, by the configuration under which its program began."""


@implementer(IReviewingGuard)
class StreamGuard:
    """One session's guard. ``watch`` gives what is looked for under a configuration."""

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Command, Request, ChannelOutput, ChannelEnd})

    def __init__(self, session: Any, fetch: Fetch, watch: Any) -> None:
        self._session = session
        self._fetch = fetch
        self._watch = watch
        self._open: set[Looking] = set()

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        if isinstance(frame, Command):
            # by the whole command: what merely begins as one would get its output before it is decided
            return self._starts(frame.channel, recognised(frame.text) is not None)
        if isinstance(frame, Request):
            if frame.by == "client" and frame.channel is not None and frame.name in ("shell", "subsystem"):
                return self._starts(frame.channel, frame.name == "subsystem")
            return ALLOW
        if isinstance(frame, ChannelOutput):
            looking = frame.channel.notes.get(NOTE)
            return ALLOW if looking is None else self._flows(looking, frame)
        if isinstance(frame, ChannelEnd) and frame.by == "target":
            looking = frame.channel.notes.pop(NOTE, None)
            if looking is not None:
                self._open.discard(looking)
                looking.end()
        return ALLOW

    def review(self, channels: Sequence[Channel]) -> Block | None:
        """A detector or canary that has come into force would miss what is printed in channels that are open."""
        session = self._session
        engine = session.engine
        wanted = _apart(engine.detectors(session.identity, session.target), engine.canaries(session.target))
        for channel in channels:
            sought = channel.notes.get(SOUGHT)
            if sought is not None and not all(each in sought for each in wanted):
                return Block("what is printed would pass by the detectors that are in force now", rule="detectors")
        return None

    def closed(self, reason: str) -> None:
        """No timer outlives the session."""
        for looking in self._open:
            looking.stop()
        self._open.clear()

    def _starts(self, channel: Channel, transfer: bool) -> Verdict | Deferred[Verdict]:
        session = self._session
        config: Config = session.config
        detectors = session.engine.detectors(session.identity, session.target)
        planted = session.engine.canaries(session.target)
        channel.notes[SOUGHT] = _apart(detectors, planted)
        if not detectors and not planted:
            return ALLOW
        plugged = next((each for each in detectors if each.plugin), None)
        if plugged is not None:
            return Block(
                "a detector that is a plug-in cannot look at streams", rule=f"detector.{plugged.name}",
                hint="Ask the gateway's operators: it must except this target, or you.",
            )  # fmt: skip
        finders = [cells.finder for cells in self._watch(config, detectors).cells]
        if not planted:
            return self._look(channel, finders, {}, transfer)
        return self._with_canaries(channel, finders, planted, transfer)

    @inlineCallbacks
    def _with_canaries(self, channel: Channel, finders: list[Any], planted: tuple[Canary, ...], transfer: bool) -> Step:
        values = {}
        for canary in planted:
            rule = f"canary.{canary.name}"
            try:
                value = yield self._fetch(canary.value)
            except HoopgateError:
                return Block("a canary cannot be sought", rule=rule, hint="Tell the gateway's operators.")
            if len(value) < SHORTEST:
                return Block(f"a canary has fewer than {SHORTEST} bytes", rule=rule, hint="Tell its operators.")
            values[canary.name] = value
        return self._look(channel, finders, values, transfer)

    def _look(self, channel: Channel, finders: list[Any], values: Mapping[str, bytes], transfer: bool) -> Verdict:
        channel.watch_output = True
        old = channel.notes.get(NOTE)
        if old is not None:  # it was held, and is judged again
            self._open.discard(old)
            old.stop()
        looking = channel.notes[NOTE] = Looking(self, channel, finders, Canaries(values), transfer)
        self._open.add(looking)
        return ALLOW

    def _flows(self, looking: Looking, frame: ChannelOutput) -> Verdict:
        out = looking.feed(frame.data, frame.error)
        self.told(looking)
        if looking.transfer and looking.hidden:
            return Block(
                "this transfer holds values that are hidden here, and nothing can take their place",
                rule="detectors", hint="Print what you need to read: there they are hidden one by one.",
            )  # fmt: skip
        if out == frame.data:
            return ALLOW
        return Rewrite(ChannelOutput(out, frame.channel, out, frame.error))

    def told(self, looking: Looking) -> None:
        """Record what was found since this was asked last; a canary ends the session."""
        session = self._session
        found = looking.take()
        if found:
            session.event("detected", channel=looking.channel.number, kinds=dict(found))
            session.gateway.metrics.detected.value += found.total()
        if looking.canary:
            alarm(session, looking.canary)

    def later(self, call: Callable[[], None]) -> Any:
        """``call`` it in ``limits.stream_delay``. What raises there no chain sees, and it ends the session as well."""
        return self._session.gateway.clock.callLater(self._session.config.limits.stream_delay, self._at_last, call)

    def _at_last(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            log.failure("what was kept back of session {session} cannot be looked at", session=self._session.id)
            self._session.end("a guard of the gateway failed", sqlstate="XX000", rule="guard.StreamGuard")


def _apart(detectors: tuple[Detector, ...], planted: tuple[Canary, ...]) -> tuple[Detector | Canary, ...]:
    """What is looked for, whatever other targets and people it is looked for at."""
    return (
        *[evolve(each, target=(), unless=None) for each in detectors],
        *[evolve(each, target=()) for each in planted],
    )
