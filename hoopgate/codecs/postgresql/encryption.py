"""TLS towards a target: asking for it, and binding the login to its certificate."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from hoopgate.codecs.postgresql import frontend
from hoopgate.errors import RemoteProtocolError


def tls_server_end_point(certificate: bytes) -> bytes | None:
    """Channel-binding data for a server's certificate (DER), RFC 5929, section 4.1.

    None where it is not defined: a signature algorithm without exactly one hash, such as Ed25519.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        algorithm = parsed.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    except ValueError:
        raise RemoteProtocolError("the target's certificate cannot be read") from None
    if algorithm is None:
        return None
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(certificate)
    return digest.finalize()


class Encryption:
    """Asking a target for TLS: send ``request``, feed the answer, start TLS or do not.

    The answer is one byte, and nothing may lie behind it (CVE-2021-23222). An error before TLS may come from anyone
    on the way: its text is dropped (CVE-2024-10977).
    """

    request: Final = frontend.ssl_request()

    def answered(self, data: bytes) -> bool:
        """True: start TLS now. False: the target has no TLS. ``data`` is all that was received, at least a byte."""
        if data == b"S":
            return True
        if data == b"N":
            return False
        if data[:1] == b"E":
            raise RemoteProtocolError("the target answered the request for TLS with an error")
        raise RemoteProtocolError("the target gave an invalid answer to the request for TLS")
