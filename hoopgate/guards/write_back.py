"""Masks that a client read and now writes back: they would take the place of what they hide.

Masks are recognisable by construction. What a value is compared with, by the column's type:

* in text, json, xml and bytea the text that the mask shows: anywhere in the value where it holds no letter or digit
  (``****`` with the kept end behind it, or amid an address), and else only as the whole of it;
* hashes, which end in a checksum of their own (:func:`hoopgate.transforms.marked`);
* constants of the other types that honest clients hardly ever mean: 2000-01-01, the zero uuid, address or MAC;
* constants that they do mean (0, false, ``{}``, ``empty`` ...): only where an existing row is changed, by a session
  that was shown this mask before, so that new rows begin with zeros as they like.

NULL is never refused.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Final

from hoopgate.config.model import Mask
from hoopgate.fixed_values import ARRAYS, FIXED
from hoopgate.frames import Parameter
from hoopgate.masks import TEXT_TYPES
from hoopgate.policy.lineage.results import Assigned
from hoopgate.transforms import is_marked
from hoopgate.verdicts import Block

DERIVED: Final = "****"  # what every kind shows of computed text, and where its key or encoding fails it
SHORTENED: Final = 8192
"""Characters; of longer texts runs of constants may be left out before they are judged."""

_LEAST: Final = 3  # characters of a mask's text that may stand amid others

_BOOL, _BYTEA, _CHAR, _JSON, _XML, _JSONB, _UUID, _NUMERIC = 16, 17, 18, 114, 142, 3802, 2950, 1700
_WORDY: Final = TEXT_TYPES | {_BYTEA, _CHAR, _JSON, _XML, _JSONB}
_DATES: Final = frozenset({1082, 1114, 1184})
_UNMEANT: Final = frozenset({_UUID, 650, 774, 829, 869}) | _DATES
_NUMBERS: Final = frozenset({20, 21, 23, 26, 700, 701, 790, _NUMERIC})

_HASH: Final = re.compile(r"(?:\\x)?([0-9a-fA-F]{64})")
_ZERO: Final = re.compile(r"[-+]?\$?0*\.?0*(?:[eE][-+]?[0-9]+)?")
_FALSE: Final = frozenset({"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"})
_Y2K: Final = re.compile(
    r"2000-0?1-0?1(?:[ T]0?0(?::00){0,2}(?:\.0+)?(?: ?(?:Z|UTC|GMT|[-+]00(?::?00)?))?)?|0?1[/.]0?1[/.]2000",
    re.IGNORECASE,
)
_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NO_ADDRESS: Final = re.compile(r"0\.0\.0\.0(?:/32)?|(?:00[:-]){5}00|(?:00[:-]){7}00")
_EMPTY: Final = frozenset({"", "{}", "[]", "empty", "(0,0)", "00:00", "00:00:00", "00:00:00+00", "0:00", "*"})


def problem(
    assigned: Sequence[Assigned],
    parameters: Sequence[Parameter] | None,
    *,
    encoding: str,
    shown: Container[str],
    bound: bool,
) -> Block | None:
    """Why these assignments must not run, if one writes a mask back.

    ``parameters`` are those of a Bind or Execute (``bound``); None where they were too large to keep. ``encoding`` is
    the client's, as a Python codec; ``shown`` the names of masks that the session has seen at work.
    """
    for each in assigned:
        value = each.value
        if isinstance(value, str):
            found = is_mask(each, value, shown)
        elif value is None or not bound:
            continue
        elif parameters is None:
            return _unread(each)
        else:
            parameter = parameters[value - 1] if 0 < value <= len(parameters) else None
            found = parameter is not None and holds_mask(each, parameter, encoding, shown)
        if found:
            return refusal(each.mask, each.column)
    return None


def in_long_text(assigned: Sequence[Assigned], text: str) -> Block | None:
    """Why a long statement must not run, of whose rows of constants a few alone were judged
    (:mod:`hoopgate.policy.sql.condense`): any text of a mask in it counts."""
    if len(text) <= SHORTENED:
        return None
    for each in assigned:
        if any(is_telling(shown) and shown in text for shown in texts(each.mask)):
            return refusal(each.mask, each.column)
    return None


def refusal(mask: Mask, column: str) -> Block:
    """The sentence that names column and mask."""
    return Block(
        f'column {column} is masked (mask "{mask.name}"), and this value looks like what the mask shows: '
        "it would take the place of the real one",
        rule=mask.name,
        hint="Leave the column out of what you write. Somebody who sees clear values may write any.",
        sqlstate="42501",
    )


def holds_mask(target: Assigned, parameter: Parameter, encoding: str, shown: Container[str]) -> bool:
    """Whether a parameter is what the mask could have shown, in text or in binary."""
    value = parameter.value
    if value is None:
        return False
    if parameter.format == 0:
        return is_mask(target, value.decode(encoding, "replace"), shown)
    type_oid = parameter.type_oid or target.type_oid
    if type_oid == _JSONB:
        value = value[1:]  # its version
    if type_oid in _WORDY or _has_text(value, encoding, target.mask):
        return is_mask(target, value.decode(encoding, "replace"), shown) or (len(value) == 32 and is_marked(value))
    if len(value) == 16 and type_oid in (0, _UUID) and (is_marked(value) or not any(value)):
        return True
    return is_constant(value, type_oid) and (type_oid in _UNMEANT or _changes(target, shown))


def is_mask(target: Assigned, text: str, shown: Container[str]) -> bool:
    """Whether a literal, or a parameter in text, is what the mask of ``target`` could have shown."""
    mask, type_oid, stripped = target.mask, target.type_oid, text.strip()
    if mask.kind == "null":
        return False
    if type_oid == 0 or type_oid in _WORDY or not _is_known(type_oid):
        if _shows_text(mask, text, stripped, target, shown):
            return True
        if type_oid == _BYTEA and stripped.lower() == "\\x2a2a2a2a":
            return True
    if mask.kind == "hash" and _is_hash(stripped):
        return True
    if type_oid in TEXT_TYPES:
        return False
    return _is_unmeant(type_oid, stripped) or (_changes(target, shown) and _is_meant(type_oid, stripped))


def is_constant(value: bytes, type_oid: int) -> bool:
    """Whether a value in binary is the constant that masks show of its type."""
    if type_oid == _NUMERIC:
        return value[:2] == b"\0\0" and value[4:6] in (b"\0\0", b"\x40\0")  # no digits, of a sign: no NaN
    fixed = FIXED.get(type_oid)
    if fixed is not None:
        return value == fixed.binary
    return type_oid in ARRAYS and value[:4] == b"\0\0\0\0"


def texts(mask: Mask) -> tuple[str, ...]:
    """The texts that this mask shows, but for kept ends and hashes."""
    if mask.kind == "null":
        return ()
    return (mask.value, DERIVED) if mask.kind == "replace" and mask.value != DERIVED else (DERIVED,)


def signs(mask: Mask, encoding: str) -> bytes:
    """A regular expression that finds something in each value that may be refused in a new row, and in others."""
    found = [re.escape(each.encode(encoding, "replace")) for each in texts(mask) if each.strip()]
    if mask.kind != "null":
        found += [rb"2000", rb"1999", rb"0{8}", rb"0\.0\.0\.0", rb"00:00:", rb"00-00-", rb"2[aA]2[aA]"]
    if mask.kind == "hash":
        found += [rb"[0-9a-fA-F]{32}", rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-"]
    return b"|".join(found)


def is_telling(text: str) -> bool:
    """Whether a mask's text is known as one wherever it stands: it has no letter and no digit."""
    return len(text) >= _LEAST and not any(character.isalnum() or character.isspace() for character in text)


