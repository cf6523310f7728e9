"""Two SSH connections back to back: every channel's life, numbers, windows and answers owed (RFC 4254).

Sans-I/O, and one class for both roles: ``receive`` takes a peer's message and checks it against what that peer may
send, ``forward`` passes it on, and what is to be sent gathers in ``out``. In between somebody may look, wait, refuse
or change.

Windows go through: what the receiver makes room for, the sender may send, so the slowest of the chain bounds all that
is on its way. Only where data may change on its way (``Stream.apart``), the sender's window is ours.

Numbers go through as well: to each peer we call a channel what the other peer calls it, unless that number is taken.
"""

from __future__ import annotations

from typing import Final

from hoopgate.codecs.ssh import messages
from hoopgate.codecs.ssh.channels import CLIENT, TARGET, Stream
from hoopgate.codecs.ssh.messages import (
    CLOSE,
    DATA,
    DATA_HEAD,
    EOF,
    EXTENDED_DATA,
    EXTENDED_HEAD,
    FAILURE,
    GLOBAL_REQUEST,
    OPEN,
    OPEN_CONFIRMATION,
    OPEN_FAILURE,
    REQUEST,
    REQUEST_FAILURE,
    REQUEST_SUCCESS,
    SUCCESS,
    WINDOW_ADJUST,
)
from hoopgate.codecs.ssh.sending import Sending
from hoopgate.errors import LimitError, RemoteProtocolError
from hoopgate.frames import Channel

_OPENERS: Final = ("client", "target")


