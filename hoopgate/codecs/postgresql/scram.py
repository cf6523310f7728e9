"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side (RFC 5802, RFC 7677), as PostgreSQL speaks them.

The user name stays empty: PostgreSQL takes the one of the StartupMessage (manual, "SASL Authentication").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

from attrs import field, frozen

from hoopgate.errors import LocalProtocolError, RemoteProtocolError

PLAIN: Final = "SCRAM-SHA-256"
PLUS: Final = "SCRAM-SHA-256-PLUS"
NONCE_BYTES: Final = 18  # PostgreSQL's own length
SERVER_MESSAGE: Final = 4096  # bytes of one message of the server; PostgreSQL's are under 1024
# Fewer rounds make a captured proof cheap to guess from (RFC 7677, section 4); more of them keep the process busy for
# longer than a login is worth: the upper bound is about 0.1 s.
ITERATIONS_MINIMUM: Final = 4096
ITERATIONS_MAXIMUM: Final = 250_000


def choose_mechanism(offered: Sequence[str], binding: bytes | None) -> str | None:
    """The best of what a server offers, or None. ``binding`` is None where no channel binding can be had."""
    if PLUS in offered and binding is not None:
        return PLUS
    return PLAIN if PLAIN in offered else None


@frozen
class Keys:
    """What a password becomes under one salt and count of iterations (RFC 5802, section 3). As secret as it is."""

    client: bytes = field(repr=False)
    server: bytes = field(repr=False)


@frozen
class Derivation:
    """How to come by the keys. ``password`` is prepared already, ``iterations`` are within bounds."""

    password: bytes = field(repr=False)
    salt: bytes
    iterations: int

    def keys(self) -> Keys:
        """Work them out: milliseconds (of CPU; the interpreter's lock is not held)."""
        salted = hashlib.pbkdf2_hmac("sha256", self.password, self.salt, self.iterations)
        return Keys(_mac(salted, b"Client Key"), _mac(salted, b"Server Key"))


class ScramClient:
    """One exchange: ``first`` → ``challenged`` → ``final`` → ``verify``. Between the two in the middle the keys are
    derived, by whoever can spare the time. ``password`` is UTF-8, or whatever bytes the server knows.

    ``binding`` is the tls-server-end-point data of the TLS connection (RFC 5929), None without TLS.
    """

    def __init__(
        self,
        mechanism: str,
        password: bytes,
        binding: bytes | None = None,
        *,
        nonce: Callable[[], bytes] = lambda: secrets.token_bytes(NONCE_BYTES),
    ) -> None:
        if mechanism not in (PLAIN, PLUS) or (mechanism == PLUS and binding is None):
            raise LocalProtocolError(f"cannot speak {mechanism} here")
        self.mechanism = mechanism
        self._password = prepare(password)
        self._header, self._bound = _channel(mechanism, binding)
        self._nonce = base64.b64encode(nonce())
        self._bare = b"n=,r=" + self._nonce
        self._unproven = self._exchange = self._signature = b""

    def first(self) -> bytes:
        """client-first-message."""
        return self._header + self._bare

    def challenged(self, server_first: bytes) -> Derivation:
        """Take the server's first message; ``final`` needs the keys of what is returned."""
        nonce, salt, iterations = _server_first(server_first)
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise RemoteProtocolError("SCRAM: invalid nonce of the server")
        self._unproven = b"c=" + base64.b64encode(self._bound) + b",r=" + nonce
        self._exchange = b",".join((self._bare, server_first, self._unproven))
        return Derivation(self._password, salt, iterations)

    def final(self, keys: Keys) -> bytes:
        """client-final-message."""
        if not self._exchange:
            raise LocalProtocolError("SCRAM: the server has not spoken yet")
        proof = _xor(keys.client, _mac(hashlib.sha256(keys.client).digest(), self._exchange))
        self._signature = _mac(keys.server, self._exchange)
        return self._unproven + b",p=" + base64.b64encode(proof)

    def verify(self, server_final: bytes) -> None:
        """Check that the server knows the password too; RemoteProtocolError if it does not."""
        if not self._signature:
            raise RemoteProtocolError("SCRAM: the server's signature came too early")
        fields = _fields(server_final)
        if fields[0][0] == b"e":
            raise RemoteProtocolError("SCRAM: the server reports an error", "28000")
        if fields[0][0] != b"v" or not hmac.compare_digest(_decode(fields[0][1]), self._signature):
            raise RemoteProtocolError("SCRAM: wrong signature of the server", "28000")


def _channel(mechanism: str, binding: bytes | None) -> tuple[bytes, bytes]:
    """(GS2 header, channel-binding input). ``y`` says: we could bind, but you did not offer it (RFC 5802, 6)."""
    if mechanism == PLUS and binding is not None:
        header = b"p=tls-server-end-point,,"
        return header, header + binding
    header = b"n,," if binding is None else b"y,,"
    return header, header


def _server_first(message: bytes) -> tuple[bytes, bytes, int]:
    """(nonce, salt, iterations) of server-first-message."""
    fields = _fields(message)
    if [name for name, _ in fields[:3]] != [b"r", b"s", b"i"]:
        raise RemoteProtocolError("SCRAM: malformed first message of the server")  # also mandatory extensions, m=
    nonce, salt, count = (value for _, value in fields[:3])
    if not all(0x21 <= byte <= 0x7E for byte in nonce):
        raise RemoteProtocolError("SCRAM: malformed nonce of the server")
    if not count.isdigit() or len(count) > 9:
        raise RemoteProtocolError("SCRAM: malformed iteration count of the server")
    iterations = int(count)
    if not ITERATIONS_MINIMUM <= iterations <= ITERATIONS_MAXIMUM:
        raise RemoteProtocolError(f"SCRAM: the server asks for {iterations} iterations, which is out of bounds")
    raw_salt = _decode(salt)
    if not raw_salt:
        raise RemoteProtocolError("SCRAM: the server sent no salt")
    return nonce, raw_salt, iterations


def _fields(message: bytes) -> list[tuple[bytes, bytes]]:
    if len(message) > SERVER_MESSAGE:
        raise RemoteProtocolError("SCRAM: the server's message is too long")
    fields = []
    for part in message.split(b","):
        if part[1:2] != b"=":
            raise RemoteProtocolError("SCRAM: malformed message of the server")
        fields.append((part[:1], part[2:]))
    return fields


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise RemoteProtocolError("SCRAM: malformed base64 from the server") from None


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


_PROHIBITED: Final[tuple[Callable[[str], bool], ...]] = (
    stringprep.in_table_a1, stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3,
    stringprep.in_table_c4, stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7,
    stringprep.in_table_c8, stringprep.in_table_c9,
)  # fmt: skip


def prepare(password: bytes) -> bytes:
    """SASLprep (RFC 4013); what it forbids, and what is no UTF-8, stays as it is, as in PostgreSQL (pg_saslprep)."""
    try:
        text = password.decode("utf-8")
    except UnicodeDecodeError:
        return password
    if text.isascii():
        return password
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(forbidden(c) for c in normal for forbidden in _PROHIBITED) or not _bidirectional(normal):
        return password
    return normal.encode()


def _bidirectional(text: str) -> bool:
    """RFC 3454, section 6: right-to-left text holds no left-to-right character and stands between its own kind."""
    if not any(stringprep.in_table_d1(c) for c in text):
        return True
    if any(stringprep.in_table_d2(c) for c in text):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
