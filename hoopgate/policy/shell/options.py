"""Command lines taken apart by what is known of a program's options (POSIX.1-2024, XBD 12.2; GNU's long ones)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from attrs import define, field, frozen

from hoopgate.policy.shell.values import Value

OPEN: Final = "*"


@frozen
class Options:
    """What a program's options are. ``kinds``: by name with dashes, how its value is taken: ``""`` it has none, ``=`` a
    value, ``<`` a file that is read, ``>`` one that is written, ``!`` code. ``open``: others do no harm."""

    kinds: dict[str, str]
    open: bool = False


@lru_cache(maxsize=512)
def options(text: str) -> Options:
    """Of a line such as ``-n= -o> --quiet *``; ``-abc`` are three without values."""
    kinds: dict[str, str] = {}
    for name in text.split():
        if name == OPEN:
            continue
        kind = name[-1] if name[-1] in "=<>!" else ""
        plain = name[: len(name) - len(kind)]
        if plain.startswith("--") or len(plain) <= 2:
            kinds[plain] = kind
        else:
            kinds.update((f"-{letter}", kind) for letter in plain[1:])
    return Options(kinds, OPEN in text.split())


@define
class Line:
    """A command line taken apart. ``given``: options with their values, in order. ``strange``: one that is not known,
    or something that may be one once it is expanded."""

    given: list[tuple[str, Value | None]] = field(factory=list)
    operands: list[Value] = field(factory=list)
    strange: str = ""

    def has(self, *names: str) -> bool:
        return any(name in names for name, _ in self.given)

    def values(self, *names: str) -> list[Value]:
        return [value for name, value in self.given if name in names and value is not None]


def taken(arguments: Sequence[Value], known: Options, *, first: bool = False) -> Line:
    """Take ``arguments`` apart. ``first``: options end at the first operand, as where a command follows."""
    line = Line()
    index = 0
    while index < len(arguments):
        value = arguments[index]
        index += 1
        if value.exact and value.text == "--":
            line.operands += arguments[index:]
            return line
        if not value.option or value.text == "-":
            line.operands.append(value)
            if first:
                line.operands += arguments[index:]
                return line
        elif not value.exact and not value.text.startswith("-"):
            line.operands.append(value)
            if not known.open:
                line.strange = line.strange or f"{value.shown} may be an option"
        else:
            index += _option(line, value, arguments[index : index + 1], known)
    return line


def _option(line: Line, value: Value, following: Sequence[Value], known: Options) -> int:
    """Take one word of options apart; returns how many words behind it belong to it."""
    text = value.text
    if text.startswith("--"):
        return _long(line, value, following, known)
    if text in known.kinds:  # such as -name of find
        return _with_value(line, text, known.kinds[text], None, following)
    for place, letter in enumerate(text[1:], 1):
        kind = known.kinds.get(f"-{letter}")
        if kind is None:
            if not known.open or not value.exact:
                line.strange = line.strange or f"-{letter} is not known"
            line.given.append((f"-{letter}", None))
        elif kind:
            rest = Value(text[place + 1 :], value.exact) if len(text) > place + 1 else None
            return _with_value(line, f"-{letter}", kind, rest, following)
        else:
            line.given.append((f"-{letter}", None))
    return 0


def _long(line: Line, value: Value, following: Sequence[Value], known: Options) -> int:
    name, equals, rest = value.text.partition("=")
    if name not in known.kinds:
        begun = [one for one in known.kinds if one.startswith(name)]
        if len(begun) != 1:
            if not known.open or begun:
                line.strange = line.strange or f"{value.shown} is not known"
            line.given.append((name, Value(rest, value.exact) if equals else None))
            return 0
        name = begun[0]
    return _with_value(line, name, known.kinds[name], Value(rest, value.exact) if equals else None, following)


def _with_value(line: Line, name: str, kind: str, rest: Value | None, following: Sequence[Value]) -> int:
    if not kind or rest is not None:
        line.given.append((name, rest))
        return 0
    line.given.append((name, following[0] if following else None))
    if following and following[0].many:
        line.strange = line.strange or f"{following[0].shown} may be an option"
    return len(following)
