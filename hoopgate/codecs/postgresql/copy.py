"""Masking COPY TO STDOUT: CopyData messages in, CopyData messages out, in each of COPY's formats.

A row may be split over messages and a message may hold several rows (manual, "COPY Operations"): whole rows go on at
once, a begun one is kept until it is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter, read_i32_be

from hoopgate.codecs.postgresql.copy_binary import BinaryRows
from hoopgate.codecs.postgresql.copy_csv import CsvRows
from hoopgate.codecs.postgresql.copy_rows import CopyFormat, CopyOptions, Rows, ascii_superset, over_limit
from hoopgate.codecs.postgresql.copy_text import TextRows, ambiguous_null
from hoopgate.codecs.postgresql.fields import HEADER, message
from hoopgate.codecs.postgresql.splice import Plan, emptied, patch
from hoopgate.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = ["CopyFormat", "CopyOptions", "CopySplicer", "unmaskable"]

COPY_DATA: Final = 0x64


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
        self._limit = limit_row
        self._out = BytesWriter()
        self._kept = bytearray()  # of a row that is not whole yet

    def feed(self, raw: bytes) -> bytes:
        """One CopyData message in; none or one out, ``raw`` itself if nothing changed."""
        return self.splice(raw, 0, len(raw))

    def splice(self, data: bytes, start: i64, end: i64) -> bytes:
        """The masked form of ``data[start:end]``, a run of whole CopyData messages.

        Returns ``data`` itself if that is the whole of it and nothing changed. Raises RemoteProtocolError for a
        malformed stream, a row over the limit, and a row that has not exactly the plan's columns.
        """
        total: i64 = len(data)
        if not 0 <= start <= end <= total:
            raise LocalProtocolError("the span lies outside of the data")
        rows = self._rows
        if rows is None:
            return data if end - start == total else data[start:end]
        out = self._out = emptied(self._out)
        rows.copied = position = start
        while position < end:
            if end - position < HEADER:
                raise RemoteProtocolError("truncated CopyData")
            size: int = read_i32_be(data, position + 1)
            stop = position + 1 + size
            if data[position] != COPY_DATA or size < 4 or stop > end:
                raise RemoteProtocolError("expected a whole CopyData message")
            if self._kept:
                self._late(rows, data, position, stop, out)
            else:
                self._message(rows, data, position, stop, out)
            position = stop
        if rows.copied == start:
            return data if end - start == total else data[start:end]
        out.write(data[rows.copied : end])
        return out.getvalue()

    def finish(self) -> bytes:
        """Call at CopyDone: what was kept, as a CopyData message or nothing. After an error, do not call it."""
        rows = self._rows
        if rows is None:
            return b""
        rows.last = True
        out = BytesWriter()
        if self._kept:
            self._again(rows, out)
        if not rows.may_end():
            raise RemoteProtocolError("binary COPY ended without its trailer")
        return out.getvalue()

    def _message(self, rows: Rows, data: bytes, start: i64, stop: i64, out: BytesWriter) -> None:
        """A message whose payload begins with a row. It goes out without the row that it only begins."""
        written: i64 = len(out)
        before = written - rows.copied
        payload = start + HEADER
        rows.splice(data, payload, stop, out)
        if rows.rest < stop:
            self._keep(rows, data[rows.rest : stop])
            if rows.rest == payload:
                out.write(data[rows.copied : start])
                rows.copied = stop
                return
            out.write(data[rows.copied : rows.rest])
            rows.copied = stop
        grown: i64 = len(out) - rows.copied - before
        if grown:
            patch(out, before + start + 1, stop - start - 1, stop - start - 1 + grown)

    def _late(self, rows: Rows, data: bytes, start: i64, stop: i64, out: BytesWriter) -> None:
        """A message whose payload goes on with the row that is kept."""
        out.write(data[rows.copied : start])
        payload = data[start + HEADER : stop]
        self._kept += payload
        if rows.completes(payload, len(self._kept)):
            self._again(rows, out)
        if len(self._kept) > self._limit:
            raise over_limit(self._limit)
        rows.copied = stop

    def _keep(self, rows: Rows, begun: bytes) -> None:
        self._kept += begun
        rows.completes(begun, len(begun))
        if len(begun) > self._limit:
            raise over_limit(self._limit)

    def _again(self, rows: Rows, out: BytesWriter) -> None:
        """Write what is whole of what is kept, as a message of our own."""
        kept = bytes(self._kept)
        body = BytesWriter()
        rows.copied = 0
        rows.splice(kept, 0, len(kept), body)
        body.write(kept[rows.copied : rows.rest])
        if len(body):
            out.write(message(b"d", body.getvalue()))
        del self._kept[: rows.rest]


def _rows(plan: Plan, options: CopyOptions, limit_row: int) -> Rows:
    if options.format == "text":
        return TextRows(plan, options, limit_row)
    if options.format == "csv":
        return CsvRows(plan, options, limit_row)
    return BinaryRows(plan, limit_row)
