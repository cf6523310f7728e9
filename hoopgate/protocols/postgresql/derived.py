"""The keys that SCRAM makes of a target's password: derived off the reactor's thread, and kept for a while.

4096 rounds of HMAC take milliseconds, and a server's salt stays the same until its password changes.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final

from attrs import frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from hoopgate.codecs.postgresql.scram import Derivation, Keys
from hoopgate.config.limits import Limits
from hoopgate.errors import UpstreamError

InThread = Callable[[Callable[[], Keys]], "Deferred[Keys]"]
UNDER_WAY: Final = 64  # derivations at once: a target picks its salt, so each login may be told another


@frozen
class _Kept:
    keys: Keys
    since: float


class DerivedKeys:
    """``limits.derived_keys`` of them at most, each for ``limits.secret_ttl`` seconds, as the secret itself.

    ``in_thread`` runs a function where it blocks nobody. A password that was exchanged is another one, so its old
    keys are never found again. The passwords are not kept: an entry's name is their HMAC under a key of chance.
    """

    def __init__(self, in_thread: InThread, clock: IReactorTime, limits: Limits) -> None:
        self._in_thread = in_thread
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._kept: dict[bytes, _Kept] = {}
        self._waiting: dict[bytes, list[Deferred[Keys]]] = {}
        self._limits = limits

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, derivation: Derivation) -> Deferred[Keys]:
        """The keys. Fails with UpstreamError where too many are being derived."""
        name = self._name(derivation)
        kept = self._kept.get(name)
        if kept is not None and 0 <= self._clock.seconds() - kept.since < self._limits.secret_ttl:
            return succeed(kept.keys)
        waiting = self._waiting.get(name)
        if waiting is None:
            if len(self._waiting) >= UNDER_WAY:
                return fail(UpstreamError("too many logins to targets are under way"))
            waiting = self._waiting[name] = []
            mine = _join(waiting)  # before the work, which may be done at once
            self._in_thread(derivation.keys).addBoth(self._derived, name)
            return mine
        return _join(waiting)

    def reload(self, limits: Limits) -> None:
        """Forget all, and keep to these limits."""
        self._limits = limits
        self._kept.clear()

    def _derived(self, outcome: Keys | Failure, name: bytes) -> None:
        waiting = self._waiting.pop(name)
        if isinstance(outcome, Keys):
            self._keep(name, outcome)
        for waiter in tuple(waiting):
            waiter.callback(outcome)  # a Failure given to callback() runs the errbacks

    def _keep(self, name: bytes, keys: Keys) -> None:
        self._kept.pop(name, None)
        while self._kept and len(self._kept) >= self._limits.derived_keys:
            del self._kept[next(iter(self._kept))]
        if self._limits.derived_keys:
            self._kept[name] = _Kept(keys, self._clock.seconds())

    def _name(self, derivation: Derivation) -> bytes:
        # Each part has a fixed place: no password's end can pass for a salt's beginning.
        inner = hmac.digest(self._key, derivation.password, "sha256")
        return hmac.digest(inner, derivation.iterations.to_bytes(4, "big") + derivation.salt, "sha256")


def _join(waiting: list[Deferred[Keys]]) -> Deferred[Keys]:
    """A Deferred of the caller's own: cancelling it leaves the work to the others."""
    mine: Deferred[Keys] = Deferred(waiting.remove)
    waiting.append(mine)
    return mine
