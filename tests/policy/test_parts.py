"""Parts of effects that rules name, and functions that the configuration vouches for by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hoopgate.config.model import Mask, Risk, Rule, What
from hoopgate.policy.engine import Decision, Subject
from hoopgate.policy.operations import EFFECTS, PARTS, Object, Operation, whole
from hoopgate.policy.rules import lint
from hoopgate.policy.sql.functions import call_effect
from hoopgate.policy.sql.session import startup_setting
from tests.policy.samples import SHOP, config, decide, engine, person, rule

ALL = rule("all", "allow")
ROOT = Path(__file__).parents[2]


def test_parts_are_of_effects() -> None:
    assert {whole(name) for name in PARTS} < set(EFFECTS)
    assert not set(EFFECTS) & set(PARTS)


def test_every_part_is_in_the_reference() -> None:
    told = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", (ROOT / "docs/reference/policy.md").read_text(), re.MULTILINE))
    assert told == set(PARTS)


def test_every_name_in_the_code_is_an_effect_or_a_part_of_one() -> None:
    pattern = re.compile(rf'"((?:{"|".join(EFFECTS)})\.[a-z]+)"')
    for path in (ROOT / "hoopgate/policy/sql").glob("*.py"):
        assert set(pattern.findall(path.read_text())) <= set(PARTS), path


def test_a_rule_names_a_part() -> None:
    found = config(rule("no", "deny", what=What(effect=("admin.role", "schema.drop"))), ALL)
    assert decide(found, "CREATE ROLE x").rule == "no"
    assert decide(found, "DROP TABLE a").rule == "no"
    assert decide(found, "GRANT SELECT ON a TO b").then == "allow"
    assert decide(found, "CREATE TABLE a (x int)").then == "allow"


def test_a_rule_over_the_effect_takes_its_parts() -> None:
    found = config(rule("no", "deny", what=What(effect=("admin",))), ALL)
    for sql in ("CREATE ROLE x", "SET ROLE x", "LOAD 'x'", "SELECT pg_read_file('x')"):
        assert decide(found, sql).rule == "no"


def test_a_part_alone_may_be_allowed() -> None:
    found = config(rule("tidy", "allow", what=What(effect=("admin.maintenance",))))
    assert decide(found, "ANALYZE a").then == "allow"
    assert decide(found, "CREATE ROLE x").then == "deny"


def test_a_rule_over_a_part_is_shadowed_by_one_over_the_effect_alone() -> None:
    whole_first = config(
        rule("all", "allow", what=What(effect=("admin",))), rule("x", "deny", what=What(effect=("admin.role",)))
    )
    part_first = config(
        rule("x", "deny", what=What(effect=("admin.role",))), rule("all", "allow", what=What(effect=("admin",)))
    )
    assert any("can never match" in str(fault) for fault in lint(whole_first))
    assert not lint(part_first)


def test_a_part_has_its_own_risk_where_it_is_given_one() -> None:
    found = config(ALL, risk=Risk(effect={"admin": 70, "admin.maintenance": 5, "read": 5}))
    assert decide(found, "ANALYZE public.a").risk == 5
    assert decide(found, "CREATE ROLE x").risk == 70
    assert "admin.maintenance +5" in decide(found, "ANALYZE public.a").risk_reasons


# -- names that the configuration vouches for


CALLS = rule("calls", "allow", what=What(effect=("execute",), object=("public.order_total", "*.similarity", "shop.*")))
MAKES = rule("makes", "allow", what=What(effect=("schema", "read", "session")))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE OR REPLACE FUNCTION order_total(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION public.order_total() RETURNS int RETURN 1",
        "CREATE PROCEDURE public.order_total() LANGUAGE sql AS ''",
        "CREATE FUNCTION app.similarity(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE AGGREGATE public.order_total (int) (sfunc = int4pl, stype = int)",
        "ALTER FUNCTION public.other() RENAME TO order_total",
        "ALTER FUNCTION app.order_total() SET SCHEMA public",
        "ALTER FUNCTION order_total(int) IMMUTABLE",
    ],
)
def test_putting_other_code_behind_a_vouched_name_is_seen(sql: str) -> None:
    found = decide(config(CALLS, MAKES), sql)
    assert found.then == "deny"
    assert any(one.name == "admin.code" for one in found.operations)
    assert decide(config(MAKES), sql).then == "allow"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION public.other() RETURNS int RETURN 1",
        "CREATE FUNCTION shop.anything() RETURNS int RETURN 1",
        "CREATE TABLE public.order_total (x int)",
        "DROP FUNCTION public.order_total(int)",
    ],
)
def test_other_names_are_free(sql: str) -> None:
    assert decide(config(CALLS, MAKES), sql).then == "allow"


def test_what_masks_call_safe_is_vouched_for_too() -> None:
    sql = "CREATE OR REPLACE FUNCTION public.safe_total() RETURNS int RETURN 1"
    mask = Mask("emails", ("*.*.email",))
    assert decide(config(MAKES, masks=(mask,), functions_safe=("public.safe_*",)), sql).then == "deny"


# -- settings at connect


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("role", "postgres", "become"),
        ("ROLE", "postgres", "become"),
        ("session_authorization", "postgres", "become"),
        ("search_path", "secret", "names"),
        ("session_replication_role", "replica", "setting"),
        ("search_path", "public", None),
        ("client_encoding", "SJIS", None),
        ("TimeZone", "UTC", None),
        ("app.tenant", "7", None),
    ],
)
def test_settings_at_connect_are_judged_as_by_set(name: str, value: str, part: str | None) -> None:
    found = startup_setting(name, value)
    assert (found.part if found else None) == part


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("pg_read_file", "admin.file"),
        ("pg_terminate_backend", "admin.backend"),
        ("pg_create_logical_replication_slot", "admin.replication"),
        ("dblink_exec", "admin.remote"),
        ("http_get", "transfer.remote"),
        ("query_to_xml", "unknown.dynamic"),
        ("pg_advisory_lock", "write.lock"),
        ("pg_brand_new", "unknown.function"),
        ("mine", "execute.function"),
        ("array_cat", None),
        ("starts_with", None),
    ],
)
def test_functions_have_parts(name: str, effect: str | None) -> None:
    assert call_effect("", name)[0] == effect


# -- what only rules that name it reach


FORWARD = Operation("transfer", "FORWARD", (Object("", "db:5432", "host"),), part="forward")


def forwarded(*rules: Rule) -> Decision:
    return engine(config(*rules)).decide_operation(Subject(person(), SHOP, "app_rw"), FORWARD)


@pytest.mark.parametrize("effect", [(), ("transfer",), ("transfer.listen", "transfer")])
def test_a_forward_is_not_reached_by_rules_that_do_not_name_it(effect: tuple[str, ...]) -> None:
    assert forwarded(rule("most", "allow", what=What(effect=effect))).rule == "default-deny"
    assert forwarded(rule("most", "hold", what=What(effect=effect))).rule == "default-deny"
    named = rule("forwards", "allow", what=What(effect=("transfer.forward",), object=("db:*",)))
    assert forwarded(rule("most", "allow", what=What(effect=effect)), named).rule == "forwards"


@pytest.mark.parametrize("effect", [(), ("transfer",), ("transfer.forward",)])
def test_a_deny_takes_forwards_with_the_rest(effect: tuple[str, ...]) -> None:
    named = rule("forwards", "allow", what=What(effect=("transfer.forward",)))
    assert forwarded(rule("no", "deny", what=What(effect=effect)), named).rule == "no"


def test_a_rule_that_names_forwards_is_not_shadowed_by_one_that_does_not_reach_them() -> None:
    named = rule("forwards", "allow", what=What(effect=("transfer.forward",)))
    assert not lint(config(rule("most", "allow", what=What(effect=("transfer", "read"))), named))
    assert not lint(config(ALL, named))
    assert lint(config(rule("no", "deny", what=What(effect=("transfer",))), named))
    assert lint(config(rule("first", "allow", what=What(effect=("transfer.forward",))), named))
