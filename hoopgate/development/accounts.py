"""Whom a development server runs as, and where its files lie.

PostgreSQL refuses to run as root. Root therefore gets one unprivileged system account of its own and a fresh
directory under /var/tmp for each start; no permission of anything that already exists is changed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from attrs import frozen

ACCOUNT = "hoopgate-demo"


class AccountError(Exception):
    """The unprivileged account could not be had; the text says what to do."""


@frozen
class Account:
    name: str
    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Return None for an ordinary user (who runs servers as himself), else the account that root uses.

    The account is made on first use by useradd(8). Raises AccountError when that fails.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        _make_account()
        entry = pwd.getpwnam(ACCOUNT)
    if entry.pw_uid == 0:
        raise AccountError(f"the account {ACCOUNT} has user id 0; remove it, or run this as an ordinary user")
    return Account(ACCOUNT, entry.pw_uid, entry.pw_gid)


def _make_account() -> None:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    remedy = f"make a system account named {ACCOUNT}, or run this as an ordinary user"
    if useradd is None:
        raise AccountError(f"running as root needs useradd, which is missing; {remedy}")
    command = [useradd, "--system", "--no-create-home", "--home-dir", "/nonexistent", "--user-group"]
    command += ["--shell", "/usr/sbin/nologin", "--comment", "hoopgate development servers", ACCOUNT]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    # 9: the name exists by now; a second process was quicker (useradd(8), exit values).
    if made.returncode not in (0, 9):
        raise AccountError(f"useradd failed: {made.stderr.strip()}; {remedy}")


def fresh_directory(account: Account | None, prefix: str = "hoopgate-") -> Path:
    """Make a new directory (mode 0700) that belongs to ``account``, or to us if that is None.

    It is under /var/tmp: paths of Unix sockets are limited to 107 bytes (unix(7)), so nothing deep will do.
    """
    path = Path(tempfile.mkdtemp(prefix=prefix, dir="/var/tmp"))
    if account is not None:
        os.chown(path, account.uid, account.gid)
    return path


def readable_by(account: Account, path: Path) -> bool:
    """Whether the account may reach and run ``path`` by the permission bits of it and of every parent."""
    resolved = path.resolve()
    for place in (resolved, *resolved.parents):
        status = place.stat()
        bits = status.st_mode >> (6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0)
        wanted = 0o5 if place == resolved else 0o1
        if bits & wanted != wanted:
            return False
    return True
