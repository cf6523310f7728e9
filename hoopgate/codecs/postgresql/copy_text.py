"""Masking COPY TO's text format (manual, COPY, "Text Format"; copyto.c, CopyAttributeOutText)."""

from __future__ import annotations

import re
from typing import Final

from hoopgate.codecs.postgresql.copy_rows import CopyOptions, over_limit, wrong_width
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.errors import RemoteProtocolError

_ESCAPED: Final = re.compile(rb"\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)", re.DOTALL)
_LETTERS: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_CONTROLS: Final = {control: b"\\" + letter for letter, control in _LETTERS.items()}


class TextRows:
    """Rows end at every line feed (one within a value is escaped), fields at every unescaped delimiter."""

    def __init__(self, plan: Plan, options: CopyOptions, limit_row: int) -> None:
        self._masked = plan.masked
        self._width = len(plan.transforms)
        self._limit = limit_row
        self._delimiter = options.delimiter_byte
        self._marker = options.null_marker
        self._header = options.header
        self._special = specials(self._delimiter)
        self._pending = bytearray()

    def splice(self, payload: bytes) -> bytes:
        if payload.find(b"\n") < 0:
            self._pending += payload
            if len(self._pending) > self._limit:
                raise over_limit(self._limit)
            return b""
        data = bytes(self._pending) + payload if self._pending else payload
        rows = data.split(b"\n")
        self._pending = bytearray(rows.pop())
        if len(self._pending) > self._limit:
            raise over_limit(self._limit)
        masked = b"\n".join([self._row(row) for row in rows]) + b"\n"
        return payload if masked == payload else masked

    def finish(self) -> bytes:
        if not self._pending:
            return b""
        row = bytes(self._pending)
        self._pending.clear()
        return self._row(row)

    def _row(self, row: bytes) -> bytes:
        if len(row) > self._limit:
            raise over_limit(self._limit)
        delimiter = self._delimiter
        fields = row.split(delimiter)
        if b"\\" in row:
            fields = _rejoined(fields, delimiter)
        if len(fields) != self._width:
            raise wrong_width(len(fields), self._width)
        if self._header:
            self._header = False
            return row
        for index, transform in self._masked:
            field = fields[index]
            if field == self._marker:
                continue
            new = transform(decode(field))
            fields[index] = self._marker if new is None else encode(new, self._special)
        return delimiter.join(fields)


def specials(delimiter: bytes) -> re.Pattern[bytes]:
    """What must be escaped in a value."""
    return re.compile(b"[\\\\\b\f\n\r\t\v" + re.escape(delimiter) + b"]")


def encode(value: bytes, special: re.Pattern[bytes]) -> bytes:
    """The field of the text format that stands for ``value``."""
    return special.sub(_escape, value)


def _escape(match: re.Match[bytes]) -> bytes:
    byte = match[0]
    return _CONTROLS.get(byte) or b"\\" + byte


def _rejoined(pieces: list[bytes], delimiter: bytes) -> list[bytes]:
    """The fields of a row that was split at every delimiter: those behind an odd run of backslashes were escaped."""
    fields: list[bytes] = []
    begun: list[bytes] = []
    for piece in pieces:
        begun.append(piece)
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 0:
            fields.append(delimiter.join(begun))
            begun = []
    if begun:
        raise RemoteProtocolError("a row of COPY ends in a backslash")
    return fields


def decode(field: bytes) -> bytes:
    """The value that a field of the text format stands for."""
    return _ESCAPED.sub(_unescape, field) if b"\\" in field else field


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code[0] in b"01234567":
        return bytes([int(code, 8) & 0xFF])
    if len(code) > 1:
        return bytes([int(code[1:], 16)])
    return _LETTERS.get(code, code)


def ambiguous_null(marker: bytes, delimiter: bytes) -> bool:
    """Whether ``marker`` may also be a value, or hides where its field ends.

    With ``NULL '4111…'`` a client could ask whether a masked column holds that very number. The empty marker tells
    nothing worth hiding, and ``\\N`` is never a value, whose backslash would be doubled.
    """
    if not marker:
        return False
    if (len(marker) - len(marker.rstrip(b"\\"))) % 2:
        return True
    return encode(decode(marker), specials(delimiter)) == marker
