"""TLS sessions that any of several processes resumes, and none that it must not."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hoopgate.development.certificates import Authority
from hoopgate.transport import ServerContext, Tickets
from hoopgate.transport.contexts import load_key_pair


def greet(shown: ServerContext, connection: socket.socket) -> None:
    """Serve one client: a handshake, and a byte behind which the ticket has gone."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = shown.engine(incoming, outgoing)
    while True:
        try:
            engine.do_handshake()
            break
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
    engine.write(b"!")
    connection.sendall(outgoing.read())


def serve(shown: ServerContext) -> tuple[socket.socket, int]:
    """A client's socket, whose other end another process serves."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            ours.close()
            greet(shown, theirs)
            theirs.recv(1)
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    return ours, pid


def resumes(
    shown: ServerContext, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[bool, ssl.SSLSession | None, bytes | None]:
    """Whether a process that shows this resumes the session; the next one, and the certificate that was shown."""
    connection, pid = serve(shown)
    with context.wrap_socket(connection, session=session, server_hostname="localhost") as secured:
        assert secured.recv(1) == b"!"
        found = bool(secured.session_reused), secured.session, secured.getpeercert(binary_form=True)
    os.waitpid(pid, 0)
    return found


def trusting(authority: Authority, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.minimum_version = context.maximum_version = version
    return context


VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_processes_resume_each_others_sessions(version: ssl.TLSVersion) -> None:
    authority, tickets = Authority(), Tickets()
    pair, renewed = authority.server(), authority.server()
    client = trusting(authority, version)
    one = ServerContext(pair.certificate, pair.key, alpn=["postgresql"], tickets=tickets)
    _, session, _ = resumes(one, client)
    assert resumes(one, client, session)[0], "each is served by a process of its own"
    again = ServerContext(renewed.certificate, renewed.key, alpn=["postgresql"], tickets=tickets)
    reused, _, _ = resumes(again, client, session)
    assert reused, "a renewal ends no session"
    _, _, shown = resumes(again, client)
    assert shown == ssl.PEM_cert_to_DER_cert(renewed.certificate.decode().partition("\n-----BEGIN")[0])
    apart = ServerContext(pair.certificate, pair.key, alpn=["postgresql"])
    assert not resumes(apart, client, session)[0]


def test_certificates_of_clients_are_looked_at_under_todays_authorities() -> None:
    authority, tickets = Authority(), Tickets()
    pair, person = authority.server(), authority.client("ada")
    client = trusting(authority, ssl.TLSVersion.TLSv1_3)
    load_key_pair(client, person.certificate, person.key)
    shown = [ServerContext(pair.certificate, pair.key, client_ca=authority.pem, tickets=tickets) for _ in range(2)]
    _, session, _ = resumes(shown[0], client)
    assert resumes(shown[0], client, session)[0]
    assert not resumes(shown[1], client, session)[0]


def test_a_pair_that_cannot_be_used_touches_nothing() -> None:
    authority, tickets = Authority(), Tickets()
    pair, other = authority.server(), authority.server()
    client = trusting(authority, ssl.TLSVersion.TLSv1_3)
    shown = ServerContext(pair.certificate, pair.key, tickets=tickets)
    _, session, before = resumes(shown, client)
    with pytest.raises(ssl.SSLError):
        ServerContext(other.certificate, pair.key, tickets=tickets)
    assert resumes(shown, client)[2] == before
    assert resumes(shown, client, session)[0]


def test_a_certificate_of_another_kind_takes_the_place_of_the_old_one() -> None:
    """One context would go on to show both, and a client might choose the old one."""
    authority, tickets = Authority(), Tickets()
    pair = authority.server()
    ServerContext(pair.certificate, pair.key, tickets=tickets)
    certificate, key = of_rsa()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("ECDHE+ECDSA")
    with pytest.raises(ssl.SSLError):
        resumes(ServerContext(certificate, key, tickets=tickets), client)


def of_rsa() -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private
