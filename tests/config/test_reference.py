"""The generated reference has every key, and is valid reStructuredText."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import attrs
import pytest

from hoopgate.config import model
from hoopgate.config.document import Guards, Masking
from hoopgate.config.reference import reference
from tests.config.files import EXAMPLE

TEXT = reference()
CLASSES = [
    *(value for value in vars(model).values() if attrs.has(value) and value.__module__.startswith("hoopgate.config")),
    Guards,
    Masking,
]
NOT_TABLES = (model.SecretRef, model.Host, model.Config)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls not in NOT_TABLES], ids=lambda cls: cls.__name__)
def test_every_field_has_help_and_a_row(cls):
    for field in attrs.fields(cls):
        assert field.metadata.get("help", "").endswith("."), field.name
        if not field.metadata.get("hidden"):
            assert f"   * - ``{field.metadata.get('toml', field.name)}``\n" in TEXT


def test_every_table_of_the_example_has_a_section():
    for name, value in tomllib.loads(EXAMPLE.read_text()).items():
        title = f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
        assert f"``{title}``\n---" in TEXT


def test_it_is_valid_and_the_module_prints_it():
    core = pytest.importorskip("docutils.core", reason="docutils comes with the extra docs")
    core.publish_doctree(TEXT, settings_overrides={"report_level": 1, "halt_level": 1})
    printed = subprocess.run(
        [sys.executable, "-m", "hoopgate.config.reference"], capture_output=True, text=True, check=True
    )
    assert printed.stdout == TEXT


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("session", "a duration: seconds, or text such as \"90s\", \"15m\", \"8h\", \"7d\"", '``"8h"``'),
        ("buffer", "a size: bytes, or text such as \"64KiB\", \"16MiB\", \"1GiB\"", '``"1MiB"``'),
        ("login", '``"password"``, ``"oauthbearer"``', '``"password"``'),
        ("hosts", "an array: a host", "*required*"),
    ],
)  # fmt: skip
def test_types_and_defaults(key, kind, default):
    assert f"   * - ``{key}``\n     - {kind}\n     - {default}\n" in TEXT
