"""The lanes of an SSH session: for each channel one in each direction, and one for what concerns the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.codecs.ssh import messages
from hoopgate.codecs.ssh.channels import CLIENT, Stream
from hoopgate.codecs.ssh.messages import RequestMessage
from hoopgate.errors import HoopgateError
from hoopgate.frames import SIMPLE, ChannelInput, ChannelOutput, Command, Frame, Opened, Request, Statement
from hoopgate.guards.approval import Holding
from hoopgate.lane import Lane
from hoopgate.pauser import Pauser
from hoopgate.protocols.ssh.holds import ChannelHold
from hoopgate.protocols.ssh.wires import GlobalWire, Passing, StreamWire
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Block, Hold, Rewrite, Verdict, told
from hoopgate.wire import Wire

if TYPE_CHECKING:
    from hoopgate.config.model import Limits
    from hoopgate.protocols.ssh.relay import Relay

PROGRAMS: Final = ("shell", "subsystem")  # requests that, as an exec, start what the channel is for
BLAMED: Final = ("the client broke the protocol", "the target broke the protocol")
CHANGED: Final = Block(
    "what would run has changed since it was asked for", rule="approval", hint="Run it again to ask once more."
)


class Unpressed:
    """What a lane of one channel pauses when it is full: nothing, since windows bound it."""

    def pauseProducing(self) -> None:
        """The channel's window does it."""

    def resumeProducing(self) -> None:
        """The channel's window does it."""


_UNPRESSED: Final = Unpressed()


class Direction(Lane):
    """What all have in common. ``side`` is who is read from. To apply a verdict is to send, so nothing is delivered."""

    __slots__ = ("_holding", "_relay", "side")

    def __init__(self, relay: Relay, wire: Wire, side: int, limits: Limits) -> None:
        pauser = Pauser(_UNPRESSED)
        super().__init__(wire, pauser, limit=limits.buffer, clock=relay.session.gateway.clock, turn=limits.turn)
        self._relay = relay
        self.side = side
        self._holding: Holding | None = None

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        """Ask the guards."""
        return self._relay.chain.inspect(frame)

    def deliver(self, data: bytes, witnessed: bytes) -> None:
        """Nothing comes here: the relay sends whole messages."""

    def failed(self, failure: Failure) -> None:
        """The session ends."""
        self._relay.broken(failure, BLAMED[self.side])

    def moved(self) -> None:
        """What was made of frames goes out."""
        self._relay.moved()

    # --- holds

    @property
    def pending(self) -> bool:
        """It waits for people."""
        return self._holding is not None and self._holding.pending

    def cancel(self) -> bool:
        """Withdraw what is held. False: nothing is."""
        return self._holding is not None and self._holding.cancel()

    def withdraw(self, reason: str) -> None:
        if self._holding is not None:
            self._holding.withdraw(reason)

    def hold(self, frame: Frame, hold: Hold) -> Deferred[bytes]:
        """Wait for people, then apply what they and the guards say."""
        shown = asks(frame, hold)
        self._holding = Holding(self._relay.session, ChannelHold(self._relay, self.stream))

        def ended(verdict: Verdict | None) -> Any:
            self._holding = None
            if isinstance(verdict, Block) and hold.otherwise is not None:
                return self._otherwise(frame, hold.otherwise(verdict))
            if verdict is not None and verdict is not ALLOW:
                return self.apply(frame, verdict)
            # The policy changed meanwhile, or what would run: all is asked again, and the approval goes with it.
            if isinstance(frame, Command | Request | Opened | ChannelInput | ChannelOutput):
                frame.released = shown.released
            approved = None if verdict is None else shown.text
            again = self.inspect(frame)
            if isinstance(again, Deferred):
                return again.addCallback(lambda answer: self._approved(frame, answer, approved))
            return self._approved(frame, again, approved)

        return self._holding.hold(shown, hold).addCallback(ended)

    def _otherwise(self, frame: Frame, made: Verdict | Deferred[Verdict]) -> Any:
        """What a guard makes of a frame of which it held a part, once that is refused."""
        if isinstance(made, Deferred):
            return made.addCallback(lambda verdict: self.apply(frame, verdict))
        return self.apply(frame, made)

    def _approved(self, frame: Frame, verdict: Verdict, approved: str | None) -> bytes | Deferred[bytes]:
        """``approved``: what people agreed to, where they did; nothing else runs."""
        if approved is not None and isinstance(frame, Command) and not isinstance(verdict, Block | Hold):
            runs = verdict.frame if isinstance(verdict, Rewrite) else frame
            if not isinstance(runs, Statement) or runs.text != approved:
                return self.apply(frame, CHANGED)
        return self.apply(frame, verdict)

    @property
    def stream(self) -> Stream | None:
        """The channel, if it is one's."""
        return None


