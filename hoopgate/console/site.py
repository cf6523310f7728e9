"""The HTTPS listener of the API: twisted.web with bounds on bodies, time and connections, before any view runs."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL, crypto
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from hoopgate.certificates import Presented
from hoopgate.config.model import Config, SecretRef
from hoopgate.console.api import send
from hoopgate.console.problems import Problem
from hoopgate.errors import ConfigError

IDLE: Final = 30.0  # seconds of silence on a connection without a call under way
RECEIVE: Final = 30.0  # seconds from a call's first line to the end of its body
CONNECTIONS: Final = 1000
_DRAINED: Final = 16  # a body of so many times the limit is still read, to answer it; a longer one is cut off


class BoundedRequest(Request):
    """A request whose body never takes more memory than ``site.most()`` bytes, nor more time than ``RECEIVE``."""

    def __init__(self, channel: Any, *queued: object) -> None:
        super().__init__(channel)  # type: ignore[no-untyped-call]
        self._most: int = channel.site.most()
        self._received = 0
        self._deadline: IDelayedCall | None = channel.site.reactor.callLater(RECEIVE, self._late)

    def gotLength(self, length: int | None) -> None:
        """Headers are whole. ``length`` is None for a chunked body."""
        self.content = BytesIO()
        if length is not None and length > self._most * _DRAINED:
            self._cut()

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= self._most:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]
        elif self._received > self._most * _DRAINED:
            self._cut()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self._stop_clock()
        super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def process(self) -> None:
        if self._received > self._most:
            detail = f"a body has at most {self._most} bytes (limits.api_body)"
            send(self, Problem(413, "too-large", "The body is too large", detail))
            return
        super().process()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Any) -> None:
        self._stop_clock()
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def trusted(self) -> None:
        """This call came with a good token: its connection counts as somebody's."""
        if self.channel is not None:
            wrapper: Any = self.channel.transport
            wrapper.factory.known(wrapper)

    def _late(self) -> None:
        self._deadline = None
        self._cut()

    def _cut(self) -> None:
        """Nobody who sends like this reads an answer."""
        if self.channel is not None:
            self.channel.forceAbortClient()

    def _stop_clock(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()


class ApiSite(Site):
    """HTTP/1.1 alone: bounds are set where that protocol is read. Logs calls without queries and tokens."""

    log_calls = Logger(namespace="hoopgate.console.calls")

    def __init__(self, resource: IResource, reactor: Any, most: Callable[[], int]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            resource, requestFactory=BoundedRequest, reactor=reactor, timeout=IDLE
        )
        self.reactor = reactor
        self.most = most

    def startFactory(self) -> None:
        """No log file of twisted.web's own."""

    def stopFactory(self) -> None:
        """Nothing was started."""

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: HttpRequest) -> None:
        path = request.uri.partition(b"?")[0].decode("ascii", "replace")
        self.log_calls.info(
            "{method} {path} {status}",
            method=request.method.decode("ascii", "replace"), path=path[:200], status=request.code,
        )  # fmt: skip


class BoundedFactory(WrappingFactory):
    """At most ``CONNECTIONS`` at once. A further one takes the place of the oldest that has shown no good token (yet):
    whoever opens connections and says nothing, or nothing of worth, keeps nobody out. With none such it is closed.
    """

    noisy = False

    def __init__(self, wrapped: Site) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self._strangers: dict[ProtocolWrapper, None] = {}  # oldest first

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper | None:  # type: ignore[override]
        if len(self.protocols) < CONNECTIONS:
            return super().buildProtocol(addr)
        oldest = next(iter(self._strangers), None)
        if oldest is None:
            return None
        del self._strangers[oldest]
        oldest.abortConnection()
        return super().buildProtocol(addr)

    def registerProtocol(self, p: ProtocolWrapper) -> None:
        super().registerProtocol(p)  # type: ignore[no-untyped-call]
        self._strangers[p] = None

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:
        self._strangers.pop(p, None)
        super().unregisterProtocol(p)  # type: ignore[no-untyped-call]

    def known(self, p: ProtocolWrapper) -> None:
        """A good token came over this connection."""
        self._strangers.pop(p, None)


def tls_context(certificate: bytes, key: bytes, client_ca: bytes | None = None) -> ssl.CertificateOptions:
    """TLS 1.2 or newer with this chain (PEM, the server's own certificate first); with ``client_ca`` only for clients
    that show a certificate of it. Raises ConfigError."""
    try:
        # pyOpenSSL takes both as they are; Twisted's types still name its older wrappers.
        chain: list[Any] = [*x509.load_pem_x509_certificates(certificate)]
        private: Any = serialization.load_pem_private_key(key, None)
        trust = ssl.trustRootFromCertificates(certificates(client_ca)) if client_ca else None
        options = ssl.CertificateOptions(
            privateKey=private, certificate=chain[0], extraCertChain=chain[1:], trustRoot=trust,
            raiseMinimumTo=ssl.TLSVersion.TLSv1_2, acceptableProtocols=[b"http/1.1"],
        )  # fmt: skip
        options.getContext()  # now, not at the first connection, is when to learn that the two do not belong together
    except (ValueError, TypeError, SSL.Error) as error:
        raise ConfigError(
            f"certificate or key cannot be used ({type(error).__name__})",
            where="api.tls",
            remedy="Name a PEM certificate and its own PEM key, which has no passphrase",
        ) from error
    return options


def certificates(pem: bytes) -> list[Any]:
    """Every certificate in ``pem``, as Twisted wants authorities. Raises ValueError."""
    return [ssl.Certificate(crypto.X509.from_cryptography(each)) for each in x509.load_pem_x509_certificates(pem)]


def listen(
    reactor: Any,
    config: Callable[[], Config],
    secret: Callable[[SecretRef], Deferred[bytes]],
    resource: IResource,
    keep: Callable[[Presented], object] = id,
) -> Deferred[IListeningPort]:
    """Listen where ``config().api`` says. Fails with ConfigError, SecretError, or the error of listening.

    Without TLS only on loopback, and only where the configuration says ``plaintext``. ``keep`` is given what the
    listener shows, to be renewed.
    """
    return Deferred.fromCoroutine(_listen(reactor, config, secret, resource, keep))


async def _listen(
    reactor: Any,
    config: Callable[[], Config],
    secret: Callable[[SecretRef], Deferred[bytes]],
    resource: IResource,
    keep: Callable[[Presented], object],
) -> IListeningPort:
    api = config().api
    site = ApiSite(resource, reactor, lambda: config().limits.api_body)
    factory = BoundedFactory(site)
    if api.tls is None:
        if not (api.plaintext and ipaddress.ip_address(api.address).is_loopback):
            raise ConfigError(
                "the API needs TLS", where="api", remedy="Write [api.tls], or plaintext = true with a loopback address"
            )
        return _port(reactor.listenTCP(api.port, factory, interface=api.address))
    shown = Presented("api", api.tls, secret, tls_context)
    await shown.load()
    keep(shown)
    return _port(reactor.listenSSL(api.port, factory, shown, interface=api.address))


def _port(port: Any) -> IListeningPort:
    listening: IListeningPort = port
    return listening
