"""Questions of our own on the client's session, between its messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.owed import BIND, CLOSE, EXECUTE, PARSE, SYNC, Capture, Owed
from hoopgate.errors import RemoteProtocolError

Row = tuple[str | None, ...]
ABORTED: Final = "25P02"  # in_failed_sql_transaction
LARGEST: Final = 16 * 1024 * 1024  # bytes of one answer
QUESTION_NAME: Final = b"hoopgate_question"


class Question(Capture):
    """A query by the extended protocol. Names of its own keep the client's unnamed ones alive.

    ``done(rows)`` or ``failed(text, sqlstate)`` is called exactly once; ABORTED says that nothing but the end of the
    failed transaction, or batch, can run next.
    """

    __slots__ = ("_closing", "_done", "_encoding", "_ended", "_failed", "_rows", "_size", "_sql")

    def __init__(self, sql: str, done: Callable[[list[Row]], None], failed: Callable[[str, str], None]) -> None:
        self._sql = sql
        self._done = done
        self._failed = failed
        self._rows: list[Row] = []
        self._size = 0
        self._closing = 0  # Closes that are not confirmed yet; the last one is the end
        self._encoding = "utf-8"
        self._ended = False

    def send(self, conversation: Conversation, *, sync: bool) -> bytes:
        """The bytes to send now; with ``sync`` the question stands outside any batch of the client's.

        Within a batch its failure is the batch's, so that the client has to hear of it.

        :raises UnicodeEncodeError: the question cannot be said in the client's encoding.
        """
        name = QUESTION_NAME
        self._encoding = conversation.encoding
        parts = [
            (CLOSE, messages.close(b"P", name)),  # what an earlier question left that was cancelled,
            (CLOSE, messages.close(b"S", name)),  # or what SQL made of this name
            (PARSE, messages.parse_message(name, self._sql.encode(self._encoding))),
            (BIND, messages.bind(name, name)),
            (EXECUTE, messages.execute(name)),
            (CLOSE, messages.close(b"P", name)),
            (CLOSE, messages.close(b"S", name)),
        ]
        executed, acted = conversation.executed, conversation.acted
        for kind, _ in parts:
            self._closing += kind == CLOSE
            self._expect(conversation, kind, shared=not sync)
        conversation.executed, conversation.acted = executed, acted  # reading the catalogue is no effect
        data = b"".join([raw for _, raw in parts])
        if sync:
            self._expect(conversation, SYNC, shared=False)
            return data + messages.sync()
        return data + messages.flush()

    def _expect(self, conversation: Conversation, kind: int, *, shared: bool) -> None:
        entry = Owed(kind)
        entry.capture = self
        entry.shared = shared
        conversation.expect(entry)

    def reply(self, raw: bytes) -> None:
        """One of the target's replies."""
        kind = raw[:1]
        if kind == b"D":
            self._size += len(raw)
            if self._size > LARGEST:
                raise RemoteProtocolError("the target's answer to a question of the gateway's is too long")
            values = messages.parse_data_row(raw)
            self._rows.append(tuple([None if v is None else v.decode(self._encoding, "replace") for v in values]))
        elif kind == b"3":
            self._closing -= 1
            if self._closing == 0 and not self._ended:
                self._ended = True
                self._done(self._rows)
        elif kind == b"E" and not self._ended:
            self._ended = True
            fields = messages.parse_fields(raw)
            text = fields.get("M", b"").decode("utf-8", "replace") or "the target refused the question"
            self._failed(text, fields.get("C", b"").decode("ascii", "replace"))

    def undone(self) -> None:
        """The target never got to it."""
        if not self._ended:
            self._ended = True
            self._failed("the transaction had already failed", ABORTED)
