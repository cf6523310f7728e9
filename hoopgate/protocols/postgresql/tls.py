"""TLS for both sides of a PostgreSQL connection, from PEM bytes that the secret sources gave."""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    PrivateCertificate,
    TLSVersion,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure

from hoopgate.config.model import TlsMode
from hoopgate.errors import ConfigError

ALPN: Final = b"postgresql"  # registered with IANA; PostgreSQL 17, "SSL Session Encryption"
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


def certificates(pem: bytes) -> list[Certificate]:
    """Every certificate in ``pem``, in order."""
    return [Certificate.loadPEM(_CERTIFICATE + part) for part in pem.split(_CERTIFICATE)[1:]]


def server_options(certificate: bytes, key: bytes, client_ca: bytes | None = None) -> CertificateOptions:
    """What a listener shows: chain and key in PEM; TLS 1.2 or newer, ALPN ``postgresql``.

    :raises ConfigError: chain or key cannot be read, or do not belong together.
    """
    try:
        chain = certificates(certificate)
        if not chain:
            raise ValueError("no certificate found")
        pair = PrivateCertificate.loadPEM(key + b"\n" + chain[0].dumpPEM())
        trust = trustRootFromCertificates(certificates(client_ca)) if client_ca else None
        options = CertificateOptions(
            privateKey=pair.privateKey.original,
            certificate=chain[0].original,
            extraCertChain=[each.original for each in chain[1:]],
            trustRoot=trust,
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableProtocols=[ALPN],
        )
        options.getContext()
    except Exception as error:
        raise ConfigError(
            f"certificate or key cannot be used ({type(error).__name__})",
            where="listener.tls",
            remedy="Give the chain and its private key in PEM",
        ) from error
    return options


def target_options(mode: TlsMode, hostname: str, ca: bytes | None, certificate: bytes | None, key: bytes | None) -> Any:
    """A context for our side towards a target, as libpq's ``sslmode`` of the same name understands it."""
    client = None
    if certificate is not None and key is not None:
        client = PrivateCertificate.loadPEM(key + b"\n" + certificate)
    trust = trustRootFromCertificates(certificates(ca)) if ca else None
    if mode == "verify-full":
        extra = {"trustRoot": trust} if trust is not None else {}
        return optionsForClientTLS(hostname, clientCertificate=client, acceptableProtocols=[ALPN], **extra)
    pair: dict[str, Any] = {}
    if client is not None:
        pair = {"privateKey": client.privateKey.original, "certificate": client.original}
    if mode == "verify-ca":
        pair["trustRoot"] = trust
        if trust is None:
            raise ConfigError("verify-ca needs a CA", where="target.ca", remedy="Name the CA's certificate")
    return CertificateOptions(raiseMinimumTo=TLSVersion.TLSv1_2, acceptableProtocols=[ALPN], **pair)


def peer_certificate(transport: Any) -> bytes | None:
    """The peer's certificate in DER, once the handshake is over."""
    certificate = transport.getPeerCertificate()
    if certificate is None:
        return None
    encoded: bytes = certificate.to_cryptography().public_bytes(Encoding.DER)
    return encoded


def failure_text(reason: Failure) -> str:
    """Why TLS failed, fit for a client: no addresses, no library paths."""
    errors = getattr(reason.value, "args", ())
    parts = [part for part in _flatten(errors) if part]
    return parts[-1] if parts else type(reason.value).__name__


def _flatten(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [text for each in value for text in _flatten(each)]
    return [str(value)]


__all__ = ["ALPN", "KeyPair", "certificates", "failure_text", "peer_certificate", "server_options", "target_options"]
