"""Looking for secrets in one cell of a result, by the column's type and format."""

from __future__ import annotations

import html
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from hoopgate.catalogue.snapshot import UserType
from hoopgate.config.model import Mask
from hoopgate.detectors.canaries import Canaries
from hoopgate.detectors.finder import Finder
from hoopgate.detectors.plugged import Plugged
from hoopgate.fixed_values import ARRAYS
from hoopgate.masks import TEXT_TYPES, transform
from hoopgate.transforms import Transform

SHORTEST: Final = 8
"""Bytes of a value that any kind has, at least."""

_WHOLE: Final = Mask(name="detector", columns=("*",), kind="fixed")
_JSON, _JSONB, _XML, _BYTEA, _INT8, _NUMERIC, _RECORD = 114, 3802, 142, 17, 20, 1700, 2249
_TEXT_ARRAYS: Final = frozenset({1002, 1003, 1009, 1014, 1015, 1263})
_NEVER: Final = frozenset(
    {16, 18, 21, 23, 26, 700, 701, 600, 601, 602, 603, 604, 628, 650, 718, 774, 829, 869, 790, 1082, 1083, 1114, 1184}
    | {1186, 1266, 1560, 1562, 2950, 24, 27, 28, 29, 2205, 3220}
)
"""Types too short or too regular to hold a secret: numbers, times, addresses, geometry, uuid."""

_JSON_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_PLAIN: Final = re.compile(rb"[\w*.:-]+")


class Look(ABC):
    """What looks at a cell. ``plain``: what it changes can be seen in the row's bytes, without reading the cell."""

    __slots__ = ("plain",)

    plain: bool

    @abstractmethod
    def __call__(self, old: bytes) -> bytes | None:
        """The value without its secrets, ``old`` itself if it has none."""


class Cells:
    """Makes the transforms of one detector. ``tally`` counts what was hidden, by kind, until somebody takes it."""

    def __init__(self, finder: Finder | Plugged, tally: Counter[str] | None = None) -> None:
        self.finder = finder
        self.tally: Counter[str] = Counter() if tally is None else tally

    def transform(self, type_oid: int, format: int, types: Mapping[int, UserType], encoding: str) -> Look | None:  # noqa: A002
        """What looks at the cells of a column; None where its type can hold no secret."""
        if type_oid in _NEVER:
            return None
        known = types.get(type_oid)
        if type_oid in TEXT_TYPES or (known is not None and known.kind == "text"):
            return TextCell(self)
        if type_oid in (_JSON, _JSONB):
            return JsonCell(self, b"\x01" if type_oid == _JSONB and format else b"", encoding)
        if type_oid in _TEXT_ARRAYS and not format and _PLAIN.fullmatch(self.finder.shown):
            return TextCell(self)
        fixed = transform(_WHOLE, type_oid, format, types=types, encoding=encoding)(b"")
        read = (
            _fields if format and known is not None and known.kind == "row" else _READERS.get((type_oid, format), bytes)
        )
        return WholeCell(self, fixed, read)

    def unknown(self, encoding: str) -> Look:
        """What looks at the fields of a COPY, whose types nobody says."""
        return AnyCell(self, encoding)

    def hide(self, data: bytes) -> bytes:
        """``data`` without its secrets, itself if there are none."""
        spans = self.finder.spans(data)
        if not spans:
            return data
        for span in spans:
            self.tally[span.kind] += 1
        return self.finder.hide(data, spans)


class TextCell(Look):
    """The value's own text: only what was found in it is replaced."""

    __slots__ = ("_cells",)

    def __init__(self, cells: Cells) -> None:
        self.plain = True
        self._cells = cells

    def __call__(self, old: bytes) -> bytes | None:
        return old if len(old) < SHORTEST else self._cells.hide(old)


class JsonCell(Look):
    """JSON stays JSON: strings and numbers that hold a secret become strings that do not. ``version`` is jsonb's."""

    __slots__ = ("_cells", "_encoding", "_version")

    def __init__(self, cells: Cells, version: bytes, encoding: str) -> None:
        self.plain = True  # but for escapes
        self._cells = cells
        self._version = version
        self._encoding = encoding

    def __call__(self, old: bytes) -> bytes | None:
        # A secret can be spelled with escapes, which only decoding shows.
        if len(old) < SHORTEST or (b"\\" not in old and not self._cells.finder.candidates(old)):
            return old
        body = old[len(self._version) :]
        clean = _JSON_TOKEN.sub(self._token, body)
        return old if clean == body else self._version + clean

    def _token(self, match: re.Match[bytes]) -> bytes:
        token = match[0]
        text = token.decode(self._encoding, "surrogateescape")
        try:
            value = json.loads(text, strict=False) if b"\\" in token else text.strip('"')
        except ValueError:
            value = text  # no JSON: what the target itself would not send
        plain = str(value).encode("utf-8", "surrogatepass")
        clean = self._cells.hide(plain)
        return token if clean is plain else json.dumps(clean.decode("utf-8", "replace")).encode()


