"""Which room may know which other: the rules that keep codecs, policy and guards apart."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.places import PACKAGE, imports, modules

NETWORK = ("twisted", "socket", "ssl", "asyncio", "select")
# of the product: hoopgate.conch is to be of use without it
ROOMS = sorted({path.stem for path in PACKAGE.iterdir()} - {"conch", "__init__", "__pycache__"})
# room -> what no module in it may import
FORBIDDEN = {
    "codecs": (
        *NETWORK,
        "hoopgate.catalogue",
        "hoopgate.guards",
        "hoopgate.identity",
        "hoopgate.policy",
        "hoopgate.protocols",
        "hoopgate.recorders",
        "hoopgate.stores",
    ),
    "guards": ("hoopgate.protocols", "twisted.internet.protocol", "twisted.internet.tcp", "socket", "ssl"),
    "policy": ("hoopgate.protocols", "hoopgate.guards", "hoopgate.recorders", "hoopgate.stores", "socket"),
    "config": ("hoopgate.protocols", "hoopgate.guards", "hoopgate.recorders", "hoopgate.stores"),
    "identity": ("hoopgate.protocols", "hoopgate.guards", "hoopgate.policy", "hoopgate.recorders"),
    "recorders": ("hoopgate.protocols", "hoopgate.guards", "hoopgate.policy", "hoopgate.stores"),
    "stores": ("hoopgate.protocols", "hoopgate.guards", "hoopgate.policy", "hoopgate.recorders"),
    "transport": tuple(f"hoopgate.{room}" for room in ("config", "errors", "gateway", "guards", "policy", "protocols")),
    "conch": tuple(f"hoopgate.{room}" for room in ROOMS),
    "secrets": ("hoopgate.protocols", "hoopgate.guards", "hoopgate.policy", "hoopgate.stores"),
}
PRODUCT = [path for path in modules() if "development" not in path.parts]


def within(name: str, forbidden: str) -> bool:
    return name == forbidden or name.startswith(f"{forbidden}.")


def broken(path: Path, forbidden: tuple[str, ...]) -> list[str]:
    return sorted({name for name in imports(path) for one in forbidden if within(name, one)})


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_imports_nothing_forbidden(room: str) -> None:
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files, f"there is no room {room}"
    found = {str(path.relative_to(PACKAGE)): broken(path, FORBIDDEN[room]) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_rule_sees_what_it_forbids(tmp_path: Path) -> None:
    module = tmp_path / "bad.py"
    module.write_text(
        "def f():\n    from twisted.internet import defer\n    import hoopgate.protocols.postgresql.wire\n"
    )
    assert broken(module, FORBIDDEN["codecs"]) == [
        "hoopgate.protocols.postgresql.wire",
        "twisted.internet",
        "twisted.internet.defer",
    ]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_the_reactor_at_its_top(path: Path) -> None:
    tops = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {f"{getattr(node, 'module', '') or ''}.{alias.name}".strip(".") for node in tops for alias in node.names}
    assert "twisted.internet.reactor" not in names


def test_what_development_offers_is_not_needed_to_run() -> None:
    """Nothing but the demo's own command imports the room of demo and tests."""
    needs = {
        str(path.relative_to(PACKAGE))
        for path in PRODUCT
        if any(within(name, "hoopgate.development") for name in imports(path))
    }
    assert needs <= {"cli/demo.py"}


def test_copyleft_libraries_are_not_imported() -> None:
    """psycopg is LGPL: a client for demo and tests alone."""
    assert [str(path) for path in PRODUCT if any(within(name, "psycopg") for name in imports(path))] == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_swallowed_or_left_for_later(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
            first = node.body[0]
            if isinstance(first, ast.Pass):  # what it passes over, and why, must be said beside it
                broad = ast.unparse(node.type) in ("Exception", "BaseException")
                assert not broad, f"line {node.lineno}"
                assert "#" in text.splitlines()[first.lineno - 1], f"line {first.lineno}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 500
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []


def test_names_say_what_things_are() -> None:
    vague = re.compile(r"(handler|manager|processor|utils?|helpers?)$", re.IGNORECASE)
    named = [path.stem for path in modules()]
    for path in modules():
        named += [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    assert [name for name in named if vague.search(name)] == []
