"""What one key exchange computes (RFC 4253, sections 7.2 and 8), in either role."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

from hoopgate.conch.ciphers import PacketCipher, cipher
from hoopgate.conch.fields import Fields, string
from hoopgate.conch.host_key import HostKey
from hoopgate.conch.key_exchange import METHODS, derive
from hoopgate.conch.negotiation import Offer, agree
from hoopgate.conch.signatures import verify


class Handshake:
    """From both sides' KEXINIT to the ciphers. Raises NoMatchError where they have nothing in common.

    ``versions``: of the client and of the server. ``host_key``: the server's public key or certificate.
    """

    __slots__ = ("_asked", "_client", "_hash", "_method", "_secret", "_transcript", "agreed", "host_key")

    def __init__(self, ours: bytes, theirs: Offer, *, client: bool, versions: tuple[bytes, bytes]) -> None:
        mine = Offer.parse(ours)
        offers = (mine, theirs) if client else (theirs, mine)
        self.agreed = agree(*offers, peer=theirs)
        self._client = client
        self._method = METHODS[self.agreed.key_exchange]()
        self._transcript = b"".join([string(part) for part in (*versions, offers[0].payload, offers[1].payload)])
        self._asked = self._secret = self._hash = b""
        self.host_key = b""

    def offer(self) -> bytes:
        """The client's message."""
        self._asked = self._method.offer()
        return string(self._asked)

    def answer(self, payload: bytes, host_key: HostKey) -> bytes:
        """The server's message, on the client's ``payload``. Raises MalformedError."""
        fields = Fields(payload)
        self._asked = fields.string()
        fields.end()
        answer, self._secret = self._method.answer(self._asked)
        self._sum(host_key.blob, answer)
        return string(host_key.blob) + string(answer) + string(host_key.sign(self.agreed.host_key, self._hash))

    def finish(self, payload: bytes) -> None:
        """The server's message has come; whose its key is, is not known yet. Raises MalformedError, SignatureError."""
        fields = Fields(payload)
        host_key, answer, signature = fields.string(), fields.string(), fields.string()
        fields.end()
        self._secret = self._method.finish(answer)
        self._sum(host_key, answer)
        verify(self.agreed.host_key, host_key, signature, self._hash)

    def _sum(self, host_key: bytes, answer: bytes) -> None:
        self.host_key = host_key
        exchanged = string(host_key) + string(self._asked) + string(answer) + self._secret
        self._hash = sha256(self._transcript + exchanged).digest()

    @property
    def exchange_hash(self) -> bytes:
        return self._hash

    def ciphers(self, session: bytes) -> tuple[PacketCipher, PacketCipher]:
        """For what the client sends and for what the server does. ``session``: the first exchange's hash."""
        agreed = self.agreed
        return (
            cipher(agreed.cipher_out, agreed.mac_out, partial(self._derive, session, b"ACE")),
            cipher(agreed.cipher_in, agreed.mac_in, partial(self._derive, session, b"BDF")),
        )

    def _derive(self, session: bytes, letters: bytes, which: int, size: int) -> bytes:
        return derive(self._secret, self._hash, letters[which : which + 1], session, size)
