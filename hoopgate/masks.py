"""Kinds of masks by the type of a column: what becomes of each value, valid for the client in its own format.

Formats are PostgreSQL's: 0 text (``typoutput``), 1 binary (``typsend``; manual, "Formats and Format Codes"). A value
of a type that cannot hold a mask's text gets a fixed value of its type; of an unknown type, NULL.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from hoopgate.catalogue.snapshot import UserType
from hoopgate.config.model import Mask
from hoopgate.fixed_values import ARRAYS, FIXED, Fixed
from hoopgate.transforms import Constant, Transform

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
) -> Transform:
    """What becomes of the values of one column.

    ``key`` is the secret of ``hash``; without one the mask falls back to ``replace``, never to a hash that anybody
    could compute. ``types`` are the target's own types, ``encoding`` the client's, as a Python codec.
    """
    if mask.kind == "null":
        return nothing
    if _is_text(type_oid, types):
        return _text(mask, key, encoding)
    if mask.kind == "hash" and key is not None:
        if type_oid == _UUID:
            return lambda value: _digest_uuid(key, value, format)
        if type_oid == _BYTEA:
            return lambda value: _digest_bytea(key, value, format)
    return Constant(_fixed(mask, type_oid, format, types, encoding))


def _is_text(type_oid: int, types: Mapping[int, UserType]) -> bool:
    found = types.get(type_oid)
    return type_oid in TEXT_TYPES or (found is not None and found.kind == "text")


def _text(mask: Mask, key: bytes | None, encoding: str) -> Transform:
    shown = _encode(mask.value if mask.kind == "replace" else "****", encoding)
    if mask.kind == "keep-last" and mask.keep > 0:
        return lambda value: shown + _tail(value, mask.keep, encoding)
    if mask.kind == "hash" and key is not None:
        return lambda value: _digest(key, _canonical(value, encoding)).hex().encode("ascii")
    return Constant(shown)


def _tail(value: bytes, keep: int, encoding: str) -> bytes:
    """The last ``keep`` characters; of a value that is not longer than that, or not readable, none."""
    try:
        text = value.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return b""
    text = text.rstrip(" ")  # bpchar pads: spaces are no part of what is kept
    return text[-keep:].encode(encoding) if len(text) > keep else b""


def _canonical(value: bytes, encoding: str) -> bytes:
    """The same text hashes alike for clients of any encoding."""
    try:
        return value.decode(encoding).encode("utf-8")
    except (UnicodeError, LookupError):
        return value


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return b"****"


def _digest(key: bytes, value: bytes) -> bytes:
    return hmac.new(key, value, hashlib.sha256).digest()


def _digest_uuid(key: bytes, value: bytes, format: int) -> bytes:  # noqa: A002
    plain = value if format else bytes.fromhex(value.decode("ascii", "replace").replace("-", ""))
    made = _digest(key, plain)[:16]
    if format:
        return made
    text = made.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])).encode("ascii")


def _digest_bytea(key: bytes, value: bytes, format: int) -> bytes:  # noqa: A002
    if format:
        return _digest(key, value)
    # bytea_output = escape gives other texts for the same bytes: those hash as they stand.
    plain = bytes.fromhex(value[2:].decode("ascii")) if value.startswith(b"\\x") else value
    return b"\\x" + _digest(key, plain).hex().encode("ascii")


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
