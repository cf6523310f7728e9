"""What shells do themselves: builtin commands, by what they change for the commands that follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hoopgate.policy.operations import Object
from hoopgate.policy.shell import environment
from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.grammar import read
from hoopgate.policy.shell.names import assigned_names, enters
from hoopgate.policy.shell.options import options, taken
from hoopgate.policy.shell.paths import ANYWHERE, entered
from hoopgate.policy.shell.syntax import Assignment, Unreadable
from hoopgate.policy.shell.values import Value

_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SET: Final = re.compile(r"[-+](?:[efuvxCE]*|[efuvxCE]*o)")
_SET_NAMES: Final = frozenset(
    {"errexit", "nounset", "pipefail", "xtrace", "verbose", "noglob", "noclobber", "errtrace"}
)
_COMPARED: Final = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})


def _nothing(call: Call) -> None:
    """What it does ends with the session, or is its output."""
    call.add("session")


def _cd(call: Call) -> None:
    line = taken(call.arguments, options("-LPe"))
    if line.strange or len(line.operands) > 1:
        call.finder.directories = ANYWHERE
        return
    call.finder.directories = entered(line.operands[0] if line.operands else None, call.finder.directories)
    call.add("session")


def _moves(call: Call) -> None:
    call.finder.directories = ANYWHERE
    call.add("session")


def _eval(call: Call) -> None:
    """The words are put together with blanks and read again, in this shell."""
    if all(value.exact and not value.home for value in call.arguments):
        call.finder.text(" ".join(value.text for value in call.arguments), bash=call.finder.bash, fresh=False)
    else:
        call.dynamic("it runs text that is known only then")
        call.finder.forget()
        call.finder.directories = ANYWHERE


def _exec(call: Call) -> None:
    line = taken(call.arguments, options("-a= -c -l"), first=True)
    if line.strange:
        call.dynamic(line.strange)
    elif line.operands:
        call.runs(line.operands)


def _command(call: Call) -> None:
    line = taken(call.arguments, options("-p -v -V"), first=True)
    if line.strange:
        call.dynamic(line.strange)
    elif line.has("-v", "-V"):
        call.add("session")
    else:
        call.runs(line.operands, "it runs nothing")


def _builtin(call: Call) -> None:
    call.runs(call.arguments, "it runs nothing")


def _source(call: Call) -> None:
    """A file of commands, which may set variables and enter directories."""
    if call.arguments:
        call.script(call.arguments[0])
    call.finder.forget()
    call.finder.directories = ANYWHERE


def _export(call: Call) -> None:
    for value in call.arguments:
        name, equals, text = value.text.partition("=")
        if value.option:
            if not re.fullmatch(r"-[pxrgiaAnf]*", value.text) or "i" in value.text or "n" in value.text:
                call.dynamic("it changes what variables mean")
            continue
        if not _NAME.fullmatch(name):
            call.dynamic("the variable's name is known only then")
            continue
        known = call.finder.variables.get(name)
        if not equals and known is not None and known.exact:
            text, equals = known.text, "="
            value = known
        exports = call.name == "export" or any(one.text.startswith("-") and "x" in one.text for one in call.arguments)
        judged = environment.variable if exports else environment.assigned
        found = judged(name, text if value.exact and equals else None)
        if found is not None and (equals or name not in ("PATH", "HOME")):
            call.finder.add(found)
        if not isinstance(_word(call, value), Assignment):
            call.finder.forget(name)


def _word(call: Call, value: Value) -> object:
    """What the argument was in the text: assignments are followed by the walk itself."""
    if call.simple is None:
        return None
    place = call.arguments.index(value) + 1 if value in call.arguments else 0
    return call.simple.words[place] if place else None


def _unset(call: Call) -> None:
    for value in call.arguments:
        if not (value.exact and (_NAME.fullmatch(value.text) or value.text in ("-v", "-f"))):
            call.dynamic("the variable's name is known only then")
        elif re.fullmatch(r"PATH|HOME|IFS|LC_\w+|LANG", value.text):
            found = environment.variable(value.text, None)
            if found is not None:
                call.finder.add(found)
        call.finder.forget(value.text)
    call.finder.functions.clear()


def _read(call: Call) -> None:
    """The names that it sets: as a subscript, one would be computed."""
    line = taken(call.arguments, options("-r -s -e -d= -n= -N= -p= -t= -u= -a= -i="))
    names = [*line.operands, *line.values("-a")]
    if line.strange or not all(value.exact and _NAME.fullmatch(value.text) for value in names):
        call.dynamic("the variable's name is known only then")
    _sets(call, names)


def _sets(call: Call, names: list[Value]) -> None:
    call.add("session")
    for value in names:
        call.finder.forget(value.text)
        found = environment.assigned(value.text, None)
        if found is not None and value.text != "IFS":
            call.finder.add(found)


def _mapfile(call: Call) -> None:
    line = taken(call.arguments, options("-t -d= -n= -O= -s= -u="))
    if line.strange or not all(value.exact and _NAME.fullmatch(value.text) for value in line.operands):
        call.dynamic(line.strange or "the variable's name is known only then")
    _sets(call, line.operands)


def _getopts(call: Call) -> None:
    names = list(call.arguments[1:2])
    if not all(value.exact and _NAME.fullmatch(value.text) for value in names):
        call.dynamic("the variable's name is known only then")
    _sets(call, names)


def _printf(call: Call) -> None:
    """``-v`` sets a variable, whose name may be a subscript."""
    first = call.arguments[0] if call.arguments else None
    if first is not None and first.option and not (first.exact and first.text == "--"):
        plain = [value for value in call.arguments[1:2] if value.exact and _NAME.fullmatch(value.text)]
        if not (first.exact and first.text == "-v" and plain):
            call.dynamic("it may set a variable whose name is known only then")
        _sets(call, plain)
        return
    call.add("session")


def _set(call: Call) -> None:
    for place, value in enumerate(call.arguments):
        if value.text in ("--", "-") or not (value.text[:1] in ("-", "+") or not value.exact):
            break
        if value.text[-1:] == "o":
            name = call.arguments[place + 1] if place + 1 < len(call.arguments) else None
            if name is None or name.text not in _SET_NAMES:
                call.dynamic("it changes how the shell reads commands")
        if not value.exact or not _SET.fullmatch(value.text):
            call.dynamic("it changes how the shell reads commands")
        if value.text[-1:] == "o":
            break
    call.add("session")


def _trap(call: Call) -> None:
    """Commands that run later, wherever the shell is by then."""
    line = taken(call.arguments, options("-l -p"))
    if line.strange or (line.operands and not line.operands[0].exact):
        call.dynamic("it runs text that is known only then")
        return
    text = line.operands[0].text if line.operands else "-"
    if text in ("", "-"):
        return
    try:
        tree = read(text, bash=call.finder.bash)
    except Unreadable as error:
        call.dynamic(error.reason)
        return
    if assigned_names((tree,)) or enters(tree):
        call.dynamic("it changes variables or the directory at any time")
    directories, call.finder.directories = call.finder.directories, ANYWHERE
    call.finder.text(text, bash=call.finder.bash, fresh=True)
    call.finder.directories = directories


def _test(call: Call) -> None:
    """ksh and zsh compute what ``-eq`` compares; ``-v`` of bash computes subscripts."""
    words = call.arguments
    for place, value in enumerate(words):
        if value.text in ("-v", "-R"):
            call.dynamic("a variable's name may hold a subscript, which runs commands")
        if value.text in _COMPARED:
            for one in words[max(place - 1, 0) : place + 2]:
                if re.search(r"\[.*[$`]", one.text):
                    call.dynamic("as arithmetic, it may hold a subscript that runs commands")
    call.add("session")


def _wait(call: Call) -> None:
    if any(value.option and not re.fullmatch(r"-[nf]", value.text) for value in call.arguments):
        call.dynamic("it sets a variable whose name is known only then")
    call.add("session")


def _reading(call: Call) -> None:
    call.dynamic("it changes what commands mean")


def _let(call: Call) -> None:
    call.dynamic("as arithmetic, it may hold a subscript that runs commands")


def _umask(call: Call) -> None:
    call.add("session")


def _type(call: Call) -> None:
    """``hash -p`` puts another program behind a name."""
    if any(value.option and not re.fullmatch(r"-[atPfrl]+", value.text) for value in call.arguments):
        call.dynamic("it changes what commands mean")
    call.add("session")


def _kill(call: Call) -> None:
    line = taken(call.arguments, options("-l -L -s= -n= *"))
    if line.has("-l", "-L"):
        call.add("session")
        return
    call.add("admin.process", [Object("", value.shown, "process") for value in line.operands])


JUDGES: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(
        (
            ":", "true", "false", "exit", "return", "break", "continue", "shift", "times", "jobs", "bg", "fg", "pwd",
            "umask", "ulimit", "dirs", "disown", "logout", "suspend", "caller",
        ),
        _nothing,
    ),
    **dict.fromkeys(("cd", "chdir"), _cd),
    **dict.fromkeys(("pushd", "popd"), _moves),
    **dict.fromkeys((".", "source"), _source),
    **dict.fromkeys(("export", "readonly", "local", "declare", "typeset"), _export),
    **dict.fromkeys(("test", "["), _test),
    **dict.fromkeys(("type", "hash"), _type),
    **dict.fromkeys(("mapfile", "readarray"), _mapfile),
    **dict.fromkeys(
        (
            "alias", "unalias", "shopt", "enable", "bind", "complete", "compgen", "compopt", "fc", "history",
            "emulate",
            "setopt", "unsetopt", "zmodload", "autoload", "zle", "functions", "sched", "disable", "vared", "print",
            "zstyle", "zparseopts", "rehash", "limit", "integer", "float", "whence", "noglob", "-", "newgrp",
        ),
        _reading,
    ),
    "builtin": _builtin,
    "command": _command,
    "eval": _eval,
    "exec": _exec,
    "getopts": _getopts,
    "kill": _kill,
    "let": _let,
    "printf": _printf,
    "read": _read,
    "set": _set,
    "trap": _trap,
    "unset": _unset,
    "wait": _wait,
}  # fmt: skip
