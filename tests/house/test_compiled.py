"""What the compiled core asks of its modules, and what it says of itself."""

from __future__ import annotations

import ast
import builtins
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopgate import compiled
from tests.house.places import ROOT

# Bases that mypyc knows how to lay out, or does not lay out at all.
KNOWN = {"ABC", "Protocol", "Generic", "NamedTuple", "TypedDict", "Enum", "enum.Enum", "IntEnum", "enum.IntEnum"}


def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text())


def foreign_bases(module: ast.Module, listed: frozenset[str]) -> Iterator[str]:
    """Classes of a module whose base mypyc does not see, since it follows no import out of the list."""
    inside = {node.name for node in ast.walk(module) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module in listed:
            inside |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(module):
        if not isinstance(node, ast.ClassDef) or "native_class=False" in " ".join(
            map(ast.unparse, node.decorator_list)
        ):
            continue
        for base in node.bases:
            name = ast.unparse(base).partition("[")[0]
            if name not in inside and name not in KNOWN and not hasattr(builtins, name):
                yield f"{node.name}({name})"


@pytest.mark.parametrize("name", compiled.MODULES)
def test_classes_have_bases_that_are_compiled_with_them(name: str) -> None:
    """A class over a base of unknown layout would be compiled, and corrupt memory."""
    assert list(foreign_bases(tree(name), frozenset(compiled.MODULES))) == []


def test_the_rule_sees_a_foreign_base() -> None:
    listed = frozenset({"hoopgate.frames"})
    text = "from hoopgate.errors import E\nfrom hoopgate.frames import Frame\nclass A(E): ...\nclass B(Frame): ...\n"
    assert list(foreign_bases(ast.parse(text), listed)) == ["A(E)"]
    marked = "from hoopgate.errors import E\n@mypyc_attr(native_class=False)\nclass A(E): ...\n"
    assert list(foreign_bases(ast.parse(marked), listed)) == []


@pytest.mark.parametrize("name", compiled.MODULES)
def test_attributes_have_plain_defaults(name: str) -> None:
    """Compiled, attrs' own ``field(...)`` is no value of the attribute's type: importing the module fails."""
    module = tree(name)
    imported = [node for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and node.module == "attrs"]
    assert not [alias.name for node in imported for alias in node.names if alias.name in ("field", "Factory")]


def test_the_list_is_in_order_and_whole() -> None:
    assert list(compiled.MODULES) == sorted(set(compiled.MODULES))
    assert [name for name in compiled.MODULES if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


@pytest.mark.parametrize("name", compiled.MODULES)
def test_each_module_can_be_the_first_to_be_imported(name: str) -> None:
    """Compiled, a class named in an annotation of attrs' must be there by then."""
    code = f"import {name} as it; print(it.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{done.returncode} {done.stderr[-1000:]}"
    assert done.stdout.strip().endswith(".py") == (compiled.core() != "compiled")


def test_part_of_a_core_is_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "compiled_modules", lambda: compiled.MODULES[:3])
    with pytest.raises(compiled.BuildError, match=r"mixed \(3 of its \d+ modules are compiled: install hoopgate again"):
        compiled.require_whole_core()


def test_it_says_why_it_is_interpreted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiled, "compiled_modules", tuple)
    monkeypatch.setattr(compiled, "NOTE", tmp_path / "core.txt")
    assert compiled.core() == "interpreted (the sources of a checkout; see docs/howto/install.md)"
    compiled.NOTE.write_text("no C compiler at install\n")
    assert compiled.core() == "interpreted (no C compiler at install; see docs/howto/install.md)"


def test_no_extension_module_lies_among_the_sources() -> None:
    """It would hide the source of its name from then on."""
    found = [os.path.relpath(path, ROOT) for path in (ROOT / "hoopgate").rglob("*.so")]
    assert found == []
