"""PostgreSQL's lexical structure (manual, section 4.1), as far as finding literals needs it.

Works on text and, through latin-1, on wire bytes of any client encoding: quotes and letters are ASCII there and
never a part of another character. A backslash may be one (SJIS, GBK, BIG5): then an ``E''`` literal is doubtful.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

TokenKind = Literal["literal", "dollar", "word", "quoted", "number", "other"]


class Token(NamedTuple):
    """``word`` is a lower-cased bare identifier or keyword; a dollar-quoted literal's ``text`` is its body."""

    kind: TokenKind
    start: int
    end: int
    text: str


class Doubtful(ValueError):  # noqa: N818 - says what the text is
    """It cannot be said where literals end. ``at`` is where the doubt begins."""

    def __init__(self, at: int) -> None:
        super().__init__(f"the text is doubtful from {at}")
        self.at = at


_LETTER: Final = r"A-Za-z_\x80-\U0010ffff"
_GRAMMAR: Final = rf"""
      (?P<space> [ \t\n\r\f\v]++ | --[^\n\r]*+ )
    | (?P<comment> /\* )
    | (?P<escaped> ESCAPED'(?:[^'\\]++|\\.|'')*'(?!') )
    | (?P<literal> (?:[bBxXnN]|[uU]&)?'(?:[^']++|'')*'(?!') )
    | (?P<quoted> (?:[uU]&)?"(?:[^"]++|"")*"(?!") )
    | (?P<word> [{_LETTER}][{_LETTER}0-9$]*+ )
    | (?P<dollar> \$(?:[{_LETTER}][{_LETTER}0-9]*+)?\$ )
    | (?P<number> \$?\.?[0-9][0-9A-Za-z_.]*+ )
    | (?P<open> ['"] )
    | (?P<other> . )
    """
_FLAGS: Final = re.VERBOSE | re.DOTALL
_CONFORMING: Final = re.compile(_GRAMMAR.replace("ESCAPED", "[eE]"), _FLAGS)
_BACKSLASHES: Final = re.compile(_GRAMMAR.replace("ESCAPED", "[eE]?"), _FLAGS)
_PLAIN: Final[dict[str | None, TokenKind]] = {
    "other": "other",
    "number": "number",
    "quoted": "quoted",
    "literal": "literal",
}
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_MAYBE_ONE_CHARACTER: Final = re.compile(r"[\x80-\xff]\\")


def tokens(text: str, *, conforming: bool = True, single_bytes: bool = False) -> Iterator[Token]:
    """Yield every token but space and comments. Raises :class:`Doubtful`.

    ``conforming`` is ``standard_conforming_strings``; ``single_bytes`` says that each character stands for one
    byte of an encoding not known.
    """
    grammar = _CONFORMING if conforming else _BACKSLASHES
    at = 0
    length = len(text)
    while at < length:
        match = grammar.match(text, at)
        if match is None:
            raise Doubtful(at)
        kind = match.lastgroup
        found = match.group()
        start, at = at, match.end()
        if kind == "space":
            continue
        if kind == "word":
            yield Token("word", start, at, found.lower())
        elif kind in _PLAIN:
            yield Token(_PLAIN[kind], start, at, found)
        elif kind == "escaped":
            if single_bytes and _MAYBE_ONE_CHARACTER.search(found):
                raise Doubtful(start)
            yield Token("literal", start, at, found)
        elif kind == "comment":
            at = _comment_end(text, at, start)
        elif kind == "dollar":
            end = text.find(found, at)
            if end < 0:
                raise Doubtful(start)
            body, at = text[at:end], end + len(found)
            yield Token("dollar", start, at, body)
        else:
            raise Doubtful(start)


def _comment_end(text: str, at: int, start: int) -> int:
    """Behind the end of a comment, which nests (manual, 4.1.5)."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(text, at)
        if edge is None:
            raise Doubtful(start)
        depth += 1 if edge.group() == "/*" else -1
        at = edge.end()
    return at
