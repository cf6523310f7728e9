"""Masking COPY TO's csv format (manual, COPY, "CSV Format"; copyto.c, CopyAttributeOutCSV)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hoopgate.codecs.postgresql.copy_rows import CopyOptions, DelimitedRows
from hoopgate.codecs.postgresql.splice import Plan, Step, steps_of
from hoopgate.codecs.seek import AnyOf
from hoopgate.errors import RemoteProtocolError

if TYPE_CHECKING:
    from mypy_extensions import i64

LINE_FEED: Final = 0x0A


class CsvRows(DelimitedRows):
    """Rows end at a line feed outside of quotes. A field is quoted from its first byte, or not at all."""

    def __init__(self, plan: Plan, options: CopyOptions, limit_row: int) -> None:
        quote, escape = re.escape(options.quote_byte), re.escape(options.escape_byte)
        super().__init__(plan, options, limit_row, _field(quote, escape, re.escape(options.delimiter_byte)))
        self._quote: i64 = options.quote_byte[0]
        self._escape: i64 = options.escape_byte[0]
        self._single = options.quote_byte
        self._doubled = self._single * 2
        self._doubles = self._quote == self._escape  # a quote is escaped by another one: PostgreSQL's default
        self._force = frozenset(range(len(plan.transforms))) if options.force_quote_all else options.force_quote
        self._outside = AnyOf(options.delimiter_byte + options.quote_byte + b"\n")
        self._inside = AnyOf(options.quote_byte + options.escape_byte)
        self._breaks = AnyOf(options.quote_byte + b"\n")
        self._escaped = re.compile(escape + b"([" + quote + escape + b"])")
        self._inner = re.compile(b"([" + quote + escape + b"])")
        self._behind_escape = options.escape_byte.replace(b"\\", b"\\\\") + rb"\1"
        self._special = re.compile(b"[\n\r" + quote + re.escape(options.delimiter_byte) + b"]")
        self._steps = steps_of(plan, self.written)
        self._quoted = False  # what is kept ends within quotes,
        self._after_escape = False  # behind a byte there that may escape the next one

    def completes(self, payload: bytes, kept: int) -> bool:
        if kept == len(payload):
            self._quoted = self._after_escape = False
        found = False
        position = 0
        size = len(payload)
        while position < size:
            if not self._quoted:
                position = self._breaks.find(payload, position, size)
                if position < size:
                    found = found or payload[position] == LINE_FEED
                    self._quoted = payload[position] == self._quote
            elif self._after_escape:
                self._after_escape = False
                if payload[position] != self._quote and payload[position] != self._escape:
                    # What came before escaped nothing: it was a closing quote, or a byte like any other.
                    self._quoted = self._quote != self._escape
                    continue
            else:
                position = self._inside.find(payload, position, size)
                if position < size:
                    self._after_escape = payload[position] == self._escape
                    self._quoted = self._after_escape
            position += 1
        return found

    def field_end(self, data: bytes, start: i64, end: i64) -> i64:
        if start < end and data[start] == self._quote:
            stop = self._closed(data, start + 1, end)
            if 0 <= stop < end and data[stop] != self._delimiter and data[stop] != LINE_FEED:
                raise RemoteProtocolError("a row of COPY has bytes behind a closing quote")
            return stop
        stop = self._outside.find(data, start, end)
        if stop < end and data[stop] == self._quote:
            raise RemoteProtocolError("a row of COPY has a quote within an unquoted field")
        return stop

    def _closed(self, data: bytes, position: i64, end: i64) -> i64:
        """Behind the quote that closes the field whose contents begin at ``position``."""
        position = self._inside.find(data, position, end)
        while position < end:
            if position + 1 == end and not self.last:
                return -1
            escapes = data[position] == self._escape and position + 1 < end
            if escapes and (data[position + 1] == self._quote or data[position + 1] == self._escape):
                position += 1
            elif data[position] == self._quote:
                return position + 1
            position = self._inside.find(data, position + 1, end)
        if self.last:
            raise RemoteProtocolError("COPY ended within a quoted field")
        return -1

    def plain(self, step: Step, data: bytes, start: i64, stop: i64) -> bool:
        """Neither what stands there nor what will is quoted, and what will is not the NULL marker."""
        if start == stop or data[start] == self._quote or self._width == 1:
            return False
        shown = step.shown
        return len(shown) > len(self._marker) and shown[0] != self._quote

    def decode(self, field: bytes) -> bytes:
        if not field or field[0] != self._quote:
            return field
        if self._doubles:
            return field[1:-1].replace(self._doubled, self._single)
        return self._escaped.sub(rb"\1", field[1:-1])

    def written(self, value: bytes | None, column: int) -> bytes:
        if value is None:
            return self._marker
        plain = column not in self._force and value != self._marker and self._special.search(value) is None
        if plain and not (self._width == 1 and value == b"\\."):
            return value
        if self._doubles:
            return self._single + value.replace(self._single, self._doubled) + self._single
        return self._single + self._inner.sub(self._behind_escape, value) + self._single


def _field(quote: bytes, escape: bytes, delimiter: bytes) -> bytes:
    """A field as a regular expression. What escapes and what closes never depends on what would match behind it."""
    inner = b"[^" + quote + escape + b"]*"
    pair = escape + b"[" + quote + escape + b"]"
    alone = b"" if quote == escape else b"|" + escape + b"(?![" + quote + escape + b"])"
    closed = b"(?:(?:" + pair + alone + b")" + inner + b")*" + quote + b"(?!" + quote + b")"
    return b"(?:" + quote + inner + closed + b"|[^" + quote + delimiter + b"\n]*)"
