"""Programs that run another one, named in their arguments: judged by what they run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from hoopgate.policy.operations import Object
from hoopgate.policy.shell import environment
from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.options import Line, options, taken
from hoopgate.policy.shell.paths import ANYWHERE, entered
from hoopgate.policy.shell.values import UNKNOWN, Value

_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*=", re.ASCII)


@frozen
class Wrapper:
    """``known`` options; ``skipped`` operands stand before the program; ``effect``: what else running it so is."""

    known: str
    skipped: int = 0
    effect: str = ""
    alone: str = "session"


WRAPPERS: Final[Mapping[str, Wrapper]] = {
    "nohup": Wrapper("", alone=""),
    "nice": Wrapper("-n= --adjustment= -0123456789"),
    "ionice": Wrapper("-c= -n= -t --class= --classdata= --ignore", effect=""),
    "chrt": Wrapper("-b -f -i -o -r", 1, "admin.process"),
    "taskset": Wrapper("-a -c", 1, "admin.process"),
    "time": Wrapper("-p"),
    "timeout": Wrapper("-k= -s= -v -f -p --kill-after= --signal= --verbose --foreground --preserve-status", 1),
    "setsid": Wrapper("-c -f -w --ctty --fork --wait"),
    "stdbuf": Wrapper("-i= -o= -e= --input= --output= --error="),
    "unbuffer": Wrapper("-p"),
    "busybox": Wrapper(""),
    "toybox": Wrapper(""),
    "setarch": Wrapper("-R", 1),
    "linux32": Wrapper(""),
    "linux64": Wrapper(""),
    "prlimit": Wrapper("", effect="admin.process"),
    "chronic": Wrapper("-v -e"),
    "faketime": Wrapper("", 1),
    "fakeroot": Wrapper(""),
    "dbus-run-session": Wrapper(""),
    "systemd-cat": Wrapper("-t= -p="),
    "systemd-inhibit": Wrapper("--what= --who= --why= --mode="),
}


def _wrapper(call: Call) -> None:
    wrapper = WRAPPERS[call.name]
    line = taken(call.arguments, options(wrapper.known), first=True)
    if line.strange:
        call.dynamic(line.strange)
        return
    if wrapper.effect:
        call.add(wrapper.effect)
    rest = line.operands[wrapper.skipped :]
    if any(value.many for value in line.operands[: wrapper.skipped]):
        call.dynamic("what it runs is known only then")
    elif rest:
        call.runs(rest)
    elif wrapper.alone:
        call.add(wrapper.alone)


def variables(call: Call, words: list[Value]) -> list[Value]:
    """Take ``NAME=value`` words from the front, as env and sudo do; returns the rest."""
    for place, value in enumerate(words):
        if not _VARIABLE.match(value.text):
            return words[place:]
        name, _, text = value.text.partition("=")
        found = environment.variable(name, text if value.exact else None)
        if found is not None:
            call.finder.add(found)
    return []


def _env(call: Call) -> None:
    line = taken(
        call.arguments, options("-i -0 -u= -C= -v --ignore-environment --null --unset= --chdir= --debug"), first=True
    )
    if line.strange:  # -S among them: it splits text into words in a way of its own
        call.dynamic(line.strange)
        return
    directories = call.finder.directories
    for place in line.values("-C", "--chdir"):
        call.finder.directories = entered(place, directories)
    rest = variables(call, line.operands)
    if rest:
        call.runs(rest)
    else:
        call.add("session")
    call.finder.directories = directories


_SUDO: Final = options(
    "-A -B -b -E -H -h= -K -k -n -P -S -i -s -l -v -u= -g= -p= -C= -r= -t= -T= -U= -D= -R= --askpass "
    "--background --bell "
    "--preserve-env --set-home --host= --login --remove-timestamp --reset-timestamp --non-interactive --stdin "
    "--shell "
    "--list --validate --user= --group= --prompt= --close-from= --chdir= --chroot= --role= --type= --other-user="
)


def _sudo(call: Call) -> None:
    line = taken(call.arguments, _SUDO, first=True)
    users = line.values("-u", "--user") or [Value("root")]
    call.add("admin.become", [Object("", users[-1].shown, "user")])
    if line.strange or line.has("-R", "--chroot"):
        call.dynamic(line.strange or "it runs in another root directory")
        return
    directories = call.finder.directories
    for place in line.values("-D", "--chdir"):
        call.finder.directories = entered(place, directories)
    if line.has("-i", "--login"):
        call.finder.directories = ANYWHERE  # the other user's home
    rest = variables(call, line.operands)
    if line.has("-i", "-s", "--login", "--shell") and not all(
        re.fullmatch(r"[\w@%+=:,./-]*", one.text) for one in rest
    ):
        call.dynamic("what the other user's shell makes of it is not known")
    elif rest:
        call.runs(rest)
    elif line.has("-i", "-s", "--login", "--shell"):
        call.add("execute.shell")
    call.finder.directories = directories


def _doas(call: Call) -> None:
    _become(call, taken(call.arguments, options("-n -s -u="), first=True))


def _runuser(call: Call) -> None:
    line = taken(
        call.arguments, options("-u= --user= -c= --command= -s= --shell= -g= -G= -l --login -m -p"), first=True
    )
    if not line.has("-u", "--user"):
        _su_of(call, line)
        return
    _become(call, line)


def _become(call: Call, line: Line) -> None:
    users = line.values("-u", "--user") or [Value("root")]
    call.add("admin.become", [Object("", users[-1].shown, "user")])
    if line.strange:
        call.dynamic(line.strange)
    elif line.operands:
        call.runs(line.operands)
    else:
        call.add("execute.shell")


def _su(call: Call) -> None:
    line = taken(
        call.arguments, options("-c= --command= -s= --shell= -g= -G= -l --login -m -p -P --pty --preserve-environment")
    )
    _su_of(call, line)


def _su_of(call: Call, line: Line) -> None:
    """``su [-] [user] -c text``: text for the other user's shell."""
    users = [value for value in line.operands if value.text != "-"]
    call.add("admin.become", [Object("", value.shown, "user") for value in users[:1] or [Value("root")]])
    texts = line.values("-c", "--command")
    if line.strange or len(users) > 1 or line.has("-s", "--shell") or not all(value.exact for value in texts):
        call.dynamic(line.strange or "what the other user's shell makes of it is not known")
        return
    if not texts:
        call.add("execute.shell")
    directories = call.finder.directories
    if line.has("-l", "--login") or any(value.text == "-" for value in line.operands):
        call.finder.directories = ANYWHERE
    for value in texts:
        call.finder.text(value.text, bash=False, fresh=True)
    call.finder.directories = directories


