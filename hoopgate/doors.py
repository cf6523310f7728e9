"""Connections that have not logged in yet: counted, so that they delay nobody who has."""

from __future__ import annotations

from collections.abc import Callable

from hoopgate.config.model import Limits

Drop = Callable[[str], None]
Waiting = dict[str, dict[object, Drop]]
"""By address, in order of arrival."""


class Doors:
    """Lets at most ``limits.half_open`` connections wait, ``limits.half_open_per_address`` of one address.

    Where there is no room, the one that has waited longest makes it: of the same address if that has too many, else
    of the address that has the most. Who logs in does so at once; who only holds a place, loses it first: those who
    have done some work for their login (``worked``) make room only where nobody else can.
    """

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._idle: Waiting = {}
        self._working: Waiting = {}
        self.open = 0

    def enter(self, address: str, who: object, drop: Drop) -> None:
        """``who`` waits from now on; ``drop(limit)`` is called should it have to go, and must call ``leave``."""
        limits = self._limits()
        idle, working = self._idle.get(address, {}), self._working.get(address, {})
        if len(idle) + len(working) >= limits.half_open_per_address:
            _first(idle or working)("limits.half_open_per_address")
        elif self.open >= limits.half_open:
            _first(max((self._idle or self._working).values(), key=len))("limits.half_open")
        self._idle.setdefault(address, {})[who] = drop
        self.open += 1

    def worked(self, address: str, who: object) -> None:
        """``who`` has shown that it does more than hold a place."""
        drop = _take(self._idle, address, who)
        if drop is not None:
            self._working.setdefault(address, {})[who] = drop

    def leave(self, address: str, who: object) -> None:
        """``who`` has logged in or gone."""
        if _take(self._idle, address, who) is None:
            del self._working[address][who]
            if not self._working[address]:
                del self._working[address]
        self.open -= 1


def _take(waiting: Waiting, address: str, who: object) -> Drop | None:
    mine = waiting.get(address)
    drop = mine.pop(who, None) if mine is not None else None
    if mine is not None and not mine:
        del waiting[address]
    return drop


def _first(waiting: dict[object, Drop]) -> Drop:
    return next(iter(waiting.values()))
