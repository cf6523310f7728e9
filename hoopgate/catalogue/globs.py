"""Globs over ``schema.table.column``, compiled once for many columns.

``*`` any run of characters (dots too), ``?`` one, ``[...]`` a class, over the whole dotted name; without regard to
case, so that ``*.*.password`` finds a quoted ``"Password"``. Linear time (re2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import re2
from attrs import frozen

from hoopgate.catalogue.snapshot import Relation
from hoopgate.config.model import Mask

_SYSTEM_SCHEMAS: Final = ("pg_catalog", "information_schema")


def translate(glob: str) -> str:
    """The regular expression of one glob."""
    parts: list[str] = []
    position = 0
    while position < len(glob):
        character = glob[position]
        position += 1
        end = glob.find("]", position + 1) if character == "[" else -1
        if character == "*":
            parts.append(".*")
        elif character == "?":
            parts.append(".")
        elif end > 0:
            inner = glob[position:end]
            negated = inner[:1] == "!"
            parts.append(f"[{'^' if negated else ''}{_class(inner[1:] if negated else inner)}]")
            position = end + 1
        else:
            parts.append(re2.escape(character))
    return "".join(parts)


def _class(inner: str) -> str:
    return "".join("\\" + each if each in "\\[]^&" else each for each in inner)


def matcher(globs: Iterable[str], *, lines: bool = False) -> Any:
    """A compiled expression that matches a name whole if any glob does, or one of many ``lines``; None without
    globs."""
    options = re2.Options()
    options.case_sensitive = False
    options.dot_nl = not lines
    each = [translate(glob) for glob in globs]
    if not each:
        return None
    either = f"(?:{'|'.join(each)})"
    return re2.compile(f"(?m)^{either}$" if lines else either, options)


@frozen
class _Selector:
    mask: Mask
    user: Any
    system: Any


class Selectors:
    """Which mask covers a column: the first in the configuration's order that has a fitting glob."""

    def __init__(self, masks: Sequence[Mask]) -> None:
        self._selectors = [
            _Selector(mask, matcher(mask.columns), matcher(filter(_names_system, mask.columns))) for mask in masks
        ]
        globs = [glob for mask in masks for glob in mask.columns]
        self._any = matcher(globs)
        self._line = matcher(globs, lines=True)

    def masks(self, relation: Relation) -> dict[int, Mask]:
        """The masks of a relation's columns by attribute number. One look tells that there are none, as mostly."""
        prefix = f"{relation.schema}.{relation.name}."
        names = "\n".join([prefix + column.name for column in relation.columns])
        ordinary = names.count("\n") == len(relation.columns) - 1
        if self._line is None or (ordinary and self._line.search(names) is None):
            return {}
        found = (
            (column.attnum, self.mask(relation.schema, relation.name, column.name, system=relation.system))
            for column in relation.columns
        )
        return {attnum: mask for attnum, mask in found if mask is not None}

    def mask(self, schema: str, table: str, column: str, *, system: bool = False) -> Mask | None:
        """The mask of this column. A ``system`` relation is only meant by globs that name its schema."""
        name = f"{schema}.{table}.{column}"
        if self._any is None or self._any.fullmatch(name) is None:
            return None
        for selector in self._selectors:
            expression = selector.system if system else selector.user
            if expression is not None and expression.fullmatch(name) is not None:
                return selector.mask
        return None


def _names_system(glob: str) -> bool:
    return glob.split(".")[0] in _SYSTEM_SCHEMAS


def names_table(glob: str, schema: str, table: str) -> bool:
    """Does the glob name this very table, without a wildcard in the table's part?"""
    parts = glob.lower().split(".")
    if len(parts) != 3 or parts[1] != table.lower():
        return False
    return matcher([parts[0]]).fullmatch(schema) is not None
