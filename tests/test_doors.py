"""Who makes room at the door."""

from __future__ import annotations

from hoopgate.config.limits import Limits
from hoopgate.doors import Doors


class Hall:
    def __init__(self, most: int, of_one: int) -> None:
        self.doors = Doors(lambda: Limits(half_open=most, half_open_per_address=of_one))
        self.dropped: list[tuple[str, str]] = []

    def enter(self, address: str, who: str) -> None:
        def drop(limit: str) -> None:
            self.dropped.append((who, limit))
            self.doors.leave(address, who)

        self.doors.enter(address, who, drop)


def test_the_oldest_of_an_address_with_too_many_goes() -> None:
    hall = Hall(10, 2)
    for who in ("a1", "a2", "a3"):
        hall.enter("a", who)
    assert hall.dropped == [("a1", "limits.half_open_per_address")]
    assert hall.doors.open == 2


def test_the_oldest_of_the_address_with_most_goes() -> None:
    hall = Hall(3, 3)
    hall.enter("a", "a1")
    for who in ("b1", "b2"):
        hall.enter("b", who)
    hall.enter("c", "c1")
    assert hall.dropped == [("b1", "limits.half_open")]


def test_who_works_goes_only_where_nobody_merely_waits() -> None:
    hall = Hall(3, 3)
    for address in "abc":
        hall.enter(address, address)
    hall.doors.worked("a", "a")
    hall.doors.worked("a", "a")
    for address in "def":
        hall.enter(address, address)
    assert [who for who, _ in hall.dropped] == ["b", "c", "d"]
    for address in "ef":
        hall.doors.worked(address, address)
    hall.enter("g", "g")
    assert hall.dropped[-1] == ("a", "limits.half_open")
    hall.doors.worked("nobody", "nobody")
    for address in "efg":
        hall.doors.leave(address, address)
    assert hall.doors.open == 0
    assert hall.doors._idle == hall.doors._working == {}


def test_of_one_address_the_idle_go_before_those_who_work() -> None:
    hall = Hall(10, 2)
    hall.enter("a", "a1")
    hall.doors.worked("a", "a1")
    hall.enter("a", "a2")
    hall.enter("a", "a3")
    hall.doors.worked("a", "a3")
    hall.enter("a", "a4")
    assert [who for who, _ in hall.dropped] == ["a2", "a1"]
