"""The corpus against a real server: attackers are refused or see masks, honest people pass.

Two databases differ in nothing but their secrets. What passes a guard whose masks allow no probe gives the same answer
in both, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from hoopgate.development.postgres import EmbeddedPostgres
from tests.masks.conftest import CONFIG, MARKS, MASKS
from tests.masks.corpus import CONTEXTS, HONEST, MASKED, MENTIONS, PROBES, REFUSED, USES
from tests.masks.gate import Gate, Output, catalogue_of, connect, rows

FREE = tuple(evolve(mask, inference=10**9) for mask in MASKS)
STRICT = tuple(evolve(mask, inference=0) for mask in MASKS)
OTHER_SECRETS = (
    ("'SECRET' || i", "'QUIZ' || (9 - i)"),
    ("4111999", "5222888"),
    ("1977-07-07", "1988-08-08"),
    ("SECRET", "PUZZLE"),
    ("deadbeef", "feedface"),
)


@pytest.fixture(scope="module")
def shared(masks_dsn: str, catalogue: object) -> Iterator[Gate]:
    """Probes cost it nothing."""
    gate = Gate(masks_dsn, catalogue, FREE, CONFIG, key=b"k" * 32)  # type: ignore[arg-type]
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def strict(masks_dsn: str, catalogue: object) -> Iterator[Gate]:
    """No probe passes."""
    gate = Gate(masks_dsn, catalogue, STRICT, CONFIG, key=b"k" * 32)  # type: ignore[arg-type]
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def twins(embedded_postgres: EmbeddedPostgres) -> Iterator[list[Gate]]:
    """The corpus's schema twice, with other secrets; no probe passes."""
    schema = other = (Path(__file__).parent / "schema.sql").read_text()
    for secret, another in OTHER_SECRETS:
        other = other.replace(secret, another)
    gates = []
    for name, text in (("twin1", schema), ("twin2", other)):
        embedded_postgres.execute(f"CREATE DATABASE {name}")
        embedded_postgres.execute(text, name)
        dsn = embedded_postgres.dsn(name)
        gates.append(Gate(dsn, catalogue_of(connect(dsn)), STRICT, CONFIG, key=b"k" * 32))
    yield gates
    for gate in gates:
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


def answer(gate: Gate, sql: str) -> Any:
    output = in_transaction(gate, sql)
    if output.refused is not None:
        return "refused"
    errors = [{code: text for code, text in error.items() if code in "CMDHn"} for error in output.errors]
    return output.results, output.copied, output.tags, errors


def no_use_tells(twins: list[Gate], uses: tuple[str, ...]) -> None:
    passed = 0
    for sql in uses:
        if sql.startswith("EXPLAIN"):
            continue  # the planner's estimates are those of each database
        one, other = (answer(gate, sql) for gate in twins)
        assert one == other, sql
        passed += one != "refused" and not one[3]
    assert passed > len(uses) // 12


def test_no_use_in_any_context_tells(twins: list[Gate]) -> None:
    no_use_tells(twins, USES[::5])


@pytest.mark.long
def test_no_use_at_all_tells(twins: list[Gate]) -> None:
    assert len(USES) == len(CONTEXTS) * len(MENTIONS) > 1500
    no_use_tells(twins, USES)


@pytest.mark.parametrize("sql", REFUSED)
def test_refused(shared: Gate, sql: str) -> None:
    output = in_transaction(shared, sql)
    assert output.refused is not None, output
    assert output.refused.reason
    assert "SECRET" not in output.refused.reason.replace(sql, "")


@pytest.mark.parametrize("sql", PROBES)
def test_probes_pass_where_they_may(shared: Gate, strict: Gate, sql: str) -> None:
    output = in_transaction(shared, sql)
    assert output.refused is None, output.refused
    assert not leaks(output), output
    assert in_transaction(strict, sql).refused is not None


@pytest.mark.parametrize("sql", MASKED)
def test_masked(strict: Gate, sql: str) -> None:
    output = in_transaction(strict, sql)
    assert output.refused is None, output.refused
    assert output.errors == []
    assert not leaks(output), output


@pytest.mark.parametrize(
    "sql", [sql for sql in MASKED if sql.startswith(("SELECT", "TABLE", "INSERT", "UPDATE", "MERGE"))]
)
@pytest.mark.parametrize("binary", [False, True])
def test_masked_in_the_extended_protocol(strict: Gate, sql: str, binary: bool) -> None:
    if ";" in sql:
        pytest.skip("one statement only")
    strict.connection.exec_(b"ROLLBACK; BEGIN")
    output = strict.extended(sql, binary=binary)
    strict.connection.exec_(b"ROLLBACK")
    assert output.refused is None, output.refused
    if binary and output.errors:
        assert output.errors[0]["C"] == "42883"  # a type without a binary form
        return
    assert output.errors == []
    assert not leaks(output), output


@pytest.mark.parametrize("sql", HONEST)
def test_honest(strict: Gate, sql: str) -> None:
    output = in_transaction(strict, sql)
    assert output.refused is None, output.refused


def test_honest_values_are_the_servers_own(open_gate: Callable[[], Gate]) -> None:
    """What touches nothing masked comes as the server sends it."""
    gate = open_gate()
    for sql in (
        "SELECT id, name, city FROM customers ORDER BY id",
        "SELECT * FROM orders ORDER BY 1",
        "TABLE plain_view",
        "SELECT name::text, name::varchar(80), id::int, x.* FROM customers, generate_series(1, 2) x ORDER BY 1, 4",
        "SELECT * FROM leads l JOIN orders o USING (id) ORDER BY 1",
        "SELECT count(email), count(*) FROM customers WHERE id < 4",
        "SELECT x.name, (SELECT max(id) FROM customers) FROM (SELECT * FROM customers) x ORDER BY x.id",
        "SELECT key, value FROM json_each('{\"a\": 1}')",
        "WITH RECURSIVE t AS (SELECT id, name, email FROM customers WHERE id = 1 UNION ALL "
        "SELECT c.id, c.name, c.email FROM customers c JOIN t ON c.id = t.id + 1) SELECT id, name FROM t",
    ):
        expected = [
            tuple(None if cell is None else cell.encode() for cell in row) for row in rows(gate.connection, sql)
        ]
        assert gate.run(sql).rows == expected, sql
