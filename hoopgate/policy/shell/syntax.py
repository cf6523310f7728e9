"""The trees of shell text: words in parts, and commands in lists (POSIX.1-2024, Shell Command Language, 2.10)."""

from __future__ import annotations

from attrs import define, frozen

from hoopgate.errors import HoopgateError


class Unreadable(HoopgateError):  # noqa: N818 - says what the text is
    """The text is no shell command, or not one that sh, dash and bash surely read in the same way."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@frozen
class Literal:
    """Text as it is. Unquoted, it may hold what the shell expands: globs, braces, a tilde."""

    text: str
    quoted: bool = False


@frozen
class Parameter:
    """``$name`` or ``${name...}``. ``plain``: nothing but its value; ``number``: its length, or ``$#``, ``$?``.

    ``parts``: what the expansion holds (a default, a pattern), which may run commands. ``assigns``: ``${x:=...}``.
    """

    name: str
    quoted: bool = False
    plain: bool = True
    number: bool = False
    parts: tuple[Part, ...] = ()
    assigns: bool = False


@frozen
class Substitution:
    """``$(...)`` or backquotes: the output of commands."""

    body: Sequence
    quoted: bool = False


@frozen
class Arithmetic:
    """``$((...))``, or a piece of ``((...))``: ``names`` are variables in it, ``parts`` its expansions."""

    names: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    assigned: tuple[str, ...] = ()


@frozen
class Process:
    """``<(...)`` or ``>(...)``: a file through which commands are read or written."""

    body: Sequence


Part = Literal | Parameter | Substitution | Arithmetic | Process


@frozen
class Word:
    parts: tuple[Part, ...]

    @property
    def plain(self) -> str:
        """Its text, where that is one unquoted piece: only such a word can be a reserved one."""
        if len(self.parts) == 1:
            part = self.parts[0]
            if isinstance(part, Literal) and not part.quoted:
                return part.text
        return ""


@frozen
class Assignment:
    """``name=value``, ``name+=value``, or ``name=(elements)``."""

    name: str
    value: Word
    append: bool = False
    elements: tuple[Word, ...] | None = None


@define(eq=False)
class Redirect:
    """``operator`` as it stands, without the descriptor. ``target`` is the word after it, or the here-document, which
    comes with a later line."""

    operator: str
    target: Word


@frozen
class Simple:
    assignments: tuple[Assignment, ...]
    words: tuple[Word | Assignment, ...]
    redirects: tuple[Redirect, ...]


@frozen
class Pipeline:
    commands: tuple[Command, ...]


@frozen
class AndOr:
    """Pipelines with what stands between them: ``&&`` or ``||``."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...] = ()
    background: bool = False


@frozen
class Sequence:
    items: tuple[AndOr, ...]


@frozen
class Group:
    """``{ ...; }``, or ``( ... )``, which is a process of its own."""

    body: Sequence
    subshell: bool
    redirects: tuple[Redirect, ...] = ()


@frozen
class Branches:
    """``if`` and ``case``: ``first`` runs always, the others perhaps. ``words`` are what a case looks at."""

    first: Sequence
    others: tuple[Sequence, ...]
    words: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()


@frozen
class Loop:
    """``while``, ``until`` and ``for``: ``name`` goes over ``words``, or ``parts`` are computed."""

    bodies: tuple[Sequence, ...]
    name: str = ""
    words: tuple[Word, ...] = ()
    parts: tuple[Part, ...] = ()
    redirects: tuple[Redirect, ...] = ()


@frozen
class Function:
    name: str
    body: Group


@frozen
class Test:
    """``[[ ... ]]``: its words, without brackets and operators; ``numbers`` are compared as numbers."""

    words: tuple[Word, ...]
    numbers: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()


@frozen
class Computation:
    """``(( ... ))``."""

    part: Arithmetic


Command = Simple | Group | Branches | Loop | Function | Test | Computation
