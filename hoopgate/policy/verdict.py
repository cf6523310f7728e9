"""Findings about single objects, and the one decision that a message gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from attrs import field, frozen

from hoopgate.config.model import Rule, Target
from hoopgate.policy.operations import Operation
from hoopgate.policy.rules import Case, unconditional
from hoopgate.policy.sql.tree import Parsed
from hoopgate.verdicts import Approvers

NOBODY: Final = Approvers(())
Answer = Literal["allow", "deny", "hold"]

DEFAULT_DENY: Final = "default-deny"
SEVERITY: Final = {"allow": 0, "hold": 1, "deny": 2}


@frozen
class Decision:
    """What becomes of a message. ``rule`` is the rule that decides (``default-deny``: none allows it).

    ``reason`` and ``hint`` are for the client. ``parsed`` is None where the decision was remembered by shape, or the
    text cannot be parsed. ``timeout`` (seconds) and ``approvers`` mean something for a hold.
    """

    then: Answer
    rule: str
    reason: str = ""
    hint: str = ""
    risk: int = 0
    risk_reasons: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    approvers: Approvers = NOBODY
    timeout: float = 0.0
    parsed: Parsed | None = field(default=None, eq=False, repr=False)


@frozen
class Finding:
    """The answer for one case. ``rule`` is None where none covers it; ``by`` is then the access that lets it pass.

    ``waiting``: a rule that would cover it under a just-in-time grant.
    """

    then: str
    rule: Rule | None
    case: Case
    by: str = DEFAULT_DENY
    waiting: Rule | None = None

    @property
    def name(self) -> str:
        return self.rule.name if self.rule else self.by


def denial(reason: str, rule: str, hint: str = "") -> Decision:
    return Decision("deny", rule, reason, hint)


def opening(target: Target, role: str, rules: Iterable[Rule], dormant: Iterable[Rule]) -> Decision:
    """May a session open? A deny that asks nothing of the statement shuts the door; any allow or hold opens it."""
    for rule in rules:
        if rule.then == "deny":
            if unconditional(rule.what):
                return denial(rule.reason or f"rule {rule.name} denies {target.name}", rule.name, rule.hint)
        else:
            return Decision("allow", rule.name)
    waiting = next(iter(dormant), None)
    return denial(f"no rule allows {role} on {target.name}", DEFAULT_DENY, _grant_hint(waiting))


def gather(findings: list[Finding]) -> list[Finding]:
    """The findings of the severest kind, in order."""
    worst = max(SEVERITY[finding.then] for finding in findings)
    return [finding for finding in findings if SEVERITY[finding.then] == worst]


def decided(findings: list[Finding]) -> Decision:
    """One decision of findings of one kind."""
    first = findings[0]
    if first.then == "allow":
        return Decision("allow", first.name)
    if first.then == "deny":
        return _denied(first)
    return _held(findings)


def _denied(finding: Finding) -> Decision:
    rule, operation = finding.rule, finding.case.operation
    hint = rule.hint if rule else _grant_hint(finding.waiting)
    if operation.command == "UNPARSABLE":
        # a typing mistake is the usual cause: the parser's words help more than the rule's
        return denial(f"the statement cannot be judged: {operation.why}", finding.name, hint)
    if rule is None:
        return denial(f"no rule allows {describe(finding.case)}", finding.name, hint)
    return denial(rule.reason or f"{describe(finding.case)} is denied", rule.name, hint)


def _held(findings: list[Finding]) -> Decision:
    """Several rules may hold one message: whoever approves has to satisfy each of them."""
    rules = list(dict.fromkeys(finding.rule.name for finding in findings if finding.rule))
    holding = [finding.rule for finding in findings if finding.rule]
    groups = [group for group in holding[0].approvers.groups if all(group in rule.approvers.groups for rule in holding)]
    if not groups and len(rules) > 1:
        reason = f"held by the rules {' and '.join(rules)}, whose approvers have no group in common"
        return denial(reason, rules[0], "Send the statements one by one.")
    first = findings[0]
    rule = holding[0]
    return Decision(
        "hold",
        rule.name,
        rule.reason or f"{describe(first.case)} needs an approval",
        rule.hint,
        approvers=Approvers(tuple(groups), max(rule.approvers.count for rule in holding)),
        timeout=min(rule.timeout for rule in holding),
    )


def describe(case: Case) -> str:
    """``DELETE on public.orders (no WHERE)``."""
    operation = case.operation
    on = f" on {case.thing}" if case.thing is not None and str(case.thing) else ""
    why = f" ({operation.why})" if operation.why else ""
    return f"{operation.command}{on}{why}"


def _grant_hint(waiting: Rule | None) -> str:
    return f"A just-in-time grant of {waiting.name} would: see `hoopgate grants --help`." if waiting else ""
