"""Finding and hiding what detectors know, in bytes that are all there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import re2

from hoopgate.detectors.checks import always
from hoopgate.detectors.kinds import Kind

_SHORT: Final = 64  # bytes of a candidate behind whose first byte another may begin
OWN: Final = 256  # bytes that a pattern of the user's may look at, in a stream


class Span(NamedTuple):
    """``data[start:end]`` is a value of ``kind``."""

    start: int
    end: int
    kind: str


def own_kind(name: str, pattern: str) -> Kind:
    """A kind by the user's own pattern, whose matches in a stream are OWN bytes at most.

    Raises ValueError for a pattern that RE2 does not know or that matches nothing at all.
    """
    try:
        matcher = compiled(pattern.encode())
    except re2.error as error:
        raise ValueError(str(error)) from None
    if matcher.search(b"") is not None:
        raise ValueError("it matches the empty text")
    return Kind(name, "own", pattern.encode(), b"(?s:.){1,%d}" % (OWN - 1), always)


def compiled(pattern: bytes) -> Any:
    """RE2's over bytes, whatever they encode. Raises re2.error."""
    return re2.compile(pattern, _options())


def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return options


class Finder:
    """Knows where values of its kinds are. Linear in the data, but for candidates of up to 64 bytes.

    ``shown`` takes the place of each value.
    """

    def __init__(self, kinds: Iterable[Kind], shown: bytes = b"****") -> None:
        self.kinds: Sequence[Kind] = tuple(kinds)
        self.shown = shown
        self._patterns = [compiled(kind.pattern) for kind in self.kinds]
        self._set = re2.Set.SearchSet(_options())
        for kind in self.kinds:
            self._set.Add(kind.pattern)
        self._set.Compile()
        self._open = compiled(b"(?:" + b"|".join(b"(?:" + kind.opening + b")" for kind in self.kinds) + rb")\z")

    def candidates(self, data: bytes) -> list[int]:
        """Which of the kinds may be somewhere in ``data``: the one look that most data is worth."""
        found: list[int] | None = self._set.Match(data)  # None where the set has no patterns, or none is found
        return found or []

    def spans(self, data: bytes, start: int = 0) -> list[Span]:
        """Every value from ``start`` on, in order, none overlapping. What lies before it is only context."""
        candidates = self.candidates(data)
        if not candidates:
            return []
        found: list[Span] = []
        for index in candidates:
            self._search(index, data, start, found)
        return merged(found)

    def hide(self, data: bytes, spans: Sequence[Span] | None = None) -> bytes:
        """``data`` with ``shown`` in place of each value; ``data`` itself if there is none."""
        return replaced(data, self.spans(data) if spans is None else spans, self.shown)

    def opening(self, data: bytes, start: int = 0) -> int:
        """From where on more data may make a value of what ``data[start:]`` ends with; its length if from nowhere."""
        match = self._open.search(data, start)
        return len(data) if match is None else int(match.start())

    def _search(self, index: int, data: bytes, position: int, found: list[Span]) -> None:
        kind, pattern = self.kinds[index], self._patterns[index]
        size = len(data)
        while position < size and (match := pattern.search(data, position)) is not None:
            start, stop = match.span()
            end = kind.check(data, start, stop)
            if end > start:
                found.append(Span(start, end, kind.name))
                position = end
            else:
                position = start + 1 if stop - start <= _SHORT else max(stop, start + 1)


def replaced(data: bytes, spans: Sequence[Span], shown: bytes) -> bytes:
    """``data`` with ``shown`` in place of each span; ``data`` itself if there are none."""
    if not spans:
        return data
    parts: list[bytes] = []
    copied = 0
    for span in spans:
        parts += (data[copied : span.start], shown)
        copied = span.end
    parts.append(data[copied:])
    return b"".join(parts)


def merged(found: list[Span]) -> list[Span]:
    """Spans in order, those that overlap as one of the first's kind."""
    if len(found) < 2:
        return found
    found.sort(key=lambda span: (span.start, -span.end))
    joined = [found[0]]
    for span in found[1:]:
        last = joined[-1]
        if span.start >= last.end:
            joined.append(span)
        elif span.end > last.end:
            joined[-1] = Span(last.start, span.end, last.kind)
    return joined
