"""The policy's word on every statement, in each phase of its life."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import classImplements

from hoopgate.frames import BIND, CALL, EXECUTE, PREPARE, SIMPLE, Frame, Statement
from hoopgate.guards.mask_memory import Bodies
from hoopgate.guards.places import Places
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.policy import replication
from hoopgate.policy.engine import Decision, Engine, Ruling, Standing, Subject
from hoopgate.policy.ruling import names_without_schema
from hoopgate.policy.sql.effects import effects
from hoopgate.policy.sql.moving import moved_names
from hoopgate.policy.sql.parser import Parsed, Unparsable
from hoopgate.recorders.events import statement_event, statement_prefix
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Block, Hold, Verdict

_NOTHING: Final[frozenset[str]] = frozenset()


class Statements:
    """Every session has one, but those with SSH targets, which have no SQL (see ``commands``)."""

    def open(self, session: Any) -> StatementsGuard | None:
        return None if session.target.protocol == "ssh" else StatementsGuard(session)


class StatementsGuard:
    """Text is judged as it is parsed, bound and run: a denial comes at once, a hold once the parameters are known.

    Each phase asks the policy in force then, so that a reload governs statements prepared before it. What is
    remembered and simply allowed passes by one look into the engine's memory; everything else goes the long way.
    """

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Statement})

    def __init__(self, session: Any) -> None:
        self._session = session
        self._gateway: Any = session.gateway
        self._counts: Any = session.gateway.metrics.statements
        self._places = Places(session)
        self._bodies = Bodies()
        self._standing: Standing | None = None  # and what it was worked out of:
        self._engine: Engine = session.gateway.engine
        self._path: tuple[str, ...] | None = None
        self._target: Any = None
        self._granted = _NOTHING
        self._text = ""  # bound last, where the time does not matter: it is run next, and perhaps bound again
        self._of: Standing | None = None
        self._ruling: Ruling | None = None

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        assert isinstance(frame, Statement)
        session, places, phase = self._session, self._places, frame.phase
        if places.unsettled:
            places.settle()
        session.decision = None
        if phase is CALL or session.replication:
            return self._special(frame)
        standing = self._stand()
        text = frame.text
        if text is self._text and standing is self._of:
            ruling = self._ruling
        else:
            ruling = self._known(standing, frame)
        if ruling is None or not ruling.plain or (ruling.asks and places.schemas is None):
            return self._judged(frame)
        if not self._engine.timeless:
            self._engine.went_by(standing, text, ruling)
        session.decision = ruling.decision
        if phase is SIMPLE or phase is BIND:
            self._tell(frame, ruling)
        if ruling.ends and (phase is SIMPLE or phase is EXECUTE):
            places.end()
        return ALLOW

    def closed(self, reason: str) -> None:
        """Nothing is kept."""

    def _known(self, standing: Standing, frame: Statement) -> Ruling | None:
        engine = self._engine
        ruling = engine.known(standing, frame.text)
        if ruling is not None and engine.timeless and frame.phase is BIND:
            self._text, self._of, self._ruling = frame.text, standing, ruling
        return ruling

    def _stand(self) -> Standing:
        """The session's standing now; the same object until what it was worked out of is another."""
        session, standing, gateway = self._session, self._standing, self._gateway
        engine: Engine = gateway.engine
        granted: frozenset[str] = gateway.grants_of(session.identity)
        path, target = self._places.schemas, session.target
        same = engine is self._engine and path is self._path and target is self._target
        if same and standing is not None and (granted is self._granted or granted == self._granted):
            return standing
        self._engine, self._path, self._target, self._granted = engine, path, target, granted
        subject = Subject(session.identity, target, session.role, granted, None, () if path is None else path)
        made = self._standing = engine.standing(subject)
        return made

    # --- the long way

    def _special(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        """Function calls by number, and the commands of the replication protocol."""
        subject = self._stand().subject
        if frame.phase is CALL:
            return self._verdict(frame, Ruling(self._engine.decide_call(evolve(subject, search_path=()))))
        operation = replication.command(frame.text)
        if operation is None:
            return self._judged(frame)
        decision = self._engine.decide_operation(evolve(subject, search_path=()), operation)
        return self._verdict(frame, Ruling(decision))

    def _judged(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        if frame.phase is SIMPLE and ";" in frame.text.rstrip().rstrip(";"):
            return self._several(frame)
        return self._one(frame)

    def _one(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        if self._places.schemas is None and self._asks_for_names(frame.text):
            return self._places.ask(lambda: self._decide(frame, self._stand()))
        return self._decide(frame, self._stand())

    def _several(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        """A message that may turn names elsewhere in its course is judged in all places where they may then be."""

        def read(parsed: Parsed) -> Verdict | Deferred[Verdict]:
            made = moved_names(parsed)
            return self._one(frame) if made is None else self._places.ask_everywhere(made, located)

        def located(schemas: tuple[str, ...]) -> Verdict | Deferred[Verdict]:
            subject = evolve(self._stand().subject, search_path=schemas)
            return self._decide(frame, self._engine.standing(subject))

        def unread(failure: Failure) -> Verdict | Deferred[Verdict]:
            failure.trap(Unparsable)
            return self._one(frame)

        try:
            parsed = self._session.parser.parse(frame.text)
        except Unparsable:
            return self._one(frame)
        return parsed.addCallbacks(read, unread) if isinstance(parsed, Deferred) else read(parsed)

    def _asks_for_names(self, text: str) -> bool:
        """Whether the statement names anything without its schema.

        Where it does not, the session is not asked: a question is a query, after which PostgreSQL allows no SET
        TRANSACTION any more.
        """
        if len(text) > self._session.config.limits.statement_inline:
            return True
        try:
            parsed = self._session.parser.parse(text)
        except Unparsable:
            return False
        return not isinstance(parsed, Parsed) or names_without_schema(effects(parsed).operations)

    def _decide(self, frame: Statement, standing: Standing) -> Verdict | Deferred[Verdict]:
        ruling: Ruling | Deferred[Ruling] = self._engine.rule(standing, frame.text)
        if isinstance(ruling, Deferred):
            return ruling.addCallback(lambda answer: self._with_values(frame, standing, answer))
        return self._with_values(frame, standing, ruling)

    def _with_values(self, frame: Statement, standing: Standing, ruling: Ruling) -> Verdict | Deferred[Verdict]:
        """What depends on parameters is judged with their values, as they are bound and each time it runs.

        A Parse runs nothing, so it passes where some values would. A simple query has no parameters, and values too
        large to keep are not looked at: for these the worst counts.
        """
        values = frame.parameters
        if not ruling.by_parameter or frame.phase is SIMPLE or (values is None and frame.phase is not PREPARE):
            return self._decided(frame, ruling)
        bound: Ruling | Deferred[Ruling] = self._engine.rule_bound(standing, frame.text, values)
        if isinstance(bound, Deferred):
            return bound.addCallback(lambda answer: self._decided(frame, answer))
        return self._decided(frame, bound)

    def _decided(self, frame: Statement, ruling: Ruling) -> Verdict | Deferred[Verdict]:
        """SQL's EXECUTE runs what the protocol prepared too, which as it was parsed was not held yet."""
        if ruling.decision.then == "deny" or not ruling.executes:
            return self._verdict(frame, ruling)
        found = [self._session.prepared(name) for name in ruling.executes]
        runs = [text for text in found if text is not None]
        known = [text for name in ruling.executes for text in self._bodies.of(name)]
        if self._places.schemas is None and any(self._asks_for_names(text) for text in (*runs, *known)):
            return self._places.ask(lambda: self._decided(frame, ruling))
        standing = self._stand()
        for text in known:
            # It was judged, and perhaps approved, as it was prepared; but its names may mean other tables by now.
            inner = self._engine.rule(standing, text)
            if isinstance(inner, Deferred) or inner.decision.then == "deny":
                return self._not_by_sql(frame, ruling, inner)
        for text in runs:
            inner = self._engine.rule(standing, text)
            if isinstance(inner, Deferred) or inner.decision.then != "allow":
                return self._not_by_sql(frame, ruling, inner)
        return self._verdict(frame, ruling)

    def _not_by_sql(self, frame: Statement, ruling: Ruling, inner: Ruling | Deferred[Ruling]) -> Block:
        rule = ruling.decision.rule if isinstance(inner, Deferred) else inner.decision.rule
        self._report(frame, evolve(ruling.decision, then="deny", rule=rule))
        return Block(
            "what the statement executes is not simply allowed",
            rule=rule,
            hint="Bind and execute it by the protocol that prepared it.",
        )

    def _verdict(self, frame: Statement, ruling: Ruling) -> Verdict:
        session, decision, phase = self._session, ruling.decision, frame.phase
        session.decision = decision
        released = frame.released == session.config.version  # approved: it comes again, since names may have moved
        if decision.then == "allow":
            if phase is not PREPARE and phase is not EXECUTE:
                self._tell(frame, ruling)
        elif phase is EXECUTE or (phase is not PREPARE and (not released or decision.then == "deny")):
            self._report(frame, decision)
        if decision.then == "deny":
            return Block(decision.reason, rule=decision.rule, hint=decision.hint)
        if decision.then == "hold" and phase is not PREPARE and not released:
            return _hold(ruling)
        if phase is not PREPARE and phase is not BIND:
            self._forget(frame, ruling)
        return ALLOW

    # --- what is told, and what is forgotten

    def _tell(self, frame: Statement, ruling: Ruling) -> None:
        """Record that the statement is allowed; an Execute's was recorded as it was bound."""
        if not ruling.event:
            decision = ruling.decision
            found = {operation.effect for operation in decision.operations}
            names = {operation.name for operation in decision.operations}
            ruling.event = statement_prefix(decision.then, decision.rule, names, decision.risk)
            ruling.counted = self._counts.places(sorted(found), decision.then)
        counts = self._counts.counts
        for place in ruling.counted:
            counts[place] += 1
        text, parameters, printed = frame.text, frame.parameters, self._session.printed
        if printed is not None and printed.recorded:
            text, parameters = printed.statement(frame)
        self._session.later(statement_event(ruling.event, text, frame.number, frame.phase, parameters))

    def _report(self, frame: Statement, decision: Decision) -> None:
        """Record that it is not, or not yet."""
        text, parameters, printed = frame.text, frame.parameters, self._session.printed
        if printed is not None and printed.recorded:
            text, parameters = printed.statement(frame)
        fields: dict[str, Any] = {
            "text": redact_statement(text),
            "phase": frame.phase.value,
            "number": frame.number,
            "verdict": decision.then,
            "rule": decision.rule,
            "effects": sorted({operation.name for operation in decision.operations}),
        }
        if parameters:
            fields["parameters"] = [
                None if p.value is None else p.value.hex() if p.format else p.value.decode("utf-8", "replace")
                for p in parameters
            ]
        if decision.risk:
            fields["risk"] = decision.risk
        self._session.event("statement", **fields)

    def _forget(self, frame: Statement, ruling: Ruling) -> None:
        """What this statement may change of what we know: where names are looked for, and what prepared ones mean."""
        if ruling.moves:
            self._places.move()
        elif ruling.ends:
            self._places.end()
        if ruling.renames:
            self._forget_names(frame)

    def _forget_names(self, frame: Statement) -> None:
        """SQL's prepared statements and cursors share their names with the protocol's Parse and Bind."""
        session = self._session
        try:
            parsed = session.parser.parse(frame.text)
        except Unparsable:
            parsed = None
        if not isinstance(parsed, Parsed):
            session.forget_statement(None)
            session.forget_portal(None)
            return
        for index, statement in enumerate(parsed.statements):
            if "PrepareStmt" in statement:
                session.forget_statement(statement["PrepareStmt"].get("name", ""))
                self._bodies.add(statement["PrepareStmt"].get("name", ""), parsed.statement_text(index))
            elif "DeclareCursorStmt" in statement:
                session.forget_portal(statement["DeclareCursorStmt"].get("portalname"))
            elif "ClosePortalStmt" in statement:
                session.forget_portal(statement["ClosePortalStmt"].get("portalname"))
            elif "DeallocateStmt" in statement:
                session.forget_statement(statement["DeallocateStmt"].get("name"))
            elif "DiscardStmt" in statement or "DoStmt" in statement:  # a block may have prepared anything
                session.forget_statement(None)
                session.forget_portal(None)


def _hold(ruling: Ruling) -> Hold:
    decision = ruling.decision
    return Hold(
        decision.reason,
        rule=decision.rule,
        approvers=decision.approvers,
        timeout=decision.timeout,
        operation=", ".join(operation.command for operation in decision.operations),
        risk=decision.risk,
        reasons=decision.risk_reasons,
    )


classImplements(Statements, IGuardFactory)
classImplements(StatementsGuard, IGuard)
