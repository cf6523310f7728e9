"""Third parties' detectors, which look at text, take their time, and run in threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hoopgate.detectors.finder import Span, merged, replaced


class Plugged:
    """What an :class:`~hoopgate.interfaces.IDetector` finds, in bytes of UTF-8; ``shown`` takes its place."""

    def __init__(self, plugin: Any, shown: bytes) -> None:
        self._plugin = plugin
        self.shown = shown

    def candidates(self, data: bytes) -> bool:
        """Only the plug-in can tell."""
        return bool(data)

    def spans(self, data: bytes) -> list[Span]:
        """Every value, in order, none overlapping."""
        text = data.decode("utf-8", "surrogateescape")
        found = [
            Span(_size(text[:start]), _size(text[:end]), kind)
            for start, end, kind in self._plugin.find(text)
            if 0 <= start < end <= len(text)
        ]
        return merged(found)

    def hide(self, data: bytes, spans: Sequence[Span] | None = None) -> bytes:
        """``data`` with ``shown`` in place of each value; ``data`` itself if there is none."""
        return replaced(data, self.spans(data) if spans is None else spans, self.shown)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
