"""A statement together with the values that its parameters have, or may have.

What a statement does can depend on a parameter as on a literal: ``LIKE $1``, ``... OR $2``, ``LIMIT $3``,
``set_config($1, $2, true)``. The values take the parameters' places in a copy of the tree, which is then judged as if
they had been written there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from attrs import evolve

from hoopgate.policy.sql.constants import HOPE
from hoopgate.policy.sql.tree import Node, Parsed, replaced


class Value(Protocol):
    """One bound value (:class:`hoopgate.frames.Parameter`): ``format`` 0 is text, 1 binary; ``type_oid`` 0: unsaid."""

    value: bytes | None
    format: int
    type_oid: int


_INTEGERS: Final = frozenset({20, 21, 23, 26})  # int8, int2, int4, oid
_TEXTS: Final = frozenset({18, 19, 25, 114, 705, 1042, 1043})  # char, name, text, json, unknown, bpchar, varchar
_BOOL: Final = 16


def with_values(parsed: Parsed, values: Sequence[Value]) -> Parsed:
    """The statements with these values in their parameters' places."""
    known = {number: _constant(number, value) for number, value in enumerate(values, 1)}
    return evolve(parsed, statements=tuple(_with(statement, known, None) for statement in parsed.statements))


def hoped(parsed: Parsed) -> Parsed:
    """The statements with values that do the least, for when the real ones are still to come."""
    hope = {"A_Const": {"sval": {"sval": HOPE}, "bound": True}}
    return evolve(parsed, statements=tuple(_with(statement, {}, hope) for statement in parsed.statements))


def _constant(number: int, value: Value) -> Node:
    if value.value is None:
        return {"A_Const": {"isnull": True, "bound": True}}
    text = _text(value.value, value.format, value.type_oid)
    if text is None:
        return {"ParamRef": {"number": number, "raw": value.value}}
    return {"A_Const": {"sval": {"sval": text}, "bound": True}}


def _text(value: bytes, form: int, oid: int) -> str | None:
    """The value as text; None for a binary one of a type that is not known here.

    Only ASCII counts in what is read of it, and that is the same bytes in every client_encoding that is judged.
    """
    if form == 0 or oid in _TEXTS:
        return value.decode(errors="replace")
    if oid in _INTEGERS:
        return str(int.from_bytes(value, "big", signed=oid != 26))
    if oid == _BOOL:
        return "true" if value != b"\0" else "false"
    if oid == 0 and all(byte >= 0x20 for byte in value):
        return value.decode(errors="replace")  # where text is asked for, its binary form is the text
    return None


def _with(statement: Node, known: dict[int, Node], otherwise: Node | None) -> Node:
    def value_of(node: Node) -> Node | None:
        if "ParamRef" not in node:
            return None
        return known.get(node["ParamRef"].get("number", 0), otherwise) or node

    found: Node = replaced(statement, value_of)
    return found
