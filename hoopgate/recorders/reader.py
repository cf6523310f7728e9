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

_POLL: Final = 0.2


@frozen
class Record:
    """One record. ``offset`` is its header's place in the file; times are microseconds since the recording began."""

    offset: int
    kind: Kind
    elapsed: int
    wall: int
    payload: bytes

    @property
    def end(self) -> int:
        return self.offset + layout.OVERHEAD + len(self.payload)

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


def records(file: BinaryIO, offset: int = layout.FILE_HEAD_SIZE) -> Iterator[Record]:
    """Every whole record from ``offset`` on; ends where the file does, in mid-record too.

    Checks the headers' CRC alone: whoever must know that nothing was changed verifies first. Raises Malformed,
    whose ``at`` is then an offset in the file.
    """
    file.seek(offset)
    while True:
        head = file.read(layout.HEAD_SIZE)
        if len(head) < layout.HEAD_SIZE:
            return
        try:
            fields = layout.unpack_record_head(head)
        except Malformed as error:
            raise Malformed(str(error), offset) from error
        rest = file.read(fields.length + layout.TAG_SIZE)
        if len(rest) < fields.length + layout.TAG_SIZE:
            return
        record = Record(offset, Kind(fields.kind), fields.elapsed, fields.wall, rest[: fields.length])
        yield record
        offset = record.end


def read(path: Path) -> Iterator[Record]:
    """Every record of a file as far as it is written now. Raises Malformed or OSError."""
    with path.open("rb") as file:
        if read_head(file) is not None:
            yield from records(file)


def follow(path: Path, *, poll: float = _POLL, sleep: Callable[[float], None] = time.sleep) -> Iterator[Record]:
    """Every record, waiting for more until the end record: what other recorders read the spool with.

    It blocks in ``sleep``, so it belongs to a thread or a process of its own. It never ends for a recording whose
    writer died: who follows decides how long to wait (raise from ``sleep``). Raises Malformed or OSError.
    """
    with path.open("rb") as file:
        while read_head(file) is None:
            sleep(poll)
        offset = layout.FILE_HEAD_SIZE
        while True:
            for record in records(file, offset):
                yield record
                if record.kind is Kind.END:
                    return
                offset = record.end
            sleep(poll)


def opening(path: Path) -> tuple[layout.FileHead, dict[str, Any]] | None:
    """The head and the ``open`` event, or None when they are not there whole. Raises Malformed or OSError."""
    with path.open("rb") as file:
        head = read_head(file)
        first = next(records(file), None) if head is not None else None
        return (head, first.event()) if head is not None and first is not None else None


def ending(path: Path) -> Record | None:
    """The end record, found from the file's tail; None when there is none (yet). Not a proof of anything."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        tail = 4 + layout.TAG_SIZE
        if size < layout.FILE_HEAD_SIZE + layout.OVERHEAD + layout.END_TAIL_SIZE:
            return None
        file.seek(size - tail)
        length = int.from_bytes(file.read(4), "big")
        offset = size - layout.OVERHEAD - length
        if length > layout.MAX_PAYLOAD or offset < layout.FILE_HEAD_SIZE:
            return None
        try:
            record = next(records(file, offset), None)
        except Malformed:
            return None
        return record if record is not None and record.kind is Kind.END else None
