"""Masking COPY TO's csv format (manual, COPY, "CSV Format"; copyto.c, CopyAttributeOutCSV)."""

from __future__ import annotations

import re

from hoopgate.codecs.postgresql.copy_rows import CopyOptions, over_limit, wrong_width
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.errors import RemoteProtocolError


class CsvRows:
    """Rows end at a line feed outside of quotes. A field is quoted from its first byte, or not at all."""

    def __init__(self, plan: Plan, options: CopyOptions, limit_row: int) -> None:
        self._masked = plan.masked
        self._width = len(plan.transforms)
        self._limit = limit_row
        self._delimiter = options.delimiter_byte
        self._marker = options.null_marker
        self._quote = options.quote_byte
        self._escape = options.escape_byte
        self._header = options.header
        self._force = frozenset(range(self._width)) if options.force_quote_all else options.force_quote
        quote, escape, delimiter = (re.escape(byte) for byte in (self._quote, self._escape, self._delimiter))
        self._outside = re.compile(b"[\n" + quote + b"]")
        self._inside = re.compile(b"[" + quote + escape + b"]")
        self._escaped = re.compile(escape + b"([" + quote + escape + b"])")
        self._special = re.compile(b"[\n\r" + quote + delimiter + b"]")
        self._pending = bytearray()
        self._scanned = 0  # up to where in pending quotes were looked at
        self._quoted = False  # whether a quoted field is open there

    def splice(self, payload: bytes) -> bytes:
        fresh = not self._pending
        self._pending += payload
        parts: list[bytes] = []
        start = 0
        while (stop := self._row_end()) >= 0:
            parts.append(self._row(bytes(self._pending[start:stop])))
            parts.append(b"\n")
            start = self._scanned
        if len(self._pending) - start > self._limit:
            raise over_limit(self._limit)
        del self._pending[:start]
        self._scanned -= start
        masked = b"".join(parts)
        return payload if fresh and masked == payload else masked

    def finish(self) -> bytes:
        if self._quoted:
            raise RemoteProtocolError("COPY ended within a quoted field")
        if not self._pending:
            return b""
        row = bytes(self._pending)
        self._pending.clear()
        self._scanned = 0
        return self._row(row)

    def _row_end(self) -> int:
        """Where the next line feed outside of quotes stands, ``_scanned`` being behind it then; -1 if not here yet."""
        pending = self._pending
        while True:
            found = (self._inside if self._quoted else self._outside).search(pending, self._scanned)
            if found is None:
                self._scanned = len(pending)
                return -1
            position = found.start()
            byte = found[0]
            if byte == b"\n" and not self._quoted:
                self._scanned = position + 1
                return position
            if byte != self._quote:
                following = pending[position + 1 : position + 2]
                if not following:
                    self._scanned = position
                    return -1
                self._scanned = position + (2 if following in (self._quote, self._escape) else 1)
                continue
            # A doubled quote closes and opens again; no line feed can stand between the two.
            self._quoted = not self._quoted
            self._scanned = position + 1

    def _row(self, row: bytes) -> bytes:
        if len(row) > self._limit:
            raise over_limit(self._limit)
        fields = self._fields(row) if self._quote in row else row.split(self._delimiter)
        if len(fields) != self._width:
            raise wrong_width(len(fields), self._width)
        if self._header:
            self._header = False
            return row
        for index, transform in self._masked:
            field = fields[index]
            if field == self._marker:  # unquoted: a value that looks like it is always quoted
                continue
            new = transform(self._decode(field))
            fields[index] = self._marker if new is None else self._encode(new, index)
        return self._delimiter.join(fields)

    def _fields(self, row: bytes) -> list[bytes]:
        fields: list[bytes] = []
        start = 0
        while True:
            if row.startswith(self._quote, start):
                stop = self._closing(row, start + 1) + 1
                if stop < len(row) and not row.startswith(self._delimiter, stop):
                    raise RemoteProtocolError("a row of COPY has bytes behind a closing quote")
            else:
                stop = row.find(self._delimiter, start)
                stop = len(row) if stop < 0 else stop
                if row.find(self._quote, start, stop) >= 0:
                    raise RemoteProtocolError("a row of COPY has a quote within an unquoted field")
            fields.append(row[start:stop])
            if stop == len(row):
                return fields
            start = stop + 1

    def _closing(self, row: bytes, position: int) -> int:
        """Where the quoted field closes whose contents begin at ``position``."""
        while (found := self._inside.search(row, position)) is not None:
            position = found.start()
            following = row[position + 1 : position + 2]
            if found[0] == self._escape and following in (self._quote, self._escape):
                position += 2
            elif found[0] == self._quote:
                return position
            else:
                position += 1
        raise RemoteProtocolError("a row of COPY ends within a quoted field")

    def _decode(self, field: bytes) -> bytes:
        if not field.startswith(self._quote):
            return field
        return self._escaped.sub(rb"\1", field[1:-1])

    def _encode(self, value: bytes, index: int) -> bytes:
        plain = index not in self._force and value != self._marker and self._special.search(value) is None
        if plain and not (self._width == 1 and value == b"\\."):
            return value
        return self._quote + self._inside.sub(lambda found: self._escape + found[0], value) + self._quote
