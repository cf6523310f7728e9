"""Canaries: planted values that nobody has business with. One that shows up in an answer has been reached for.

They are sought as they are and in the encodings that a query can put them in by one function call.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import re2

from hoopgate.detectors.finder import compiled

SHORTEST: Final = 8
"""Bytes of a canary, at least: a shorter one would be found by chance."""


def spellings(value: bytes) -> tuple[bytes, ...]:
    """Patterns (RE2's) of what ``value`` may stand as: hexadecimal in either case, and :func:`literals`."""
    return (b"(?i:" + value.hex().encode() + b")", *(re2.escape(literal) for literal in literals(value)))


def literals(value: bytes) -> tuple[bytes, ...]:
    """What it may stand as, letter by letter: plain, backwards, base64 and base64url at each of three offsets,
    percent-encoded, escaped for JSON."""
    found = [value, value[::-1]]
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + value)
        # Characters that other bytes have a part in are left away at both ends.
        spare = (len(value) + offset) % 3
        core = padded[(0, 2, 3)[offset] : len(padded) - (0, 3, 2)[spare] if spare else len(padded)]
        found += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    found.append(quote(value, safe="").encode())
    try:
        found.append(json.dumps(value.decode())[1:-1].encode())
    except UnicodeDecodeError:
        return tuple(dict.fromkeys(found))  # JSON has no spelling of it
    return tuple(dict.fromkeys(found))


class Canaries:
    """Looks for all of them at once, in linear time. ``values``: by name.

    ``longest``: bytes of the longest spelling.
    """

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._names = tuple(values)
        self._patterns: list[Any] = [compiled(b"|".join(spellings(value))) for value in values.values()]
        self._any = compiled(b"|".join(b"|".join(spellings(value)) for value in values.values())) if values else None
        plain = [literal for value in values.values() for literal in literals(value)]
        digits = [value.hex().encode() for value in values.values()]
        self.longest = max(map(len, (*plain, *digits)), default=0)
        self._beginnings = _beginnings(plain)
        self._digits = _beginnings(digits)

    def found(self, data: bytes) -> str:
        """The name of one that is somewhere in ``data``, or the empty text."""
        if self._any is None or self._any.search(data) is None:
            return ""
        return next(
            name for name, pattern in zip(self._names, self._patterns, strict=True) if pattern.search(data) is not None
        )

    def opening(self, data: bytes) -> int:
        """From where on ``data`` ends with what may be the beginning of one; its length if from nowhere."""
        first = max(0, len(data) - self.longest + 1)
        lower = data[first:].lower()
        for at in range(first, len(data)):
            if data[at:] in self._beginnings or lower[at - first :] in self._digits:
                return at
        return len(data)


def _beginnings(literals: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(literal[:end] for literal in literals for end in range(1, len(literal)))
