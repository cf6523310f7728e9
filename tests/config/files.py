"""Small configuration files for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopgate.config.load import ConfigErrors, loads
from hoopgate.config.model import Config

EXAMPLE = Path(__file__).parents[2] / "etc" / "hoopgate.toml"

MINIMAL = """
[[issuer]]
name = "staff"
url = "https://id.example.com"
audience = ["hoopgate"]

[[listener]]
name = "local"
protocol = "postgresql"
port = 15432
plaintext = true

[[target]]
name = "shop"
protocol = "postgresql"
hosts = ["db1:5432"]
labels = { env = "prod" }
[target.object_labels]
"*.customers" = ["pii"]
[target.role.app]
password = "env:SHOP_APP"

[api]
plaintext = true
"""


def accept(more: str = "") -> Config:
    return loads(MINIMAL + more)


def refuse(text: str) -> list[str]:
    """The mistakes of ``text``, as text."""
    with pytest.raises(ConfigErrors) as caught:
        loads(text)
    assert caught.value.errors
    return [str(error) for error in caught.value.errors]


def only(text: str) -> str:
    """The one mistake of ``text``."""
    found = refuse(text)
    assert len(found) == 1, found
    return found[0]


def line_of(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1
