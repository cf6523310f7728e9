"""The grammar of shell commands (POSIX.1-2024, 2.10.2), with those extensions of bash's that are in daily use.

Stricter than any shell: what is left over is :class:`Unreadable`. Two things are read in all shells' ways at once:
what one shell takes as its own syntax and another as a command (``[[ a || b ]]``, ``((a))``, ``&>file b``) is refused,
unless only bash reads it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hoopgate.policy.shell.simple import Commands
from hoopgate.policy.shell.syntax import (
    AndOr,
    Arithmetic,
    Branches,
    Command,
    Computation,
    Function,
    Group,
    Loop,
    Pipeline,
    Sequence,
    Test,
    Unreadable,
    Word,
)
from hoopgate.policy.shell.text import DEPTH, NAME

_FUNCTION: Final = re.compile(r"[A-Za-z_][\w.-]*")
_RESERVED: Final = frozenset({
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!", "[[",
    "]]", "function", "select", "coproc",
})  # fmt: skip


class Grammar(Commands):
    """Reads a whole text: ``Grammar(text).program()``. Raises Unreadable, and nothing else."""

    def program(self) -> Sequence:
        return self.commands("")

    def commands(self, end: str) -> Sequence:
        """Commands up to ``end``, a closing parenthesis or the end of the text, which is read too."""
        outer, self._heres = self._heres, []
        self._waiting += len(outer)
        self.enclosures += len(end)
        body = self.sequence(frozenset())
        if self.peek() != end:
            raise Unreadable(f"{self.peek() or 'the end'!r} stands where no command can")
        if self._heres:
            raise Unreadable("a here-document is not there")
        self.at += len(end)
        self.enclosures -= len(end)
        self._waiting -= len(outer)
        self._heres = outer
        return body

    # --- lists

    def sequence(self, stops: frozenset[str]) -> Sequence:
        """and-or lists up to one of the reserved words ``stops``, which is not read, or what no list goes on with."""
        items: list[AndOr] = []
        while True:
            self.newlines()
            char = self.peek()
            if not char or char == ")" or self.peek(2) == ";;" or (stops and self._reserved() in stops):
                return Sequence(tuple(items))
            item = self._and_or()
            self.blanks()
            char = self.peek()
            if char == "&" and self.peek(2) != "&&":
                self.at += 1
                item = AndOr(item.first, item.rest, True)
            elif char == ";" and self.peek(2) != ";;":
                self.at += 1
            elif char not in ("\n", "", ")", "#") and self.peek(2) != ";;":
                raise Unreadable(f"{char!r} stands behind a command")
            items.append(item)
            if len(items) > 4000:
                raise Unreadable("it has too many commands")

    def _and_or(self) -> AndOr:
        first = self._pipeline()
        rest: list[tuple[str, Pipeline]] = []
        while True:
            self.blanks()
            operator = self.peek(2)
            if operator not in ("&&", "||"):
                return AndOr(first, tuple(rest))
            self.at += 2
            self.newlines()
            rest.append((operator, self._pipeline()))

    def _pipeline(self) -> Pipeline:
        self.blanks()
        if self._reserved() == "!":
            self.at += 1
            self.blanks()
            if self.peek() == "!":
                raise Unreadable("'!' stands behind '!'")
        commands = [self._command()]
        while True:
            self.blanks()
            if self.peek() != "|" or self.peek(2) == "||":
                return Pipeline(tuple(commands))
            self.at += 2 if self.peek(2) == "|&" else 1
            self.newlines()
            if self._reserved() == "!":
                raise Unreadable("'!' stands inside a pipeline")
            commands.append(self._command())

    def _reserved(self) -> str:
        """The reserved word that stands here, or ``""``."""
        found = re.compile(r"[a-z{}!\[\]]+(?=[ \t\n;&|<>()]|$)").match(self.text, self.at)
        return found[0] if found and found[0] in _RESERVED else ""

    # --- commands

    def _command(self) -> Command:
        self.spend()
        if self.depth >= DEPTH:
            raise Unreadable("commands stand too deep in commands")
        self.depth += 1
        word = self._reserved()
        if self.peek() == "(":
            found = self._parenthesized()
        elif word == "{":
            found = self._group()
        elif word in ("if", "while", "until", "for", "case", "[["):
            self.at += len(word)
            found = getattr(self, f"_{'test' if word == '[[' else word}")()
        elif word == "function":
            self.at += len(word)
            self.blanks()
            found = self.function(self.word().plain)
        elif word:
            raise Unreadable(f"{word!r} stands where no command can")
        else:
            found = self.simple()
        self.depth -= 1
        return found

    def _take(self, word: str) -> None:
        self.newlines()
        if self._reserved() != word:
            raise Unreadable(f"{word!r} is missing")
        self.at += len(word)

    def _body(self, *stops: str) -> Sequence:
        found = self.sequence(frozenset(stops))
        if not found.items:
            raise Unreadable("a command is missing")
        return found

    def _parenthesized(self) -> Command:
        self.at += 1
        if self.peek() == "(":
            if not self.bash:
                raise Unreadable("((...)) is arithmetic in bash and commands in sh")
            self.at += 1
            part = self.computed()
            if self.peek(2) != "))":
                raise Unreadable("(( is not closed as arithmetic")
            self.at += 2
            return Computation(part)
        body = self._body()
        if self.peek() != ")":
            raise Unreadable("a parenthesis is not closed")
        self.at += 1
        return Group(body, True, self.redirects())

    def _group(self) -> Group:
        self.at += 1
        body = self._body("}")
        self._take("}")
        return Group(body, False, self.redirects())

    def _if(self) -> Branches:
        first = self._body("then")
        others: list[Sequence] = []
        self._take("then")
        others.append(self._body("elif", "else", "fi"))
        while self._reserved() == "elif":
            self.at += 4
            others.append(self._body("then"))
            self._take("then")
            others.append(self._body("elif", "else", "fi"))
        if self._reserved() == "else":
            self.at += 4
            others.append(self._body("fi"))
        self._take("fi")
        return Branches(first, tuple(others), (), self.redirects())

    def _while(self) -> Loop:
        condition = self._body("do")
        return self._loop((condition,))

    _until = _while

    def _loop(self, conditions: tuple[Sequence, ...] = (), **more: Any) -> Loop:
        self._take("do")
        body = self._body("done")
        self._take("done")
        return Loop((*conditions, body), redirects=self.redirects(), **more)

    def _for(self) -> Loop:
        self.blanks()
        if self.peek(2) == "((":
            self.at += 2
            parts = [self.computed(";"), self._next(";"), self._next(")")]
            if self.peek(2) != "))":
                raise Unreadable("for (( is not closed")
            self.at += 2
            self._semicolon()
            return self._loop(parts=tuple(parts))
        name = NAME.match(self.text, self.at)
        if not name:
            raise Unreadable("for has no name")
        self.at = name.end()
        self.newlines()
        words: list[Word] = []
        found = re.compile(r"in(?=[ \t\n;])").match(self.text, self.at)
        if found:
            self.at = found.end()
            self._words_of_line(words)
        self._semicolon()
        return self._loop(name=name[0], words=tuple(words))

    def _next(self, ends: str) -> Arithmetic:
        if self.peek() != ";":
            raise Unreadable("for (( is not understood")
        self.at += 1
        return self.computed(ends)

    def _words_of_line(self, words: list[Word]) -> None:
        while True:
            self.blanks()
            if not self.peek() or self.peek() in ";\n":
                return
            words.append(self.word())

    def _semicolon(self) -> None:
        self.blanks()
        if self.peek() == ";" and self.peek(2) != ";;":
            self.at += 1

    def _case(self) -> Branches:
        self.blanks()
        words = [self.word()]
        self.newlines()
        if not re.compile(r"in(?=[ \t\n])").match(self.text, self.at):
            raise Unreadable("'in' is missing")
        self.at += 2
        others: list[Sequence] = []
        self.newlines()
        while self._reserved() != "esac":
            self._patterns(words)
            others.append(self.sequence(frozenset({"esac"})))
            if self.peek(2) == ";;":
                self.at += 2
                if self.peek() == "&":
                    raise Unreadable("';;&' is bash's alone")
                self.newlines()
            elif self._reserved() != "esac":
                raise Unreadable("a case is not closed")
        self.at += 4
        return Branches(Sequence(()), tuple(others), tuple(words), self.redirects())

    def _patterns(self, words: list[Word]) -> None:
        if self.peek() == "(":
            self.at += 1
        while True:
            self.blanks()
            words.append(self.word())
            self.blanks()
            char = self.peek()
            self.at += 1
            if char == ")":
                return
            if char != "|":
                raise Unreadable("a pattern of a case is not understood")

    def _test(self) -> Test:
        """``[[``: in dash a command of that name, so that ``&&``, ``||``, ``<`` and ``>`` would be the shell's."""
        words: list[Word] = []
        numbers: list[Word] = []
        numeric = False
        while True:
            self.newlines() if self.bash else self.blanks()
            if self._reserved() == "]]":
                self.at += 2
                if not words:
                    raise Unreadable("[[ has nothing to test")
                return Test(tuple(words), tuple(numbers), self.redirects())
            operator = self._test_operator()
            if operator:
                continue
            word = self.word()
            if word.plain in ("-eq", "-ne", "-lt", "-le", "-gt", "-ge"):
                numbers += words[-1:]
                numeric = True
                continue
            if word.plain in ("-v", "-R", "=~") and not (self.bash and word.plain == "=~"):
                raise Unreadable(f"[[ {word.plain} is bash's alone")
            if numeric:
                numbers.append(word)
            numeric = False
            words.append(word)

    def _test_operator(self) -> bool:
        sign = self.peek(2) if self.peek(2) in ("&&", "||") else self.peek()
        if sign in ("<", ">", "(", ")") or (sign in ("&&", "||") and not self._before_a_test()):
            if not self.bash:
                raise Unreadable(f"{sign!r} inside [[ is read in different ways")
            if self.peek(2) in ("<(", ">("):
                return False
        if sign in ("&&", "||", "<", ">", "(", ")"):
            self.at += len(sign)
            return True
        return False

    def _before_a_test(self) -> bool:
        """Does ``-f`` or its like follow? dash would run it, and there is no such program."""
        return re.compile(r"(?:&&|\|\|)[ \t]+-[a-zA-Z] ").match(self.text, self.at) is not None

    def function(self, name: str) -> Function:
        if not _FUNCTION.fullmatch(name) or name in _RESERVED:
            raise Unreadable("a function's name is not understood")
        self.blanks()
        if self.peek() == "(":
            self.at += 1
            self.blanks()
            if self.peek() != ")":
                raise Unreadable("a parenthesis stands behind a word")
            self.at += 1
        self.newlines()
        body = self._parenthesized() if self.peek() == "(" else self._group() if self._reserved() == "{" else None
        if not isinstance(body, Group):
            raise Unreadable("a function's body is not understood")
        return Function(name, body)


def read(text: str, *, bash: bool = False, depth: int = 0) -> Sequence:
    """The commands of ``text``. Raises :class:`Unreadable`. ``bash``: it is surely bash that reads it."""
    try:
        return Grammar(text, depth, bash).program()
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
