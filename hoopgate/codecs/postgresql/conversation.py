"""What both directions of one PostgreSQL session know together, once start-up is over. Sans I/O.

``Requests`` and ``Answers`` share one ``Conversation``: names of prepared statements and portals, replies owed, the
transaction's status, the settings that say how text is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from hoopgate.codecs.postgresql.encodings import codec
from hoopgate.codecs.postgresql.names import Names
from hoopgate.codecs.postgresql.owed import BIND, CALL, COPY_END, EXECUTE, QUERY, SYNC, Owed, Replies
from hoopgate.frames import Parameter, Statement
from hoopgate.respelling import Respelling

SETTLED: Final = frozenset(
    {
        "DateStyle", "IntervalStyle", "client_encoding", "default_transaction_read_only", "in_hot_standby",
        "integer_datetimes", "is_superuser", "scram_iterations", "server_encoding", "server_version",
        "standard_conforming_strings",
    }
)  # fmt: skip
"""Settings that can hold no text of one's own (manual, 54.2.7: what ParameterStatus reports)."""

REPORTS: Final = 32
"""Values of other settings that a session heard of and may hear of again."""

_WORD: Final = re.compile(r'[^\s,"]+')
_OFFSET: Final = re.compile(r"<[+-][0-9:]+>[+-][0-9:]+")  # of SET TIME ZONE with a number

TEXT_SETTINGS: Final = ("client_encoding", "standard_conforming_strings")  # they say how a statement's text is read


