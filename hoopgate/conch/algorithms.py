"""What may be negotiated (RFC 4253, section 7.1): names in order of preference, and what they stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

CERTIFICATE: Final = b"-cert-v01@openssh.com"


class KeyAlgorithm(NamedTuple):
    """``blob``: how a public key of it begins; ``signature``: what its signatures are called."""

    blob: bytes
    signature: bytes


_PLAIN: Final = {
    b"ssh-ed25519": b"ssh-ed25519",
    b"ecdsa-sha2-nistp256": b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384": b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521": b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
}
KEY_ALGORITHMS: Final[dict[bytes, KeyAlgorithm]] = {
    **{name: KeyAlgorithm(blob, name) for name, blob in _PLAIN.items()},
    **{name + CERTIFICATE: KeyAlgorithm(blob + CERTIFICATE, name) for name, blob in _PLAIN.items()},
}
"""The public key algorithms known here, those of certificates among them. No SHA-1, no DSA."""


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Each list begins with what is preferred. Where two sides differ, the client's order decides.

    ``signatures`` is what a server takes as signatures of users (server-sig-algs, RFC 8308, section 3.1).
    ``bulk``: ciphers that a server offers alone, for new keys, to a client that knows one of them and has chosen
    another: OpenSSH's prefer ChaCha20, which costs both sides three times as much as AES does where the processor has
    instructions for that. Compression is never offered: its bounds and its side channels are not worth it.
    """

    key_exchanges: tuple[bytes, ...]
    host_keys: tuple[bytes, ...]
    ciphers: tuple[bytes, ...]
    macs: tuple[bytes, ...]
    signatures: tuple[bytes, ...]
    bulk: tuple[bytes, ...] = ()

    def with_host_keys(self, *names: bytes) -> Algorithms:
        """The same with these algorithms of host keys only: those of which the other side's key is known."""
        return replace(self, host_keys=names)


MODERN: Final = Algorithms(
    key_exchanges=(b"mlkem768x25519-sha256", b"curve25519-sha256", b"curve25519-sha256@libssh.org"),
    host_keys=(
        *[name for name in KEY_ALGORITHMS if name.endswith(CERTIFICATE)],
        *[name for name in KEY_ALGORITHMS if not name.endswith(CERTIFICATE)],
    ),
    ciphers=(
        b"aes256-gcm@openssh.com",
        b"aes128-gcm@openssh.com",
        b"chacha20-poly1305@openssh.com",
        b"aes256-ctr",
        b"aes192-ctr",
        b"aes128-ctr",
    ),
    macs=(b"hmac-sha2-256-etm@openssh.com", b"hmac-sha2-512-etm@openssh.com"),
    signatures=tuple([name for name in KEY_ALGORITHMS if not name.endswith(CERTIFICATE)]),
    bulk=(b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com"),
)
"""What every client and server of these years has something of."""

PQ: Final = replace(MODERN, key_exchanges=(b"mlkem768x25519-sha256",))
"""Key exchange by ML-KEM only: nothing that a quantum computer could open later. Needs OpenSSH 9.9 or the like."""
