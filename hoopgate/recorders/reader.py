"""Reading recordings: streaming, bounded in memory, also while they are being written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from attrs import frozen

from hoopgate.recorders import format as layout
from hoopgate.recorders.format import Kind, Malformed
from hoopgate.recorders.heads import SHAPES, V2, Shape

_POLL: Final = 0.2
_NOTHING: Final = b"\x00"  # in place of a record's mark: it is not there yet, and perhaps never will be


@frozen
class Record:
    """One event, or one piece of wire bytes. ``offset`` and ``end`` are those of the record in the file that holds it,
    perhaps with others; times are microseconds since the recording began."""

    offset: int
    kind: Kind
    elapsed: int
    wall: int
    payload: bytes
    end: int

    def event(self) -> dict[str, Any]:
        """The fields of an event or an end. Raises Malformed."""
        if self.kind is Kind.END:
            return layout.unpack_event(layout.split_end(self.payload)[0])
        return layout.unpack_event(self.payload)


def read_head(file: BinaryIO) -> layout.FileHead | None:
    """The file's head, or None when it is not there whole. Raises Malformed."""
    file.seek(0)
    data = file.read(layout.FILE_HEAD_SIZE)
    return layout.unpack_file_head(data) if len(data) == layout.FILE_HEAD_SIZE else None


def records(file: BinaryIO, offset: int = layout.FILE_HEAD_SIZE, shape: Shape = V2) -> Iterator[Record]:
    """Every whole record from ``offset`` on; ends where what was appended does, in mid-record too.

    Checks the headers' CRC alone: whoever must know that nothing was changed verifies first. Raises Malformed,
    whose ``at`` is then an offset in the file.
    """
    file.seek(offset)
    while True:
        packed = file.read(shape.head_size)
        if len(packed) < shape.head_size or (shape.marked and packed[:1] == _NOTHING):
            return
        try:
            head = shape.unpack(packed)
        except Malformed as error:
            raise Malformed(str(error), offset) from error
        rest = file.read(head.length + layout.TAG_SIZE)
        if len(rest) < head.length + layout.TAG_SIZE:
            return
        end = offset + shape.overhead + head.length
        kind = Kind(head.kind)
        if head.events:
            for payload in rest[: head.events].split(b"\n"):
                yield Record(offset, Kind.EVENT, head.elapsed, head.wall, payload, end)
        if kind is not Kind.EVENT or not head.events:
            yield Record(offset, kind, head.elapsed, head.wall, rest[head.events : head.length], end)
        offset = end


def read(path: Path) -> Iterator[Record]:
    """Every record of a file as far as it is written now. Raises Malformed or OSError."""
    with path.open("rb") as file:
        head = read_head(file)
        if head is not None:
            yield from records(file, shape=SHAPES[head.version])


def follow(path: Path, *, poll: float = _POLL, sleep: Callable[[float], None] = time.sleep) -> Iterator[Record]:
    """Every record, waiting for more until the end record: what other recorders read the spool with.

    It blocks in ``sleep``, so it belongs to a thread or a process of its own. It never ends for a recording whose
    writer died: who follows decides how long to wait (raise from ``sleep``). Raises Malformed or OSError.
    """
    with path.open("rb", buffering=0) as raw:
        while (head := read_head(raw)) is None:
            sleep(poll)
        offset = layout.FILE_HEAD_SIZE
        while True:
            # A buffer of its own for each look: an older one may hold zeros where a record is by now.
            with os.fdopen(os.dup(raw.fileno()), "rb") as file:
                for record in records(file, offset, SHAPES[head.version]):
                    yield record
                    if record.kind is Kind.END:
                        return
                    offset = record.end
            sleep(poll)


def opening(path: Path) -> tuple[layout.FileHead, dict[str, Any]] | None:
    """The head and the ``open`` event, or None when they are not there whole. Raises Malformed or OSError."""
    with path.open("rb") as file:
        head = read_head(file)
        first = next(records(file, shape=SHAPES[head.version]), None) if head is not None else None
        return (head, first.event()) if head is not None and first is not None else None


def ending(path: Path) -> Record | None:
    """The end record, found from the file's tail; None when there is none (yet). Not a proof of anything."""
    with path.open("rb") as file:
        head = read_head(file)
        if head is None:
            return None
        shape = SHAPES[head.version]
        size = file.seek(0, os.SEEK_END)
        tail = 4 + layout.TAG_SIZE
        if size < layout.FILE_HEAD_SIZE + shape.overhead + layout.END_TAIL_SIZE:
            return None
        file.seek(size - tail)
        length = int.from_bytes(file.read(4), "big")
        offset = size - shape.overhead - length
        if length > layout.MAX_PAYLOAD or offset < layout.FILE_HEAD_SIZE:
            return None
        try:
            record = next(records(file, offset, shape), None)
        except Malformed:
            return None
        return record if record is not None and record.kind is Kind.END else None
