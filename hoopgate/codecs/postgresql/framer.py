"""Cut a PostgreSQL byte stream into messages, leaving alone what nobody asked for.

PostgreSQL manual, "Message Flow": after start-up a message is one type byte, four bytes of length (which count
themselves) and a body. The framer hands out runs of unwanted messages as they came, in pieces of whatever size the
network gave, and collects whole only those messages whose meaning somebody needs.

Pull-based, as in h11: ``receive(data)``, then ``next_event()`` until it answers None, or ``advance()``, which makes no
objects, until it answers NOTHING. What the next byte means may depend on what was done with the last event, so the
table of wanted types may change between two calls.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from hoopgate.errors import LimitError, RemoteProtocolError

UNKNOWN: Final = 0  # not a message of this direction: the peer is in error
PASS: Final = 1  # forwarded as it comes, in parts if it is large
WHOLE: Final = 2  # somebody must read it: collected
ROWS: Final = 3  # whole too, but contiguous ones are handed out in one piece
HEAD: Final = 4  # collected when small; when large, its beginning is judged and its rest passes
NOTHING: Final = -1  # more bytes are needed

HEADER: Final = 5
HEAD_BYTES: Final = 8192  # of a large HEAD message, at least this much is there to be judged


@frozen
class Run:
    """Bytes to forward as they are. ``boundary``: they end where a message ends."""

    data: bytes
    boundary: bool


@frozen
class Message:
    """One whole message, or with ``partial`` the beginning of a large one (then ``rest`` bytes follow)."""

    type: int
    raw: bytes
    partial: bool = False


@frozen
class RowRun:
    """Contiguous whole messages of one ROWS type."""

    raw: bytes


Event = Run | Message | RowRun


def table(*, passing: str = "", whole: str = "", rows: str = "", head: str = "") -> bytes:
    """``table(passing="Dd", whole="CZ")``: the 256-entry table that a framer works by."""
    result = bytearray(256)
    for kind, letters in ((PASS, passing), (WHOLE, whole), (ROWS, rows), (HEAD, head)):
        for letter in letters:
            result[ord(letter)] = kind
    return bytes(result)


class Framer:
    """One direction's framer.

    ``kinds`` is a table as above, read at each message, and changed by the caller as what is wanted changes. ``whole``
    bounds a collected message and ``large`` is where a HEAD message stops being collected; both in bytes. ``largest``
    bounds any message. The last event lies at ``buffer[start:end]``, and with ``partial`` is only the beginning of a
    message.
    """

    def __init__(self, kinds: bytes, *, whole: int, large: int, largest: int, limit: str) -> None:
        self.kinds = kinds
        self.buffer = b""
        self.start = 0
        self.end = 0
        self.partial = False
        self._whole = whole
        self._large = large
        self._largest = largest
        self._limit = limit
        self._position = 0
        self._parts: list[bytes] = []  # received while a collected message is still short
        self._parts_size = 0
        self._needed = 0
        self._rest = 0  # bytes of a passing message still to come
        self._dropping = False

    @property
    def buffered(self) -> int:
        """Bytes received and not handed out."""
        return len(self.buffer) - self._position + self._parts_size

    @property
    def boundary(self) -> bool:
        """True between two messages, as far as they were handed out."""
        return self._rest == 0

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._parts.append(data)  # joined once enough is there: a peer may send single bytes
        self._parts_size += len(data)

    def drop_rest(self) -> None:
        """Throw away what is still to come of the message just handed out in part."""
        self._dropping = True

    def rewind(self) -> None:
        """The last event, a whole message, is to come once more."""
        self._position = self.start

    def cut(self, start: int, end: int) -> bytes:
        """``buffer[start:end]``: the buffer itself where that is all of it."""
        return self.buffer if start == 0 and end == len(self.buffer) else self.buffer[start:end]

    def next_event(self) -> Event | None:
        """The next event, or None when more bytes are needed. Raises as :meth:`advance` does."""
        found = self.advance()
        if found == NOTHING:
            return None
        raw = self.cut(self.start, self.end)
        if found == PASS:
            return Run(raw, self._rest == 0)
        if found == ROWS:
            return RowRun(raw)
        return Message(raw[0], raw, self.partial)

    def advance(self) -> int:
        """Go on to the next event: PASS for a run, ROWS for contiguous rows, WHOLE or HEAD for a message.

        NOTHING: more bytes are needed.

        :raises RemoteProtocolError: the peer sent a type or a length that cannot be.
        :raises LimitError: a message that must be read whole is over the limit.
        """
        if self._parts and not self._joined():
            return NOTHING
        if self._rest and self._pass_rest():
            return PASS
        return self._walk()

    def _joined(self) -> bool:
        if self.buffered < self._needed:
            return False
        if self._position < len(self.buffer):
            self._parts.insert(0, self.buffer[self._position :])
        self.buffer = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._parts_size = self._position = self._needed = 0
        return True

    def _pass_rest(self) -> bool:
        start, size = self._position, len(self.buffer)
        if start == size:
            return False
        end = min(size, start + self._rest)
        self._rest -= end - start
        self._position = end
        if self._dropping:
            self._dropping = self._rest > 0
            return False
        self.start, self.end = start, end
        return True

    def _walk(self) -> int:
        buffer, kinds = self.buffer, self.kinds
        start = position = self._position
        size = len(buffer)
        while position + HEADER <= size:
            kind = kinds[buffer[position]]
            end = position + 1 + int.from_bytes(buffer[position + 1 : position + HEADER], "big")
            if kind == PASS and position + HEADER <= end <= position + self._largest:
                if end <= size:
                    position = end
                    continue
                self._rest = end - size
                self._position = self.end = size
                self.start = start
                return PASS
            if position > start:
                break
            return self._wanted(kind, position, end)
        self._position = position
        if position > start:
            self.start, self.end = start, position
            return PASS
        return NOTHING

    def _wanted(self, kind: int, start: int, end: int) -> int:
        buffer = self.buffer
        size = len(buffer)
        length = end - start
        if kind == UNKNOWN:
            raise RemoteProtocolError(f"invalid frontend or backend message type {buffer[start]}")
        if length < HEADER or length > self._largest:
            raise RemoteProtocolError(f"invalid message length {length - 1}")
        if end > size:
            return self._incomplete(kind, start, end)
        self.partial = False
        self.start = start
        self._position = self.end = self._rows(end) if kind == ROWS else end
        return kind

    def _incomplete(self, kind: int, start: int, end: int) -> int:
        size = len(self.buffer)
        if kind == HEAD and end - start > self._large:
            if size - start < HEAD_BYTES:
                self._needed = HEAD_BYTES
                return NOTHING
            self._rest = end - size
            self.start = start
            self._position = self.end = size
            self.partial = True
            return HEAD
        if kind != HEAD and end - start > self._whole:
            raise LimitError(f"a message of {end - start} bytes is too large", limit=self._limit)
        self._needed = end - start
        return NOTHING

    def _rows(self, position: int) -> int:
        """Where the contiguous whole rows end, the first of which ends at ``position``."""
        buffer, kinds = self.buffer, self.kinds
        size = len(buffer)
        while position + HEADER <= size and kinds[buffer[position]] == ROWS:
            end = position + 1 + int.from_bytes(buffer[position + 1 : position + HEADER], "big")
            if end > size or end < position + HEADER:
                break
            position = end
        return position
