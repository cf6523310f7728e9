"""A guard for hoopgate: outside business hours databases are only read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen
from zope.interface import implementer

from hoopgate.frames import Frame, Statement
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.verdicts import ALLOW, Block, Verdict

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULTS = {"timezone": "UTC", "hours": [8, 18], "days": list(DAYS[:5]), "always": ["session", "read"]}


@frozen
class Hours:
    """When work is done: ``first`` to ``last`` o'clock of ``days`` (0 is Monday) in ``zone``."""

    zone: ZoneInfo
    first: int
    last: int
    days: frozenset[int]

    def include(self, epoch: float) -> bool:
        moment = datetime.fromtimestamp(epoch, self.zone)
        return moment.weekday() in self.days and self.first <= moment.hour < self.last


@implementer(IGuardFactory)
class BusinessHours:
    """``options`` is the table ``[guards.options.business_hours]``; ``now`` gives epoch seconds."""

    def __init__(self, options: Mapping[str, Any], now: Callable[[], float] = time.time) -> None:
        unknown = options.keys() - DEFAULTS.keys()
        if unknown:
            raise ValueError(f"unknown options: {', '.join(sorted(unknown))}; known: {', '.join(DEFAULTS)}")
        chosen = {**DEFAULTS, **options}
        first, last = chosen["hours"]
        if not 0 <= first < last <= 24:
            raise ValueError("hours must be two hours of a day, such as [8, 18]")
        days = frozenset(DAYS.index(day) for day in chosen["days"])
        self._hours = Hours(ZoneInfo(chosen["timezone"]), first, last, days)
        self._always = frozenset(chosen["always"])
        self._now = now

    def open(self, session: Any) -> Guard:
        return Guard(session, self._hours, self._always, self._now)


@implementer(IGuard)
class Guard:
    """Judges by effect, not by verb: the policy's guard has found it out before this one is asked."""

    wants = frozenset({Statement})

    def __init__(self, session: Any, hours: Hours, always: frozenset[str], now: Callable[[], float]) -> None:
        self._session = session
        self._hours = hours
        self._always = always
        self._now = now

    def inspect(self, frame: Frame) -> Verdict:
        if self._hours.include(self._now()):
            return ALLOW
        decision = self._session.decision
        # no decision: nobody knows what the statement does, so it must not pass
        if decision is not None and all(operation.effect in self._always for operation in decision.operations):
            return ALLOW
        return Block(
            "Outside business hours databases are only read.",
            rule="business-hours",
            hint=f"Come back between {self._hours.first} and {self._hours.last} o'clock, {self._hours.zone.key}.",
        )

    def closed(self, reason: str) -> None:
        """Nothing is kept between statements."""
