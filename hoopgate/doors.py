"""Connections that have not logged in yet: counted, so that they delay nobody who has."""

from __future__ import annotations

from collections.abc import Callable

from hoopgate.config.model import Limits


class Doors:
    """Lets at most ``limits.half_open`` connections wait, ``limits.half_open_per_address`` of one address.

    Where there is no room, the one that has waited longest makes it: of the same address if that has too many, else
    of the address that has the most. Who logs in does so at once; who only holds a place, loses it first.
    """

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._waiting: dict[str, dict[object, Callable[[str], None]]] = {}  # by address, in order of arrival
        self.open = 0

    def enter(self, address: str, who: object, drop: Callable[[str], None]) -> None:
        """``who`` waits from now on; ``drop(limit)`` is called should it have to go, and must call ``leave``."""
        limits = self._limits()
        mine = self._waiting.get(address, {})
        if len(mine) >= limits.half_open_per_address:
            _first(mine)("limits.half_open_per_address")
        elif self.open >= limits.half_open:
            _first(max(self._waiting.values(), key=len))("limits.half_open")
        self._waiting.setdefault(address, {})[who] = drop
        self.open += 1

    def leave(self, address: str, who: object) -> None:
        """``who`` has logged in or gone."""
        mine = self._waiting[address]
        del mine[who]
        self.open -= 1
        if not mine:
            del self._waiting[address]


def _first(waiting: dict[object, Callable[[str], None]]) -> Callable[[str], None]:
    return next(iter(waiting.values()))
