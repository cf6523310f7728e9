"""Globs: ``*`` any text, ``?`` any character, ``[abc]`` and ``[!abc]`` one of a set; on RE2, so linear in time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2

from hoopgate.policy.operations import Object
from hoopgate.policy.sql.names import SCHEMALESS

__all__ = ["SCHEMALESS", "any_matches", "covers", "matches", "meet", "object_matches"]

_LONGEST_MEETING = 1_000_000  # steps: half a second at worst
# of names: any text without a slash, any character but a slash, and but a slash and a dot
_STEP, _ONE, _PLAIN = "\x01", "\x02", "\x03"
_HOMES = tuple("/" + "/".join([_PLAIN + _STEP] * depth) for depth in (1, 2, 3))  # /root, /home/ann, /var/lib/app


@lru_cache(maxsize=4096)
def _compiled(glob: str) -> Any:
    return re2.compile("(?s)" + _translated(glob))


def _translated(glob: str) -> str:
    parts = []
    position = 0
    while position < len(glob):
        char = glob[position]
        position += 1
        end = glob.find("]", position + 1 + (glob[position : position + 1] in ("!", "^"))) if char == "[" else -1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif end >= 0:
            inside = glob[position:end]
            negated = inside[:1] in ("!", "^")
            inside = inside[1:] if negated else inside
            body = "".join(one if one == "-" else re2.escape(one) for one in inside)
            parts.append(f"[{'^' if negated else ''}{body}]")
            position = end + 1
        else:
            parts.append(re2.escape(char))
    return "".join(parts)


def matches(glob: str, text: str) -> bool:
    """Does the glob match the whole of ``text``, case and all? What is no Unicode in it is any other character."""
    return _compiled(glob).fullmatch(_encodable(text)) is not None


def _encodable(text: str) -> str:
    """Names of files may be any bytes, which come here as surrogates."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def any_matches(globs: Iterable[str], text: str) -> bool:
    return any(matches(glob, text) for glob in globs)


def covers(wide: str, narrow: str) -> bool:
    """True if whatever ``narrow`` matches ``wide`` matches too; False where that is not plain to see."""
    if wide in ("*", narrow):
        return True
    if "[" in narrow or "[" in wide:
        return False
    # a star of the narrow one becomes a character that only a star of the wide one takes
    strict = "(?s)" + "".join({"*": ".*", "?": "[^\x00]"}.get(char) or re2.escape(char) for char in wide)
    return re2.compile(strict).fullmatch(_encodable(narrow).replace("*", "\x00").replace("?", "\x01")) is not None


def meet(one: str, other: str) -> bool:
    """May some text match both globs? True also where that is not plain to see: of sets of characters, or too long."""
    if len(one) * len(other) > _LONGEST_MEETING:
        return True
    before = [True]
    for char in other:
        before.append(before[-1] and char in ("*", _STEP))
    for sign in _signs(one):
        now = [before[0] and sign == "*"]
        for at, char in enumerate(other):
            if sign == "*" or char == "*":
                now.append(now[at] or before[at + 1])
            elif char == _STEP:
                now.append(now[at] or (sign != "/" and before[at + 1]))
            else:
                now.append(before[at] and _same(sign, char))
        before = now
    return before[-1]


def _same(sign: str, char: str) -> bool:
    """Of one character of a glob and one of a name."""
    if char in (_ONE, _PLAIN):
        return sign != "/" and not (char == _PLAIN and sign == ".")
    return "?" in (sign, char) or sign == char


def _signs(glob: str) -> list[str]:
    """Its characters, ``?`` in the place of each set."""
    found = []
    at = 0
    while at < len(glob):
        char = glob[at]
        end = glob.find("]", at + 2 + (glob[at + 1 : at + 2] in ("!", "^"))) if char == "[" else -1
        found.append("?" if end >= 0 else char)
        at = end + 1 if end >= 0 else at + 1
    return found


def _named(glob: str, thing: Object, surely: bool) -> bool:
    """Of what stands in no schema and may be known by a pattern alone: an allow (``surely``) has to match whatever it
    may be, a deny any of it. A ``*`` that begins it, and ``**``, are any text; others stop at slashes, as a shell's do.
    """
    names = [name for name in (thing.name, thing.also) if name]
    if thing.kind == "path":
        return any(matches(glob, name) for name in names)
    if surely:
        return any(_covers_name(glob, name) for name in names)
    return any(_meets_name(glob, name) for name in names)


def _covers_name(glob: str, name: str) -> bool:
    return covers(glob, name.replace("[", "?")) if "*" in name or "?" in name else matches(glob, name)


def _meets_name(glob: str, name: str) -> bool:
    if matches(glob, name):
        return True
    home = name.partition("/")[0]
    steps = name[:1].replace("*", "\0") + name[1:].replace("**", "\0").replace("*", _STEP).replace("?", _ONE)
    if home.startswith("~"):
        steps = steps[len(home) :]
        return any(meet(glob, place + steps.replace("\0", "*")) for place in _HOMES)
    return steps != name and meet(glob, steps.replace("\0", "*"))


def object_matches(glob: str, thing: Object, schemas: tuple[str, ...], surely: bool) -> bool:
    """Does ``glob`` (over schema.name) match the object?

    A glob without a dot looks at the name alone. ``schemas`` are those in which a name without one may stand; with
    ``surely`` the glob has to match in each of them, else in any. A whole schema (DROP SCHEMA) is matched surely by
    globs that take all its names, and otherwise by every glob that takes one.
    """
    if thing.kind == "schema":
        head, dot, tail = glob.partition(".")
        return matches(head, thing.name) and (not surely or not dot or tail == "*")
    if glob == "*.*" and thing.kind in SCHEMALESS:
        return True
    if thing.kind == "host" and not thing.name.startswith("/"):
        return _named(glob.lower(), thing, surely)  # as hosts are named in operations
    if thing.kind in ("file", "path", "program", "host"):
        return _named(glob, thing, surely)
    if thing.kind in SCHEMALESS:
        return matches(glob, thing.name)
    head, dot, tail = glob.partition(".")
    if not dot:
        return matches(glob, thing.name)
    if not matches(tail, thing.name):
        return False
    places = (thing.schema,) if thing.schema else schemas or ("",)
    found = [matches(head, schema) for schema in places]
    return all(found) if surely else any(found)
