"""What the guards of one session take that asks nothing: there may be ten thousand of them."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

from twisted.internet.task import Clock

from hoopgate.guards.detect import Detect
from hoopgate.guards.mask import Masks
from hoopgate.guards.record import Record
from hoopgate.guards.statements import Statements
from hoopgate.inference import Inference
from tests.guards.sessions import Session
from tests.guards.test_statements import ALL
from tests.policy.samples import config

MANY = 50


def test_guards_with_nothing_in_force_take_little() -> None:
    nobody: Any = None
    factories = (Statements(), Masks(nobody, Inference(Clock())), Detect(nobody, nobody, {}), Record())
    sessions: list[Any] = [Session(config(ALL)) for _ in range(MANY)]
    gc.collect()
    tracemalloc.start()
    try:
        opened = [[factory.open(session) for factory in factories] for session in sessions]
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] / MANY
    finally:
        tracemalloc.stop()
    assert len(opened) == MANY
    assert size < 2000
