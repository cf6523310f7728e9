"""Programs of awk and sed that stand in a command: those that only compute are told from those that may do more."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 20_000
_AWK_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_AWK_REGEX: Final = re.compile(r"(?:(?<=[(,~!{;&|])|(?<=^))\s*/(?:[^/\\\n\[]|\\.|\[[^\]\n]*\])*/")
_AWK_WORDS: Final = re.compile(
    r"\b(?:system|getline|printf?\s*[^;}\n]*>|close|fflush|extension|load|include|namespace|ENVIRON|PROCINFO)\b|@"
)


def awk_is_plain(text: str) -> bool:
    """Does the program neither run commands nor write or read files of its own? False where that is not plain to see.

    Strings and comparisons are looked at no closer than it takes: a pipe, a redirection or one of awk's words for
    them anywhere outside of strings is enough to say no.
    """
    if len(text) > _LONGEST:
        return False
    bare = _AWK_STRING.sub('""', text)
    if '"' in bare.replace('""', ""):
        return False
    bare = _AWK_REGEX.sub(" 0 ", bare)
    if _AWK_WORDS.search(bare) or re.search(r"(?<!\|)\|(?!\|)", bare):
        return False
    # print a > b writes to b, while (a > b) and a pattern compare
    return not re.search(r"\bprintf?\b[^;}\n]*>", bare)


_ADDRESS: Final = re.compile(r"(?:[0-9]+(?:~[0-9]+)?|\$|/(?:[^/\\\n\[]|\\.|\[\^?\]?[^\]\n]*\])*/[IM]*)")
_FLAGS: Final = re.compile(r"[gpiIm0-9]*")
_PLAIN: Final = "pPdDgGhHxnNl=qQzF"
_FILE: Final = re.compile(r"[ \t]*([^\n]*)")


def sed_effects(text: str) -> list[str] | None:
    """The files that the script writes; None where it runs commands, or is not plain to read (sed(1), "
    "POSIX.1-2024)."""
    written: list[str] = []
    at = 0
    while at < len(text) and len(text) <= _LONGEST:
        if text[at] in " \t\n;{}":
            at += 1
            continue
        end = _after_address(text, at)
        command = text[end : end + 1]
        if command == "{":
            at = end + 1
        elif command and command in _PLAIN:
            found = re.compile(r"[ \t]*[0-9]*[ \t]*(?=[;}\n]|$)").match(text, end + 1)
            if not found:
                return None
            at = found.end()
        elif command in ("s", "y"):
            after = _substituted(text, end, command)
            if after is None:
                return None
            at = after
        elif command in ("a", "i", "c"):
            found = re.compile(r"[ \t]*(?:\\\n?)?(?:[^\\\n]|\\.)*(?=\n|$)", re.DOTALL).match(text, end + 1)
            if not found:
                return None
            at = found.end()
        elif command == "w":
            found = _FILE.match(text, end + 1)
            written.append(found[1] if found else "")
            at = len(text) if found is None else found.end()
        else:
            return None
    return written if len(text) <= _LONGEST else None


def _after_address(text: str, at: int) -> int:
    found = _ADDRESS.match(text, at)
    if found:
        at = found.end()
        second = re.compile(rf"[ \t]*,[ \t]*(?:[+~]?[0-9]+|{_ADDRESS.pattern})").match(text, at)
        at = second.end() if second else at
    more = re.compile(r"[ \t]*!?[ \t]*").match(text, at)
    return more.end() if more else at


def _substituted(text: str, at: int, command: str) -> int | None:
    """Behind ``s/a/b/g`` or ``y/a/b/``; None where its flags run or write something."""
    mark = text[at + 1 : at + 2]
    if not mark or mark in "\\\n" or mark.isalnum() or mark in "[] ;":
        return None
    one = re.escape(mark)
    piece = rf"(?:[^{one}\\]|\\[\s\S])*"
    found = re.compile(rf"{piece}{one}{piece}{one}").match(text, at + 2)
    if not found or ("[" in found[0].partition(mark)[0].replace("\\[", "") and mark in "[]"):
        return None
    flags = _FLAGS.match(text, found.end())
    end = flags.end() if flags and command == "s" else found.end()
    after = re.compile(r"[ \t]*(?=[;}\n]|$)").match(text, end)
    return after.end() if after else None
