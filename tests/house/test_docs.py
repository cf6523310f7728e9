"""The documentation builds without a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.places import ROOT, run


@pytest.mark.timeout(300)
def test_docs_build_without_warnings(tmp_path: Path) -> None:
    done = run(
        "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "-d", str(tmp_path / "d"), "docs", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert (tmp_path / "index.html").exists()


def test_every_page_is_reachable() -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    named = (ROOT / "docs" / "index.md").read_text()
    missing = [page for page in pages - {"index"} if page not in named and not page.startswith(("_", "examples/"))]
    assert missing == []
