"""The promise in one sentence: what a client gets does not depend on masked values.

Two databases differ in nothing but their secrets. Random statements that the guard lets pass give the same answer in
both, to the byte: rows in their order, counts, errors. No probe passes here, and no aggregate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hoopgate.config.model import Mask
from hoopgate.development.postgres import EmbeddedPostgres
from tests.masks.conftest import CONFIG
from tests.masks.gate import Gate, catalogue_of, connect
from tests.masks.random_queries import SCHEMA, WORLDS, Author

MASKS = (Mask("secrets", ("*.*.secret",), aggregates=(), inference=0),)
SEEDS = 500  # the same ones each time; the differential fuzz in tests/attacks has others


@pytest.fixture(scope="module")
def worlds(embedded_postgres: EmbeddedPostgres) -> Iterator[list[Gate]]:
    gates = []
    for number, secret in enumerate(WORLDS):
        name = f"world{number}"
        embedded_postgres.execute(f"CREATE DATABASE {name}")
        embedded_postgres.execute(SCHEMA.format(secret=secret), name)
        dsn = embedded_postgres.dsn(name)
        gates.append(Gate(dsn, catalogue_of(connect(dsn)), MASKS, CONFIG))
    yield gates
    for gate in gates:
        gate.close()


def answer(gate: Gate, sql: str) -> Any:
    gate.connection.exec_(b"BEGIN")
    output = gate.run(sql)
    gate.connection.exec_(b"ROLLBACK")
    if output.refused is not None:
        return "refused"
    errors = [{code: text for code, text in error.items() if code in "CMDHn"} for error in output.errors]
    return output.results, output.copied, output.tags, errors


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(5000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_answers_do_not_depend_on_secrets(worlds: list[Gate], seeds: int) -> None:
    passed = rows = 0
    for seed in range(seeds):
        sql = Author(seed).statement()
        one, other = (answer(gate, sql) for gate in worlds)
        assert one == other, sql
        if one != "refused" and not one[3]:
            passed += 1
            rows += sum(len(result) for result in one[0])
    # Enough of them have to run for this to mean anything.
    assert passed > seeds // 8
    assert rows > seeds // 2


def test_the_worlds_do_differ(worlds: list[Gate]) -> None:
    """Without masks many of the same statements tell."""
    telling = 0
    for gate in worlds:
        gate.session.engine._masks = ()
        gate.session.config = type(CONFIG)(path=CONFIG.path, version="2")
    for seed in range(SEEDS):
        sql = Author(seed).statement()
        one, other = (answer(gate, sql) for gate in worlds)
        telling += one != other
    assert telling > SEEDS // 20
