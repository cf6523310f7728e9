"""The SQL text of a relation as its masks with ``reading = "source"`` let it be read.

Whatever the session's settings and ``search_path`` are, the text means the same: it is ASCII, every name is quoted and
qualified, strings with a backslash are ``E''`` (manual, 4.1.2), operators and functions are those of pg_catalog.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import FIRST_USER_OID, ColumnInfo, Relation, UserType
from hoopgate.config.model import Mask
from hoopgate.errors import HoopgateError
from hoopgate.fixed_values import ARRAYS, FIXED
from hoopgate.masks import TEXT_TYPES

SYSTEM_COLUMNS: Final = frozenset({"tableoid", "ctid", "xmin", "cmin", "xmax", "cmax"})
"""Columns that tables have beside their own (manual, 5.6)."""

_GRAMMATICAL: Final = re.compile(
    r"(bit|boolean|character|real|double precision|smallint|integer|bigint|numeric|interval|time|timestamp)\b"
)
"""Names that are the grammar's own, and mean PostgreSQL's types under any search_path (gram.y, SimpleTypename)."""

_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_JSON: Final = frozenset({114, 3802})
_MONEY, _XML = 790, 142
_SHOWN: Final = "****"


class Unspellable(HoopgateError):  # noqa: N818 - says what the statement is
    """The statement cannot be made to read masks where it stands. ``reason``, a sentence, and ``hint`` are for the
    client."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def quoted(name: str) -> str:
    """An identifier that means just this name, in ASCII."""
    doubled = name.replace('"', '""')
    if doubled.isascii():
        return f'"{doubled}"'
    return 'U&"' + "".join(_escaped_in_name(character) for character in doubled) + '"'


def _escaped_in_name(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return character if character.isascii() else f"\\+{ord(character):06X}"


def literal(text: str) -> str:
    """A string constant, the same under any ``standard_conforming_strings``, in ASCII."""
    doubled = text.replace("'", "''")
    if doubled.isascii() and "\\" not in doubled:
        return f"'{doubled}'"
    escaped = doubled.replace("\\", "\\\\")
    return "E'" + "".join(each if each.isascii() else f"\\U{ord(each):08X}" for each in escaped) + "'"


def source_masks(index: MaskIndex, relation: int) -> dict[int, Mask]:
    """The masks of this relation's columns, by attribute number, that hold where it is read."""
    return {at: mask for at, mask in index.masked.get(relation, {}).items() if mask.reading == "source"}


def sub_select(
    index: MaskIndex, relation: Relation, alias: str, names: Collection[str] | None, *, only: bool, sample: str
) -> str:
    """``(SELECT ... FROM [ONLY] relation [AS alias] [sample])``; plans name the relation by its alias.

    ``names``: the columns that are wanted, the system's included; None for all of the relation's own, in their order.
    Raises Unspellable where the type of a masked one is not known.
    """
    masks = source_masks(index, relation.oid)
    columns = [
        _column(column, masks.get(column.attnum), index, derived=(relation.oid, column.attnum) in index.derived)
        for column in relation.columns
        if names is None or column.name in names
    ]
    if names is not None and relation.kind in "rpmft":
        own = {column.name for column in relation.columns}
        columns += [quoted(name) for name in sorted(SYSTEM_COLUMNS.intersection(names) - own)]
    source = f"{quoted(relation.schema)}.{quoted(relation.name)}"
    if alias != relation.name:
        source += f" AS {quoted(alias)}"
    if sample:
        source += f" {sample}"
    return f"(SELECT {', '.join(columns)} FROM {'ONLY ' if only else ''}{source})"  # noqa: S608 - quoted names only


def _column(column: ColumnInfo, mask: Mask | None, index: MaskIndex, *, derived: bool) -> str:
    name = quoted(column.name)
    return name if mask is None else f"{expression(mask, column, index, derived=derived)} AS {name}"


def expression(mask: Mask, column: ColumnInfo, index: MaskIndex, *, derived: bool) -> str:
    """What stands for the column: of its very type (a domain's base type, since a mask need not pass its checks), its
    modifier and collation; NULL where the column is. ``derived``: a view computes it, so it is hidden whole.

    Raises Unspellable.
    """
    types = index.snapshot.types
    base, type_name = _base_type(column, types)
    if not type_name:
        raise Unspellable(
            f"the type of the masked column {column.name} is not known",
            "If the session made or changed the table in its open transaction, commit it first.",
        )
    collation = f" COLLATE {_ascii(column.collation)}" if column.collation else ""
    name, nothing = quoted(column.name), f"NULL::{type_name}"
    if mask.kind == "keep-last" and mask.keep > 0 and not derived and _is_text(base, types):
        return f"({_kept(name, nothing, mask.keep, type_name)}){collation}"
    constant = _constant(mask, base, types)
    if constant is None:
        return nothing + collation
    if base == _XML:  # a cast would follow the session's XMLOPTION
        constant = f"XMLPARSE(CONTENT {constant})"
    return f"(CASE WHEN {name} IS NULL THEN {nothing} ELSE {constant}::{type_name} END){collation}"


def _kept(name: str, nothing: str, keep: int, type_name: str) -> str:
    """The mask and the last characters behind it; of a value that is not longer than that, none (as the codec's)."""
    text = f"pg_catalog.rtrim({name}::pg_catalog.text)"
    shown = literal(_SHOWN)
    joined = f"({shown}::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog.right({text}, {keep}))"
    return (
        f"CASE WHEN {name} IS NULL THEN {nothing} WHEN pg_catalog.length({text}) OPERATOR(pg_catalog.>) {keep} "
        f"THEN {joined}::{type_name} ELSE {shown}::{type_name} END"
    )


def _constant(mask: Mask, base: int, types: Mapping[int, UserType]) -> str | None:
    """What stands for every value that is not NULL; None: nothing can."""
    if mask.kind == "null":
        return None
    if _is_text(base, types):
        return literal(mask.value if mask.kind == "replace" else _SHOWN)
    if mask.kind != "fixed" and base in _JSON:
        return literal(f'"{_SHOWN}"')
    if base == _MONEY:
        return literal("0")  # read under any lc_monetary
    fixed = FIXED.get(base)
    if fixed is not None:
        return literal(fixed.text.decode("ascii"))
    found = types.get(base)
    if found is not None and found.kind == "enum":
        return literal(found.label) if found.label else None
    if base in ARRAYS or (found is not None and found.kind == "array"):
        return literal("{}")
    return None


def _is_text(oid: int, types: Mapping[int, UserType]) -> bool:
    found = types.get(oid)
    return oid in TEXT_TYPES or (found is not None and found.kind == "text")


def _base_type(column: ColumnInfo, types: Mapping[int, UserType]) -> tuple[int, str]:
    """The oid of the column's type, or of what its domain is made of, and the SQL text that means it anywhere."""
    oid, name = column.type_oid, column.type_name
    found = types.get(oid)
    while found is not None and found.kind == "domain":
        oid, name = found.element, found.base_name
        found = types.get(oid)
    if name and oid < FIRST_USER_OID and "." not in name and _GRAMMATICAL.match(name) is None:
        name = f"pg_catalog.{name}"  # format_type() leaves the schema out, and others may come before it
    return oid, _ascii(name)


def _ascii(name: str) -> str:
    """A text with quoted names, in ASCII."""
    if name.isascii():
        return name
    return _QUOTED.sub(lambda found: quoted(found[0][1:-1].replace('""', '"')), name)
