"""One direction of one channel, as a lane reads it: the peer's messages in, frames out."""

from __future__ import annotations

from typing import Final

from hoopgate.chain import Chain
from hoopgate.codecs.ssh import messages
from hoopgate.codecs.ssh.backlog import Backlog
from hoopgate.codecs.ssh.channels import CLIENT, Stream
from hoopgate.codecs.ssh.messages import CLOSE, DATA, DATA_HEAD, EOF, EXTENDED_DATA, EXTENDED_HEAD, OPEN, REQUEST
from hoopgate.frames import (
    Channel,
    ChannelEnd,
    ChannelInput,
    ChannelOutput,
    Command,
    Frame,
    Opaque,
    Opened,
    Request,
)
from hoopgate.wire import Wire

SIDES: Final = ("client", "target")


class WholeMessages(Wire):
    """A wire that is given whole messages."""

    __slots__ = ()

    @property
    def buffered(self) -> int:
        """What waits here is bounded by the channel's window or by ``limits.ssh_requests``, and never pauses the
        connection: others share that."""
        return 0

    @property
    def boundary(self) -> bool:
        return True

    @property
    def waiting(self) -> bool:
        return False


class StreamWire(WholeMessages):
    """What ``side`` says in ``stream``. ``most``: messages that are no data and wait. ``forced``: the only command that
    may run, in place of whatever the client asks to run; "" for none."""

    __slots__ = ("_backlog", "_chain", "_forced", "_side", "_stream")

    def __init__(self, stream: Stream, side: int, chain: Chain, most: int, forced: str = "") -> None:
        self._stream = stream
        self._side = side
        self._chain = chain
        self._forced = forced if side == CLIENT else ""
        self._backlog = Backlog(most)

    @property
    def empty(self) -> bool:
        return len(self._backlog) == 0

    def receive(self, data: bytes) -> None:
        """One whole message."""
        number = data[0]
        if number == DATA:
            self._backlog.put(number, data[DATA_HEAD:])
        elif number == EXTENDED_DATA:
            self._backlog.put(number, data[EXTENDED_HEAD:])
        else:
            self._backlog.put(number, data)

    def next_frame(self) -> Frame | None:
        """Raises RemoteProtocolError where a message does not say what its kind says."""
        backlog = self._backlog
        if not len(backlog):
            return None
        number = backlog.first
        item = backlog.take()
        channel = self._stream.channel
        if number in (DATA, EXTENDED_DATA):
            if not self._watched:
                return Passing(item, error=number == EXTENDED_DATA)
            if self._side == CLIENT:
                return ChannelInput(item, channel, item, number == EXTENDED_DATA)
            return ChannelOutput(item, channel, item, number == EXTENDED_DATA)
        if number == REQUEST:
            frame = asked(item, channel, self._side)
            return _instead(frame, channel, self._forced) if self._forced else frame
        if number == OPEN:
            return Opened(item, channel, *messages.OpenMessage(item).fields())
        if number in (EOF, CLOSE) and self._watched:
            return ChannelEnd(item, channel, SIDES[self._side], number == CLOSE)
        return Opaque(item)

    @property
    def _watched(self) -> bool:
        channel = self._stream.channel
        return channel.watch_input if self._side == CLIENT else channel.watch_output


class Passing(Opaque):
    """Data that no guard wants: it only waited. ``raw`` is the data itself."""

    __slots__ = ("error",)

    def __init__(self, raw: bytes, *, error: bool) -> None:
        super().__init__(raw)
        self.error = error


class GlobalWire(WholeMessages):
    """What ``side`` asks of the connection itself. ``most``: requests that wait."""

    __slots__ = ("_backlog", "_side")

    def __init__(self, side: int, most: int) -> None:
        self._side = side
        self._backlog = Backlog(most)

    def receive(self, data: bytes) -> None:
        """One whole message."""
        self._backlog.put(data[0], data)

    def next_frame(self) -> Frame | None:
        """Raises RemoteProtocolError where a message does not say what its name says."""
        return asked(self._backlog.take(), None, self._side) if len(self._backlog) else None


def asked(message: bytes, channel: Channel | None, side: int) -> Frame:
    """The frame of a request."""
    request = messages.RequestMessage(message)
    fields = request.fields()
    if channel is not None and request.name == "exec" and side == CLIENT:
        return Command(message, channel, fields["command"])
    return Request(message, channel, request.name, fields, SIDES[side])


def _instead(frame: Frame, channel: Channel, forced: str) -> Frame:
    """The forced command, where the client asks to run something; it is what guards judge and recordings hold."""
    if not isinstance(frame, Command) and not (isinstance(frame, Request) and frame.name in ("shell", "subsystem")):
        return frame
    wants_reply = messages.RequestMessage(frame.raw).wants_reply
    return Command(messages.exec_request(0, forced, wants_reply=wants_reply), channel, forced)
