"""What begins with a dollar or a backquote: parameters, substitutions, arithmetic (POSIX.1-2024, 2.6)."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from hoopgate.policy.shell.syntax import (
    Arithmetic,
    Literal,
    Parameter,
    Part,
    Process,
    Substitution,
    Unreadable,
)
from hoopgate.policy.shell.text import DEPTH, NAME, Text

if TYPE_CHECKING:
    from hoopgate.policy.shell.syntax import Sequence

_OPERATION: Final = re.compile(r":?[-+=?]|##?|%%?|\^\^?|,,?|//?")
_SLICE: Final = re.compile(r": ?-?[0-9]+(?:: ?-?[0-9]+)?\}")
_SUBSCRIPT: Final = re.compile(r"\[(?:[@*]|[0-9]+)\]")
_ARITHMETIC: Final = re.compile(r"[0-9]+(?:#[0-9A-Za-z]+)?|0[xX][0-9a-fA-F]+|[-+*/%<>=!~^&|?:, \t\n]")
_ASSIGNS: Final = re.compile(r"\s*(?:[-+*/%^&|]|<<|>>)?=(?!=)|\s*(?:\+\+|--)")
_ANSI: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|([abeEfnrtv\\\"?]))"
)
_ESCAPED: Final = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "?": "?",
}  # fmt: skip
_SPECIAL: Final = "@*#?$!-0123456789"
_AFTER_DOLLAR: Final = frozenset(" \t\n|)/,.;&")


class Expansions(Text):
    """Reads expansions."""

    @abstractmethod
    def commands(self, end: str) -> Sequence:
        """Commands up to ``end``, a closing parenthesis or the end of the text, which is read too."""

    def inner(self, text: str) -> Expansions:
        """A reader of text inside this one."""
        made = type(self)(text, self.depth + 1, self.bash, self.spent)
        made.enclosures = 1
        return made

    @abstractmethod
    def unbroken(self, text: str) -> None:
        """``text`` stands here; where a here-document is to come, shells differ in where its lines begin."""

    @abstractmethod
    def piece(self, parts: list[Part], char: str) -> None:
        """One part of a word, which begins with ``char``."""

    def dollar(self, quoted: bool) -> Part:
        self.at += 1
        char = self.peek()
        if self.peek(2) == "((":
            return self._arithmetic(quoted)
        if char == "(":
            self.at += 1
            return Substitution(self._enclosed(), quoted)
        if char == "{":
            self.at += 1
            return self._braced(quoted)
        if char == "'" and not quoted:
            return self._ansi()
        name = NAME.match(self.text, self.at)
        if name:
            self.at = name.end()
            self._not_continued()
            return Parameter(name[0], quoted, plain=self.peek() not in ("[", ":") or not self._zsh_goes_on())
        if char and char in _SPECIAL:
            self.at += 1
            return Parameter(char, quoted, number=char in "#?$!")
        self._not_continued()
        if not char or char in _AFTER_DOLLAR or (quoted and char in "\"'\\"):
            return Literal("$", True)
        raise Unreadable(f"${char} is read in different ways")

    def _not_continued(self) -> None:
        if self.peek(2) == "\\\n":
            raise Unreadable("a line is continued inside an expansion")

    def _zsh_goes_on(self) -> bool:
        """zsh takes ``$x[1]`` and ``$x:h`` as more than the variable's value."""
        return re.match(r"\[|:[a-zA-Z&]", self.text[self.at : self.at + 2]) is not None

    def _enclosed(self) -> Sequence:
        """Commands up to the closing parenthesis, which is read too."""
        if self.depth >= DEPTH:
            raise Unreadable("commands stand too deep in commands")
        self.depth += 1
        body = self.commands(")")
        self.depth -= 1
        return body

    def process(self) -> Process:
        self.at += 2
        return Process(self._enclosed())

    def backquoted(self, quoted: bool) -> Part:
        start = self.at + 1
        found = re.compile(r"(?:[^`\\]|\\.)*", re.DOTALL).match(self.text, start)
        end = found.end() if found else start
        if self.text[end : end + 1] != "`":
            raise Unreadable("a backquote is not closed")
        text = self.text[start:end]
        if re.search(r"\\[^`$\\]", text) or (quoted and '"' in text):
            raise Unreadable("quotes inside backquotes are read in different ways")
        self.unbroken(text)
        self.at = end + 1
        return Substitution(self.inner(re.sub(r"\\([`$\\])", r"\1", text)).commands(""), quoted)

    def _ansi(self) -> Literal:
        """``$'...'`` as bash has it; dash reads a dollar and a quoted text."""
        found = re.compile(r"(?:[^'\\]|\\[^'])*").match(self.text, self.at + 1)
        end = found.end() if found else self.at
        if self.text[end : end + 1] != "'" or self.text[end - 1 : end + 1] == "\\'":
            raise Unreadable("$'...' is read in different ways")
        text = self.text[self.at + 1 : end]
        if "\\" in _ANSI.sub("", text):
            raise Unreadable("$'...' has an escape that is not known")
        self.unbroken(text)
        self.at = end + 1
        try:
            decoded = _ANSI.sub(_unescaped, text)
        except (ValueError, OverflowError):
            raise Unreadable("$'...' has an escape that is no character") from None
        if "\0" in decoded:
            raise Unreadable("$'...' has a NUL, which cuts it")
        return Literal(decoded, True)

    def _braced(self, quoted: bool) -> Parameter:
        """``${...}``, behind the brace."""
        number = self.peek() == "#" and self.peek(2) != "#}"
        self.at += number
        name = re.compile(rf"{NAME.pattern}|[0-9]+|[@*#?$!-]").match(self.text, self.at)
        if not name:
            raise Unreadable("an expansion is not understood")
        self.at = name.end()
        subscript = _SUBSCRIPT.match(self.text, self.at)
        if subscript:
            self.at = subscript.end()
        number = number or name[0] in ("#", "?", "$", "!")
        if self.peek() == "}":
            self.at += 1
            return Parameter(name[0], quoted, plain=not subscript and not number, number=number)
        found = _SLICE.match(self.text, self.at)
        if found and not number:
            self.at = found.end()
            return Parameter(name[0], quoted, plain=False)
        operation = _OPERATION.match(self.text, self.at)
        if not operation or number:
            raise Unreadable("an expansion is not understood")
        self.at = operation.end()
        assigns = "=" in operation[0]
        return Parameter(name[0], quoted, plain=False, parts=self._operand(quoted), assigns=assigns)

    def _operand(self, quoted: bool) -> tuple[Part, ...]:
        parts: list[Part] = []
        while True:
            char = self.peek()
            if char == "}":
                self.at += 1
                return tuple(parts)
            if not char or char in "<>(\n" or (quoted and char in "'\""):
                raise Unreadable("an expansion is read in different ways")
            if char in "'\"\\$`":
                self._piece_of_operand(parts, char, quoted)
            else:
                parts.append(Literal(char, quoted))
                self.at += 1

    def _piece_of_operand(self, parts: list[Part], char: str, quoted: bool) -> None:
        self.spend()
        if char == "$":
            parts.append(self.dollar(quoted))
        elif char == "`":
            parts.append(self.backquoted(quoted))
        else:
            self.piece(parts, char)

    def _arithmetic(self, quoted: bool) -> Arithmetic:
        self.at += 2
        found = self.computed()
        if self.peek(2) != "))":
            raise Unreadable("$(( is not closed as arithmetic")
        self.at += 2
        return found

    def computed(self, ends: str = ")") -> Arithmetic:
        """An arithmetic expression, up to one of ``ends`` outside parentheses, which is not read."""
        names: list[str] = []
        assigned: list[str] = []
        parts: list[Part] = []
        open_ = 0
        while not (open_ == 0 and self.peek() in ends):
            self.spend()
            char = self.peek()
            name = NAME.match(self.text, self.at)
            if name:
                self.at = name.end()
                names.append(name[0])
                before = self.text[max(name.start() - 8, 0) : name.start()].rstrip()[-2:]
                if _ASSIGNS.match(self.text, self.at) or before in ("++", "--"):
                    assigned.append(name[0])
            elif char == "$":
                self._computed_part(names, parts)
            elif char in ("(", ")"):
                open_ += 1 if char == "(" else -1
                self.at += 1
            else:
                self.at = self._arithmetic_sign()
        return Arithmetic(tuple(names), tuple(parts), tuple(assigned))

    def _computed_part(self, names: list[str], parts: list[Part]) -> None:
        part = self.dollar(True)
        parts.append(part)
        if isinstance(part, Parameter) and not part.number and NAME.fullmatch(part.name):
            names.append(part.name)
        elif not (isinstance(part, Arithmetic) or (isinstance(part, Parameter) and part.number)):
            names.append("")  # something whose value is not known

    def _arithmetic_sign(self) -> int:
        found = _ARITHMETIC.match(self.text, self.at)
        if not found or (re.match(r"[A-Za-z_]", self.text[found.end() : found.end() + 1]) and found[0].isdigit()):
            raise Unreadable("arithmetic is not understood")
        return found.end()


def _unescaped(found: re.Match[str]) -> str:
    sixteen = found[1] or found[2] or found[3]
    if sixteen:
        code = int(sixteen, 16)
        if code > 0x7F and found[1]:
            raise ValueError(code)  # a byte, which is no character
        return chr(code)
    if found[4]:
        code = int(found[4], 8)
        if code > 0x7F:
            raise ValueError(code)
        return chr(code)
    return _ESCAPED[found[5]]
