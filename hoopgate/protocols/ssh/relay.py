"""Traffic of an SSH session: two connections back to back, and a lane where somebody has to look, or to wait."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.chain import Chain
from hoopgate.codecs.ssh.channels import CLIENT, TARGET, Stream
from hoopgate.codecs.ssh.connection import Connection
from hoopgate.codecs.ssh.messages import (
    CLOSE,
    DATA,
    DATA_HEAD,
    EXTENDED_DATA,
    FAILURE,
    GLOBAL_REQUEST,
    OPEN,
    REQUEST,
    SUCCESS,
    RequestMessage,
)
from hoopgate.codecs.ssh.sending import Out
from hoopgate.errors import QuestionError, RecordingError
from hoopgate.frames import ChannelInput, ChannelOutput
from hoopgate.interfaces import IReviewingGuard
from hoopgate.pauser import Pauser, Throttle
from hoopgate.protocols.ssh.lanes import GlobalLane, StreamLane
from hoopgate.session import Rows, end_broken

log = Logger()
GOODBYE: Final = "the client ended the session"
HOST_KEYS: Final = ("hostkeys-00@openssh.com", "hostkeys-prove-00@openssh.com")
"""About the host keys of the target (OpenSSH's PROTOCOL, section 2.5), which are none of the client's business."""
TOGETHER: Final = 131_072  # bytes of messages that are appended to the recording at once
_LENGTH: Final = struct.Struct(">I")
_CTRL_C: Final = b"\x03"
_BY_APPLICATION: Final = 11  # a DISCONNECT's reason (RFC 4253, section 11.1)


class Relay:
    """Ties a client's SSH transport to the target's until either leaves or the session ends.

    Both are ``hoopgate.conch`` transports that have logged in; ``target`` is a TargetConnection. ``leave`` closes the
    client's connection.
    """

    __slots__ = (
        "_busy", "_client", "_globals", "_keeps_input", "_leave", "_limits", "_moved", "_target",
        "_transports", "_watches", "chain", "connection", "dead", "session",
    )  # fmt: skip

    def __init__(self, session: Any, client: Any, target: Any, chain: Chain, *, leave: Callable[[], None]) -> None:
        self.session: Any = session  # a hoopgate.session.Session
        self.chain = chain
        self.dead = False
        self._client = client
        self._leave = leave
        self._target = target
        self._transports = (client, target)
        self._busy = False  # in the midst of what came at once
        self._globals: list[GlobalLane | None] = [None, None]
        self._moved: list[int] = session.gateway.metrics.bytes.moved
        self._keeps_input = session.config.recorder.input == "kept"
        self._watches = (bool(chain.wanted(ChannelInput)), bool(chain.wanted(ChannelOutput)))
        limits = self._limits = session.config.limits
        self.connection = Connection(
            window=limits.ssh_window,
            packet=limits.ssh_packet - 1024,
            channels=limits.ssh_channels,
            requests=limits.ssh_requests,
        )
        client.registerProducer(Throttle(Pauser(target), "client is slow"), True)
        target.registerProducer(Throttle(Pauser(client), "target is slow"), True)
        session.attach(self)

    def start(self) -> None:
        """Begin."""
        self._client.setService(Service(self, CLIENT))
        self._target.take_over(Service(self, TARGET), self.target_lost)

    # --- traffic

    def received(self, side: int, message: bytes) -> None:
        """A message of the connection protocol."""
        if self.dead:
            return
        self._busy = True
        connection = self.connection
        try:
            if side == CLIENT and _acts(message):
                self.session.active = True
            stream = connection.receive(side, message)
            if stream is not None:
                lane = stream.lanes[side]
                number = message[0]
                if lane is None or lane.dead:
                    if number in (OPEN, REQUEST) or (lane is None and stream.apart[side]):
                        self._judge(stream, side, message)
                    else:
                        connection.forward(side, stream, message)
                elif number not in (OPEN, REQUEST) and not stream.apart[side] and lane.idle:
                    connection.forward(side, stream, message)
                else:
                    self._judge(stream, side, message)
            elif message[0] == GLOBAL_REQUEST:
                self._global(side, message)
        except Exception:
            self.broken(
                Failure(), "the client broke the protocol" if side == CLIENT else "the target broke the protocol"
            )

    def all_received(self) -> None:
        """What came at once has been taken: what was made of it is recorded, and sent."""
        self._busy = False
        self.flush()

    def moved(self) -> None:
        """A lane has gone on."""
        if not self._busy:
            self.flush()

    def flush(self) -> None:
        """Record, then send: what is recorded at once is small enough to be still at hand as it is sent."""
        out = self.connection.out
        for side in (CLIENT, TARGET):
            waiting = out[side]
            while waiting and not self.dead:
                size = count = 0
                for message, _ in waiting:
                    size += len(message)
                    count += 1
                    if size >= TOGETHER:
                        break
                together = waiting[:count]
                del waiting[:count]
                if not self._record(1 - side, together):
                    return
                send = self._transports[side].sendMessage
                for message, _ in together:
                    send(message)

    def _judge(self, stream: Stream, side: int, message: bytes) -> None:
        lane = stream.lanes[side]
        if lane is None or lane.dead:
            lane = stream.lanes[side] = StreamLane(self, stream, side, self._limits)
        elif side == CLIENT and lane.waiting and _gives_up(stream, message):
            lane.receive(message)
            lane.cancel()
            return
        lane.receive(message)
        other = stream.lanes[TARGET]
        if side == CLIENT and other is not None and other.pending and _gives_up(stream, message):
            other.cancel()

    def _global(self, side: int, message: bytes) -> None:
        """What a peer asks of the connection."""
        request = RequestMessage(message)
        if request.name in HOST_KEYS:
            if request.wants_reply:
                self.connection.answer_global(side, success=False)
            return
        lane = self._globals[side]
        if lane is None:
            lane = self._globals[side] = GlobalLane(self, side, self._limits)
        lane.receive(message)

    def watched(self, stream: Stream) -> None:
        """A guard may have asked for the stream itself."""
        channel = stream.channel
        if channel.watch_input and self._watches[CLIENT]:
            stream.apart[CLIENT] = True
        if channel.watch_output and self._watches[TARGET]:
            stream.apart[TARGET] = True
        if channel.stream is None and (channel.watch_input or channel.watch_output):
            channel.stream = Injection(self, stream)

    def inject(self, stream: Stream, side: int, data: bytes, *, error: bool) -> None:
        """Data of a guard's own, as if ``side`` had sent it."""
        if not self.dead:
            self.connection.put(side, stream, data, error=error)
            self.moved()

    def say(self, stream: Stream | None, text: str) -> None:
        """Tell the client something on a channel's stderr; without a channel, in a message that few clients show."""
        if self.dead:
            return
        if stream is None or stream.ends[CLIENT].ours < 0:
            self._client.sendDebug(text.encode(), alwaysDisplay=True)
            return
        self.inject(stream, TARGET, f"{text}\r\n".encode("utf-8", "replace"), error=True)

    def tell(self, kind: str, stream: Stream | None, **fields: Any) -> None:
        """An event of the session, with its channel."""
        if stream is not None:
            fields["channel"] = stream.channel.number
        self.session.event(kind, **fields)

    # --- what the session asks (see ``hoopgate.session.Live``)

    transaction = "I"
    client_encoding = "utf-8"
    tentative = False
    rested = sys.maxsize  # there are no transactions: what was done is done
    batch = 0

    @property
    def pending(self) -> bool:
        """Something waits for people."""
        return any(lane.pending for lane in self._lanes())

    @property
    def at_rest(self) -> bool:
        """No channel is open."""
        return not self.connection.present

    @property
    def running(self) -> bool:
        """A command runs, not merely a shell that somebody may have left."""
        return any(each.channel.command and not each.channel.pty for each in self.connection.present)

    def cancel_held(self) -> bool:
        """Withdraw what is held. False: nothing is."""
        return [lane.cancel() for lane in self._lanes()].count(True) > 0

    def ask(self, sql: str) -> Deferred[Rows]:
        """There is no SQL here."""
        return fail(QuestionError("a session of SSH cannot be asked"))

    def prepared(self, name: str) -> str | None:
        """Nothing is ever prepared."""
        return None

    def forget_statement(self, name: str | None) -> None:
        """Nothing is ever prepared."""

    def forget_portal(self, name: str | None) -> None:
        """Nothing is ever prepared."""

    def policy_changed(self) -> None:
        """Guards ask for the policy that is in force with each frame, but what runs asks for nothing any more."""
        channels = [each.channel for each in self.connection.present]
        try:
            for guard in self.chain.guards:
                if IReviewingGuard.providedBy(guard):
                    block = guard.review(channels)
                    if block is not None:
                        self.session.end(block.reason, rule=block.rule)
                        return
        except Exception:
            self.broken(Failure(), "the policy could not be asked")

    def _lanes(self) -> list[StreamLane | GlobalLane]:
        streams = self.connection.present
        found: list[StreamLane | GlobalLane] = [lane for each in streams for lane in each.lanes if lane]
        return found + [lane for lane in self._globals if lane]

    # --- the end

    def client_lost(self) -> None:
        """The client's connection is gone."""
        said = self._client.finished
        self.session.end(GOODBYE if said and said[0] == _BY_APPLICATION else "the client disconnected", sqlstate="")

    def target_lost(self, words: str) -> None:
        """The target's connection is gone; ``words`` are its last, if any."""
        self.session.end(f"the target closed the connection{': ' if words else ''}{words}", sqlstate="08006")

    def broken(self, failure: Failure, whose: str) -> None:
        """Something died of ``failure``, so the session ends; ``whose`` fault it is, if it was the protocol."""
        end_broken(self.session, failure, whose)

    def close(self, reason: str, sqlstate: str, rule: str) -> None:
        """Let go of everything; no step's fault keeps the others from being done."""
        self.dead = True
        lanes = self._lanes()
        for step in (
            *[partial(lane.withdraw, reason) for lane in lanes],
            *[lane.stop for lane in lanes],
            partial(self.chain.closed, reason),
            self._target.terminate,
            partial(self._say, reason, rule) if sqlstate else _nothing,
            self._leave,
        ):
            try:
                step()
            except Exception:
                log.failure("session {session} did not end cleanly", session=self.session.id)

    def _say(self, reason: str, rule: str) -> None:
        text = f"hoopgate: {reason} [{rule}]" if rule else f"hoopgate: {reason}"
        self._client.sendDisconnect(_BY_APPLICATION, text.encode())

    def _record(self, direction: int, messages: list[Out]) -> bool:
        """Append what is about to be sent, in the client's numbers. False: it must not be."""
        recording = self.session.recording
        if recording is None:
            return False
        parts: list[bytes | memoryview] = []
        for message, mark in messages:
            if mark is None or (direction == CLIENT and not self._keeps_input and message[0] in (DATA, EXTENDED_DATA)):
                continue
            parts.append(_LENGTH.pack(len(message)))
            if mark:
                parts += (message[:1], mark, memoryview(message)[1 + len(mark) :])
            else:
                parts.append(message)
        if not parts:
            return True
        data = b"".join(parts)
        try:
            recording.data(direction, data)
        except RecordingError as error:
            self.session.unrecorded(error)
            return False
        self._moved[direction] += len(data)
        return True


class Injection:
    """A guard's way into a channel's stream (``hoopgate.frames.Channel.inject``)."""

    __slots__ = ("_relay", "_stream")

    def __init__(self, relay: Relay, stream: Stream) -> None:
        self._relay = relay
        self._stream = stream

    def inject(self, channel: Any, by: str, data: bytes, error: bool) -> None:
        self._relay.inject(self._stream, CLIENT if by == "client" else TARGET, data, error=error)


class Service:
    """ssh-connection, as a transport knows it: one side of a relay."""

    name = b"ssh-connection"
    __slots__ = ("_received", "_relay", "_side", "transport")

    def __init__(self, relay: Relay, side: int) -> None:
        self._relay = relay
        self._received = relay.received
        self._side = side
        self.transport: Any = None

    def messageReceived(self, packet: bytes, start: int, end: int) -> None:
        self._received(self._side, packet[start:end])

    def allReceived(self) -> None:
        self._relay.all_received()

    def serviceStarted(self) -> None:
        """Traffic begins with the peer's first message."""

    def serviceStopped(self) -> None:
        """The connection is lost, as whoever owns it says."""


def _gives_up(stream: Stream, message: bytes) -> bool:
    """The client does not want what waits any more: it closes the channel, sends a signal or types Ctrl-C."""
    number = message[0]
    if number == REQUEST:
        return RequestMessage(message).name == "signal"
    return number == CLOSE or (number == DATA and stream.channel.pty and _CTRL_C in message[DATA_HEAD:])


def _acts(message: bytes) -> bool:
    """The client does something: more than to say, or to answer, that it is still there."""
    number = message[0]
    if number < OPEN or number in (SUCCESS, FAILURE):
        return False
    return number != REQUEST or not RequestMessage(message).name.startswith("keepalive@")


def _nothing() -> None:
    """A client that has gone is told nothing."""
