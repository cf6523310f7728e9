"""Rows that a client sends by COPY into masked columns: none may hold what the column's mask shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hoopgate.codecs.postgresql.copy_input import Row, copy_rows
from hoopgate.codecs.postgresql.copy_rows import CopyOptions, ascii_superset
from hoopgate.codecs.postgresql.encodings import codec
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Parameter
from hoopgate.guards.write_back import holds_mask, refusal, signs
from hoopgate.policy.lineage.results import CopyInput
from hoopgate.verdicts import Block

RULE: Final = "masks"


def unreadable(shape: CopyInput, encoding: str) -> Block | None:
    """Why the rows of this COPY could not be read, if so. ``encoding``: the client's, as a Python codec."""
    options = shape.options
    if options.format == "binary":
        return None
    named = codec(shape.encoding) if shape.encoding else encoding
    singles = [options.delimiter_byte, options.quote_byte, options.escape_byte]
    if named is None or not ascii_superset(shape.encoding or encoding):
        problem = "rows for masked columns cannot be copied in this encoding"
    elif any(len(each) != 1 or each in b"\r\n" for each in singles) or options.delimiter_byte == b"\\":
        problem = "COPY's delimiter, quote and escape must be one ASCII character each"
    else:
        return None
    return Block(problem, rule=RULE, hint="Use other options for COPY.")


class CopyCheck:
    """Reads one COPY's rows as they pass. ``limit``: bytes of a row, at most."""

    def __init__(self, shape: CopyInput, encoding: str, limit: int) -> None:
        self._encoding = codec(shape.encoding) or "utf-8" if shape.encoding else encoding
        self._format = int(shape.options.format == "binary")
        self._wanted = [(place, targets) for place, targets in enumerate(shape.columns) if targets]
        found = {signs(target.mask, self._encoding) for _, targets in self._wanted for target in targets}
        telling = b"|".join([*sorted(each for each in found if each), _other_words(shape.options)])
        self._rows = copy_rows(shape.options, limit, re.compile(telling))

    def feed(self, raw: bytes) -> Block | None:
        """Why these bytes of CopyData messages must not pass."""
        try:
            return self._problem(self._rows.feed(raw))
        except RemoteProtocolError as error:
            return Block(str(error), rule=RULE, sqlstate=error.sqlstate)

    def finish(self) -> Block | None:
        """Why the data must not end here."""
        return self._problem(self._rows.finish())

    def _problem(self, rows: Iterable[Row]) -> Block | None:
        for row in rows:
            for place, targets in self._wanted:
                value = row[place] if place < len(row) else None
                if value is None:
                    continue
                for target in targets:
                    parameter = Parameter(value, self._format, target.type_oid)
                    if holds_mask(target, parameter, self._encoding, ()):
                        return refusal(target.mask, target.column)
        return None


def _other_words(options: CopyOptions) -> bytes:
    """A regular expression of what a format may write any character by."""
    if options.format != "csv":
        return rb"\\[^N]"
    quote, escape, delimiter = (re.escape(each) for each in (
        options.quote_byte, options.escape_byte, options.delimiter_byte
    ))  # fmt: skip
    amid = b"[^" + delimiter + rb"\r\n]"
    return amid + quote + amid + (b"" if quote == escape else b"|" + escape)
