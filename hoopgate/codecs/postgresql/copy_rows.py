"""What the three formats of COPY share: the options, and the shape of a row splicer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen
from librt.strings import BytesWriter

from hoopgate.codecs.postgresql.splice import Plan, Step, write_span
from hoopgate.codecs.seek import COMPILED
from hoopgate.errors import RemoteProtocolError

if TYPE_CHECKING:
    from mypy_extensions import i64

CopyFormat = Literal["text", "csv", "binary"]

# Encodings in which no byte of a longer character is ASCII: all that a server can use, by PostgreSQL's names and
# Python's, without punctuation. In the others (SJIS, BIG5, GBK, UHC, GB18030, JOHAB) a character may end in a
# backslash or the delimiter, so fields cannot be told apart byte by byte (manual, "Character Set Support").
_ENCODINGS: Final = re.compile(
    "UTF8|UNICODE|(?:SQL|US)?ASCII|EUC(?:JP|CN|KR|TW|JIS2004)|GB2312|LATIN[0-9]+|ISO8859[0-9]+|KOI8[RU]?"
    "|(?:WIN|WINDOWS|CP)(?:125[0-8]|866|874)|WIN|ALT|MULEINTERNAL|TCVN(?:5712)?|ABC|VSCII"
)


def ascii_superset(encoding: str) -> bool:
    """Whether bytes below 0x80 are always ASCII in ``encoding``; an unknown one is not."""
    return _ENCODINGS.fullmatch("".join(c for c in encoding.upper() if c.isalnum())) is not None


@frozen
class CopyOptions:
    """The options of a COPY TO STDOUT, as the statement gives them; None is PostgreSQL's default.

    ``delimiter``, ``quote`` and ``escape`` are one byte. ``force_quote`` holds column positions in the output,
    counted from 0; ``force_quote_all`` is ``FORCE_QUOTE *``. ``encoding`` is the statement's ENCODING or else
    client_encoding, by PostgreSQL's name or Python's. ``force_not_null``: of a COPY FROM, where in some columns a field
    that looks like NULL is a value.
    """

    format: CopyFormat = "text"
    delimiter: bytes | None = None
    null: bytes | None = None
    quote: bytes | None = None
    escape: bytes | None = None
    header: bool = False
    force_quote: frozenset[int] = frozenset()
    force_quote_all: bool = False
    encoding: str = "UTF8"
    force_not_null: bool = False

    @property
    def delimiter_byte(self) -> bytes:
        return self.delimiter if self.delimiter is not None else (b"," if self.format == "csv" else b"\t")

    @property
    def null_marker(self) -> bytes:
        return self.null if self.null is not None else (b"" if self.format == "csv" else b"\\N")

    @property
    def quote_byte(self) -> bytes:
        return self.quote if self.quote is not None else b'"'

    @property
    def escape_byte(self) -> bytes:
        return self.escape if self.escape is not None else self.quote_byte


class Rows(ABC):
    """Masks the rows of one COPY as they lie in the payloads of its messages. ``limit``: bytes of one row, at most."""

    def __init__(self, limit: int) -> None:
        self._limit: i64 = limit
        self.copied: i64 = 0  # up to where data is written, or replaced
        self.rest: i64 = 0  # where a row begins that is not whole yet
        self.last = False  # nothing comes behind the data: it ends a row

    def splice(self, data: bytes, start: i64, end: i64, out: BytesWriter) -> None:
        """Mask the whole rows of ``data[start:end]``, at whose start a row begins.

        Moves ``copied`` up to the last masked field, having written to ``out`` what lay before and what takes its
        place; sets ``rest``.
        """
        position = start
        while position < end:
            written = len(out)
            copied = self.copied
            stop = self.row(data, position, end, out)
            if stop < 0:
                out.truncate(written)
                self.copied = copied
                break
            if stop - position > self._limit + 1:  # a line feed is no part of the row
                raise over_limit(self._limit)
            position = stop
        self.rest = position

    @abstractmethod
    def row(self, data: bytes, start: i64, end: i64, out: BytesWriter) -> i64:
        """Mask the row that begins at ``start``; returns where the next one does, -1 if the row is not whole."""

    @abstractmethod
    def completes(self, payload: bytes, kept: int) -> bool:
        """Whether a row may be whole now. ``payload`` came behind the beginning of a row, ``kept`` bytes in all.

        Asked once for all that is kept, so that nobody looks at a long row again with every small piece of it.
        """

    def may_end(self) -> bool:
        """Whether the stream may end behind the rows so far."""
        return True


class DelimitedRows(Rows):
    """What the text and csv formats share: fields between delimiters, a line feed behind the last.

    ``field`` is the regular expression of one field, without groups: interpreted, one match finds a row's fields
    sooner than a walk does. It takes only what the walk takes, and finds the same fields.
    """

    def __init__(self, plan: Plan, options: CopyOptions, limit: int, field: bytes) -> None:
        super().__init__(limit)
        self._width: i64 = len(plan.transforms)
        self._delimiter: i64 = options.delimiter_byte[0]
        self._marker = options.null_marker
        self._header = options.header
        self._steps: list[Step] = []  # theirs who know how a value is written
        kept = [b"(" + field + b")" if transform else field for transform in plan.transforms]
        self._shape = re.compile(re.escape(options.delimiter_byte).join(kept) + b"\n")

    @abstractmethod
    def field_end(self, data: bytes, start: i64, end: i64) -> i64:
        """Where the delimiter or line feed stands behind the field at ``start``; ``end`` if it is not here, or -1."""

    @abstractmethod
    def decode(self, field: bytes) -> bytes:
        """The value that a field stands for."""

    @abstractmethod
    def plain(self, step: Step, data: bytes, start: i64, stop: i64) -> bool:
        """Whether the end of the field ``data[start:stop]`` may be kept, as it stands there, behind ``step.shown``."""

    @abstractmethod
    def written(self, value: bytes | None, column: int) -> bytes:
        """The field that stands for a value."""

    def row(self, data: bytes, start: i64, end: i64, out: BytesWriter) -> i64:
        found = None if COMPILED or self._header else self._shape.match(data, start, end)
        if found is None:
            return self._walk(data, start, end, out)
        for group, step in enumerate(self._steps, 1):
            self._mask(step, data, found.start(group), found.end(group), out)
        return found.end()

    def _walk(self, data: bytes, start: i64, end: i64, out: BytesWriter) -> i64:
        stop = self.field_end(data, start, end)
        field = start
        column: i64 = 0
        if not self._header:
            for step in self._steps:
                gap = step.index - column
                while gap > 0 and 0 <= stop < end and data[stop] == self._delimiter:
                    field = stop + 1
                    stop = self.field_end(data, field, end)
                    column += 1
                    gap -= 1
                if gap or stop < 0 or (stop == end and not self.last):
                    break
                self._mask(step, data, field, stop, out)
        while 0 <= stop < end and data[stop] == self._delimiter:
            stop = self.field_end(data, stop + 1, end)
            column += 1
        if stop < 0 or (stop == end and not self.last):
            return -1
        if column + 1 != self._width:
            raise wrong_width(column + 1, self._width)
        self._header = False
        return stop + 1 if stop < end else end

    def _mask(self, step: Step, data: bytes, start: i64, stop: i64, out: BytesWriter) -> None:
        marker = self._marker
        if stop - start == len(marker) and data[start:stop] == marker:
            return  # in csv unquoted, and a value that looks like it is always quoted
        keep = step.keep
        tail: i64 = -1
        if step.constant:
            tail = stop
        elif keep is not None and self.plain(step, data, start, stop):
            tail = keep.tail(data, start, stop)
        new = step.shown
        if tail < 0:
            field = data[start:stop]
            new = self.written(step.transform(self.decode(field)), step.index)
            if new == field:
                return
            tail = stop
        write_span(out, data, self.copied, start)
        out.write(new)
        self.copied = tail


def over_limit(limit: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"a masked row of COPY is over the limit of {limit} bytes (limits.row)", "54000")


def wrong_width(found: int, expected: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"a row of COPY has {found} fields, {expected} were announced")
