"""Which build of the core these tests run: ``HOOPGATE_CORE=compiled pytest ...``, or what Python finds.

The compiled copy is what ``etc/compile.py`` made in ``HOOPGATE_COMPILED``; where that is not set, one in the system's
temporary folder, brought up to date first. It comes before the sources for this process and for all that it starts.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = os.environ.get("HOOPGATE_CORE") or ""


class LackingError(RuntimeError):
    """This machine has nothing to compile with; the text says what is missing."""


def compiled_copy() -> str:
    """The directory of a compiled copy. Raises LackingError, or RuntimeError with the compiler's words."""
    given = os.environ.get("HOOPGATE_COMPILED")
    if given:
        return given
    name = hashlib.sha256(f"{ROOT} {sys.executable} {os.getuid()}".encode()).hexdigest()[:12]
    place = str(Path(tempfile.gettempdir()) / f"hoopgate-core-{name}")
    script = str(ROOT / "etc" / "compile.py")
    done = subprocess.run([sys.executable, script, place], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        raise LackingError(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or "etc/compile.py failed")
    return place


def environment_of(build: str, copy: str) -> dict[str, str]:
    """The environment of a program that is to run a build, wherever it starts."""
    environment = {key: value for key, value in os.environ.items() if key not in ("HOOPGATE_CORE", "PYTHONPATH")}
    paths = [copy] if build == "compiled" else []
    return environment | {"PYTHONPATH": os.pathsep.join([*paths, str(ROOT)]), "PYTHONSAFEPATH": "1"}


def choose() -> None:
    """To be called before anything of hoopgate is imported."""
    if WANTED not in ("", "interpreted", "compiled"):
        raise RuntimeError(f"HOOPGATE_CORE is {WANTED!r}; it can be interpreted or compiled")
    if WANTED == "compiled":
        copy = compiled_copy()
        os.environ["HOOPGATE_COMPILED"] = copy  # pytest-xdist's workers must not make it again
        os.environ["PYTHONPATH"] = os.pathsep.join([copy, *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ["PYTHONSAFEPATH"] = "1"  # or a program started here would find the sources first
        sys.path.insert(0, copy)
    from hoopgate import compiled

    found = compiled.core().partition(" ")[0]
    if WANTED and found != WANTED:
        raise RuntimeError(f"HOOPGATE_CORE={WANTED}, but {compiled.__file__} is {found}")
