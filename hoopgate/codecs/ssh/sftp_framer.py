"""Cut the two streams of an SFTP channel into packets, and let the data of reads and writes pass as it comes.

A packet is four bytes of length and that many bytes. What somebody must read is collected whole; of packets that carry
data only the head is, so that a window smaller than a packet can never bring the channel to a stand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.errors import LimitError, RemoteProtocolError

LARGEST: Final = 64 * 1024 * 1024  # bytes of one packet that passes: nobody sends such, and none is held
_LENGTH: Final = 4
_TYPE_AND_ID: Final = 5
_WHOLE: Final = -1
_MORE: Final = 0


class Packet:
    """One whole packet, without its length word, or with ``rest`` the head of one of which so many bytes follow."""

    __slots__ = ("data", "kind", "rest")

    def __init__(self, data: bytes, rest: int = 0) -> None:
        self.data = data
        self.kind = data[0]
        self.rest = rest

    @property
    def raw(self) -> bytes:
        """As it came."""
        return (len(self.data) + self.rest).to_bytes(_LENGTH, "big") + self.data


class Run:
    """Some of the bytes that follow a head."""

    __slots__ = ("data", "last")

    def __init__(self, data: bytes, last: bool) -> None:
        self.data = data
        self.last = last


class Framer(ABC):
    """Pull-based: ``receive(data)``, then ``next_event()`` until it answers None. ``collected``: limits.sftp_packet."""

    def __init__(self, collected: int) -> None:
        self._collected = collected
        self._buffer = bytearray()
        self._rest = 0

    @property
    def buffered(self) -> int:
        """Bytes received and not handed out."""
        return len(self._buffer)

    @property
    def boundary(self) -> bool:
        """What was handed out ends where a packet ends."""
        return not self._rest

    def receive(self, data: bytes) -> None:
        self._buffer += data

    def next_event(self) -> Packet | Run | None:
        """Raises RemoteProtocolError, and LimitError for a packet that must be read whole and is too large."""
        buffer = self._buffer
        if self._rest:
            return self._run() if buffer else None
        if len(buffer) < _LENGTH:
            return None
        size = int.from_bytes(buffer[:_LENGTH], "big")
        if not 0 < size <= LARGEST:
            raise RemoteProtocolError(f"invalid length of an SFTP packet: {size}")
        if len(buffer) == _LENGTH:
            return None
        head = self._head(size)
        if head == _MORE:
            return None
        if head == _WHOLE:
            if size > self._collected:
                raise LimitError("an SFTP packet is too large", limit="limits.sftp_packet")
            head = size
        if len(buffer) < _LENGTH + head:
            return None
        data = bytes(buffer[_LENGTH : _LENGTH + head])
        del buffer[: _LENGTH + head]
        self._rest = size - head
        return Packet(data, self._rest)

    def _run(self) -> Run:
        buffer = self._buffer
        data = bytes(buffer) if len(buffer) <= self._rest else bytes(buffer[: self._rest])
        del buffer[: len(data)]
        self._rest -= len(data)
        return Run(data, not self._rest)

    @abstractmethod
    def _head(self, size: int) -> int:
        """How many bytes behind the length word are to be read before the rest may pass."""

    def _field(self, at: int) -> int | None:
        """The number ``at`` bytes behind the length word; None if it has not come."""
        start = _LENGTH + at
        return int.from_bytes(self._buffer[start : start + 4], "big") if len(self._buffer) >= start + 4 else None

    def _with_data(self, size: int, at: int) -> int:
        """The head of a packet that ends with a string of data, whose length stands at ``at``."""
        length = self._field(at)
        if size < at + 4 or (length is not None and length != size - at - 4):
            raise RemoteProtocolError("the data of an SFTP packet is not as long as the packet says")
        return _MORE if length is None else at + 4


class RequestFramer(Framer):
    """From the client: WRITE passes behind its head."""

    def _head(self, size: int) -> int:
        if self._buffer[_LENGTH] != packets.WRITE:
            return _WHOLE
        handle = self._field(_TYPE_AND_ID)
        if handle is None:
            if size < _TYPE_AND_ID + 4:
                raise RemoteProtocolError("an SFTP packet ends before its fields do")
            return _MORE
        if handle > packets.LONGEST_HANDLE:
            raise RemoteProtocolError("a handle of an SFTP packet is too long")
        return self._with_data(size, _TYPE_AND_ID + 4 + handle + 8)


class AnswerFramer(Framer):
    """From the target: what ``passes`` (asked with the packet's type and request id) goes by behind its head."""

    def __init__(self, collected: int, passes: Callable[[int, int], bool]) -> None:
        super().__init__(collected)
        self._passes = passes

    def _head(self, size: int) -> int:
        kind = self._buffer[_LENGTH]
        if kind == packets.VERSION_REPLY:
            return _WHOLE
        number = self._field(1)
        if size < _TYPE_AND_ID:
            raise RemoteProtocolError("an SFTP packet ends before its fields do")
        if number is None:
            return _MORE
        if not self._passes(kind, number):
            return _WHOLE
        return self._with_data(size, _TYPE_AND_ID) if kind == packets.DATA else _TYPE_AND_ID
