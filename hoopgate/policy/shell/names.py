"""What a tree assigns, defines and enters, wherever in it that stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import attrs

from hoopgate.policy.shell.syntax import (
    Arithmetic,
    Assignment,
    Function,
    Literal,
    Loop,
    Parameter,
    Sequence,
    Simple,
    Substitution,
    Word,
)

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_SETTERS: Final = frozenset({
    "read", "printf", "mapfile", "readarray", "getopts", "unset", "export", "readonly", "local", "declare", "typeset",
    "let", "eval", ".", "source", "wait", "set",
})  # fmt: skip
_COUNTERS: Final = frozenset({"wc", "nproc", "seq"})


def nodes(tree: Any) -> Iterator[Any]:
    """Every node of a tree, without recursion."""
    pending = [tree]
    while pending:
        node = pending.pop()
        kind: Any = type(node)
        if kind is tuple or kind is list:
            pending.extend(node)
        elif kind is Literal:
            yield node
        elif kind is not str and kind is not bool and node is not None:
            yield node
            pending.extend([getattr(node, name) for name in _fields(kind)])


@lru_cache(maxsize=64)
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind))


def first_word(command: Simple) -> str:
    """The name of what a simple command runs, as far as quotes alone hide it."""
    word = command.words[0] if command.words else None
    if not isinstance(word, Word) or not all(isinstance(part, Literal) for part in word.parts):
        return ""
    return "".join(part.text for part in word.parts if isinstance(part, Literal))


def assigned_names(trees: Iterable[Any]) -> set[str]:
    """Names whose values the trees may change."""
    found: set[str] = set()
    for node in nodes(tuple(trees)):
        if (
            isinstance(node, Assignment)
            or (isinstance(node, Loop) and node.name)
            or (isinstance(node, Parameter) and node.assigns)
        ):
            found.add(node.name)
        elif isinstance(node, Arithmetic):
            found.update(node.assigned)
        elif isinstance(node, Simple) and first_word(node) in _SETTERS | {"command", "builtin"}:
            found.update(_mentioned(node))
    return found


def _mentioned(command: Simple) -> Iterator[str]:
    for word in command.words:
        if isinstance(word, Word):
            for part in word.parts:
                if isinstance(part, Literal):
                    yield from re.findall(r"[A-Za-z_]\w*", part.text)


def numeric_names(tree: Sequence) -> frozenset[str]:
    """Names that hold nothing but numbers, whenever they hold anything that this text gave them."""
    numeric: set[str] = set()
    other: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, Assignment):
            fine = node.elements is None and not node.append and _counted(node.value)
            (numeric if fine else other).add(node.name)
        elif isinstance(node, Loop) and node.name:
            fine = bool(node.words) and all(_counted(word) for word in node.words)
            (numeric if fine else other).add(node.name)
        elif isinstance(node, Parameter) and node.assigns:
            other.add(node.name)
        elif isinstance(node, Arithmetic):
            numeric.update(node.assigned)
        elif isinstance(node, Simple) and first_word(node) in _SETTERS | {"command", "builtin"}:
            other.update(_mentioned(node))
    return frozenset(numeric - other)


def _counted(word: Word) -> bool:
    parts = [part for part in word.parts if not (isinstance(part, Literal) and not part.text)]
    if len(parts) != 1:
        return False
    part = parts[0]
    if isinstance(part, Literal):
        return _INTEGER.fullmatch(part.text) is not None
    if isinstance(part, Substitution):
        return _counter(part.body)
    return isinstance(part, Arithmetic) or (isinstance(part, Parameter) and part.number)


def _counter(body: Sequence) -> bool:
    """``$(wc -l < file)``, ``$(nproc)``, ``$(... | wc -l)``: a program that writes numbers."""
    if len(body.items) != 1 or body.items[0].rest:
        return False
    last = body.items[0].first.commands[-1]
    if not isinstance(last, Simple) or first_word(last) not in _COUNTERS:
        return False
    words = [word.plain for word in last.words[1:] if isinstance(word, Word)]
    return all(re.fullmatch(r"-[a-z]|[0-9]+", word) for word in words) and len(words) == len(last.words) - 1


def defined_functions(tree: Any) -> dict[str, Function]:
    return {node.name: node for node in nodes(tree) if isinstance(node, Function)}


def enters(tree: Any) -> bool:
    """Does anything in the tree change the directory?"""
    movers = ("cd", "chdir", "pushd", "popd", "eval", ".", "source", "command", "builtin")
    return any(isinstance(node, Simple) and first_word(node) in movers for node in nodes(tree))
