"""Connections that have not logged in yet: counted, so that they delay nobody who has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hoopgate.config.model import Limits


class Doors:
    """Lets at most ``limits.half_open`` connections wait, ``limits.half_open_per_address`` of one address."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._waiting: Counter[str] = Counter()
        self.open = 0

    def enter(self, address: str) -> bool:
        """One more waits; False: no room, and it is not counted."""
        limits = self._limits()
        if self.open >= limits.half_open or self._waiting[address] >= limits.half_open_per_address:
            return False
        self.open += 1
        self._waiting[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One has logged in or gone."""
        self.open -= 1
        self._waiting[address] -= 1
        if not self._waiting[address]:
            del self._waiting[address]