_XARGS: Final = options(
    "-0 -r -t -x -I= -n= -P= -L= -d= -a< -s= -E= --null --no-run-if-empty --verbose --max-args= --max-procs= "
    "--replace= "
    "--delimiter= --arg-file< --max-lines= --max-chars= --exit"
)


def _xargs(call: Call) -> None:
    """Its program gets words that nobody knows; with ``-I`` in places of the others."""
    line = taken(call.arguments, _XARGS, first=True)
    if line.strange:
        call.dynamic(line.strange)
        return
    call.read(line.values("-a", "--arg-file"))
    marks = [value.text for value in line.values("-I", "--replace")]
    words = line.operands or [Value("echo")]
    if marks:
        words = [replaced(value, marks[-1]) for value in words]
    else:
        words = [*words, UNKNOWN]
    call.runs(words, piped=True)


def replaced(value: Value, mark: str) -> Value:
    """The word once ``mark`` in it is replaced by what nobody knows: still one word."""
    if not mark or mark not in value.text:
        return value
    return Value(value.text.replace(mark, "\0"), exact=False, home=value.home)


def _watch(call: Call) -> None:
    """The words are one text for sh, but with ``-x``."""
    line = taken(
        call.arguments,
        options("-n= -d -t -b -e -g -c -x -p -w --interval= --differences --no-title --exec"),
        first=True,
    )
    if line.strange:
        call.dynamic(line.strange)
    elif line.has("-x", "--exec"):
        call.runs(line.operands, "it runs nothing")
    else:
        text_of_words(call, line.operands)


def text_of_words(call: Call, words: list[Value]) -> None:
    if words and all(value.exact and not value.home for value in words):
        call.finder.text(" ".join(value.text for value in words), bash=False, fresh=True)
    else:
        call.dynamic("it runs text that is known only then")


def _flock(call: Call) -> None:
    line = taken(
        call.arguments,
        options("-s -x -e -u -n -o -w= -E= --shared --exclusive --nonblock --timeout= --close"),
        first=True,
    )
    if line.strange or any(value.option for value in line.operands[1:2]):
        call.dynamic(line.strange or "it runs text")
        return
    call.write(line.operands[:1])
    if len(line.operands) > 1:
        call.runs(line.operands[1:])


def _chroot(call: Call) -> None:
    call.add("admin.become", why="another root directory")
    call.dynamic("its programs are those of another root directory")


JUDGES: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(WRAPPERS, _wrapper),
    **dict.fromkeys(("chroot", "unshare", "nsenter", "setpriv", "capsh", "pkexec", "machinectl"), _chroot),
    "doas": _doas,
    "env": _env,
    "flock": _flock,
    "runuser": _runuser,
    "su": _su,
    "sudo": _sudo,
    "watch": _watch,
    "xargs": _xargs,
}
