"""Values: what the result of an expression is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from attrs import evolve, field, frozen

from hoopgate.catalogue.snapshot import ColumnKey
from hoopgate.config.model import Mask
from hoopgate.policy.lineage.results import Output

Node = dict[str, Any]
Constant = str | int  # a literal's text, or a parameter's number

CONSTANTS: Final = 1000
"""Constants of one value (a VALUES list has one for each row) that are kept; with more it counts as computed."""


@frozen
class Taint:
    """A masked column that has a part in a value. ``label`` is it in words: ``"email" of public.customers``."""

    mask: Mask
    label: str


@frozen(eq=False)
class Value:
    """What an expression gives.

    ``plain``: it is a column's own value. ``origin`` and ``others``: see :class:`Output`. ``constants``: the literals
    and parameters of which it is one, None where it is anything else. ``fields``: the columns of a whole row.
    ``shown``: it is what this mask shows, read in place of a column's own value.
    """

    taints: tuple[Taint, ...] = ()
    plain: bool = False
    origin: ColumnKey | None = None
    others: tuple[ColumnKey, ...] = ()
    type_oid: int = 0
    constants: tuple[Constant, ...] | None = None
    fields: tuple[Column, ...] | None = field(default=None, repr=False)
    shown: Mask | None = None

    def output(self) -> Output:
        mask = self.taints[0].mask if self.taints else None
        derived = mask is not None and not self.plain
        return Output(self.origin, others=self.others, mask=mask, derived=derived, type_oid=self.type_oid)

    def perhaps(self) -> Value:
        """The same where PostgreSQL may name the origin or not."""
        known = (*self.others, self.origin) if self.origin is not None else self.others
        return evolve(self, origin=None, others=known)


@frozen(eq=False)
class Column:
    """A column that a query, or an entry of its FROM list, has."""

    name: str
    value: Value


CLEAR: Final = Value()


def taints_of(values: Iterable[Value]) -> tuple[Taint, ...]:
    """The masked columns that have a part in any of them, each once."""
    return tuple(dict.fromkeys(taint for value in values for taint in value.taints))


def computed(values: Iterable[Value]) -> Value:
    """What is made of all of these."""
    taints = taints_of(values)
    return Value(taints) if taints else CLEAR


def either(values: Iterable[Value]) -> Value:
    """What is one or another of these: a column of a UNION, of VALUES, or under a name that may mean several."""
    every = tuple(values)
    if len(every) == 1:
        return every[0]
    constants: tuple[Constant, ...] | None = ()
    for value in every:
        known = constants is not None and value.constants is not None and len(constants) < CONSTANTS
        constants = (*constants, *value.constants) if known else None  # type: ignore[misc]
    shown = next((value.shown for value in every if value.shown is not None), None)
    return Value(taints_of(every), constants=constants, shown=shown)


def row_of(columns: tuple[Column, ...], origin: ColumnKey | None = None) -> Value:
    """A whole row."""
    return Value(taints_of(column.value for column in columns), origin=origin, fields=columns)


def output_columns(outputs: Iterable[Column]) -> tuple[Output, ...]:
    return tuple(column.value.output() for column in outputs)
