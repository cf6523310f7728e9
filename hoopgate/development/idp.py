"""DEVELOPMENT ONLY: an OpenID provider on loopback that lets anybody be anybody.

It has real keys and real protocol (discovery, JWKS, client credentials, device flow, refresh), and no
passwords: who reaches it picks a person. So it serves loopback alone, says what it is on every page, in every
answer's headers, in every token and in the log, and refuses to listen anywhere else.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final, cast

import jwt
from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.web.server import Site

from hoopgate.development.idp_grants import Grants
from hoopgate.development.idp_web import Root
from hoopgate.errors import ConfigError
from hoopgate.identity.urls import is_loopback_host

AUDIENCE: Final = "hoopgate"


@frozen
class Person:
    """Somebody whom the provider vouches for.

    ``name`` is what is picked; ``subject`` (default: the name) becomes ``sub``. With a ``secret`` it is a
    workload: it gets tokens by client credentials, its name being the client id. ``claims`` are added as they
    are, such as ``{"act": {"sub": "scout"}}`` for an agent that acts for a person.
    """

    name: str
    subject: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: dict[str, Any] = field(factory=dict)
    secret: str = field(default="", repr=False)


PEOPLE: Final = (
    Person("ada", email="ada@example.com", groups=("analysts",)),
    Person("grace", email="grace@example.com", groups=("analysts", "approvers")),
    Person("edsger", email="edsger@example.com", groups=("approvers",)),
    Person("scout", subject="ada", email="ada@example.com", groups=("agents",), claims={"act": {"sub": "scout"}}),
)


class DevelopmentIssuer:
    """The provider. ``url`` is known once it listens. Tokens are RS256, under a key made here and kept nowhere.

    ``audience`` is both the tokens' ``aud`` and the client id of the device flow; ``lifetime`` is in seconds.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        people: Sequence[Person] = PEOPLE,
        *,
        audience: str = AUDIENCE,
        lifetime: float = 3600.0,
        interval: float = 1.0,
    ) -> None:
        self.clock = clock
        self.people = {person.name: person for person in people}
        self.audience = audience
        self.lifetime = lifetime
        self.grants = Grants(clock, interval)
        self.url = ""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._kid = f"development-{secrets.token_hex(6)}"

    def listen(self, reactor: IReactorTCP, port: int = 0, address: str = "127.0.0.1") -> IListeningPort:
        """Listen (port 0: any free one). Raises ConfigError for an address that is not loopback."""
        if not is_loopback_host(address):
            raise ConfigError(
                f"the development identity provider may not listen on {address}",
                where="development issuer",
                remedy="Use 127.0.0.1: whoever reaches it can be anybody",
            )
        listening = reactor.listenTCP(port, cast(ServerFactory[Any], Site(Root(self))), interface=address)
        host = cast(IPv4Address, listening.getHost())
        self.url = f"http://[{host.host}]:{host.port}" if ":" in host.host else f"http://{host.host}:{host.port}"
        self._log.warn("DEVELOPMENT identity provider on {url}: whoever reaches it can be anybody", url=self.url)
        return listening

    def token(self, name: str, *, lifetime: float | None = None, **claims: Any) -> str:
        """A signed token for the person (KeyError: there is none); ``claims`` are added or replace others."""
        person, now = self.people[name], self.clock.seconds()
        payload = {
            "iss": self.url,
            "aud": self.audience,
            "azp": self.audience,
            "sub": person.subject or person.name,
            "iat": int(now),
            "exp": int(now + (self.lifetime if lifetime is None else lifetime)),
            "jti": secrets.token_urlsafe(9),
            "groups": list(person.groups),
            "scope": " ".join(("openid", *person.scopes)),
            "development": True,
        }
        if person.email:
            payload |= {"email": person.email, "email_verified": True}
        return jwt.encode(payload | person.claims | claims, self._key, "RS256", headers={"kid": self._kid})

    def metadata(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0, section 3; RFC 8628, section 4)."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device_authorization",
            "grant_types_supported": ["client_credentials", "refresh_token", self.grants.DEVICE_CODE],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "offline_access"],
            "hoopgate_development": True,
        }

    def jwks(self) -> dict[str, Any]:
        """The public key (RFC 7517)."""
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [public | {"kid": self._kid, "use": "sig", "alg": "RS256"}]}