def _shows_text(mask: Mask, text: str, stripped: str, target: Assigned, shown: Container[str]) -> bool:
    for each in texts(mask):
        if is_telling(each):
            if each in text:
                return True
        elif each.strip():
            if stripped in (each.strip(), f'"{each.strip()}"'):  # as a JSON string, too
                return True
        elif not stripped and _changes(target, shown):
            return True
    return False


def _changes(target: Assigned, shown: Container[str]) -> bool:
    """An existing row is changed, and the session has seen what this mask shows."""
    return not target.new_row and target.mask.name in shown


def _is_known(type_oid: int) -> bool:
    return type_oid in FIXED or type_oid in ARRAYS


def _is_hash(text: str) -> bool:
    found = _HASH.fullmatch(text)
    if found is not None:
        return is_marked(bytes.fromhex(found.group(1)))
    plain = text.strip("{}").replace("-", "")
    return (
        len(plain) == 32 and all(each in "0123456789abcdefABCDEF" for each in plain) and is_marked(bytes.fromhex(plain))
    )


def _is_unmeant(type_oid: int, text: str) -> bool:
    if (type_oid in _DATES or type_oid == 0) and _is_y2k(text):
        return True
    if type_oid in (_UUID, 0) and text.strip("{}").replace("-", "") == "0" * 32:
        return True
    return (type_oid == 0 or type_oid in _UNMEANT) and _NO_ADDRESS.fullmatch(text) is not None


def _is_y2k(text: str) -> bool:
    """Midnight of 2000-01-01, or the same moment by the clock of another zone."""
    if _Y2K.fullmatch(text) is not None:
        return True
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return moment.tzinfo is not None and moment == _MOMENT


def _is_meant(type_oid: int, text: str) -> bool:
    if type_oid in _NUMBERS:
        return any(each == "0" for each in text) and _ZERO.fullmatch(text) is not None
    if type_oid == _BOOL:
        return text.lower() in _FALSE
    return type_oid != 0 and text in _EMPTY


def _has_text(value: bytes, encoding: str, mask: Mask) -> bool:
    """A mask's text stands in a value of a type that nobody knows: a domain over text, an array of it."""
    return any(is_telling(each) and each.encode(encoding, "replace") in value for each in texts(mask))


def _unread(target: Assigned) -> Block:
    return Block(
        f'column {target.column} is masked (mask "{target.mask.name}"), and the parameters are too large to be '
        "compared with what the mask shows",
        rule=target.mask.name,
        hint="Send less in one message.",
        sqlstate="54000",
    )
