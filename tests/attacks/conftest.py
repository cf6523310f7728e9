"""Two databases that differ in nothing but their secrets, and a gateway before them that masks in three ways.

The role is a superuser and the policy allows everything, so that the masks alone stand between an attacker and a value.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import define, field

from hoopgate.development.certificates import Authority
from hoopgate.development.postgres import EmbeddedPostgres, Options, PostgresError, PostgresServer
from tests.attacks.script import Attack
from tests.attacks.secret import A, B
from tests.attacks.secret import World as Secrets
from tests.attacks.send import Came, send
from tests.conftest import npm_programs, system_or_other_programs
from tests.installs import MissingError
from tests.live.gate import Gate, World
from tests.live.people import People
from tests.live.wire import Wire

USER = "attacker"
PROBES = re.compile(r"^hoopgate_mask_probes(?:_total)?(?:{[^}]*})? ([0-9.e+]+)$", re.MULTILINE)
MODES = ("output", "source", "strict")
SCHEMA = (Path(__file__).parent / "schema.sql").read_text()
TARGET = """
[[target]]
name = "{mode}-{world}"
protocol = "postgresql"
hosts = ["127.0.0.1:{port}"]
database = "attacked_{world}"
tls = "disable"
labels = {{ mode = "{mode}" }}
[target.role.app]
user = "attacker"
password = "file:$directory/secrets/app"
"""
MASKS = """
[[mask]]
name = "mails-{mode}"
target = ["{mode}-*"]
columns = ["*.people.email", "*.staff.email", "*.folded.email", "*.empty_mails.email", "*.profiles.home",
           "*.contact.mail", "*.payments*.token", "vault.*.e-mail*", "vault.*.größe"]
kind = "replace"
{more}
[[mask]]
name = "fixed-{mode}"
target = ["{mode}-*"]
columns = ["*.people.card", "*.people.salary", "*.people.pin", "*.people.ratio", "*.people.born", "*.people.vip",
           "*.people.grade", "*.people.doc", "*.people.blob", "*.people.uid", "*.people.span", "*.people.host"]
kind = "fixed"
{more}
[[mask]]
name = "nulls-{mode}"
target = ["{mode}-*"]
columns = ["*.people.ssn", "*.people.page", "*.people.tags", "*.people.lexemes", "*.people.spot"]
kind = "null"
{more}
[[mask]]
name = "ends-{mode}"
target = ["{mode}-*"]
columns = ["*.people.phone"]
kind = "keep-last"
keep = 2
{more}
[[mask]]
name = "keys-{mode}"
target = ["{mode}-*"]
columns = ["*.keys.digest"]
kind = "replace"
{more}
"""
MORE = {
    "output": 'reading = "output"\ninference = 1000000',
    "source": 'reading = "source"',
    "strict": 'reading = "output"\ninference = 0',
}


def masks(mode: str) -> str:
    return MASKS.format(mode=mode, more=MORE[mode])


QUIET = """
DO $$ DECLARE each regclass; BEGIN
    FOR each IN SELECT oid FROM pg_class WHERE relkind = 'r' AND oid >= 16384 LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', each);
    END LOOP;
END $$
"""
"""Statistics that were gathered in one world alone would change its plans, and with them the order of rows."""

RULES = """
[[rule]]
name = "everything"
then = "allow"

