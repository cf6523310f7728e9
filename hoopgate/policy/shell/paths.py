"""Files, as rules may name them: absolute, below somebody's home (``~/x``), or a pattern where more is not known."""

from __future__ import annotations

import re
from typing import Final

from hoopgate.policy.operations import Object
from hoopgate.policy.shell.values import ANY, Value

HOME: Final = ("~",)
"""The directory in which an SSH server starts commands."""

ANYWHERE: Final = ("*",)
_LEAST: Final = 4  # directories that are told apart
_DOTS: Final = re.compile(r"\.\.|\.[*?].*")


def located(value: Value, directories: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the file in each of the ``directories`` where the command may run."""
    text = value.text
    if not value.home and text.startswith("~"):
        text = "./" + text
    if ANY in text:
        return (_joined("*" + text.rpartition(ANY)[2]),)
    if text.startswith("/") or value.home:
        return (_joined(text),)
    return tuple(dict.fromkeys(_joined(f"{directory}/{text}" if text else directory) for directory in directories))


def entered(value: Value | None, directories: tuple[str, ...]) -> tuple[str, ...]:
    """Where a ``cd`` leads."""
    if value is None:
        return HOME
    if value.text == "-" or (value.many and not value.exact):
        return ANYWHERE
    found = located(value, directories)
    return found if len(found) <= _LEAST else ANYWHERE


def either(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    both = tuple(dict.fromkeys((*one, *other)))
    return both if len(both) <= _LEAST and "*" not in both else ANYWHERE


def _joined(text: str) -> str:
    """Without ``.``, ``//`` and ``..``; what stands before a ``..`` may be a link: nobody knows where that leads."""
    start = "/" if text.startswith("/") else ""
    names: list[str] = []
    for name in text.split("/"):
        if name in ("", "."):
            continue
        if _DOTS.fullmatch(name):
            if start and not names:
                continue
            start, names = "", ["*"]
        elif not (name == "*" and names == ["*"]):
            names.append(name)
    return start + "/".join(names) or "."


def file(name: str) -> Object:
    return Object("", name, "file")


def files(values: list[Value] | tuple[Value, ...], directories: tuple[str, ...]) -> tuple[Object, ...]:
    return tuple(dict.fromkeys(file(name) for value in values for name in located(value, directories)))
