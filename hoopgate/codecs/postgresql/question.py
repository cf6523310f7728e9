"""Questions of our own on the client's session, between its messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.owed import Kind, Owed
from hoopgate.errors import RemoteProtocolError

Row = tuple[str | None, ...]
ABORTED: Final = "25P02"  # in_failed_sql_transaction
LARGEST: Final = 16 * 1024 * 1024  # bytes of one answer


class Question:
    """A query by the extended protocol. Names of its own keep the client's unnamed ones alive.

    ``done(rows)`` or ``failed(text, sqlstate)`` is called exactly once; ABORTED says that nothing but the end of the
    failed transaction, or batch, can run next.
    """

    NAME = b"hoopgate_question"

    def __init__(self, sql: str, done: Callable[[list[Row]], None], failed: Callable[[str, str], None]) -> None:
        self._sql = sql
        self._done = done
        self._failed = failed
        self._rows: list[Row] = []
        self._size = 0
        self._encoding = "utf-8"
        self._ended = False

    def send(self, conversation: Conversation, *, sync: bool) -> bytes:
        """The bytes to send now; with ``sync`` the question stands outside any batch of the client's.

        Within a batch its failure is the batch's, so that the client has to hear of it.

        :raises UnicodeEncodeError: the question cannot be said in the client's encoding.
        """
        name = self.NAME
        self._encoding = conversation.encoding
        parts = [
            (Kind.CLOSE, messages.close(b"P", name)),  # what an earlier question left that was cancelled,
            (Kind.CLOSE, messages.close(b"S", name)),  # or what SQL made of this name
            (Kind.PARSE, messages.parse_message(name, self._sql.encode(self._encoding))),
            (Kind.BIND, messages.bind(name, name)),
            (Kind.EXECUTE, messages.execute(name)),
            (Kind.CLOSE, messages.close(b"P", name)),
            (Kind.CLOSE, messages.close(b"S", name)),
        ]
        executed, acted = conversation.executed, conversation.acted
        for kind, _ in parts:
            conversation.expect(Owed(kind, capture=self._reply, shared=not sync, undo=self._undone))
        conversation.replies.queue[-1].settle = self._answered
        conversation.executed, conversation.acted = executed, acted  # reading the catalogue is no effect
        data = b"".join(raw for _, raw in parts)
        if sync:
            conversation.expect(Owed(Kind.SYNC, capture=self._reply))
            return data + messages.sync()
        return data + messages.flush()

    def _reply(self, raw: bytes) -> None:
        kind = raw[:1]
        if kind == b"D":
            self._size += len(raw)
            if self._size > LARGEST:
                raise RemoteProtocolError("the target's answer to a question of the gateway's is too long")
            values = messages.parse_data_row(raw)
            self._rows.append(tuple(None if v is None else v.decode(self._encoding, "replace") for v in values))
        elif kind == b"E" and not self._ended:
            self._ended = True
            fields = messages.parse_fields(raw)
            text = fields.get("M", b"").decode("utf-8", "replace") or "the target refused the question"
            self._failed(text, fields.get("C", b"").decode("ascii", "replace"))

    def _answered(self) -> None:
        if not self._ended:
            self._ended = True
            self._done(self._rows)

    def _undone(self) -> None:
        if not self._ended:
            self._ended = True
            self._failed("the transaction had already failed", ABORTED)
