"""Where the parts of a relation's mention begin and end in a statement's text.

PostgreSQL's parser says where a name begins, and not where it ends, nor where ``ONLY`` or ``TABLE`` stands. So the
text is read from there, by the lexical rules of the manual, section 4.1. Positions are characters. What is read here is
believed by nobody: whoever replaces a part proves it by parsing the result.
"""

from __future__ import annotations

import re
from typing import Final

_BLANK: Final = re.compile(r"(?:[ \t\n\r\f\v]|--[^\n\r]*)*")
_EDGE: Final = re.compile(r"/\*|\*/")
_NAME: Final = re.compile(
    r"""[uU]&"(?:[^"]|"")*" | "(?:[^"]|"")*" | [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*""", re.VERBOSE
)
_WORD: Final = re.compile(r"[A-Za-z_]+")
_STRING: Final = re.compile(r"'(?:[^']|'')*'")
_TOKEN: Final = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>[A-Za-z_\x80-\U0010ffff]*[0-9]*)\$
    | --[^\n\r]* | [A-Za-z0-9_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* | .""",
    re.VERBOSE | re.DOTALL,
)


class Astray(ValueError):  # noqa: N818 - says where the reading is
    """The text does not go on as was expected."""


def blank(text: str, at: int) -> int:
    """Behind white space and comments, which nest."""
    while True:
        at = _end(_BLANK, text, at)
        if not text.startswith("/*", at):
            return at
        depth = 0
        while depth or text.startswith("/*", at):
            edge = _EDGE.search(text, at)
            if edge is None:
                raise Astray
            depth += 1 if edge[0] == "/*" else -1
            at = edge.end()
            if not depth:
                break


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise Astray
    return found.end()


def name(text: str, at: int) -> int:
    """Behind an identifier, quoted or not, and its UESCAPE clause."""
    end = _end(_NAME, text, at)
    if text[at] in "uU" and text.startswith('&"', at + 1):
        then = blank(text, end)
        if word(text, then) == "uescape":
            return _end(_STRING, text, blank(text, then + len("uescape")))
    return end


def word(text: str, at: int) -> str:
    """The keyword or bare ASCII name that begins here, in small letters; "" for none."""
    found = _WORD.match(text, at)
    return found[0].lower() if found is not None else ""


def dotted(text: str, at: int, parts: int) -> int:
    """Behind a name of so many parts."""
    at = name(text, at)
    for _ in range(parts - 1):
        at = name(text, blank(text, _symbol(text, blank(text, at), ".")))
    return at


def _symbol(text: str, at: int, symbol: str) -> int:
    if not text.startswith(symbol, at):
        raise Astray
    return at + len(symbol)


def bracketed(text: str, at: int) -> int:
    """Behind ``( ... )`` with all that is inside, ``at`` its first character."""
    _symbol(text, at, "(")
    depth = 0
    while True:
        at = blank(text, at)
        found = _TOKEN.match(text, at)
        if found is None:
            raise Astray
        at = found.end()
        part = found[0]
        if part == "(":
            depth += 1
        elif part == ")":
            depth -= 1
            if not depth:
                return at
        elif found["tag"] is not None:
            at = text.find(part, at) + len(part)
            if at < len(part):
                raise Astray


def costs_off(text: str, at: int) -> tuple[int, int, str]:
    """What makes an EXPLAIN hide its estimates, ``at`` before it: from where to where, and what stands there then. Of
    several values for an option the last counts (PostgreSQL, ExplainQuery)."""
    at = blank(text, at)
    if word(text, at) != "explain":
        raise Astray
    then = blank(text, at + len("explain"))
    if text.startswith("(", then):
        end = bracketed(text, then) - 1
        return end, end, ", COSTS OFF"
    if word(text, then) == "verbose":
        return then, then + len("verbose"), "(VERBOSE, COSTS OFF)"
    return at + len("explain"), at + len("explain"), " (COSTS OFF)"


def keyword_before(text: str, at: int, keyword: str) -> tuple[int, bool]:
    """Where the keyword stands whose only followers up to ``at`` are blanks and at most one ``(``, and whether that
    one is there."""
    before = len(keyword)
    for found in reversed(list(re.finditer(keyword, text[max(0, at - _NEAR) : at], re.IGNORECASE))):
        start = max(0, at - _NEAR) + found.start()
        if start and (text[start - 1].isalnum() or text[start - 1] in '_$"'):
            continue
        try:
            then = blank(text, start + before)
            if then == at:
                return start, False
            if text.startswith("(", then) and blank(text, then + 1) == at:
                return start, True
        except Astray:  # inside of a comment, say: an earlier one may be it
            continue
    raise Astray


_NEAR: Final = 2048  # characters of blanks and comments between a keyword and its name


def relation(text: str, at: int, parts: int, *, only: bool) -> tuple[int, int]:
    """From where to where a relation's name reaches with what belongs to it: ``ONLY``, brackets, ``*``."""
    end = dotted(text, at, parts)
    if not only:
        then = blank(text, end)
        return at, (then + 1 if text.startswith("*", then) else end)
    start, brackets = keyword_before(text, at, "only")
    return start, (_symbol(text, blank(text, end), ")") if brackets else end)


def alias(text: str, at: int, *, columns: bool) -> int:
    """Behind ``[AS] alias [(column, ...)]``, ``at`` behind the relation."""
    at = blank(text, at)
    if word(text, at) == "as":
        at = blank(text, at + 2)
    at = name(text, at)
    return bracketed(text, blank(text, at)) if columns else at


def sample(text: str, at: int, parts: int, *, repeatable: bool) -> tuple[int, int]:
    """From where to where a TABLESAMPLE clause reaches, ``at`` behind relation and alias; ``parts``: of its method."""
    start = blank(text, at)
    if word(text, start) != "tablesample":
        raise Astray
    end = dotted(text, blank(text, start + len("tablesample")), parts)
    end = bracketed(text, blank(text, end))
    if repeatable:
        then = blank(text, end)
        if word(text, then) != "repeatable":
            raise Astray
        end = bracketed(text, blank(text, then + len("repeatable")))
    return start, end
