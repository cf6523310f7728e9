"""What both directions of one PostgreSQL session know together, once start-up is over. Sans I/O.

``Requests`` and ``Answers`` share one ``Conversation``: names of prepared statements and portals, replies owed, the
transaction's status, the parameters that the target reported.
"""

from __future__ import annotations

from collections.abc import Callable

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.owed import Kind, Owed, Replies
from hoopgate.frames import Column, Parameter

Row = tuple[str | None, ...]


class Prepared:
    """A statement by its name. ``confirmed``: the target has answered ParseComplete."""

    __slots__ = ("batch", "confirmed", "name", "text", "type_oids")

    def __init__(self, name: bytes, text: str, type_oids: tuple[int, ...], batch: int) -> None:
        self.name = name
        self.text = text
        self.type_oids = type_oids
        self.batch = batch
        self.confirmed = False


class Portal:
    """A statement bound to its parameters. ``columns`` is None until the target has described the portal."""

    __slots__ = ("batch", "columns", "confirmed", "parameters", "prepared", "released")

    def __init__(self, prepared: Prepared, parameters: tuple[Parameter, ...] | None, batch: int) -> None:
        self.prepared = prepared
        self.parameters = parameters
        self.batch = batch
        self.confirmed = False
        self.released = ""
        self.columns: tuple[Column, ...] | None = None


class Conversation:
    """The state of one session's traffic.

    ``watching``: rows may only pass once their columns were judged (masks are in force), so that statements are
    described by us where the client does not.
    """

    def __init__(self, parameters: dict[str, str], transaction: bytes, *, watching: bool) -> None:
        self.replies = Replies()
        self.parameters = parameters
        self.transaction = transaction
        self.watching = watching
        self.prepared: dict[bytes, Prepared] = {}
        self.prepared_bytes = 0
        self.portals: dict[bytes, Portal] = {}
        self.batch = 0  # counts what ends with ReadyForQuery
        self.unsynced = False  # something was sent since the last Sync...
        self.acted = False  # ...and may have had an effect
        self.copy_in = False
        self.failed = False  # the current batch met an error: the target skips to Sync
        self.skipping = False  # we ended a failed batch early: drop the client's messages to its Sync
        self.retarget: Callable[[], None] = lambda: None  # the answers' framer aims at the new head

    @property
    def idle(self) -> bool:
        """Every request so far is answered."""
        return not self.replies.queue

    def expect(self, entry: Owed) -> None:
        """A request goes to the target now."""
        first = not self.replies.queue
        entry.batch = self.batch
        self.replies.expect(entry)
        if entry.kind in (Kind.SYNC, Kind.QUERY, Kind.CALL):
            self.batch += 1
            self.unsynced = self.acted = False
        else:
            self.unsynced = True
            self.acted = self.acted or entry.kind is Kind.EXECUTE
        if first:
            self.retarget()

    def ready(self, transaction: bytes, batch: int) -> None:
        """ReadyForQuery: outside a transaction the portals bound before it are gone."""
        self.transaction = transaction
        if transaction == b"I" and self.portals:
            self.portals = {name: portal for name, portal in self.portals.items() if portal.batch > batch}

    def forget(self, name: str | None) -> None:
        """SQL changed what prepared statement ``name`` means (all of them with None)."""
        names = list(self.prepared) if name is None else [name.encode()]
        for each in names:
            self.remove_prepared(each)

    def add_prepared(self, prepared: Prepared) -> Callable[[], None]:
        """Enter a statement; the returned function puts back what was there."""
        before = self.prepared.get(prepared.name)
        self.remove_prepared(prepared.name)
        self.prepared[prepared.name] = prepared
        self.prepared_bytes += len(prepared.text)

        def undo() -> None:
            if self.prepared.get(prepared.name) is prepared:
                self.remove_prepared(prepared.name)
                if before is not None:
                    self.prepared[before.name] = before
                    self.prepared_bytes += len(before.text)

        return undo

    def remove_prepared(self, name: bytes) -> Prepared | None:
        gone = self.prepared.pop(name, None)
        if gone is not None:
            self.prepared_bytes -= len(gone.text)
        return gone


class Question:
    """A query of our own on the client's session, between its messages, by the extended protocol.

    A name of its own for statement and portal keeps the client's unnamed ones alive. ``done(rows)`` or
    ``failed(text)`` is called exactly once.
    """

    NAME = b"hoopgate_question"

    def __init__(self, sql: str, done: Callable[[list[Row]], None], failed: Callable[[str], None]) -> None:
        self._sql = sql
        self._done = done
        self._failed = failed
        self._rows: list[Row] = []
        self._ended = False

    def send(self, conversation: Conversation, *, sync: bool) -> bytes:
        """The bytes to send now; with ``sync`` the question stands outside any batch of the client's."""
        name = self.NAME
        parts = [
            (Kind.PARSE, messages.parse_message(name, self._sql)),
            (Kind.BIND, messages.bind(name, name)),
            (Kind.EXECUTE, messages.execute(name)),
            (Kind.CLOSE, messages.close(b"P", name)),
            (Kind.CLOSE, messages.close(b"S", name)),
        ]
        acted = conversation.acted
        for kind, _ in parts:
            conversation.expect(Owed(kind, capture=self._reply, undo=self._undone))
        conversation.acted = acted  # reading the catalogue is no effect
        data = b"".join(raw for _, raw in parts)
        if sync:
            conversation.expect(Owed(Kind.SYNC, capture=self._reply))
            return data + messages.sync()
        return data + messages.flush()

    def _reply(self, raw: bytes) -> None:
        kind = raw[:1]
        if kind == b"D":
            self._rows.append(tuple(None if v is None else v.decode() for v in messages.parse_data_row(raw)))
        elif kind == b"E":
            fields = messages.parse_fields(raw)
            self._end(fields.get("M", b"").decode("utf-8", "replace") or "the target refused the question")
        elif kind == b"3":
            self._end(None)

    def _undone(self) -> None:
        self._end("the transaction had already failed")

    def _end(self, failure: str | None) -> None:
        if self._ended:
            return
        self._ended = True
        if failure is None:
            self._done(self._rows)
        else:
            self._failed(failure)