[limits]
decisions = 4096
"""


@define
class Stage:
    """``send(attack, where, world)``: ``where`` is "direct" or one of MODES."""

    server: PostgresServer
    gate: Gate
    version: int
    has: frozenset[str]
    newest: int  # the last object identifier of both databases when they were made
    _wires: dict[tuple[str, str], Wire] = field(factory=dict)
    _made: set[tuple[str, str]] = field(factory=set)

    def connect(self, where: str, secrets: Secrets) -> Wire:
        if where != "direct":
            made = self.gate.wire(f"{where}-{secrets.name}")
        else:
            path = f"{self.server.socket_directory}/.s.PGSQL.{self.server.port}"
            made = Wire.unix(path, {"user": USER, "database": f"attacked_{secrets.name}"})
        made.query("SET statement_timeout = 4000")
        return made

    def send(self, attack: Attack, where: str, secrets: Secrets) -> Came:
        for extension in attack.needs - {"xml"}:
            if (extension, secrets.name) not in self._made:
                self._made.add((extension, secrets.name))
                self.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}", secrets)
        key = where, secrets.name
        wire = self._wires.pop(key, None) or self.connect(where, secrets)
        came = send(attack, wire, lambda: self.connect(where, secrets))
        if came.ended or attack.flags.keys() & {"steps", "commits"}:
            wire.close()
        else:  # one line alone leaves nothing behind
            self._wires[key] = wire
        for sql in attack.undo:
            self.execute(sql, secrets)
        return came

    def sweep(self) -> None:
        """Take away dead rows, so that both worlds' tables are of the same size again."""
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()
        for world in (A, B):
            self.execute("VACUUM FULL people", world)
            self.execute("VACUUM FULL staff", world)
            self.execute("VACUUM ANALYZE", world)

    @property
    def probes(self) -> int:
        """How many statements were charged as probes."""
        _, text = self.gate.http("/metrics")
        return sum(int(float(count)) for count in PROBES.findall(text))

    def can(self, attack: Attack) -> bool:
        return attack.least <= self.version and attack.needs <= self.has

    def execute(self, sql: str, secrets: Secrets) -> str:
        return self.server.execute(sql, f"attacked_{secrets.name}")


def build(server: PostgresServer, password: str) -> None:
    """Both databases, with equal object identifiers."""
    server.execute(f"CREATE ROLE {USER} SUPERUSER LOGIN PASSWORD '{password}'; CREATE DATABASE attacked")
    server.execute(SCHEMA if has_xml(server) else SCHEMA.replace("page xml", "page text"), "attacked")
    for world in (A, B):
        server.execute(f"CREATE DATABASE attacked_{world.name} TEMPLATE attacked")
        server.execute(world.load(), f"attacked_{world.name}")
        server.execute(QUIET, f"attacked_{world.name}")
        server.execute("VACUUM ANALYZE", f"attacked_{world.name}")


def policy(port: int, modes: tuple[str, ...] = MODES) -> str:
    targets = [TARGET.format(mode=mode, world=world.name, port=port) for mode in modes for world in (A, B)]
    return "".join([*targets, *(masks(mode) for mode in modes), RULES])


def open_stage(server: PostgresServer, home: Path, people: People, modes: tuple[str, ...] = MODES) -> Stage:
    """Build the databases on ``server`` and start a gateway with its things under ``home``."""
    password = secrets.token_urlsafe(18)
    build(server, password)
    world = World(server, people, Authority("hoopgate attacks"), "attacked_a", USER, password)
    gate = Gate(world, home, policy(server.port, modes)).start()
    newest = int(server.execute("SELECT max(oid) FROM pg_class", "attacked_b"))
    return Stage(server, gate, *abilities(server), newest)


def abilities(server: PostgresServer) -> tuple[int, frozenset[str]]:
    """The major version; the extensions that could be made, and "xml" where the server has it."""
    version = int(server.execute("SHOW server_version_num")) // 10_000
    has = server.execute("SELECT name FROM pg_available_extensions").split()
    return version, frozenset([*has, *(["xml"] if has_xml(server) else [])])


def has_xml(server: PostgresServer) -> bool:
    try:
        server.execute("SELECT '<a/>'::xml")
    except PostgresError:
        return False
    return True


SETTINGS = Options(settings={"max_prepared_transactions": "4", "wal_level": "logical"})
"""What attackers could make use of."""
SERVERS: dict[str, Callable[[], PostgresServer]] = {
    "embedded": lambda: EmbeddedPostgres(options=SETTINGS),
    "system": lambda: PostgresServer(system_or_other_programs(), options=SETTINGS),
    "contrib": lambda: PostgresServer(npm_programs(), options=SETTINGS),
}
"""PostgreSQL 18 alone, Debian's with its contrib modules, and 18 with them."""


@pytest.fixture(
    scope="session",
    params=["embedded", *(pytest.param(name, marks=pytest.mark.long) for name in ("system", "contrib"))],
)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """On the newest PostgreSQL; the long run on all."""
    try:
        server = SERVERS[request.param]().start()
    except MissingError as reason:
        pytest.skip(str(reason))
    people = People()
    running = open_stage(server, tmp_path_factory.mktemp("a") / "gate", people)
    yield running
    assert not running.gate.faults()
    running.gate.check_recordings()
    running.gate.remove()
    people.stop()
    server.stop()
