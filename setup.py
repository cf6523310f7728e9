"""Compiles the core (the list in hoopgate/compiled.py) by mypyc where that can be done; setup.cfg says all the rest.

HOOPGATE_BUILD chooses: ``auto`` (the default) compiles where a C compiler and Python's headers are, ``pure`` never
does, ``compiled`` fails where it cannot. Uncompiled, the same files are interpreted. HOOPGATE_OPTIMIZE is the C
compiler's level of optimization, 2 if not given (3 takes longer and gains nothing).
"""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from setuptools import Distribution, Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, SetupError

ROOT = Path(__file__).resolve().parent
GROUP = "hoopgate_core"
# Modules outside of the list are not followed. Of what hoopgate runs with, mypy needs to know attrs alone.
OPTIONS = ["--config-file=", "--follow-imports=skip", "--ignore-missing-imports"]
NEEDED = {"mypyc": "mypy>=2.4,<2.5", "attrs": "attrs>=24.2"}
PROBE = "#include <Python.h>\nint hoopgate_probe(void) { return PY_VERSION_HEX != 0; }\n"


def modules() -> list[str]:
    """The files to compile, as paths from here; read, not imported."""
    for node in ast.parse((ROOT / "hoopgate" / "compiled.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "MODULES":
            return [name.replace(".", "/") + ".py" for name in ast.literal_eval(node.value)]  # type: ignore[arg-type]
    raise SetupError("hoopgate/compiled.py has no list MODULES")


def hindrance() -> str:
    """Why nothing will be compiled, in words for ``hoopgate status``; "" if the core will be.

    Raises SetupError where HOOPGATE_BUILD asks for what cannot be.
    """
    chosen = os.environ.get("HOOPGATE_BUILD") or "auto"
    if chosen not in ("auto", "pure", "compiled"):
        raise SetupError(f"HOOPGATE_BUILD is {chosen!r}; it can be auto, pure or compiled")
    if chosen == "pure":
        return "HOOPGATE_BUILD=pure at install"
    if "editable_wheel" in sys.argv or "develop" in sys.argv:
        return "the sources of a checkout"
    missing = lacking()
    if missing and chosen == "compiled":
        raise SetupError(f"HOOPGATE_BUILD=compiled, but there is {missing}")
    return f"{missing} at install" if missing else ""


def lacking() -> str:
    """What this machine lacks for compiling, "" if nothing."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "no CPython with a global lock"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "no Python.h (Debian: python3-dev)"
    if "egg_info" not in sys.argv:  # which asks what to put there
        for name, requirement in NEEDED.items():
            if find_spec(name) is None:
                return f"no {requirement} in the build environment"
    with tempfile.TemporaryDirectory(prefix="hoopgate-") as directory:
        source = Path(directory) / "probe.c"
        source.write_text(PROBE)
        probe = build_ext(Distribution({"ext_modules": [Extension("probe", [str(source)])]}))
        probe.build_lib = probe.build_temp = directory
        probe.ensure_finalized()
        try:
            probe.run()
        except (BaseError, CCompilerError, OSError):
            return "no C compiler"
    return ""


class BuildCore(build_ext):
    """Translates by mypyc, then compiles what changed, several files at a time."""

    def run(self) -> None:
        try:
            self.distribution.ext_modules = self.translated()
            self.reinitialize_command(self)
            self.ensure_finalized()
            super().run()
        except (BaseError, CCompilerError, ImportError, OSError, SystemExit) as error:
            if os.environ.get("HOOPGATE_BUILD") == "compiled":
                raise
            self.distribution.ext_modules = self.extensions = []
            self.distribution.uncompiled = "compiling failed at install"  # type: ignore[attr-defined]
            self.warn(f"the core could not be compiled and will be interpreted: {error}")

    def translated(self) -> list[Extension]:
        from mypyc.build import mypycify

        folder = Path(self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        level = os.environ.get("HOOPGATE_OPTIMIZE") or "2"
        options = [*OPTIONS, f"--cache-dir={folder / 'mypy'}", *modules()]
        found = mypycify(
            options, opt_level=level, debug_level="0", multi_file=True, target_dir=str(folder / "c"), group_name=GROUP
        )
        for extension in found:
            extension.extra_compile_args = [flag for flag in extension.extra_compile_args if flag != "-Werror"]
        return found

    def build_extensions(self) -> None:
        self.compiler.compile = partial(compile_changed, self.compiler)
        super().build_extensions()

    def get_source_files(self) -> list[str]:
        return []  # an sdist holds the Python, which is among its packages anyway


def compile_changed(compiler: Any, sources: list[str], output_dir: str, **options: Any) -> list[str]:
    """``CCompiler.compile`` for those objects that are older than their source or any header."""
    macros, depends = options.pop("macros", None), options.pop("depends", None)
    include, after = options.pop("include_dirs", None), options.pop("extra_postargs", None)
    _, objects, after, flags, build = compiler._setup_compile(output_dir, macros, include, sources, depends, after)
    before = compiler._get_cc_args(flags, options.get("debug", False), options.get("extra_preargs"))
    headers = [path.stat().st_mtime for folder in include or [] for path in Path(folder).glob("**/*.h")]
    stale = [
        name
        for name in objects
        if not Path(name).exists() or Path(name).stat().st_mtime < max([*headers, Path(build[name][0]).stat().st_mtime])
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda name: compiler._compile(name, *build[name], before, after, flags), stale))
    return list(objects)


class Build(build):
    """Leaves the reason beside the interpreted core."""

    def run(self) -> None:
        super().run()
        note = Path(self.build_lib) / "hoopgate" / "core.txt"
        note.unlink(missing_ok=True)
        why = self.distribution.uncompiled  # type: ignore[attr-defined]
        if why:
            note.write_text(f"{why}\n", encoding="utf-8")
            self.announce(f"hoopgate: the core is not compiled: {why}", level=3)


class Package(Distribution):
    """Knows before anything is built whether this will be a wheel of one platform or of any."""

    tries = False
    uncompiled = ""

    def has_ext_modules(self) -> bool:
        return self.tries


if __name__ == "__main__":
    Package.uncompiled = hindrance()
    Package.tries = not Package.uncompiled
    setup(
        distclass=Package,
        cmdclass={"build": Build, "build_ext": BuildCore},
        # What an isolated build gets besides setuptools (PEP 517), but only where there is something to compile with.
        setup_requires=[*NEEDED.values()] if "egg_info" in sys.argv and Package.tries else [],
    )
