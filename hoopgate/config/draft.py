"""A file as far as it could be read: what the checks between its tables work on.

A table that could not be read is left out, but its name still counts, so that one mistake does not make others
of every reference to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import attrs
from attrs import frozen

from hoopgate.config import scalars
from hoopgate.config.document import Document, Guards, Masking
from hoopgate.config.mistakes import Invalid, Place, meant
from hoopgate.config.model import (
    Admin,
    Api,
    Canary,
    Detector,
    Gateway,
    Issuer,
    Limits,
    Listener,
    Mask,
    Recorder,
    Risk,
    Rule,
    Ssh,
    SshKey,
    Store,
    Target,
)
from hoopgate.config.reading import MOST_ITEMS, Reader

T = TypeVar("T")


@frozen
class Section(Generic[T]):
    """An array of tables: the items that could be read, each with its place, and the names of all."""

    items: tuple[tuple[Place, T], ...] = ()
    names: frozenset[str] = frozenset()
    complete: bool = True  # False: something in it could not be read

    @property
    def values(self) -> tuple[T, ...]:
        return tuple(value for _, value in self.items)


@frozen
class Draft:
    """One field for each of :class:`Document`'s; None where a single table could not be read."""

    top: Place
    gateway: Gateway | None
    issuer: Section[Issuer]
    listener: Section[Listener]
    target: Section[Target]
    ssh: Ssh | None
    ssh_key: Section[SshKey]
    rule: Section[Rule]
    mask: Section[Mask]
    detector: Section[Detector]
    canary: Section[Canary]
    masking: Masking | None
    risk: Risk | None
    limits: Limits | None
    recorder: Recorder | None
    store: Store | None
    api: Api | None
    admin: Admin | None
    guards: Guards | None


def draft(document: Mapping[str, Any], top: Place, reader: Reader) -> Draft:
    """Read every table of ``document``; mistakes go to the report of ``top``."""
    hints = get_type_hints(Document, include_extras=True)
    for key in document:
        if key not in hints:
            top.at(key).complain("unknown table", meant(key, hints))
    parts: dict[str, Any] = {}
    for field in attrs.fields(Document):
        place = top.at(field.name)
        if isinstance(field.default, tuple):
            parts[field.name] = _section(get_args(hints[field.name])[0], document.get(field.name, []), place, reader)
        else:
            parts[field.name] = _single(hints[field.name], document.get(field.name, {}), place, reader)
    return Draft(top=top, **parts)


def _single(cls: type, value: Any, place: Place, reader: Reader) -> Any:
    try:
        return reader.table(cls, value, place)
    except Invalid:
        return None


def _section(cls: Any, value: Any, place: Place, reader: Reader) -> Section[Any]:
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        place.complain(f"expected an array of tables, found {scalars.kind_of(value)}", f"Write [[{place.trail[-1]}]].")
        return Section(complete=False)
    items = []
    for index, raw in enumerate(value):
        try:
            items.append((place.at(index), reader.table(cls, raw, place.at(index))))
        except Invalid:
            continue
    return Section(tuple(items), frozenset(_names(value)), place.sound)


def _names(items: list[Any]) -> list[str]:
    found = [item.get("name") for item in items if isinstance(item, dict)]
    return [name for name in found if isinstance(name, str)]
