"""The tokens of a block of PL/pgSQL: those of SQL (PostgreSQL's scan.l), with where they begin and end."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from hoopgate.errors import HoopgateError
from hoopgate.policy.sql.names import folded

_MOST: Final = 20_000  # tokens
_NAME: Final = 63  # bytes of a name; longer ones are cut

# PostgreSQL's scanner (scan.l), for what PL/pgSQL needs of it; nested comments are counted by hand
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\n\r\f\v]+|--[^\n\r]*)
  | (?P<comment>/\*)
  | (?P<dollar>\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$)
  | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<string>[bBxX]'[^']*'|(?:[uU]&)?'(?:[^']|'')*')
  | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
  | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)
  | (?P<number>0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+|0[bB][01_]+|\$[0-9]+
        |[0-9][0-9_]*(?:\.(?!\.)(?:[0-9][0-9_]*)?)?(?:[eE][+-]?[0-9][0-9_]*)?)
  | (?P<mark>:=|\.\.|<<|>>|::|[^'"])
    """,
    re.VERBOSE | re.DOTALL,
)


# a string goes on behind a line's end, in the mode in which it began
_AGAIN: Final = re.compile(r"(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*(?=')")
_MORE: Final = {
    "escaped": re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL),
    "string": re.compile(r"'(?:[^']|'')*'", re.DOTALL),
}


class Unread(HoopgateError):  # noqa: N818 - says what the block is
    """The block runs something that its text does not show, or is not plain to read. The message says what."""


@frozen
class Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """A keyword or name in lower case; a quoted name is none, and other tokens are themselves."""
        return self.text.lower() if self.kind == "word" else self.text if self.kind == "mark" else ""

    @property
    def name(self) -> str:
        """A name as the SQL parser will spell it. Raises :class:`Unread` where that takes more than folding it."""
        if self.kind not in ("word", "quoted"):
            return ""
        found = folded(self.text) if self.kind == "word" else self.text[1:-1].replace('""', '"')
        if self.text[:2] in ("U&", "u&") or len(found.encode(errors="surrogatepass")) > _NAME:
            raise Unread("a name is not plain to read")
        return found


def tokens(text: str) -> list[Token]:
    """What a text is made of, without white space and comments. Raises :class:`Unread`."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or len(found) > _MOST:
            raise Unread("it is too long, or no text that can be read")
        kind, end = str(match.lastgroup), match.end()
        if kind == "comment":
            end = _comment_end(text, end)
        elif kind in _MORE:
            end = _string_end(text, end, _MORE[kind])
        elif kind == "dollar":
            close = text.find(match[0], end)
            if close < 0:
                raise Unread("a quoted string does not end")
            end, kind = close + len(match[0]), "string"
        if kind not in ("space", "comment"):
            found.append(Token(kind, text[position:end], position, end))
        position = end
    return found


def _string_end(text: str, position: int, more: re.Pattern[str]) -> int:
    while again := _AGAIN.match(text, position):
        part = more.match(text, again.end())
        if part is None:
            raise Unread("a string does not end")
        position = part.end()
    return position


def _comment_end(text: str, position: int) -> int:
    depth = 1
    for mark in re.finditer(r"/\*|\*/", text[position:]):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return position + mark.end()
    raise Unread("a comment does not end")
