"""Canaries in a stream: none goes out whole, however its bytes were cut."""

from __future__ import annotations

from hoopgate.detectors.canaries import Canaries


class Planted:
    """One direction of one stream. ``holding``: what may be the beginning of a canary is kept back."""

    def __init__(self, canaries: Canaries, *, holding: bool) -> None:
        self._canaries = canaries
        self._holding = holding
        self._sent = b""  # what went out last, for context
        self._kept = b""
        self.found = ""
        """The name of the canary that was seen; nothing goes out from then on."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; returns those that may go on."""
        whole = self._sent + self._kept + data
        self.found = self.found or self._canaries.found(whole)
        if self.found:
            return b""
        until = max(self._canaries.opening(whole), len(self._sent)) if self._holding else len(whole)
        return self._out(whole, until)

    def flush(self) -> bytes:
        """What is kept back. It is still context: a canary of which it is the one half is found with the other."""
        return b"" if self.found else self._out(self._sent + self._kept, len(self._sent) + len(self._kept))

    def _out(self, whole: bytes, until: int) -> bytes:
        out = whole[len(self._sent) : until]
        self._sent, self._kept = whole[max(0, until - self._canaries.longest) : until], whole[until:]
        return out
