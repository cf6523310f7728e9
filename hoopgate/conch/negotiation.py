"""KEXINIT (RFC 4253, section 7.1): what each side offers, and what follows from both."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from twisted.conch.ssh.transport import MSG_KEXINIT

from hoopgate.conch.algorithms import Algorithms
from hoopgate.conch.ciphers import authenticated
from hoopgate.conch.fields import Fields, MalformedError, string

STRICT_CLIENT: Final = b"kex-strict-c-v00@openssh.com"  # OpenSSH's PROTOCOL, section 1.10
STRICT_SERVER: Final = b"kex-strict-s-v00@openssh.com"
EXTENSIONS_CLIENT: Final = b"ext-info-c"  # RFC 8308, section 2.1
EXTENSIONS_SERVER: Final = b"ext-info-s"
MARKS: Final = frozenset((STRICT_CLIENT, STRICT_SERVER, EXTENSIONS_CLIENT, EXTENSIONS_SERVER))
NAMES: Final = 512  # names in one list


class NoMatchError(Exception):
    """The two sides have nothing in common of one kind: the kind and the peer's list are the arguments."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One side's KEXINIT: ``payload`` as sent, with its number. "Out" is what a client sends."""

    payload: bytes
    key_exchanges: list[bytes]
    host_keys: list[bytes]
    ciphers_out: list[bytes]
    ciphers_in: list[bytes]
    macs_out: list[bytes]
    macs_in: list[bytes]
    compressions: tuple[list[bytes], list[bytes]]
    guessed: bool  # a packet of the first method on the list follows

    @classmethod
    def parse(cls, payload: bytes) -> Offer:
        """Raises MalformedError."""
        fields = Fields(payload, 17)  # behind the number and the cookie
        lists = [fields.names() for _ in range(10)]
        guessed = fields.boolean()
        fields.uint32()
        fields.end()
        if any(len(names) > NAMES for names in lists):
            raise MalformedError("a list of too many algorithms")
        kex, keys, ciphers_out, ciphers_in, macs_out, macs_in, compress_out, compress_in, _, _ = lists
        compressions = (compress_out, compress_in)
        return cls(payload, kex, keys, ciphers_out, ciphers_in, macs_out, macs_in, compressions, guessed)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides will use. "Out" is what a client sends; a MAC is b"" beside a cipher that needs none."""

    key_exchange: bytes
    host_key: bytes
    cipher_out: bytes
    cipher_in: bytes
    mac_out: bytes
    mac_in: bytes
    misguessed: bool  # the next packet of the peer's exchange is to be ignored


def kexinit(algorithms: Algorithms, host_keys: Iterable[bytes], *, client: bool, first: bool) -> bytes:
    """Our KEXINIT, with its number. Of strict-kex it says so in the ``first``; there is no compression."""
    marks = [EXTENSIONS_CLIENT if client else EXTENSIONS_SERVER]
    marks.append(STRICT_CLIENT if client else STRICT_SERVER)
    lists = [
        [*algorithms.key_exchanges, *(marks if first else ())],
        host_keys,
        *[algorithms.ciphers] * 2,
        *[algorithms.macs] * 2,
        *[(b"none",)] * 2,
        *[()] * 2,
    ]
    body = b"".join([string(b",".join(names)) for names in lists])
    return bytes((MSG_KEXINIT,)) + os.urandom(16) + body + bytes(5)


def agree(client: Offer, server: Offer, *, peer: Offer) -> Agreed:
    """Raises NoMatchError. ``peer`` is that one of the two which is not ours."""

    def first(kind: str, ours: list[bytes], theirs: list[bytes]) -> bytes:
        for name in ours:
            if name in theirs and name not in MARKS:
                return name
        raise NoMatchError(kind, theirs if peer is server else ours)

    key_exchange = first("key exchange", client.key_exchanges, server.key_exchanges)
    host_key = first("host key", client.host_keys, server.host_keys)
    cipher_out = first("cipher", client.ciphers_out, server.ciphers_out)
    cipher_in = first("cipher", client.ciphers_in, server.ciphers_in)
    mac_out = b"" if authenticated(cipher_out) else first("MAC", client.macs_out, server.macs_out)
    mac_in = b"" if authenticated(cipher_in) else first("MAC", client.macs_in, server.macs_in)
    for ours, theirs in zip(client.compressions, server.compressions, strict=True):
        first("compression", ours, theirs)
    right = client.key_exchanges[0] == server.key_exchanges[0] and client.host_keys[:1] == server.host_keys[:1]
    return Agreed(key_exchange, host_key, cipher_out, cipher_in, mac_out, mac_in, misguessed=peer.guessed and not right)
