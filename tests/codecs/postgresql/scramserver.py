"""A SCRAM-SHA-256 server for tests (RFC 5802), written from the RFC: the referee of our client, also an evil one."""

from __future__ import annotations

import base64
import hashlib
import hmac


class ScramServer:
    """``first`` takes client-first-message, ``final`` client-final-message; both return what to answer."""

    def __init__(self, password: bytes, binding: bytes = b"", *, iterations: int = 4096, nonce: bytes = b"srv") -> None:
        self.password = password
        self.binding = binding
        self.iterations = iterations
        self.nonce = nonce
        self.salt = b"0123456789abcdef"
        self.header = b""
        self.exchange = b""

    def first(self, message: bytes) -> bytes:
        flag, authzid, bare = message.split(b",", 2)
        assert authzid == b""
        self.header = flag + b",,"
        user, nonce = bare.split(b",")
        assert user == b"n="
        assert nonce.startswith(b"r=")
        salt = base64.b64encode(self.salt)
        answer = b"%s%s,s=%s,i=%d" % (nonce, self.nonce, salt, self.iterations)
        self.exchange = bare + b"," + answer
        return answer

    def final(self, message: bytes) -> bytes:
        bare, proof = message.rsplit(b",p=", 1)
        bound = self.header + (self.binding if self.header.startswith(b"p=") else b"")
        assert bare.split(b",")[0] == b"c=" + base64.b64encode(bound)
        self.exchange += b"," + bare
        salted = hashlib.pbkdf2_hmac("sha256", self.password, self.salt, self.iterations)
        stored = hashlib.sha256(self._mac(salted, b"Client Key")).digest()
        signature = self._mac(stored, self.exchange)
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        assert hashlib.sha256(key).digest() == stored
        return b"v=" + base64.b64encode(self._mac(self._mac(salted, b"Server Key"), self.exchange))

    @staticmethod
    def _mac(key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, "sha256")
