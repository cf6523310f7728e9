"""One stage for a test process: the demo's server and gateway, and beside them gateways of the tests' own."""

from __future__ import annotations

import itertools
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hoopgate.development import stage as staging
from hoopgate.development.certificates import Authority
from hoopgate.development.processes import StartError
from hoopgate.workers.process import raise_file_limit
from tests.live.gate import Gate, World
from tests.live.people import People
from tests.live.rules import SHARED

DATABASE, USER = "live", "live_app"
SETUP = """
CREATE TABLE plain (id int PRIMARY KEY, name text, amount numeric, seen timestamptz, raw bytea, tags text[]);
INSERT INTO plain SELECT n, 'name ' || n, n * 1.25, timestamptz '2026-01-01 00:00:00Z' + n * interval '1 hour',
    decode(lpad(to_hex(n), 4, '0'), 'hex'), ARRAY['a' || n, NULL, 'c,"d']
  FROM generate_series(1, 500) n;
CREATE TABLE vault (id int PRIMARY KEY, label text, secret_key text, password text);
INSERT INTO vault SELECT n, 'label ' || n, 'sk_clear_' || n, 'pw_clear_' || n FROM generate_series(1, 50) n;
CREATE TABLE wide (a int, b text);
CREATE TABLE held (id int, note text);
CREATE TABLE two (id int, note text);
CREATE TABLE brief (id int, note text);
CREATE TABLE ledger (id serial, note text);
"""


@pytest.fixture(scope="session", autouse=True)
def many_files() -> None:
    """Some tests hold a thousand connections themselves, and shells give 1024 descriptors."""
    raise_file_limit()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[staging.Stage]:
    """The demo, on free ports."""
    before = staging.USUAL_PORTS
    staging.USUAL_PORTS = dict.fromkeys(before, 0)
    try:
        running = _started(tmp_path_factory.mktemp("stage"))
    finally:
        staging.USUAL_PORTS = before
    yield running
    running.stop()


def _started(base: Path) -> staging.Stage:
    for attempt in range(3):
        try:
            return staging.start(base, lambda text: None)
        except StartError as error:
            if attempt == 2 or "in use" not in str(error):
                raise
    raise AssertionError


@pytest.fixture(scope="session")
def people() -> Iterator[People]:
    running = People()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(stage: staging.Stage, people: People, authority: Authority) -> World:
    """A database of the tests' own on the stage's server, and whom gateways know."""
    password = secrets.token_urlsafe(18)
    stage.server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{password}'; CREATE DATABASE {DATABASE} OWNER {USER};")
    stage.server.execute(f"SET ROLE {USER}; ALTER SCHEMA public OWNER TO {USER};" if False else
                         f"ALTER SCHEMA public OWNER TO {USER}; SET ROLE {USER}; {SETUP}", DATABASE)  # fmt: skip
    return World(stage.server, people, authority, DATABASE, USER, password)


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """Where gateways keep their things: a short path, for the Unix sockets among them."""
    directory = Path(tempfile.mkdtemp(prefix="hoopgate-live-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


Make = Callable[..., Gate]
_numbers = itertools.count(1)


@pytest.fixture
def make_gate(world: World, home: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """``make_gate(text, **options)`` starts a gateway of the test's own; its recordings verify in the end."""
    made: list[Gate] = []

    def make(text: str, *, start: bool = True, **options: object) -> Gate:
        name = re.sub(r"\W+", "-", request.node.name)[:24]
        gate = Gate(world, home / f"{next(_numbers)}-{name}", text, **options).prepare()
        made.append(gate)
        return gate.start() if start else gate

    yield make
    for gate in made:
        gate.stop()
    for gate in made:
        assert not gate.faults()
        gate.check_recordings()
        gate.remove()


@pytest.fixture(scope="session")
def shared_gate(world: World, home: Path) -> Iterator[Gate]:
    running = Gate(world, home / "shared", SHARED(world)).start()
    yield running
    running.remove()


@pytest.fixture
def gate(shared_gate: Gate) -> Iterator[Gate]:
    """The gateway that most tests share. After each test every recording verifies, and the gateway lives."""
    yield shared_gate
    assert shared_gate.alive(), shared_gate.log()[-4000:]
    assert not shared_gate.faults()
    shared_gate.check_recordings()
