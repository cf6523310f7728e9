"""``pip install .`` gives both commands, the twistd plug-in and the entry points."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from hoopgate._version import __version__
from hoopgate.compiled import MODULES
from tests.house.places import ROOT, imports

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", ".hoopgate", "dist"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: building leaves folders behind."""
    copy = tmp_path_factory.mktemp("source") / "hoopgate"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    return copy


def build(source: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel into ``out``."""
    pip = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-build-isolation", "-w", str(out)]
    shutil.rmtree(source / "build", ignore_errors=True)
    return subprocess.run(
        [*pip, str(source)], capture_output=True, text=True, check=False, env=os.environ | environment
    )


def built(source: Path, out: Path, **environment: str) -> Path:
    done = build(source, out, **environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return next(out.glob("hoopgate-*.whl"))


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel for any machine."""
    return built(source, tmp_path_factory.mktemp("pure"), HOOPGATE_BUILD="pure")


@pytest.fixture(scope="module")
def compiled_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel for this one, compiled without optimization: that takes long."""
    missing = runpy.run_path(str(ROOT / "setup.py"))["lacking"]()
    if missing:
        pytest.skip(f"no wheel is compiled here: there is {missing}")
    return built(source, tmp_path_factory.mktemp("compiled"), HOOPGATE_BUILD="compiled", HOOPGATE_OPTIMIZE="0")


def note_in(wheel: Path) -> str:
    return zipfile.ZipFile(wheel).read("hoopgate/core.txt").decode().strip()


def test_a_pure_wheel_is_for_any_machine(wheel: Path) -> None:
    assert wheel.name == f"hoopgate-{__version__}-py3-none-any.whl"
    assert note_in(wheel) == "HOOPGATE_BUILD=pure at install"
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]


@pytest.mark.timeout(600)
def test_a_compiled_wheel_is_for_this_one(compiled_wheel: Path, wheel: Path) -> None:
    assert compiled_wheel.name.startswith(f"hoopgate-{__version__}-cp3")
    names = zipfile.ZipFile(compiled_wheel).namelist()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    modules = {f"{name.replace('.', '/')}{suffix}" for name in MODULES}
    assert {name for name in names if name.endswith(".so")} == modules | {f"hoopgate_core__mypyc{suffix}"}
    without = {name for name in names if not name.endswith(".so")}
    pure = set(zipfile.ZipFile(wheel).namelist())
    assert without | {"hoopgate/core.txt"} == pure  # the sources too: what a traceback shows


def test_without_a_compiler_the_sources_are_installed(source: Path, tmp_path: Path) -> None:
    machine = built(source, tmp_path / "wheels", PATH=str(tmp_path), CC="", HOOPGATE_BUILD="auto")
    assert machine.name.endswith("-py3-none-any.whl")
    assert note_in(machine) == "no C compiler at install"


def test_without_a_compiler_a_compiled_core_cannot_be_had(source: Path, tmp_path: Path) -> None:
    done = build(source, tmp_path / "wheels", PATH=str(tmp_path), CC="", HOOPGATE_BUILD="compiled")
    assert done.returncode != 0
    assert "HOOPGATE_BUILD=compiled, but there is no C compiler" in done.stdout + done.stderr


def test_a_wrong_choice_is_told(source: Path, tmp_path: Path) -> None:
    done = build(source, tmp_path / "wheels", HOOPGATE_BUILD="fast")
    assert done.returncode != 0
    assert "HOOPGATE_BUILD is 'fast'; it can be auto, pure or compiled" in done.stdout + done.stderr


def test_what_does_not_compile_is_interpreted_unless_asked_for(source: Path, tmp_path: Path) -> None:
    """A compiler that makes a small file and then fails, as one does that runs out of memory."""
    if runpy.run_path(str(ROOT / "setup.py"))["lacking"]():
        pytest.skip("there is no compiler here that could fail")
    cc = tmp_path / "cc"
    cc.write_text('#!/bin/sh\ncase "$*" in *__native_*) exit 1;; esac\nexec cc "$@"\n')
    cc.chmod(0o755)
    machine = built(source, tmp_path / "wheels", CC=str(cc), HOOPGATE_BUILD="auto")
    assert note_in(machine) == "compiling failed at install"
    assert not [name for name in zipfile.ZipFile(machine).namelist() if name.endswith(".so")]
    done = build(source, tmp_path / "none", CC=str(cc), HOOPGATE_BUILD="compiled")
    assert done.returncode != 0


def test_without_pythons_headers_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian's own Python has none before python3-dev is installed."""
    setup = runpy.run_path(str(ROOT / "setup.py"))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert setup["lacking"]() == "no Python.h (Debian: python3-dev)"


def test_the_sdist_is_whole(source: Path, wheel: Path, tmp_path: Path) -> None:
    """A wheel built from it holds what one built from the checkout does; and it can be tested."""
    make = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with tarfile.open(next(tmp_path.glob("hoopgate-*.tar.gz"))) as archive:
        archive.extractall(
            tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
        )  # from 3.11.4 on
    inside = next(path for path in tmp_path.iterdir() if path.is_dir())
    for name in ("setup.py", "etc/compile.py", "etc/hoopgate.service", "tests/compiled/outcomes.py", "CHANGELOG.md"):
        assert (inside / name).is_file(), name
    again = built(inside, tmp_path / "wheels", HOOPGATE_BUILD="pure")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_what_it_should(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in sorted((ROOT / "hoopgate").rglob("*")):
        if path.suffix in (".py", ".sql", ".typed") and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names
    assert "twisted/plugins/hoopgate_plugin.py" in names
    assert "twisted/plugins/__init__.py" not in names
    assert "twisted/__init__.py" not in names
    assert not any(name.startswith(("tests/", "docs/", "etc/")) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_entry_points_lead_somewhere(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    lines = [line for line in archive.read(name).decode().splitlines() if "=" in line]
    for line in lines:
        module = line.partition("=")[2].strip().partition(":")[0]
        assert f"{module.replace('.', '/')}.py" in archive.namelist() or (
            f"{module.replace('.', '/')}/__init__.py" in archive.namelist()
        ), line


@pytest.mark.timeout(600)
@pytest.mark.parametrize("build_of", ["wheel", "compiled_wheel"])
def test_installed_it_gives_both_commands(build_of: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    archive: Path = request.getfixturevalue(build_of)
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # What we depend on comes from the environment of the tests; hoopgate itself from the wheel.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(archive)], check=True)
    others = tmp_path / "others"
    others.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "hoopgate" not in path.name and path.suffix != ".pth":
            (others / path.name).symlink_to(path)
    (Path(site) / "others.pth").write_text(f"{others}\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    version = subprocess.run(
        [str(home / "bin" / "hoopgate"), "--version"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    core = "compiled" if build_of == "compiled_wheel" else "interpreted (HOOPGATE_BUILD=pure at install;"
    assert version.stdout.startswith(f"hoopgate, version {__version__}\ncore: {core}")
    twistd = [str(python), "-c", "from twisted.scripts.twistd import run; run()", "--help"]
    listed = subprocess.run(twistd, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert " hoopgate  " in listed.stdout


def pythons() -> list[str]:
    """One interpreter of each version that we support, out of PATH and of pyenv's versions, which PATH may hide."""
    found = []
    for minor in range(11, 15):
        name = f"python3.{minor}"
        places = [shutil.which(name), *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))]
        asked = [place for place in places if place and not subprocess.run([place, "-m", "ensurepip", "--version"],
                 check=False, capture_output=True).returncode]  # fmt: skip
        found += asked[:1]
    return found


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_a_fresh_environment_from_the_registry(python: str, tmp_path: Path) -> None:
    """The real thing, for each Python on this machine, and with the core compiled where its headers are."""
    source = tmp_path / "hoopgate"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    inside = tmp_path / "venv" / "bin"
    pip = [str(inside / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", str(source)]
    subprocess.run(pip, check=True)
    version = subprocess.run([str(inside / "hoopgate"), "--version"], capture_output=True, text=True, check=True)
    ask = "import os, sysconfig; print(os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
    headers = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip() == "True"
    core = "compiled" if headers and shutil.which("cc") else "interpreted (no "
    assert version.stdout.startswith(f"hoopgate, version {__version__}\ncore: {core}")
    listed = subprocess.run(
        [str(inside / "twistd"), "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert " hoopgate  " in listed.stdout


def test_what_tests_import_is_declared() -> None:
    """A fresh environment of the extra ``test`` has every distribution that the tests import."""
    declared = {
        re.split(r"[^\w.-]", line.strip())[0].lower()
        for line in (ROOT / "setup.cfg").read_text().splitlines()
        if line.startswith("    ")
    }
    ours = {"hoopgate", "tests", "generated", "bootstrap"}
    owners = packages_distributions()
    missing = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for top in {name.partition(".")[0] for name in imports(path)} - sys.stdlib_module_names - ours:
            if not any(owner.lower().replace("_", "-") in declared for owner in owners.get(top, [top])):
                missing.add(f"{path.relative_to(ROOT)}: {top}")
    assert missing == set()
