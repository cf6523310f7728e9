"""Small configurations and people for the tests of rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from hoopgate.config.model import Config, Host, Issuer, Limits, Mask, Risk, Role, Rule, Target, What, Who
from hoopgate.interfaces import Identity
from hoopgate.policy.engine import Decision, Engine, Subject
from hoopgate.policy.sql.parser import Parser
from hoopgate.verdicts import Approvers

STAFF = "https://id.example.com"

SHOP = Target(
    "shop",
    "postgresql",
    (Host("db"),),
    roles=(Role("app_rw", "app_rw"), Role("app_ro", "app_ro")),
    labels={"env": "prod"},
    object_labels={"public.customers": ("pii",), "*.cards": ("money", "pii"), "audit.*": ("audit",)},
)
LAB = Target("lab", "postgresql", (Host("lab"),), roles=(Role("owner", "owner"),), labels={"env": "dev"})


def config(*rules: Rule, masks: tuple[Mask, ...] = (), risk: Risk = Risk(), **more: Any) -> Config:  # noqa: B008
    return Config(
        path=Path("hoopgate.toml"),
        version="v",
        issuers=(Issuer("staff", STAFF, ("hoopgate",)),),
        targets=(SHOP, LAB),
        rules=rules,
        masks=masks,
        risk=risk,
        **more,
    )


def rule(name: str, then: Any, who: Who | None = None, what: What | None = None, **more: Any) -> Rule:
    if then == "hold":
        more.setdefault("approvers", Approvers(("dba",), 1))
    return Rule(name, then, who or Who(), what or What(), **more)


def person(subject: str = "ann", *groups: str, **more: Any) -> Identity:
    return Identity(STAFF, subject, **{"groups": frozenset(groups), **more})


def engine(found: Config, clock: Clock | None = None) -> Engine:
    return Engine(found, Parser(None, Limits()), clock or Clock())


def decide(
    found: Config | Engine, sql: str, who: Identity | None = None, target: Target = SHOP, **more: Any
) -> Decision:
    judge = found if isinstance(found, Engine) else engine(found)
    role = more.pop("role", target.roles[0].name)
    return judge.decide_now(Subject(who or person(), target, role, **more), sql)
