"""Replies owed: which answer belongs to which request (PostgreSQL manual, "Extended Query", "Pipelining").

The target answers in order. So that a refusal can wait its turn and a result be tied to its statement, every request
that is forwarded leaves an entry here, and every reply is checked against the entry at the head by one table.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.frames import Statement

if TYPE_CHECKING:
    from hoopgate.codecs.postgresql.conversation import Portal


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

    on(Kind.QUERY, keep="TDCIGHcdE", done="Z")
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
COPY_IN = ord("G")
UNASKED: Final = frozenset(b"NSA")  # may come at any time between two messages


class Owed:
    """One request whose replies are awaited.

    ``refusal``: the ErrorResponse that takes the place of the target's own. ``capture``: replies are ours and
    go there, not to the client; ``shared``: but an error goes to the client too, since its batch failed by it.
    ``undo``: what to do if the target never gets to it.
    """

    __slots__ = ("batch", "capture", "kind", "opened", "portal", "refusal", "settle", "shared", "statement", "undo")

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
        portal: Portal | None = None,
    ) -> None:
        self.kind = kind
        self.statement = statement
        self.refusal = refusal
        self.capture = capture
        self.shared = shared
        self.portal = portal
        self.undo = undo
        self.settle = settle  # called when it was answered without error
        self.batch = 0
        self.opened = False  # its result's columns have been judged


class Replies:
    """The queue of entries."""

    def __init__(self) -> None:
        self.queue: deque[Owed] = deque()

    def __bool__(self) -> bool:
        return bool(self.queue)

    @property
    def head(self) -> Owed | None:
        return self.queue[0] if self.queue else None

    def expect(self, entry: Owed) -> None:
        self.queue.append(entry)

    def step(self, kind: int) -> Owed:
        """Account for one reply of type ``kind``; the entry it belongs to.

        :raises RemoteProtocolError: nothing of the sort is owed.
        """
        head = self.queue[0] if self.queue else None
        step = STEPS.get((head.kind, kind)) if head is not None else None
        if head is None or step is None:
            asked = head.kind.value if head else "nothing"
            raise RemoteProtocolError(f"the target sent {chr(kind)!r} where {asked} was to be answered")
        if step is Step.DONE:
            self.queue.popleft()
        elif step is Step.FAIL:
            self._skip_to_sync()
        return head

    def drop_syncs_after_head(self) -> None:
        """COPY IN began: the target ignores every Sync until the copy ends (PostgreSQL, CopyGetData)."""
        head = self.queue[0]
        kept = [entry for entry in self.queue if entry is head or entry.kind is not Kind.SYNC]
        self.queue = deque(kept)

    def _skip_to_sync(self) -> None:
        skipped: list[Owed] = []
        while self.queue and self.queue[0].kind is not Kind.SYNC:
            skipped.append(self.queue.popleft())
        for entry in reversed(skipped):
            if entry.undo is not None:
                entry.undo()
