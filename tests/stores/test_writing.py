"""Writes that share a transaction: whole or undone each by itself, and told of only once all are committed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from hoopgate.stores.records import StoreError
from hoopgate.stores.sqlite import SqliteStore
from hoopgate.stores.sqlite.writing import TOGETHER, Writer


@define
class Pool:
    """adbapi's, one transaction at a time, let go by the test."""

    connection: sqlite3.Connection = field(factory=lambda: sqlite3.connect(":memory:", isolation_level=None))
    waiting: list[tuple[Callable[..., Any], tuple[Any, ...], Deferred[Any]]] = field(factory=list)
    sizes: list[int] = field(factory=list)

    def runWithConnection(self, work: Callable[..., Any], batch: list[Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.waiting.append((work, (batch,), done))
        self.sizes.append(len(batch))
        return done

    def go(self) -> None:
        ((work, args, done),) = self.waiting
        self.waiting.clear()
        try:
            result = work(self.connection, *args)
            self.connection.commit()
        except Exception:
            self.connection.rollback()
            done.errback(Failure())
        else:
            done.callback(result)

    @property
    def rows(self) -> list[int]:
        return [row for (row,) in self.connection.execute("SELECT n FROM t ORDER BY rowid")]


@pytest.fixture
def pool() -> Pool:
    made = Pool()
    made.connection.execute("CREATE TABLE t (n INTEGER UNIQUE)")
    return made


def insert(connection: sqlite3.Connection, number: int) -> int:
    connection.execute("INSERT INTO t VALUES (?)", (number,))
    return number * 10


def insert_and_fail(connection: sqlite3.Connection, number: int) -> int:
    insert(connection, number)
    raise KeyError(number)


def end_the_transaction(connection: sqlite3.Connection, number: int) -> None:
    """As SQLite does by itself where a disk is full (its manual, "Response To Errors Within A Transaction")."""
    insert(connection, number)
    connection.execute("ROLLBACK")
    raise sqlite3.OperationalError("database or disk is full")


def outcomes(*deferreds: Deferred[Any]) -> list[Any]:
    found: list[Any] = []
    for each in deferreds:
        each.addBoth(lambda outcome: found.append(type(outcome.value) if isinstance(outcome, Failure) else outcome))
    return found


def test_what_comes_during_a_commit_goes_into_the_next_one_together(pool: Pool) -> None:
    writer = Writer(pool)
    found = outcomes(*(writer.write(insert, (number,)) for number in range(5)))
    pool.go()
    assert found == [0]
    pool.go()
    assert found == [0, 10, 20, 30, 40]
    assert (pool.sizes, pool.rows) == ([1, 4], [0, 1, 2, 3, 4])


def test_a_write_that_fails_is_undone_alone(pool: Pool) -> None:
    writer = Writer(pool)
    writer.write(insert, (0,))
    found = outcomes(writer.write(insert, (1,)), writer.write(insert_and_fail, (2,)), writer.write(insert, (3,)))
    pool.go()
    pool.go()
    assert found == [10, KeyError, 30]
    assert pool.rows == [0, 1, 3]


def test_nobody_is_told_before_the_commit_and_all_are_told_where_it_fails(pool: Pool) -> None:
    writer = Writer(pool)
    writer.write(insert, (0,))
    found = outcomes(writer.write(insert, (1,)), writer.write(end_the_transaction, (2,)), writer.write(insert, (3,)))
    pool.go()
    pool.go()
    assert found == [sqlite3.OperationalError] * 3
    assert pool.rows == [0]
    after = outcomes(writer.write(insert, (4,)))
    pool.go()
    assert after == [40]


def test_one_transaction_is_bounded(pool: Pool) -> None:
    writer = Writer(pool)
    for number in range(TOGETHER + 10):
        writer.write(insert, (number,))
    while pool.waiting:
        pool.go()
    assert pool.sizes == [1, TOGETHER, 9]
    assert pool.rows == list(range(TOGETHER + 10))


def test_who_gives_up_waiting_disturbs_nobody(pool: Pool) -> None:
    writer = Writer(pool)
    writer.write(insert, (0,))
    given_up, other = writer.write(insert, (1,)), writer.write(insert, (2,))
    failed, found = outcomes(given_up), outcomes(other)
    given_up.cancel()
    pool.go()
    pool.go()
    assert (len(failed), found) == (1, [20])


@pytest_twisted.async_yield_fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "s.sqlite3", reactor)
    await made.start()
    yield made
    await made.close()


@pytest_twisted.ensureDeferred
async def test_a_store_that_closes_finishes_what_waits(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite3", reactor)
    await store.start()
    beats = [store.heartbeat(f"n{number}", 1.0) for number in range(50)]
    await store.close()
    await gatherResults(beats)
    with pytest.raises(StoreError, match="closed"):
        await store.heartbeat("late", 1.0)
    with sqlite3.connect(tmp_path / "s.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (50,)


@pytest_twisted.ensureDeferred
async def test_fifty_writes_take_few_commits(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from hoopgate.stores.sqlite import writing

    sizes: list[int] = []
    together = writing._together

    def counting(connection: sqlite3.Connection, batch: list[Any]) -> list[Any]:
        sizes.append(len(batch))
        return together(connection, batch)

    monkeypatch.setattr(writing, "_together", counting)
    await gatherResults([store.heartbeat(f"n{number}", 1.0) for number in range(50)])
    assert sizes == [1, 49]
