"""A statement's shape: its text with literals taken out, under which a decision may be kept.

Two texts of one shape have the same tokens but for the values of strings and numbers, so PostgreSQL parses both to the
same tree but for constants. The lexical rules are those of the PostgreSQL manual, section 4.1. Where a rule could read
the text in two ways (backslashes, dollar quotes, ``U&``, nested comments) there is no shape: such a statement is parsed
each time. Names, keywords, white space and comments stay as they are.
"""

from __future__ import annotations

import re
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

LONGEST: Final = 8192
"""Characters; longer texts have no shape, so that the cache stays bounded."""

# a backslash means one thing or another by the session's settings; `$tag$` quotes; U& escapes; NUL ends a C string
DOUBT: Final = re.compile(r"""[\\\0]|\$(?![0-9])|[uU]&['"]""")

# No group repeats possessively: Python before 3.11.5 matches that wrongly (python/cpython#106052).
# Begins with one class of characters, which lets the engine skip to them; the first alternative that fits decides.
TOKEN: Final = re.compile(
    r"""
    ["'./0-9-] (?:
        (?<=[bBxX]') (?P<bits>)                                 # x'..', where two quotes are no escape
      | (?<=') [^']*+(?:''[^']*+)*'(?!') (?P<string>)
      | (?<=") [^"]*+(?:""[^"]*+)*"(?!")                        # a quoted name, with its doubled quotes
      | (?<=-) -[^\n\r]*+                                       # a comment to the end of the line
      | (?<=/) \*(?:[^*/]++|\*(?!/)|/(?!\*))*\*/                # a comment with no other inside
      | (?<=['"]) (?P<open>)                                    # begun and not ended
      | (?<=/) \* (?P<nested>)
      | (?<=[A-Za-z0-9_$\u0080-\U0010ffff][0-9]) [0-9]*+        # a digit inside a name
      | (?<=[0-9]) [0-9]*+(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?
        (?: (?P<number>) (?![A-Za-z0-9_$.\u0080-\U0010ffff]) | (?P<odd>) )
      | (?<=\.) [0-9]++ (?P<fraction>)                          # .5, or something that is no number
      |
    )
    """,
    re.VERBOSE,
)


class Doubt(Exception):  # noqa: N818 - a way out of the substitution, never seen outside
    pass


def shape(text: str) -> str | None:
    """The text without its literals, or None where the text must be parsed. 1 to 3 µs for an ordinary statement, and
    half of that compiled.

    What was asked last is answered at once: each guard in turn asks about the same text.
    """
    if text is not _last.text:
        _last.shape = _shape(text)
        _last.text = text
    return _last.shape


def _replace(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind is None:
        return match[0]
    if kind == "string":
        return "\0'"
    if kind == "number":
        return "\0#"
    raise Doubt


class _Last:
    def __init__(self) -> None:
        self.text = ""
        self.shape: str | None = ""


_last: Final = _Last()


def _shape(text: str) -> str | None:
    if len(text) > LONGEST or "\\" in text or "\0" in text:
        return None
    # Looked for first since most texts have neither: that costs a tenth of the pattern.
    if ("$" in text or "&" in text) and DOUBT.search(text) is not None:
        return None
    return walked(text) if COMPILED else substituted(text)


def literals(text: str) -> list[tuple[int, int]]:
    """Where the literals of a text stand that has a shape."""
    if not COMPILED:
        return [found.span() for found in TOKEN.finditer(text) if found.lastgroup in ("string", "number")]
    spans: list[tuple[int, int]] = []
    walked(text, spans)
    return spans


def substituted(text: str) -> str | None:
    """The shape by the pattern, which is the quicker way where this module is interpreted."""
    try:
        return TOKEN.sub(_replace, text)
    except Doubt:
        return None


def walked(text: str, spans: list[tuple[int, int]] | None = None) -> str | None:
    """The same a character at a time, which is the quicker way where this module is compiled. ``spans`` is given where
    each literal stands."""
    size: i64 = len(text)
    kept: i64 = 0  # up to here the text is in pieces
    pieces: list[str] = []
    at = _next_mark(text, 0, size)
    while at < size:
        mark = text[at]
        end: i64 = at + 1
        if mark == "'":
            end = -1 if at > 0 and text[at - 1] in "bBxX" else _closed(text, end, mark)  # in x'..' no quote is doubled
        elif mark == '"':
            end = _closed(text, end, mark)
        elif mark == "-":
            end = _line_end(text, end, size) if text.startswith("-", end) else end
        elif mark == "/":
            end = _comment_end(text, at) if text.startswith("*", end) else end
        elif mark == ".":
            end = -1 if end < size and _is_digit(text, end) else end  # .5, or something that is no number
        elif at > 0 and _in_name(text, at - 1):
            end = _digits_end(text, end, size)
            mark = ""
        else:
            end = _number_end(text, at, size)
            mark = "0"
        if end < 0:
            return None
        if mark == "'" or mark == "0":
            pieces.append(text[kept:at])
            pieces.append("\0'" if mark == "'" else "\0#")
            kept = end
            if spans is not None:
                spans.append((at, end))
        at = _next_mark(text, end, size)
    if not pieces:
        return text
    pieces.append(text[kept:])
    return "".join(pieces)


def _next_mark(text: str, at: i64, size: i64) -> i64:
    """Where the next character stands that something can begin with; ``size`` if none does."""
    while at < size:
        char = ord(text[at])
        if char <= 0x39 and (char >= 0x2D or char == 0x22 or char == 0x27):  # - . / 0 to 9, and both quotes
            return at
        at += 1
    return size


def _closed(text: str, at: i64, quote: str) -> i64:
    """Behind the quote that closes what has begun before ``at``, where a doubled one stands for itself; -1: none."""
    while True:
        end: i64 = text.find(quote, at)
        if end < 0:
            return -1
        if not text.startswith(quote, end + 1):
            return end + 1
        at = end + 2


def _line_end(text: str, at: i64, size: i64) -> i64:
    while at < size and text[at] != "\n" and text[at] != "\r":
        at += 1
    return at


def _comment_end(text: str, at: i64) -> i64:
    """Behind the comment that begins at ``at``; -1 where it does not end, or holds another."""
    end: i64 = text.find("*/", at + 2)
    inner: i64 = text.find("/*", at + 2)
    return -1 if end < 0 or 0 <= inner < end else end + 2


def _number_end(text: str, at: i64, size: i64) -> i64:
    """Behind the number; -1 where what follows makes it none."""
    at = _digits_end(text, at, size)
    if at < size and text[at] == ".":
        at = _digits_end(text, at + 1, size)
    if at < size and text[at] in "eE":
        digits: i64 = at + 2 if at + 1 < size and text[at + 1] in "+-" else at + 1
        end = _digits_end(text, digits, size)
        if end > digits:
            at = end
    return -1 if at < size and (text[at] == "." or _in_name(text, at)) else at


def _digits_end(text: str, at: i64, size: i64) -> i64:
    while at < size and _is_digit(text, at):
        at += 1
    return at


def _is_digit(text: str, at: i64) -> bool:
    return 0x30 <= ord(text[at]) <= 0x39


def _in_name(text: str, at: i64) -> bool:
    """Whether this character may stand in a name behind its first (manual, section 4.1.1)."""
    char = ord(text[at])
    lower = char | 0x20
    return 0x61 <= lower <= 0x7A or 0x30 <= char <= 0x39 or char == 0x24 or char == 0x5F or char >= 0x80


_this: Any = walked
COMPILED: Final = not isinstance(_this, FunctionType)
