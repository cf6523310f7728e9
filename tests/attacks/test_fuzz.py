"""The differential fuzz, with seeds that stay: hours of others by ``python -m tests.attacks.fuzz --hours H``."""

from __future__ import annotations

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.fuzz import Fuzz

SEEDS = 400


@pytest.mark.timeout(300)
def test_random_statements(stage: Stage) -> None:
    tally = Fuzz(stage).run(iter(range(SEEDS)))
    assert tally.wrong == []
    # Enough of them have to run, and to tell something where nobody masks, for this to mean anything.
    assert tally.counts["ran directly"] > SEEDS * 0.8
    assert tally.counts["told directly"] > SEEDS * 0.15
    assert tally.counts["output, touching: passed"] > SEEDS * 0.4
