"""What the three formats of COPY share: the options, and the shape of a row splicer."""

from __future__ import annotations

import re
from typing import Final, Literal, Protocol

from attrs import frozen

from hoopgate.errors import RemoteProtocolError

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
    client_encoding, by PostgreSQL's name or Python's.
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


class RowSplicer(Protocol):
    """Masks the stream of one COPY, whatever pieces it comes in."""

    def splice(self, payload: bytes) -> bytes:
        """What may go on now: whole rows, masked; the begun row is kept. ``payload`` itself if nothing changed."""

    def finish(self) -> bytes:
        """What was kept, at the stream's end."""


def over_limit(limit: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"a masked row of COPY is over the limit of {limit} bytes (limits.row)", "54000")


def wrong_width(found: int, expected: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"a row of COPY has {found} fields, {expected} were announced")
