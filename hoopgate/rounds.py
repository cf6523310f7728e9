"""Which sessions are looked at when: ten thousand that sit cost next to nothing, and none outlives its time.

An end whose time is known (a token's, or the time limit's) is met at the next beat. Who does nothing has no such time,
since nobody tells when a session falls silent: all are asked in turn, a few at each beat.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from itertools import count
from math import ceil
from typing import Final

from hoopgate.config.limits import Limits
from hoopgate.session import Session, State

LONGEST: Final = 30.0  # seconds that a round takes at most: so late may an idle session end...
SHARE: Final = 100  # ...but no later than this part of the limit


class Rounds:
    """``due`` is called every ``beat`` seconds."""

    def __init__(self, beat: float) -> None:
        self._beat = beat
        self._ends: list[tuple[float, int, Session]] = []  # a heap, by the end of the session's token
        self._numbers = count()  # sessions have no order of their own
        self._most_ends = 64
        self._round: list[Session] = []  # who is still to be asked in this round
        self._each = 1  # how many at a beat

    def enter(self, session: Session) -> None:
        """Look after ``session`` from now on, for as long as it is not over."""
        expires = session.identity.expires
        if expires is None:
            return
        heapq.heappush(self._ends, (expires, next(self._numbers), session))
        if len(self._ends) > self._most_ends:  # sessions that ended before their tokens must not pile up
            self._ends = [entry for entry in self._ends if entry[2].state is not State.ENDED]
            heapq.heapify(self._ends)
            self._most_ends = 64 + 2 * len(self._ends)

    def due(self, sessions: Mapping[str, Session], now: float, limits: Limits) -> list[Session]:
        """Who is to be looked at now. ``sessions`` are all, the oldest first."""
        found: list[Session] = []
        while self._ends and self._ends[0][0] <= now:
            found.append(heapq.heappop(self._ends)[2])
        for session in sessions.values():
            if now - session.started < limits.session:
                break
            found.append(session)
        if not self._round:
            self._begin(sessions, limits)
        found += self._round[-self._each :]
        del self._round[-self._each :]
        return [session for session in found if session.state is not State.ENDED]

    def _begin(self, sessions: Mapping[str, Session], limits: Limits) -> None:
        self._round = list(sessions.values())
        seconds = min(LONGEST, limits.idle / SHARE)
        self._each = ceil(len(self._round) / max(1, seconds // self._beat)) or 1
