"""Replies owed: which answer belongs to which request (PostgreSQL manual, "Extended Query", "Pipelining").

The target answers in order. So that a refusal can wait its turn and a result be tied to its statement, every request
that is forwarded leaves an entry here, and every reply is checked against the entry at the head by one table.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Column, Statement

WINDOW: Final = 1024  # replies owed before the client has to wait: a bound on memory, and on one turn's work


class Kind(enum.Enum):
    """What was asked."""

    QUERY = "Query"
    PARSE = "Parse"
    BIND = "Bind"
    CLOSE = "Close"
    DESCRIBE_STATEMENT = "Describe (statement)"
    DESCRIBE_PORTAL = "Describe (portal)"
    EXECUTE = "Execute"
    SYNC = "Sync"
    CALL = "FunctionCall"
    COPY_END = "CopyDone or CopyFail"  # owes nothing itself: it marks where a COPY that has yet to begin will end


class Step(enum.Enum):
    """What a reply does to the entry at the head."""

    KEEP = "more replies follow"
    DONE = "this was the last"
    FAIL = "an error: the target now skips to the next Sync"


def _table() -> dict[tuple[Kind, int], Step]:
    steps: dict[tuple[Kind, int], Step] = {}

    def on(kind: Kind, keep: str = "", done: str = "", fail: str = "") -> None:
        for letters, step in ((keep, Step.KEEP), (done, Step.DONE), (fail, Step.FAIL)):
            steps.update({(kind, ord(letter)): step for letter in letters})

    on(Kind.QUERY, keep="TDCIGHWcdE", done="Z")
    on(Kind.CALL, keep="VE", done="Z")
    on(Kind.SYNC, keep="E", done="Z")  # an implicit transaction may fail as it commits
    on(Kind.PARSE, done="1", fail="E")
    on(Kind.BIND, done="2", fail="E")
    on(Kind.CLOSE, done="3", fail="E")
    on(Kind.DESCRIBE_STATEMENT, keep="t", done="Tn", fail="E")
    on(Kind.DESCRIBE_PORTAL, done="Tn", fail="E")
    on(Kind.EXECUTE, keep="DGHcd", done="CIs", fail="E")
    return steps


STEPS: Final = _table()
UNASKED: Final = frozenset(b"NSA")  # may come at any time between two messages


class Owed:
    """One request whose replies are awaited.

    ``refusal``: the ErrorResponse that takes the place of the target's own. ``capture``: replies are ours and
    go there, not to the client; ``shared``: but an error goes to the client too, since its batch failed by it.
    ``settle`` is called when it was answered without error, ``undo`` if the target never gets to it.
    """

    __slots__ = (
        "batch", "capture", "columns", "failed", "kind", "opened", "refusal", "settle", "shared", "statement", "undo",
        "watched",
    )  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        statement: Statement | None = None,
        *,
        refusal: bytes | None = None,
        capture: Callable[[bytes], None] | None = None,
        shared: bool = False,
        undo: Callable[[], None] | None = None,
        settle: Callable[[], None] | None = None,
    ) -> None:
        self.kind = kind
        self.statement = statement
        self.refusal = refusal
        self.capture = capture
        self.shared = shared
        self.undo = undo
        self.settle = settle
        self.batch = 0
        self.watched = False  # its rows may only pass once their columns were judged...
        self.columns: tuple[Column, ...] | None = None  # ...which are these, where they were asked for
        self.opened = False  # ...as has been done
        self.failed = False  # it met an error; a Sync: what stood before it did


class Replies:
    """The queue of entries."""

    def __init__(self) -> None:
        self.queue: deque[Owed] = deque()

    def __bool__(self) -> bool:
        return bool(self.queue)

    @property
    def head(self) -> Owed | None:
        return self.queue[0] if self.queue else None

    @property
    def full(self) -> bool:
        return len(self.queue) >= WINDOW

    def expect(self, entry: Owed) -> None:
        if self.queue or entry.kind is not Kind.COPY_END:
            self.queue.append(entry)

    def step(self, kind: int) -> Step:
        """Account for one reply of type ``kind`` to the head.

        :raises RemoteProtocolError: nothing of the sort is owed.
        """
        queue = self.queue
        step = STEPS.get((queue[0].kind, kind)) if queue else None
        if step is None:
            asked = queue[0].kind.value if queue else "nothing"
            raise RemoteProtocolError(f"the target sent {chr(kind)!r} where {asked} was to be answered")
        if step is Step.DONE:
            queue.popleft()
            while queue and queue[0].kind is Kind.COPY_END:
                queue.popleft()  # there was no COPY, so the target took no notice of it
        elif step is Step.FAIL:
            self._skip_to_sync()
        return step

    def begin_copy(self) -> bool:
        """COPY IN began for the head: until the copy's end the target ignores every Sync (PostgreSQL, CopyGetData).

        True if the client has already sent that end.
        """
        entries = iter(list(self.queue))
        kept = [next(entries)]
        ended = False
        for entry in entries:
            if entry.kind is Kind.COPY_END:
                ended = True
                break
            if entry.kind is not Kind.SYNC:
                kept.append(entry)
        self.queue = deque([*kept, *entries])
        return ended

    def _skip_to_sync(self) -> None:
        skipped: list[Owed] = []
        while self.queue and self.queue[0].kind is not Kind.SYNC:
            skipped.append(self.queue.popleft())
        for entry in reversed(skipped):
            if entry.undo is not None:
                entry.undo()
        if self.queue:
            self.queue[0].failed = True
