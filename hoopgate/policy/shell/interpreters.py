"""Programs that run code: judged by it, where it stands in the command and is of a language that is read here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hoopgate.policy.operations import Object
from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.hosts import place
from hoopgate.policy.shell.options import Line, options, taken
from hoopgate.policy.shell.stream_code import awk_is_plain, sed_effects
from hoopgate.policy.shell.values import Value
from hoopgate.policy.sql.effects import effects
from hoopgate.policy.sql.tree import Unparsable, inline_limit, parse

_SHELL: Final = options("-c -e -u -x -v -f -n -l -i -s -o= --login --norc --noprofile --posix")


def _shell(call: Call) -> None:
    """``sh -c text``, ``sh file``, or ``sh``, which reads commands from its input."""
    line = taken(call.arguments, _SHELL, first=True)
    names = [value.text for value in line.values("-o")]
    if line.strange or any(name not in ("pipefail", "errexit", "nounset", "xtrace") for name in names):
        call.dynamic(line.strange or "an option is not known")
        return
    bash = call.name in ("bash", "rbash")
    if line.has("-c"):
        text = line.operands[0] if line.operands else Value("", exact=False)
        _text(call, text, bash)
    elif line.operands and not line.has("-s"):
        call.script(line.operands[0])
    elif call.stdin is not None:
        _text(call, call.stdin, bash)
    else:
        call.dynamic("it reads commands from its input")


def _text(call: Call, value: Value, bash: bool) -> None:
    if not value.exact or value.home:
        call.dynamic("it runs text that is known only then")
        return
    call.finder.text(value.text, bash=bash, fresh=True)
    call.add("session")


def _foreign_shell(call: Call) -> None:
    """fish, csh and their like: only that a file is run can be told."""
    line = taken(call.arguments, options("-f -l"), first=True)
    if line.strange or not line.operands:
        call.dynamic("it runs text of another language")
    else:
        call.script(line.operands[0])


_INTERPRETERS: Final[Mapping[str, str]] = {
    "python": "-c! -m! -B -b -d -E -I -i! -O -q -s -S -u -v -V -x -P -W= -X= --version",
    "perl": "-e! -E! -n! -p! -i! -M! -m! -w -W -t -T -v -V -c -l! -a! -F! -0! -I= -x!",
    "ruby": "-e! -n! -p! -i! -r! -w -W -v -c -I= -S! -l! -a! --version",
    "node": "-e! -p! -r! -i! -c -v --eval! --print! --require! --import! --version --check --test --watch",
    "php": "-r! -B! -R! -F! -f! -a! -d! -l -v -i -m -n -q --version",
    "lua": "-e! -l! -i! -v -E",
    "deno": "--version",
    "bun": "--version",
    "tclsh": "",
    "wish": "",
    "expect": "-c! -f! -i! -b! -d",
    "osascript": "-e!",
    "Rscript": "-e! --vanilla --version",
    "julia": "-e! -E! -v --version",
    "ghci": "",
    "irb": "",
    "gdb": "!",
    "pypy3": "-c! -m! -u -V",
    "scala": "-e!",
    "groovy": "-e!",
    "jshell": "",
    "bc": "-l -q -s -w",
    "dc": "-e! -f!",
    "m4": "",
}
_STARTS: Final = {"bun", "deno"}


def _interpreter(call: Call) -> None:
    known = options(_INTERPRETERS[_language(call.name)])
    line = taken(call.arguments, known, first=True)
    code = [name for name, _ in line.given if known.kinds.get(name) == "!"]
    if line.has("-m") and _language(call.name) == "python":
        _module(call, line)
    elif line.has("-V", "-v", "--version", "-version") and not line.operands and not code:
        call.add("session")
    elif code or line.strange or not line.operands or line.operands[0].text == "-":
        call.dynamic("it runs code that is not the shell's")
    elif _language(call.name) in _STARTS:
        call.program()
    else:
        call.script(line.operands[0])


def _java(call: Call) -> None:
    """``-jar file``; agents and other options load code, and so does a class by its name."""
    words = call.arguments
    jar = next((place for place, value in enumerate(words) if value.text == "-jar"), -1)
    before = words[:jar] if jar >= 0 else words
    fine = all(
        value.exact and re.fullmatch(r"-(?:X[a-z]+\d+[kmgKMG]?|D[\w.]+=[\w./-]*|server|ea)", value.text)
        for value in before
    )
    if [value.text for value in words] in (["-version"], ["--version"]):
        call.add("session")
    elif jar >= 0 and fine and len(words) > jar + 1:
        call.script(words[jar + 1])
    else:
        call.dynamic("it runs code that is not the shell's")


def _module(call: Call, line: Line) -> None:
    """``python -m pytest``: a program with a name of its own."""
    modules = line.values("-m")
    place = next(place for place, value in enumerate(call.arguments) if value.text.endswith("m") or "m" in value.text)
    before = [value.text for value in call.arguments[:place]]
    name = modules[0] if modules else Value("", exact=False)
    if not name.exact or not re.fullmatch(r"[\w.]+", name.text) or any(not text.startswith("-") for text in before):
        call.dynamic("which module it runs is known only then")
    elif name.text in ("pip", "ensurepip"):
        call.add("admin.package", command=name.text.upper())
    else:
        call.add("execute.program", (Object("", f"python -m {name.text}", "program"),))


def _language(name: str) -> str:
    return re.sub(r"(?<=[a-z])[0-9][0-9.]*$", "", name) if name not in _INTERPRETERS else name


def interpreter(name: str) -> Judge | None:
    """``python3.11`` and its like have no entry of their own."""
    return _interpreter if _language(name) in _INTERPRETERS else None


_PSQL: Final = options(
    "-c= -f< -d= -h= -p= -U= -A -a -b -e -E -q -S -s -t -1 -w -W -x -X -z -0 -F= -R= -P= -T= -o> -L> -l -V "
    "--command= --file< "
    "--dbname= --host= --port= --username= --no-psqlrc --quiet --tuples-only --no-align --csv --html --list "
    "--output> "
    "--log-file> --single-transaction --echo-all --echo-errors --echo-queries --expanded --no-password "
    "--password --pset= "
    "--field-separator= --version"
)


def _psql(call: Call) -> None:
    """SQL in ``-c`` has the operations that it has over PostgreSQL's protocol; the database is another one."""
    line = taken(call.arguments, _PSQL)
    call.write(line.values("-o", "-L", "--output", "--log-file"))
    scripts = line.values("-f", "--file")
    texts = line.values("-c", "--command")
    hosts = [Object("", place(value.shown, 0), "host") for value in line.values("-h", "--host")]
    call.add("transfer.remote" if hosts else "execute.program", hosts or [Object("", "psql", "program")])
    if line.strange:
        call.dynamic(line.strange)
    if scripts:
        for value in scripts:
            call.script(value)
    if not (texts or scripts or line.has("-l", "-V", "--list", "--version")):
        texts = [call.stdin] if call.stdin is not None else []
        if not texts:
            call.dynamic("it reads commands from its input")
    for value in texts:
        _sql(call, value)


