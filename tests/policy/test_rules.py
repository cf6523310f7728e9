"""Whom and what rules cover."""

from __future__ import annotations

from typing import Any

import pytest

from hoopgate.config.model import Target, What, Who
from hoopgate.policy.globs import covers, matches, object_matches
from hoopgate.policy.operations import Object
from hoopgate.policy.rules import who_mismatch
from tests.policy.samples import LAB, SHOP, STAFF, config, decide, person, rule


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("*", "", True),
        ("a*", "abc", True),
        ("a*", "bac", False),
        ("?", "a", True),
        ("?", "ab", False),
        ("a.b", "axb", False),
        ("[ab]c", "bc", True),
        ("[!ab]c", "bc", False),
        ("[a-c]x", "bx", True),
        ("[]]x", "]x", True),
        ("[a", "[a", True),
        ("a\nb*", "a\nbc\nd", True),
        ("A", "a", False),
        ("(.*)", "x", False),
        ("*" * 40 + "b", "a" * 5000, False),
    ],
)
def test_globs(glob: str, text: str, expected: bool) -> None:
    assert matches(glob, text) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "a?b*", True),
        ("a*", "ab*", True),
        ("a*", "a*", True),
        ("a?", "a*", False),
        ("ab*", "a*", False),
        ("*a*", "*", False),
        ("a*c", "abc", True),
        ("a?", "ab", True),
        ("a[b]", "ab", False),
        ("*", "[ab]", True),
    ],
)
def test_which_glob_covers_another(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


TABLE = Object("public", "orders")
BARE = Object("", "orders")


@pytest.mark.parametrize(
    ("glob", "thing", "schemas", "surely", "possibly"),
    [
        ("public.orders", TABLE, (), True, True),
        ("*.orders", TABLE, (), True, True),
        ("orders", TABLE, (), True, True),
        ("*", TABLE, (), True, True),
        ("*.*", TABLE, (), True, True),
        ("other.*", TABLE, (), False, False),
        ("public.orders", BARE, ("public",), True, True),
        ("public.orders", BARE, ("app", "public"), False, True),
        ("*.orders", BARE, ("app", "public"), True, True),
        ("public.*", BARE, (), False, False),
        ("a.b.c", Object("a", "b.c"), (), True, True),
        ("a.*", Object("", "a.b"), ("public",), False, False),
        ("secret.*", Object("", "secret", "schema"), (), True, True),
        ("secret.users", Object("", "secret", "schema"), (), False, True),
        ("secret", Object("", "secret", "schema"), (), True, True),
        ("other.*", Object("", "secret", "schema"), (), False, False),
        ("app.*", Object("", "app.tenant", "setting"), (), True, True),
        ("*.*", Object("", "postgres", "role"), (), True, True),
        ("public.*", Object("", "postgres", "role"), (), False, False),
    ],
)
def test_objects(glob: str, thing: Object, schemas: tuple[str, ...], surely: bool, possibly: bool) -> None:
    assert object_matches(glob, thing, schemas, True) is surely
    assert object_matches(glob, thing, schemas, False) is possibly


@pytest.mark.parametrize(
    ("who", "given", "expected"),
    [
        (Who(), {}, True),
        (Who(issuer=("staff",)), {}, True),
        (Who(issuer=(STAFF,)), {}, True),
        (Who(issuer=("https://*",)), {}, True),
        (Who(issuer=("robots",)), {}, False),
        (Who(subject=("an*",)), {}, True),
        (Who(subject=("bob", "ann")), {}, True),
        (Who(subject=("bob",)), {}, False),
        (Who(groups=("dba",)), {"groups": frozenset({"dba", "x"})}, True),
        (Who(groups=("dba",)), {}, False),
        (Who(groups=("dba",), subject=("bob",)), {"groups": frozenset({"dba"})}, False),
        (Who(scopes=("db:*",)), {"scopes": frozenset({"db:read"})}, True),
        (Who(claims={"team": ("shop",)}), {"claims": {"team": "shop"}}, True),
        (Who(claims={"team": ("shop",)}), {"claims": {"team": ["x", "shop"]}}, True),
        (Who(claims={"team": ("*",)}), {}, False),
        (Who(claims={"level": ("3",)}), {"claims": {"level": 3}}, True),
        (Who(claims={"admin": ("true",)}), {"claims": {"admin": True}}, True),
        (Who(claims={"admin": ("true",)}), {"claims": {"admin": False}}, False),
        (Who(claims={"realm.role": ("x",)}), {"claims": {"realm": {"role": "x"}}}, True),
        (Who(claims={"team": ("*",)}), {"claims": {"team": {"a": 1}}}, False),
        (Who(delegated=True), {"chain": ("i|a",)}, True),
        (Who(delegated=True), {}, False),
        (Who(delegated=False), {"chain": ("i|a",)}, False),
        (Who(delegated=False), {}, True),
    ],
)
def test_who(who: Who, given: dict[str, Any], expected: bool) -> None:
    assert (who_mismatch(who, person(**given), {STAFF: "staff"}) == "") is expected


def test_another_issuer_with_the_same_subject_is_another_person() -> None:
    found = config(rule("ann", "allow", Who(issuer=("staff",), subject=("ann",))))
    stranger = person()
    assert decide(found, "SELECT 1", stranger).then == "allow"
    from attrs import evolve

    assert decide(found, "SELECT 1", evolve(stranger, issuer="https://evil.example")).then == "deny"


@pytest.mark.parametrize(
    ("what", "sql", "target", "expected"),
    [
        (What(target=("sh*",)), "SELECT 1", SHOP, "allow"),
        (What(target=("lab",)), "SELECT 1", SHOP, "deny"),
        (What(labels={"env": ("prod",)}), "SELECT 1", SHOP, "allow"),
        (What(labels={"env": ("prod",)}), "SELECT 1", LAB, "deny"),
        (What(labels={"team": ("*",)}), "SELECT 1", SHOP, "deny"),
        (What(role=("app_*",)), "SELECT 1", SHOP, "allow"),
        (What(role=("app_*",)), "SELECT 1", LAB, "deny"),
        (What(effect=("read",)), "SELECT * FROM a", SHOP, "allow"),
        (What(effect=("read",)), "INSERT INTO a SELECT * FROM b", SHOP, "deny"),
        (What(effect=("read", "write")), "INSERT INTO a SELECT * FROM b", SHOP, "allow"),
        (What(effect=("read",)), "SELECT mine()", SHOP, "deny"),
        (What(effect=("read", "execute")), "SELECT mine()", SHOP, "allow"),
        (What(effect=("read",)), "BEGIN", SHOP, "allow"),  # the session's own, where any access is
        (What(effect=("read",)), "SET ROLE x", SHOP, "deny"),
        (What(object=("public.orders",)), "SELECT * FROM orders", SHOP, "allow"),
        (What(object=("public.orders",)), "SELECT * FROM public.orders", SHOP, "allow"),
        (What(object=("public.orders",)), "SELECT * FROM secret.orders", SHOP, "deny"),
        (What(object=("public.orders",)), "SELECT * FROM orders, users", SHOP, "deny"),
        (What(object=("public.*",)), "SELECT 1", SHOP, "allow"),
        (What(object=("public.*",)), "SELECT * FROM pg_class", SHOP, "deny"),
        (What(object=("public.*", "pg_catalog.*")), "SELECT * FROM pg_catalog.pg_class", SHOP, "allow"),
        (What(object=("public.*",)), "DO 'x'", SHOP, "deny"),
        (What(object=("public.*",)), "VACUUM", SHOP, "deny"),
        (What(object=("*",)), "VACUUM", SHOP, "allow"),
        (What(object=("scratch.*",)), "DROP SCHEMA scratch", SHOP, "allow"),
        (What(object=("scratch.*",)), "DROP SCHEMA public CASCADE", SHOP, "deny"),
        (What(object_labels=("pii",)), "SELECT * FROM customers", SHOP, "allow"),
        (What(object_labels=("pii",)), "SELECT * FROM other.customers", SHOP, "deny"),
        (What(object_labels=("mon*",)), "SELECT * FROM x.cards", SHOP, "allow"),
        (What(command=("SELECT",)), "SELECT * FROM a", SHOP, "allow"),
        (What(command=("create table*",)), "CREATE TABLE a (x int)", SHOP, "allow"),
        (What(command=("CREATE TEMP*",)), "CREATE TABLE a (x int)", SHOP, "deny"),
        (What(command=("CREATE TEMP*",)), "CREATE TEMP TABLE a (x int)", SHOP, "allow"),
        (What(effect=("delete",), bounded=True), "DELETE FROM a WHERE id = 1", SHOP, "allow"),
        (What(effect=("delete",), bounded=True), "DELETE FROM a", SHOP, "deny"),
        (What(bounded=False), "DELETE FROM a", SHOP, "allow"),
        (What(bounded=False), "SELECT 1", SHOP, "deny"),
        (What(risk_at_least=60), "DELETE FROM a", SHOP, "allow"),
        (What(risk_at_least=66), "DELETE FROM a", SHOP, "deny"),
    ],
)
def test_what_an_allow_covers(what: What, sql: str, target: Target, expected: str) -> None:
    assert decide(config(rule("only", "allow", what=what)), sql, target=target).then == expected


@pytest.mark.parametrize(
    ("what", "sql", "expected"),
    [
        (What(object=("secret.*",)), "SELECT * FROM secret.a", "deny"),
        (What(object=("secret.*",)), "SELECT * FROM a, secret.b", "deny"),
        (What(object=("secret.*",)), "SELECT 1", "allow"),
        (What(object=("secret.users",)), "DROP SCHEMA secret CASCADE", "deny"),
        (What(object_labels=("pii",)), "SELECT * FROM customers", "deny"),
        (What(object_labels=("pii",)), "SELECT * FROM orders", "allow"),
        (What(object_labels=("audit",)), "DROP SCHEMA audit CASCADE", "deny"),
        (What(object=("users",)), "SELECT * FROM any_schema.users", "deny"),
        (What(effect=("unknown",)), "no sql at all", "deny"),
    ],
)
def test_what_a_deny_covers(what: What, sql: str, expected: str) -> None:
    assert decide(config(rule("no", "deny", what=what), rule("all", "allow")), sql).then == expected


def test_a_name_without_a_schema_is_where_the_search_path_says() -> None:
    found = config(
        rule("no", "deny", what=What(object=("secret.*",))), rule("yes", "allow", what=What(object=("app.*",)))
    )
    assert decide(found, "SELECT * FROM a", search_path=("app",)).then == "allow"
    assert decide(found, "SELECT * FROM a", search_path=("app", "secret")).then == "deny"
    assert decide(found, "SELECT * FROM a", search_path=("app", "other")).then == "deny"
    assert decide(found, "SELECT * FROM a", search_path=()).then == "deny"
