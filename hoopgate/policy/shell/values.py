"""What is known of a word before it is expanded: its text, or a pattern that whatever it becomes matches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

from hoopgate.policy.shell.syntax import Arithmetic, Literal, Parameter, Part, Word

ANY: Final = "\0"
"""Stands in a value's text for what nobody knows: any text, with slashes and dots. ``*`` and ``?`` are globs."""

_GLOB: Final = re.compile(r"[*?\[]")
_SPLITTING: Final = re.compile(r"[^\w@%+=:,./-]")
_INTEGER: Final = re.compile(r"-?[0-9]+")
_SIMPLE: Final = re.compile(r"[\w@%+:,./-][\w@%+=:,./-]*", re.ASCII)
_BRACES: Final = re.compile(r"\{[^}]*(?:,|\.\.)[^}]*\}")


@frozen
class Value:
    """``exact``: ``text`` is what the program gets. ``many``: it may become any number of words, none among them.

    ``home``: it begins with somebody's home directory, as ``~`` or ``~name``. ``number``: it is digits, if not known
    which.
    """

    text: str
    exact: bool = True
    many: bool = False
    home: bool = False
    number: bool = False

    @property
    def option(self) -> bool:
        """May a program take it for an option?"""
        return self.text[:1] in ("-", ANY, "*", "?") if self.text else self.many

    @property
    def shown(self) -> str:
        return self.text.replace(ANY, "*")


UNKNOWN: Final = Value(ANY, exact=False, many=True)
NUMBER: Final = Value("*", exact=False, number=True)
EMPTY: Final = Value("")


def value_of(word: Word, variables: Mapping[str, Value], *, split: bool = True) -> Value:
    """The value of ``word`` where ``variables`` are known. ``split`` is False where the shell expands no globs and
    splits nothing (assignments, ``case``, here-documents)."""
    if len(word.parts) == 1 and isinstance(word.parts[0], Literal):
        return _alone(word.parts[0], word, split)
    braced = _braced(word) if split else None
    if braced is not None:
        return braced
    made = EMPTY
    for index, part in enumerate(word.parts):
        if isinstance(part, Literal):
            closes = split and "[" in part.text and _closes(word, index)
            piece = _literal(part, index == 0, closes, split)
        else:
            piece = _expansion(part, variables, split, index == 0)
        home = piece.home if index == 0 else made.home
        number = piece.number and (index == 0 or made.number)
        exact, many = made.exact and piece.exact, made.many or piece.many
        made = Value(made.text + piece.text, exact, many, home, number)
    return evolve(made, number=bool(made.exact and _INTEGER.fullmatch(made.text)) or (made.number and not made.exact))


def _alone(part: Literal, word: Word, split: bool) -> Value:
    """The usual case: a word without expansions."""
    text = part.text
    if part.quoted or _SIMPLE.fullmatch(text):
        return Value(text, number=bool(text) and _INTEGER.fullmatch(text) is not None)
    braced = _braced(word) if split else None
    return braced if braced is not None else _literal(part, True, "]" in text, split)


def _braced(word: Word) -> Value | None:
    """bash makes several words of ``a{b,c}``, other shells one: all of them match a pattern."""
    if not any("{" in one.text for one in _plain(word)):
        return None
    text = "".join(
        (one.text if not one.quoted else re.sub(r"[{}]", "_", one.text)) if isinstance(one, Literal) else "{,"
        for one in word.parts
    )
    if not _BRACES.search(text):
        return None
    before = text.partition("{")[0]
    inside = text[len(before) :]
    # what the braces hold may begin with a dash, or hold slashes and dots
    plain = not before and not re.search(r"[-./~*?\[]", inside) and "{," not in inside
    return Value("*" if plain else before + ANY, exact=False, many=True)


def _plain(word: Word) -> list[Literal]:
    return [one for one in word.parts if isinstance(one, Literal) and not one.quoted]


def _closes(word: Word, index: int) -> bool:
    """May a bracket that opens in this part be closed, so that it is a pattern?"""
    return any(not isinstance(one, Literal) or "]" in one.text for one in word.parts[index:])


def _literal(part: Literal, first: bool, closes: bool, split: bool) -> Value:
    text = part.text
    if part.quoted:
        return Value(text)
    home = first and text.startswith("~")
    if home and re.match(r"~[-+0-9]", text):
        return UNKNOWN
    if first and re.match(r"=[A-Za-z/.]", text):
        return UNKNOWN  # zsh: the path of that command
    if not split or not (_GLOB.search(text) and (closes or "*" in text or "?" in text)):
        return Value(text, home=home)
    bracket = text.find("[") if closes else -1
    if bracket >= 0:
        text = text[:bracket] + "*"
    return Value(text, exact=False, many=True, home=home)


def _expansion(part: Part, variables: Mapping[str, Value], split: bool, first: bool) -> Value:
    if isinstance(part, Arithmetic):
        return NUMBER
    if not isinstance(part, Parameter):
        return UNKNOWN if split and not getattr(part, "quoted", False) else Value(ANY, exact=False)
    if part.number and part.name != "!":
        return NUMBER
    unquoted = split and not part.quoted
    known = variables.get(part.name) if part.plain else None
    if known is None and part.plain and part.name == "HOME" and first:
        return Value("~", home=True)
    if known is None or (unquoted and known.exact and (not known.text or _SPLITTING.search(known.text))):
        many = unquoted or part.name == "@"
        return Value(ANY, exact=False, many=many)
    return evolve(known, many=known.many or (unquoted and not known.exact and not known.number))
