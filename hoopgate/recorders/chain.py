"""The writing side of the format: frames records, keeps the running hash, signs. No I/O."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from librt.strings import BytesWriter, write_i32_be, write_i64_be

from hoopgate.recorders import format as layout
from hoopgate.recorders.heads import OVERHEAD, V2

_TAG: Final = 8  # layout.TAG_SIZE, as a literal that the compiler folds
_CHECKPOINT: Final = 3
_END: Final = 4
CHECKPOINT_BYTES: Final = 1024 * 1024
CHECKPOINT_RECORDS: Final = 4096
_crc32: Final = zlib.crc32


class Chain:
    """Makes the file's content in order. ``size`` and ``records`` count the file, ``signed_...`` what is signed of it.

    A record is a mark, which is not hashed and not given here, what ``record`` returns, and ``tag()``. Times are in
    microseconds.
    """

    __slots__ = ("_hash", "_key", "records", "signed_records", "signed_size", "size")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key: Any = key
        self._hash: Any = hashlib.sha256()
        self.size = 0
        self.records = 0
        self.signed_size = 0
        self.signed_records = 0

    def begin(self, head: layout.FileHead) -> bytes:
        """The file's head."""
        packed = layout.pack_file_head(head)
        self._hash.update(packed)
        self.size = len(packed)
        return packed

    def record(self, kind: int, events: bytes, data: bytes, elapsed: int, wall: int) -> bytes:
        """One record's head and payload: events (JSON objects, a line each), then wire bytes."""
        writer = _headed(kind, len(events), len(data), elapsed, wall)
        writer.write(events)
        writer.write(data)
        content = writer.getvalue()
        self._hash.update(content)
        self.size += len(content) + 1 + _TAG
        self.records += 1
        return content

    def head(self, kind: int, data: memoryview, elapsed: int, wall: int) -> bytes:
        """The same for a large piece of data, which is not copied: the record's head alone."""
        head = _headed(kind, 0, len(data), elapsed, wall).getvalue()
        self._hash.update(head)
        self._hash.update(data)
        self.size += len(data) + OVERHEAD
        self.records += 1
        return head

    def tag(self) -> bytes:
        """What stands behind the record made last."""
        digest: bytes = self._hash.digest()
        return digest[:_TAG]

    @property
    def due(self) -> bool:
        """Enough has gathered for a checkpoint."""
        return (
            self.size - self.signed_size >= CHECKPOINT_BYTES or self.records - self.signed_records >= CHECKPOINT_RECORDS
        )

    def agrees(self, content: bytes, tag: bytes) -> bool:
        """Whether a record with this head and payload, and this tag, could follow here."""
        chain = self._hash.copy()
        chain.update(content)
        digest: bytes = chain.digest()
        return digest[:_TAG] == tag

    def checkpoint(self, elapsed: int, wall: int) -> bytes:
        """A record that signs everything so far."""
        counts = layout.CHECKPOINT_HEAD.pack(self.records, self.size)
        content = self._sealed(_CHECKPOINT, counts, b"", V2.checkpoint_context, elapsed, wall)
        self.signed_size = self.size
        self.signed_records = self.records
        return content

    def end(self, body: bytes, elapsed: int, wall: int) -> bytes:
        """The last record; ``body`` is its JSON."""
        return self._sealed(_END, body, layout.pack_length(layout.end_length(body)), V2.end_context, elapsed, wall)

    def _sealed(self, kind: int, body: bytes, tail: bytes, context: bytes, elapsed: int, wall: int) -> bytes:
        """``body``, the digest of everything up to it, the signature of context and digest, ``tail``."""
        length = len(body) + layout.DIGEST_SIZE + layout.SIGNATURE_SIZE + len(tail)
        signed = self._hash.copy()
        signed.update(_headed(kind, 0, length, elapsed, wall).getvalue() + body)
        digest: bytes = signed.digest()
        return self.record(kind, b"", b"".join((body, digest, self._key.sign(context + digest), tail)), elapsed, wall)


def _headed(kind: int, events: int, data: int, elapsed: int, wall: int) -> BytesWriter:
    """A record's head, ``heads.WRITTEN`` and its CRC-32, to which the payload may be added."""
    writer = BytesWriter()
    writer.append(kind)
    write_i32_be(writer, events)
    write_i32_be(writer, data)
    write_i64_be(writer, elapsed)
    write_i64_be(writer, wall)
    crc: int = _crc32(writer.getvalue())
    write_i32_be(writer, (crc ^ 0x8000_0000) - 0x8000_0000)  # the same bits, as a signed number
    return writer
