"""SCRAM's keys: worked out elsewhere, once for all who wait, kept for a while, and not a moment longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgate.codecs.postgresql.scram import Derivation, Keys
from hoopgate.config.limits import Limits
from hoopgate.errors import UpstreamError
from hoopgate.protocols.postgresql import derived
from hoopgate.protocols.postgresql.derived import DerivedKeys

ONE = Derivation(b"secret", b"salt", 4096)


@define
class Threads:
    """Work waits until it is let go."""

    waiting: list[tuple[Callable[[], Keys], Deferred[Keys]]] = field(factory=list)
    done: int = 0

    def run(self, work: Callable[[], Keys]) -> Deferred[Keys]:
        answer: Deferred[Keys] = Deferred()
        self.waiting.append((work, answer))
        return answer

    def finish(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work, answer in waiting:
            self.done += 1
            answer.callback(work())


@pytest.fixture
def threads() -> Threads:
    return Threads()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def kept(threads: Threads, clock: Clock, **limits: float) -> DerivedKeys:
    return DerivedKeys(threads.run, clock, Limits(**limits))  # type: ignore[arg-type]


def keys(cache: DerivedKeys, threads: Threads, derivation: Derivation = ONE) -> Keys:
    found: list[Keys] = []
    cache.get(derivation).addCallback(found.append)
    threads.finish()
    return found[0]


def test_they_are_those_of_the_password(threads: Threads, clock: Clock) -> None:
    assert keys(kept(threads, clock), threads) == ONE.keys()


def test_the_reactor_never_derives(threads: Threads, clock: Clock) -> None:
    answer = kept(threads, clock).get(ONE)
    assert not answer.called


def test_they_are_kept_as_long_as_a_secret(threads: Threads, clock: Clock) -> None:
    cache = kept(threads, clock, secret_ttl=30.0)
    keys(cache, threads)
    clock.advance(29.9)
    assert cache.get(ONE).called
    clock.advance(0.1)
    assert not cache.get(ONE).called


def test_a_clock_that_is_set_back_lengthens_nothing(threads: Threads) -> None:
    clock = Clock()
    clock.advance(100.0)
    cache = kept(threads, clock)
    keys(cache, threads)
    clock.rightNow = 50.0
    assert not cache.get(ONE).called


@pytest.mark.parametrize(
    "other",
    [
        Derivation(b"Secret", b"salt", 4096),
        Derivation(b"secret", b"salu", 4096),
        Derivation(b"secret", b"salt", 4097),
        Derivation(b"secretsalt", b"", 4096),
    ],
)
def test_another_password_salt_or_count_is_another_key(threads: Threads, clock: Clock, other: Derivation) -> None:
    """A password that was exchanged never meets the old one's keys."""
    cache = kept(threads, clock)
    assert keys(cache, threads) != keys(cache, threads, other)
    assert threads.done == 2


def test_who_asks_meanwhile_waits_for_the_same_work(threads: Threads, clock: Clock) -> None:
    cache = kept(threads, clock)
    found: list[Keys] = []
    for _ in range(3):
        cache.get(ONE).addCallback(found.append)
    threads.finish()
    assert (found, threads.done) == ([ONE.keys()] * 3, 1)


def test_a_login_that_is_given_up_leaves_the_work_to_the_others(threads: Threads, clock: Clock) -> None:
    cache = kept(threads, clock)
    found: list[object] = []
    given_up = cache.get(ONE)
    given_up.addErrback(lambda failure: None)
    cache.get(ONE).addCallback(found.append)
    given_up.cancel()
    threads.finish()
    assert found == [ONE.keys()]


def test_a_failure_reaches_all_who_wait_and_is_not_kept(threads: Threads, clock: Clock) -> None:
    cache = kept(threads, clock)
    failures: list[Failure] = []
    for _ in range(2):
        cache.get(ONE).addErrback(failures.append)
    ((_, answer),) = threads.waiting
    threads.waiting.clear()
    answer.errback(MemoryError())
    assert [failure.type for failure in failures] == [MemoryError] * 2
    assert keys(cache, threads) == ONE.keys()


def test_a_target_that_tells_each_login_another_salt_is_bounded(threads: Threads, clock: Clock) -> None:
    cache = kept(threads, clock, derived_keys=8)
    for number in range(20):
        keys(cache, threads, Derivation(b"secret", bytes([number]), 4096))
    assert len(cache) == 8
    for number in range(derived.UNDER_WAY):
        cache.get(Derivation(b"secret", b"x" + bytes([number]), 4096))
    failures: list[Failure] = []
    cache.get(ONE).addErrback(failures.append)
    assert failures[0].type is UpstreamError


def test_a_reload_forgets_all(threads: Threads, clock: Clock) -> None:
    cache = kept(threads, clock)
    keys(cache, threads)
    cache.reload(Limits())
    assert len(cache) == 0


def test_no_password_and_no_key_stands_in_what_is_shown(threads: Threads, clock: Clock) -> None:
    cache, derivation = kept(threads, clock), Derivation(b"hunter2", b"salt", 4096)
    found = keys(cache, threads, derivation)
    shown = repr(vars(cache))
    assert "hunter2" not in shown
    assert repr(found.client)[2:-1] not in shown
