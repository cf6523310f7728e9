"""COPY FROM STDIN: the client's rows, cut out of CopyData messages in pieces of any size, to be looked at.

Manual, COPY, "File Formats"; source, ``commands/copyfromparse.c``. In text and csv every carriage return and line feed
that is not part of a value ends a row: the server takes one of them, or both together, for the end, and the other,
standing bare, for an error.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final

from hoopgate.codecs.postgresql.copy_binary import SIGNATURE
from hoopgate.codecs.postgresql.copy_rows import CopyOptions, over_limit
from hoopgate.codecs.postgresql.copy_text import decode
from hoopgate.errors import RemoteProtocolError

Row = list[bytes | None]
"""The fields of a row as values; None is NULL."""

_HEAD: Final = len(SIGNATURE) + 8  # signature, flags, length of the header's extension
_END: Final = re.compile(rb"[\r\n]")
_DATA: Final = 0x64
_HEADER: Final = 5
TAIL: Final = 256
"""What is looked for must not be longer: bytes of what came before that are searched again with what comes."""


class CopyRows(ABC):
    """Rows of one COPY. ``limit``: bytes of a row, at most, since a begun one is kept.

    ``telling``: of rows in which it is not found nobody wants to know; None: of all.
    """

    def __init__(self, options: CopyOptions, limit: int, telling: re.Pattern[bytes] | None = None) -> None:
        self._options = options
        self._limit = limit
        self._telling = telling
        self._head = bytearray()  # of a message's header that is not whole
        self._rest = 0  # bytes of the message under way that are still to come
        self._row = bytearray()  # begun, and not whole

    def feed(self, raw: bytes) -> Iterator[Row]:
        """The rows that end in these bytes of CopyData messages. Raises RemoteProtocolError."""
        data = self._payload(raw)
        return self._rows(data) if data else iter(())

    @abstractmethod
    def finish(self) -> Iterator[Row]:
        """The last row, where nothing ends it but the end of the data."""

    @abstractmethod
    def _rows(self, data: bytes) -> Iterator[Row]:
        """The rows that end in these bytes."""

    def _payload(self, raw: bytes) -> bytes:
        parts: list[bytes] = []
        position = 0
        while position < len(raw):
            if self._rest:
                part = raw[position : position + self._rest]
                self._rest -= len(part)
                position += len(part)
                parts.append(part)
                continue
            part = raw[position : position + _HEADER - len(self._head)]
            self._head += part
            position += len(part)
            if len(self._head) == _HEADER:
                if self._head[0] != _DATA:
                    raise RemoteProtocolError("expected CopyData")
                self._rest = int.from_bytes(self._head[1:], "big") - 4
                self._head.clear()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _keep(self, piece: bytes) -> None:
        self._row += piece
        if len(self._row) > self._limit:
            raise over_limit(self._limit)


class _Lines(CopyRows):
    """What text and csv share."""

    def _rows(self, data: bytes) -> Iterator[Row]:
        if self._passed(data):
            return
        pieces = _END.split(data)
        last = len(pieces) - 1
        for place, piece in enumerate(pieces):
            self._keep(piece)
            goes_on = self._goes_on(piece)
            if place == last:
                return
            if goes_on:
                self._row += b"\n"
            elif self._row:
                row = self._fields(bytes(self._row))
                self._row.clear()
                yield row

    def finish(self) -> Iterator[Row]:
        if self._row:
            yield self._fields(bytes(self._row))
            self._row.clear()

    def _passed(self, data: bytes) -> bool:
        """Whether nothing in these bytes is worth a look, so that only where the last row begins is kept of them."""
        if self._telling is None or self._telling.search(bytes(self._row[-TAIL:]) + data) is not None:
            return False
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        if end < 0 or not self._plain(data, end):
            return False
        self._row.clear()
        self._keep(data[end + 1 :])
        return True

    @abstractmethod
    def _plain(self, data: bytes, end: int) -> bool:
        """Whether the line end at ``end`` surely ends a row."""

    @abstractmethod
    def _goes_on(self, piece: bytes) -> bool:
        """Whether a line end behind what is kept, of which ``piece`` came last, belongs to a value."""

    @abstractmethod
    def _fields(self, line: bytes) -> Row: ...


class TextRows(_Lines):
    """A backslash takes away the meaning of what follows it."""

    def _plain(self, data: bytes, end: int) -> bool:
        return end > 0 and data[end - 1] != 0x5C

    def _goes_on(self, piece: bytes) -> bool:
        return _ends_escaping(self._row)

    def _fields(self, line: bytes) -> Row:
        delimiter, marker = self._options.delimiter_byte, self._options.null_marker
        found: list[bytes] = []
        for piece in line.split(delimiter):
            if found and _ends_escaping(found[-1]):
                found[-1] += delimiter + piece
            else:
                found.append(piece)
        return [None if field == marker else decode(field) for field in found]


class CsvRows(_Lines):
    """Quotes may begin and end anywhere in a field; within them line ends and delimiters are data."""

    def __init__(self, options: CopyOptions, limit: int, telling: re.Pattern[bytes] | None = None) -> None:
        super().__init__(options, limit, telling)
        quote, escape = re.escape(options.quote_byte), re.escape(options.escape_byte)
        self._doubles = options.quote_byte == options.escape_byte
        self._special = re.compile(escape + b"[" + quote + escape + b"]|" + quote)
        self._inside = False
        self._pair = b""  # the first half of a pair, perhaps

    def _plain(self, data: bytes, end: int) -> bool:
        return not self._inside and self._options.quote_byte not in data

    def _rows(self, data: bytes) -> Iterator[Row]:
        data = self._pair + data
        self._pair = b""
        if not self._doubles and data.endswith(self._options.escape_byte):
            self._pair, data = data[-1:], data[:-1]  # what it escapes is still to come
        return super()._rows(data)

    def finish(self) -> Iterator[Row]:
        self._row += self._pair
        return super().finish()

    def _goes_on(self, piece: bytes) -> bool:
        self._inside = self._within(piece, self._inside)
        return self._inside

    def _within(self, piece: bytes, inside: bool) -> bool:
        """Whether quotes are open behind ``piece``, if before it they were or were not."""
        if self._doubles:
            return inside ^ bool(piece.count(self._options.quote_byte) & 1)
        position = 0
        while (match := self._special.search(piece, position)) is not None:
            if len(match.group()) == 1:
                inside = not inside
                position = match.end()
            else:
                position = match.end() if inside else match.start() + 1
        return inside

    def _fields(self, line: bytes) -> Row:
        delimiter, marker = self._options.delimiter_byte, self._options.null_marker
        found: list[bytes] = []
        inside = False
        for piece in line.split(delimiter):
            if inside:
                found[-1] += delimiter + piece
            else:
                found.append(piece)
            inside = self._within(piece, inside)
        if self._options.force_not_null:
            return [self._unquoted(field) for field in found]
        return [None if field == marker else self._unquoted(field) for field in found]

    def _unquoted(self, field: bytes) -> bytes:
        quote, escape = self._options.quote_byte, self._options.escape_byte
        if quote not in field:
            return field
        out, inside, position = bytearray(), False, 0
        while position < len(field):
            byte, following = field[position : position + 1], field[position + 1 : position + 2]
            if inside and byte == escape and following and following in (quote, escape):
                out += following
                position += 1
            elif byte == quote:
                inside = not inside
            else:
                out += byte
            position += 1
        return bytes(out)


class BinaryRows(CopyRows):
    """A header, rows that count their fields, a trailer of -1."""

    def __init__(self, options: CopyOptions, limit: int, telling: re.Pattern[bytes] | None = None) -> None:
        super().__init__(options, limit, telling)
        self._begun = False
        self._ended = False
        self._needed = _HEAD  # bytes before anything more can be read

    def finish(self) -> Iterator[Row]:
        return iter(())

    def _rows(self, data: bytes) -> Iterator[Row]:
        if self._ended:
            return
        self._keep(data)
        if len(self._row) < self._needed:
            return
        kept = bytes(self._row)
        position = self._behind_header(kept)
        while position >= 0 and position + 2 <= len(kept):
            count = int.from_bytes(kept[position : position + 2], "big", signed=True)
            if count < 0:
                self._ended = True
                self._row.clear()
                return
            row, end = self._tuple(kept, position, count)
            if end < 0:
                break
            yield row
            position = end
            self._needed = 2
        del self._row[: max(position, 0)]

    def _behind_header(self, kept: bytes) -> int:
        if self._begun:
            return 0
        end = _HEAD + int.from_bytes(kept[_HEAD - 4 : _HEAD], "big")
        self._needed = end
        self._begun = len(kept) >= end
        return end if self._begun else -1

    def _tuple(self, kept: bytes, start: int, count: int) -> tuple[Row, int]:
        """The row at ``start`` and where it ends, -1 if it is not whole."""
        row: Row = []
        position = start + 2
        for _ in range(count):
            size = int.from_bytes(kept[position : position + 4], "big", signed=True)
            end = position + 4 + max(size, 0)
            if position + 4 > len(kept) or end > len(kept):
                self._needed = max(end, position + 4) - start
                return row, -1
            row.append(None if size < 0 else kept[position + 4 : end])
            position = end
        return row, position


def copy_rows(options: CopyOptions, limit: int, telling: re.Pattern[bytes] | None = None) -> CopyRows:
    """What reads the rows of a COPY FROM with these options."""
    kinds: dict[str, type[CopyRows]] = {"text": TextRows, "csv": CsvRows, "binary": BinaryRows}
    return kinds[options.format](options, limit, telling)


def _ends_escaping(data: bytes | bytearray) -> bool:
    """Whether a backslash at the end escapes what follows: an odd number of them stands there."""
    return (len(data) - len(data.rstrip(b"\\"))) % 2 == 1
