"""Regular expressions that every supported Python matches alike."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2] / "hoopgate"
POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+(?=[\s\\()\[|*'\"$^]|$)")


def test_no_group_repeats_possessively() -> None:
    """Python before 3.11.5 does not match such groups as it should (python/cpython#106052)."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted(ROOT.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if POSSESSIVE_GROUP.search(line)
    ]
    assert found == []
    assert POSSESSIVE_GROUP.search(r"(?:[^']++|'')*+'")
