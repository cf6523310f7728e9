"""Programs that write, move, delete and find files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.options import options, taken
from hoopgate.policy.shell.paths import files
from hoopgate.policy.shell.values import Value
from hoopgate.policy.shell.wrappers import replaced


def _rm(call: Call) -> None:
    """Bounded where every file is named, and none with all that is in it."""
    line = taken(call.arguments, options("-f -i -I -r -R -d -v --force --recursive --dir --verbose "
        "--interactive --one-file-system "
                                         "--preserve-root --no-preserve-root"))  # fmt: skip
    if line.strange and not any(value.option for value in line.operands):
        call.program(line.strange)
    unsure = bool(line.strange)
    deep = line.has("-r", "-R", "--recursive") or unsure
    bounded = not deep and all(value.exact for value in line.operands)
    call.add("delete", files(line.operands, call.finder.directories), bounded=bounded)


def _deletes(call: Call) -> None:
    line = taken(call.arguments, options("-p -v -f -u -z -n= -s= -x --parents --verbose --remove --force "
        "--iterations= --zero "
                                         "--ignore-fail-on-non-empty"))  # fmt: skip
    if line.strange:
        call.program(line.strange)
    exact = all(value.exact for value in line.operands)
    things = files(line.operands, call.finder.directories)
    if any(thing.name.startswith("/dev") for thing in things):
        call.add("admin.storage", things)
    call.add("delete", things, bounded=exact)


_COPYING: Final = options(
    "-a -b -d -f -i -H -l -L -n -p -P -r -R -s -t= -T -u -v -x -S= -D -m= -o= -g= -c -C -Z --archive --force "
    "--recursive --update "
    "--verbose --target-directory= --no-target-directory --preserve --parents --no-clobber --interactive "
    "--mode= --owner= "
    "--group= --directory --suffix= --backup --symbolic --relative --no-dereference --dereference --sparse= "
    "--reflink --link"
)


def _copies(call: Call) -> None:
    line = taken(call.arguments, _COPYING)
    if line.strange:
        call.program(line.strange)
    target = line.values("-t", "--target-directory")
    sources = line.operands if target else line.operands[:-1]
    targets = target or line.operands[-1:]
    if call.name == "install" and line.has("-d", "-D", "--directory"):
        sources, targets = [], line.operands
    if call.name == "mv":
        things = files(sources, call.finder.directories)
        call.add("delete", things, bounded=all(value.exact for value in sources))
    elif sources and not line.has("-s", "--symbolic"):
        call.read(sources)
    call.write(_inside(sources, targets))
    if call.name == "install":
        _mode_given(call, line.values("-m", "--mode"))


def _inside(sources: Sequence[Value], targets: Sequence[Value]) -> list[Value]:
    """What is written: the target, or where that is a directory, a file in it by each source's name."""
    written = list(targets)
    for target in targets:
        for source in sources:
            base = source.text.rstrip("/").rpartition("/")[2]
            if target.exact and base and "\0" not in base:
                written.append(Value(f"{target.text.rstrip('/')}/{base}", source.exact, False, target.home))
    return written


def _writes(call: Call) -> None:
    line = taken(call.arguments, options("-a -i -p -c -m= -r= -d= -t= -v -h -A -s= -Z --append --parents "
        "--mode= --reference= --date= "
                                         "--no-create --ignore-interrupts --verbose --size="))  # fmt: skip
    if line.strange:
        call.program(line.strange)
    effect = "delete.truncate" if call.name == "truncate" else "write"
    if effect == "write":
        call.write(line.operands)
    else:
        call.add(effect, files(line.operands, call.finder.directories), bounded=all(one.exact for one in line.operands))


def _mode_given(call: Call, modes: Sequence[Value]) -> None:
    for mode in modes:
        if not mode.exact or re.search(r"[st]|[1-7][0-7]{3}$|^0?[2467][0-7]{3}$", mode.text):
            call.add("admin.privilege", why="a mode that gives a program its owner's rights")


def _modes(call: Call) -> None:
    """chmod, chown and their like."""
    words = [
        value
        for value in call.arguments
        if not (value.exact and re.fullmatch(r"-[RvfcHLPh]+|--[\w-]+(=.*)?", value.text))
    ]
    deep = any(re.fullmatch(r"-\w*R\w*|--recursive", value.text) for value in call.arguments)
    reference = any(value.text.startswith("--reference") for value in call.arguments)
    given = words[:1] if not reference else []
    things = files(words[len(given) :], call.finder.directories)
    bounded = not deep and all(value.exact for value in words)
    call.add("write.mode", things, bounded=None if bounded else False)
    if call.name == "chmod":
        _mode_given(call, given)
    elif call.name in ("setfacl", "setcap", "chcon", "chattr"):
        call.add("admin.privilege", things)


