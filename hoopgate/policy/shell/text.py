"""A text and a place in it, and the bounds of reading it."""

from __future__ import annotations

import re
from abc import ABC
from typing import Final

from hoopgate.policy.shell.syntax import Unreadable

DEPTH: Final = 24
"""How deep commands may stand in commands."""

PARTS: Final = 2000
"""Words, their parts and commands of one text: some 60 ms to judge."""

BLANK: Final = " \t"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORBIDDEN: Final = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]|[\u2028\u2029\ufeff]")


class Text(ABC):  # noqa: B024 - what it reads is said below it
    """A text and a place in it. ``bash``: only bash reads it."""

    def __init__(self, text: str, depth: int = 0, bash: bool = False, spent: list[int] | None = None) -> None:
        found = _FORBIDDEN.search(text)
        if found:
            raise Unreadable(f"it holds the character U+{ord(found[0]):04X}")
        if depth > DEPTH:
            raise Unreadable("commands stand too deep in commands")
        self.text = text
        self.at = 0
        self.depth = depth
        self.bash = bash
        self.enclosures = 0  # substitutions that are open
        self.spent = spent if spent is not None else [0]

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def spend(self) -> None:
        self.spent[0] += 1
        if self.spent[0] > PARTS:
            raise Unreadable("it has too many parts")

    def blanks(self) -> None:
        """Skip blanks and continued lines."""
        while True:
            if self.peek() and self.peek() in BLANK:
                self.at += 1
            elif self.peek(2) == "\\\n":
                self.continued()
            else:
                return

    def continued(self) -> None:
        """A backslash-newline may stand between words, where one of its neighbours is a blank."""
        before, after = self.text[self.at - 1 : self.at], self.text[self.at + 2 : self.at + 3]
        if before not in (" ", "\t", "\n") and after not in (" ", "\t"):
            raise Unreadable("a line is continued inside a word")
        self.at += 2
