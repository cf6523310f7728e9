"""Ends come in time, and ten thousand sessions that sit are hardly looked at."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from hoopgate.config.limits import Limits
from hoopgate.interfaces import Identity
from hoopgate.rounds import LONGEST, Rounds
from hoopgate.session import State

BEAT = 0.5


@define(eq=False)
class Sitting:
    """What rounds see of a session."""

    started: float = 0.0
    expires: float | None = None
    state: State = State.OPEN

    @property
    def identity(self) -> Identity:
        return Identity("issuer", "subject", expires=self.expires)


@define
class House:
    rounds: Rounds = field(factory=lambda: Rounds(BEAT))
    limits: Limits = field(factory=Limits)
    sessions: dict[str, Any] = field(factory=dict)

    def open(self, session: Sitting) -> Sitting:
        self.sessions[str(len(self.sessions))] = session
        self.rounds.enter(session)  # type: ignore[arg-type]
        return session

    def due(self, now: float) -> list[Any]:
        return self.rounds.due(self.sessions, now, self.limits)


def filled(number: int, **limits: float) -> House:
    house = House(limits=Limits(**limits))  # type: ignore[arg-type]
    for _ in range(number):
        house.open(Sitting())
    return house


def test_ten_thousand_are_asked_once_in_half_a_minute() -> None:
    house = filled(10_000)
    beats = [house.due(number * BEAT) for number in range(int(LONGEST / BEAT))]
    assert max(map(len, beats)) <= 170
    assert len({id(session) for beat in beats for session in beat}) == 10_000


def test_a_short_limit_of_silence_is_watched_at_each_beat() -> None:
    house = filled(50, idle=2.0)
    assert len(house.due(0.0)) == len(house.due(BEAT)) == 50


def test_a_session_ends_late_by_a_hundredth_of_the_limit_of_silence_at_most() -> None:
    house = filled(1000, idle=500.0)
    seen = {id(session) for number in range(10) for session in house.due(number * BEAT)}
    assert len(seen) == 1000


def test_a_token_ends_its_session_at_the_next_beat() -> None:
    house = filled(10_000)
    house.due(0.0)  # begins a round without the next one
    short = house.open(Sitting(expires=7.0))
    assert short not in house.due(6.9)
    assert short in house.due(7.0)


def test_the_limit_of_time_ends_a_session_at_the_next_beat() -> None:
    house = House(limits=Limits(session=100.0))
    first = house.open(Sitting(started=0.0))
    for number in range(5000):
        house.open(Sitting(started=50.0 + number / 1000))
    assert house.due(100.0)[0] is first
    first.state = State.ENDED
    del house.sessions["0"]
    assert first not in house.due(100.5)


def test_a_session_that_opens_in_mid_round_is_asked_in_the_next() -> None:
    house = filled(100)
    house.due(0.0)
    late = house.open(Sitting())
    asked = [late in house.due(number * BEAT) for number in range(1, 1 + 2 * int(LONGEST / BEAT))]
    assert any(asked)


def test_who_has_ended_is_not_asked() -> None:
    house = filled(3, idle=1.0)
    gone = house.open(Sitting(expires=1.0))
    gone.state = State.ENDED
    assert gone not in house.due(2.0)


def test_sessions_that_end_before_their_tokens_do_not_pile_up() -> None:
    house = House()
    for _ in range(5000):
        session = Sitting(expires=1e9)
        house.rounds.enter(session)  # type: ignore[arg-type]
        session.state = State.ENDED
    assert len(house.rounds._ends) < 200


def test_an_empty_house_costs_nothing() -> None:
    assert House().due(1.0) == []
