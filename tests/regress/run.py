"""Run the suite directly and through the gateway, and compare the two outputs, test by test and byte by byte.

Each run has a fresh server of the same programs, so that both begin alike. Where the outputs differ, a second direct
run says which tests differ from themselves (times, random numbers, statistics that come late): those are named apart.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hoopgate.development.certificates import Authority
from hoopgate.development.postgres import SUPERUSER, Options, PostgresServer, Programs, embedded_programs
from tests.conftest import system_or_other_programs
from tests.live.gate import Gate, World
from tests.live.people import People
from tests.regress.suite import DATABASE, Psql, Suite

SETTINGS = {"max_prepared_transactions": "2", "password_encryption": "scram-sha-256"}
OWN = {
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "bytea_output": "hex",
    "timezone_abbreviations": "Default",
    "intervalstyle": "postgres_verbose",
}
CREATE = f"CREATE DATABASE {DATABASE} TEMPLATE = template0"
ALTER = "".join(f"ALTER DATABASE {DATABASE} SET {name} TO '{value}';" for name, value in OWN.items())
POLICY = """
[[target]]
name = "{database}"
protocol = "postgresql"
hosts = ["127.0.0.1:{port}"]
database = "{database}"
tls = "disable"
[target.role.{user}]
user = "{user}"
password = "file:$directory/secrets/app"

[[rule]]
name = "everything"
then = "allow"
"""
Outputs = dict[str, bytes]


class Bench:
    """Where the runs take place: ``home`` is gone when they are done."""

    def __init__(self, suite: Suite, programs: Programs, library: Path) -> None:
        self._suite = suite
        self._programs = programs
        self._home = Path(tempfile.mkdtemp(prefix="hoopgate-regress-"))
        self._home.chmod(0o755)
        self._library = library
        self._build = self._home / "build"

    def direct(self, tests: Sequence[str]) -> Outputs:
        server = self._server()
        try:
            return self._run(tests, self._psql(server, str(server.socket_directory), server.port, server.password))
        finally:
            server.stop()

    def through(self, tests: Sequence[str]) -> Outputs:
        server, people = self._server(), People()
        world = World(server, people, Authority("hoopgate regress"), DATABASE, SUPERUSER, server.password)
        policy = POLICY.format(database=DATABASE, port=server.port, user=SUPERUSER)
        gate = Gate(world, self._home / "gate", policy).start()
        try:
            found = self._run(tests, self._psql(server, "127.0.0.1", gate.ports["plain"], gate.token("ada")))
            for fault in gate.faults():
                print(f"the gateway says: {fault}")
            return found
        finally:
            gate.remove()
            people.stop()
            server.stop()

    def remove(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)

    def _server(self) -> PostgresServer:
        shutil.rmtree(self._build, ignore_errors=True)
        for directory in (self._build, self._build / "results", self._build / "sql", self._build / "testtablespace"):
            directory.mkdir()
            directory.chmod(0o777)  # the server runs as somebody else, and its files lie here
        server = PostgresServer(self._programs, options=Options(settings=SETTINGS)).start()
        server.execute(CREATE)
        server.execute(ALTER)
        return server

    def _psql(self, server: PostgresServer, host: str, port: int, password: str) -> Psql:
        return Psql(server.psql, host, port, SUPERUSER, password, self._build, self._library)

    def _run(self, tests: Sequence[str], psql: Psql) -> Outputs:
        found = {}
        for test in tests:
            print(".", end="", flush=True)
            found[test] = psql.run(self._suite, test)
        print()
        return found


def difference(test: str, one: bytes, other: bytes) -> str:
    before, after = (text.decode(errors="backslashreplace").splitlines(keepends=True) for text in (one, other))
    return "".join(difflib.unified_diff(before, after, f"direct/{test}", f"gateway/{test}"))


def compare(direct: Outputs, gateway: Outputs, again: Callable[[], Outputs], report: Path | None) -> list[str]:
    """The tests whose difference no second direct run explains; ``report`` gets all differences."""
    differ = [test for test in direct if direct[test] != gateway[test]]
    print(f"{len(direct) - len(differ)} of {len(direct)} tests are equal to the byte")
    noise = again() if differ else {}
    restless = {test for test in differ if noise[test] != direct[test]}
    for test in differ:
        text = difference(test, direct[test], gateway[test])
        kind = "differs from itself too" if test in restless else "differs"
        print(f"{test}: {kind}, {sum(line[:1] in '+-' for line in text.splitlines()) - 2} lines")
        if report is not None:
            report.mkdir(parents=True, exist_ok=True)
            (report / f"{test}.diff").write_text(text)
            (report / f"{test}.itself.diff").write_text(difference(test, direct[test], noise[test]))
    return [test for test in differ if test not in restless]


def programs_of(which: str) -> Programs:
    return embedded_programs() if which == "embedded" else system_or_other_programs()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.regress", description=__doc__)
    source = os.environ.get("POSTGRES_REGRESS")
    tree = "src/test/regress of a source tree of the server's version ($POSTGRES_REGRESS)"
    built = "where regress.so lies, if you have built it; what needs it fails on both sides otherwise"
    parser.add_argument("--source", type=Path, default=source, required=source is None, help=tree)
    parser.add_argument("--server", choices=("embedded", "system"), default="embedded")
    parser.add_argument("--library", type=Path, default=Path("/nonexistent"), help=built)
    parser.add_argument("--tests", help="names, separated by commas; by default all of the schedule")
    parser.add_argument("--report", type=Path, help="a directory for the differences")
    given = parser.parse_args()
    suite = Suite(given.source.resolve())
    tests = given.tests.split(",") if given.tests else list(suite.tests())
    bench = Bench(suite, programs_of(given.server), given.library.resolve())
    try:
        left = compare(bench.direct(tests), bench.through(tests), lambda: bench.direct(tests), given.report)
    finally:
        bench.remove()
    raise SystemExit(f"{len(left)} tests differ through the gateway: {' '.join(left)}" if left else 0)
