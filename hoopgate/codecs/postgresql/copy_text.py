"""Masking COPY TO's text format (manual, COPY, "Text Format"; copyto.c, CopyAttributeOutText)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hoopgate.codecs.postgresql.copy_rows import CopyOptions, DelimitedRows
from hoopgate.codecs.postgresql.splice import Plan, Step, steps_of
from hoopgate.codecs.seek import COMPILED, AnyOf, find
from hoopgate.errors import RemoteProtocolError

if TYPE_CHECKING:
    from mypy_extensions import i64

LINE_FEED: Final = 0x0A
_BACKSLASH: Final = 0x5C
_ESCAPED: Final = re.compile(rb"\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)", re.DOTALL)
_LETTERS: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_CONTROLS: Final = {control: b"\\" + letter for letter, control in _LETTERS.items()}


class TextRows(DelimitedRows):
    """Rows end at every line feed (one within a value is escaped), fields at every unescaped delimiter."""

    def __init__(self, plan: Plan, options: CopyOptions, limit_row: int) -> None:
        plain = b"[^\\n\\\\" + re.escape(options.delimiter_byte) + b"]*"
        super().__init__(plan, options, limit_row, plain + rb"(?:\\[^\n]" + plain + b")*")
        self._special = specials(options.delimiter_byte)
        self._escaped = False  # there is a backslash in the field whose end was sought last
        self._ends = AnyOf(options.delimiter_byte + b"\n\\")
        self._steps = steps_of(plan, self.written)

    def completes(self, payload: bytes, kept: int) -> bool:
        return b"\n" in payload

    def field_end(self, data: bytes, start: i64, end: i64) -> i64:
        self._escaped = False
        position = self._ends.find(data, start, end)
        while position < end and data[position] == _BACKSLASH:
            self._escaped = True
            position += 1
            if position == end and not self.last:
                return end
            if position == end or data[position] == LINE_FEED:
                raise RemoteProtocolError("a row of COPY ends in a backslash")
            position = self._ends.find(data, position + 1, end)
        return position

    def plain(self, step: Step, data: bytes, start: i64, stop: i64) -> bool:
        return not self._escaped if COMPILED else find(data, _BACKSLASH, start, stop) < 0

    def decode(self, field: bytes) -> bytes:
        return field if find(field, _BACKSLASH, 0, len(field)) < 0 else decode(field)

    def written(self, value: bytes | None, column: int) -> bytes:
        if value is None:
            return self._marker
        return value if self._special.search(value) is None else encode(value, self._special)


def specials(delimiter: bytes) -> re.Pattern[bytes]:
    """What must be escaped in a value."""
    return re.compile(b"[\\\\\b\f\n\r\t\v" + re.escape(delimiter) + b"]")


def encode(value: bytes, special: re.Pattern[bytes]) -> bytes:
    """The field of the text format that stands for ``value``."""
    return special.sub(_escape, value)


def _escape(match: re.Match[bytes]) -> bytes:
    byte = match[0]
    return _CONTROLS.get(byte) or b"\\" + byte


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
