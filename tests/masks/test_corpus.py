"""The corpus against a real server: attackers are refused or see masks, honest people pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.masks.conftest import MARKS
from tests.masks.corpus import CONTEXTS, HONEST, MASKED, MENTIONS, REFUSED, USES
from tests.masks.gate import Gate, Output, rows


@pytest.fixture(scope="module")
def shared(masks_dsn: str, catalogue: object) -> Iterator[Gate]:
    from tests.masks.conftest import CONFIG, MASKS

    gate = Gate(masks_dsn, catalogue, MASKS, CONFIG, key=b"k" * 32)  # type: ignore[arg-type]
    yield gate
    gate.close()


def leaks(output: Output) -> bool:
    everything = output.everything()
    return any(mark in everything for mark in MARKS)


def in_transaction(gate: Gate, sql: str) -> Output:
    """Run and undo; statements that need to stand outside a transaction stay judged, and PostgreSQL refuses them."""
    gate.connection.exec_(b"ROLLBACK; BEGIN")
    try:
        return gate.run(sql)
    finally:
        gate.connection.exec_(b"ROLLBACK")
        gate.connection.exec_(b"DISCARD ALL")


def test_every_use_in_every_context_is_refused(shared: Gate) -> None:
    passed = [sql for sql in USES if shared.judge(sql).__class__.__name__ != "Block"]
    assert passed == []
    assert len(USES) == len(CONTEXTS) * len(MENTIONS) > 1500


@pytest.mark.parametrize("sql", REFUSED)
def test_refused(shared: Gate, sql: str) -> None:
    output = in_transaction(shared, sql)
    assert output.refused is not None, output
    assert output.refused.reason
    assert "SECRET" not in output.refused.reason.replace(sql, "")


@pytest.mark.parametrize("sql", MASKED)
def test_masked(shared: Gate, sql: str) -> None:
    output = in_transaction(shared, sql)
    assert output.refused is None, output.refused
    assert output.errors == []
    assert not leaks(output), output


@pytest.mark.parametrize(
    "sql", [sql for sql in MASKED if sql.startswith(("SELECT", "TABLE", "INSERT", "UPDATE", "MERGE"))]
)
@pytest.mark.parametrize("binary", [False, True])
def test_masked_in_the_extended_protocol(shared: Gate, sql: str, binary: bool) -> None:
    if ";" in sql:
        pytest.skip("one statement only")
    shared.connection.exec_(b"ROLLBACK; BEGIN")
    output = shared.extended(sql, binary=binary)
    shared.connection.exec_(b"ROLLBACK")
    assert output.refused is None, output.refused
    if binary and output.errors:
        assert "no binary output function" in output.errors[0]["M"]
        return
    assert output.errors == []
    assert not leaks(output), output


@pytest.mark.parametrize("sql", HONEST)
def test_honest(shared: Gate, sql: str) -> None:
    output = in_transaction(shared, sql)
    assert output.refused is None, output.refused


def test_honest_values_are_the_servers_own(open_gate: Callable[[], Gate]) -> None:
    """What touches nothing masked comes as the server sends it."""
    gate = open_gate()
    for sql in (
        "SELECT id, name, city FROM customers ORDER BY id",
        "SELECT * FROM orders ORDER BY 1",
        "TABLE plain_view",
    ):
        expected = [
            tuple(None if cell is None else cell.encode() for cell in row) for row in rows(gate.connection, sql)
        ]
        assert gate.run(sql).rows == expected
