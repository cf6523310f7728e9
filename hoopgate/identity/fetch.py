"""What is asked of issuers: discovery, key sets, logins. Over verified TLS, bounded, never redirected, never inflated.

A plain ``Agent`` does it: a convenience client on top would follow redirects, keep cookies and inflate gzip
without a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.crypto import X509
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, FileBodyProducer, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS

from hoopgate.config.model import SecretRef
from hoopgate.identity.keys import Fetch

_CONNECT_TIMEOUT = 4.0  # seconds
_LONGEST_BODY = 512 * 1024  # bytes


class _Body(Protocol):
    def __init__(self) -> None:
        self.whole: Deferred[bytes] = Deferred(self._abort)
        self._parts: list[bytes] = []
        self._length = 0

    def _abort(self, _: Deferred[bytes]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        self._length += len(data)
        if self._length > _LONGEST_BODY:
            self._parts.clear()
            if not self.whole.called:
                self.whole.errback(ValueError(f"the answer is longer than {_LONGEST_BODY} bytes"))
            self._abort(self.whole)
            return
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        # Without a length the end of the connection is the only end there is; cut JSON does not parse.
        if isinstance(reason.value, (ResponseDone, PotentialDataLoss)):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(reason)


class Fetcher:
    """Callable as :data:`hoopgate.identity.keys.Fetch`. ``secret`` resolves a ``ca``: ``Secrets.get``."""

    def __init__(self, reactor: Any, secret: Callable[[SecretRef], Deferred[bytes]] | None = None) -> None:
        self._reactor = reactor
        self._secret = secret
        self._policy: IPolicyForHTTPS = BrowserLikePolicyForHTTPS()

    def __call__(self, url: str) -> Deferred[bytes]:
        """The body of a 200 answer. Fails with ValueError, or as the connection does."""
        return Deferred.fromCoroutine(self._get(url, self._policy))

    def trusting(self, ca: SecretRef) -> Fetch:
        """A fetch that trusts the authorities in ``ca`` (PEM, read anew each time) and no others."""

        async def fetch(url: str) -> bytes:
            if self._secret is None:
                raise ValueError("no secret source was given to read a ca from")
            return await self._get(url, policy_trusting(await self._secret(ca)))

        return lambda url: Deferred.fromCoroutine(fetch(url))

    def post(self, url: str, form: Mapping[str, str], ca: SecretRef | None = None) -> Deferred[tuple[int, bytes]]:
        """Status and body of the answer to a form; with ``ca`` as :meth:`trusting`. Fails as the connection does."""
        return Deferred.fromCoroutine(self._post(url, urlencode(form).encode("ascii"), ca))

    async def _post(self, url: str, form: bytes, ca: SecretRef | None) -> tuple[int, bytes]:
        policy = self._policy
        if ca is not None:
            if self._secret is None:
                raise ValueError("no secret source was given to read a ca from")
            policy = policy_trusting(await self._secret(ca))
        return await self._ask(b"POST", url, policy, form)

    async def _get(self, url: str, policy: IPolicyForHTTPS) -> bytes:
        code, content = await self._ask(b"GET", url, policy)
        if code != 200:
            raise ValueError(f"{url} answers {code}")
        return content

    async def _ask(self, method: bytes, url: str, policy: IPolicyForHTTPS, form: bytes = b"") -> tuple[int, bytes]:
        agent = Agent(self._reactor, policy, connectTimeout=_CONNECT_TIMEOUT)
        headers = Headers({"Accept": ["application/json"], "User-Agent": ["hoopgate"]})
        if form:
            headers.addRawHeader("Content-Type", "application/x-www-form-urlencoded")
        producer: Any = FileBodyProducer(BytesIO(form)) if form else None
        response = await agent.request(method, url.encode("ascii"), headers, producer)
        body = _Body()
        # Read whatever the status is, so that the connection comes to its end.
        response.deliverBody(body)
        return response.code, await body.whole


def policy_trusting(pem: bytes) -> IPolicyForHTTPS:
    """A policy that trusts the certificates in ``pem`` alone. Raises ValueError if there are none."""
    loaded = load_pem_x509_certificates(pem)
    certificates = [ssl.Certificate(X509.from_cryptography(one)) for one in loaded]
    root = ssl.trustRootFromCertificates(certificates)
    policy: IPolicyForHTTPS = BrowserLikePolicyForHTTPS(root)
    return policy
