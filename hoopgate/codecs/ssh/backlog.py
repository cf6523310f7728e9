"""Messages of a channel that wait, in order. However many there are of them, they take little more than their bytes."""

from __future__ import annotations

from collections import deque
from typing import Final

from hoopgate.codecs.ssh.messages import DATA, EXTENDED_DATA
from hoopgate.errors import LimitError

TOGETHER: Final = 32_768  # bytes: small pieces of data are put together, up to this


class Backlog:
    """Items are (number, piece of data) or (number, message). At most ``most`` that are no data.

    Pieces of data that follow one another become one. Of stdout and stderr, which have no common order, either may be
    put to what came before of its kind, unless something else came between.
    """

    __slots__ = ("_items", "_most", "_others", "size")

    def __init__(self, most: int) -> None:
        self._items: deque[tuple[int, bytes | bytearray]] = deque()
        self._most = most
        self._others = 0
        self.size = 0  # bytes of data

    def __len__(self) -> int:
        return len(self._items)

    def put(self, number: int, item: bytes) -> None:
        """Raises LimitError where there is no room."""
        items = self._items
        if number not in (DATA, EXTENDED_DATA):
            if self._others >= self._most:
                raise LimitError("too many messages of a channel wait", limit="limits.ssh_requests")
            self._others += 1
            items.append((number, item))
            return
        self.size += len(item)
        if items and not self._joined(-1, number, item):
            between = items[-1][0]
            apart = between == number or between not in (DATA, EXTENDED_DATA) or len(items) == 1
            if apart or not self._joined(-2, number, item):
                items.append((number, item))
        elif not items:
            items.append((number, item))

    def _joined(self, place: int, number: int, item: bytes) -> bool:
        kind, before = self._items[place]
        if kind != number or len(before) + len(item) > TOGETHER:
            return False
        if isinstance(before, bytearray):
            before += item
        else:
            whole = bytearray(before)
            whole += item
            self._items[place] = (kind, whole)
        return True

    @property
    def first(self) -> int:
        """The number of the first item."""
        return self._items[0][0]

    def take(self, most: int = TOGETHER) -> bytes:
        """The first item; of data at most so many bytes, the rest stays."""
        number, item = self._items[0]
        if number not in (DATA, EXTENDED_DATA):
            self._others -= 1
            self._items.popleft()
            return bytes(item)
        length = min(len(item), most)
        self.size -= length
        if length == len(item):
            self._items.popleft()
            return bytes(item)
        self._items[0] = (number, item[length:])
        return bytes(item[:length])

    def holds(self, number: int) -> bool:
        """An item of this kind is there."""
        return any(kind == number for kind, _ in self._items)
