"""Both transports, for the tests that say how either behaves; ours alone for the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_twisted

from hoopgate.development.certificates import Authority
from tests.transport.parts import Kind


@pytest_twisted.async_yield_fixture(params=["twisted", "ours", "nested"])
async def kind(request: pytest.FixtureRequest, authority: Authority) -> AsyncIterator[Kind]:
    """Twisted's own transport and ours, once waiting for the reactor, once as one reader of it."""
    made = Kind(request.param, authority)
    yield made
    await made.close()


@pytest_twisted.async_yield_fixture
async def ours(authority: Authority) -> AsyncIterator[Kind]:
    made = Kind("ours", authority)
    yield made
    await made.close()
