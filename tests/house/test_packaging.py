"""``pip install .`` gives both commands, the twistd plug-in and the entry points."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.places import ROOT, imports

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", ".hoopgate", "docs", "dist"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout, built from a copy: building leaves folders behind."""
    source = tmp_path_factory.mktemp("source") / "hoopgate"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    out = source.parent / "wheels"
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out)]
    done = subprocess.run([*pip, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return next(out.glob("hoopgate-*.whl"))


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


def test_installed_it_gives_both_commands(wheel: Path, tmp_path: Path) -> None:
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
    subprocess.run([*pip, str(wheel)], check=True)
    others = tmp_path / "others"
    others.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "hoopgate" not in path.name and path.suffix != ".pth":
            (others / path.name).symlink_to(path)
    (Path(site) / "others.pth").write_text(f"{others}\n")
    version = subprocess.run(
        [str(home / "bin" / "hoopgate"), "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert version.stdout.startswith("hoopgate, version ")
    twistd = [str(python), "-c", "from twisted.scripts.twistd import run; run()", "--help"]
    listed = subprocess.run(twistd, capture_output=True, text=True, check=True, cwd=tmp_path)
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
@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_a_fresh_environment_from_the_registry(python: str, tmp_path: Path) -> None:
    """The real thing, for each Python on this machine; nothing may be compiled."""
    source = tmp_path / "hoopgate"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    inside = tmp_path / "venv" / "bin"
    pip = [str(inside / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", str(source)]
    subprocess.run(pip, check=True)
    version = subprocess.run([str(inside / "hoopgate"), "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("hoopgate, version ")
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
