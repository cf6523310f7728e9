"""``Secrets``: fetched at each use, cached for a short while, each reference by one fetch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field
from twisted.internet import defer
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from hoopgate import plugins
from hoopgate.config.model import SecretRef
from hoopgate.errors import SecretError
from hoopgate.interfaces import ISecretSource
from hoopgate.secrets.material import checked

GROUP = "hoopgate.secrets"


@define
class _Flight:
    """One fetch under way: who waits for it, and who asked since for a fetch that begins later (None: nobody)."""

    waiting: list[Deferred[bytes]]
    again: list[Deferred[bytes]] | None = None


@define(eq=False)
class Secrets:
    """``sources`` by scheme, ``ttl`` seconds that a value may be used again, ``limit`` seconds that a fetch may take.

    Nothing is served once it is older than ``ttl``, an outage of the source or not; failures are not cached.
    """

    sources: Mapping[str, ISecretSource]
    clock: IReactorTime
    ttl: float = 60.0
    limit: float = 10.0
    _values: dict[SecretRef, tuple[float, bytes]] = field(factory=dict, init=False, repr=False)
    _flights: dict[SecretRef, _Flight] = field(factory=dict, init=False, repr=False)

    def get(self, ref: SecretRef) -> Deferred[bytes]:
        """The secret, at most ``ttl`` seconds old. Fails with SecretError."""
        self._forget_old()
        kept = self._values.get(ref)
        if kept is not None:
            return succeed(kept[1])
        flight = self._flights.get(ref)
        if flight is None:
            return self._launch(ref)
        return _join(flight.waiting if flight.again is None else flight.again)

    def refresh(self, ref: SecretRef, refused: bytes | None = None) -> Deferred[bytes]:
        """The secret by a fetch that begins now or later: what was cached or under way may be what was refused.

        Where ``refused`` is given and another caller has already brought something newer, that is the answer.
        """
        kept = self._values.get(ref)
        if refused is not None and kept is not None and kept[1] != refused and self._fresh(kept[0]):
            return succeed(kept[1])
        self._values.pop(ref, None)
        flight = self._flights.get(ref)
        if flight is None:
            return self._launch(ref)
        if flight.again is None:
            flight.again = []
        return _join(flight.again)

    def clear(self) -> None:
        """Forget every value, as after a reload of the configuration."""
        self._values.clear()

    def _fresh(self, fetched: float) -> bool:
        return 0 <= self.clock.seconds() - fetched < self.ttl  # a clock that was set back lengthens nothing

    def _forget_old(self) -> None:
        for ref in [ref for ref, (fetched, _) in self._values.items() if not self._fresh(fetched)]:
            del self._values[ref]

    def _launch(self, ref: SecretRef) -> Deferred[bytes]:
        waiting: list[Deferred[bytes]] = []
        mine = _join(waiting)  # before the fetch, which may end at once
        self._fly(ref, waiting)
        return mine

    def _fly(self, ref: SecretRef, waiting: list[Deferred[bytes]]) -> None:
        flight = self._flights[ref] = _Flight(waiting)
        self._fetch(ref).addBoth(self._landed, ref, flight, self.clock.seconds())

    def _fetch(self, ref: SecretRef) -> Deferred[bytes]:
        source = self.sources.get(ref.scheme)
        if source is None:
            return fail(SecretError(f"{ref}: no source has the scheme {ref.scheme!r}"))
        fetching: Deferred[bytes] = maybeDeferred(source.fetch, ref.rest)
        fetching.addTimeout(self.limit, self.clock)
        fetching.addCallback(_sound, ref)
        return fetching.addErrback(_told, ref)

    def _landed(self, result: bytes | Failure, ref: SecretRef, flight: _Flight, began: float) -> None:
        del self._flights[ref]
        if flight.again is None and isinstance(result, bytes):
            self._values[ref] = (began, result)
        if flight.again:
            self._fly(ref, flight.again)
        for waiter in tuple(flight.waiting):
            if not waiter.called:  # another waiter's callback may have cancelled this one
                waiter.callback(result)  # a Failure given to callback() runs the errbacks


def _join(waiting: list[Deferred[bytes]]) -> Deferred[bytes]:
    """A Deferred of the caller's own: cancelling it leaves the fetch to the others."""
    mine: Deferred[bytes] = Deferred(waiting.remove)
    waiting.append(mine)
    return mine


def _sound(value: object, ref: SecretRef) -> bytes:
    """What a source gave, third parties' too. An empty password must never reach a target."""
    if not isinstance(value, bytes):
        raise SecretError(f"{ref}: the source gave no bytes")
    return checked(value, str(ref))


def _told(failure: Failure, ref: SecretRef) -> Failure:
    """Every fault as a SecretError. The text of an unknown exception may hold the secret: its type alone is told."""
    error = failure.value
    if isinstance(error, SecretError):
        return failure
    if isinstance(error, defer.TimeoutError):
        raise SecretError(f"{ref} did not come in time")
    raise SecretError(f"{ref} could not be fetched: {type(error).__name__}")


def secret_sources(reactor: Any) -> dict[str, ISecretSource]:
    """The sources of every scheme that is installed, ready for :class:`Secrets`. Raises PluginError."""
    factories = plugins.load_plugins(GROUP)
    return {scheme: plugins.make(GROUP, scheme, factory, reactor) for scheme, factory in factories.items()}
