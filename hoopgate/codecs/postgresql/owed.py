"""Replies owed: which answer belongs to which request (PostgreSQL manual, "Extended Query", "Pipelining").

The target answers in order. So that a refusal can wait its turn and a result be tied to its statement, every request
that is forwarded leaves an entry here, and every reply is checked against the entry at the head by one table.
"""

from __future__ import annotations

from typing import Any, Final

from hoopgate.codecs.postgresql.names import Meaning, Names
from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Statement

WINDOW: Final = 1024  # replies owed before the client has to wait: a bound on memory, and on one turn's work

# What was asked.
QUERY: Final = 0
PARSE: Final = 1
BIND: Final = 2
CLOSE: Final = 3
DESCRIBE_STATEMENT: Final = 4
DESCRIBE_PORTAL: Final = 5
EXECUTE: Final = 6
SYNC: Final = 7
CALL: Final = 8
COPY_END: Final = 9  # CopyDone or CopyFail; owes nothing itself: it marks where a COPY that has yet to begin will end
ASKED: Final = (
    "Query", "Parse", "Bind", "Close", "Describe (statement)", "Describe (portal)", "Execute", "Sync", "FunctionCall",
    "CopyDone or CopyFail",
)  # fmt: skip

# What a reply does to the entry at the head.
UNOWED: Final = 0  # it cannot be an answer to that
KEEP: Final = 1  # more replies follow
DONE: Final = 2  # this was the last
FAIL: Final = 3  # an error: the target now skips to the next Sync


def _table() -> bytes:
    steps = bytearray(256 * len(ASKED))

    def on(kind: int, keep: str = "", done: str = "", fail: str = "") -> None:
        for letters, step in ((keep, KEEP), (done, DONE), (fail, FAIL)):
            for letter in letters:
                steps[kind << 8 | ord(letter)] = step

    on(QUERY, keep="TDCIGHWcdE", done="Z")
    on(CALL, keep="VE", done="Z")
    on(SYNC, keep="E", done="Z")  # an implicit transaction may fail as it commits
    on(PARSE, done="1", fail="E")
    on(BIND, done="2", fail="E")
    on(CLOSE, done="3", fail="E")
    on(DESCRIBE_STATEMENT, keep="t", done="Tn", fail="E")
    on(DESCRIBE_PORTAL, done="Tn", fail="E")
    on(EXECUTE, keep="DGHcd", done="CIs", fail="E")
    return bytes(steps)


STEPS: Final = _table()
"""A step for each ``kind << 8 | type of the reply``."""


class Capture:
    """What becomes of replies to requests of our own, which the client does not see. Here: nothing."""

    __slots__ = ()

    def reply(self, raw: bytes) -> None:
        """One reply; an error before it makes anything void."""

    def undone(self) -> None:
        """The target never gets to it."""


HIDDEN: Final = Capture()


class Owed:
    """One request whose replies are awaited.

    ``refusal``: the ErrorResponse that takes the place of the target's own; ``replaced``: the same, of a COPY whose
    data are refused after it has begun. ``capture``: replies are ours and go there, not to the client; ``shared``: but
    an error goes to the client too, since its batch failed by it.
    ``meaning``: what it changes in ``names``, if the target gets to it.
    """

    __slots__ = (
        "batch", "capture", "completed", "described", "description", "failed", "kind", "meaning", "names", "next",
        "opened", "refusal", "replaced", "shared", "statement", "watched",
    )  # fmt: skip

    def __init__(self, kind: int, statement: Statement | None = None) -> None:
        self.kind = kind
        self.statement = statement
        self.refusal: bytes | None = None
        self.replaced: bytes | None = None
        self.capture: Capture | None = None
        self.shared = False
        self.names: Names[Any] | None = None
        self.meaning: Meaning[Any] | None = None
        self.batch = 0
        self.completed = 0  # of a Query's statements
        self.watched = False  # its rows may only pass once their columns were judged...
        self.described: Owed | None = None  # ...which this Describe asked for...
        self.description: bytes | None = None  # ...and this RowDescription said
        self.opened = False  # ...as has been done
        self.failed = False  # it met an error; a Sync: what stood before it did
        self.next: Owed | None = None

    def changes(self, names: Names[Any], meaning: Meaning[Any]) -> None:
        """What the name means hangs on this request."""
        self.names = names
        self.meaning = meaning

    def settle(self) -> None:
        """It was answered without error."""
        if self.names is not None and self.meaning is not None:
            self.names.confirm(self.meaning)

    def undo(self) -> None:
        """The target never gets to it."""
        if self.capture is not None:
            self.capture.undone()
        if self.names is not None and self.meaning is not None:
            self.names.undo(self.meaning)


class Replies:
    """The queue of entries, linked from its ``head``."""

    __slots__ = ("_size", "_tail", "head")

    def __init__(self) -> None:
        self.head: Owed | None = None
        self._tail: Owed | None = None
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def full(self) -> bool:
        return self._size >= WINDOW

    @property
    def synced(self) -> bool:
        """A Sync is among them."""
        entry = self.head
        while entry is not None and entry.kind != SYNC:
            entry = entry.next
        return entry is not None

    @property
    def copying(self) -> Owed | None:
        """The last statement that was sent: the one that data sent now belong to. None: it is answered."""
        found, entry = None, self.head
        while entry is not None:
            if entry.kind in (QUERY, EXECUTE):
                found = entry
            entry = entry.next
        return found

    def expect(self, entry: Owed) -> None:
        tail = self._tail
        if tail is not None:
            tail.next = entry
        elif entry.kind == COPY_END:
            return
        else:
            self.head = entry
        self._tail = entry
        self._size += 1

    def step(self, kind: int) -> int:
        """Account for one reply of type ``kind`` to the head.

        :raises RemoteProtocolError: nothing of the sort is owed.
        """
        head = self.head
        step = UNOWED if head is None else STEPS[head.kind << 8 | kind]
        if step == DONE:
            self._take()
            while self.head is not None and self.head.kind == COPY_END:
                self._take()  # there was no COPY, so the target took no notice of it
        elif step == FAIL:
            self._skip_to_sync()
        elif step == UNOWED:
            asked = "nothing" if head is None else ASKED[head.kind]
            raise RemoteProtocolError(f"the target sent {chr(kind)!r} where {asked} was to be answered")
        return step

    def begin_copy(self) -> bool:
        """COPY IN began for the head: until the copy's end the target ignores every Sync (PostgreSQL, CopyGetData).

        True if the client has already sent that end.
        """
        before = self.head
        while before is not None and before.next is not None:
            entry = before.next
            if entry.kind in (SYNC, COPY_END):
                before.next = entry.next
                if entry is self._tail:
                    self._tail = before
                self._size -= 1
                if entry.kind == COPY_END:
                    return True
            else:
                before = entry
        return False

    def _take(self) -> Owed:
        head = self.head
        assert head is not None
        self.head = head.next
        head.next = None
        if self.head is None:
            self._tail = None
        self._size -= 1
        return head

    def _skip_to_sync(self) -> None:
        skipped: list[Owed] = []
        while self.head is not None and self.head.kind != SYNC:
            skipped.append(self._take())
        for entry in reversed(skipped):
            entry.undo()
        if self.head is not None:
            self.head.failed = True