class WholeCell(Look):
    """A value that cannot be changed in part: ``fixed`` takes its place. ``read`` gives the text to look in."""

    __slots__ = ("_cells", "_fixed", "_read")

    def __init__(self, cells: Cells, fixed: bytes | None, read: Callable[[bytes], bytes]) -> None:
        self._cells = cells
        self._fixed = fixed
        self._read = read
        self.plain = read is bytes

    def __call__(self, old: bytes) -> bytes | None:
        if len(old) < SHORTEST:
            return old
        text = self._read(old)
        return old if self._cells.hide(text) is text else self._fixed


class AnyCell(Look):
    """A field of unknown type, which goes by its looks."""

    __slots__ = ("_json", "_text")

    def __init__(self, cells: Cells, encoding: str) -> None:
        self.plain = False
        self._text = TextCell(cells)
        self._json = JsonCell(cells, b"", encoding)

    def __call__(self, old: bytes) -> bytes | None:
        clean = self._json(old) if old[:1] in (b"{", b"[", b'"') else old
        return self._text(old) if clean is old else clean


class CanaryCell(Look):
    """A field of a COPY as it is meant, which the row's bytes may spell otherwise. ``found``: the canary in one."""

    __slots__ = ("_canaries", "found")

    def __init__(self, canaries: Canaries) -> None:
        self.plain = False
        self._canaries = canaries
        self.found = ""

    def __call__(self, old: bytes) -> bytes | None:
        if not self.found:
            self.found = self._canaries.found(old)
        return old


def _hex(text: bytes) -> bytes:
    """bytea_output = hex; the other form shows plain text as it is."""
    try:
        return bytes.fromhex(text[2:].decode("ascii")) if text.startswith(b"\\x") else text
    except ValueError:
        return text


def _integer(value: bytes) -> bytes:
    return str(int.from_bytes(value, "big", signed=True)).encode()


def _numeric(value: bytes) -> bytes:
    """The integer part of numeric_send's form: count, weight, sign, scale, digits to the base 10,000."""
    weight = int.from_bytes(value[2:4], "big", signed=True)
    if not 0 <= weight <= 4:
        return b""
    digits = [int.from_bytes(value[at : at + 2], "big") for at in range(8, min(len(value), 10 + 2 * weight), 2)]
    digits += [0] * (weight + 1 - len(digits))
    return "".join(f"{digit:04d}" for digit in digits).lstrip("0").encode()


def _whole_number(text: bytes) -> bytes:
    return text.partition(b".")[0]


def _unescaped(text: bytes) -> bytes:
    return html.unescape(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _elements(value: bytes) -> bytes:
    """array_send's form: dimensions, has-null, element type, (size, lower bound) each; then values with lengths."""
    dimensions, element = int.from_bytes(value[:4], "big"), int.from_bytes(value[8:12], "big")
    return b"\n".join(_values(value, 12 + 8 * dimensions, element))


def _fields(value: bytes) -> bytes:
    """record_send's form: a count; then type, length and value of each field."""
    return b"\n".join(_values(value, 4, 0))


def _values(value: bytes, position: int, element: int) -> Iterator[bytes]:
    """Each value behind ``position``, read by its type; ``element`` 0: the type stands before it."""
    while position + 4 <= len(value):
        type_oid = element
        if not element:
            type_oid = int.from_bytes(value[position : position + 4], "big")
            position += 4
        size = int.from_bytes(value[position : position + 4], "big", signed=True)
        position += 4
        if size > 0:
            yield _READERS.get((type_oid, 1), bytes)(value[position : position + size])
            position += size


_READERS: Final[Mapping[tuple[int, int], Callable[[bytes], bytes]]] = {
    (_BYTEA, 0): _hex,
    (_INT8, 1): _integer,
    (_NUMERIC, 0): _whole_number,
    (_NUMERIC, 1): _numeric,
    (_XML, 0): _unescaped,
    (_XML, 1): _unescaped,
    (_RECORD, 1): _fields,
    **{(array, 1): _elements for array in ARRAYS},
}


def both(transforms: Sequence[Look]) -> Transform | None:
    """One after the other: several detectors look at the same cells."""
    if len(transforms) < 2:
        return transforms[0] if transforms else None
    return Each(tuple(transforms))


class Each:
    """Several transforms in order, until one makes the value NULL."""

    __slots__ = ("_transforms",)

    def __init__(self, transforms: tuple[Transform, ...]) -> None:
        self._transforms = transforms

    def __call__(self, old: bytes) -> bytes | None:
        value: bytes | None = old
        for each in self._transforms:
            if value is not None:
                value = each(value)
        return value
