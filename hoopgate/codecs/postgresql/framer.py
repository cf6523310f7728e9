"""Cut a PostgreSQL byte stream into messages, leaving alone what nobody asked for.

PostgreSQL manual, "Message Flow": after start-up a message is one type byte, four bytes of length (which count
themselves) and a body. The framer hands out runs of unwanted messages as they came, in pieces of whatever size the
network gave, and collects whole only those messages whose meaning somebody needs.

Pull-based, as in h11: ``receive(data)``, then ``next_event()`` until it answers None, or ``advance()``, which makes no
objects, until it answers NOTHING. What the next byte means may depend on what was done with the last event, so the
table of wanted types may change between two calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from librt.strings import read_i32_be

from hoopgate.errors import LimitError, RemoteProtocolError

if TYPE_CHECKING:
    from mypy_extensions import i64

UNKNOWN: Final = 0  # not a message of this direction: the peer is in error
PASS: Final = 1  # forwarded as it comes, in parts if it is large
WHOLE: Final = 2  # somebody must read it: collected
ROWS: Final = 3  # whole too, but contiguous ones are handed out in one piece
HEAD: Final = 4  # collected when small; when large, its beginning is judged and its rest passes
NOTHING: Final = -1  # more bytes are needed

HEADER: Final = 5
HEAD_BYTES: Final = 8192  # of a large HEAD message, at least this much is there to be judged


class Run:
    """Bytes to forward as they are. ``boundary``: they end where a message ends."""

    __slots__ = ("boundary", "data")

    def __init__(self, data: bytes, boundary: bool) -> None:
        self.data = data
        self.boundary = boundary


class Message:
    """One whole message, or with ``partial`` the beginning of a large one (then ``rest`` bytes follow)."""

    __slots__ = ("partial", "raw", "type")

    def __init__(self, type: int, raw: bytes, partial: bool = False) -> None:  # noqa: A002 - the protocol's own word
        self.type = type
        self.raw = raw
        self.partial = partial


class RowRun:
    """Contiguous whole messages of one ROWS type."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw


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
        self.start: i64 = 0
        self.end: i64 = 0
        self.partial = False
        self._whole: i64 = whole
        self._large: i64 = large
        self._largest: i64 = largest
        self._limit = limit
        self._position: i64 = 0
        self._parts: list[bytes] = []  # received while a collected message is still short
        self._parts_size: i64 = 0
        self._needed: i64 = 0
        self._rest: i64 = 0  # bytes of a passing message still to come
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
        """The last event, a message or the beginning of one, is to come once more."""
        self._position = self.start
        self._rest = 0

    def cut(self, start: i64, end: i64) -> bytes:
        """``buffer[start:end]``: the buffer itself where that is all of it."""
        buffer = self.buffer
        return buffer if start == 0 and end == len(buffer) else buffer[start:end]

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
        if self._parts:
            if not self._joined():
                return NOTHING
        elif self._position == len(self.buffer):
            self.buffer = b""  # a session that falls silent keeps no memory for what it sent
            self._position = 0
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
        start = self._position
        size: i64 = len(self.buffer)
        if start == size:
            return False
        end = start + self._rest
        if end > size:
            end = size
        self._rest -= end - start
        self._position = end
        if self._dropping:
            self._dropping = self._rest > 0
            return False
        self.start = start
        self.end = end
        return True

    def _walk(self) -> int:
        buffer, kinds, largest = self.buffer, self.kinds, self._largest
        start = position = self._position
        size: i64 = len(buffer)
        last = size - HEADER
        while position <= last:
            kind: int = kinds[buffer[position]]
            length: int = read_i32_be(buffer, position + 1)
            end = position + 1 + length
            if length < 4 or end - position > largest or kind == UNKNOWN:
                if position > start:
                    break
                raise self._impossible(kind, buffer[position], length)
            if kind == PASS:
                if end <= size:
                    position = end
                    continue
                self._rest = end - size
                self._found(start, size)
                return PASS
            if position > start:
                break
            if end > size:
                return self._incomplete(kind, position, end)
            self.partial = False
            self._found(position, self._rows(end) if kind == ROWS else end)
            return kind
        if position == start:
            return NOTHING
        self._found(start, position)
        return PASS

    def _found(self, start: i64, end: i64) -> None:
        self.start = start
        self.end = end
        self._position = end

    def _impossible(self, kind: int, letter: int, length: int) -> RemoteProtocolError:
        if kind == UNKNOWN:
            return RemoteProtocolError(f"invalid frontend or backend message type {letter}")
        return RemoteProtocolError(f"invalid message length {length & 0xFFFFFFFF}")

    def _incomplete(self, kind: int, start: i64, end: i64) -> int:
        size: i64 = len(self.buffer)
        if kind == HEAD and end - start > self._large:
            if size - start < HEAD_BYTES:
                self._needed = HEAD_BYTES
                return NOTHING
            self._rest = end - size
            self.partial = True
            self._found(start, size)
            return HEAD
        if kind != HEAD and end - start > self._whole:
            # How large it is may tell of values that are masked.
            raise LimitError("a message is too large", limit=self._limit)
        self._needed = end - start
        return NOTHING

    def _rows(self, position: i64) -> i64:
        """Where the contiguous whole rows end, the first of which ends at ``position``."""
        buffer, kinds = self.buffer, self.kinds
        size: i64 = len(buffer)
        last = size - HEADER
        while position <= last and kinds[buffer[position]] == ROWS:
            length: int = read_i32_be(buffer, position + 1)
            end = position + 1 + length
            if end > size or length < 4:
                break
            position = end
        return position
