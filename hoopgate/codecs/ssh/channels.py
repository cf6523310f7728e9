"""What the gateway knows of one channel: two ends, each as the peer at it sees the gateway."""

from __future__ import annotations

from typing import Any, Final

from hoopgate.codecs.ssh.backlog import Backlog
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Channel

CLIENT: Final = 0  # the sides, as directions of recordings: who a message comes from
TARGET: Final = 1
MOST: Final = 2**32 - 1


class End:
    """One peer's side of a channel.

    ``theirs`` is the peer's number for it (what we write as recipient), ``ours`` the number by which the peer calls
    us; -1 until known. ``credit``: bytes of data that the peer may still send; ``allowed``: that we may still send to
    it. ``packet``: data in one message to it; ``told``: in one message of its.
    """

    __slots__ = (
        "allowed", "asked", "close_in", "close_out", "credit", "eof_in", "eof_out", "ours", "owed", "packet", "pending",
        "theirs", "told",
    )  # fmt: skip

    def __init__(self) -> None:
        self.theirs: int = -1
        self.ours: int = -1
        self.credit: int = 0
        self.allowed: int = 0
        self.packet: int = 0
        self.told: int = 0
        self.eof_in = False
        self.eof_out = False
        self.close_in = False
        self.close_out = False
        self.asked: int = 0  # requests that we have passed to it, and that it is to answer
        # answers that it is to get, in order: None for one that the other side is to give
        self.owed: list[bool | None] | None = None
        # what waits for room in its window: a number, and a piece of data or what is behind the channel's number
        self.pending: Backlog | None = None

    @property
    def over(self) -> bool:
        """Both have closed: the numbers are free."""
        return self.close_in and self.close_out

    @property
    def waits(self) -> bool:
        """Something waits for room in its window, or for what does."""
        return self.pending is not None and len(self.pending) > 0

    def take(self, length: int) -> None:
        """The peer sends ``length`` bytes of data. Raises RemoteProtocolError where it may not."""
        if length > self.credit:
            raise RemoteProtocolError("more data than the channel's window has room for")
        if length > self.told:
            raise RemoteProtocolError("more data in one message than the channel may have")
        if self.eof_in:
            raise RemoteProtocolError("data behind the end of a channel's data")
        self.credit -= length

    def give(self, more: int) -> None:
        """The peer makes room for ``more`` bytes."""
        if self.allowed + more > MOST:
            raise RemoteProtocolError("a window beyond 4 GiB")
        self.allowed += more


class Stream:
    """One channel. ``opener`` is CLIENT or TARGET; ``ends`` are the client's and the target's.

    ``apart``: of each direction, whether what goes out may be other than what came in, so that windows are ours.
    ``queued``: of each, the bytes of data that were taken, and neither passed on nor dropped. ``lanes`` is the relay's.
    ``mark``: the client's number, as recordings have it. ``over``: nothing of it is left.

    ``program``: the client has asked for what runs in it, and that has not failed; ``spoke``: it has sent data;
    ``starting``: which of the answers that it is owed tells of the program (1: the next), 0 for none.
    """

    __slots__ = (
        "apart", "channel", "confirmed", "ends", "finishing", "lanes", "mark", "opener", "over", "program", "queued",
        "refused", "spoke", "starting", "words",
    )  # fmt: skip

    def __init__(self, channel: Channel, opener: int) -> None:
        self.channel = channel
        self.opener = opener
        self.ends = (End(), End())
        self.confirmed = False
        self.mark = b""
        self.refused = False  # the client gets our last words, and nothing else of the target's
        self.finishing = False  # these last words wait until its requests are answered
        self.words = b""
        self.apart = [False, False]
        self.queued = [0, 0]
        self.lanes: list[Any] = [None, None]
        self.program = False
        self.spoke = False
        self.starting: int = 0
        self.over = False
