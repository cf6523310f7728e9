"""What goes out to each peer of an SSH session: in order, within its windows, and each answer in its turn."""

from __future__ import annotations

from typing import Final

from hoopgate.codecs.ssh import messages
from hoopgate.codecs.ssh.backlog import Backlog
from hoopgate.codecs.ssh.channels import CLIENT, TARGET, End, Stream
from hoopgate.codecs.ssh.messages import CLOSE, DATA, EOF, EXTENDED_DATA, FAILURE, REQUEST, SUCCESS, WINDOW_ADJUST

_AS_IT_IS: Final = b""
Out = tuple[bytes, bytes | None]
"""A message to send, and what a recording has behind its number instead, since that has the client's numbers in both
directions: b"" for the message as it is, None where it is not recorded."""
LENT: Final = 1024  # bytes, of keys that somebody presses while something waits


class Sending:
    """``window``: what may be on its way in each direction of a channel; ``packet``: data in one message;
    ``channels``: how many may be open; ``requests``: how many may await their answers.
    """

    __slots__ = (
        "_channels", "_packet", "numbers", "out", "owed", "present", "requests", "streams", "unanswered", "window",
    )  # fmt: skip

    def __init__(self, *, window: int, packet: int, channels: int, requests: int) -> None:
        self.window = window
        self.requests = requests
        self._packet = packet
        self._channels = channels
        self.present: set[Stream] = set()  # from their opening, before anybody has agreed, to their end
        # by the number with which each peer calls us
        self.streams: tuple[dict[int, Stream], dict[int, Stream]] = ({}, {})
        # by which each peer calls itself
        self.numbers: tuple[set[int], set[int]] = (set(), set())
        self.out: tuple[list[Out], list[Out]] = ([], [])  # to the client, to the target
        # Of global requests: the answers that each peer is to get (None: the other gives it), and is to give.
        self.owed: tuple[list[int | None], list[int | None]] = ([], [])
        self.unanswered = [0, 0]

    def data(self, side: int, stream: Stream, message: bytes, head: int) -> None:
        """Pass on data of ``side`` as it came, which begins at ``head``."""
        length = len(message) - head
        stream.queued[side] -= length
        source, sink = stream.ends[side], stream.ends[1 - side]
        if sink.close_out or (stream.refused and side == TARGET):
            return
        if sink.waits or length > sink.allowed or length > sink.packet:
            self._wait(stream, 1 - side, message[0], message[head:])
            self._drain(stream, 1 - side)
        else:
            sink.allowed -= length
            mark = _AS_IT_IS if side == TARGET or message.startswith(stream.mark, 1) else stream.mark
            self.out[1 - side].append((messages.to(sink.theirs, message), mark))
        if stream.apart[side] or sink.allowed > source.credit:
            self.grant(stream, side)

    def changed(self, side: int, stream: Stream, taken: int, data: bytes, *, error: bool) -> None:
        """Pass on ``data`` in place of the ``taken`` bytes that came from ``side``."""
        stream.queued[side] -= taken
        self.put(side, stream, data, error=error)
        self.grant(stream, side)

    def put(self, side: int, stream: Stream, data: bytes, *, error: bool) -> None:
        """Send ``data`` as if ``side`` had sent it, behind what has gone before."""
        sink = stream.ends[1 - side]
        deaf = sink.close_out or sink.eof_out or (stream.refused and side == TARGET)
        if data and stream.confirmed and not deaf:
            self._wait(stream, 1 - side, EXTENDED_DATA if error else DATA, data)
            self._drain(stream, 1 - side)

    def grant(self, stream: Stream, side: int) -> None:
        """Let ``side`` send as much more as there is room for."""
        source, sink = stream.ends[side], stream.ends[1 - side]
        if source.ours < 0 or source.eof_in or source.close_in or source.close_out:
            return
        window = self.window
        ours = stream.apart[side] or sink.allowed > window
        room = (window if ours else sink.allowed) - stream.queued[side] - _size(sink) - source.credit
        if room <= 0 or (ours and room * 2 < window and source.credit):
            return
        source.credit += room
        out = self.out[side]
        last = out[-1][0] if out else b""
        if last.startswith(messages.bare(WINDOW_ADJUST, source.theirs)):  # of several that came at once one is made
            room += int.from_bytes(last[5:], "big")
            out.pop()
        out.append((messages.window_adjust(source.theirs, room), None))

    def lend(self, stream: Stream, side: int) -> None:
        """Let ``side`` send a little for which the other has no room yet; it waits here, and is made up for later.

        sshd makes none before a program runs, and ssh reads no keys before there is some: neither Ctrl-C nor ``~.``.
        """
        source = stream.ends[side]
        if stream.confirmed and not (source.credit or source.eof_in or source.close_in or source.close_out):
            source.credit = LENT
            self.out[side].append((messages.window_adjust(source.theirs, LENT), None))

    def answer(self, stream: Stream, side: int, *, success: bool) -> None:
        """Answer a request of ``side`` ourselves, in its turn."""
        end = stream.ends[side]
        if end.owed:
            end.owed.append(success)
        else:
            self._ordered(stream, side, SUCCESS if success else FAILURE, b"")

    def finish(self, stream: Stream, words: bytes) -> None:
        """End a channel by our own decision: the client gets ``words`` on stderr, status 126 and the end."""
        if stream.refused:
            return
        stream.refused, stream.finishing = True, True
        stream.words = words
        self.drop(stream, TARGET)
        self._ordered(stream, TARGET, CLOSE, b"")
        self._finish(stream, answered=stream.ends[TARGET].close_in)

    def drop(self, stream: Stream, side: int) -> None:
        """Of what waits for ``side`` nothing is wanted any more but the end."""
        end = stream.ends[side]
        closing = end.pending is not None and end.pending.holds(CLOSE)
        end.pending = None
        if closing:
            self._emit(stream, side, CLOSE, b"")

    def _finish(self, stream: Stream, *, answered: bool) -> None:
        """Say the last words, once the client's requests are answered or will not be."""
        client = stream.ends[CLIENT]
        if not stream.finishing or (client.owed and not answered):
            return
        stream.finishing = False
        client.owed = None
        if stream.channel.kind == "session" and not client.eof_out:
            self._wait(stream, CLIENT, EXTENDED_DATA, stream.words)
            self._wait(stream, CLIENT, REQUEST, messages.exit_status(REFUSED))
            self._wait(stream, CLIENT, EOF, b"")
        self._wait(stream, CLIENT, CLOSE, b"")
        self._drain(stream, CLIENT)

    def _reply(self, stream: Stream, side: int, number: int) -> None:
        """The other side has answered a request of ``side``."""
        end = stream.ends[side]
        owed = end.owed
        if not owed:
            return  # what it was owed has ended with the channel
        owed.pop(0)
        if side == CLIENT:
            self._told(stream, failed=number == FAILURE)
        self._ordered(stream, side, number, b"")
        while owed and (own := owed[0]) is not None:
            owed.pop(0)
            if side == CLIENT:
                self._told(stream, failed=False)
            self._ordered(stream, side, SUCCESS if own else FAILURE, b"")
        if stream.finishing:
            self._finish(stream, answered=False)

    def _told(self, stream: Stream, *, failed: bool) -> None:
        """The client gets one of its answers. Where a program could not be started, another may be asked for."""
        if stream.starting > 0:
            stream.starting -= 1
            if stream.starting == 0 and failed:
                stream.program = False

    def _ordered(self, stream: Stream, side: int, number: int, rest: bytes) -> None:
        """Send something that comes behind the data that waits."""
        end = stream.ends[side]
        if end.waits and not end.close_in:
            self._wait(stream, side, number, rest)
        else:
            self._emit(stream, side, number, rest)

    def _emit(self, stream: Stream, side: int, number: int, rest: bytes) -> None:
        end = stream.ends[side]
        if end.close_out or (number == EOF and end.eof_out):
            return
        if number == CLOSE:
            end.close_out = True
        elif number == EOF:
            end.eof_out = True
        mark = _AS_IT_IS if side == CLIENT else stream.mark
        self.out[side].append((messages.bare(number, end.theirs) + rest, mark))
        if number == CLOSE:
            end.pending = None
            self._forget(stream)

    def _wait(self, stream: Stream, side: int, number: int, item: bytes) -> None:
        end = stream.ends[side]
        if end.pending is None:
            end.pending = Backlog(self.requests)
        end.pending.put(number, item)

    def _drain(self, stream: Stream, side: int) -> None:
        """Send of what waits as much as the peer has room for."""
        end = stream.ends[side]
        while end.waits:
            assert end.pending is not None
            number = end.pending.first
            if number not in (DATA, EXTENDED_DATA):
                self._emit(stream, side, number, end.pending.take())
                continue
            length = min(end.allowed, end.packet)
            if length == 0:
                break
            piece = end.pending.take(length)
            end.allowed -= len(piece)
            make = messages.data if number == DATA else messages.extended_data
            self.out[side].append((make(end.theirs, piece), _AS_IT_IS if side == CLIENT else stream.mark))
        self.grant(stream, 1 - side)

    def _forget(self, stream: Stream) -> None:
        """Free the numbers of each end that both have closed."""
        open_ends = 0
        for side in (CLIENT, TARGET):
            end = stream.ends[side]
            if not end.over:
                open_ends += 1
            elif end.ours >= 0 and self.streams[side].get(end.ours) is stream:
                del self.streams[side][end.ours]
                self.numbers[side].discard(end.theirs)
        if not open_ends and not stream.over:
            self.present.discard(stream)
            stream.over = True


def _size(end: End) -> int:
    """Bytes of data that wait for the peer."""
    return 0 if end.pending is None else end.pending.size


REFUSED: Final = 126  # the exit status of what may not run, as shells have it
