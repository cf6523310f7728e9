"""The rows of a target's catalogue, sorted out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from hoopgate.catalogue.queries import Row
from hoopgate.catalogue.snapshot import (
    ColumnInfo,
    Flow,
    Function,
    Reads,
    Relation,
    UserType,
)

_LEXICAL: Final = ("standard_conforming_strings=", "backslash_quote=")


class Others:
    """The rows of :data:`hoopgate.catalogue.queries.OTHERS`."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.names: dict[tuple[int, int], str] = {}  # of types, by oid and modifier
        self.collations: dict[tuple[int, int], str] = {}  # by column, where it is not the type's
        self.inherits: list[tuple[int, int]] = []
        self.generated: list[tuple[int, int, int]] = []
        self.calls: dict[int, set[int]] = {}
        self.aggregates: dict[int, Reads] = {}
        self.operators: dict[str, tuple[int, ...]] = {}
        self.casts: dict[str, tuple[int, ...]] = {}
        for what, values in rows:
            getattr(self, f"_{what}")(json.loads(values or "null"))

    def renames(self, before: Others) -> bool:
        """Something that ``before`` knew by one name has another."""
        pairs = ((before.names, self.names), (before.collations, self.collations))
        return any(new.get(key, name) != name for old, new in pairs for key, name in old.items())

    def _typename(self, values: list[Any]) -> None:
        self.names[values[0], values[1]] = values[2]

    def _collation(self, values: list[Any]) -> None:
        self.collations[values[0], values[1]] = values[2]

    def _inherits(self, values: list[Any]) -> None:
        self.inherits.append((values[0], values[1]))

    def _generated(self, values: list[Any]) -> None:
        relation, column, base = values
        self.generated.append((relation, column, base))

    def _calls(self, values: list[Any]) -> None:
        self.calls.setdefault(values[0], set()).add(values[1])

    def _aggregate(self, values: list[Any]) -> None:
        self.aggregates[values[0]] = Reads(narrow=Flow(functions=frozenset(values[1]) - {0}))

    def _operator(self, values: list[Any]) -> None:
        self.operators[values[0]] = (*self.operators.get(values[0], ()), values[1])

    def _cast(self, values: list[Any]) -> None:
        self.casts[values[0]] = (*self.casts.get(values[0], ()), values[1])


def relation_of(values: list[Any], others: Others) -> Relation:
    """A relation of one row's values."""
    oid, schema, name, kind, persistence, columns, key, secured = values
    names, collations = others.names, others.collations
    made = tuple(
        ColumnInfo(attnum, column, of, generated, names.get((of, modifier), ""), collations.get((oid, attnum), ""))
        for attnum, column, of, generated, modifier in columns or ()
    )
    keys = tuple(int(number) for number in (key or "").split())
    return Relation(oid, schema, name, kind, persistence, made, keys, secured)


def type_of(values: list[Any]) -> UserType:
    """A type of one row's values."""
    kind, category, element, relation, label = values
    if kind == "e":
        return UserType("enum", label=label or "")
    if kind == "c":
        return UserType("row", relation=relation)
    if kind == "d":
        return UserType("domain", element=element, base_name=label or "")
    return UserType("array", element=element) if category == "A" else UserType("text")


def builtins_of(rows: Iterable[Row]) -> dict[str, tuple[Function, ...]]:
    """The server's functions by name, from the rows of :data:`hoopgate.catalogue.queries.BUILTINS`."""
    found: dict[str, list[Function]] = {}
    for _, values in rows:
        function = function_of(json.loads(values or "null"))
        found.setdefault(function.name, []).append(function)
    return {name: tuple(functions) for name, functions in found.items()}


def function_of(values: list[Any]) -> Function:
    """A function of one row's values."""
    (oid, schema, name, language, extension, kind, volatility, returns_set, returns) = values[:9]
    definer, names, modes, types, settings = values[9:14]
    given = names or [""] * len(types)
    marks = modes or ["i"] * len(types)
    columns = [(each, type_oid) for each, mark, type_oid in zip(given, marks, types, strict=True) if mark in "obt"]
    return Function(
        oid=oid,
        schema=schema,
        name=name,
        language=language,
        extension=extension or "",
        kind=kind,
        volatility=volatility,
        returns_set=returns_set,
        returns=returns,
        definer=definer,
        parameters=tuple(each for each, mark in zip(given, marks, strict=True) if mark in "ibv"),
        columns=tuple(ColumnInfo(number, *column) for number, column in enumerate(columns, 1)),
        path=_path(settings or ()),
        lexical=any(setting.startswith(_LEXICAL) for setting in settings or ()),
    )


def _path(settings: Iterable[str]) -> tuple[str, ...] | None:
    """The schemas of a ``search_path`` among a function's settings (source, ``varlena.c``: SplitIdentifierString)."""
    for setting in settings:
        name, _, value = setting.partition("=")
        if name == "search_path":
            schemas = split_identifiers(value)
            return None if "$user" in schemas else schemas
    return None


def split_identifiers(value: str) -> tuple[str, ...]:
    """A list of identifiers, as settings hold them: ``a, "B c"``. Unquoted ones are folded."""
    found: list[str] = []
    rest = value.strip()
    while rest:
        if rest[0] == '"':
            end = 1
            while (end := rest.find('"', end)) > 0 and rest[end : end + 2] == '""':
                end += 2
            end = len(rest) if end < 0 else end
            found.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :].lstrip()
        else:
            word = rest.partition(",")[0]
            found.append(word.strip().lower())
            rest = rest[len(word) :]
        rest = rest.removeprefix(",").lstrip()
    return tuple(found)
