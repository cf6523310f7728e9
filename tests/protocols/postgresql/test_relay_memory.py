"""What one idle session costs: its share of codec, lanes and conversation, and nothing of what it once sent."""

from __future__ import annotations

import gc
import tracemalloc

from hoopgate.codecs.postgresql import messages as m
from tests.bench.codec import EXTENDED, PREPARE, PREPARED, SIMPLE, Exchange, Rig

MANY = 50


def grown(rigs: list[Rig], exchanges: list[Exchange]) -> float:
    """Bytes that each rig keeps of these exchanges."""
    gc.collect()
    tracemalloc.start()
    try:
        for rig in rigs:
            for exchange in exchanges:
                rig.exchange(exchange)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(rigs)
    finally:
        tracemalloc.stop()


def test_a_session_takes_little() -> None:
    """Of 8 KB for all that a session is; this includes transports and a clock that do nothing."""
    Rig().exchange(SIMPLE)  # what is made once
    gc.collect()
    tracemalloc.start()
    try:
        rigs = [Rig() for _ in range(MANY)]
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] / MANY
    finally:
        tracemalloc.stop()
    assert len(rigs) == MANY
    assert size < 7000


def test_a_session_that_falls_silent_keeps_nothing_of_what_it_sent() -> None:
    large = m.query("select '" + "x" * 100_000 + "'"), SIMPLE[1]
    doubtful = m.query("select '" + "é" * 100_000 + "'"), SIMPLE[1]
    parsed = m.parse_message("", "select '" + "x" * 100_000 + "'") + m.query("select 1"), m.parse_complete() + SIMPLE[1]
    assert grown([Rig() for _ in range(MANY)], [SIMPLE, EXTENDED, large, doubtful, parsed, SIMPLE]) < 1000


def test_a_prepared_statement_takes_its_text_and_a_little() -> None:
    assert grown([Rig() for _ in range(MANY)], [PREPARE, PREPARED, PREPARED]) < 1500
