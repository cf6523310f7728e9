"""The documentation builds without a warning."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from hoopgate.metrics import Metrics
from tests.house.places import PACKAGE, ROOT, run


@pytest.mark.timeout(300)
def test_docs_build_without_warnings(tmp_path: Path) -> None:
    done = run(
        "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "-d", str(tmp_path / "d"), "docs", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert (tmp_path / "index.html").exists()
    shown = (tmp_path / "reference" / "metrics.html").read_text()
    for family in Metrics().registry.collect():
        assert family.name in shown


def test_every_page_is_reachable() -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    named = (ROOT / "docs" / "index.md").read_text()
    missing = [page for page in pages - {"index"} if page not in named and not page.startswith(("_", "examples/"))]
    assert missing == []


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    return importlib.import_module("generated")


def test_every_label_of_a_metric_is_explained(generated: ModuleType) -> None:
    """Each is ``target``, or one whose values the page lists; and it lists no other."""
    text = "\n".join(generated.metric_lines(Metrics().registry))
    labels = {
        label for line in re.findall(r", by (.*)\.$", text, re.MULTILINE) for label in re.findall(r"``(\w+)``", line)
    }
    assert labels == {"target", *generated.VALUES}


def test_what_pages_alert_on_exists() -> None:
    names = {sample for family in Metrics().registry.collect() for sample in (family.name, f"{family.name}_total")}
    said = set(re.findall(r"`(hoopgate_\w+)`", (ROOT / "docs" / "reference" / "metrics.md").read_text()))
    assert said
    assert said <= names


def test_the_architecture_names_every_room_and_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    (table,) = re.findall(r"^hoopgate/\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    named = {name.rstrip("/") for line in table.splitlines() for name in line[:41].split()}
    inside = [path for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"]
    assert named == {path.stem for path in inside if not path.stem.startswith("_")}
