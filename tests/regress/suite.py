"""The suite as its source tree has it, and psql as pg_regress calls it (src/test/regress/pg_regress_main.c)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

DATABASE = "regression"
HIDDEN = ("-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on")
SECONDS = 900.0  # for one test, on a busy machine


@frozen
class Suite:
    """``source`` is src/test/regress of a PostgreSQL source tree of the server's version."""

    source: Path

    def tests(self) -> Iterator[str]:
        """The names in the schedule's order; groups that pg_regress runs at once come one after the other here."""
        for line in (self.source / "parallel_schedule").read_text().splitlines():
            key, _, names = line.partition(":")
            if key == "test":
                yield from names.split()

    def script(self, test: str) -> Path:
        return self.source / "sql" / f"{test}.sql"


@frozen
class Psql:
    """``build`` is where tests write their files, the same for every run, so that paths in outputs are equal.

    ``host`` (a socket's directory, or an address) and ``port`` are what psql connects to.
    """

    program: Path
    host: str
    port: int
    user: str
    password: str
    build: Path
    library: Path

    def run(self, suite: Suite, test: str) -> bytes:
        """Everything that psql wrote, in order."""
        command = [str(self.program), "-X", "-a", "-q", "-d", DATABASE, *HIDDEN]
        with suite.script(test).open("rb") as script:
            done = subprocess.run(
                command,
                stdin=script,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environment(suite, test),
                cwd=self.build,
                check=False,
                timeout=SECONDS,
            )
        return done.stdout

    def _environment(self, suite: Suite, test: str) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.build),
            "LANG": "C",
            "LC_MESSAGES": "C",
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGSSLMODE": "disable",
            "PGAPPNAME": f"pg_regress/{test}",
            "PGTZ": "America/Los_Angeles",
            "PGDATESTYLE": "Postgres, MDY",
            "PG_ABS_SRCDIR": str(suite.source),
            "PG_ABS_BUILDDIR": str(self.build),
            "PG_LIBDIR": str(self.library),
            "PG_DLSUFFIX": ".so",
        }
