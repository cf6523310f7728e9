"""One issuer's public keys: found by discovery, cached, rotated, and kept through the issuer's outage.

Sources: OpenID Connect Discovery 1.0, section 4 (whose ``issuer`` must be exactly ours); RFC 7517 (JWKS).
Whoever sends tokens can make us fetch at most once per ``unknown_key_cooldown``, and one fetch serves all who wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.config.model import Issuer
from hoopgate.errors import AuthenticationError
from hoopgate.identity.jose import Key, Unverified, key_of, refused
from hoopgate.identity.strict import json_object
from hoopgate.identity.urls import is_loopback

Fetch = Callable[[str], "Deferred[bytes]"]
"""GET of an https URL: fires with the body of a 200, fails with anything else. Bounds the body's length itself."""


class UnreachableIssuerError(AuthenticationError):
    """Nothing is known against the token: the issuer's keys cannot be had, nor do cached ones serve any more."""

    def __init__(self, issuer: str) -> None:
        super().__init__("the identity provider cannot be reached; try again shortly", detail=f"no keys of {issuer}")


_FETCH_TIMEOUT = 5.0  # seconds for one document: two of them fit into limits.handshake
_RETRY = 5.0  # seconds between attempts while there are no keys to serve
_MOST_KEYS = 100
_MOST_CANDIDATES = 4  # keys tried for a token that names none


def check_issuer_url(issuer: Issuer, url: str) -> str:
    """``url`` if keys may be fetched from it: https, or http on loopback for a development issuer."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname and "@" not in parts.netloc:
        return url
    if parts.scheme == "http" and issuer.development and is_loopback(url):
        return url
    raise ValueError(f"{url[:200]!r} is not an https address")


class IssuerKeys:
    """The key set of one issuer. ``clock.seconds()`` is epoch time. ``generation`` changes with the key set."""

    _log = Logger()

    def __init__(self, issuer: Issuer, fetch: Fetch, clock: IReactorTime) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self.generation = 0
        self._published: list[Any] = []  # the set as the issuer wrote it
        self._jwks_uri = ""
        self._fetched: float | None = None  # the last success
        self._failed: float | None = None  # the last failure since then
        self._asked_unknown: float | None = None
        self._waiting: list[Deferred[None]] = []

    async def verify(self, token: Unverified) -> None:
        """Return if one of the issuer's keys signed the token; raise AuthenticationError otherwise."""
        if not self.is_fresh():
            await self._renew()
        candidates = self._candidates(token)
        if any(key.verify(token) for key in candidates):
            return
        if (token.kid is None or not candidates) and await self._ask_again():
            candidates = self._candidates(token)
            if any(key.verify(token) for key in candidates):
                return
        if not candidates:
            raise refused("none of the issuer's keys has its kid and algorithm")
        raise refused("its signature is not the issuer's")

    def refresh(self) -> Deferred[None]:
        """Fetch now, or join the fetch under way. Fails as the fetch does; the old keys then stay."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            Deferred.fromCoroutine(self._load()).addBoth(self._landed)
        return waiting

    def _age(self) -> float | None:
        return None if self._fetched is None else abs(self._clock.seconds() - self._fetched)

    def is_fresh(self) -> bool:
        """Younger than ``keys_ttl``: nothing was withdrawn that we should know of."""
        age = self._age()
        return age is not None and age < self._issuer.keys_ttl

    def _is_serving(self) -> bool:
        age = self._age()
        return age is not None and age <= self._issuer.keys_outage

    def _candidates(self, token: Unverified) -> tuple[Key, ...]:
        found = tuple(
            key
            for key in self._keys
            if token.algorithm in key.algorithms and (token.kid is None or token.kid == key.kid)
        )
        if len(found) > _MOST_CANDIDATES:
            raise refused("it names no kid, or one that too many of the issuer's keys share")
        return found

    async def _renew(self) -> None:
        """Past the TTL: new keys, or the old ones as long as ``keys_outage`` lets them serve."""
        pause = self._issuer.unknown_key_cooldown if self._is_serving() else _RETRY
        due = self._waiting or self._failed is None or abs(self._clock.seconds() - self._failed) >= pause
        if due and await self._refreshed():
            return
        if not self._is_serving():
            self._keys, self._published = (), []
            self.generation += 1
            raise UnreachableIssuerError(self._issuer.name)

    async def _ask_again(self) -> bool:
        """For a key we do not know: True after a fetch, False where the cool-down forbids one or it failed."""
        if not self._waiting:
            now, last = self._clock.seconds(), self._asked_unknown
            if last is not None and abs(now - last) < self._issuer.unknown_key_cooldown:
                return False
            self._asked_unknown = now
        return await self._refreshed()

    async def _refreshed(self) -> bool:
        try:
            await self.refresh()
        except UnreachableIssuerError:  # logged where it failed
            return False
        return True

    def _landed(self, result: Failure | None) -> None:
        now, waiting, self._waiting = self._clock.seconds(), self._waiting, []
        if isinstance(result, Failure):
            self._failed = now
            self._jwks_uri = ""  # it may have moved: discover anew
            self._log.warn(
                "keys of issuer {issuer} could not be fetched: {reason}",
                issuer=self._issuer.name,
                reason=result.getErrorMessage()[:300],
            )
        else:
            self._fetched, self._failed = now, None
        for one in waiting:
            if isinstance(result, Failure):
                one.errback(UnreachableIssuerError(self._issuer.name))
            else:
                one.callback(None)

    async def _load(self) -> None:
        if not self.is_fresh():
            self._jwks_uri = ""
        if not self._jwks_uri:
            self._jwks_uri = await self._discover()
        document = await self._get(self._jwks_uri)
        members = document.get("keys")
        if not isinstance(members, list) or len(members) > _MOST_KEYS:
            raise ValueError("the key set holds no list of keys, or too long a one")
        keys = (key_of(member, self._issuer.algorithms) for member in members)
        # A well-formed set is the issuer's word, even an empty one: keys it withdrew verify nothing any more.
        self._keys = tuple(key for key in keys if key is not None)
        if members != self._published:
            self._published = members
            self.generation += 1

    async def _discover(self) -> str:
        document = await self._get(self._issuer.url.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self._issuer.url:
            raise ValueError(f"discovery names another issuer than {self._issuer.url}")
        uri = document.get("jwks_uri")
        if not isinstance(uri, str):
            raise ValueError("discovery names no jwks_uri")
        return uri

    async def _get(self, url: str) -> dict[str, Any]:
        body = self._fetch(check_issuer_url(self._issuer, url))
        return json_object(await body.addTimeout(_FETCH_TIMEOUT, self._clock))
