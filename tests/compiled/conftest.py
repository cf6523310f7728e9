"""The compiled copy that these tests compare with, made once however many processes ask."""

from __future__ import annotations

import pytest

from tests import builds


@pytest.fixture(scope="session")
def compiled_copy() -> str:
    """The directory of a compiled copy of these sources."""
    try:
        return builds.compiled_copy()
    except builds.LackingError as lacking:
        pytest.skip(f"the compiled core is not tested here: {lacking}")
