"""What the mask guard remembers: of texts by their shape, of results by their columns, and when it must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import succeed

from hoopgate.catalogue import Catalogue
from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.codecs.postgresql import messages
from hoopgate.frames import Column, Columns, Phase, Statement
from hoopgate.guards.mask_judged import Judged
from hoopgate.guards.mask_known import Compiled
from hoopgate.policy.lineage.trace import trace
from hoopgate.policy.sql.parser import Parsed, Unparsable, parse
from hoopgate.policy.sql.shape import shape
from hoopgate.verdicts import ALLOW, Block
from hoopgate.verdicts import Mask as MaskVerdict
from tests.masks.conftest import CONFIG, MASKS
from tests.masks.gate import Gate, fired


@pytest.fixture(scope="module")
def index(catalogue: Catalogue) -> MaskIndex:
    snapshot = fired(catalogue.refresh())
    return compile_masks(snapshot, MASKS, functions_safe=CONFIG.functions_safe)


STATEMENTS = st.sampled_from([
    "SELECT id, email FROM customers ORDER BY {}",
    "SELECT id, name FROM customers WHERE name = {} ORDER BY {}",
    "SELECT id, email, count(*) FROM customers GROUP BY {}, {}",
    "SELECT DISTINCT ON ({}) id, email FROM customers",
    "SELECT * FROM customers ORDER BY {} DESC LIMIT {}",
    "SELECT email FROM customers WHERE id = {} AND name = {}",
    "SELECT email FROM customers WHERE email = {}",
    "SELECT set_config({}, {}, false)",
    "SELECT id::text || {} FROM orders WHERE note LIKE {}",
    "UPDATE orders SET note = {} WHERE id = {} RETURNING *",
    "INSERT INTO customers (id, email) VALUES ({}, {}) RETURNING email",
    "DELETE FROM orders WHERE id IN ({}, {})",
    "WITH x AS (SELECT id FROM orders ORDER BY {}) SELECT * FROM x",
    "SELECT CAST({} AS text), email FROM customers GROUP BY GROUPING SETS (({}), ({}))",
    "SELECT {}",
    "SET standard_conforming_strings = {}",
    "SELECT upper(email) FROM customers LIMIT {}",
])  # fmt: skip
WHERE = "public"


def judged(compiled: Compiled, parsed: Parsed) -> Judged:
    return compiled.judged(parsed, trace(parsed, compiled.index, path=("public",), refreshed=True))


LITERALS = st.sampled_from(
    ["0", "1", "2", "3", "1.5", "99999999999", "'x'", "'standard_conforming_strings'", "'off'", "'2'", "''"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATEMENTS, st.lists(LITERALS, min_size=3, max_size=3), st.lists(LITERALS, min_size=3, max_size=3))
def test_what_is_remembered_of_a_text_is_what_would_be_said_of_it(
    index: MaskIndex, statement: str, first: list[str], second: list[str]
) -> None:
    compiled = Compiled(index)
    one, two = statement.format(*first), statement.format(*second)
    try:
        parsed, other = parse(one), parse(two)
    except Unparsable:
        return
    said = judged(compiled, parsed)
    compiled.remember(WHERE, parsed, said)
    assert compiled.known(WHERE, one) in (said, None)
    known = compiled.known(WHERE, two)
    if known is not None:
        assert known.answer == judged(compiled, other).answer


def test_a_position_in_order_by_is_looked_at_again(index: MaskIndex) -> None:
    compiled = Compiled(index)
    parsed = parse("SELECT id, email FROM customers ORDER BY 1")
    compiled.remember(WHERE, parsed, judged(compiled, parsed))
    assert compiled.known(WHERE, "SELECT id, email FROM customers ORDER BY 1") is not None
    assert shape("SELECT id, email FROM customers ORDER BY 2") == shape("SELECT id, email FROM customers ORDER BY 1")
    assert compiled.known(WHERE, "SELECT id, email FROM customers ORDER BY 2") is None


def test_no_text_is_taken_for_a_shape(index: MaskIndex) -> None:
    compiled = Compiled(index)
    parsed = parse("SELECT 5")
    compiled.remember(WHERE, parsed, judged(compiled, parsed))
    assert compiled.known(WHERE, "SELECT 6") is not None
    assert compiled.known(WHERE, "SELECT \0#") is None


@pytest.mark.parametrize(
    "text", ["CREATE TABLE made (id int)", "SELECT 1 INTO made", "COPY orders TO STDOUT", "PREPARE p AS SELECT 1"]
)
def test_what_defines_or_runs_something_is_judged_each_time(index: MaskIndex, text: str) -> None:
    compiled = Compiled(index)
    parsed = parse(text)
    compiled.remember(WHERE, parsed, judged(compiled, parsed))
    assert compiled.known(WHERE, text) is None


def test_another_literal_takes_no_parser(gate: Gate) -> None:
    parsed: list[str] = []
    parse_ = gate.session.parser.parse
    gate.session.parser = type("Counting", (), {"parse": lambda self, text: parsed.append(text) or parse_(text)})()
    for number in range(4):
        assert gate.judge(f"SELECT email FROM customers WHERE id = {number}") is ALLOW
        assert gate.judge(f"SELECT upper(email) FROM customers WHERE id = {number}") is ALLOW
        assert isinstance(gate.judge(f"SELECT pg_notify('n', email) FROM customers WHERE id = {number}"), Block)
    assert len(parsed) <= 3


# --- temporary tables

MINE = "CREATE TEMP TABLE customers (id int, email text)"
TAKEN = "SELECT count(*) FROM customers WHERE email LIKE 'a%'"


def probes(gate: Gate) -> int:
    return sum(kind == "probed" for kind, _ in gate.session.events)


@pytest.mark.parametrize("transaction", [(), ("BEGIN",)])
def test_a_statement_over_temporary_tables_is_asked_of_the_session_once(gate: Gate, transaction: tuple[str]) -> None:
    for text in (*transaction, "CREATE TEMP TABLE mine (a int, b text)"):
        gate.run(text)
    for phase in (Phase.PREPARE, *[Phase.BIND, Phase.EXECUTE] * 3):
        assert gate.judge("INSERT INTO mine VALUES ($1, $2)", phase) is ALLOW
    asked = len(gate.session.asked)
    for _ in range(50):
        gate.run("INSERT INTO mine VALUES (1, 'x')")
    assert len(gate.session.asked) <= asked + 1


@pytest.mark.parametrize(
    "end", ["ROLLBACK", "DROP TABLE pg_temp.customers", "ALTER TABLE pg_temp.customers RENAME TO c"]
)
def test_a_statement_over_a_temporary_table_is_judged_anew_after_any_other(gate: Gate, end: str) -> None:
    for text in ("BEGIN", MINE, TAKEN, TAKEN):
        gate.run(text)
    before = probes(gate)
    gate.run(end)
    gate.run(TAKEN)
    assert probes(gate) == before + 1


def test_what_other_tables_stand_beside_a_temporary_one_is_looked_at_each_time(gate: Gate) -> None:
    gate.run("CREATE TEMP TABLE mine (a int)")
    for _ in range(3):
        gate.run("SELECT count(*) FROM mine, customers WHERE email LIKE 'a%'")
    assert probes(gate) == 3


@pytest.mark.parametrize("state", ["running", "tentative"])
def test_a_temporary_table_that_may_go_with_the_batch_is_asked_for_each_time(gate: Gate, state: str) -> None:
    gate.run("CREATE TEMP TABLE passing (a int)")
    setattr(gate.session, state, True)
    for _ in range(3):
        gate.run("SELECT a FROM passing")
    gate.session.asked.clear()
    gate.run("SELECT a FROM passing")
    assert gate.session.asked


# --- results


def described(gate: Gate, *columns: Column) -> Any:
    raw = messages.row_description(list(columns))
    frame = Columns(raw, None, Statement(b"", "SELECT 1", Phase.SIMPLE), None, raw, messages.parse_row_description)
    return fired(gate.guard.inspect(frame))


def column(table: int, attnum: int, type_oid: int = 25) -> Column:
    return Column("c", table, attnum, type_oid, -1, -1, 0)


def columns_of(gate: Gate, name: str) -> tuple[int, dict[str, int]]:
    gate.judge("SELECT 1")
    (relation,) = gate.session.catalogue.snapshot.names[name]  # type: ignore[union-attr]
    return relation.oid, {each.name: each.attnum for each in relation.columns}


def test_a_result_with_the_same_columns_has_the_same_plan_in_every_session(open_gate: Callable[[], Gate]) -> None:
    one, two = open_gate(), open_gate()
    two.guard = one.factory.open(two.session)  # type: ignore[arg-type]
    table, attnum = columns_of(one, "customers")
    first = described(one, column(table, attnum["id"], 23), column(table, attnum["email"]))
    assert isinstance(first, MaskVerdict)
    assert described(one, column(table, attnum["id"], 23), column(table, attnum["email"])) is first
    assert described(two, column(table, attnum["id"], 23), column(table, attnum["email"])) is first
    assert described(one, column(table, attnum["id"], 23), column(table, attnum["phone"])) is not first
    assert [event for event, _ in one.session.events] == ["masked"] * 3
    assert one.session.events[0] == one.session.events[1]
    assert one.session.gateway.metrics.masked_columns.value == 3


def test_the_clients_encoding_makes_another_plan(gate: Gate) -> None:
    table, attnum = columns_of(gate, "customers")
    first = described(gate, column(table, attnum["phone"]))
    gate.session.client_encoding = "cp1252"
    second = described(gate, column(table, attnum["phone"]))
    assert second is not first
    assert second.plan.transforms[0]("12é".encode("cp1252") * 3) == "****2é".encode("cp1252")


def test_a_new_catalogue_makes_another_plan(gate: Gate) -> None:
    table, attnum = columns_of(gate, "customers")
    first = described(gate, column(table, attnum["email"]))
    gate.connection.exec_(b"CREATE TABLE fresh_plan ()")
    try:
        fired(gate.session.catalogue.refresh())
        assert described(gate, column(table, attnum["email"])) is not first
    finally:
        gate.connection.exec_(b"DROP TABLE fresh_plan")


def test_a_key_that_changes_makes_another_plan(gate: Gate) -> None:
    table, attnum = columns_of(gate, "users")
    keys = [b"k" * 32, b"k" * 32, b"n" * 32]
    gate.guard._fetch = lambda ref: succeed(keys.pop(0))
    answers = [described(gate, column(table, attnum["Password"])).plan.transforms[0](b"x") for _ in range(3)]
    assert answers[0] == answers[1] != answers[2]


def test_what_only_the_session_knows_is_not_shared(open_gate: Callable[[], Gate]) -> None:
    """A relation that one session sees in its open transaction is unknown to the next, and masked whole there."""
    one, two = open_gate(), open_gate()
    two.guard = one.factory.open(two.session)  # type: ignore[arg-type]
    one.run("BEGIN")
    one.run("CREATE TABLE own_plan (a text)")
    one.run("SELECT a FROM own_plan")
    (relation,) = one.guard._memory.learnt.values()
    two.judge("SELECT 1")
    assert described(one, column(relation.oid, 1)) is ALLOW
    assert isinstance(described(two, column(relation.oid, 1)), MaskVerdict)
    assert described(one, column(relation.oid, 1)) is ALLOW
