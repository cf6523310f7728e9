"""Decisions: the order of rules, the severest answer, what is remembered and what is not."""

from __future__ import annotations

import time
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate.config.model import Limits, Mask, Risk, What, Who
from hoopgate.policy.engine import Engine, Subject
from hoopgate.policy.memory import Memory
from hoopgate.policy.sql import tree
from hoopgate.policy.sql.parser import Parser
from hoopgate.verdicts import Approvers
from tests.policy.samples import LAB, SHOP, config, decide, engine, person, rule

READ = rule("read", "allow", what=What(effect=("read",)))


def test_nothing_matching_denies() -> None:
    decision = decide(config(), "SELECT 1")
    assert (decision.then, decision.rule) == ("deny", "default-deny")
    decision = decide(config(READ), "DELETE FROM orders")
    assert (decision.then, decision.rule) == ("deny", "default-deny")
    assert decision.reason == "no rule allows DELETE on orders (no WHERE)"


def test_the_first_rule_decides() -> None:
    deny, allow = rule("no", "deny", what=What(effect=("delete",))), rule("yes", "allow")
    assert decide(config(deny, allow), "DELETE FROM a WHERE id = 1").rule == "no"
    assert decide(config(allow, deny), "DELETE FROM a WHERE id = 1").rule == "yes"
    assert decide(config(deny, allow), "SELECT 1").rule == "yes"


def test_the_message_gets_the_severest_answer() -> None:
    hold = rule("wait", "hold", what=What(effect=("delete",)))
    deny = rule("never", "deny", what=What(effect=("schema",)))
    found = config(hold, deny, rule("rest", "allow"))
    assert decide(found, "SELECT 1").rule == "rest"
    assert decide(found, "SELECT 1; DELETE FROM a").rule == "wait"
    assert decide(found, "DROP TABLE a; DELETE FROM a").rule == "never"
    assert decide(found, "DELETE FROM a; DROP TABLE a; SELECT 1").then == "deny"


def test_the_rules_words_reach_the_client() -> None:
    deny = rule("never", "deny", reason="Not here.", hint="Ask the dba.")
    allow = rule("x", "allow", what=What(effect=("read",)))
    decision = decide(config(allow, deny), "DROP TABLE a")
    assert (decision.reason, decision.hint) == ("Not here.", "Ask the dba.")
    decision = decide(config(allow, deny), "SELEC 1")
    assert decision.reason == 'the statement cannot be judged: syntax error at or near "SELEC"'
    assert decision.rule == "never"


def test_a_hold_says_who_may_release_it_and_why() -> None:
    hold = rule("wait", "hold", approvers=Approvers(("dba", "lead"), 2), timeout=60.0)
    decision = decide(config(hold), "DELETE FROM orders")
    assert decision.then == "hold"
    assert decision.approvers == Approvers(("dba", "lead"), 2)
    assert decision.timeout == 60.0
    assert decision.reason == "DELETE on orders (no WHERE) needs an approval"
    assert decision.risk == 65
    assert decision.risk_reasons == ("delete +35", "unbounded +30")


def test_two_holds_need_what_both_need() -> None:
    one = rule("one", "hold", what=What(effect=("delete",)), approvers=Approvers(("dba", "lead"), 1), timeout=60)
    two = rule("two", "hold", what=What(effect=("write",)), approvers=Approvers(("lead", "boss"), 2), timeout=30)
    decision = decide(config(one, two), "DELETE FROM a; INSERT INTO b VALUES (1)")
    assert (decision.approvers, decision.timeout) == (Approvers(("lead",), 2), 30)
    three = evolve(two, approvers=Approvers(("boss",), 1))
    decision = decide(config(one, three), "DELETE FROM a; INSERT INTO b VALUES (1)")
    assert decision.then == "deny"
    assert "no group in common" in decision.reason


def test_masks_rules_decide_nothing() -> None:
    mask = rule("hide", "mask", masks=("secrets",))
    assert decide(config(mask, masks=(Mask("secrets", ("*.*.password",)),)), "SELECT 1").then == "deny"


# -- access


