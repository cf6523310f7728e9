"""From TOML's values to the model's, driven by the model's own types; complains of everything before it gives up."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from hoopgate.config import scalars
from hoopgate.config.kinds import Kind
from hoopgate.config.mistakes import Invalid, Place, meant
from hoopgate.config.model import Host, SecretRef

PLAIN: dict[object, scalars.Read] = {
    str: scalars.text,
    bool: scalars.boolean,
    int: scalars.whole,
    Path: scalars.path,
    Host: scalars.host,
}

MOST_ITEMS = 10_000  # of one array or table
DEEPEST = 8  # of free-form options


@attrs.frozen
class Reader:
    """Reads values of any type that the model uses. ``schemes`` are those of the secret sources at hand."""

    schemes: tuple[str, ...]

    def read(self, hint: Any, value: Any, place: Place, field: Mapping[str, Any]) -> Any:
        """``value`` as ``hint`` wants it; raises :class:`Invalid` after complaining."""
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            kind = next(item for item in arguments[1:] if isinstance(item, Kind))
            return scalars.READERS[kind.name](value, place, field)
        if origin in (Union, types.UnionType):  # only ever `X | None`; TOML has no null
            return self.read(next(item for item in arguments if item is not type(None)), value, place, field)
        if origin is Literal:
            return scalars.one_of(value, place, arguments)
        if origin is tuple:
            return self.array(arguments, value, place, field)
        if origin is dict:
            if arguments[1] is Any:
                return self.options(value, place, field)
            return self.mapping(arguments, value, place, field)
        if hint is SecretRef:
            return scalars.secret(value, place, field, self.schemes)
        if hint in PLAIN:
            return PLAIN[hint](value, place, field)
        if attrs.has(hint):
            return self.table(hint, value, place)
        raise TypeError(f"the model has a type that the reader does not know: {hint!r}")

    def array(self, arguments: tuple[Any, ...], value: Any, place: Place, field: Mapping[str, Any]) -> tuple[Any, ...]:
        item = arguments[0]
        if field.get("keyed"):
            return self.keyed(item, value, place)
        if not isinstance(value, list):
            shape = "tables: write [[...]] or [{...}]" if attrs.has(item) and item is not Host else 'values: ["..."]'
            raise place.refuse(f"expected an array, found {scalars.kind_of(value)}", f"Write an array of {shape}.")
        if len(value) > MOST_ITEMS or (arguments[-1] is not Ellipsis and len(value) != len(arguments)):
            wanted = f"exactly {len(arguments)}" if arguments[-1] is not Ellipsis else f"at most {MOST_ITEMS}"
            raise place.refuse(f"has {len(value)} items", f"Write {wanted}.")
        inner = {**field, "least": 0} if arguments[-1] is not Ellipsis else field
        return tuple(_all(lambda index: self.read(item, value[index], place.at(index), inner), range(len(value))))

    def keyed(self, item: Any, value: Any, place: Place) -> tuple[Any, ...]:
        """A table of tables whose keys are names: ``[target.role.NAME]``."""
        if not isinstance(value, dict):
            raise scalars.wrong_type(value, place, f"a table for each: [{place.trail[-1]}.NAME]")

        def one(key: str) -> Any:
            at = place.at(key)
            if not isinstance(value[key], dict):
                raise scalars.wrong_type(value[key], at, "a table")
            return self.table(item, value[key], at, {"name": scalars.name(key, at, {}), "user": key})

        return tuple(_all(one, list(value)))

    def mapping(self, arguments: tuple[Any, ...], value: Any, place: Place, field: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise scalars.wrong_type(value, place, "a table")
        if len(value) > MOST_ITEMS:
            raise place.refuse(f"has {len(value)} keys", f"Write at most {MOST_ITEMS}.")

        def one(key: str) -> tuple[str, Any]:
            at = place.at(key)
            return self.read(arguments[0], key, at, {}), self.read(arguments[1], value[key], at, {})

        read = dict(_all(one, list(value)))
        return {**field["default"], **read} if field.get("merged") else read

    def table(self, cls: Any, value: Any, place: Place, given: Mapping[str, Any] | None = None) -> Any:
        """An instance of the attrs class ``cls``; ``given`` are defaults that the place of the table implies.

        Where a value cannot be read its default stands in, so that the checks between tables still see the rest;
        the report keeps the file from being accepted. A value without default makes the whole table invalid.
        """
        if not isinstance(value, dict):
            raise scalars.wrong_type(value, place, "a table")
        known = _keys(cls)
        for key in value:
            if key not in known:
                place.at(key).complain("unknown key", meant(key, known))
        given = given or {}

        def one(key: str) -> tuple[str, Any]:
            field, hint = known[key]
            required = field.name not in given and field.default is attrs.NOTHING
            if key in value:
                try:
                    return field.name, self.read(hint, value[key], place.at(key), _metadata(field))
                except Invalid:
                    if required:
                        raise
            elif required:
                raise place.at(key).refuse("is missing", f"Add {key} = ... .")
            return field.name, given.get(field.name, _default(field))

        values = dict(_all(one, list(known)))
        hidden = {field.name for field in attrs.fields(cls) if field.metadata.get("hidden")}
        extra = {"line": place.line} if "line" in hidden else {}
        return cls(**values, **{key: given[key] for key in hidden & given.keys()}, **extra)

    def options(self, value: Any, place: Place, field: Mapping[str, Any]) -> dict[str, Any]:
        """A free-form table, as a plugin wants it; ``claims`` in the metadata: of an identity, so without secrets."""
        if not isinstance(value, dict):
            raise scalars.wrong_type(value, place, "a table")
        self.free(value, place, guarded=not field.get("claims"))
        return value

    def free(self, value: Any, place: Place, *, guarded: bool, depth: int = 0) -> None:
        """Anything but deep nesting, and what looks like a secret that is not a reference."""
        if depth > DEEPEST:
            raise place.refuse("is nested too deeply", f"Nest at most {DEEPEST} deep.")
        if isinstance(value, dict):
            for key, inner in value.items():
                at = place.at(key)
                if guarded and isinstance(inner, str) and _looks_secret(key):
                    scalars.secret(inner, at, {}, self.schemes)
                self.free(inner, at, guarded=guarded, depth=depth + 1)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self.free(inner, place.at(index), guarded=guarded, depth=depth + 1)


_SECRET_WORDS = ("password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "credential")


def _looks_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS)


@lru_cache(maxsize=64)
def _keys(cls: type) -> dict[str, tuple[Any, Any]]:
    """The keys of a table, in order: attrs field and type hint."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        field.metadata.get("toml", field.name): (field, hints[field.name])
        for field in attrs.fields(cls)
        if not field.metadata.get("hidden")
    }


def _default(field: Any) -> Any:
    return field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]


def _metadata(field: Any) -> Mapping[str, Any]:
    return {**field.metadata, "default": _default(field)} if field.metadata.get("merged") else field.metadata


def _all(read: Callable[[Any], Any], keys: Iterator[Any] | range | list[Any]) -> list[Any]:
    """Read every item even when some are wrong, so that all mistakes show; then fail if any was."""
    done, failed = [], False
    for key in keys:
        try:
            done.append(read(key))
        except Invalid:
            failed = True
    if failed:
        raise Invalid
    return done
