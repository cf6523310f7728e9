"""Conditions over masked values: what they cost an identity, what is told of them, what happens without a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from attrs import evolve
from twisted.internet.task import Clock

from hoopgate.config.model import Limits, Mask
from hoopgate.frames import Phase, Statement
from hoopgate.guards.mask_refusals import span
from hoopgate.inference import Inference
from hoopgate.interfaces import Identity
from hoopgate.verdicts import ALLOW, Block
from tests.masks.conftest import CONFIG, MASKS
from tests.masks.gate import FakeEngine, Gate, fired

NARROW = "SELECT name FROM customers WHERE email = 'SECRET1@example.com'"
WIDE = "SELECT name FROM customers WHERE email > 'SECRET1@example.com'"


@pytest.fixture
def budget(open_gate: Callable[[], Gate]) -> Callable[..., Gate]:
    def make(inference: int, *, beside: Gate | None = None, masks: Sequence[Mask] = MASKS) -> Gate:
        gate = open_gate()
        gate.session.engine = FakeEngine([evolve(mask, inference=inference) for mask in masks])
        gate.session.config = evolve(CONFIG, version=f"inference {inference}")
        if beside is not None:
            gate.guard._inference = beside.guard._inference
        return gate

    return make


def names(gate: Gate, sql: str) -> list[bytes | None]:
    output = gate.run(sql)
    assert output.refused is None, output.refused
    assert output.errors == []
    return [cell for row in output.rows for cell in row]


def refusal(gate: Gate, sql: str) -> Block:
    refused = gate.run(sql).refused
    assert refused is not None
    return refused


def test_a_probe_answers_as_the_server_would_and_is_told_of(budget: Callable[..., Gate]) -> None:
    gate = budget(10)
    assert names(gate, NARROW) == [b"name1"]
    assert [fields for kind, fields in gate.session.events if kind == "probed"] == [
        {"masks": ["emails"], "columns": [gate.session.events[0][1]["columns"][0]], "cost": 1}
    ]
    assert "email" in gate.session.events[0][1]["columns"][0]
    assert gate.session.gateway.metrics.probes.value == 1


def test_what_is_spent_is_refused_and_says_what_frees_when(budget: Callable[..., Gate]) -> None:
    gate = budget(12)
    assert names(gate, WIDE)
    assert names(gate, NARROW)
    refused = refusal(gate, WIDE)
    assert refused.rule == "emails"
    assert refused.sqlstate == "53400"
    assert "11 of 12 are spent in 60 minutes, and this statement takes 10" in refused.reason
    assert "email" in refused.reason
    assert "Room for it comes in " in refused.hint
    assert "The budget is its `inference`." in refused.hint
    assert names(gate, NARROW)  # a narrow one still is
    assert isinstance(gate.judge(NARROW), Block)
    assert gate.session.gateway.metrics.probes_refused.value == 2
    assert names(gate, "SELECT name FROM customers WHERE id = 1") == [b"name1"]  # and what probes nothing always


def test_with_nothing_left_nothing_of_the_values_shows(budget: Callable[..., Gate]) -> None:
    """Whether a condition holds, for nobody, for some, or fails: what the attacker hears is the same, and not from the
    server. Nor does a refusal within a transaction, a CASE or a prepared statement tell more."""
    gate = budget(10)
    assert names(gate, WIDE)
    where = "SELECT name FROM customers WHERE "
    for one, other in (
        ("email > ''", "email > '~'"),
        ("email::int > 0", "email::int > 9"),
        ("email = 'x'", "email = ''"),
    ):
        first, second = refusal(gate, where + one), refusal(gate, where + other)
        assert (first.reason, first.hint, first.sqlstate) == (second.reason, second.hint, "53400")
    for sql in (
        where + "id = 1 AND 1 / length(email) > 0",
        "SELECT CASE WHEN email > 'M' THEN 1 / 0 END FROM customers",
        "SELECT name FROM customers ORDER BY email LIMIT 1",
        "SELECT count(DISTINCT email) FROM customers",
        "SELECT EXISTS (SELECT FROM customers WHERE email > 'M')",
        "UPDATE customers SET name = name WHERE email > 'M'",
        "EXPLAIN ANALYZE SELECT FROM customers WHERE email > 'M'",
        "DECLARE c CURSOR FOR SELECT name FROM customers WHERE email > 'M'",
        "COPY (SELECT name FROM customers WHERE email > 'M') TO STDOUT",
    ):
        if "CASE" in sql:  # shows nothing, so that it costs what may fail
            sql += " WHERE id = 1"
        assert refusal(gate, sql).sqlstate == "53400", sql
    assert gate.run("PREPARE p AS " + WIDE).refused is None
    assert refusal(gate, "EXECUTE p").sqlstate == "53400"


def test_time_gives_it_back(budget: Callable[..., Gate]) -> None:
    gate = budget(1)
    clock = Clock()
    gate.guard._inference = Inference(clock)
    assert names(gate, NARROW)
    refusal(gate, NARROW)
    clock.advance(gate.session.config.limits.inference_window / 2)
    refusal(gate, NARROW)
    clock.advance(gate.session.config.limits.inference_window)
    assert names(gate, NARROW)


def test_the_sessions_of_an_identity_share_it_and_others_do_not(budget: Callable[..., Gate]) -> None:
    one = budget(1)
    two = budget(1, beside=one)
    other = budget(1, beside=one)
    other.session.identity = Identity("https://id.example.com", "bob")
    assert names(one, NARROW)
    refusal(two, NARROW)
    assert names(other, NARROW)


def test_each_mask_has_its_own(budget: Callable[..., Gate]) -> None:
    gate = budget(1)
    assert names(gate, NARROW)
    assert names(gate, "SELECT name FROM customers WHERE uid = 'deadbeef-0000-4000-8000-000000000001'")
    assert refusal(gate, NARROW).rule == "emails"


def test_without_a_budget_conditions_are_refused_as_a_matter_of_course(budget: Callable[..., Gate]) -> None:
    gate = budget(0)
    refused = refusal(gate, NARROW)
    assert refused.sqlstate == "42501"
    assert refused.rule == "emails"
    assert names(gate, "SELECT upper(email) FROM customers WHERE id = 1") == [b"****"]


def test_what_asks_more_than_the_whole_budget_is_told_so(budget: Callable[..., Gate]) -> None:
    refused = refusal(budget(5), WIDE)
    assert "takes 10 of a budget of 5" in refused.reason
    assert refused.hint.startswith("It asks too much at once.")


def test_a_remembered_statement_costs_each_time(budget: Callable[..., Gate]) -> None:
    gate = budget(3)
    for number in range(3):
        assert gate.judge(NARROW.replace("1@", f"{number}@")) is ALLOW
    assert isinstance(gate.judge(NARROW), Block)


def test_a_prepared_statement_costs_as_it_is_bound(budget: Callable[..., Gate]) -> None:
    gate = budget(2)
    text = "SELECT name FROM customers WHERE email = $1"
    parsed = Statement(b"", text, Phase.PREPARE, name="s")
    assert fired(gate.guard.inspect(parsed)) is ALLOW

    def ran() -> list[object]:
        found: list[object] = []
        judged = parsed.judged
        for phase in (Phase.BIND, Phase.EXECUTE, Phase.EXECUTE):
            frame = Statement(b"", text, phase, name="s")
            frame.judged = judged
            found.append(fired(gate.guard.inspect(frame)))
            judged = frame.judged
        return found

    assert ran() == ran() == [ALLOW, ALLOW, ALLOW]
    assert isinstance(ran()[0], Block)


def test_by_name_it_costs_as_it_runs(budget: Callable[..., Gate]) -> None:
    gate = budget(2)
    for _ in range(3):
        assert gate.run("PREPARE p AS " + NARROW).refused is None
    assert names(gate, "EXECUTE p") == [b"name1"]
    assert names(gate, "EXECUTE p") == [b"name1"]
    refusal(gate, "EXECUTE p")


def test_a_cursor_costs_once(budget: Callable[..., Gate]) -> None:
    gate = budget(1)
    gate.run("BEGIN")
    assert gate.run("DECLARE k CURSOR FOR " + NARROW).refused is None
    for _ in range(3):
        assert gate.run("FETCH 1 FROM k").refused is None
    refusal(gate, "DECLARE l CURSOR FOR " + NARROW)


def test_the_table_of_who_spent_is_bounded(budget: Callable[..., Gate]) -> None:
    one = budget(10)
    two = budget(10, beside=one)
    two.session.identity = Identity("https://id.example.com", "bob")
    for gate in (one, two):
        gate.session.config = evolve(CONFIG, limits=Limits(inference_counts=1), version="inference 10")
    assert names(one, NARROW)
    assert refusal(two, NARROW).sqlstate == "53400"
    assert names(one, NARROW)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM customers ORDER BY email",
        "SELECT count(*) FROM customers GROUP BY email",
        "SELECT DISTINCT email FROM customers",
        "SELECT c.name FROM customers c JOIN app.users u ON u.login = c.email",
        "SELECT EXISTS (SELECT FROM customers WHERE email LIKE 'SECRET1%')",
        "SELECT name FROM customers LIMIT (SELECT length(email) FROM customers LIMIT 1)",
        "SELECT name FROM (SELECT name, email FROM customers) x WHERE x.email < 'z'",
        "SELECT id FROM filtering_view",
        "DELETE FROM customers WHERE email = 'nobody'",
        "UPDATE customers SET name = 'x' WHERE email > 'zzz'",
        "EXPLAIN SELECT name FROM customers WHERE email = 'x'",
        "EXPLAIN ANALYZE SELECT name FROM customers WHERE email = 'x'",
        "EXPLAIN (ANALYZE, COSTS OFF, SERIALIZE) SELECT repeat(email, 1000) FROM customers",
        "EXPLAIN (ANALYZE, COSTS OFF) WITH c AS MATERIALIZED (SELECT email FROM customers) SELECT 1 FROM c",
        "EXPLAIN (ANALYZE, COSTS OFF, WAL) UPDATE customers SET name = 'x' WHERE id = 1",
        "COPY (SELECT name FROM customers WHERE email = 'x') TO STDOUT",
        "WITH x AS (DELETE FROM customers WHERE email = 'nobody' RETURNING id) SELECT count(*) FROM x",
        "MERGE INTO customers c USING status s ON c.email = s.status WHEN MATCHED THEN DELETE",
    ],
)
def test_every_way_to_look_costs_something(budget: Callable[..., Gate], sql: str) -> None:
    """With nothing to spend none of them runs."""
    assert refusal(budget(0), sql).sqlstate == "42501"
    gate = budget(100)
    assert gate.run("BEGIN").refused is None
    output = gate.run(sql)
    assert output.refused is None, output.refused
    assert [kind for kind, _ in gate.session.events].count("probed") == 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 second"), (59, "59 seconds"), (600, "10 minutes"), (3600, "60 minutes"), (7200, "2 hours")],
)
def test_times_are_said_in_words(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    "sql",
    [
        f"{WIDE}; {WIDE}; {WIDE}",
        "SELECT name FROM customers WHERE email < 'a' OR email < 'b' AND email < 'c'",
        "SELECT (SELECT count(*) FROM customers WHERE email < 'a'), "
        "(SELECT count(*) FROM customers WHERE email < 'b'), "
        "(SELECT count(*) FROM customers WHERE email < 'c')",
    ],
)
def test_conditions_count_one_by_one(budget: Callable[..., Gate], sql: str) -> None:
    assert "takes 30 of a budget of 29" in refusal(budget(29), sql).reason
