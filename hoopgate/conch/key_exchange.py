"""Key exchange methods of two messages (RFC 8731; draft-ietf-sshm-mlkem-hybrid-kex): an offer and its answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from hoopgate.conch.fields import MalformedError, mpint, string


class KeyExchange(ABC):
    """One exchange: of a client ``offer`` and then ``finish``, of a server ``answer``. All hash with SHA-256.

    The shared secret comes as it goes into the exchange hash: encoded. Raises MalformedError where the peer's is none.
    """

    __slots__ = ()

    @abstractmethod
    def offer(self) -> bytes:
        """The client's part."""

    @abstractmethod
    def answer(self, offer: bytes) -> tuple[bytes, bytes]:
        """The server's part, and the secret."""

    @abstractmethod
    def finish(self, answer: bytes) -> bytes:
        """The secret, at the client."""


def _agree(own: X25519PrivateKey, public: bytes) -> bytes:
    """X25519, refusing points of small order (RFC 8731, section 3)."""
    try:
        return own.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise MalformedError("a public key of X25519 that is none") from error


class Curve25519(KeyExchange):
    """curve25519-sha256 (RFC 8731)."""

    __slots__ = ("_own",)

    def __init__(self) -> None:
        self._own = X25519PrivateKey.generate()

    def offer(self) -> bytes:
        return self._own.public_key().public_bytes_raw()

    def answer(self, offer: bytes) -> tuple[bytes, bytes]:
        return self._own.public_key().public_bytes_raw(), self.finish(offer)

    def finish(self, answer: bytes) -> bytes:
        return mpint(_agree(self._own, answer))


class MLKEM768X25519(KeyExchange):
    """mlkem768x25519-sha256: ML-KEM-768 and X25519 together, safe as long as one of them is."""

    __slots__ = ("_decapsulation", "_own")
    PUBLIC: Final = 1184  # bytes of ML-KEM's public key (FIPS 203, table 3)
    CIPHERTEXT: Final = 1088

    def __init__(self) -> None:
        self._own = X25519PrivateKey.generate()
        self._decapsulation: MLKEM768PrivateKey | None = None

    def offer(self) -> bytes:
        self._decapsulation = MLKEM768PrivateKey.generate()
        return self._decapsulation.public_key().public_bytes_raw() + self._own.public_key().public_bytes_raw()

    def answer(self, offer: bytes) -> tuple[bytes, bytes]:
        if len(offer) != self.PUBLIC + 32:
            raise MalformedError("an offer of ML-KEM and X25519 of the wrong length")
        agreed = _agree(self._own, offer[self.PUBLIC :])
        try:
            secret, ciphertext = MLKEM768PublicKey.from_public_bytes(offer[: self.PUBLIC]).encapsulate()
        except ValueError as error:
            raise MalformedError("a public key of ML-KEM that is none") from error
        return ciphertext + self._own.public_key().public_bytes_raw(), string(sha256(secret + agreed).digest())

    def finish(self, answer: bytes) -> bytes:
        if len(answer) != self.CIPHERTEXT + 32 or self._decapsulation is None:
            raise MalformedError("an answer of ML-KEM and X25519 of the wrong length")
        agreed = _agree(self._own, answer[self.CIPHERTEXT :])
        secret = self._decapsulation.decapsulate(answer[: self.CIPHERTEXT])
        return string(sha256(secret + agreed).digest())


METHODS: Final[dict[bytes, Callable[[], KeyExchange]]] = {
    b"mlkem768x25519-sha256": MLKEM768X25519,
    b"curve25519-sha256": Curve25519,
    b"curve25519-sha256@libssh.org": Curve25519,
}


def derive(secret: bytes, exchange_hash: bytes, letter: bytes, session: bytes, size: int) -> bytes:
    """A key of ``size`` bytes (RFC 4253, section 7.2)."""
    common = secret + exchange_hash
    key = sha256(common + letter + session).digest()
    while len(key) < size:
        key += sha256(common + key).digest()
    return key[:size]
