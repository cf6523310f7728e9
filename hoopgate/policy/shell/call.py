"""One program that is run, with what is known of its words, and what its judges need to say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import frozen

from hoopgate.policy.operations import Object, Operation
from hoopgate.policy.shell.hosts import shell_host
from hoopgate.policy.shell.paths import files, located
from hoopgate.policy.shell.values import Value

if TYPE_CHECKING:
    from hoopgate.policy.shell.syntax import Simple


class Finder(Protocol):
    """The walk over the commands, as far as judges of programs need it."""

    bash: bool
    directories: tuple[str, ...]
    variables: dict[str, Value]
    functions: set[str]

    def add(self, operation: Operation) -> None: ...

    def run(self, call: Call) -> None:
        """Judge a program that another one runs."""

    def text(self, text: str, *, bash: bool, fresh: bool) -> None:
        """Judge shell text that a program runs. ``fresh``: in a shell of its own."""

    def forget(self, name: str | None = None) -> None:
        """A variable's value is not known any more; None: nothing is."""


@frozen
class Call:
    """``name`` as rules know it: without the directory, where that is one of the system's. ``arguments`` come behind
    it. ``stdin``: the text that it is given, where the command line has it. ``simple``: the command it is, if it is
    no other program that runs it. ``piped``: it reads what another command writes."""

    name: str
    arguments: tuple[Value, ...]
    finder: Finder
    stdin: Value | None = None
    piped: bool = False
    simple: Simple | None = None

    @property
    def command(self) -> str:
        return self.name.rpartition("/")[2].upper()[:64]

    def add(
        self,
        effect: str,
        objects: Sequence[Object] = (),
        *,
        bounded: bool | None = None,
        why: str = "",
        command: str = "",
    ) -> None:
        """An operation; ``effect`` may have a part (``admin.service``)."""
        whole, _, part = effect.partition(".")
        found: Any = whole
        self.finder.add(Operation(found, command or self.command, tuple(objects), bounded, why, part))

    def read(self, values: Sequence[Value]) -> None:
        named = [value for value in values if not (value.exact and value.text == "-")]
        self.add("read", files(named, self.finder.directories))

    def write(self, values: Sequence[Value], effect: str = "write") -> None:
        for value in values:
            if not (value.exact and value.text == "-"):
                written(self, value, effect)

    def program(self, why: str = "") -> None:
        """It is run, and that is all that is known."""
        self.add("execute.program", (Object("", self.name, "program"),), why=why)

    def script(self, value: Value) -> None:
        """A file of code is run."""
        if value.exact:
            self.add("execute.script", files((value,), self.finder.directories))
        else:
            self.dynamic("which file of code it runs is known only then")

    def dynamic(self, why: str) -> None:
        self.add("unknown.dynamic", (Object("", self.name, "program"),), why=why)

    def runs(self, words: Sequence[Value], why: str = "", *, piped: bool = False) -> None:
        """It runs a program: the first of ``words``, or the user's shell, where there are none."""
        if words:
            self.finder.run(called(words, self.finder, self.stdin, piped or self.piped))
        elif why:
            self.dynamic(why)


_SYSTEM: Final = ("/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/snap/bin")


def called(words: Sequence[Value], finder: Finder, stdin: Value | None = None, piped: bool = False) -> Call:
    """The program that ``words`` run. Its name is empty where nobody knows it."""
    return Call(_name(words[0], finder), tuple(words[1:]), finder, stdin, piped)


def _name(word: Value, finder: Finder) -> str:
    name = word.text
    if not word.exact or not name.isprintable() or "=" in name or name in _SHELL_WORDS:
        return ""
    if "/" not in name:
        return name
    places = located(word, finder.directories)
    directory, _, base = places[0].rpartition("/")
    if len(places) > 1:
        return f"*/{base}"
    return base if directory in _SYSTEM else places[0]


_SHELL_WORDS: Final = frozenset({
    "!", "{", "}", "[[", "]]", "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case",
    "esac", "in", "function", "select", "coproc", "repeat", "nocorrect", "noglob", "foreach", "end", "-", "always",
})  # fmt: skip

Judge = Callable[[Call], None]

_NOWHERE: Final = frozenset(
    {"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/stdin", "/dev/zero", "/dev/full"}
)


def written(call: Call, value: Value, effect: str = "write") -> None:
    """A file that is written, which may be a device."""
    for thing in files((value,), call.finder.directories):
        name = thing.name
        if name in _NOWHERE or name.startswith("/dev/fd/"):
            continue
        if name.startswith(("/dev/tcp/", "/dev/udp/")):
            call.add("transfer.remote", (shell_host(name),), why="a connection that the shell makes")
        elif name.startswith("/dev/shm/") or not name.startswith(("/dev", "/proc", "/sys", "/?", "/*")):  # noqa: S108
            call.add(effect, (thing,))
        else:
            part = "admin.storage" if name.startswith(("/dev", "/?", "/*")) else "admin.setting"
            call.add(part, (thing,), why="a device, or the kernel's settings")
