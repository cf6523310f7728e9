"""From what a client presented to who it is: an issuer's JWT, or a token of the gateway's own."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from hoopgate.config.limits import Limits
from hoopgate.config.model import Issuer
from hoopgate.errors import ConfigError
from hoopgate.identity.jose import parse, refused
from hoopgate.identity.keys import Fetch
from hoopgate.identity.oidc import Verifier
from hoopgate.identity.remembered import RememberedTokens
from hoopgate.identity.tokens import PREFIX, GatewayTokens
from hoopgate.interfaces import IAuthenticator, Identity


@implementer(IAuthenticator)
class Authenticator:
    """Verifies tokens of several issuers. An issuer that is not configured is refused without any fetch.

    ``fetch`` is asked for discovery and key sets; where an issuer has a ``ca`` of its own, ``fetch.trusting(ca)``
    must give the fetch to use (as :class:`hoopgate.identity.fetch.Fetcher` does). ``tokens`` may be None:
    then no gateway token is accepted. ``clock.seconds()`` is epoch time. ``limits`` may be set anew at a reload.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        fetch: Fetch,
        tokens: GatewayTokens | None,
        clock: IReactorTime,
        limits: Limits | None = None,
    ) -> None:
        """Raises ConfigError for an issuer that cannot be served, or two with the same url."""
        self._fetch = fetch
        self._tokens = tokens
        self._clock = clock
        self.limits = limits or Limits()
        self._verifiers: dict[str, Verifier] = {}
        self._remembered = RememberedTokens(clock)
        self.reload(issuers)

    def reload(self, issuers: Sequence[Issuer]) -> None:
        """Serve these issuers from now on; unchanged ones keep their keys. Raises ConfigError, changing nothing."""
        verifiers: dict[str, Verifier] = {}
        for issuer in issuers:
            if issuer.url in verifiers:
                where = f"issuers.{issuer.name}"
                raise ConfigError(f"{issuer.url} is configured twice", where=where, remedy="Merge the two tables")
            known = self._verifiers.get(issuer.url)
            if known is not None and known.issuer == issuer:
                verifiers[issuer.url] = known
            else:
                verifiers[issuer.url] = Verifier(issuer, self._fetch_for(issuer), self._clock)
        self._verifiers = verifiers
        self._remembered.clear()

    def authenticate(self, token: str) -> Deferred[Identity]:
        """Verify a bearer token. Fails with AuthenticationError, whose text tells no more than the client may know."""
        if token.startswith(PREFIX):
            return Deferred.fromCoroutine(self._own(token))
        known = self._remembered.find(token) if len(token) <= self.limits.token else None
        if known is not None:
            return succeed(known)
        return Deferred.fromCoroutine(self._foreign(token))

    def _fetch_for(self, issuer: Issuer) -> Fetch:
        if issuer.ca is None:
            return self._fetch
        trusting = getattr(self._fetch, "trusting", None)
        if trusting is None:
            where = f"issuers.{issuer.name}.ca"
            raise ConfigError("no authority of its own can be used here", where=where, remedy="Leave ca out")
        fetch: Fetch = trusting(issuer.ca)
        return fetch

    async def _own(self, token: str) -> Identity:
        if self._tokens is None:
            raise refused("gateway tokens are not in use")
        identity = await self._tokens.verify(token)
        behind = self._verifiers.get(identity.issuer)
        if behind is None:
            raise refused(f"the issuer behind token {identity.token_id} is no longer configured")
        return evolve(identity, decides=behind.issuer.approves)

    async def _foreign(self, token: str) -> Identity:
        unverified = parse(token, self.limits.token)
        issuer = unverified.claims.get("iss")
        verifier = self._verifiers.get(issuer) if isinstance(issuer, str) else None
        if verifier is None:
            raise refused(f"its iss is {str(issuer)[:200]!r}", "the token's issuer is not known here")
        verified = await verifier.verify(unverified)
        if self._verifiers.get(verifier.issuer.url) is not verifier:
            raise refused("its issuer was reconfigured meanwhile")
        self._remembered.keep(token, verified, verifier, self.limits)
        return verified.identity
