"""Offline verification with the public key alone: is every byte what the recorder wrote, and is the end there?"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from attrs import evolve, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoopgate.recorders import format as layout
from hoopgate.recorders.format import Kind, Malformed
from hoopgate.recorders.heads import MARK, SHAPES, V2, RecordHead, Shape
from hoopgate.recorders.keys import key_id
from hoopgate.recorders.locate import Locator

_TORN: Final = layout.MAX_PAYLOAD + V2.overhead  # what a kill can leave torn: one record
_PIECE: Final = 1024 * 1024


class Hash(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes, /) -> None: ...
    def copy(self) -> Hash: ...
    def digest(self) -> bytes: ...


@frozen
class Report:
    """What verification found.

    ``ok``: whole, unchanged, signed. ``truncated``: what is there is unchanged, but the end is missing.
    ``first_bad_offset`` names the first bad byte; when ``exact`` is False it is the first byte of ``bad_range``
    (start, end), the smallest stretch known to hold it. ``proven`` is how many bytes from the start a signature
    vouches for.
    """

    session: str = ""
    ok: bool = False
    truncated: bool = False
    reason: str = ""
    first_bad_offset: int | None = None
    exact: bool = False
    bad_range: tuple[int, int] | None = None
    proven: int = 0
    size: int = 0
    records: int = 0
    end: dict[str, Any] | None = None


class _Bad(Exception):  # noqa: N818 - internal: carries the finding out of the walk
    def __init__(self, reason: str, start: int, end: int, exact: bool) -> None:
        super().__init__(reason)
        self.start = start
        self.end = end
        self.exact = exact


def verify(path: Path, public_key: Ed25519PublicKey, *, patience: float = 10.0) -> Report:
    """Verify one recording, reading it once, a record at a time.

    ``patience`` is how many seconds the search for the exact bad byte may take. Raises OSError.
    """
    with path.open("rb") as file:
        return _Verification(file, public_key, Locator(file, patience)).run()


class _Verification:
    """One pass over one file."""

    def __init__(self, file: BinaryIO, public_key: Ed25519PublicKey, locator: Locator) -> None:
        self._file = file
        self._public_key = public_key
        self._locator = locator
        self._chain: Hash = hashlib.sha256()
        self._shape: Shape = V2
        self._offset = 0
        self._report = Report(size=file.seek(0, 2))

    def run(self) -> Report:
        self._file.seek(0)
        try:
            return self._walk()
        except _Bad as bad:
            return evolve(
                self._report,
                reason=str(bad),
                first_bad_offset=bad.start,
                exact=bad.exact,
                bad_range=(bad.start, bad.end),
            )

    def _walk(self) -> Report:
        head = self._file.read(layout.FILE_HEAD_SIZE)
        if len(head) < layout.FILE_HEAD_SIZE:
            return self._short_head(head)
        self._head(head)
        self._chain.update(head)
        self._offset = len(head)
        while True:
            packed = self._file.read(self._shape.head_size)
            if len(packed) < self._shape.head_size:
                return self._truncated()
            if self._shape.marked and packed[:1] == b"\x00":
                return self._unfinished(packed)
            fields = self._record_head(packed)
            rest = self._file.read(fields.length + layout.TAG_SIZE)
            if len(rest) < fields.length + layout.TAG_SIZE:
                return self._truncated()
            self._record(packed, fields, rest[: fields.length], rest[fields.length :])
            if fields.kind == Kind.END:
                return self._ended()

    def _unfinished(self, packed: bytes) -> Report:
        """No mark, so that nothing may stand here but zeros and, in front of them, one append that was torn."""
        start, shape = self._offset, self._shape
        marked = MARK + packed[1:]
        whole = self._locator.agrees(self._chain, start, marked)
        if whole is not None and not self._zeros_from(whole):
            raise _Bad("a record's mark was changed", start, start + 1, True)
        if not self._zeros_from(start + (_TORN if whole is None else whole - start)):
            raise _Bad("a record was changed, or is not whole", start, start + shape.head_size, False)
        return self._truncated()

    def _zeros_from(self, offset: int) -> bool:
        self._file.seek(offset)
        while piece := self._file.read(_PIECE):
            if piece.strip(b"\x00"):
                return False
        return True

    def _short_head(self, head: bytes) -> Report:
        for at, byte in enumerate(head[: len(layout.MAGIC)]):
            if byte != layout.MAGIC[at]:
                raise _Bad("this is no hoopgate recording: wrong magic", at, at + 1, True)
        return self._truncated()

    def _head(self, packed: bytes) -> None:
        try:
            head = layout.unpack_file_head(packed)
        except Malformed as error:
            self._bad_file_head(packed, str(error), error.at)
            raise
        self._shape = self._locator.shape = SHAPES[head.version]
        self._report = evolve(self._report, session=head.session)
        if head.key_id != key_id(self._public_key):
            if (at := self._locator.in_file_head(packed)) is not None:
                raise _Bad("the file's head was changed", at, at + 1, True)
            # Nothing before the key's id is known to be sound either, where the key is another.
            end = layout.KEY_ID_OFFSET + layout.KEY_ID_SIZE
            raise _Bad("it was signed by another key, or the file's head was changed", 0, end, False)

    def _bad_file_head(self, packed: bytes, reason: str, at: int) -> None:
        exact = self._locator.in_file_head(packed)
        if exact is not None:
            raise _Bad(reason, exact, exact + 1, True)
        raise _Bad(reason, at, layout.FILE_HEAD_SIZE, False)

    def _record_head(self, packed: bytes) -> RecordHead:
        try:
            return self._shape.unpack(packed)
        except Malformed as error:
            self._look_into_head()
            at = self._locator.in_record_head(self._chain, self._offset, packed)
            if at is not None:
                raise _Bad(str(error), at, at + 1, True) from error
            raise _Bad(str(error), self._offset, self._offset + self._shape.head_size, False) from error

    def _record(self, packed: bytes, fields: RecordHead, payload: bytes, tag: bytes) -> None:
        before = self._chain.copy()
        packed = packed[self._shape.marked :]
        self._chain.update(packed)
        self._chain.update(payload)
        expected = self._chain.copy().digest()[: layout.TAG_SIZE]
        if tag != expected:
            self._broken_chain(before, packed, fields, payload, expected, tag)
        start, self._offset = self._offset, self._offset + self._shape.overhead + fields.length
        self._report = evolve(self._report, records=self._report.records + 1)
        if fields.kind == Kind.CHECKPOINT:
            self._checkpoint(before, packed, payload, start)
        elif fields.kind == Kind.END:
            self._end(before, packed, payload, start)

    def _broken_chain(
        self, before: Hash, packed: bytes, fields: RecordHead, payload: bytes, expected: bytes, tag: bytes
    ) -> None:
        start = self._offset
        tag_at = start + self._shape.head_size + fields.length
        if self._tag_alone_is_bad(before, packed, fields, payload, tag_at + layout.TAG_SIZE):
            at = tag_at + next(i for i in range(layout.TAG_SIZE) if tag[i] != expected[i])
            raise _Bad("a record's tag was changed", at, at + 1, True)
        self._look_into_head()
        if (at_payload := self._locator.in_record(before, packed + payload, tag)) is not None:
            at = start + self._shape.marked + at_payload
            raise _Bad("a record was changed", at, at + 1, True)
        raise _Bad(
            "a record was changed, or is not the one that was written here", start, tag_at + layout.TAG_SIZE, False
        )

    def _look_into_head(self) -> None:
        """Where the first record does not fit, the file's head may be what was changed."""
        if self._offset == layout.FILE_HEAD_SIZE:
            self._file.seek(0)
            head = self._file.read(layout.FILE_HEAD_SIZE)
            if (at := self._locator.in_file_head(head)) is not None:
                raise _Bad("the file's head was changed", at, at + 1, True)

    def _tag_alone_is_bad(self, before: Hash, packed: bytes, fields: RecordHead, payload: bytes, next_at: int) -> bool:
        """The payload is right if the next record's tag, or the end's signature, agrees with it."""
        if fields.kind == Kind.END:
            body = len(payload) - layout.END_TAIL_SIZE
            whole = payload[-4:] == layout.pack_length(len(payload))
            return whole and self._sealed(before, packed, payload, self._shape.end_context, body)
        return self._locator.next_agrees(self._chain, next_at)

    def _sealed(self, before: Hash, packed: bytes, payload: bytes, context: bytes, body: int) -> bool:
        """Whether digest and signature behind the first ``body`` bytes of a payload are right."""
        signed = before.copy()
        signed.update(packed)
        signed.update(payload[: max(0, body)])
        digest = signed.digest()
        if body < 0 or payload[body : body + layout.DIGEST_SIZE] != digest:
            return False
        signature = payload[body + layout.DIGEST_SIZE : body + layout.DIGEST_SIZE + layout.SIGNATURE_SIZE]
        try:
            self._public_key.verify(signature, context + digest)
        except InvalidSignature:
            return False
        return True

    def _checkpoint(self, before: Hash, packed: bytes, payload: bytes, start: int) -> None:
        counted = (self._report.records - 1, start)
        if (
            len(payload) != layout.CHECKPOINT_SIZE
            or layout.CHECKPOINT_HEAD.unpack_from(payload) != counted
            or not self._sealed(before, packed, payload, self._shape.checkpoint_context, layout.CHECKPOINT_HEAD.size)
        ):
            raise _Bad("a checkpoint's signature does not fit what is before it", *self._unproven())
        self._report = evolve(self._report, proven=self._offset)

    def _end(self, before: Hash, packed: bytes, payload: bytes, start: int) -> None:
        try:
            body, _, _ = layout.split_end(payload)
            event = layout.unpack_event(body)
        except Malformed as error:
            raise _Bad(str(error), start, self._offset, False) from error
        if not self._sealed(before, packed, payload, self._shape.end_context, len(body)):
            raise _Bad("the final signature does not fit what is before it", *self._unproven())
        if event.get("records") != self._report.records - 1:
            raise _Bad("the end counts other records than there are", start, self._offset, False)
        self._report = evolve(self._report, proven=self._offset, end=event)

    def _unproven(self) -> tuple[int, int, bool]:
        return self._report.proven or layout.FILE_HEAD_SIZE, self._offset, False

    def _ended(self) -> Report:
        size = self._file.seek(0, 2)  # again: it may have been written while we read
        if self._offset != size:
            raise _Bad("there are bytes after the end", self._offset, size, True)
        return evolve(self._report, ok=True, size=size, reason="verified")

    def _truncated(self) -> Report:
        return evolve(
            self._report,
            truncated=True,
            reason=f"the end is missing; signatures vouch for the first {self._report.proven} bytes",
        )