def _dd(call: Call) -> None:
    for value in call.arguments:
        name, equals, path = value.text.partition("=")
        whole = Value(path, value.exact, value.many)
        if not equals or "\0" in name or "*" in name:
            call.dynamic("an operand is known only then")
        elif name == "if":
            call.read((whole,))
        elif name == "of":
            call.write((whole,))
    if not any(value.text.startswith("of=") for value in call.arguments):
        call.add("session")


_FIND_SAFE: Final = re.compile(
    r"-(?:a|o|and|or|not|true|false|print|print0|prune|quit|depth|mount|xdev|daystart|follow|empty|readable|writable|"
    r"executable|nouser|nogroup|ls|H|L|P|noleaf|warn|nowarn|ignore_readdir_race)|[!(),]"
)
_FIND_VALUED: Final = re.compile(
    r"-(?:name|iname|path|ipath|wholename|iwholename|regex|iregex|regextype|type|xtype|size|mtime|atime|ctime|mmin|amin|"
    r"cmin|newer\w*|user|group|uid|gid|perm|maxdepth|mindepth|links|inum|samefile|printf|fstype|lname|ilname|used|O[0-3]|D)"
)


def _find(call: Call) -> None:
    """``-exec`` runs what stands behind it, ``-delete`` deletes what is found."""
    words = list(call.arguments)
    start = next((at for at, value in enumerate(words) if re.match(r"[-!(),]", value.text)), len(words))
    while start < len(words) and re.fullmatch(r"-[HLP]", words[start].text):
        start = next((at for at in range(start + 1, len(words)) if re.match(r"[-!(),]", words[at].text)), len(words))
    places = [value for value in words[:start] if not re.fullmatch(r"-[HLP]", value.text)] or [Value(".")]
    if any(value.many and value.option for value in words[:start]) and len(words) > 0:
        call.dynamic("a word may be an action")
    call.read(places)
    at = start
    while at < len(words):
        at = _find_action(call, words, at, places)


def _find_action(call: Call, words: list[Value], at: int, places: list[Value]) -> int:
    text = words[at].text
    if not words[at].exact:
        call.dynamic("a word may be an action")
    elif text in ("-exec", "-execdir", "-ok", "-okdir"):
        end = next((one for one in range(at + 1, len(words)) if words[one].text in (";", "+")), len(words))
        found = Value(
            f"{places[0].text}/**" if len(places) == 1 and places[0].exact else "\0", exact=False, home=places[0].home
        )
        call.runs([_found(value, found) for value in words[at + 1 : end]], "it runs nothing")
        return end + 1
    elif text == "-delete":
        call.add("delete", files(places, call.finder.directories), bounded=False)
    elif text in ("-fprint", "-fprint0", "-fls", "-fprintf"):
        call.write(words[at + 1 : at + 2])
        return at + (3 if text == "-fprintf" else 2)
    elif _FIND_VALUED.fullmatch(text):
        return at + 2
    elif not _FIND_SAFE.fullmatch(text):
        call.program(f"{text} is not known")
    return at + 1


def _found(value: Value, found: Value) -> Value:
    return found if value.text == "{}" else replaced(value, "{}")


_TAR_SAFE: Final = options(
    "-c -x -t -r -u -A -d -f= -z -j -J -v -p -h -k -m -O -P -S -W -w -C= -X< -T< -a -o -s --create --extract "
    "--get --list --append "
    "--update --file= --gzip --bzip2 --xz --zstd --lzma --verbose --directory= --exclude= --strip-components= "
    "--auto-compress "
    "--no-same-owner --no-same-permissions --preserve-permissions --numeric-owner --owner= --group= --mode= "
    "--mtime= --sort= "
    "--format= --totals --to-stdout --keep-old-files --overwrite --one-file-system --ignore-failed-read --wildcards "
    "--exclude-vcs --anchored --no-recursion --warning= --null --transform= --dereference --absolute-names "
    "--files-from<"
)


