"""The ciphers of packets (RFC 4253, section 6): each instance seals or opens the packets of one direction, in order.

A packet is a length of four bytes, that many bytes (the length of the padding, the payload, the padding) and a tag.
In all ciphers here the tag is over what is sent, and is checked before anything is decrypted.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.poly1305 import Poly1305

from hoopgate.conch.fields import UINT32

_MOST: Final = 0xFFFFFFFFFFFFFFFF
_BLOCK: Final = bytes(64)
_COUNTER: Final = bytes(12)


class PacketCipher(ABC):
    """``block``: what lengths are multiples of; ``tag``: bytes behind each packet; ``head``: bytes of the length field
    that count towards that multiple (none where the length is not encrypted with the rest)."""

    __slots__ = ()
    block: int = 16
    tag: int = 16
    head: int = 0

    def length(self, sequence: int, view: memoryview, at: int) -> int:
        """The length field of the packet that begins at ``at``, not yet authenticated."""
        number: int = UINT32.unpack_from(view, at)[0]
        return number

    @abstractmethod
    def open(self, sequence: int, view: memoryview, at: int, stop: int) -> bytes:
        """What is between the length field and the tag of the packet ``view[at:stop]``, in clear text.

        Raises cryptography's InvalidTag, and nothing else.
        """

    @abstractmethod
    def seal(self, sequence: int, packet: bytes) -> tuple[bytes, ...]:
        """The packet as it is sent, in parts; ``packet`` is what goes between the length field and the tag."""


class Plain(PacketCipher):
    """No cipher: before the first key exchange."""

    __slots__ = ()
    block = 8
    tag = 0
    head = 4

    def open(self, sequence: int, view: memoryview, at: int, stop: int) -> bytes:
        return bytes(view[at + 4 : stop])

    def seal(self, sequence: int, packet: bytes) -> tuple[bytes, ...]:
        return UINT32.pack(len(packet)), packet


class GCM(PacketCipher):
    """AES-GCM (RFC 5647, as OpenSSH's PROTOCOL, section 1.6 has it): the length is in clear text, and authenticated."""

    __slots__ = ("_aead", "_counter", "_fixed")

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._aead = AESGCM(key)
        self._fixed = iv[:4]
        self._counter = int.from_bytes(iv[4:12], "big")

    def _nonce(self) -> bytes:
        counter = self._counter
        self._counter = (counter + 1) & _MOST
        return self._fixed + counter.to_bytes(8, "big")

    def open(self, sequence: int, view: memoryview, at: int, stop: int) -> bytes:
        return self._aead.decrypt(self._nonce(), view[at + 4 : stop], view[at : at + 4])

    def seal(self, sequence: int, packet: bytes) -> tuple[bytes, ...]:
        length = UINT32.pack(len(packet))
        return length, self._aead.encrypt(self._nonce(), packet, length)


class ChaCha20Poly1305(PacketCipher):
    """OpenSSH's PROTOCOL.chacha20poly1305: the length is encrypted with a key of its own.

    The nonce is the packet's number. Block 0 of the stream is the key of Poly1305, the packet begins at block 1. The
    two contexts are made once, since to set a nonce costs a tenth of a new context.
    """

    __slots__ = ("_lengths", "_packets")
    block = 8

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._packets = Cipher(algorithms.ChaCha20(key[:32], bytes(16)), None).encryptor()
        self._lengths = Cipher(algorithms.ChaCha20(key[32:], bytes(16)), None).encryptor()

    def length(self, sequence: int, view: memoryview, at: int) -> int:
        lengths = self._lengths
        lengths.reset_nonce(_COUNTER + UINT32.pack(sequence))
        return int.from_bytes(lengths.update(view[at : at + 4]), "big")

    def open(self, sequence: int, view: memoryview, at: int, stop: int) -> bytes:
        packets = self._packets
        packets.reset_nonce(_COUNTER + UINT32.pack(sequence))
        key = packets.update(_BLOCK)[:32]
        end = stop - 16
        try:
            Poly1305.verify_tag(key, view[at:end], bytes(view[end:stop]))
        except InvalidSignature:
            raise InvalidTag from None
        return packets.update(view[at + 4 : end])

    def seal(self, sequence: int, packet: bytes) -> tuple[bytes, ...]:
        nonce = _COUNTER + UINT32.pack(sequence)
        lengths, packets = self._lengths, self._packets
        lengths.reset_nonce(nonce)
        packets.reset_nonce(nonce)
        key = packets.update(_BLOCK)[:32]
        sealed = lengths.update(UINT32.pack(len(packet))) + packets.update(packet)
        return sealed, Poly1305.generate_tag(key, sealed)


class CTR(PacketCipher):
    """AES in counter mode (RFC 4344) and a MAC over what is sent (encrypt-then-MAC, PROTOCOL, section 1.5)."""

    __slots__ = ("_hash", "_key", "_stream", "tag")

    def __init__(self, key: bytes, iv: bytes, mac_key: bytes, mac: str) -> None:
        # encryption and decryption are the same
        self._stream = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
        self._key = mac_key
        self._hash = mac
        self.tag = len(mac_key)

    def open(self, sequence: int, view: memoryview, at: int, stop: int) -> bytes:
        end = stop - self.tag
        expected = hmac.digest(self._key, b"".join((UINT32.pack(sequence), view[at:end])), self._hash)
        if not hmac.compare_digest(expected, view[end:stop]):
            raise InvalidTag
        return self._stream.update(view[at + 4 : end])

    def seal(self, sequence: int, packet: bytes) -> tuple[bytes, ...]:
        sealed = UINT32.pack(len(packet)) + self._stream.update(packet)
        return sealed, hmac.digest(self._key, UINT32.pack(sequence) + sealed, self._hash)


_AEAD: Final[dict[bytes, tuple[type[GCM] | type[ChaCha20Poly1305], int]]] = {
    b"aes256-gcm@openssh.com": (GCM, 32),
    b"aes128-gcm@openssh.com": (GCM, 16),
    b"chacha20-poly1305@openssh.com": (ChaCha20Poly1305, 64),
}
_CTR: Final = {b"aes256-ctr": 32, b"aes192-ctr": 24, b"aes128-ctr": 16}
_MACS: Final = {b"hmac-sha2-256-etm@openssh.com": ("sha256", 32), b"hmac-sha2-512-etm@openssh.com": ("sha512", 64)}
NAMES: Final = (*_AEAD, *_CTR)
MAC_NAMES: Final = tuple(_MACS)


def authenticated(name: bytes) -> bool:
    """This cipher needs no MAC beside it: none is negotiated (RFC 5647, section 5.1)."""
    return name in _AEAD


def cipher(name: bytes, mac: bytes, derive: Callable[[int, int], bytes]) -> PacketCipher:
    """A cipher of this name; ``derive(which, size)`` gives the IV (0), the key (1) and the MAC's key (2)."""
    if name in _AEAD:
        kind, size = _AEAD[name]
        return kind(derive(1, size), derive(0, 12))
    hash_name, mac_size = _MACS[mac]
    return CTR(derive(1, _CTR[name]), derive(0, 16), derive(2, mac_size), hash_name)
