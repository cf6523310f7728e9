"""What a server shows that it is."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import SSHCertificate
from twisted.conch.ssh.keys import Key

from hoopgate.conch.algorithms import KEY_ALGORITHMS
from hoopgate.conch.signatures import algorithms_of, load_identity


class HostKey:
    """A private ``key`` with its public blob, or with a host ``certificate`` for it (a blob, not in base64).

    Raises ValueError where the certificate is none, or is of another key.
    """

    __slots__ = ("_key", "algorithms", "blob")

    def __init__(self, key: Key, certificate: bytes | None = None) -> None:
        self._key = key
        own: bytes = key.public().blob()
        self.blob = own if certificate is None else certificate
        self.algorithms = algorithms_of(self.blob)
        if certificate is not None:
            found = load_identity(certificate)
            if not isinstance(found, SSHCertificate) or Key(found.public_key()).blob() != own:
                raise ValueError("no host certificate for this key")

    def sign(self, algorithm: bytes, data: bytes) -> bytes:
        """A signature of ``data`` by a public key algorithm that is one of ``algorithms``."""
        return self._key.sign(data, KEY_ALGORITHMS[algorithm].signature)
