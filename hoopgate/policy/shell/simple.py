"""Simple commands, and what is redirected: assignments, words, here-documents (POSIX.1-2024, 2.7 and 2.9.1)."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Final

from attrs import frozen

from hoopgate.policy.shell.syntax import (
    Assignment,
    Command,
    Function,
    Literal,
    Redirect,
    Simple,
    Unreadable,
    Word,
)
from hoopgate.policy.shell.text import BLANK
from hoopgate.policy.shell.words import Words

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_SUBSCRIPTED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[")
_REDIRECT: Final = re.compile(r"&>>|&>|<<<|<<-|<<|<>|<&|>>|>&|>\||<|>")
_DELIMITER: Final = re.compile(r"'([\w.-]+)'|\"([\w.-]+)\"|\\([\w.-]+)|([\w.-]+)")
_DUPLICATE: Final = re.compile(r"[0-9]-?|-")
_DECLARES: Final = frozenset({"export", "readonly", "local", "declare", "typeset"})
_FOREIGN: Final = frozenset({"select", "coproc", "foreach", "repeat", "end", "nocorrect", "noglob", "always"})


@frozen
class _Here:
    """A here-document whose body has not come yet."""

    redirect: Redirect
    delimiter: str
    quoted: bool


class Commands(Words):
    """Reads what a line of simple commands is made of."""

    def __init__(self, text: str, depth: int = 0, bash: bool = False, spent: list[int] | None = None) -> None:
        super().__init__(text, depth, bash, spent)
        self._heres: list[_Here] = []
        self._waiting = 0  # here-documents of commands around this one

    @abstractmethod
    def function(self, name: str) -> Function:
        """The rest of a function's definition, behind its name."""

    def newlines(self) -> None:
        """Skip blanks, comments and newlines, and read the here-documents that begin there."""
        while True:
            self.blanks()
            if self.peek() == "#":
                if self.enclosures:
                    raise Unreadable("a comment stands inside a substitution")
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            if self.peek() != "\n":
                return
            if self._waiting:
                raise Unreadable("a line ends inside a substitution, and a here-document is to come")
            self.at += 1
            self._bodies()

    def unbroken(self, text: str) -> None:
        if "\n" in text and (self._heres or self._waiting):
            raise Unreadable("a line ends inside a word, and a here-document is to come")

    def simple(self) -> Command:
        assignments: list[Assignment] = []
        words: list[Word | Assignment] = []
        redirects: list[Redirect] = []
        ended = False
        while True:
            self.blanks()
            redirect = self._redirect()
            if redirect is not None:
                redirects.append(redirect)
                ended = ended or redirect.operator.startswith("&")
                continue
            if not self._at_word():
                break
            if ended and not self.bash:
                raise Unreadable("a word behind '&>' is a command of its own in sh")
            declares = bool(words) and isinstance(words[0], Word) and words[0].plain in _DECLARES
            assignment = self._assignment() if not words or declares else None
            if assignment is not None:
                if words:
                    words.append(assignment)
                else:
                    assignments.append(assignment)
                continue
            word = self.word()
            if self.peek() == "(" or (self._parenthesis_follows() and not words):
                if words or assignments or redirects:
                    raise Unreadable("a parenthesis stands behind a word")
                return self.function(word.plain)
            self._acceptable(word, first=not words)
            words.append(word)
        if not (assignments or words or redirects):
            raise Unreadable(f"{self.peek() or 'the end'!r} stands where a command should")
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    def _acceptable(self, word: Word, first: bool) -> None:
        if first and word.plain in _FOREIGN:
            raise Unreadable(f"{word.plain!r} is a word of some shells alone")
        if first and _SUBSCRIPTED.match(word.plain or _beginning(word)) and word.plain != "[":
            raise Unreadable("a subscript stands where a command should")

    def _at_word(self) -> bool:
        char = self.peek()
        return bool(char) and (char not in "\n;&|<>()" or self.peek(2) in ("<(", ">(")) and char != "#"

    def _parenthesis_follows(self) -> bool:
        at = self.at
        while self.text[at : at + 1] and self.text[at] in BLANK:
            at += 1
        return self.text[at : at + 1] == "("

    def _assignment(self) -> Assignment | None:
        found = _ASSIGNMENT.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        if self.peek() == "(":
            self.at += 1
            return Assignment(found[1], Word(()), bool(found[2]), self._elements())
        empty = not self.peek() or self.peek() in " \t\n;&|<>)"
        if self.peek(2) in ("<(", ">("):
            raise Unreadable("a process substitution stands inside a word")
        return Assignment(found[1], Word(()) if empty else self.word(), bool(found[2]))

    def _elements(self) -> tuple[Word, ...]:
        words: list[Word] = []
        while True:
            self.newlines()
            if self.peek() == ")":
                self.at += 1
                return tuple(words)
            word = self.word()
            if _beginning(word).startswith("["):
                raise Unreadable("a subscript stands in an array")
            words.append(word)

    # --- redirections

    def redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while True:
            self.blanks()
            redirect = self._redirect()
            if redirect is None:
                return tuple(found)
            if redirect.operator.startswith("&") and not self.bash:
                raise Unreadable("'&>' behind a compound command is read in different ways")
            found.append(redirect)

    def _redirect(self) -> Redirect | None:
        start = self.at
        if self.peek() in tuple("0123456789"):
            self.at += 1
        if self.peek(2) in ("<(", ">("):
            self.at = start
            return None
        found = _REDIRECT.match(self.text, self.at)
        if not found or (found[0][0] == "&" and self.at > start):
            self.at = start
            if re.compile(r"[0-9]{2,}[<>]|\{\w+\}[<>]").match(self.text, start):
                raise Unreadable("a file descriptor is read in different ways")
            return None
        if re.compile(r"<[0-9]*-[0-9]*>").match(self.text, self.at):
            raise Unreadable("<-> is a pattern in zsh")
        self.at = found.end()
        return self._target(found[0], described=self.at - len(found[0]) > start)

    def _target(self, operator: str, described: bool) -> Redirect:
        self.blanks()
        if operator in ("<<", "<<-"):
            return self._delimiter(operator)
        target = self.word()
        if self.peek() == "(":
            raise Unreadable("a parenthesis stands behind a word")
        if operator in ("<&", ">&") and not _DUPLICATE.fullmatch(target.plain):
            if operator == "<&" or described:
                raise Unreadable("a file descriptor is not understood")
            operator = "&>"
        return Redirect(operator, target)

    def _delimiter(self, operator: str) -> Redirect:
        found = _DELIMITER.match(self.text, self.at)
        if not found or not re.match(r"[ \t\n;&|<>)]", self.text[found.end() : found.end() + 1]):
            raise Unreadable("the end of a here-document is not understood")
        self.at = found.end()
        name = found[1] or found[2] or found[3] or found[4]
        redirect = Redirect(operator, Word(()))
        self._heres.append(_Here(redirect, name, found[4] is None))
        return redirect

    def _bodies(self) -> None:
        """Behind a newline: the here-documents of the line before it."""
        heres, self._heres = self._heres, []
        for here in heres:
            lines: list[str] = []
            while True:
                if self.at >= len(self.text):
                    raise Unreadable("a here-document has no end")
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = min(end + 1, len(self.text))
                if (line.lstrip("\t") if here.redirect.operator == "<<-" else line) == here.delimiter:
                    self.at = end  # the newline behind it ends the command's line no second time
                    break
                lines.append(line)
            here.redirect.target = self._here_body(here, lines)
            if here is not heres[-1]:
                if self.at >= len(self.text):
                    raise Unreadable("a here-document has no end")
                self.at += 1

    def _here_body(self, here: _Here, lines: list[str]) -> Word:
        body = "\n".join([*lines, ""])
        if here.quoted:
            return Word((Literal(body, True),))
        if any(line.endswith("\\") for line in lines):
            raise Unreadable("a line of a here-document is continued")
        for line in lines:
            if self.enclosures and re.search(r"`|\$[({]", line):
                raise Unreadable("a here-document inside a substitution holds expansions")
            self.here(line)  # each must be whole on its line
        return self.here(body)


def _beginning(word: Word) -> str:
    first = word.parts[0] if word.parts else None
    return first.text if isinstance(first, Literal) and not first.quoted else ""
