"""Plain queries of the gateway's own on a connection of its own: what the catalogue asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.framer import Framer, Message, table
from hoopgate.errors import HoopgateError, UpstreamError
from hoopgate.protocols.postgresql.target import TargetConnection

Row = tuple[str | None, ...]
LARGEST = 16 * 1024 * 1024  # bytes of one message


class Queries:
    """One connection, one query at a time, reopened when it was lost. Results are text."""

    def __init__(self, connect: Callable[[], Deferred[TargetConnection]]) -> None:
        self._connect = connect
        self._connection: TargetConnection | None = None
        self._framer = _framer()
        self._waiting: deque[tuple[str, Deferred[list[Row]]]] = deque()
        self._current: Deferred[list[Row]] | None = None
        self._rows: list[Row] = []
        self._error: str | None = None
        self._opening = False
        self._closed = False

    def query(self, sql: str) -> Deferred[list[Row]]:
        """The rows of the last result of ``sql``. Fails with UpstreamError. If it is cancelled while it runs, the
        connection is given up: the target may not answer at all."""
        if self._closed:
            return fail(UpstreamError("the catalogue's connection was closed"))
        answer: Deferred[list[Row]] = Deferred(self._cancelled)
        self._waiting.append((sql, answer))
        self._next()
        return answer

    def close(self) -> None:
        """End the connection; what still waits fails."""
        self._closed = True
        if self._connection is not None:
            self._connection.terminate()

    def _cancelled(self, answer: Deferred[list[Row]]) -> None:
        self._waiting = deque(each for each in self._waiting if each[1] is not answer)
        if answer is not self._current:
            return
        self._current = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.transport.abortConnection()  # type: ignore[union-attr]
        self._next()

    def _next(self) -> None:
        if self._current is not None or self._opening or not self._waiting:
            return
        if self._connection is None:
            self._opening = True
            self._connect().addCallbacks(self._opened, self._failed)
            return
        sql, self._current = self._waiting.popleft()
        self._rows, self._error = [], None
        self._connection.transport.write(messages.query(sql))  # type: ignore[union-attr]

    def _opened(self, connection: TargetConnection) -> None:
        self._opening = False
        self._connection = connection
        self._framer = _framer()
        connection.take_over(partial(self._received, connection), partial(self._lost, connection))
        if self._closed:
            connection.terminate()
        self._next()

    def _failed(self, failure: Failure) -> None:
        self._opening = False
        waiting, self._waiting = self._waiting, deque()
        for _, answer in waiting:
            answer.errback(failure)

    def _received(self, connection: TargetConnection, data: bytes) -> None:
        if connection is not self._connection:
            return  # given up
        self._framer.receive(data)
        try:
            while (event := self._framer.next_event()) is not None:
                if isinstance(event, Message):
                    self._message(event.type, event.raw)
        except HoopgateError as error:
            connection.terminate()
            self._lost(connection, Failure(error))

    def _message(self, kind: int, raw: bytes) -> None:
        if kind == ord("D"):
            self._rows.append(tuple(None if v is None else v.decode() for v in messages.parse_data_row(raw)))
        elif kind == ord("T"):
            self._rows = []
        elif kind == ord("E"):
            self._error = messages.parse_fields(raw).get("M", b"").decode("utf-8", "replace")
        elif kind == ord("Z") and self._current is not None:
            answer, self._current = self._current, None
            if self._error is None:
                answer.callback(self._rows)
            else:
                answer.errback(UpstreamError(f"the target's catalogue cannot be read: {self._error}"))
            self._next()

    def _lost(self, connection: TargetConnection, reason: Failure) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        current, self._current = self._current, None
        if current is not None:
            current.errback(UpstreamError("the catalogue's connection was lost"))
        if self._closed:
            self._failed(Failure(UpstreamError("the catalogue's connection was closed")))
        else:
            self._next()


def _framer() -> Framer:
    kinds = table(whole="TDEZ", passing="CINSAGHWRKv1234cdtns")
    return Framer(kinds, whole=LARGEST, large=LARGEST, largest=LARGEST, limit="catalogue")