def _tar(call: Call) -> None:
    """Options may run programs, so that only those that do not are taken."""
    words = list(call.arguments)
    if words and words[0].exact and re.fullmatch(r"[a-zA-Z]+", words[0].text):
        words = _old_style(words)
    line = taken(words, _TAR_SAFE)
    if line.strange:
        call.dynamic(line.strange)
    archives = [value for value in line.values("-f", "--file") if value.text != "-"]
    if any(":" in value.text for value in archives):
        call.dynamic("the archive may be on another host")
    places = line.values("-C", "--directory")
    names = line.operands
    if line.has("-c", "-r", "-u", "-A", "--create", "--append", "--update"):
        call.read(names if not places else _below(places[-1], names))
        call.write(archives)
        if not archives:
            call.add("session")
    elif line.has("-x", "--extract", "--get") and not line.has("-O", "--to-stdout"):
        call.read(archives)
        inside = [
            Value(f"{place.text.rstrip('/')}/**", exact=False, home=place.home) for place in places or [Value(".")]
        ]
        call.write([Value("\0", exact=False)] if line.has("-P", "--absolute-names") else inside)
    else:
        call.read(archives)


def _old_style(words: list[Value]) -> list[Value]:
    """``tar xzf a``: letters without a dash, whose values follow in their order."""
    letters, rest = words[0].text, words[1:]
    made: list[Value] = []
    for letter in letters:
        made.append(Value(f"-{letter}"))
        if letter in "fCXTbHKLNV" and rest:
            made.append(rest.pop(0))
    return [*made, *rest]


def _below(place: Value, names: Sequence[Value]) -> list[Value]:
    return [
        name
        if name.text.startswith("/")
        else Value(f"{place.text.rstrip('/')}/{name.text}", name.exact and place.exact, name.many, place.home)
        for name in names
    ]


def _packs(call: Call) -> None:
    """gzip and its like put a file in place of each."""
    line = taken(call.arguments, options("-d -k -f -c -v -q -t -l -n -N -r -1 -2 -3 -4 -5 -6 -7 -8 -9 -z -T= "
        "--decompress --keep --force "
                                         "--stdout --best --fast --test --list --recursive --quiet "
                                         "--verbose"))  # fmt: skip
    if line.strange:
        call.program(line.strange)
    call.read(line.operands)
    if line.operands and not line.has("-c", "--stdout", "-t", "--test", "-l", "--list"):
        call.write([Value(f"{value.text}*", exact=False, home=value.home) for value in line.operands])


def _unzip(call: Call) -> None:
    line = taken(call.arguments, options("-o -n -q -l -p -t -v -j -u -d= -x="))
    if line.strange:
        call.program(line.strange)
    call.read(line.operands[:1])
    if not line.has("-l", "-p", "-t", "-v"):
        places = line.values("-d") or [Value(".")]
        call.write([Value(f"{place.text.rstrip('/')}/**", exact=False, home=place.home) for place in places])


def _mktemp(call: Call) -> None:
    line = taken(call.arguments, options("-d -q -t -u -p= --directory --quiet --tmpdir --suffix= --dry-run"))
    if line.strange:
        call.program(line.strange)
    call.write(line.operands or [Value("/tmp/*", exact=False)])  # noqa: S108


def _split(call: Call) -> None:
    line = taken(
        call.arguments,
        options(
            "-a= -b= -C= -d -e -l= -n= -t= -u -x --bytes= --lines= --numeric-suffixes --additional-suffix= "
            "--suffix-length="
        ),
    )
    if line.strange:
        call.dynamic(line.strange)
    call.read(line.operands[:1])
    prefixes = line.operands[1:2] or [Value("x")]
    call.write([Value(f"{value.text}*", exact=False, home=value.home) for value in prefixes])


def _edits(call: Call) -> None:
    """Editors run what they are told."""
    call.write([value for value in call.arguments if not value.option])
    call.dynamic("an editor runs commands")


JUDGES: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(("rmdir", "unlink", "shred", "srm", "wipe"), _deletes),
    **dict.fromkeys(("cp", "mv", "ln", "install"), _copies),
    **dict.fromkeys(("tee", "touch", "mkdir", "mkfifo", "truncate", "sponge"), _writes),
    **dict.fromkeys(("chmod", "chown", "chgrp", "setfacl", "setcap", "chattr", "chcon"), _modes),
    **dict.fromkeys(("find", "gfind"), _find),
    **dict.fromkeys(("tar", "gtar", "bsdtar"), _tar),
    **dict.fromkeys(("gzip", "gunzip", "bzip2", "bunzip2", "xz", "unxz", "zstd", "unzstd", "lz4"), _packs),
    **dict.fromkeys(("vi", "vim", "nvim", "view", "ex", "ed", "emacs", "nano", "pico", "joe", "micro", "rvim"), _edits),
    "dd": _dd,
    "mktemp": _mktemp,
    "rm": _rm,
    "split": _split,
    "unzip": _unzip,
}
