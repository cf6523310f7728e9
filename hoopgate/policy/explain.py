"""Why a statement gets its answer: each object of each operation against each rule, with what did not fit."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from hoopgate.policy.engine import Engine, Subject
from hoopgate.policy.operations import Operation
from hoopgate.policy.rules import Case, case_mismatch, grant_mismatch, place_mismatch, who_mismatch
from hoopgate.policy.sql.effects import Effects
from hoopgate.policy.verdict import Decision, Finding


@frozen
class Step:
    """One rule tried on one case. ``mismatch`` is empty where the rule decides."""

    rule: str
    then: str
    line: int
    mismatch: str


@frozen
class Trial:
    """One object of one operation: the rules tried until one fit, and the answer."""

    operation: Operation
    object: str
    steps: tuple[Step, ...]
    then: str
    rule: str


@frozen
class Explanation:
    """The decision, each trial behind it, and the masks in force for this identity on this target."""

    decision: Decision
    trials: tuple[Trial, ...]
    masks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        decision = self.decision
        return {
            "then": decision.then,
            "rule": decision.rule,
            "reason": decision.reason,
            "hint": decision.hint,
            "risk": decision.risk,
            "risk_reasons": list(decision.risk_reasons),
            "approvers": {"groups": list(decision.approvers.groups), "count": decision.approvers.count}
            if decision.then == "hold"
            else None,
            "masks": list(self.masks),
            "trials": [
                {
                    "effect": trial.operation.name,
                    "command": trial.operation.command,
                    "object": trial.object,
                    "bounded": trial.operation.bounded,
                    "why": trial.operation.why,
                    "then": trial.then,
                    "rule": trial.rule,
                    "rules": [
                        {"rule": step.rule, "then": step.then, "line": step.line, "mismatch": step.mismatch}
                        for step in trial.steps
                    ],
                }
                for trial in self.trials
            ],
        }


def explain(engine: Engine, subject: Subject, text: str) -> Explanation:
    """Judge ``text`` as the service would, and tell each step. Raises LimitError for a text that is too long."""
    decision = engine.decide_now(subject, text)
    scope = engine.scope(subject.identity, subject.target, subject.role, subject.grants)
    found = Effects(decision.operations, True)
    trials = tuple(
        _trial(engine, subject, case, engine.find(scope, case, decision.risk), decision.risk)
        for case in engine.cases(scope, found, subject.search_path)
    )
    masks = tuple(mask.name for mask in engine.masks(subject.identity, subject.target))
    return Explanation(decision, trials, masks)


def _trial(engine: Engine, subject: Subject, case: Case, finding: Finding, risk: int) -> Trial:
    steps = []
    for rule in engine.config.rules:
        if rule.then == "mask":
            continue
        mismatch = (
            who_mismatch(rule.who, subject.identity, engine.issuers)
            or place_mismatch(rule.what, subject.target, subject.role)
            or grant_mismatch(rule, subject.target, subject.grants)
            or case_mismatch(rule, case, risk)
        )
        steps.append(Step(rule.name, rule.then, rule.line, mismatch))
        if not mismatch:
            break
    thing = str(case.thing) if case.thing is not None else ""
    return Trial(case.operation, thing, tuple(steps), finding.then, finding.name)
