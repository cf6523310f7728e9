"""Cancel keys name one session and its worker; requests are counted, and one at a time is on its way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate.cancel import LONG, SHORT, CancelKeys, Pace, SingleFlight, worker_of


@given(st.integers(0, 126), st.booleans())
def test_a_process_id_names_its_worker(worker: int, long: bool) -> None:
    keys: CancelKeys[str] = CancelKeys(worker)
    pid, key = keys.issue("ada's", long=long)
    assert 0 < pid < 1 << 31
    assert worker_of(pid) == worker
    assert len(key) == (LONG if long else SHORT)
    assert keys.owner(pid, key) == "ada's"


@pytest.mark.parametrize("wrong", [b"", b"none", b"\0\0\0\0"])
def test_a_wrong_key_is_nobodys(wrong: bytes) -> None:
    keys: CancelKeys[str] = CancelKeys()
    pid, key = keys.issue("ada's", long=False)
    assert keys.owner(pid, wrong if wrong != key else b"else") is None
    assert keys.owner(pid ^ 1, key) is None


def test_a_session_that_ended_has_no_key_and_leaves_the_others_theirs() -> None:
    keys: CancelKeys[str] = CancelKeys()
    gone, stays = keys.issue("gone", long=True), keys.issue("stays", long=True)
    keys.forget("gone")
    keys.forget("gone")
    assert keys.owner(*gone) is None
    assert keys.owner(*stays) == "stays"


def test_another_key_replaces_the_first() -> None:
    keys: CancelKeys[str] = CancelKeys()
    first = keys.issue("ada's", long=False)
    second = keys.issue("ada's", long=False)
    assert (keys.owner(*first), keys.owner(*second)) == (None, "ada's")


def test_so_many_a_second_and_no_more() -> None:
    clock, limit = Clock(), [3]
    pace = Pace(clock, lambda: limit[0])
    assert [pace.allows() for _ in range(5)] == [True, True, True, False, False]
    clock.advance(1)
    assert pace.allows()
    limit[0] = 1
    assert not pace.allows()


def test_asked_again_meanwhile_it_goes_once_more() -> None:
    """A cancel that comes while one is under way may mean the next statement; a thousand of them are one more."""
    begun: list[tuple[str, Deferred[None]]] = []

    def start(owner: str) -> Deferred[None]:
        begun.append((owner, Deferred()))
        return begun[-1][1]

    flight = SingleFlight(start)
    for _ in range(1000):
        flight.ask("a")
    flight.ask("b")
    assert [owner for owner, _ in begun] == ["a", "b"]
    begun[0][1].callback(None)
    assert [owner for owner, _ in begun] == ["a", "b", "a"]
    begun[2][1].callback(None)
    begun[1][1].callback(None)
    assert len(begun) == 3
    flight.ask("a")
    assert len(begun) == 4
