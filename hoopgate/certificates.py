"""What listeners show: chain and key, read at the start and again while they run: a renewal needs no restart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.logger import Logger
from zope.interface import implementer

from hoopgate.config.model import SecretRef, ServerTls
from hoopgate.errors import HoopgateError

Secret = Callable[[SecretRef], Deferred[bytes]]
Make = Callable[[bytes, bytes, bytes | None], Any]
"""Chain, key and the authorities of clients' certificates (PEM) to a context factory. Raises HoopgateError."""

log = Logger()


@implementer(IOpenSSLContextFactory)
class Presented:
    """The context factory of one listener. Connections that are open keep what they began with."""

    def __init__(self, listener: str, tls: ServerTls, secret: Secret, make: Make) -> None:
        self._listener = listener
        self._tls = tls
        self._secret = secret
        self._make = make
        self._shown: tuple[bytes, bytes, bytes | None] | None = None
        self.current: Any = None

    async def load(self) -> bool:
        """Read everything; True where it differs from what was shown. Raises SecretError or ConfigError."""
        certificate = await self._secret(self._tls.certificate)
        key = await self._secret(self._tls.key)
        authorities = await self._secret(self._tls.client_ca) if self._tls.client_ca else None
        found = (certificate, key, authorities)
        if found == self._shown:
            return False
        self.current = self._make(*found)
        self._shown = found
        return True

    async def renew(self) -> None:
        """The same for a listener that is open: what cannot be used (one new half of a pair, say) changes nothing."""
        try:
            if await self.load():
                log.info("listener {listener} shows a new certificate", listener=self._listener)
        except HoopgateError as error:
            log.error("listener {listener} keeps its certificate: {error}", listener=self._listener, error=str(error))

    def getContext(self) -> Any:
        """The context for the next connection (``twisted.internet.ssl.ContextFactory``)."""
        return self.current.getContext()
