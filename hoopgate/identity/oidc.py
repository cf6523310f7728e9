"""Verifying one issuer's tokens. The order is RFC 8725's: shape, issuer, signature, then what the claims say."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from hoopgate.config.model import Issuer
from hoopgate.errors import ConfigError
from hoopgate.identity.claims import check_purpose, check_times, identity_of
from hoopgate.identity.jose import ALGORITHMS, Unverified
from hoopgate.identity.keys import Fetch, IssuerKeys, check_issuer_url
from hoopgate.interfaces import Identity


@frozen
class Verified:
    """``until`` is when (epoch seconds) the token stops being accepted, ``generation`` the key set that signed it."""

    identity: Identity
    until: float
    generation: int


class Verifier:
    """Verifies tokens of one issuer."""

    def __init__(self, issuer: Issuer, fetch: Fetch, clock: IReactorTime) -> None:
        """Raises ConfigError where the issuer's table cannot be served."""
        self.issuer = issuer
        self._clock = clock
        self._check()
        self._keys = IssuerKeys(issuer, fetch, clock)

    def _check(self) -> None:
        where = f"issuers.{self.issuer.name}"
        wrong = sorted(set(self.issuer.algorithms) - set(ALGORITHMS))
        if wrong or not self.issuer.algorithms:
            known = ", ".join(ALGORITHMS)
            raise ConfigError(f"algorithms {wrong} cannot be used", where=where, remedy=f"Choose from {known}")
        try:
            check_issuer_url(self.issuer, self.issuer.url)
        except ValueError as error:
            remedy = "Write an https:// address; http is for a development issuer on loopback alone"
            raise ConfigError(str(error), where=where, remedy=remedy) from error
        if "|" in self.issuer.url or not self.issuer.audience:
            raise ConfigError("url or audience is unusable", where=where, remedy="Name an audience, no | in the url")

    async def verify(self, token: Unverified) -> Verified:
        """Who presents a token whose ``iss`` is this issuer. Raises AuthenticationError."""
        await self._keys.verify(token)
        generation = self._keys.generation
        expires = check_times(token.claims, self._clock.seconds(), self.issuer.skew)
        check_purpose(token.claims, self.issuer)
        return Verified(identity_of(token.claims, self.issuer), expires + self.issuer.skew, generation)

    def still_vouches(self, verified: Verified) -> bool:
        """Whether the keys are fresh and none was withdrawn or exchanged since: else it must be verified again."""
        return self._keys.is_fresh() and verified.generation == self._keys.generation