class StreamLane(Direction):
    """One direction of one channel."""

    __slots__ = ("_stream", "_wire")

    def __init__(self, relay: Relay, stream: Stream, side: int, limits: Limits) -> None:
        kept = relay.session.restrictions
        forced = kept.command if kept is not None else ""
        self._wire = StreamWire(stream, side, relay.chain, limits.ssh_requests, forced)
        super().__init__(relay, self._wire, side, limits)
        self._stream = stream

    @property
    def stream(self) -> Stream | None:
        return self._stream

    @property
    def idle(self) -> bool:
        """Nothing is in it: what comes may go by."""
        return self._waiting is None and self._rest is None and self._wire.empty

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        """Ask the guards, unless the channel is refused: nothing of it goes anywhere any more."""
        return ALLOW if self._stream.refused else self._relay.chain.inspect(frame)

    def hold(self, frame: Frame, hold: Hold) -> Deferred[bytes]:
        """Wait for people, with an ear for Ctrl-C."""
        if self.side == CLIENT and self._stream.channel.pty:
            self._relay.connection.lend(self._stream, CLIENT)
        return super().hold(frame, hold)

    def apply(self, frame: Frame, verdict: Verdict) -> bytes | Deferred[bytes]:
        """Forward, hold or refuse."""
        if isinstance(frame, ChannelInput | ChannelOutput):
            return self._data(frame, verdict)
        if isinstance(frame, Passing):
            self._relay.connection.changed(self.side, self._stream, len(frame.raw), frame.raw, error=frame.error)
        elif verdict is ALLOW:
            self._allowed(frame, frame.raw)
        elif isinstance(verdict, Block):
            self._refuse(frame, verdict)
        elif isinstance(verdict, Hold):
            return self.hold(frame, verdict)
        elif isinstance(verdict, Rewrite):
            self._rewritten(frame, verdict.frame)
        else:
            raise HoopgateError(f"{verdict!r} for a frame of a channel")
        return b""

    def _data(self, frame: ChannelInput | ChannelOutput, verdict: Verdict) -> bytes | Deferred[bytes]:
        connection, stream, taken = self._relay.connection, self._stream, len(frame.raw)
        if verdict is ALLOW:
            connection.changed(self.side, stream, taken, frame.data, error=frame.error)
        elif isinstance(verdict, Rewrite) and isinstance(verdict.frame, ChannelInput | ChannelOutput):
            changed = verdict.frame
            connection.changed(self.side, stream, taken, changed.data, error=changed.error)
        elif isinstance(verdict, Hold):
            return self.hold(frame, verdict)
        elif isinstance(verdict, Block):
            connection.changed(self.side, stream, taken, b"", error=False)
            self._refuse(frame, verdict)
        else:
            raise HoopgateError(f"{verdict!r} for data of a channel")
        return b""

    def _rewritten(self, frame: Frame, changed: Frame) -> None:
        if isinstance(frame, Command) and isinstance(changed, Command):
            wants_reply = RequestMessage(frame.raw).wants_reply
            self._allowed(changed, messages.exec_request(0, changed.text, wants_reply=wants_reply))
        elif type(changed) is type(frame) and changed.raw[:1] == frame.raw[:1]:
            self._allowed(changed, changed.raw)
        else:
            raise HoopgateError(f"{changed!r} in place of {frame!r}")

    def _allowed(self, frame: Frame, message: bytes) -> None:
        stream, channel = self._stream, self._stream.channel
        if isinstance(frame, Command):
            channel.command = frame.text
        elif isinstance(frame, Request) and frame.by == "client":
            if frame.name == "pty-req":
                channel.pty, channel.terminal = True, frame.fields["term"]
            elif frame.name == "shell":
                channel.shell = True
            elif frame.name == "subsystem":
                channel.subsystem = frame.fields["name"]
        self._relay.connection.forward(self.side, stream, message)
        self._relay.watched(stream)

    def _refuse(self, frame: Frame, block: Block) -> None:
        """In the words that SSH has for it."""
        relay, stream = self._relay, self._stream
        what = redact_statement(described(frame))
        relay.tell("refused", stream, rule=block.rule, reason=block.reason, what=what)
        if isinstance(frame, Opened):
            relay.connection.refuse_open(stream, words(block))
        elif isinstance(frame, Request) and not (frame.by == "client" and frame.name in PROGRAMS):
            if RequestMessage(frame.raw).wants_reply:
                relay.connection.answer(stream, self.side, success=False)
        else:
            if isinstance(frame, Command | Request) and RequestMessage(frame.raw).wants_reply:
                relay.connection.answer(stream, CLIENT, success=True)
            relay.connection.finish(stream, (words(block) + "\r\n").encode("utf-8", "surrogateescape"))
            for each in stream.lanes:
                if each is not None and each is not self:
                    each.stop()


class GlobalLane(Direction):
    """What ``side`` asks of the connection itself."""

    __slots__ = ()

    def __init__(self, relay: Relay, side: int, limits: Limits) -> None:
        super().__init__(relay, GlobalWire(side, limits.ssh_requests), side, limits)

    def apply(self, frame: Frame, verdict: Verdict) -> bytes | Deferred[bytes]:
        """Forward, hold or refuse."""
        connection = self._relay.connection
        if verdict is ALLOW:
            connection.forward_global(self.side, frame.raw)
        elif isinstance(verdict, Block):
            self._relay.tell("refused", None, rule=verdict.rule, reason=verdict.reason, what=described(frame))
            if RequestMessage(frame.raw).wants_reply:
                connection.answer_global(self.side, success=False)
        elif isinstance(verdict, Hold):
            return self.hold(frame, verdict)
        else:
            raise HoopgateError(f"{verdict!r} for a request of the connection")
        return b""


def words(block: Block) -> str:
    """What the client reads of a refusal."""
    return f"hoopgate: {told(block.reason, block.rule, block.hint)}"


def asks(frame: Frame, hold: Hold) -> Statement:
    """What people are asked to agree to."""
    if isinstance(hold.frame, Statement):
        return hold.frame
    if isinstance(frame, Statement):
        return frame
    return Statement(frame.raw, described(frame), SIMPLE)


def described(frame: Frame) -> str:
    """A frame in a few words."""
    if isinstance(frame, Command):
        return frame.text
    if isinstance(frame, Request):
        named = " ".join(str(value) for value in frame.fields.values() if not isinstance(value, bytes))
        return f"{frame.name} {named}".strip()
    if isinstance(frame, Opened):
        where = f"{frame.host}:{frame.port}" if frame.port else frame.host
        return f"{frame.channel.kind} {where}".strip()
    return "data of a channel"