def test_access() -> None:
    found = engine(
        config(
            rule("out", "deny", Who(groups=("banned",)), reason="You are banned."),
            rule("no-drop", "deny", what=What(effect=("schema",))),
            rule("staff", "allow", Who(groups=("staff",)), What(target=("shop",), role=("app_ro",))),
            rule("careful", "hold", Who(groups=("careful",))),
        )
    )

    def access(*groups: str, target: Any = SHOP, role: str = "app_ro") -> tuple[str, str]:
        decision = found.access(person("ann", *groups), target, role, frozenset())
        return decision.then, decision.rule

    assert access("staff") == ("allow", "staff")
    assert access("staff", role="app_rw") == ("deny", "default-deny")
    assert access("staff", target=LAB) == ("deny", "default-deny")
    assert access("careful", target=LAB) == ("allow", "careful")
    assert access("staff", "banned") == ("deny", "out")
    assert access() == ("deny", "default-deny")


def test_a_token_for_other_targets_opens_nothing() -> None:
    found = engine(config(rule("all", "allow")))
    bound = person(targets=("lab",))
    assert found.access(bound, SHOP, "app_ro", frozenset()).rule == "token-targets"
    assert decide(found, "SELECT 1", bound).then == "deny"
    assert found.access(bound, LAB, "owner", frozenset()).then == "allow"


def test_a_target_that_a_reload_removed_is_shut() -> None:
    found = engine(evolve(config(rule("all", "allow")), targets=(LAB,)))
    assert decide(found, "SELECT 1").then == "deny"


def test_labels_are_those_of_the_present_configuration() -> None:
    found = engine(config(rule("prod", "allow", what=What(labels={"env": ("prod",)}))))
    assert decide(found, "SELECT 1", target=evolve(SHOP, labels={"env": "dev"})).then == "allow"


def test_grants_open_rules_and_targets() -> None:
    found = engine(
        config(
            rule("owner", "allow", what=What(effect=("schema",)), grant=True),
            rule("read", "allow", what=What(effect=("read",))),
        )
    )
    asked = "DROP TABLE a"
    assert decide(found, asked).then == "deny"
    assert "owner" in decide(found, asked).hint
    assert decide(found, asked, grants=frozenset({"owner"})).then == "allow"
    assert decide(found, asked, grants=frozenset({"target:shop"})).then == "allow"
    assert decide(found, asked, grants=frozenset({"target:lab"})).then == "deny"
    who = person()
    assert decide(found, asked, who, grants=frozenset({"owner"})).then == "allow"
    assert decide(found, asked, who).then == "deny"  # the grant ended in the same session


def test_a_function_by_its_number_needs_a_rule_for_the_unknown() -> None:
    subject = Subject(person(), SHOP, "app_rw")
    assert (
        engine(config(rule("all", "allow", what=What(effect=("execute", "read"))))).decide_call(subject).then == "deny"
    )
    assert engine(config(rule("all", "allow", what=What(effect=("unknown",))))).decide_call(subject).then == "allow"


# -- masks


def test_which_masks_are_in_force() -> None:
    everywhere = Mask("everywhere", ("*.*.password",))
    lab = Mask("lab", ("*.*.x",), target=("lab",))
    fraud = Mask("fraud", ("*.*.ssn",), unless=Who(groups=("fraud",)))
    named = Mask("named", ("*.*.email",))
    found = engine(config(rule("hide", "mask", Who(groups=("agents",)), masks=("named",)),
                          masks=(everywhere, lab, fraud, named)))  # fmt: skip

    def masks(*groups: str, target: Any = SHOP) -> list[str]:
        return [mask.name for mask in found.masks(person("ann", *groups), target)]

    assert masks() == ["everywhere", "fraud"]
    assert masks("fraud") == ["everywhere"]
    assert masks("agents") == ["everywhere", "fraud", "named"]
    assert masks(target=LAB) == ["everywhere", "lab", "fraud"]


# -- what is remembered


class CountingParser(Parser):
    def __init__(self) -> None:
        super().__init__(None, Limits())
        self.asked: list[str] = []

    def parse(self, text: str) -> Any:
        self.asked.append(text)
        return super().parse(text)


def counting(found: Any, clock: Clock | None = None) -> tuple[Engine, CountingParser]:
    parser = CountingParser()
    return Engine(found, parser, clock or Clock()), parser


def test_a_literal_makes_no_difference_where_none_was_looked_at() -> None:
    found, parser = counting(config(READ))
    for number in range(50):
        assert decide(found, f"SELECT * FROM a WHERE id = {number} AND x = 'n{number}'").then == "allow"
    assert len(parser.asked) == 1


