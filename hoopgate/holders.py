"""Who has any just-in-time grant at all: asked at each statement, and mostly nobody has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

NONE: Final[frozenset[str]] = frozenset()


class Holders:
    """``keys``: of the identities that hold grants; None where that has to be found anew. ``look(identity)`` answers
    for all whom that does not."""

    __slots__ = ("_look", "keys")

    def __init__(self, look: Callable[[Any], frozenset[str]]) -> None:
        self.keys: frozenset[str] | None = None
        self._look: Any = look

    def active(self, identity: Any) -> frozenset[str]:
        """The scopes granted to this identity now."""
        keys = self.keys
        if keys is not None and (not keys or identity.key not in keys):
            return NONE
        found: frozenset[str] = self._look(identity)
        return found
