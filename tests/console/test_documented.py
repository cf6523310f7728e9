"""The reference names every route, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from hoopgate.console.api import routes
from hoopgate.console.views import Views

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def test_every_route_is_documented_and_nothing_else_is() -> None:
    documented = set(re.findall(r"^\| `((?:GET|POST) /v1/[^`]+)`", PAGE.read_text(), re.MULTILINE))
    assert documented == {f"{route.method} {route.pattern}" for route in routes(Views(cast(Any, None)))}
