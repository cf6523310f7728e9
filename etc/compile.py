#!/usr/bin/env python3
"""A copy of hoopgate with its core compiled, in a directory of its own: never among the sources.

    python etc/compile.py DIRECTORY [--optimize 0|1|2|3]

Run it with a Python that has mypy (the extra ``test``). Give the copy to a program by PYTHONPATH=DIRECTORY, with
PYTHONSAFEPATH=1 where it starts within the checkout. A second run translates and compiles only what changed. Exit
status 3: this machine has nothing to compile with.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def compile_core(directory: Path, optimize: str) -> int:
    """Bring ``directory`` up to date with the sources; returns the exit status of the build, whose words it shows."""
    missing = runpy.run_path(str(ROOT / "setup.py"))["lacking"]()
    if missing:
        sys.stderr.write(f"there is {missing}\n")
        return 3
    directory = directory.resolve()
    if directory == ROOT or ROOT / "hoopgate" in (directory, *directory.parents):
        sys.stderr.write("compile.py: extension modules among the sources would hide them; take another directory\n")
        return 2
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        forget_removed(directory)
        places = ["--build-lib", str(directory), "--build-temp", str(directory / ".build")]
        command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", "build", *places]
        environment = dict(os.environ, HOOPGATE_BUILD="compiled", HOOPGATE_OPTIMIZE=optimize)
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.stderr.write(done.stdout.decode(errors="replace")[-8000:])
        return done.returncode


def forget_removed(directory: Path) -> None:
    """Take from the copy what the sources, or the list of what is compiled, no longer have."""
    listed = {name.replace(".", "/") for name in runpy.run_path(str(ROOT / "hoopgate" / "compiled.py"))["MODULES"]}
    for path in (directory / "hoopgate").rglob("*"):
        inside = path.relative_to(directory)
        gone = not (ROOT / inside).exists() and path.suffix not in (".pyc", ".so")
        unlisted = path.suffix == ".so" and str(inside).partition(".")[0] not in listed
        if path.is_file() and (gone or unlisted):
            path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--optimize", choices="0123", default="2", help="the C compiler's -O, 2 if not given")
    arguments = parser.parse_args()
    status = compile_core(arguments.directory, arguments.optimize)
    if status == 0:
        sys.stdout.write(f"{arguments.directory.resolve()}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
