"""The differential fuzz, with seeds that stay: hours of others by ``python -m tests.attacks.fuzz --hours H``."""

from __future__ import annotations

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.fuzz import Fuzz


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seeds", [60, pytest.param(2000, marks=[pytest.mark.long, pytest.mark.timeout(3000)])])
def test_random_statements(stage: Stage, seeds: int) -> None:
    tally = Fuzz(stage).run(iter(range(seeds)))
    assert tally.wrong == []
    # Enough of them have to run, and to tell something where nobody masks, for this to mean anything.
    assert tally.counts["ran directly"] > seeds * 0.8
    assert tally.counts["told directly"] > seeds * 0.15
    assert tally.counts["output, touching: passed"] > seeds * 0.4
