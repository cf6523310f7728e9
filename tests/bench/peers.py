"""Who is measured: the server itself, and what can stand before it. Each is a real process on loopback."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from string import Template

from attrs import field, frozen

from hoopgate.development.accounts import Account
from hoopgate.development.processes import Kept, listening

TEMPLATES = Path(__file__).with_name("templates")
USER, PASSWORD, DATABASE = "bench", "bench-password", "bench"


@frozen
class Peer:
    """Where a client connects; ``pids`` are the processes between it and the server (none for the server itself).

    ``tls_port`` is 0 where it has no TLS; ``tls_direct``: TLS begins with the first byte, without SSLRequest.
    """

    name: str
    port: int
    version: str
    database: str = DATABASE
    password: str = PASSWORD
    tls_port: int = 0
    tls_direct: bool = False
    log: Path | None = None
    recordings: Path | None = None
    pids: Callable[[], list[int]] = field(default=list, repr=False)

    def environment(self, *, tls: bool = False) -> dict[str, str]:
        """libpq's variables."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.tls_port if tls else self.port),
            "PGUSER": USER,
            "PGDATABASE": self.database,
            "PGPASSWORD": self.password,
            "PGSSLMODE": "require" if tls else "disable",
            "PGGSSENCMODE": "disable",
            "PGCONNECT_TIMEOUT": "30",
            "HOME": "/nonexistent",
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        }

    def tidy(self, age: float = 2.0) -> None:
        """Recordings of a scan are as large as the scan: away with those that nobody has written to for so long (s)."""
        if self.recordings is not None:
            for path in self.recordings.rglob("*.hgr"):
                if path.stat().st_mtime < time.time() - age:
                    path.unlink(missing_ok=True)


def filled(template: str, path: Path, **values: object) -> Path:
    """Write a template with its values to ``path``, readable for everybody."""
    path.write_text(Template((TEMPLATES / template).read_text()).substitute(values))
    path.chmod(0o644)
    return path


def place(directory: Path, name: str, account: Account | None = None) -> Path:
    """A fresh directory for a peer, which may run as another account."""
    made = directory / name.replace(", ", "-").replace(" ", "-")
    made.mkdir(mode=0o700)
    if account is not None:
        os.chown(made, account.uid, account.gid)
    return made


def up(kept: Kept, port: int, what: str) -> Kept:
    """Wait until it listens. Raises StartError."""
    try:
        kept.wait_until(lambda: listening(port), what, 60)
    except BaseException:
        kept.stop()
        raise
    return kept
