"""The writing side of the format: frames records, keeps the running hash, signs. No I/O."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgate.recorders import format as layout
from hoopgate.recorders.format import Kind

Parts = list[bytes | memoryview]

_CLAMP: Final = (1 << 47) - 1  # of a wall clock that jumped by years


class Chain:
    """Appends to a list of byte pieces, the file's content in order. ``size`` and ``records`` count the file."""

    __slots__ = ("_hash", "_key", "records", "signed_at", "signed_records", "signed_size", "size")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._hash = hashlib.sha256()
        self.size = 0
        self.records = 0
        self.signed_size = 0
        self.signed_records = 0
        self.signed_at = 0

    def begin(self, parts: Parts, head: layout.FileHead) -> None:
        packed = layout.pack_file_head(head)
        self._hash.update(packed)
        parts.append(packed)
        self.size = len(packed)

    def record(self, parts: Parts, kind: int, payload: bytes | memoryview, elapsed: int, wall: int) -> None:
        """One record; times in microseconds."""
        length = len(payload)
        if not -_CLAMP <= wall <= _CLAMP:
            wall = max(-_CLAMP, min(_CLAMP, wall))
        head = layout.pack_record_head(length, kind, elapsed, wall)
        chain = self._hash
        chain.update(head)
        chain.update(payload)
        parts += (head, payload, chain.copy().digest()[: layout.TAG_SIZE])
        self.size += length + layout.OVERHEAD
        self.records += 1

    def agrees(self, head: bytes, payload: bytes, tag: bytes) -> bool:
        """Whether a record with this head, payload and tag could follow here."""
        chain = self._hash.copy()
        chain.update(head)
        chain.update(payload)
        return chain.digest()[: layout.TAG_SIZE] == tag

    def checkpoint(self, parts: Parts, elapsed: int, wall: int) -> None:
        """Sign everything so far."""
        counts = layout.CHECKPOINT_HEAD.pack(self.records, self.size)
        self._sealed(parts, Kind.CHECKPOINT, counts, b"", layout.CHECKPOINT_CONTEXT, elapsed, wall)
        self.signed_size = self.size
        self.signed_records = self.records
        self.signed_at = elapsed

    def end(self, parts: Parts, body: bytes, elapsed: int, wall: int) -> None:
        """The last record; ``body`` is its JSON."""
        tail = layout.pack_length(layout.end_length(body))
        self._sealed(parts, Kind.END, body, tail, layout.END_CONTEXT, elapsed, wall)

    def _sealed(
        self, parts: Parts, kind: Kind, body: bytes, tail: bytes, context: bytes, elapsed: int, wall: int
    ) -> None:
        """``body``, the digest of everything up to it, the signature of context and digest, ``tail``."""
        signed = self._hash.copy()
        length = len(body) + layout.DIGEST_SIZE + layout.SIGNATURE_SIZE + len(tail)
        wall = max(-_CLAMP, min(_CLAMP, wall))
        signed.update(layout.pack_record_head(length, kind, elapsed, wall))
        signed.update(body)
        digest = signed.digest()
        self.record(parts, kind, b"".join((body, digest, self._key.sign(context + digest), tail)), elapsed, wall)