def test_a_literal_that_was_looked_at_is_looked_at_again() -> None:
    found, _ = counting(config(rule("all", "allow", what=What(effect=("read", "session", "write")))))
    assert decide(found, "SELECT set_config('work_mem', 'x', false)").then == "allow"
    assert decide(found, "SELECT set_config('role', 'x', false)").then == "deny"
    bounded = config(rule("bounded", "allow", what=What(bounded=True)))
    found, _ = counting(bounded)
    assert decide(found, "DELETE FROM a WHERE x LIKE 'b%'").then == "allow"
    assert decide(found, "DELETE FROM a WHERE x LIKE '%'").then == "deny"
    assert (
        decide(found, "EXPLAIN (ANALYZE 0) DELETE FROM a").operations
        != decide(found, "EXPLAIN (ANALYZE 1) DELETE FROM a").operations
    )


def test_decisions_of_one_are_not_those_of_another() -> None:
    found, _ = counting(config(rule("dba", "allow", Who(groups=("dba",))), READ))
    sql = "DELETE FROM a WHERE id = 1"
    assert decide(found, sql, person("ann", "dba")).then == "allow"
    assert decide(found, sql, person("ann")).then == "deny"
    assert decide(found, sql, person("ann", "dba"), role="app_ro").then == "allow"


def test_claims_count_though_they_do_not_make_two_identities_unequal() -> None:
    found, _ = counting(config(rule("team", "allow", Who(claims={"team": ("shop",)}))))
    inside, outside = person(claims={"team": "shop"}), person(claims={"team": "x"})
    assert inside == outside
    assert decide(found, "SELECT 1", inside).then == "allow"
    assert decide(found, "SELECT 1", outside).then == "deny"


def test_the_hour_counts_at_once() -> None:
    clock = Clock()
    clock.advance(9 * 3600)
    risk = Risk(outside_hours=50, hours=(8, 18))
    late = rule("late", "deny", what=What(risk_at_least=50))
    found, _ = counting(config(late, READ, risk=risk), clock)
    assert decide(found, "SELECT 1").then == "allow"
    clock.advance(9 * 3600)
    assert decide(found, "SELECT 1").then == "deny"
    clock.advance(14 * 3600)
    assert decide(found, "SELECT 1").then == "allow"


def test_the_first_time_counts_until_it_was_allowed() -> None:
    new = rule("new", "hold", what=What(risk_at_least=45, effect=("write",)))
    found, _ = counting(config(new, rule("all", "allow"), risk=Risk(first_time=30)))
    assert decide(found, "SELECT * FROM a WHERE id = 1").risk == 35
    assert decide(found, "SELECT * FROM a WHERE id = 2").risk == 5
    assert decide(found, "SELECT * FROM a WHERE id = 2", person("bob")).risk == 35
    assert decide(found, "INSERT INTO a VALUES (1)").then == "hold"
    assert decide(found, "INSERT INTO a VALUES (1)").then == "hold"  # held is not run
    assert decide(found, "INSERT INTO a VALUES (1)", first_seen=False).then == "allow"
    assert decide(found, "SELECT * FROM a WHERE id = 1", first_seen=True).risk == 35


def test_a_first_time_is_counted_though_the_decision_is_remembered() -> None:
    """Another identity's memory must not make mine."""
    found, parser = counting(config(rule("all", "allow"), risk=Risk(first_time=30)))
    for name in ("ann", "bob", "eve"):
        assert [decide(found, "SELECT 1", person(name)).risk for _ in range(2)] == [35, 5]
    assert len(parser.asked) == 2


def test_the_memory_is_bounded() -> None:
    found = engine(evolve(config(READ), limits=Limits(decisions=10)))
    for number in range(100):
        decide(found, f"SELECT a{number}")
        decide(found, f"SET work_mem = {number}")
    assert len(found._shapes) <= 10
    assert len(found._exact) <= 10


