"""One file on its way through, in one direction: how much of it, in which order, and the hash of what passed."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

Direction = Literal["in", "out"]
IN: Final = "in"  # to the target
OUT: Final = "out"  # from the target


class Transfer:
    """Fed with what passes: ``piece`` for each run of bytes whose place is known, then ``feed`` with the bytes.

    ``path`` is the file's name on the target, ``most`` how many bytes it may have (None: any number) and ``rule``
    who says so. A hash is told only of bytes that passed in order, from ``start`` on. What was read already and is read
    once more (as paramiko does) is counted in ``again`` alone.
    """

    __slots__ = (
        "_digest", "_feeding", "_next", "again", "asked", "direction", "errors", "expected", "failed", "known", "most",
        "ordered", "path", "rule", "size", "start", "whole",
    )  # fmt: skip

    def __init__(
        self, direction: Direction, path: str, *, asked: str = "", most: int | None = None, rule: str = ""
    ) -> None:
        self.direction = direction
        self.path = path
        self.asked = asked
        self.most = most
        self.rule = rule
        self.size = 0
        self.start = 0
        self.ordered = True
        self.whole = False  # the file has what passed, all of it and nothing else
        self.errors = 0
        self.failed = ""  # the first error's words
        self.expected: int | None = None  # bytes, where the protocol says so first
        self.known: int | None = None  # bytes that the file is said to have on the target
        self.again = 0
        self._feeding = True
        self._next: int | None = None
        self._digest = hashlib.sha256()

    def fits(self, end: int) -> bool:
        """Whether the file may have ``end`` bytes."""
        return self.most is None or end <= self.most

    def piece(self, offset: int | None, length: int) -> None:
        """So many bytes come, of this place in the file; None: of the place behind the last ones."""
        if offset is None:
            offset = self._next or 0
        if self._next is None:
            self.start = offset
        elif self.direction == OUT and offset >= self.start and offset + length <= self._next:
            self._feeding = False
            self.again += length
            return
        elif offset != self._next:
            self.ordered = False
        self._feeding = self.ordered
        self._next = offset + length
        self.size += length

    def feed(self, data: bytes) -> None:
        if self._feeding:
            self._digest.update(data)

    def error(self, words: str) -> None:
        """Something went wrong with it."""
        self.errors += 1
        self.failed = self.failed or words

    @property
    def end(self) -> int:
        """Where what passed last ends."""
        return self._next or 0

    def fields(self) -> dict[str, Any]:
        """For the recording's ``transfer`` event. ``whole``: all of the file passed, in order, without an error."""
        whole = (self.whole or self.end == self.known) and self.ordered and not self.start and not self.errors
        found: dict[str, Any] = {"direction": self.direction, "path": self.path, "size": self.size, "whole": whole}
        if self.asked and self.asked != self.path:
            found["asked"] = self.asked
        if self.ordered:
            found["sha256"] = self._digest.hexdigest()
            if self.start:
                found["start"] = self.start
        else:
            found["ordered"] = False
        if self.again:
            found["again"] = self.again
        if self.expected is not None and self.expected != self.size:
            found["expected"] = self.expected
        if self.errors:
            found |= {"errors": self.errors, "error": self.failed}
        return found
