"""TLS configurations, from PEM bytes that never touch a disk."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from typing import Final

from cryptography import x509

SESSIONS: Final = 1  # tickets for each handshake of TLS 1.3; two are OpenSSL's default, and cost as much again


class Tickets:
    """The keys under which a server writes sessions into tickets (RFC 5077, RFC 8446 section 4.6.1).

    OpenSSL draws them with each context, and Python's ``ssl`` cannot set them. So that several processes resume each
    other's sessions, such an object is made before they are forked; each then shows its certificate in the one context.
    """

    def __init__(self) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._kind: type | None = None

    def context(self, certificate: bytes) -> ssl.SSLContext | None:
        """The context for this chain (PEM), as often as it is renewed. None: a context holds one certificate for each
        kind of key, and it has one of another kind, which it would go on to show."""
        kind = type(x509.load_pem_x509_certificate(certificate).public_key())
        if self._kind not in (None, kind):
            return None
        self._kind = kind
        return self._context


class ServerContext:
    """What a server shows: ``certificate`` is its chain in PEM, its own first, ``key`` the private key.

    With ``client_ca`` only clients with a certificate of these authorities are served. ``alpn`` are the protocols that
    may be agreed on, the first one first (RFC 7301). TLS 1.2 or newer; no renegotiation; sessions are resumed by
    tickets, as long as this object lives, or as ``tickets`` do. Who asks for clients' certificates keeps to the former:
    a ticket vouches for a certificate that newer authorities may not.

    :raises ssl.SSLError: chain or key cannot be read, or do not belong together.
    """

    def __init__(
        self,
        certificate: bytes,
        key: bytes,
        *,
        client_ca: bytes | None = None,
        alpn: Iterable[str] = (),
        tickets: Tickets | None = None,
    ) -> None:
        context = _set_up(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), alpn)
        load_key_pair(context, certificate, key)
        shared = tickets.context(certificate) if tickets is not None and not client_ca else None
        if shared is not None:  # only now: a pair that cannot be used must not touch what others are shown
            context = _set_up(shared, alpn)
            load_key_pair(context, certificate, key)
        context.num_tickets = SESSIONS
        if client_ca:
            context.load_verify_locations(cadata=authorities(client_ca))
            context.verify_mode = ssl.CERT_REQUIRED
        self._context = context

    def engine(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        return self._context.wrap_bio(incoming, outgoing, server_side=True)

    def keep(self, engine: ssl.SSLObject) -> None:
        """A server's tickets are with its clients."""


class ClientContext:
    """How a client looks at the server ``hostname`` (a name or an address), what it shows it, and a session to resume.

    ``verify``: the certificate must come from ``ca`` (PEM; None: from an authority that the system trusts); with
    ``check_hostname`` it must also name the server. ``certificate`` and ``key`` are shown to who asks.

    :raises ssl.SSLError: something cannot be read, or does not belong together.
    """

    def __init__(
        self,
        hostname: str,
        *,
        verify: bool = True,
        check_hostname: bool = True,
        ca: bytes | None = None,
        certificate: bytes | None = None,
        key: bytes | None = None,
        alpn: Iterable[str] = (),
    ) -> None:
        context = _set_up(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), alpn)
        context.check_hostname = verify and check_hostname
        if not verify:
            context.verify_mode = ssl.CERT_NONE
        elif ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(cadata=authorities(ca))
        if certificate is not None and key is not None:
            load_key_pair(context, certificate, key)
        self._context = context
        self._hostname = hostname
        self._session: ssl.SSLSession | None = None

    def engine(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        return self._context.wrap_bio(
            incoming, outgoing, server_side=False, server_hostname=self._hostname, session=self._session
        )

    def keep(self, engine: ssl.SSLObject) -> None:
        session = engine.session
        if session is not None and session.has_ticket:
            self._session = session


def load_key_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """``SSLContext.load_cert_chain`` for bytes: it takes only files, so they get one that exists in memory alone."""
    number = os.memfd_create("key pair", os.MFD_CLOEXEC)
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(key.strip() + b"\n" + certificate)
        context.load_cert_chain(f"/proc/self/fd/{number}", password=b"")  # a key with a passphrase asks nobody
    finally:
        os.close(number)


def authorities(pem: bytes) -> str:
    """PEM as ``cadata`` takes it."""
    return pem.decode("ascii", "replace")


def _set_up(context: ssl.SSLContext, alpn: Iterable[str]) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    names = list(alpn)
    if names:
        context.set_alpn_protocols(names)
    return context
