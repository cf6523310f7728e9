"""What masking does to one value, as the codecs take it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from hoopgate.codecs.seek import is_ascii

if TYPE_CHECKING:
    from mypy_extensions import i64

Transform = Callable[[bytes], bytes | None]
"""What becomes of a value, in the column's own format; None makes it NULL. NULL itself is never passed in."""

_BLOCK: Final = 64  # bytes of SHA-256's block
_MARK: Final = 4  # bytes at the end of a hash by which it is known as one of ours
_SEED: Final = crc32(b"hoopgate mask")


class Constant:
    """A transform whose answer is ``value`` for every value, so that a codec need not cut the old one out to ask."""

    __slots__ = ("value",)

    def __init__(self, value: bytes | None) -> None:
        self.value = value

    def __call__(self, old: bytes) -> bytes | None:
        return self.value


class KeepLast:
    """``shown``, and behind it the last ``keep`` characters; of a value that is not longer than that, or not readable,
    none. Spaces at the end are no part of what is kept: bpchar pads with them."""

    __slots__ = ("_encoding", "_keep", "shown")

    def __init__(self, shown: bytes, keep: int, encoding: str) -> None:
        self.shown = shown
        self._keep: i64 = keep
        self._encoding = encoding

    def tail(self, data: bytes, start: i64, end: i64) -> i64:
        """Where the kept end of the value ``data[start:end]`` begins, so that a codec need not cut the value out.

        ``end`` if nothing is kept, -1 where only a call tells.
        """
        if start == end:
            return end
        if data[end - 1] == 0x20 or not is_ascii(data, start, end):
            return -1
        return end - self._keep if end - start > self._keep else end

    def __call__(self, old: bytes) -> bytes | None:
        if not old.isascii():
            return self.shown + self._tail(old)
        # In every client_encoding such bytes are these characters and nothing else.
        if old.endswith(b" "):
            old = old.rstrip(b" ")
        start = len(old) - self._keep
        return self.shown + old[start:] if start > 0 else self.shown

    def _tail(self, old: bytes) -> bytes:
        try:
            text = old.decode(self._encoding)
        except (UnicodeDecodeError, LookupError):
            return b""
        text = text.rstrip(" ")
        return text[-self._keep :].encode(self._encoding) if len(text) > self._keep else b""


def marked(digest: bytes, size: int) -> bytes:
    """``size`` bytes: the digest's beginning, and its checksum, so that a hash that is written back is recognised
    whatever the key was (see :mod:`hoopgate.guards.write_back`)."""
    kept = digest[: size - _MARK]
    return kept + crc32(kept, _SEED).to_bytes(_MARK, "big")


def is_marked(value: bytes) -> bool:
    """Whether ``value`` is what :func:`marked` made; of other values one in 2^32 is taken for it."""
    kept = value[:-_MARK]
    return len(kept) > 0 and crc32(kept, _SEED).to_bytes(_MARK, "big") == value[-_MARK:]


class Keyed:
    """HMAC-SHA-256 (RFC 2104) under one key, whose part of the work is done once."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner: Any = hashlib.sha256(bytes([byte ^ 0x36 for byte in padded]))
        self._outer: Any = hashlib.sha256(bytes([byte ^ 0x5C for byte in padded]))

    def of(self, value: bytes) -> Any:
        """The hash object of the value's HMAC."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return outer


class Hashed:
    """Text by its HMAC, marked, in hexadecimal; the same text hashes alike for clients of any encoding."""

    __slots__ = ("_encoding", "_keyed")

    def __init__(self, key: bytes, encoding: str) -> None:
        self._keyed = Keyed(key)
        self._encoding = "" if encoding == "utf-8" else encoding

    def __call__(self, old: bytes) -> bytes | None:
        if self._encoding and not old.isascii():
            old = self._canonical(old)
        return marked(self._keyed.of(old).digest(), 32).hex().encode("ascii")

    def _canonical(self, old: bytes) -> bytes:
        try:
            return old.decode(self._encoding).encode("utf-8")
        except (UnicodeError, LookupError):
            return old


class HashedUuid:
    """A uuid by another: the beginning of its HMAC, marked."""

    __slots__ = ("_binary", "_keyed")

    def __init__(self, key: bytes, binary: bool) -> None:
        self._keyed = Keyed(key)
        self._binary = binary

    def __call__(self, old: bytes) -> bytes | None:
        plain = old if self._binary else bytes.fromhex(old.decode("ascii", "replace").replace("-", ""))
        made = marked(self._keyed.of(plain).digest(), 16)
        if self._binary:
            return made
        text = made.hex()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])).encode("ascii")


class HashedBytes:
    """A bytea by its HMAC, marked."""

    __slots__ = ("_binary", "_keyed")

    def __init__(self, key: bytes, binary: bool) -> None:
        self._keyed = Keyed(key)
        self._binary = binary

    def __call__(self, old: bytes) -> bytes | None:
        if self._binary:
            return marked(self._keyed.of(old).digest(), 32)
        # bytea_output = escape gives other texts for the same bytes: those hash as they stand.
        plain = bytes.fromhex(old[2:].decode("ascii")) if old.startswith(b"\\x") else old
        return b"\\x" + marked(self._keyed.of(plain).digest(), 32).hex().encode("ascii")
