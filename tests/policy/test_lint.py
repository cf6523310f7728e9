"""What ``hoopgate check`` says of rules that can never do what they say."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hoopgate.config.model import Example, Mask, Risk, Rule, What, Who
from hoopgate.policy.rules import lint
from hoopgate.verdicts import Approvers
from tests.policy.samples import config, rule


def complaints(*rules: Rule, **more: Any) -> list[str]:
    return [str(error) for error in lint(config(*rules, **more))]


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (rule("r", "allow", what=What(effect=("reed",))), "no effect 'reed'"),
        (rule("r", "allow", what=What(target=("shoop",))), "no target is named 'shoop'"),
        (rule("r", "allow", what=What(labels={"env": ("qa",)})), "labels env = 'qa'"),
        (rule("r", "allow", what=What(labels={"colour": ("*",)})), "labels colour"),
        (rule("r", "allow", what=What(target=("lab",), labels={"env": ("prod",)})), "labels env"),
        (rule("r", "allow", what=What(role=("root",))), "has a role 'root'"),
        (rule("r", "allow", what=What(target=("shop",), role=("owner",))), "has a role 'owner'"),
        (rule("r", "allow", what=What(object_labels=("secret",))), "labels objects 'secret'"),
        (rule("r", "allow", what=What(target=("lab",), object_labels=("pii",))), "labels objects 'pii'"),
        (rule("r", "allow", Who(issuer=("robots",))), "no issuer is 'robots'"),
        (rule("r", "allow", what=What(risk_at_least=101)), "no risk is above 100"),
        (rule("r", "allow", what=What(effect=("read",), bounded=False)), "bounded = false never goes with 'read'"),
        (rule("r", "allow", what=What(effect=("schema",), bounded=True)), "bounded = true never goes with 'schema'"),
        (rule("r", "hold", approvers=Approvers(())), "nobody may release"),
        (rule("default-deny", "allow"), "gateway's own name"),
        (rule("r", "mask"), "names no mask"),
        (rule("r", "mask", masks=("m",)), "'m' that is not defined"),
        (rule("r", "mask", what=What(effect=("read",)), masks=()), "in force for whole targets"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_that_can_never_match(faulty: Rule, words: str) -> None:
    found = lint(config(evolve(faulty, line=7)))
    assert any(words in str(error) for error in found)
    for error in found:
        assert error.where == "hoopgate.toml:7"
        assert faulty.name in str(error)
        assert error.remedy


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        (rule("a", "allow"), rule("b", "deny", what=What(effect=("read",))), True),
        (rule("a", "deny", what=What(effect=("read", "write"))), rule("b", "allow", what=What(effect=("read",))), True),
        (
            rule("a", "deny", what=What(effect=("read",))),
            rule("b", "allow", what=What(effect=("read", "write"))),
            False,
        ),
        (rule("a", "deny", what=What(effect=("read",))), rule("b", "allow"), False),
        (rule("a", "allow", Who(groups=("*",))), rule("b", "deny", Who(groups=("x",))), True),
        (rule("a", "allow", Who(groups=("*",))), rule("b", "deny"), False),
        (rule("a", "allow", Who(groups=("x",))), rule("b", "deny", Who(subject=("x",))), False),
        (rule("a", "allow", what=What(target=("s*",))), rule("b", "deny", what=What(target=("shop",))), True),
        (rule("a", "deny", what=What(bounded=False)), rule("b", "hold", what=What(bounded=False)), True),
        (rule("a", "deny", what=What(bounded=False)), rule("b", "allow", what=What(effect=("write",))), False),
        (rule("a", "deny", what=What(risk_at_least=50)), rule("b", "hold", what=What(risk_at_least=60)), True),
        (rule("a", "deny", what=What(risk_at_least=50)), rule("b", "hold", what=What(risk_at_least=40)), False),
        (rule("a", "allow", grant=True), rule("b", "deny"), False),
        (
            rule("a", "allow", what=What(object=("public.*",))),
            rule("b", "deny", what=What(object=("public.x",))),
            False,
        ),
        (rule("a", "deny", what=What(object=("public.*",))), rule("b", "deny", what=What(object=("public.x",))), True),
        (rule("a", "allow", Who(delegated=True)), rule("b", "deny"), False),
        (rule("a", "allow", Who(claims={"t": ("*",)})), rule("b", "deny", Who(claims={"t": ("x",)})), True),
    ],
)
def test_shadows(first: Rule, second: Rule, shadowed: bool) -> None:
    found = complaints(first, second)
    assert bool(found) is shadowed
    assert all("rule 'b'" in one and "'a'" in one for one in found)


def test_a_mask_rule_shadows_nothing() -> None:
    mask = Mask("m", ("*.*.password",))
    assert complaints(rule("hide", "mask", masks=("m",)), rule("all", "allow"), masks=(mask,)) == []


def test_examples_are_run() -> None:
    good = Example("DELETE FROM a", "hold")
    wait = rule("wait", "hold", Who(groups=("dev*",)), What(effect=("delete",)), examples=(good,))
    assert complaints(wait) == []
    bad = evolve(wait, examples=(good, Example("DELETE FROM a", "allow"), Example("SELEC", "allow")), line=12)
    found = complaints(bad)
    assert len(found) == 2
    assert "hoopgate.toml:12" in found[0]
    assert "example 2 ('DELETE FROM a') expects allow and gets hold by 'wait'" in found[0]
    assert "syntax error" in found[1]


def test_an_example_says_as_whom_and_where() -> None:
    examples = (
        Example("SELECT 1", "allow", who={"groups": ["dev"], "subject": "ann"}, target="shop", role="app_ro"),
        Example("SELECT 1", "deny", who={"groups": ["other"]}),
        Example("SELECT 1", "deny", who={"groups": ["dev"]}, target="lab"),
        Example("SELECT 1", "deny", who={"groups": ["dev"]}, role="app_rw"),
    )
    dev = rule("dev", "allow", Who(groups=("dev",)), What(target=("shop",), role=("app_ro",)), examples=examples)
    assert complaints(dev) == []


def test_examples_of_grants_masks_and_hours() -> None:
    mask = Mask("m", ("*.*.password",))
    rules = (
        rule("owner", "allow", what=What(effect=("schema",)), grant=True, examples=(Example("DROP TABLE a", "allow"),)),
        rule("late", "deny", what=What(risk_at_least=60), examples=(Example("SELECT 1", "allow"),)),
        rule("read", "allow", what=What(effect=("read",))),
        rule("hide", "mask", masks=("m",), examples=(Example("SELECT 1", "mask"), Example("DELETE FROM a", "mask"))),
    )
    found = complaints(*rules, masks=(mask,), risk=Risk(outside_hours=90))
    assert len(found) == 1
    assert "'DELETE FROM a'" in found[0]


def test_masks() -> None:
    masks = (
        Mask("parts", ("password", "a..b", "*.*.ok")),
        Mask("nowhere", ("*.*.x",), target=("gone",)),
        Mask("nobody", ("*.*.x",), unless=Who()),
        Mask("twice", ("*.*.x",)),
        Mask("twice", ("*.*.y",)),
    )
    found = complaints(masks=masks)
    assert [one.split("mask ")[1].split(":")[0] for one in found] == [
        "'parts'", "'parts'", "'nowhere'", "'nobody'", "'twice'",
    ]  # fmt: skip


def test_two_rules_of_one_name() -> None:
    rules = (rule("a", "deny", what=What(effect=("read",))), rule("a", "allow", what=What(effect=("write",))))
    assert any("defined twice" in one for one in complaints(*rules))
