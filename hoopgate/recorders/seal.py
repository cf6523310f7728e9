"""Giving an end to the recording of a process that died: the chain goes on behind the last whole record, and is signed.

What a killed process leaves is a whole prefix: possibly half a record behind it, and zeros up to the end of the piece
that the spool had laid out. Both go, since nothing is forwarded before its record is whole. The end says that it was
written afterwards, how far the signatures of the time reach, and how many bytes were cut off.

Only for recordings that nobody writes any more. Blocks: it belongs in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgate.errors import RecordingError
from hoopgate.recorders import format as layout
from hoopgate.recorders import keys, places
from hoopgate.recorders.chain import Chain
from hoopgate.recorders.format import Kind, Malformed
from hoopgate.recorders.heads import MARK, V2, RecordHead

DAY: Final = 86400.0
_CHUNK: Final = 1024 * 1024


def find(directory: Path, session: str, started: float) -> Path | None:
    """The recording of a session that began at ``started`` (epoch seconds), perhaps a moment before midnight."""
    for day in dict.fromkeys((places.shard(started), places.shard(started + DAY))):
        path = directory / day / (session + layout.SUFFIX)
        if layout.valid_session_id(session) and path.exists():
            return path
    return None


def seal(path: Path, key: Ed25519PrivateKey, reason: str, now: float) -> bool:
    """Give the recording its end, if it has none; True if it had none. ``now`` is epoch seconds.

    Raises RecordingError where that cannot be: it was signed by another key, or what lies behind the last whole record
    is more than a death can leave, and is left as it is for verification to name. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "r+b") as file:
        walk = _Walk(file, Chain(key))
        walk.run(keys.key_id(key.public_key()))
        torn = _torn(file, walk.offset)
        file.truncate(walk.offset)
        if not walk.ended:
            file.seek(walk.offset)
            file.write(walk.end(reason, now, torn))
        return not walk.ended


@define
class _Walk:
    """One reading of the file, with a chain that makes the same bytes again."""

    file: BinaryIO
    chain: Chain
    offset: int = 0
    started: int = 0
    elapsed: int = 0
    proven: int = 0
    ended: bool = False
    moved: list[int] = field(factory=lambda: [0, 0])
    events: dict[str, int] = field(factory=dict)

    def run(self, key_id: bytes) -> None:
        data = self.file.read(layout.FILE_HEAD_SIZE)
        try:
            head = layout.unpack_file_head(data.ljust(layout.FILE_HEAD_SIZE, b"\0"))
        except Malformed as error:
            raise RecordingError(f"it has no head: {error}") from error
        if head.key_id != key_id:
            raise RecordingError("it was signed by another key")
        if head.version != layout.VERSION:
            raise RecordingError("an earlier version of hoopgate wrote it")
        self.chain.begin(head)
        self.offset, self.started = len(data), head.started
        try:
            for record, payload in self._whole():
                self._count(record, payload)
        except Malformed as error:
            raise RecordingError(f"it was damaged before byte {self.offset}: {error}") from error

    def _whole(self) -> Iterator[tuple[RecordHead, bytes]]:
        """Every record that is there to its last byte, and that the chain agrees with."""
        while not self.ended:
            packed = self.file.read(V2.head_size)
            if len(packed) < V2.head_size or not V2.intact(packed):
                return
            head = V2.unpack(packed)
            rest = self.file.read(head.length + layout.TAG_SIZE)
            payload = rest[: head.length]
            if not self.chain.agrees(packed[1:] + payload, rest[head.length :]):
                return
            self._go_on(head, packed[1:] + payload, payload)
            self.offset += V2.overhead + head.length
            yield head, payload

    def _go_on(self, head: RecordHead, content: bytes, payload: bytes) -> None:
        """Take the chain past a record. What is signed must be what this key signs here (Ed25519 is deterministic): an
        end of ours behind somebody else's signature would speak for it. Raises Malformed."""
        chain = self.chain
        same = True
        if head.kind == Kind.CHECKPOINT:
            same = chain.checkpoint(head.elapsed, head.wall) == content
        elif head.kind == Kind.END:
            same = chain.end(layout.split_end(payload)[0], head.elapsed, head.wall) == content
        else:
            chain.record(head.kind, payload[: head.events], payload[head.events :], head.elapsed, head.wall)
        if not same:
            raise Malformed("a signature does not fit what is before it")

    def _count(self, record: RecordHead, payload: bytes) -> None:
        self.elapsed = record.elapsed
        for event in payload[: record.events].split(b"\n") if record.events else ():
            name = str(layout.unpack_event(event)["event"])
            self.events[name] = self.events.get(name, 0) + 1
        if record.kind in (Kind.FROM_CLIENT, Kind.FROM_TARGET):
            self.moved[record.kind] += record.data
        elif record.kind != Kind.EVENT:
            self.proven = self.offset
            self.ended = record.kind == Kind.END

    def end(self, reason: str, now: float, torn: int) -> bytes:
        """The bytes of the end."""
        told = {
            "reason": reason[:1000],
            "records": self.chain.records,
            "bytes": self.moved,
            "events": self.events,
            "seconds": self.elapsed / 1e6,
            "sealed": {"at": now, "proven": self.proven, "dropped": torn},
        }
        content = self.chain.end(layout.pack_event("end", told), self.elapsed, int(now * 1e6) - self.started)
        return MARK + content + self.chain.tag()


def _torn(file: BinaryIO, offset: int) -> int:
    """How many bytes lie behind the last whole record, zeros at the end not counted: less than one record has."""
    size = file.seek(0, os.SEEK_END)
    last = offset
    for at in range(offset, size, _CHUNK):
        file.seek(at)
        found = file.read(_CHUNK).rstrip(b"\0")
        last = at + len(found) if found else last
    file.seek(offset)
    packed = MARK + file.read(V2.head_size)[1:]  # the mark is what is written last
    most = layout.MAX_PAYLOAD + V2.overhead
    if len(packed) == V2.head_size and V2.intact(packed):
        most = V2.unpack(packed).length + V2.overhead
    if last - offset > most:
        raise RecordingError(f"it was damaged at byte {offset}: what follows is more than half a record")
    return last - offset
