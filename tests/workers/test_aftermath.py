"""What a dead process left is ended in the store and sealed, and nobody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import fail
from twisted.internet.task import deferLater

from hoopgate.errors import RecordingError
from hoopgate.stores.records import SessionRecord, StoreError
from hoopgate.stores.sqlite import SqliteStore
from hoopgate.workers import aftermath as aftermaths
from hoopgate.workers.aftermath import DIED, RESTARTED, Aftermath
from tests.stores.parts import ALICE

NOW = 1_800_000_000.0


def session(name: str, node: str) -> SessionRecord:
    return SessionRecord(name, node, ALICE, "alice@example.com", "shop", "app", "postgresql", "127.0.0.1:1", NOW)


@define
class FakeRecorder:
    sealed: list[tuple[str, float, str]] = field(factory=list)
    broken: tuple[str, ...] = ()

    def seal(self, name: str, started: float, reason: str) -> bool:
        if name in self.broken:
            raise RecordingError("it was damaged at byte 7")
        self.sealed.append((name, started, reason))
        return True


async def made(folder: Path) -> tuple[Aftermath, SqliteStore]:
    store = SqliteStore(folder / "store.sqlite3", reactor)
    await store.start()
    for name, node in (("a", "gate/0"), ("b", "gate/1"), ("c", "gate/11"), ("d", "gate-2/1")):
        await store.open_session(session(name, node))
    return Aftermath(store, reactor, "gate/"), store


async def live(store: SqliteStore) -> list[str]:
    return sorted(each.id for each in await store.sessions(audience=None, live=True, limit=100))


@pytest_twisted.ensureDeferred
async def test_of_a_worker_its_own_sessions_end(tmp_path: Path) -> None:
    aftermath, store = await made(tmp_path)
    left = await aftermath.died(1)
    assert [each.id for each in left] == ["b"]
    assert await live(store) == ["a", "c", "d"]
    ended: Any = await store.session("b")
    assert ended.reason == DIED
    await store.close()


@pytest_twisted.ensureDeferred
async def test_a_restart_ends_what_all_workers_left_even_those_that_there_are_no_more(tmp_path: Path) -> None:
    aftermath, store = await made(tmp_path)
    await aftermath.restarted()
    assert sorted(each.id for each in aftermath.left) == ["a", "b", "c"]
    assert await live(store) == ["d"]
    ended: Any = await store.session("c")
    assert ended.reason == RESTARTED
    await store.close()


@pytest_twisted.ensureDeferred
async def test_a_store_that_fails_is_asked_until_it_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the dead worker's sessions would be listed as live until the next restart."""
    monkeypatch.setattr(aftermaths, "AGAIN", 0.01)
    aftermath, store = await made(tmp_path)
    interrupt, failures = store.interrupt, [StoreError("the disk is full")] * 3
    monkeypatch.setattr(store, "interrupt", lambda *words: fail(failures.pop()) if failures else interrupt(*words))
    recorder = FakeRecorder()
    await aftermath.clear_up(1, recorder)
    assert failures == []
    assert await live(store) == ["a", "c", "d"]
    for _ in range(100):
        if recorder.sealed:
            break
        await deferLater(reactor, 0.02)
    assert recorder.sealed == [("b", NOW, DIED)]
    await store.close()


@pytest_twisted.ensureDeferred
async def test_each_recording_is_sealed_whatever_becomes_of_the_others(tmp_path: Path) -> None:
    aftermath, store = await made(tmp_path)
    recorder = FakeRecorder(broken=("b",))
    sessions = [session(name, "gate/1") for name in ("a", "b", "c")]
    await aftermath.seal(recorder, sessions, DIED)
    assert recorder.sealed == [("a", NOW, DIED), ("c", NOW, DIED)]
    await aftermath.seal(object(), sessions, DIED)  # a recorder that cannot
    aftermath.stop()
    await aftermath.seal(recorder, sessions, DIED)
    assert len(recorder.sealed) == 2
    await store.close()
