"""Every key of the configuration is used by the code that runs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import attrs
import pytest

from hoopgate.config import limits, model, ssh, targets
from tests.house.places import PACKAGE, modules

# Read by other people's plug-ins, and by `hoopgate check`.
ELSEWHERE = {"Recorder.options", "Store.options", "Rule.examples", "Rule.line"}
READERS = [path for path in modules() if path.relative_to(PACKAGE).parts[0] not in ("config", "cli", "development")]


def fields() -> Iterator[str]:
    for module in (model, limits, ssh, targets):
        for name, found in inspect.getmembers(module, inspect.isclass):
            if attrs.has(found) and found.__module__ == module.__name__:
                yield from (f"{name}.{field.name}" for field in attrs.fields(found))


def used() -> set[str]:
    """Names of attributes that the service reads: not the configuration itself, the commands and the demo."""
    found: set[str] = set()
    for path in READERS:
        tree = ast.parse(path.read_text())
        found |= {
            node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
        }
    return found


USED = used()


@pytest.mark.parametrize("field", sorted(set(fields()) - ELSEWHERE))
def test_a_key_has_an_effect(field: str) -> None:
    assert field.partition(".")[2] in USED
