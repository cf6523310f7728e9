"""A bounded memory: the least recently used go first, by number and by total weight."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memory(Generic[K, V]):
    """At most ``entries`` things of at most ``weight`` in all; weights are what the caller says."""

    def __init__(self, entries: int, weight: int) -> None:
        self._entries = entries
        self._weight = weight
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.total = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Remember; what is heavier than everything may be is not."""
        if weight > self._weight:
            return
        old = self._held.pop(key, None)
        if old is not None:
            self.total -= old[1]
        self._held[key] = (value, weight)
        self.total += weight
        while len(self._held) > self._entries or self.total > self._weight:
            _, (_, gone) = self._held.popitem(last=False)
            self.total -= gone