def _sql(call: Call, value: Value) -> None:
    if not value.exact or re.search(r"\\|:['\"{\w]", value.text) or len(value.text) > inline_limit() // 4:
        call.dynamic("psql makes something of it first, or it is known only then")
        return
    try:
        found = effects(parse(value.text))
    except Unparsable as error:
        call.add("unknown.text", why=error.reason)
        return
    for operation in found.operations:
        call.finder.add(operation)


def _database(call: Call) -> None:
    call.add("execute.program", (Object("", call.name, "program"),))
    call.dynamic("it runs statements of a language that is not read here")


_AWK: Final = options("-F= -v= -f< -W! --field-separator= --assign= --re-interval --posix --traditional")


def _awk(call: Call) -> None:
    line = taken(call.arguments, _AWK, first=True)
    if line.strange or line.has("-W"):
        call.dynamic(line.strange or "an option is not known")
        return
    if line.has("-f"):
        for value in line.values("-f"):
            call.script(value)
        call.read(line.operands)
        return
    if not line.operands or not line.operands[0].exact or not awk_is_plain(line.operands[0].text):
        call.dynamic("the program may write files or run others")
    call.read(line.operands[1:])


_SED: Final = options(
    "-n -E -r -s -u -z -e= -f< -l= --quiet --silent --regexp-extended --expression= --file< --separate --unbuffered "
    "--null-data --posix --sandbox --debug --follow-symlinks"
)


def _sed(call: Call) -> None:
    """``-i`` writes the files that it reads; a suffix, where there is one, is a part of the option."""
    edits = [value for value in call.arguments if re.match(r"-[nErsuz]*i|--in-place", value.text)]
    rest = [value for value in call.arguments if value not in edits]
    bare = [Value(f"-{letters}") for value in edits for letters in re.findall(r"^-([nErsuz]+)i", value.text)]
    line = taken([*bare, *rest], _SED)
    texts = line.values("-e", "--expression")
    operands = line.operands
    if not texts and not line.has("-f", "--file"):
        texts, operands = operands[:1], operands[1:]
    if line.strange or not all(value.exact for value in edits):
        call.dynamic(line.strange or "an option is known only then")
    scripts = line.values("-f", "--file")
    if scripts:
        for value in scripts:
            call.script(value)
    for value in texts:
        found = sed_effects(value.text) if value.exact else None
        if found is None:
            call.dynamic("the script may write files or run programs")
        else:
            call.write([Value(name) for name in found])
    if edits:
        call.write(operands)
    else:
        call.read(operands)


JUDGES: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(("sh", "dash", "bash", "rbash", "ash"), _shell),
    **dict.fromkeys(("fish", "csh", "tcsh", "zsh", "ksh", "mksh", "pwsh", "nu", "elvish", "xonsh", "rc",
    "es"), _foreign_shell),
    **dict.fromkeys(_INTERPRETERS, _interpreter),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk", "original-awk"), _awk),
    **dict.fromkeys(("sed", "gsed"), _sed),
    **dict.fromkeys(
        ("mysql", "mariadb", "sqlite3", "mongo", "mongosh", "redis-cli", "clickhouse-client", "sqlcmd",
        "cqlsh"), _database
    ),
    "java": _java,
    "psql": _psql,
}  # fmt: skip
