"""What is SQLite's own: the file's mode, migrations, and threads."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet import reactor

from hoopgate.config import model
from hoopgate.plugins import load_plugins, make
from hoopgate.stores.records import StoreError
from hoopgate.stores.sqlite import SqliteStore, factory, schema


@pytest_twisted.ensureDeferred
async def test_the_file_and_its_companions_are_ours_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "s.sqlite3", reactor)
        await store.start()
        await store.heartbeat("n", 1.0)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
        await store.close()
    assert modes == {"s.sqlite3": 0o600, "s.sqlite3-wal": 0o600, "s.sqlite3-shm": 0o600}


@pytest_twisted.ensureDeferred
async def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    path.touch(0o600)
    path.chmod(0o640)
    with pytest.raises(StoreError, match="chmod 600"):
        await SqliteStore(path, reactor).start()


@pytest_twisted.ensureDeferred
async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / "s.sqlite3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="regular file"):
        await SqliteStore(tmp_path / "s.sqlite3", reactor).start()


@pytest_twisted.ensureDeferred
async def test_a_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        await SqliteStore(tmp_path / "none" / "s.sqlite3", reactor).start()


@pytest_twisted.ensureDeferred
async def test_something_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite3").write_bytes(b"not a database" * 100)
    (tmp_path / "s.sqlite3").chmod(0o600)
    with pytest.raises(StoreError, match="not a database"):
        await SqliteStore(tmp_path / "s.sqlite3", reactor).start()


@pytest_twisted.ensureDeferred
async def test_a_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    store = SqliteStore(path, reactor)
    await store.start()
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="schema 999"):
        await SqliteStore(path, reactor).start()


@pytest_twisted.ensureDeferred
async def test_settings_are_in_force(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite3", reactor)
    await store.start()

    def settings(connection: sqlite3.Connection) -> list[Any]:
        names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await store._read(settings) == ["wal", 1, 5000, 2]
    await store.close()


def test_migrations_run_once_each_and_in_one_transaction(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "m.sqlite3", isolation_level=None)
    steps = (("CREATE TABLE a (x)",), ("ALTER TABLE a ADD COLUMN y", "INSERT INTO a VALUES (1, 2)"))
    schema.migrate(connection, steps[:1])
    schema.migrate(connection, steps)
    schema.migrate(connection, steps)
    assert connection.execute("SELECT * FROM a").fetchall() == [(1, 2)]
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.Error):
        schema.migrate(connection, (*steps, ("CREATE TABLE b (x)", "broken")))
    connection.execute("ROLLBACK")
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'b'").fetchall() == []


@pytest_twisted.ensureDeferred
async def test_nothing_runs_on_the_reactors_thread(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite3", reactor)
    await store.start()
    thread = await store._read(lambda connection: threading.get_ident())
    assert thread != threading.get_ident()
    await store.close()


@pytest_twisted.ensureDeferred
async def test_a_stuck_disk_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopgate.stores.sqlite.UNDER_WAY", 2)
    store = SqliteStore(tmp_path / "s.sqlite3", reactor)
    await store.start()
    stuck = threading.Event()
    waiting = [store._read(lambda connection: stuck.wait(5)) for _ in range(2)]
    with pytest.raises(StoreError, match="too much"):
        await store.latest()
    stuck.set()
    for each in waiting:
        await each
    assert await store.latest() == 0
    await store.close()


def test_the_configuration_names_the_file(tmp_path: Path) -> None:
    config = model.Config(path=tmp_path, version="v1", gateway=model.Gateway(state=tmp_path))
    assert factory(config, reactor)._path == tmp_path / "hoopgate.sqlite3"
    elsewhere = evolve(config, store=model.Store(path=tmp_path / "x"))
    assert factory(elsewhere, reactor)._path == tmp_path / "x"


def test_the_plugin_is_found_and_provides_the_interface(tmp_path: Path) -> None:
    config = model.Config(path=tmp_path, version="v1", gateway=model.Gateway(state=tmp_path))
    found = load_plugins("hoopgate.stores", ["sqlite"])["sqlite"]
    assert isinstance(make("hoopgate.stores", "sqlite", found, config, reactor), SqliteStore)
