"""From trees to operations: a walk over the commands in the order in which a shell would run them.

It knows what variables hold and in which directory commands run only as far as that is certain: what stands in a
branch, a loop or a function is forgotten before and after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hoopgate.policy.operations import Object, Operation
from hoopgate.policy.shell import environment
from hoopgate.policy.shell.call import Call, called, written
from hoopgate.policy.shell.grammar import read
from hoopgate.policy.shell.hosts import shell_host
from hoopgate.policy.shell.names import assigned_names, defined_functions, enters, first_word, numeric_names
from hoopgate.policy.shell.paths import ANYWHERE, HOME, either, files
from hoopgate.policy.shell.programs import judge, known
from hoopgate.policy.shell.syntax import (
    AndOr,
    Arithmetic,
    Assignment,
    Branches,
    Command,
    Computation,
    Function,
    Group,
    Literal,
    Loop,
    Parameter,
    Part,
    Pipeline,
    Process,
    Redirect,
    Sequence,
    Simple,
    Substitution,
    Test,
    Unreadable,
    Word,
)
from hoopgate.policy.shell.values import ANY, NUMBER, UNKNOWN, Value, value_of

OPERATIONS: Final = 1000
"""Different operations of one text: judging each by each rule takes time."""

NESTED: Final = 8
"""How deep shells may stand in shells."""

_CODE: Final = re.compile(r"\[.*[$`]", re.DOTALL)


class Walk:
    """Collects operations. One walk is one shell; what runs in shells of its own has walks of its own."""

    def __init__(self, bash: bool = False, found: dict[Operation, None] | None = None, depth: int = 0) -> None:
        self.bash = bash
        self.found: dict[Operation, None] = {} if found is None else found
        self.depth = depth
        self.directories: tuple[str, ...] = HOME
        self.variables: dict[str, Value] = {}
        self.functions: set[str] = set()
        self._numeric: frozenset[str] = frozenset()
        self._volatile: frozenset[str] = frozenset()
        self._splits_as_usual = True

    def whole(self, body: Sequence) -> None:
        """Walk a whole text."""
        self._numeric = numeric_names(body)
        functions = defined_functions(body)
        self._volatile = frozenset(assigned_names(functions.values()))
        if "IFS" in self._volatile:
            self._split_otherwise()
        for name in functions:
            if known(name):
                things = (Object("", name, "program"),)
                self.add(Operation("unknown", "FUNCTION", things, why="it takes a program's name", part="dynamic"))
        for item in body.items:
            self._and_or(item)
            command = item.first.commands[0]
            if isinstance(command, Function) and len(item.first.commands) == 1 and not (item.rest or item.background):
                self.functions.add(command.name)

    # --- for judges of programs

    def add(self, operation: Operation) -> None:
        self.found[operation] = None
        if len(self.found) > OPERATIONS:
            raise Unreadable(f"it does more than {OPERATIONS} things")

    def run(self, call: Call) -> None:
        judge(call)

    def text(self, text: str, *, bash: bool, fresh: bool) -> None:
        if self.depth >= NESTED:
            raise Unreadable("shells stand too deep in shells")
        body = read(text, bash=bash)
        walk = Walk(bash, self.found, self.depth + 1)
        walk.directories = self.directories
        if not fresh:
            walk.functions = set(self.functions)
        walk.whole(body)
        if not fresh:
            self.forget()
            self.directories = ANYWHERE

    def forget(self, name: str | None = None) -> None:
        if name is None:
            self.variables.clear()
        else:
            self.variables.pop(name, None)

    # --- lists

    def _sequence(self, body: Sequence) -> None:
        for item in body.items:
            self._and_or(item)

    def _and_or(self, item: AndOr) -> None:
        before, variables = self.directories, dict(self.variables)
        self._list(item)
        if item.background:
            self.variables, self.directories = variables, before
            return
        self.directories = either(before, self.directories)
        self._forget_names(pipeline for _, pipeline in item.rest)

    def _list(self, item: AndOr) -> None:
        """Behind ``&&`` all before it has succeeded; behind ``||`` something has not."""
        start = self.directories
        self._pipeline(item.first)
        for operator, pipeline in item.rest:
            if operator == "||":
                self.directories = either(start, self.directories)
                self._forget_names((item,))
            self._pipeline(pipeline)

    def _pipeline(self, pipeline: Pipeline) -> None:
        if len(pipeline.commands) == 1:
            self._command(pipeline.commands[0], False)
            return
        before = self.directories
        for place, command in enumerate(pipeline.commands):
            self._forget_names((command,))
            self.directories = before
            self._command(command, place > 0)
            self._forget_names((command,))
        # zsh runs the last one in the shell itself
        self.directories = either(before, self.directories)

    def _forget_names(self, trees: Iterable[object]) -> None:
        names = assigned_names(trees)
        for name in names:
            self.forget(name)
        if "IFS" in names:
            self._split_otherwise()

    def _split_otherwise(self) -> None:
        """What unquoted expansions become is not known from here on."""
        self._splits_as_usual = False
        self.forget()

    # --- commands

    def _command(self, command: Command, piped: bool) -> None:
        if isinstance(command, Simple):
            self._simple(command, piped)
        elif isinstance(command, Function):
            self._function(command)
        elif isinstance(command, Computation):
            self._part(command.part)
        elif isinstance(command, Test):
            self._test(command)
        else:
            self._compound(command)

    def _compound(self, command: Group | Branches | Loop) -> None:
        self._redirections(command.redirects)
        before = self.directories
        if isinstance(command, Group):
            if not command.subshell:
                self._sequence(command.body)
                return
            variables = dict(self.variables)
            self._sequence(command.body)
            self.variables, self.directories = variables, before
            return
        for word in command.words:
            self._word(word)
        self._forget_names((command,))
        if isinstance(command, Loop):
            self._loop(command)
        else:
            self._sequence(command.first)
            entered = self.directories
            for body in command.others:
                self.directories = entered
                self._sequence(body)
                self._forget_names((command,))
                before = either(before, self.directories)
        self.directories = either(before, self.directories)
        self._forget_names((command,))

    def _loop(self, loop: Loop) -> None:
        for part in loop.parts:
            self._part(part)
        if enters(loop):
            self.directories = ANYWHERE
        if loop.name:
            self._set(loop.name, self._each(loop.words))
        for body in loop.bodies:
            self._sequence(body)

    def _each(self, words: tuple[Word, ...]) -> Value:
        """What a loop's variable may be: a pattern, where all words are of one form."""
        values = [self._value(word) for word in words]
        if len(values) == 1:
            one = values[0]
            return (
                Value(one.text, one.exact, False, one.home, one.number) if one.exact or ANY not in one.text else UNKNOWN
            )
        if values and all(value.number for value in values):
            return NUMBER
        if values and all(value.exact and re.fullmatch(r"[A-Za-z0-9][\w-]*", value.text) for value in values):
            return Value("*", exact=False)
        return UNKNOWN

    def _function(self, function: Function) -> None:
        """Judged where it stands, as if it were called with anything, anywhere."""
        inner = Walk(self.bash, self.found, self.depth)
        inner.directories = ANYWHERE
        inner.functions = {*self.functions, function.name}
        inner._numeric = self._numeric
        inner._volatile = self._volatile
        inner._splits_as_usual = self._splits_as_usual
        inner._command(function.body, True)
        self._forget_names((function,))

    def _test(self, test: Test) -> None:
        self._redirections(test.redirects)
        for word in test.words:
            self._word(word)
        for word in test.numbers:
            value = self._value(word)
            plain = value.exact and not _CODE.search(value.text) and not re.match(r"[A-Za-z_]", value.text)
            if not (value.number or plain or self._counts(word)):
                self._computes(value.shown)

    def _counts(self, word: Word) -> bool:
        """Is the word a variable that holds nothing but numbers?"""
        parts = [part for part in word.parts if not (isinstance(part, Literal) and not part.text)]
        return all(isinstance(part, Parameter) and part.plain and part.name in self._numeric for part in parts)

    def _computes(self, name: str) -> None:
        things = (Object("", name, "variable"),)
        why = "as arithmetic, a value may hold a subscript that runs commands"
        self.add(Operation("unknown", "ARITHMETIC", things, why=why, part="dynamic"))

    # --- simple commands

    def _simple(self, command: Simple, piped: bool) -> None:
        values = [self._argument(word) for word in command.words]
        stdin = self._redirections(command.redirects)
        for assignment in command.assignments:
            self._assignment(assignment, exported=bool(values), reads=first_word(command) == "read")
        if not values:
            return
        call = called(values, self, stdin, piped)
        call = Call(call.name, call.arguments, self, stdin, piped, command)
        if call.name in self.functions:
            self.forget()
            self.directories = ANYWHERE
            return
        self.run(call)

    def _argument(self, word: Word | Assignment) -> Value:
        if isinstance(word, Assignment):
            value = self._assigned(word)
            self._set(word.name, value)
            return Value(f"{word.name}={value.text}", value.exact and word.elements is None and not word.append)
        return self._value(word)

    def _assignment(self, assignment: Assignment, exported: bool, reads: bool) -> None:
        value = self._assigned(assignment)
        text = value.text if value.exact else None
        if assignment.name == "IFS":
            if not exported or not reads:
                self._split_otherwise()
            return
        found = (environment.variable if exported else environment.assigned)(assignment.name, text)
        if found is not None:
            self.add(found)
        if exported:
            self.forget(assignment.name)  # sh keeps it, where a special builtin follows
        else:
            self._set(assignment.name, value)

    def _assigned(self, assignment: Assignment) -> Value:
        for element in assignment.elements or ():
            self._value(element)
        if assignment.elements is not None or assignment.append:
            self._word(assignment.value)
            return UNKNOWN
        for part in assignment.value.parts:
            self._part(part)
        return value_of(assignment.value, self.variables, split=False)

    def _set(self, name: str, value: Value) -> None:
        if (
            self._splits_as_usual
            and name not in self._volatile
            and (value.exact or value.number or ANY not in value.text)
        ):
            self.variables[name] = value
        else:
            self.forget(name)

    # --- words

    def _value(self, word: Word) -> Value:
        self._word(word)
        return value_of(word, self.variables)

    def _word(self, word: Word) -> None:
        for part in word.parts:
            self._part(part)

    def _part(self, part: Part) -> None:
        """What expanding the part runs."""
        if isinstance(part, Substitution | Process):
            variables, before = dict(self.variables), self.directories
            self._sequence(part.body)
            self.variables, self.directories = variables, before
        elif isinstance(part, Arithmetic):
            for inner in part.parts:
                self._part(inner)
            for name in part.names:
                value = self.variables.get(name)
                if name not in self._numeric and not (value is not None and value.number):
                    self._computes(name)
            for name in part.assigned:
                self._set(name, NUMBER)
        elif isinstance(part, Parameter):
            for inner in part.parts:
                self._part(inner)
            if part.assigns:
                self.forget(part.name)

    # --- redirections

    def _redirections(self, redirects: tuple[Redirect, ...]) -> Value | None:
        """What is redirected; returns the text on standard input, where the command line has it."""
        stdin: Value | None = None
        for redirect in redirects:
            operator = redirect.operator
            if operator in ("<<", "<<-", "<<<"):
                self._word(redirect.target)
                stdin = value_of(redirect.target, self.variables, split=False)
                continue
            if operator in (">&", "<&"):
                continue
            value = self._value(redirect.target)
            if operator in ("<", "<>"):
                stdin = None
                self._read(value)
            if operator != "<":
                written(Call(operator, (), self), value)
        return stdin

    def _read(self, value: Value) -> None:
        if not value.text.startswith(("/dev/tcp/", "/dev/udp/")):
            found = files((value,), self.directories)
            if all(thing.name not in ("/dev/null", "/dev/stdin", "/dev/tty") for thing in found):
                self.add(Operation("read", "<", found))
            return
        self.add(Operation("transfer", "<", (shell_host(value.shown),), part="remote"))


def walked(text: str, *, bash: bool = False) -> tuple[Operation, ...]:
    """The operations of a text. Raises :class:`Unreadable`."""
    walk = Walk(bash)
    walk.whole(read(text, bash=bash))
    return tuple(walk.found)
