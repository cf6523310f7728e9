"""Secrets are fetched once for many, kept no longer than said, and read again when they were refused."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from hoopgate.config.model import SecretRef
from hoopgate.errors import SecretError
from hoopgate.interfaces import ISecretSource
from hoopgate.secrets import Secrets

REF = SecretRef("vault", "shop")
OTHER = SecretRef("vault", "other")


@implementer(ISecretSource)
class Vault:
    """Answers when the test says so."""

    def __init__(self):
        self.asked = []

    def fetch(self, rest):
        self.asked.append((rest, Deferred()))
        return self.asked[-1][1]

    def answer(self, number, value):
        deferred = self.asked[number][1]
        deferred.errback(value) if isinstance(value, Exception) else deferred.callback(value)


def parts(ttl=60.0):
    vault, clock = Vault(), Clock()
    return vault, clock, Secrets({"vault": vault}, clock, ttl)


def value_of(deferred):
    """The result now; an error is raised."""
    results = []
    deferred.addBoth(results.append)
    assert results, "has not fired"
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


def test_many_askers_one_fetch_and_a_cache_that_ends():
    vault, clock, secrets = parts()
    first, second, other = secrets.get(REF), secrets.get(REF), secrets.get(OTHER)
    assert [rest for rest, _ in vault.asked] == ["shop", "other"]
    clock.advance(5)
    vault.answer(0, b"one\n")
    vault.answer(1, b"two")
    assert (value_of(first), value_of(second), value_of(other)) == (b"one", b"one", b"two")
    clock.advance(54.9)
    assert value_of(secrets.get(REF)) == b"one"
    clock.advance(0.1)  # 60 s since the fetch began, not since it ended
    third = secrets.get(REF)
    assert not third.called
    vault.answer(2, b"three")
    assert value_of(third) == b"three"


def test_values_leave_memory_when_they_are_too_old():
    vault, clock, secrets = parts()
    secrets.get(REF)
    vault.answer(0, b"one")
    clock.advance(61)
    secrets.get(OTHER)
    assert b"one" not in [value for _, value in secrets._values.values()]
    assert "one" not in repr(secrets)


def test_a_ttl_of_zero_fetches_each_time():
    vault, _, secrets = parts(ttl=0.0)
    for number in range(3):
        got = secrets.get(REF)
        vault.answer(number, b"x")
        assert value_of(got) == b"x"
    assert len(vault.asked) == 3


def test_refresh_does_not_take_what_was_already_under_way():
    vault, _, secrets = parts()
    early = secrets.get(REF)
    late, later = secrets.refresh(REF), secrets.refresh(REF)
    joined = secrets.get(REF)  # asked after a refusal: wants the newer one too
    vault.answer(0, b"old")
    assert value_of(early) == b"old"
    assert not late.called
    assert len(vault.asked) == 2
    vault.answer(1, b"new")
    assert [value_of(each) for each in (late, later, joined, secrets.get(REF))] == [b"new"] * 4
    assert len(vault.asked) == 2


def test_a_herd_whose_secret_was_refused_fetches_once():
    vault, _, secrets = parts()
    secrets.get(REF)
    vault.answer(0, b"old")
    first = secrets.refresh(REF, b"old")
    vault.answer(1, b"new")
    assert value_of(first) == b"new"
    assert value_of(secrets.refresh(REF, b"old")) == b"new"  # somebody has already brought a newer one
    assert len(vault.asked) == 2
    secrets.refresh(REF, b"new")
    assert len(vault.asked) == 3


def test_failures_are_told_to_all_and_not_cached():
    vault, _, secrets = parts()
    first, second = secrets.get(REF), secrets.get(REF)
    vault.answer(0, SecretError("vault:shop is sealed"))
    for each in (first, second):
        with pytest.raises(SecretError, match="sealed"):
            value_of(each)
    again = secrets.get(REF)
    vault.answer(1, b"x")
    assert value_of(again) == b"x"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ValueError("the password hunter2 has a bad letter"), "could not be fetched: ValueError"),
        (b"\n", "is empty"),
        (b"", "is empty"),
        ("text", "gave no bytes"),
        (None, "gave no bytes"),
        (b"x" * 70_000, "is larger than"),
    ],
)
def test_what_is_no_secret(answer, says):
    vault, _, secrets = parts()
    got = secrets.get(REF)
    vault.answer(0, answer)
    with pytest.raises(SecretError, match=says) as caught:
        value_of(got)
    assert "hunter2" not in str(caught.value)
    assert "vault:shop" in str(caught.value)


def test_a_source_that_raises_or_is_missing():
    class Broken:
        def fetch(self, rest):
            raise RuntimeError("hunter2")

    secrets = Secrets({"vault": Broken()}, Clock(), 60.0)
    with pytest.raises(SecretError, match="RuntimeError"):
        value_of(secrets.get(REF))
    with pytest.raises(SecretError, match="no source has the scheme 'nil'"):
        value_of(secrets.get(SecretRef("nil", "x")))


def test_a_source_that_never_answers_is_given_up():
    vault, clock, secrets = parts()
    got, waiting = secrets.get(REF), secrets.refresh(REF)
    clock.advance(10)
    with pytest.raises(SecretError, match="did not come in time"):
        value_of(got)
    assert len(vault.asked) == 2  # the refresh goes on with a fetch of its own
    vault.answer(1, b"x")
    assert value_of(waiting) == b"x"
    assert clock.getDelayedCalls() == []


def test_one_who_gives_up_leaves_the_fetch_to_the_others():
    vault, _, secrets = parts()
    first, second = secrets.get(REF), secrets.get(REF)
    first.cancel()
    with pytest.raises(CancelledError):
        value_of(first)
    second.addCallback(lambda value: value)
    vault.answer(0, b"x")
    assert value_of(second) == b"x"


def test_one_waiter_may_cancel_another_from_its_callback():
    vault, _, secrets = parts()
    first = secrets.get(REF)
    second = secrets.get(REF)
    first.addCallback(lambda value: second.cancel())
    second.addErrback(lambda failure: failure.trap(CancelledError) and None)
    third = secrets.get(REF)
    vault.answer(0, b"x")
    assert value_of(third) == b"x"


def test_sources_that_answer_at_once():
    class Quick:
        def fetch(self, rest):
            return succeed(rest.encode()) if rest == "shop" else fail(SecretError("no"))

    secrets = Secrets({"vault": Quick()}, Clock(), 60.0)
    assert value_of(secrets.get(REF)) == b"shop"
    assert value_of(secrets.refresh(REF)) == b"shop"
    with pytest.raises(SecretError):
        value_of(secrets.get(OTHER))
    secrets.clear()
    assert secrets._values == {}
