"""The policy's word on every statement, in each phase of its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from hoopgate.frames import Frame, Phase, Statement
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.policy.engine import Decision, Subject
from hoopgate.verdicts import ALLOW, Block, Hold, Verdict

if TYPE_CHECKING:
    from hoopgate.session import Session


@implementer(IGuardFactory)
class Statements:
    """Every session has one."""

    def open(self, session: Session) -> StatementsGuard:
        return StatementsGuard(session)


@implementer(IGuard)
class StatementsGuard:
    """Text is judged as it is parsed, bound and run: a denial comes at once, a hold once the parameters are known.

    Each phase asks the policy in force then, so that a reload governs statements prepared before it.
    """

    wants = frozenset({Statement})

    def __init__(self, session: Session) -> None:
        self._session = session

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        assert isinstance(frame, Statement)
        session = self._session
        session.decision = None
        subject = Subject(
            identity=session.identity,
            target=session.target,
            role=session.role,
            grants=session.grants,
            first_seen=None,
        )
        if frame.phase is Phase.CALL:
            return self._verdict(frame, session.engine.decide_call(subject))
        decision = session.engine.decide(subject, frame.text)
        if isinstance(decision, Deferred):
            return decision.addCallback(lambda answer: self._verdict(frame, answer))
        return self._verdict(frame, decision)

    def closed(self, reason: str) -> None:
        """Nothing is kept."""

    def _verdict(self, frame: Statement, decision: Decision) -> Verdict:
        session = self._session
        session.decision = decision
        if frame.phase is not Phase.PREPARE:
            self._report(frame, decision)
        if decision.then == "deny":
            return Block(decision.reason, rule=decision.rule, hint=decision.hint)
        if decision.then == "hold" and frame.phase is not Phase.PREPARE:
            if frame.phase is Phase.EXECUTE and frame.released == session.config.version:
                return ALLOW
            return self._hold(decision)
        self._forget_names(decision)
        return ALLOW

    def _hold(self, decision: Decision) -> Hold:
        return Hold(
            decision.reason,
            rule=decision.rule,
            approvers=decision.approvers,
            timeout=decision.timeout,
            operation=", ".join(operation.command for operation in decision.operations),
            risk=decision.risk,
            reasons=decision.risk_reasons,
        )

    def _report(self, frame: Statement, decision: Decision) -> None:
        if frame.phase is Phase.EXECUTE and not frame.released and decision.then == "allow":
            return  # reported as it was bound
        fields: dict[str, Any] = {
            "text": frame.text,
            "phase": frame.phase.value,
            "verdict": decision.then,
            "rule": decision.rule,
            "effects": sorted({operation.effect for operation in decision.operations}),
        }
        if frame.parameters:
            fields["parameters"] = [
                None if p.value is None else p.value.hex() if p.format else p.value.decode("utf-8", "replace")
                for p in frame.parameters
            ]
        if decision.risk:
            fields["risk"] = decision.risk
        self._session.event("statement", **fields)

    def _forget_names(self, decision: Decision) -> None:
        """SQL's PREPARE and DEALLOCATE share their names with the protocol's Parse."""
        for statement in decision.parsed.statements if decision.parsed is not None else ():
            if "PrepareStmt" in statement:
                self._session.forget_statement(statement["PrepareStmt"].get("name", ""))
            elif "DeallocateStmt" in statement:
                self._session.forget_statement(statement["DeallocateStmt"].get("name"))
            elif "DiscardStmt" in statement:
                self._session.forget_statement(None)
