"""Masking COPY TO STDOUT: CopyData messages in, CopyData messages out, in each of COPY's formats.

A row may be split over messages and a message may hold several rows (manual, "COPY Operations"): whole rows go on at
once, a begun one is kept until it is whole.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from hoopgate.codecs.postgresql.copy_binary import BinaryRows
from hoopgate.codecs.postgresql.copy_csv import CsvRows
from hoopgate.codecs.postgresql.copy_rows import CopyFormat, CopyOptions, RowSplicer, ascii_superset
from hoopgate.codecs.postgresql.copy_text import TextRows, ambiguous_null
from hoopgate.codecs.postgresql.fields import HEADER, message
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["CopyFormat", "CopyOptions", "CopySplicer", "unmaskable"]

COPY_DATA: Final = 0x64
_head = Struct(">BI").unpack_from  # type, length


def unmaskable(options: CopyOptions) -> str:
    """Why a COPY with these options cannot be masked, in words for its author; "" if it can.

    Ask before the statement runs: a splicer cannot be made of such options.
    """
    if options.format == "binary":
        return ""
    if not ascii_superset(options.encoding):
        return f"masked columns cannot be copied in the encoding {options.encoding}"
    singles = [options.delimiter_byte, options.quote_byte, options.escape_byte]
    if any(len(byte) != 1 or byte in b"\r\n" or byte >= b"\x80" for byte in singles):
        return "COPY's delimiter, quote and escape must be one ASCII character each"
    delimiter, null = options.delimiter_byte, options.null_marker
    if delimiter in null or b"\n" in null or b"\r" in null:
        return "COPY's NULL marker must not hold the delimiter or a line end"
    if options.format == "csv":
        if options.quote_byte == delimiter or options.quote_byte in null:
            return "COPY's quote must differ from the delimiter and not stand in the NULL marker"
        return ""
    if delimiter in b"\\.abcdefghijklmnopqrstuvwxyz0123456789":
        return "COPY's delimiter cannot be a backslash, a dot, a lower-case letter or a digit"
    if ambiguous_null(null, delimiter):
        return "COPY's NULL marker could be a value of a masked column; use the default marker, or FORMAT csv"
    return ""


class CopySplicer:
    """Masks one COPY. ``limit_row``: bytes of one row, at most, since a begun row is kept in memory."""

    def __init__(self, plan: Plan, options: CopyOptions, limit_row: int) -> None:
        problem = unmaskable(options)
        if problem:
            raise LocalProtocolError(problem)
        self._rows = _rows(plan, options, limit_row) if plan.masked else None

    def feed(self, raw: bytes) -> bytes:
        """One CopyData message in; none or one out, ``raw`` itself if nothing changed."""
        return self.splice(raw, 0, len(raw))

    def splice(self, data: bytes, start: int, end: int) -> bytes:
        """The masked form of ``data[start:end]``, a run of whole CopyData messages.

        Returns ``data`` itself if that is the whole of it and nothing changed. Raises RemoteProtocolError for a
        malformed stream, a row over the limit, and a row that has not exactly the plan's columns.
        """
        if not 0 <= start <= end <= len(data):
            raise LocalProtocolError("the span lies outside of the data")
        if self._rows is None:
            return data if end - start == len(data) else data[start:end]
        parts: list[bytes] = []
        copied = position = start
        while position < end:
            stop = _message_end(data, position, end)
            payload = data[position + HEADER : stop]
            masked = self._rows.splice(payload)
            if masked is not payload:
                parts.append(data[copied:position])
                parts.append(message(b"d", masked) if masked else b"")
                copied = stop
            position = stop
        if not parts:
            return data if end - start == len(data) else data[start:end]
        parts.append(data[copied:end])
        return b"".join(parts)

    def finish(self) -> bytes:
        """Call at CopyDone: what was kept, as a CopyData message or nothing. After an error, do not call it."""
        rest = self._rows.finish() if self._rows else b""
        return message(b"d", rest) if rest else b""


def _rows(plan: Plan, options: CopyOptions, limit_row: int) -> RowSplicer:
    if options.format == "text":
        return TextRows(plan, options, limit_row)
    if options.format == "csv":
        return CsvRows(plan, options, limit_row)
    return BinaryRows(plan, limit_row)


def _message_end(data: bytes, position: int, end: int) -> int:
    if end - position < HEADER:
        raise RemoteProtocolError("truncated CopyData")
    kind, size = _head(data, position)
    stop: int = position + 1 + size
    if kind != COPY_DATA or size < 4 or stop > end:
        raise RemoteProtocolError("expected a whole CopyData message")
    return stop