class Connection(Sending):
    """The channels of one session."""

    __slots__ = ()

    # --- what a peer sends

    def receive(self, side: int, message: bytes) -> Stream | None:
        """Account for a message of ``side``; None for one that is about no channel, or that is done with already.

        Raises RemoteProtocolError or LimitError, after which the connection cannot go on.
        """
        number = message[0]
        if number == DATA:
            return self._data(side, message, DATA_HEAD)
        if number == WINDOW_ADJUST:
            self._adjusted(side, message)
            return None
        if number == EXTENDED_DATA:
            return self._data(side, message, EXTENDED_HEAD)
        if number == OPEN:
            return self._opened(side, message)
        if number == GLOBAL_REQUEST:
            self._bound(len(self.owed[side]), "requests await an answer")
            return None
        if number in (REQUEST_SUCCESS, REQUEST_FAILURE):
            self._answered(side, message)
            return None
        stream = self.of(side, message)
        if number in (OPEN_CONFIRMATION, OPEN_FAILURE):
            self._decided(side, stream, message)
        elif not stream.confirmed:
            raise RemoteProtocolError("a message of a channel that is not open yet")
        elif number == REQUEST:
            self._bound(len(stream.ends[side].owed or ()), "requests of a channel await an answer")
            if side == CLIENT and messages.RequestMessage(message).name in messages.PROGRAMS:
                self._started(stream)
        else:
            self._bare(side, stream, message)
        return stream

    def of(self, side: int, message: bytes) -> Stream:
        """The channel that a message of ``side`` is about. Raises RemoteProtocolError."""
        stream = self.streams[side].get(messages.recipient(message))
        if stream is None:
            raise RemoteProtocolError("a message of a channel that is not open")
        if stream.ends[side].close_in:
            raise RemoteProtocolError("a message of a channel that its sender has closed")
        return stream

    def _started(self, stream: Stream) -> None:
        """One program runs in a channel (section 6.5), and gets what comes behind its request. So whoever has looked at
        the request, and said how the data is to be judged, sees all of it, and no other program does."""
        if stream.refused:
            return
        if stream.program:
            raise RemoteProtocolError("a second program in one channel")
        if stream.spoke:
            raise RemoteProtocolError("data of a channel before its program")
        stream.program = True

    def _bound(self, count: int, what: str) -> None:
        if count >= self.requests:
            raise LimitError(f"too many {what}", limit="limits.ssh_requests")

    def _data(self, side: int, message: bytes, head: int) -> Stream:
        length = len(message) - head
        if length < 0 or int.from_bytes(message[head - 4 : head], "big") != length:
            raise RemoteProtocolError("data of another length than it says")
        stream = self.of(side, message)
        if not stream.confirmed:
            raise RemoteProtocolError("data of a channel that is not open yet")
        stream.ends[side].take(length)
        stream.queued[side] += length
        if side == CLIENT:
            stream.spoke = True
        return stream

    def _adjusted(self, side: int, message: bytes) -> None:
        if len(message) != 9:
            raise RemoteProtocolError("a malformed message")
        stream = self.of(side, message)
        if not stream.confirmed:
            raise RemoteProtocolError("a window of a channel that is not open yet")
        end = stream.ends[side]
        end.give(int.from_bytes(message[5:], "big"))
        if end.waits:
            self._drain(stream, side)
        self.grant(stream, 1 - side)

    def _opened(self, side: int, message: bytes) -> Stream | None:
        opening = messages.OpenMessage(message)
        if opening.sender in self.numbers[side]:
            raise RemoteProtocolError("a channel with the number of another")
        if len(self.present) >= self._channels:
            text = "too many channels (limits.ssh_channels)"
            self.out[side].append((messages.open_failure(opening.sender, messages.SHORTAGE, text), None))
            return None
        stream = Stream(Channel(opening.sender if side == CLIENT else -1, opening.kind, _OPENERS[side]), side)
        self._introduce(stream, side, opening.sender, opening.window, opening.packet)
        self.present.add(stream)
        return stream

    def _introduce(self, stream: Stream, side: int, number: int, window: int, packet: int) -> None:
        """A peer says what it calls a channel, and what it takes."""
        end = stream.ends[side]
        end.theirs = number
        end.allowed = window
        end.packet = min(packet, self._packet)
        if end.packet == 0:
            raise RemoteProtocolError("a channel whose messages have room for no data")
        self.numbers[side].add(number)
        if side == CLIENT:
            stream.channel.number = number
            stream.mark = messages.uint32(number)

    def _decided(self, side: int, stream: Stream, message: bytes) -> None:
        """The other side answers the opening of a channel."""
        if stream.confirmed or stream.opener == side:
            raise RemoteProtocolError("an answer to no opening of a channel")
        reader = messages.Reader(message, 5)
        if message[0] == OPEN_FAILURE:
            reader.uint32()
            reader.string()
            reader.string()
            reader.end()
            return
        sender, window, packet = reader.uint32(), reader.uint32(), reader.uint32()
        if sender in self.numbers[side]:
            raise RemoteProtocolError("a channel with the number of another")
        self._introduce(stream, side, sender, window, packet)
        stream.confirmed = True

    def _bare(self, side: int, stream: Stream, message: bytes) -> None:
        end = stream.ends[side]
        number = message[0]
        if len(message) != 5:
            raise RemoteProtocolError("a malformed message")
        if number == EOF:
            if end.eof_in:
                raise RemoteProtocolError("a channel's data ends twice")
            end.eof_in = True
        elif number == CLOSE:
            end.close_in = True
        elif number in (SUCCESS, FAILURE):
            if end.asked == 0:
                raise RemoteProtocolError("an answer to no request of a channel")
            end.asked -= 1
        else:
            raise RemoteProtocolError(f"a message of an unknown kind ({number})")

    def _answered(self, side: int, message: bytes) -> None:
        """A global request's answer goes on at once: what comes behind it may depend on it."""
        if self.unanswered[side] == 0:
            raise RemoteProtocolError("an answer to no request")
        self.unanswered[side] -= 1
        owed = self.owed[1 - side]
        owed.pop(0)
        self.out[1 - side].append((message, b""))
        while owed and (own := owed[0]) is not None:
            owed.pop(0)
            self.out[1 - side].append((bytes((own,)), b""))

    # --- what is passed on

    def forward(self, side: int, stream: Stream, message: bytes) -> None:
        """Pass on what ``receive`` has taken of ``side``, or what somebody made of it."""
        number = message[0]
        if number == DATA:
            self.data(side, stream, message, DATA_HEAD)
        elif number == EXTENDED_DATA:
            self.data(side, stream, message, EXTENDED_HEAD)
        elif number == REQUEST:
            self._request(side, stream, message)
        elif number in (SUCCESS, FAILURE):
            self._reply(stream, 1 - side, number)
        elif number == EOF:
            self._ordered(stream, 1 - side, EOF, b"")
        elif number == CLOSE:
            self._closed(side, stream)
        elif number == OPEN:
            self._open(side, stream, message)
        elif number == OPEN_CONFIRMATION:
            self._confirm(side, stream, message)
        else:
            self._unopened(stream, messages.to(stream.ends[stream.opener].theirs, message))

    def forward_global(self, side: int, message: bytes) -> None:
        """Pass on a request of the connection itself."""
        if messages.RequestMessage(message).wants_reply:
            self.owed[side].append(None)
            self.unanswered[1 - side] += 1
        self.out[1 - side].append((message, b""))

    def answer_global(self, side: int, *, success: bool) -> None:
        """Answer a global request of ``side`` ourselves, in its turn."""
        number = REQUEST_SUCCESS if success else REQUEST_FAILURE
        if self.owed[side]:
            self.owed[side].append(number)
        else:
            self.out[side].append((bytes((number,)), b""))

    def refuse_open(self, stream: Stream, text: str, reason: int = messages.PROHIBITED) -> None:
        """Tell the opener that there will be no such channel."""
        number = stream.ends[stream.opener].theirs
        self._unopened(stream, messages.open_failure(number, reason, text))

    def _open(self, side: int, stream: Stream, message: bytes) -> None:
        opening = messages.OpenMessage(message)
        source, sink = stream.ends[side], stream.ends[1 - side]
        self._call(1 - side, stream, source.theirs, source.packet, source.allowed)
        out = messages.open_message(opening.kind, sink.ours, sink.credit, sink.told, opening.rest)
        mark = b"" if side == TARGET else message[1 : 9 + len(opening.kind)]
        self.out[1 - side].append((out, mark))

    def _confirm(self, side: int, stream: Stream, message: bytes) -> None:
        source, sink = stream.ends[side], stream.ends[1 - side]
        self._call(1 - side, stream, source.theirs, source.packet, source.allowed)
        out = messages.open_confirmation(sink.theirs, sink.ours, sink.credit, sink.told, message[17:])
        mark = b"" if side == TARGET else messages.uint32(source.ours) + stream.mark
        self.out[1 - side].append((out, mark))

    def _call(self, side: int, stream: Stream, wish: int, packet: int, window: int) -> None:
        """Tell ``side`` what to call us by, and what we take."""
        taken = self.streams[side]
        end = stream.ends[side]
        end.ours = wish
        if wish in taken:
            end.ours = next(number for number in range(2**31, 2**32) if number not in taken)
        taken[end.ours] = stream
        end.told = packet
        end.credit = min(window, self.window)

    def _unopened(self, stream: Stream, message: bytes) -> None:
        side = stream.opener
        other = stream.ends[1 - side]
        if side == CLIENT:
            mark: bytes | None = b"" if other.ours >= 0 else None
        else:  # the recording knows it by what the client was told
            mark = messages.uint32(other.ours) if other.ours >= 0 else None
        self.out[side].append((message, mark))
        self.numbers[side].discard(stream.ends[side].theirs)
        self.streams[1 - side].pop(other.ours, None)
        self.present.discard(stream)
        stream.over = True

    def _request(self, side: int, stream: Stream, message: bytes) -> None:
        source, sink = stream.ends[side], stream.ends[1 - side]
        if sink.close_out or (stream.refused and side == TARGET):
            return
        request = messages.RequestMessage(message)
        if request.wants_reply:
            if source.owed is None:
                source.owed = []
            source.owed.append(None)
            sink.asked += 1
            if side == CLIENT and request.name in messages.PROGRAMS:
                stream.starting = len(source.owed)
        self._ordered(stream, 1 - side, REQUEST, message[5:])

    def _closed(self, side: int, stream: Stream) -> None:
        """``side`` has closed: it takes nothing any more, and the other hears of it behind all that came before."""
        self.drop(stream, side)
        if not stream.refused:
            self._ordered(stream, 1 - side, CLOSE, b"")
        else:  # the target has been told already; the client hears it behind our last words, if it still listens
            self._finish(stream, answered=True)
            if side == CLIENT:
                self._ordered(stream, CLIENT, CLOSE, b"")
        self._forget(stream)