@lru_cache(maxsize=256)
def _kept(reported: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """One object for all sessions to which the same was reported: they are most of those of a target."""
    return dict(reported)


class Prepared:
    """A statement that was parsed. ``judged`` and ``respelled``: see ``Statement``."""

    __slots__ = ("judged", "respelled", "size", "text", "type_oids")

    def __init__(self, text: str, type_oids: tuple[int, ...], respelled: Respelling | None = None) -> None:
        self.text = text
        self.type_oids = type_oids
        self.respelled = respelled
        self.size = len(text) if respelled is None else len(text) + len(respelled.text)
        self.judged: Any = None


class Portal:
    """A statement's text bound to its parameters, which take ``size`` bytes. ``name``: the statement's.

    ``released``, ``number``, ``judged``, ``judged_at`` and ``respelled``: see ``Statement``.
    """

    __slots__ = ("judged", "judged_at", "name", "number", "parameters", "released", "respelled", "size", "text")

    def __init__(self, name: str, text: str, parameters: tuple[Parameter, ...] | None, size: int, number: int) -> None:
        self.name = name
        self.text = text
        self.parameters = parameters
        self.size = size
        self.number = number
        self.released = ""
        self.judged: Any = None
        self.judged_at = 0
        self.respelled: Respelling | None = None


class Conversation:
    """The state of one session's traffic.

    ``parameters`` are what the target reported as the session began. ``watching``: rows may only pass once their
    columns were judged (masks are in force), so that portals are described as they are executed. It holds for what is
    asked from now on.
    """

    __slots__ = (
        "_parameters", "_reports", "acted", "asked", "batch", "codec", "conforming", "copy_fed", "copy_in",
        "copy_synced", "executed", "numbered", "portals", "prepared", "replies", "rested", "skipping", "sync_due",
        "transaction", "unsynced", "watching",
    )  # fmt: skip

    def __init__(self, parameters: Mapping[str, str], transaction: bytes, *, watching: bool) -> None:
        self.replies = Replies()
        self.codec: str | None = "utf-8"  # Python's name of client_encoding; None where its text cannot be judged
        self.conforming = True  # standard_conforming_strings
        for name in TEXT_SETTINGS:
            if name in parameters:
                self.reported(name, parameters[name])
        self._parameters = _kept(tuple([each for each in parameters.items() if each[0] not in SETTLED]))
        self._reports: list[tuple[str, str]] | None = None  # what else was reported; few sessions have any
        self.transaction = transaction
        self.watching = watching
        self.prepared: Names[Prepared] = Names()
        self.portals: Names[Portal] = Names()
        self.numbered = 0  # statements so far
        self.asked = 0  # requests so far
        self.batch = 0  # counts what ends with ReadyForQuery
        self.rested = -1  # the last batch at whose end no transaction was open
        self.unsynced = False  # something that a failure before it makes void was sent since the last Sync...
        self.executed = False  # ...and ran...
        self.acted = False  # ...or left a portal, so that it matters when the batch ends
        self.copy_in = False
        self.copy_fed = False  # data was sent since the last request
        self.copy_synced = False  # a Sync behind it, which the target ignores...
        self.sync_due = False  # ...but the COPY failed, perhaps before that, so that the target now waits for one
        self.skipping = False  # the batch failed: as the target would, take no notice of anything up to a Sync

    def reported(self, name: str, value: str) -> None:
        """The target told the value of a setting."""
        if name == "client_encoding":
            self.codec = codec(value)
        elif name == "standard_conforming_strings":
            self.conforming = value != "off"

    def reports(self, name: str, value: str, written: Statement | None) -> bool:
        """Whether the client may hear that a setting has this value while masks are in force, which code in the
        database may have put there: it had it before, or the client wrote it itself, last in ``written``."""
        if name in SETTLED or self._parameters.get(name) == value:
            return True
        before = self._reports
        if before is not None and (name, value) in before:
            return True
        if written is None or not _wrote(written, name, value, self.encoding):
            return False
        self._reports = [*(before or ())[-REPORTS + 1 :], (name, value)]
        return True

    @property
    def idle(self) -> bool:
        """Every request so far is answered."""
        return self.replies.head is None

    @property
    def aborted(self) -> bool:
        """The transaction has failed, and nothing that may end it is under way but in this very batch."""
        head = self.replies.head
        return self.transaction == b"E" and (head is None or head.batch == self.batch)

    @property
    def encoding(self) -> str:
        """The Python codec of client_encoding; UTF-8 where there is none."""
        return self.codec or "utf-8"

    def expect(self, entry: Owed) -> None:
        """A request goes to the target now."""
        kind = entry.kind
        entry.batch = self.batch
        entry.watched = self.watching
        self.replies.expect(entry)
        self.asked += 1
        if kind == SYNC:
            self.batch += 1
            self.unsynced = self.executed = self.acted = False
        elif kind in (QUERY, CALL):
            self.batch += 1
        elif kind != COPY_END:
            self.unsynced = True
            self.copy_fed = False
            if kind == EXECUTE:
                self.executed = self.acted = True
            elif kind == BIND:
                self.acted = True

    def begin_copy(self) -> None:
        """The target waits for COPY's data."""
        replies = self.replies
        head = replies.head
        self.copy_in = not replies.begin_copy()
        self.copy_synced = False
        if head is not None and head.kind == EXECUTE and not replies.synced:
            # The Sync that was sent behind it is ignored, so the batch goes on, and what it ran may yet be undone.
            self.unsynced = self.executed = self.acted = True

    def failed(self) -> None:
        """An error made the target skip to the next Sync."""
        if self.replies.head is None:
            self.sync_due = self.copy_in and self.copy_synced
            self.skipping = True
        self.copy_in = self.copy_synced = False

    def ready(self, transaction: bytes, batch: int) -> None:
        """ReadyForQuery: outside a transaction the portals bound before it are gone."""
        self.transaction = transaction
        self.copy_in = False
        if transaction == b"I":
            self.rested = batch
            if self.replies.head is None:
                # A Query amid a batch ended it. An open transaction may be the batch's own, which Queries go on with
                # (PostgreSQL, start_xact_command with XACT_FLAGS_PIPELINING) and the next Sync ends.
                self.unsynced = self.executed = self.acted = False
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


def _wrote(statement: Statement, name: str, value: str, encoding: str) -> bool:
    """Whether the client's statement, or its parameters, hold every word of a value."""
    text = statement.text.lower()
    if name == "TimeZone" and text.lstrip().startswith("set") and _OFFSET.fullmatch(value) is not None:
        return True
    words = [word.lower() for word in _WORD.findall(value)]
    given = [each.value.decode(encoding, "replace").lower() for each in statement.parameters or () if each.value]
    return all(word in text or any(word in each for each in given) for word in words)