def test_memory_weighs_what_it_holds() -> None:
    memory: Memory[str, int] = Memory(3, 10)
    for key, weight in (("a", 4), ("b", 4), ("a", 2), ("c", 5), ("huge", 11)):
        memory.put(key, weight, weight)
    assert [memory.get(key) for key in "abc"] == [2, None, 5]
    assert memory.total == 7
    memory.put("d", 1, 1)
    memory.put("e", 1, 1)
    assert len(memory) == 3


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "SELECT {} FROM a",
                "DELETE FROM a WHERE x LIKE {}",
                "DELETE FROM a WHERE {} = {}",
                "SELECT mine({})",
                "SELECT set_config({}, {}, true)",
                "SET work_mem = {}",
                "INSERT INTO a VALUES ({}, {})",
                "garbage {}",
            ]
        ).flatmap(
            lambda text: st.lists(st.sampled_from(["1", "'role'", "'%'", "'a%'", "0.5"]), min_size=2, max_size=2).map(
                lambda values: text.format(*values)
            )
        ),
        max_size=12,
    )
)
def test_what_is_remembered_is_what_would_be_decided_anew(texts: list[str]) -> None:
    rules = (
        rule("bounded", "allow", what=What(effect=("delete",), bounded=True)),
        rule("execute", "hold", what=What(effect=("execute",))),
        READ,
    )
    remembering = engine(config(*rules))
    for text in texts:
        fresh = decide(config(*rules), text)
        for _ in range(2):
            known = decide(remembering, text)
            assert (known.then, known.rule, known.risk) == (fresh.then, fresh.rule, fresh.risk)
            assert known.operations == fresh.operations


# -- long and hopeless texts


@pytest_twisted.ensureDeferred
async def test_a_long_statement_is_judged_later() -> None:
    from twisted.internet import reactor

    parser = Parser(reactor, Limits())
    try:
        found = Engine(config(READ), parser, Clock())
        subject = Subject(person(), SHOP, "app_rw")
        rows = ", ".join(f"({number})" for number in range(30_000))
        answer = found.decide(subject, f"SELECT * FROM (VALUES {rows}) x")
        assert isinstance(answer, Deferred)
        assert (await answer).then == "allow"
        answer = found.decide(subject, f"INSERT INTO a VALUES {rows}")
        assert isinstance(answer, Deferred)
        assert (await answer).then == "deny"
        answer = found.decide(subject, f"SELEC {rows}")
        assert isinstance(answer, Deferred)
        assert [one.effect for one in (await answer).operations] == ["unknown"]
    finally:
        parser.close()


@pytest.mark.parametrize("text", ["SELEC", "SELECT 1\0", "SELECT '\udc80'", "SELECT a" + "+a" * 5000])
def test_what_cannot_be_judged_is_denied(text: str) -> None:
    assert decide(config(READ), text).then == "deny"
    assert decide(config(rule("all", "allow")), text).then == "allow"  # only somebody who allows the unknown


def test_a_parser_that_breaks_breaks_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks must see the error and block: nothing here turns it into an answer."""

    def broken(text: str) -> bytes:
        raise OSError("no library")

    monkeypatch.setattr(tree, "parse_json", broken)
    with pytest.raises(OSError, match="no library"):
        decide(config(rule("all", "allow")), "SELECT 'brand new'")


def test_a_message_over_very_many_objects_is_not_judged() -> None:
    tables = ", ".join(f"t{number}" for number in range(1001))
    decision = decide(config(READ), f"SELECT 1 FROM {tables}")
    assert decision.then == "deny"
    assert "more than 1000 objects" in decision.reason


@pytest.mark.parametrize(
    "sql",
    [
        "WITH " + ", ".join(f"c{number} AS (SELECT 1)" for number in range(2500)) + " SELECT 1",
        "SELECT 1;" * 7000,
        "DELETE FROM a WHERE id IN (SELECT id FROM a, a b, a c WHERE id IN (SELECT 1)); " * 700,
        "SELECT " + ", ".join(f"f{number}()" for number in range(6000)),
        "SELECT 1 WHERE " + " AND ".join(f"a{number} LIKE 'b%'" for number in range(2500)),
    ],
    ids=lambda sql: sql[:20],
)
def test_no_short_text_takes_long_to_judge(sql: str) -> None:
    assert len(sql) < 64 * 1024
    started = time.process_time()
    decide(
        config(*(rule(f"r{number}", "deny", what=What(object=(f"x{number}.*",))) for number in range(20)), READ), sql
    )
    assert time.process_time() - started < 3
