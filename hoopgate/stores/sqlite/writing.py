"""Group commit: writes that come while a transaction is under way go into the next one together.

A commit costs a wait for the disk, however much is in it. Each write stays whole or undone by itself, and is told of
only once all of them are committed.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

TOGETHER: Final = 200  # writes of one transaction: other processes wait for its end

Work = Callable[..., Any]


@frozen(eq=False)
class Write:
    """``done`` fires with what ``work(connection, *args)`` returned, once that is committed."""

    work: Work
    args: tuple[object, ...]
    done: Deferred[Any]


class Writer:
    """Runs writes in the order in which they came, one transaction at a time. ``pool`` is adbapi's."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._waiting: deque[Write] = deque()
        self._busy = False

    def write(self, work: Work, args: tuple[object, ...]) -> Deferred[Any]:
        write = Write(work, args, Deferred())
        self._waiting.append(write)
        if not self._busy:
            self._next()
        return write.done

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
            self._pool.runWithConnection(_together, batch).addBoth(self._written, batch)

    def _written(self, outcomes: list[Any] | Failure, batch: list[Write]) -> None:
        self._next()  # first, so that the disk need not wait for whoever hears of this
        if isinstance(outcomes, Failure):
            outcomes = [Failure(outcomes.value) for _ in batch]
        for write, outcome in zip(batch, outcomes, strict=True):
            write.done.callback(outcome)  # a Failure given to callback() runs the errbacks


def _together(connection: sqlite3.Connection, batch: list[Write]) -> list[Any]:
    """In a thread, in a transaction that the pool commits. Raises what concerns them all."""
    connection.execute("BEGIN IMMEDIATE")
    if len(batch) == 1:
        return [batch[0].work(connection, *batch[0].args)]
    return [_alone(connection, write) for write in batch]


def _alone(connection: sqlite3.Connection, write: Write) -> Any:
    connection.execute("SAVEPOINT one")
    try:
        outcome = write.work(connection, *write.args)
    except Exception:
        outcome = Failure()
        # Where the fault has ended the whole transaction (a full disk), this raises, and all of them fail.
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")
    return outcome
