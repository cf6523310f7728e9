"""The policy's word on every statement, in each phase of its life."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import QuestionError
from hoopgate.frames import Frame, Phase, Statement
from hoopgate.guards.mask_memory import Bodies
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.policy import replication
from hoopgate.policy.engine import Decision, Subject
from hoopgate.policy.globs import SCHEMALESS
from hoopgate.policy.sql.effects import effects
from hoopgate.policy.sql.moving import EVERYWHERE, moved_names
from hoopgate.policy.sql.parser import Parsed, Unparsable
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Block, Hold, Verdict

if TYPE_CHECKING:
    from hoopgate.session import Rows, Session

SCHEMAS: Final = "SELECT s FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) s"
# After these the session may look for names elsewhere: code ran, or a setting changed or came back.
_MOVES: Final = frozenset({"admin", "execute", "unknown", "schema"})
_MOVING: Final = frozenset({"RESET", "DISCARD ALL", "ROLLBACK", "ROLLBACK TO", "COMMIT", "SET"})
_RENAMES: Final = frozenset({"PREPARE", "DEALLOCATE", "DISCARD ALL", "DISCARD PLANS", "DECLARE CURSOR", "CLOSE"})


@implementer(IGuardFactory)
class Statements:
    """Every session has one."""

    def open(self, session: Session) -> StatementsGuard:
        return StatementsGuard(session)


@implementer(IGuard)
class StatementsGuard:
    """Text is judged as it is parsed, bound and run: a denial comes at once, a hold once the parameters are known.

    Each phase asks the policy in force then, so that a reload governs statements prepared before it. Where the
    session looks for names without a schema is asked of the session itself, again after whatever may have moved it.
    """

    wants = frozenset({Statement})

    def __init__(self, session: Session) -> None:
        self._session = session
        self._schemas: tuple[str, ...] | None = None
        self._bodies = Bodies()
        self._seen: set[str] = set()  # schemas in which it ever looked
        self._tentative = False  # the schemas were asked for where a failure would undo what they are

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        assert isinstance(frame, Statement)
        self._session.decision = None
        if frame.phase is Phase.CALL:
            return self._verdict(frame, self._session.engine.decide_call(self._subject(())))
        if self._session.replication and (operation := replication.command(frame.text)) is not None:
            return self._verdict(frame, self._session.engine.decide_operation(self._subject(()), operation))
        if self._tentative:
            self._tentative, self._schemas = False, None
        if frame.phase is Phase.SIMPLE and ";" in frame.text.rstrip().rstrip(";"):
            return self._several(frame)
        return self._one(frame)

    def closed(self, reason: str) -> None:
        """Nothing is kept."""

    def _one(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        if self._schemas is None and self._asks_for_names(frame.text):
            return self._asked(lambda: self._decide(frame))
        return self._decide(frame)

    def _several(self, frame: Statement) -> Verdict | Deferred[Verdict]:
        """A message that may turn names elsewhere in its course is judged in all places where they may then be."""

        def read(parsed: Parsed) -> Verdict | Deferred[Verdict]:
            made = moved_names(parsed)
            if made is None:
                return self._one(frame)

            def located(rows: Rows) -> Verdict | Deferred[Verdict]:
                self._schemas = None
                places = made.union(self._seen, (name for (name,) in rows if name is not None))
                return self._decide(frame, tuple(sorted(places)))

            return self._session.ask(EVERYWHERE).addCallbacks(located, _unlocated)

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
        if not isinstance(parsed, Parsed):
            return True
        things = (thing for operation in effects(parsed).operations for thing in operation.objects)
        return any(not thing.schema and thing.kind not in SCHEMALESS for thing in things)

    def _subject(self, schemas: tuple[str, ...]) -> Subject:
        session = self._session
        return Subject(
            identity=session.identity,
            target=session.target,
            role=session.role,
            grants=session.grants,
            search_path=schemas,
        )

    def _asked(self, then: Callable[[], Verdict | Deferred[Verdict]]) -> Deferred[Verdict]:
        """Ask where names are looked for, then go on. Without an answer no rule could meet what is named: refuse."""

        def located(rows: Rows) -> Verdict | Deferred[Verdict]:
            self._schemas = tuple(name for (name,) in rows if name is not None)
            self._seen.update(self._schemas)
            self._tentative = self._session.tentative
            return then()

        return self._session.ask(SCHEMAS).addCallbacks(located, _unlocated)

    def _decide(self, frame: Statement, schemas: tuple[str, ...] | None = None) -> Verdict | Deferred[Verdict]:
        places = (self._schemas or ()) if schemas is None else schemas
        decision = self._session.engine.decide(self._subject(places), frame.text)
        if isinstance(decision, Deferred):
            return decision.addCallback(lambda answer: self._decided(frame, answer))
        return self._decided(frame, decision)

    def _decided(self, frame: Statement, decision: Decision) -> Verdict | Deferred[Verdict]:
        """SQL's EXECUTE runs what the protocol prepared too, which as it was parsed was not held yet."""
        if decision.then == "deny":
            return self._verdict(frame, decision)
        runs = [
            text
            for operation in decision.operations
            if operation.command == "EXECUTE"
            for thing in operation.objects
            if (text := self._session.prepared(thing.name)) is not None
        ]
        if self._schemas is None and any(self._asks_for_names(text) for text in runs):
            return self._asked(lambda: self._decided(frame, decision))
        names = [thing.name for one in decision.operations if one.command == "EXECUTE" for thing in one.objects]
        known = [text for name in names for text in self._bodies.of(name)]
        if self._schemas is None and any(self._asks_for_names(text) for text in known):
            return self._asked(lambda: self._decided(frame, decision))
        for text in known:
            # It was judged, and perhaps approved, as it was prepared; but its names may mean other tables by now.
            inner = self._session.engine.decide(self._subject(self._schemas or ()), text)
            if isinstance(inner, Deferred) or inner.then == "deny":
                return self._not_by_sql(frame, decision, inner)
        for text in runs:
            inner = self._session.engine.decide(self._subject(self._schemas or ()), text)
            if isinstance(inner, Deferred) or inner.then != "allow":
                return self._not_by_sql(frame, decision, inner)
        return self._verdict(frame, decision)

    def _not_by_sql(self, frame: Statement, decision: Decision, inner: Decision | Deferred[Decision]) -> Block:
        rule = decision.rule if isinstance(inner, Deferred) else inner.rule
        self._report(frame, evolve(decision, then="deny", rule=rule))
        return Block(
            "what the statement executes is not simply allowed",
            rule=rule,
            hint="Bind and execute it by the protocol that prepared it.",
        )

    def _verdict(self, frame: Statement, decision: Decision) -> Verdict:
        session = self._session
        session.decision = decision
        if frame.phase is not Phase.PREPARE:
            self._report(frame, decision)
        if decision.then == "deny":
            return Block(decision.reason, rule=decision.rule, hint=decision.hint)
        released = frame.phase is Phase.EXECUTE and frame.released == session.config.version
        if decision.then == "hold" and frame.phase is not Phase.PREPARE and not released:
            return self._hold(decision)
        if frame.phase in (Phase.SIMPLE, Phase.EXECUTE):
            self._forget(frame, decision)
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
        if frame.phase is Phase.EXECUTE and decision.then == "allow":
            return  # reported as it was bound
        fields: dict[str, Any] = {
            "text": redact_statement(frame.text),
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

    def _forget(self, frame: Statement, decision: Decision) -> None:
        """What this statement may change of what we know: where names are looked for, and what prepared ones mean."""
        for operation in decision.operations:
            if operation.effect in _MOVES or operation.command in _MOVING:
                self._schemas = None
            if operation.command in _RENAMES:
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
            elif "DiscardStmt" in statement:
                session.forget_statement(None)
                session.forget_portal(None)


def _unlocated(failure: Failure) -> Verdict:
    error = failure.value
    if not isinstance(error, QuestionError):
        failure.raiseException()
    elif error.aborted:
        reason = "current transaction is aborted, commands ignored until end of transaction block"
        return Block(reason, rule="protocol.transaction", sqlstate="25P02")
    return Block(f"names cannot be judged: {error}", rule="protocol.search_path", sqlstate="57014")
