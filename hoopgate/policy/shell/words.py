"""Words of shell text, character by character: quotes, and what they leave.

What sh, dash, bash and zsh read in different ways is not read at all, where the difference could matter: a
backslash-newline inside a word, ``$'...\\'...'``, ``$[...]``, quotes inside ``"${...}"``, comments inside ``$(...)``.
"""

from __future__ import annotations

from typing import Final

from hoopgate.policy.shell.expansions import Expansions
from hoopgate.policy.shell.syntax import Literal, Part, Process, Unreadable, Word

_ENDS: Final = frozenset(" \t\n;&|<>()")


class Words(Expansions):
    """Reads words. The grammar over them is in :mod:`hoopgate.policy.shell.grammar`."""

    def word(self) -> Word:
        """The word that begins here; it must not be empty."""
        parts: list[Part] = []
        if self.peek(2) in ("<(", ">("):
            parts.append(self.process())
            if self.peek() and self.peek() not in _ENDS:
                raise Unreadable("a word goes on behind a process substitution")
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in _ENDS:
                break
            if char == "\\" and self.peek(2) == "\\\n":
                if self.text[self.at + 2 : self.at + 3] in (" ", "\t"):
                    break
                raise Unreadable("a line is continued inside a word")
            self.piece(parts, char)
        if self.peek(2) in ("<(", ">(") and not isinstance(parts[0] if parts else None, Process):
            raise Unreadable("a process substitution stands inside a word")
        if self.peek() == "(" and parts and not isinstance(parts[-1], Process):
            self._before_parenthesis(parts)
        if not parts:
            raise Unreadable(f"{self.peek() or 'the end'!r} stands where a word should")
        return Word(tuple(parts))

    def _before_parenthesis(self, parts: list[Part]) -> None:
        """``name(`` begins a function and ``name=(`` an array; ``@(`` and its like are patterns of bash's alone."""
        last = parts[-1]
        if not isinstance(last, Literal) or last.quoted or last.text[-1:] in "@?*+!$":
            raise Unreadable("a parenthesis stands inside a word")

    def piece(self, parts: list[Part], char: str) -> None:
        self.spend()
        if char == "'":
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise Unreadable("a quote is not closed")
            self.unbroken(self.text[self.at : end])
            parts.append(Literal(self.text[self.at + 1 : end], True))
            self.at = end + 1
        elif char == '"':
            start = self.at
            self.at += 1
            self._double_quoted(parts)
            self.unbroken(self.text[start : self.at])
        elif char == "\\":
            if self.at + 1 >= len(self.text):
                raise Unreadable("it ends with a backslash")
            parts.append(Literal(self.text[self.at + 1], True))
            self.at += 2
        elif char == "$":
            parts.append(self.dollar(False))
        elif char == "`":
            parts.append(self.backquoted(False))
        else:
            self._unquoted(parts)

    def _unquoted(self, parts: list[Part]) -> None:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _ENDS and self.text[self.at] not in "'\"\\$`":
            self.at += 1
        text = self.text[start : self.at]
        last = parts[-1] if parts else None
        if isinstance(last, Literal) and not last.quoted:
            parts[-1] = Literal(last.text + text)
        else:
            parts.append(Literal(text))

    def _double_quoted(self, parts: list[Part], end: str = '"') -> None:
        """Up to the closing quote; with an empty ``end``, the whole of a here-document."""
        text: list[str] = []
        while True:
            char = self.peek()
            if char == end:
                self.at += len(end)
                parts.append(Literal("".join(text), True))
                return
            if not char:
                raise Unreadable("a quote is not closed")
            if char == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                if escaped != "\n":
                    text.append(escaped if escaped and escaped in f"$`\\{end}" else char + escaped)
                self.at += 2
            elif char in "$`":
                self.spend()
                parts.append(Literal("".join(text), True))
                text.clear()
                parts.append(self.dollar(True) if char == "$" else self.backquoted(True))
            else:
                text.append(char)
                self.at += 1

    def here(self, body: str) -> Word:
        """An unquoted here-document: expansions count, quotes do not."""
        inner = self.inner(body)
        parts: list[Part] = []
        assert isinstance(inner, Words)
        inner._double_quoted(parts, "")
        return Word(tuple(parts))
