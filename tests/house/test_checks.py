"""Strict typing, lint, format, news fragments and the version, as one would run them by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hoopgate
from hoopgate._version import __version__
from tests.house.places import PACKAGE, ROOT, run

KINDS = {"feature", "change", "fix", "security", "removal"}


@pytest.mark.timeout(600)
def test_strict_typing() -> None:
    done = run("mypy", "--config-file", "setup.cfg")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_lint() -> None:
    done = run("ruff", "check", "--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout[-6000:]


def test_format() -> None:
    done = run("ruff", "format", "--check", ".")
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert Path(hoopgate.__file__).parent == PACKAGE


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", __version__)
    assert f"attr: {hoopgate.__name__}._version.__version__" in (ROOT / "setup.cfg").read_text()


def test_news_fragments_are_well_formed() -> None:
    for path in (ROOT / "newsfragments").glob("*"):
        if path.name in ("README.md", ".gitignore"):
            continue
        name, _, rest = path.name.partition(".")
        assert name
        assert rest in {f"{kind}.md" for kind in KINDS}, f"{path.name}: see newsfragments/README.md"
        text = path.read_text().strip()
        assert text.endswith("."), f"{path.name}: whole sentences"
        assert len(text) < 1200, f"{path.name}: one or two sentences"


def test_the_changelog_can_be_built() -> None:
    done = run("towncrier", "build", "--draft", "--version", __version__)
    assert done.returncode == 0, done.stderr
    pending = list((ROOT / "newsfragments").glob("*.*.md"))
    released = f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert pending or released, "a version without news"
