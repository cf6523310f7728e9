"""Inference: how much an identity may learn of masked values by conditions over them, counted for each mask.

Who may write ``WHERE card > '4111'`` again and again finds a value that no answer shows. What each condition costs is
worked out with the statement; here it is counted, over a window that slides. All sessions of a worker share one count.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen

_STEPS: Final = 60
"""Into so many parts the window is divided: what was spent is forgotten a sixtieth late, and no key holds more."""


@frozen
class Cost:
    """What one run of a statement takes of the budget of ``mask``, which allows ``limit`` in a window."""

    mask: str
    column: str
    cost: int
    limit: int


@frozen
class Exhausted:
    """``of`` cannot be paid: ``spent`` is gone already. ``frees``: seconds until it can; None: it never can."""

    of: Cost
    spent: int
    frees: float | None


class Inference:
    """What was spent, by identity and mask. ``clock``: seconds, as a Twisted reactor's."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._spent: OrderedDict[tuple[str, str], _Spent] = OrderedDict()  # who spent last is last

    def __len__(self) -> int:
        return len(self._spent)

    def spend(self, who: str, costs: Sequence[Cost], *, window: float, most: int) -> Exhausted | None:
        """Take ``costs`` (one for each mask) of the budgets of ``who``: all of them or, with the answer, none.

        ``most`` bounds the table. Where it is full of what still counts, nothing can be counted, and so nothing spent.
        """
        now = self._clock.seconds()
        for each in costs:
            known = self._spent.get((who, each.mask))
            spent = 0 if known is None else known.total(now, window)
            if spent + each.cost > each.limit:
                wait = None if each.cost > each.limit or known is None else known.frees(spent + each.cost - each.limit)
                return Exhausted(each, spent, None if wait is None else max(0.0, wait + window - now))
        new = [each for each in costs if (who, each.mask) not in self._spent]
        if not self._room(len(new), now, window, most):
            return Exhausted(new[0], 0, next(iter(self._spent.values())).last + window - now if self._spent else None)
        for each in costs:
            key = (who, each.mask)
            self._spent.setdefault(key, _Spent()).add(now, each.cost, window)
            self._spent.move_to_end(key)
        return None

    def _room(self, wanted: int, now: float, window: float, most: int) -> bool:
        while self._spent and len(self._spent) + wanted > most:
            key, oldest = next(iter(self._spent.items()))
            if oldest.last + window > now:
                return False
            del self._spent[key]
        return wanted <= most


class _Spent:
    """Amounts by the moments until which they were spent, oldest first."""

    __slots__ = ("_amounts",)

    def __init__(self) -> None:
        self._amounts: deque[tuple[float, int]] = deque()

    @property
    def last(self) -> float:
        return self._amounts[-1][0] if self._amounts else float("-inf")

    def total(self, now: float, window: float) -> int:
        while self._amounts and self._amounts[0][0] + window <= now:
            self._amounts.popleft()
        return sum(amount for _, amount in self._amounts)

    def frees(self, wanted: int) -> float:
        """When that which must be forgotten before so much is free was spent."""
        for until, amount in self._amounts:
            wanted -= amount
            if wanted <= 0:
                return until
        return self.last

    def add(self, now: float, amount: int, window: float) -> None:
        """Until the end of a part of the window amounts are added up, and count as if spent at that end."""
        if self._amounts and now <= self.last:
            until, before = self._amounts.pop()
            self._amounts.append((until, before + amount))
        else:
            self._amounts.append((now + window / _STEPS, amount))
