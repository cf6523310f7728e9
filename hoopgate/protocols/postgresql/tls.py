"""TLS for both sides of a PostgreSQL connection, from PEM bytes that the secret sources gave."""

from __future__ import annotations

import ssl
from typing import Final

from twisted.python.failure import Failure

from hoopgate.config.model import TlsMode
from hoopgate.errors import ConfigError
from hoopgate.transport import ClientContext, ServerContext, Tickets

ALPN: Final = b"postgresql"  # registered with IANA; PostgreSQL 17, "SSL Session Encryption"
KEPT: Final = 64  # configurations towards targets that are kept, with the sessions that can be resumed

_Given = tuple[TlsMode, str, bytes | None, bytes | None, bytes | None]


def server_context(
    certificate: bytes,
    key: bytes,
    client_ca: bytes | None = None,
    *,
    alpn: bytes = ALPN,
    tickets: Tickets | None = None,
) -> ServerContext:
    """What a listener shows: chain and key in PEM; TLS 1.2 or newer, ALPN ``postgresql`` if nothing else is said.

    :raises ConfigError: chain or key cannot be read, or do not belong together.
    """
    try:
        return ServerContext(certificate, key, client_ca=client_ca, alpn=[alpn.decode()], tickets=tickets)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"certificate or key cannot be used ({_words(error)})",
            where="listener.tls",
            remedy="Give the chain and its private key in PEM",
        ) from error


class TargetContexts:
    """Contexts for our side towards targets, made once for as long as nothing of them changes."""

    def __init__(self) -> None:
        self._made: dict[_Given, ClientContext] = {}

    def get(
        self, mode: TlsMode, hostname: str, ca: bytes | None, certificate: bytes | None, key: bytes | None
    ) -> ClientContext:
        """As libpq's ``sslmode`` of the same name understands it. Raises ConfigError, ssl.SSLError or ValueError."""
        if mode == "verify-ca" and ca is None:
            raise ConfigError("verify-ca needs a CA", where="target.ca", remedy="Name the CA's certificate")
        given = (mode, hostname, ca, certificate, key)
        found = self._made.pop(given, None)
        if found is None:
            found = ClientContext(
                hostname,
                verify=mode != "require",
                check_hostname=mode == "verify-full",
                ca=ca,
                certificate=certificate,
                key=key,
                alpn=[ALPN.decode()],
            )
            while len(self._made) >= KEPT:
                del self._made[next(iter(self._made))]
        self._made[given] = found
        return found


def failure_text(reason: Failure) -> str:
    """Why a connection failed, fit for a client: no addresses, no library paths."""
    error = reason.value
    if isinstance(error, ssl.SSLError):
        return _words(error)
    texts = [str(each) for each in getattr(error, "args", ()) if each]
    return texts[-1] if texts else type(error).__name__


def _words(error: Exception) -> str:
    """OpenSSL's own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else type(error).__name__
