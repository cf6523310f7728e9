"""Decisions: who, what, and the rules, remembered by all that they depend on.

A decision is kept under the exact text, and, where no literal was looked at, under the text's shape (see
:mod:`hoopgate.policy.sql.shape`); beside it stand the rules that apply to this identity, target and role at this
moment, and the risk's signals from outside the text (working hours, first time). An engine belongs to one
configuration, so a reload forgets everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hoopgate.config.model import Canary, Config, Detector, Mask, Rule, Target
from hoopgate.errors import LimitError
from hoopgate.frames import Parameter
from hoopgate.interfaces import Identity
from hoopgate.policy.globs import any_matches
from hoopgate.policy.memory import Memory
from hoopgate.policy.operations import Operation
from hoopgate.policy.risk import assess, outside_hours
from hoopgate.policy.rules import (
    Case,
    case_mismatch,
    case_of,
    grant_mismatch,
    issuer_names,
    place_mismatch,
    who_mismatch,
)
from hoopgate.policy.ruling import Ruling, names_without_schema
from hoopgate.policy.shell.effects import operations
from hoopgate.policy.sql.bound import hoped, with_values
from hoopgate.policy.sql.effects import Effects, effects, unparsable
from hoopgate.policy.sql.moving import moved_names
from hoopgate.policy.sql.parser import Parser
from hoopgate.policy.sql.shape import shape
from hoopgate.policy.sql.tree import Parsed, Unparsable
from hoopgate.policy.standing import Around, Scope, Standing, Subject
from hoopgate.policy.through import opened
from hoopgate.policy.verdict import DEFAULT_DENY, SEVERITY, Decision, Finding, decided, denial, gather, opening
from hoopgate.policy.vouched import Vouched

__all__ = ["Decision", "Engine", "Ruling", "Standing", "Subject"]

FUNCTION_CALL: Final = Operation(
    "unknown", "FUNCTION CALL", why="calls a function by its number, which no rule can name", part="function"
)

_LONGEST_EXACT: Final = 1024  # characters of a text that is remembered as it is
_LONGEST_COMMAND: Final = 16 * 1024  # the same, of command lines
_MOST_CASES: Final = 1000  # objects of one message: judging each by each rule takes time
_TOTAL: Final = 16 * 1024 * 1024  # characters that are remembered
_TREE: Final = 32  # what a character weighs whose parse tree is kept
_HOLED: Final = True  # marks a shape: no text can be taken for one


class Engine:
    """Judges by one configuration. ``clock`` tells the time of day; ``parser`` may parse long texts elsewhere."""

    def __init__(self, config: Config, parser: Parser, clock: IReactorTime) -> None:
        self.config = config
        self.issuers = issuer_names(config)
        self._parser = parser
        self._clock = clock
        self._vouched = Vouched(config)
        # No decision depends on when it is asked for, nor on what was asked before.
        self.timeless = not config.risk.outside_hours and not config.risk.first_time
        limit = config.limits.decisions
        self._scopes: Memory[tuple[Any, ...], tuple[Identity, Scope]] = Memory(limit, limit)
        self._interned: Memory[tuple[Any, ...], Scope] = Memory(limit, limit)
        self._arounds: Memory[tuple[Any, ...], Around] = Memory(limit, limit)
        self._exact: Memory[tuple[Any, ...], Ruling] = Memory(limit, _TOTAL)
        self._shapes: Memory[tuple[Any, ...], Ruling] = Memory(limit, _TOTAL)
        self._seen: Memory[tuple[str, str, str], bool] = Memory(limit, _TOTAL)

    def access(self, identity: Identity, target: Target, role: str, grants: frozenset[str]) -> Decision:
        """May a session open at all? Allowed by the first rule that could allow or hold something in it."""
        return self.scope(identity, target, role, grants).access

    def standing(self, subject: Subject) -> Standing:
        """What holds for the subject under this configuration, for as long as the subject is the same."""
        return Standing(subject, self.scope(subject.identity, subject.target, subject.role, subject.grants))

    def known(self, standing: Standing, text: str) -> Ruling | None:
        """What is remembered of this text, as :meth:`rule` would answer; None if it has to be judged.

        Whoever acts on it says so (:meth:`went_by`).
        Costs less than 1 µs by the exact text, which is also the shape of a text without literals, and 1 to 3 µs more
        by another shape.
        """
        if standing.shut is not None:
            return standing.shut
        around = self._around(standing, text)
        found = self._exact.get((text, around))
        if found is None and not standing.commands:
            form = shape(text)
            if form is not None:
                found = self._shapes.get((form, around, _HOLED))
        return found

    def went_by(self, standing: Standing, text: str, ruling: Ruling) -> None:
        """Somebody acted on what was :meth:`known`, so that it is no first time any more."""
        if not self.timeless and self._around(standing, text).first:
            self._ran(standing, text, ruling.decision)

    def rule(self, standing: Standing, text: str) -> Ruling | Deferred[Ruling]:
        """Judge a message of statements. At once where it is remembered or short, later where it is long.

        A new one costs some 170 µs for a small UPDATE. Never fails: what cannot be parsed has the effect "unknown".
        """
        known = self.known(standing, text)
        if known is not None:
            self.went_by(standing, text, known)
            return known
        around = self._around(standing, text)
        if standing.commands:
            return self._command(standing, text, around)
        try:
            parsed = self._parser.parse(text)
        except Unparsable as error:
            return self._judged(standing, text, around, error)
        if isinstance(parsed, Deferred):
            return parsed.addCallbacks(
                lambda found: self._judged(standing, text, around, found),
                lambda failure: self._judged(standing, text, around, _unparsable(failure)),
            )
        return self._judged(standing, text, around, parsed)

    def _command(self, standing: Standing, text: str, around: Around) -> Ruling:
        """Judge a command line for the target's shell (see :mod:`hoopgate.policy.shell.effects`)."""
        shell = (self._current(standing.subject.target) or standing.subject.target).shell
        found = operations(text, shell, self.config.limits.command)
        ruling = Ruling(self.judge(around, Effects(found, True), None))
        if len(text) <= _LONGEST_COMMAND:
            self._exact.put((text, around), ruling, len(text) * _TREE)
        if around.first:
            self._ran(standing, text, ruling.decision)
        return ruling

    def rule_bound(
        self, standing: Standing, text: str, parameters: Sequence[Parameter] | None
    ) -> Ruling | Deferred[Ruling]:
        """Judge a text whose ruling is ``by_parameter`` with its parameters' values; None: they are still to come.

        Costs a walk over the tree each time: nothing of it is remembered.
        """
        try:
            parsed = self._parser.parse(text)
        except Unparsable as error:
            return self._judged(standing, text, self._around(standing, text), error)
        if isinstance(parsed, Deferred):
            return parsed.addCallbacks(
                lambda found: self._bound(standing, text, found, parameters),
                lambda failure: self._judged(standing, text, self._around(standing, text), _unparsable(failure)),
            )
        return self._bound(standing, text, parsed, parameters)

    def _bound(self, standing: Standing, text: str, parsed: Parsed, parameters: Sequence[Parameter] | None) -> Ruling:
        bound = hoped(parsed) if parameters is None else with_values(parsed, parameters)
        found = effects(bound)
        decision = self.judge(self._around(standing, text), found, parsed)
        return Ruling(decision, names_without_schema(found.operations), moved_names(parsed))

    def decide(self, subject: Subject, text: str) -> Decision | Deferred[Decision]:
        """The decision of :meth:`rule`."""
        ruling = self.rule(self.standing(subject), text)
        if isinstance(ruling, Deferred):
            return ruling.addCallback(_decision)
        return ruling.decision

    def decide_now(self, subject: Subject, text: str) -> Decision:
        """The same where nobody can wait (examples, the command line). Raises LimitError for a long text."""
        decision = self.decide(subject, text)
        if isinstance(decision, Deferred):
            raise LimitError("the statement is too long to be judged at once", limit="limits.statement_inline")
        return decision

    def decide_call(self, subject: Subject) -> Decision:
        """Judge a call by object id (PostgreSQL's FunctionCall): only a rule that allows "unknown" lets it through."""
        return self.decide_operation(subject, FUNCTION_CALL)

    def decide_operation(self, subject: Subject, operation: Operation) -> Decision:
        """Judge what is no statement of SQL, such as a replication connection or one of its commands."""
        return self.decide_operations(subject, (operation,))

    def decide_operations(self, subject: Subject, operations: tuple[Operation, ...]) -> Decision:
        """The same of several at once, of which each must be allowed; at least one."""
        scope = self.scope(subject.identity, subject.target, subject.role, subject.grants)
        if scope.access.then == "deny":
            return scope.access
        outside = outside_hours(self.config.risk, self._clock.seconds())
        return self.judge(Around(scope, outside, True, subject.search_path), Effects(operations, True), None)

    def masks(self, identity: Identity, target: Target) -> tuple[Mask, ...]:
        """The masks in force for this identity on this target.

        A mask is in force on its targets, except for whom its ``unless`` covers. Where rules name it, it is in force
        for whom one of those rules covers.
        """
        naming = [rule for rule in self.config.rules if rule.then == "mask"]
        covering = [
            rule
            for rule in naming
            if not who_mismatch(rule.who, identity, self.issuers)
            and not place_mismatch(evolve(rule.what, role=()), self._current(target) or target, "")
        ]
        return tuple(mask for mask in self.config.masks if self._in_force(mask, identity, target, naming, covering))

    def _in_force(
        self, mask: Mask, identity: Identity, target: Target, naming: list[Rule], covering: list[Rule]
    ) -> bool:
        if not any_matches(mask.target, target.name):
            return False
        if mask.unless is not None and not who_mismatch(mask.unless, identity, self.issuers):
            return False
        named = any(mask.name in rule.masks for rule in naming)
        return not named or any(mask.name in rule.masks for rule in covering)

    def detectors(self, identity: Identity, target: Target) -> tuple[Detector, ...]:
        """The detectors in force for this identity on this target."""
        return tuple(
            detector
            for detector in self.config.detectors
            if any_matches(detector.target, target.name)
            and (detector.unless is None or bool(who_mismatch(detector.unless, identity, self.issuers)))
        )

    def canaries(self, target: Target) -> tuple[Canary, ...]:
        """The canaries that are planted in this target."""
        return tuple(canary for canary in self.config.canaries if any_matches(canary.target, target.name))

    def watches(self, identity: Identity, target: Target) -> bool:
        """Whether anything has to look at rows before this identity gets them."""
        return bool(self.masks(identity, target) or self.detectors(identity, target) or self.canaries(target))

    # -- how it is found

    def scope(self, identity: Identity, target: Target, role: str, grants: frozenset[str]) -> Scope:
        """The rules that apply; remembered for as long as the identity object lives in memory here."""
        key = (id(identity), target.name, role, grants)
        known = self._scopes.get(key)
        if known is not None and known[0] is identity:
            return known[1]
        scope = self._scope(identity, target, role, grants)
        self._scopes.put(key, (identity, scope), 1)
        return scope

    def _scope(self, identity: Identity, target: Target, role: str, grants: frozenset[str]) -> Scope:
        current = self._current(target)
        if current is None:
            return Scope(target, (), (), denial("the target is no longer configured", DEFAULT_DENY))
        if identity.targets and target.name not in identity.targets:
            reason = "this token is bound to other targets: " + ", ".join(identity.targets)
            return Scope(current, (), (), denial(reason, "token-targets", "Exchange a token for this target."))
        covering = [
            rule
            for rule in self.config.rules
            if rule.then != "mask"
            and not who_mismatch(rule.who, identity, self.issuers)
            and not place_mismatch(rule.what, current, role)
        ]
        rules = tuple(rule for rule in covering if not grant_mismatch(rule, current, grants))
        dormant = tuple(rule for rule in covering if rule not in rules)
        names = (target.name, role, tuple(rule.name for rule in rules), tuple(rule.name for rule in dormant))
        known = self._interned.get(names)
        if known is None:
            known = Scope(current, rules, dormant, opening(current, role, rules, dormant))
            self._interned.put(names, known, 1)
        return known

    def _current(self, target: Target) -> Target | None:
        """A session may hold a target of an older configuration: labels count as they are now."""
        return self.config.target(target.name)

    def _around(self, standing: Standing, text: str) -> Around:
        """What holds at this moment, for this text."""
        outside, first = False, False
        if not self.timeless:
            outside = outside_hours(self.config.risk, self._clock.seconds())
            first = self._is_first(standing, text)
        at = 2 * outside + first
        found = standing.arounds[at]
        if found is None:
            search_path = standing.subject.search_path
            key = (standing.scope, outside, first, search_path)
            found = self._arounds.get(key)
            if found is None:
                found = Around(standing.scope, outside, first, search_path)
                self._arounds.put(key, found, 1)
            standing.arounds[at] = found
        return found

    def _is_first(self, standing: Standing, text: str) -> bool:
        if not self.config.risk.first_time:
            return False
        if standing.subject.first_seen is not None:
            return standing.subject.first_seen
        return self._seen.get(self._seen_key(standing, text)) is None

    def _ran(self, standing: Standing, text: str, decision: Decision) -> None:
        """What is held or denied is not run, and is a first time again."""
        if decision.then == "allow":
            key = self._seen_key(standing, text)
            self._seen.put(key, True, len(key[2]))

    def _seen_key(self, standing: Standing, text: str) -> tuple[str, str, str]:
        form = None if standing.commands else shape(text)
        return standing.person, standing.subject.target.name, form or text[:_LONGEST_EXACT]

    def _judged(self, standing: Standing, text: str, around: Around, parsed: Parsed | Unparsable) -> Ruling:
        if isinstance(parsed, Unparsable):
            # Not remembered: it may be a long text that another moment has time for.
            return Ruling(self.judge(around, Effects((unparsable(parsed.reason),), True), None))
        found = effects(parsed)
        form = None if found.by_literal else shape(text)
        decision = self.judge(around, found, None if form is not None else parsed)
        ruling = Ruling(decision, names_without_schema(found.operations), moved_names(parsed), found.by_parameter)
        if form == text:
            self._exact.put((text, around), ruling, len(text))
        elif form is not None:
            self._shapes.put((form, around, _HOLED), ruling, len(form))
        elif len(text) <= _LONGEST_EXACT:
            self._exact.put((text, around), ruling, len(text) * _TREE)
        if around.first:
            self._ran(standing, text, decision)
        return ruling

    def judge(self, around: Around, found: Effects, parsed: Parsed | None) -> Decision:
        """Try the rules for each object of each operation, and take the severest answer."""
        scope = around.scope
        if sum(len(operation.objects) or 1 for operation in found.operations) > _MOST_CASES:
            found = Effects((unparsable(f"it touches more than {_MOST_CASES} objects"),), True)
        raised = self._vouched.raised(found.operations, around.search_path)
        found = evolve(found, operations=opened(raised, partial(self._severity, around)))
        cases = self.cases(scope, found, around.search_path)
        labels = {label for case in cases for label in case.every_label}
        risk, reasons = assess(
            self.config.risk, found.operations, scope.target, labels, outside=around.outside, first=around.first
        )
        findings = [self.find(scope, case, risk) for case in cases]
        return evolve(
            decided(gather(findings)), risk=risk, risk_reasons=reasons, operations=found.operations, parsed=parsed
        )

    def _severity(self, around: Around, operation: Operation) -> int:
        cases = self.cases(around.scope, Effects((operation,), True), around.search_path)
        return max(SEVERITY[self.find(around.scope, case, 0).then] for case in cases)

    def cases(self, scope: Scope, found: Effects, search_path: tuple[str, ...]) -> list[Case]:
        """Each object of each operation, or the operation alone where it has none."""
        return [
            case_of(operation, thing, scope.target, search_path)
            for operation in found.operations
            for thing in operation.objects or (None,)
        ]

    def find(self, scope: Scope, case: Case, risk: int) -> Finding:
        """The first rule that covers the case; what no rule covers is denied.

        Statements about the session itself (BEGIN, SHOW, harmless SET) that no rule covers belong to the access that
        opened the session.
        """
        for rule in scope.rules:
            if not case_mismatch(rule, case, risk):
                return Finding(rule.then, rule, case)
        if case.operation.effect == "session":
            return Finding("allow", None, case, by=scope.access.rule)
        waiting = next((rule for rule in scope.dormant if not case_mismatch(rule, case, risk)), None)
        return Finding("deny", None, case, waiting=waiting)


def _decision(ruling: Ruling) -> Decision:
    return ruling.decision


def _unparsable(failure: Any) -> Unparsable:
    failure.trap(Unparsable)
    error: Unparsable = failure.value
    return error
