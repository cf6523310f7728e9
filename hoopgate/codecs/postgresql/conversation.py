"""What both directions of one PostgreSQL session know together, once start-up is over. Sans I/O.

``Requests`` and ``Answers`` share one ``Conversation``: names of prepared statements and portals, replies owed, the
transaction's status, the parameters that the target reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.codecs.postgresql.encodings import codec
from hoopgate.codecs.postgresql.names import Names
from hoopgate.codecs.postgresql.owed import Kind, Owed, Replies
from hoopgate.frames import Parameter

TEXT_SETTINGS: Final = ("client_encoding", "standard_conforming_strings")  # they say how a statement's text is read


class Prepared:
    """A statement that was parsed."""

    __slots__ = ("size", "text", "type_oids")

    def __init__(self, text: str, type_oids: tuple[int, ...]) -> None:
        self.text = text
        self.type_oids = type_oids
        self.size = len(text)


class Portal:
    """A statement's text bound to its parameters. ``name``: the statement's. ``released``: see ``Statement``."""

    __slots__ = ("name", "parameters", "released", "size", "text")

    def __init__(self, name: str, text: str, parameters: tuple[Parameter, ...] | None, released: str) -> None:
        self.name = name
        self.text = text
        self.parameters = parameters
        self.released = released
        self.size = sum(len(each.value or b"") for each in parameters or ())


class Conversation:
    """The state of one session's traffic.

    ``watching``: rows may only pass once their columns were judged (masks are in force), so that portals are
    described by us as they are executed. It holds for what is asked from now on.
    """

    def __init__(self, parameters: dict[str, str], transaction: bytes, *, watching: bool) -> None:
        self.replies = Replies()
        self.parameters = parameters
        self.transaction = transaction
        self.watching = watching
        self.prepared: Names[Prepared] = Names()
        self.portals: Names[Portal] = Names()
        self.batch = 0  # counts what ends with ReadyForQuery
        self.unsynced = False  # something that a failure before it makes void was sent since the last Sync...
        self.executed = False  # ...and ran...
        self.acted = False  # ...or left a portal, so that it matters when the batch ends
        self.copy_in = False
        self.copy_fed = False  # data was sent since the last request
        self.copy_synced = False  # a Sync behind it, which the target ignores...
        self.sync_due = False  # ...but the COPY failed, perhaps before that, so that the target now waits for one
        self.skipping = False  # the batch failed: as the target would, take no notice of anything up to a Sync
        self.retarget: Callable[[], None] = lambda: None  # the answers' framer aims at the new head

    @property
    def idle(self) -> bool:
        """Every request so far is answered."""
        return not self.replies.queue

    @property
    def aborted(self) -> bool:
        """The transaction has failed, and nothing that may end it is under way but in this very batch."""
        head = self.replies.head
        return self.transaction == b"E" and (head is None or head.batch == self.batch)

    @property
    def encoding(self) -> str:
        """The Python codec of client_encoding; UTF-8 where there is none."""
        return codec(self.parameters.get("client_encoding", "UTF8")) or "utf-8"

    def expect(self, entry: Owed) -> None:
        """A request goes to the target now."""
        first = not self.replies.queue
        entry.batch = self.batch
        entry.watched = self.watching
        self.replies.expect(entry)
        if entry.kind in (Kind.SYNC, Kind.QUERY, Kind.CALL):
            self.batch += 1
        if entry.kind is Kind.SYNC:
            self.unsynced = self.executed = self.acted = False
        elif entry.kind not in (Kind.COPY_END, Kind.QUERY, Kind.CALL):
            self.unsynced = True
            self.executed = self.executed or entry.kind is Kind.EXECUTE
            self.copy_fed = False
            self.acted = self.acted or entry.kind in (Kind.EXECUTE, Kind.BIND)
        if first:
            self.retarget()

    def begin_copy(self) -> None:
        """The target waits for COPY's data."""
        self.copy_in = not self.replies.begin_copy()
        self.copy_synced = False

    def failed(self) -> None:
        """An error made the target skip to the next Sync."""
        if self.idle:
            self.sync_due = self.copy_in and self.copy_synced
            self.skipping = True
        self.copy_in = self.copy_synced = False

    def ready(self, transaction: bytes, batch: int) -> None:
        """ReadyForQuery: outside a transaction the portals bound before it are gone."""
        self.transaction = transaction
        self.copy_in = False
        if self.idle:
            self.unsynced = self.executed = self.acted = False  # a Query amid a batch was not skipped, so it ended it
        if transaction == b"I":
            self.portals.forget_until(batch)

    def forget_statement(self, name: str | None) -> None:
        """SQL changed what prepared statement ``name`` means (all of them with None)."""
        self.prepared.forget(_wire(name))

    def forget_portal(self, name: str | None) -> None:
        """SQL changed what portal ``name`` means (all of them with None): its cursors are portals too."""
        self.portals.forget(_wire(name))


def _wire(name: str | None) -> bytes | None:
    """SQL's name as the protocol would send it; None where that depends on encodings and on case folding."""
    return name.encode() if name is not None and name.isascii() else None
