"""Mistakes of a configuration file: collected, placed and reported all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, field, frozen

from hoopgate.errors import ConfigError, HoopgateError

Trail = tuple[str | int, ...]  # ("rule", 2, "who", "groups"): keys and indices from the top of the document

MOST_MISTAKES = 200  # a file that is not ours at all would otherwise print one line for each of its own


class Mistake(ConfigError):  # noqa: N818 - one of many, and the word that people read
    """A :class:`ConfigError` that also knows its file, its line (0: unknown) and its key, for machines."""

    def __init__(self, message: str, *, file: Path, line: int, key: str, remedy: str) -> None:
        where = f"{file}:{line}" if line else f"{file}: {key}" if key else str(file)
        super().__init__(f"{key}: {message}" if key and line else message, where=where, remedy=remedy)
        self.file = file
        self.line = line
        self.key = key
        self.plain = message


class ConfigErrors(HoopgateError):  # noqa: N818 - several errors
    """Every mistake of one file, in the order of its lines. ``errors`` is never empty."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


@frozen
class Report:
    """Where mistakes are collected while a file is read. ``lines`` maps trails to line numbers."""

    file: Path
    lines: Mapping[Trail, int] = field(factory=dict)
    document: Mapping[str, object] = field(factory=dict)
    mistakes: list[Mistake] = field(factory=list)
    unread: list[Trail] = field(factory=list)  # where a value could not be read: what follows from that is not said

    @property
    def top(self) -> Place:
        return Place(self, ())

    def add(self, trail: Trail, message: str, remedy: str) -> None:
        line = self.line(trail)
        key = self.key(trail)
        self.mistakes.append(Mistake(message, file=self.file, line=line, key=key, remedy=remedy))

    def line(self, trail: Trail) -> int:
        """The line of ``trail``, or of the nearest thing that encloses it; 0 where nothing is known."""
        for end in range(len(trail), 0, -1):
            if trail[:end] in self.lines:
                return self.lines[trail[:end]]
        return 0

    def key(self, trail: Trail) -> str:
        """``rule[no-drop].who.groups``: items of arrays by their name where they have one, else counted from 1."""
        text = ""
        value: object = self.document
        for step in trail:
            value = _inside(value, step)
            if isinstance(step, int):
                name = value.get("name") if isinstance(value, dict) else None
                text += f"[{name if isinstance(name, str) and name.isprintable() and name else step + 1}]"
            else:
                text += ("." if text else "") + (step if step.isprintable() else repr(step))
        return text

    def raise_if_any(self) -> None:
        if self.mistakes:
            raise ConfigErrors(sorted(self.mistakes, key=lambda mistake: mistake.line)[:MOST_MISTAKES])


def _inside(value: object, step: str | int) -> object:
    if isinstance(value, Mapping) and isinstance(step, str):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


class Invalid(Exception):  # noqa: N818 - control flow, not an error to show: the mistake is already in the report
    """What was read is of no use; why, is in the report."""


@frozen
class Place:
    """A spot in the document, to read from and to complain about."""

    report: Report
    trail: Trail

    def at(self, *steps: str | int) -> Place:
        return evolve(self, trail=(*self.trail, *steps))

    @property
    def line(self) -> int:
        return self.report.line(self.trail)

    @property
    def written(self) -> bool:
        """Whether the file says something here, rather than a default."""
        return self.trail in self.report.lines

    @property
    def sound(self) -> bool:
        """Whether everything here and below could be read."""
        return not any(trail[: len(self.trail)] == self.trail for trail in self.report.unread)

    def complain(self, message: str, remedy: str) -> None:
        """Of a value that was read but cannot stand; silent where the value is only the default of an unread one."""
        if self.sound:
            self.report.add(self.trail, message, remedy)

    def refuse(self, message: str, remedy: str) -> Invalid:
        """Complain of a value that cannot be read, and give the exception to raise."""
        self.report.add(self.trail, message, remedy)
        self.report.unread.append(self.trail)
        return Invalid()


def meant(word: str, known: Iterable[str]) -> str:
    """A sentence for a misspelt word: what was meant, or the list of what is known."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known: {', '.join(names)}." if names else "There is none."
