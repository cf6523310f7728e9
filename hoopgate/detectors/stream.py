"""Hiding values in a stream: any chunking gives the same bytes, and no piece of a value goes out before it is known.

For protocols whose data has no cells: terminals, HTTP bodies. What may be the beginning of a value is kept back until
more data, or ``flush``, decides.
"""

from __future__ import annotations

from typing import Any, Final

from hoopgate.detectors.finder import Finder, Span, compiled
from hoopgate.detectors.kinds import Kind

LONGEST: Final = 16 * 1024
"""Bytes that are kept back, at most. What goes on longer is hidden to its end where it is a value already; where it is
not, all but its last half goes out."""

_CONTEXT: Final = 2  # bytes before a candidate that checks look at


class Stream:
    """One direction of one stream."""

    def __init__(self, finder: Finder, longest: int = LONGEST) -> None:
        self._finder = finder
        self._longest = longest
        self._data = b""  # what went out last, for context, and what is kept back
        self._kept_from = 0
        self._inside: Any = None  # what goes on with a value that was over the limit
        self.found: list[Span] = []
        """Of the last call; their positions mean nothing outside."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; returns those that may go on."""
        self.found = []
        if self._inside is not None:
            data = self._swallow(data)
        self._data += data
        spans = self._finder.spans(self._data, self._kept_from)
        until = self._finder.opening(self._data, self._kept_from)
        for span in spans:
            if span.start < until < span.end:
                until = span.start
        if len(self._data) - until > self._longest:
            return self._overlong(spans, until)
        return self._out(spans, until)

    def flush(self) -> bytes:
        """What is kept back, its values hidden: at the end, or where the receiver has waited long enough.

        A value of which the one half came before a flush and the other after it may be shown.
        """
        self.found = []
        return self._out(self._finder.spans(self._data, self._kept_from), len(self._data))

    def _out(self, spans: list[Span], until: int) -> bytes:
        parts: list[bytes] = []
        copied = self._kept_from
        for span in spans:
            if span.end <= until:
                parts += (self._data[copied : span.start], self._finder.shown)
                copied = span.end
                self.found.append(span)
        parts.append(self._data[copied:until])
        context = max(0, until - _CONTEXT)
        self._data, self._kept_from = self._data[context:], until - context
        return b"".join(parts)

    def _overlong(self, spans: list[Span], until: int) -> bytes:
        size = len(self._data)
        for span in spans:
            kind = self._endless(span)
            if span.end == size and kind is not None:
                out = self._out(spans, size)
                self._inside = compiled(b"(?:" + kind.endless + b")*")
                return out
        return self._out(spans, max(until, size - self._longest // 2))

    def _endless(self, span: Span) -> Kind | None:
        return next((kind for kind in self._finder.kinds if kind.name == span.kind and kind.endless), None)

    def _swallow(self, data: bytes) -> bytes:
        rest = data[self._inside.match(data).end() :]
        if rest:
            self._inside = None
        return rest
