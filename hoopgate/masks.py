"""Kinds of masks by the type of a column: what becomes of each value, valid for the client in its own format.

Formats are PostgreSQL's: 0 text (``typoutput``), 1 binary (``typsend``; manual, "Formats and Format Codes"). A value
of a type that cannot hold a mask's text gets a fixed value of its type; of an unknown type, NULL.
"""

from __future__ import annotations

from codecs import lookup
from collections.abc import Mapping
from typing import Final

from hoopgate.catalogue.snapshot import UserType
from hoopgate.config.model import Mask
from hoopgate.fixed_values import ARRAYS, FIXED, Fixed
from hoopgate.transforms import Constant, Hashed, HashedBytes, HashedUuid, KeepLast, Transform

TEXT_TYPES: Final = frozenset({25, 1042, 1043, 705, 19})
"""text, bpchar, varchar, unknown, name: in both formats the characters themselves."""

_UUID, _BYTEA, _JSON, _JSONB, _XML = 2950, 17, 114, 3802, 142
_NONE: Final[Mapping[int, UserType]] = {}


nothing: Final = Constant(None)
"""The mask ``null``, and whatever has no better one."""


def transform(
    mask: Mask,
    type_oid: int,
    format: int,  # noqa: A002 - the protocol's own word
    *,
    key: bytes | None = None,
    types: Mapping[int, UserType] = _NONE,
    encoding: str = "utf-8",
    derived: bool = False,
) -> Transform:
    """What becomes of the values of one column.

    ``key`` is the secret of ``hash``; without one the mask falls back to ``replace``, never to a hash that anybody
    could compute. ``types`` are the target's own types, ``encoding`` the client's, as a Python codec. ``derived``: the
    values were computed with masked ones, so each is hidden whole: the end of ``reverse(card)`` is its beginning, and
    the hash of one digit tells the digit.
    """
    if mask.kind == "null":
        return nothing
    if _is_text(type_oid, types):
        return Constant(_shown(mask, encoding)) if derived else _text(mask, key, encoding)
    if mask.kind == "hash" and key is not None and not derived:
        if type_oid == _UUID:
            return HashedUuid(key, format == 1)
        if type_oid == _BYTEA:
            return HashedBytes(key, format == 1)
    return Constant(_fixed(mask, type_oid, format, types, encoding))


def _is_text(type_oid: int, types: Mapping[int, UserType]) -> bool:
    found = types.get(type_oid)
    return type_oid in TEXT_TYPES or (found is not None and found.kind == "text")


def _text(mask: Mask, key: bytes | None, encoding: str) -> Transform:
    shown = _shown(mask, encoding)
    try:
        codec = lookup(encoding).name
    except LookupError:
        codec = ""
    if mask.kind == "keep-last" and mask.keep > 0 and codec:
        return KeepLast(shown, mask.keep, codec)
    if mask.kind == "hash" and key is not None:
        return Hashed(key, codec or "ascii")
    return Constant(shown)


def _shown(mask: Mask, encoding: str) -> bytes:
    return _encode(mask.value if mask.kind == "replace" else "****", encoding)


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return b"****"


def _fixed(mask: Mask, type_oid: int, format: int, types: Mapping[int, UserType], encoding: str) -> bytes | None:  # noqa: A002
    if mask.kind != "fixed" and type_oid in (_JSON, _JSONB):
        # Recognisable, and still JSON.
        shown = b'"****"'
        return b"\x01" + shown if type_oid == _JSONB and format else shown
    value: Fixed | None = FIXED.get(type_oid)
    if value is not None:
        return value.binary if format else value.text
    found = types.get(type_oid)
    if found is not None and found.kind == "enum":
        return _encode(found.label, encoding) if found.label else None
    element = ARRAYS.get(type_oid) or (found.element if found is not None and found.kind == "array" else 0)
    if element:
        return b"\0" * 8 + element.to_bytes(4, "big") if format else b"{}"
    return None
