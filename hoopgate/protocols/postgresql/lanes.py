"""The two lanes of a relay: what the client asks on its way to the target, and the answers on their way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.answers import Answers
from hoopgate.codecs.postgresql.requests import Control, InputEnd, Requests
from hoopgate.codecs.postgresql.rows import splicer
from hoopgate.errors import HoopgateError, QuestionError
from hoopgate.frames import PREPARE, SIMPLE, Columns, Frame, Input, Notice, Statement
from hoopgate.lane import Lane
from hoopgate.pauser import Pauser
from hoopgate.recorders.events import recordable_query
from hoopgate.recorders.redact import recordable, redact_statement
from hoopgate.verdicts import ALLOW, Block, Hold, Mask, Rewrite, Verdict
from hoopgate.wire import Wire

if TYPE_CHECKING:
    from hoopgate.config.model import Limits
    from hoopgate.protocols.postgresql.relay import Relay

_ALLOW: Final = ALLOW
READING: Final = (
    "SELECT pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('standard_conforming_strings')"
)
FATAL: Final = ("FATAL", "PANIC")  # severities after which the target closes
CLIENT: Final = 0  # directions in a recording: from the client...
TARGET: Final = 1  # ...and from the target


CHANGED: Final = Block(
    "what the statement would read has changed since it was asked for",
    rule="approval",
    hint="Run the statement again to ask once more.",
)


class Direction(Lane):
    """What both have in common. ``source`` is who is read from, CLIENT or TARGET; ``transport`` is the other's."""

    __slots__ = ("_chain", "_relay", "_source", "_transport")

    def __init__(
        self, relay: Relay, wire: Wire, chain: Chain, transport: Any, pauser: Pauser, limits: Limits, source: int
    ) -> None:
        super().__init__(wire, pauser, limit=limits.buffer, clock=relay.session.gateway.clock, turn=limits.turn)
        self._relay = relay
        self._chain = chain
        self._transport = transport
        self._source = source

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        """Ask the guards."""
        return self._chain.inspect(frame)

    def deliver(self, data: bytes, witnessed: bytes) -> None:
        """Record, then send."""
        if self._relay.record(self._source, witnessed):
            self._transport.write(data)


class RequestsLane(Direction):
    """From the client; ``transport`` is the target's."""

    __slots__ = ("_requests",)

    def __init__(
        self, relay: Relay, wire: Requests, chain: Chain, transport: Any, pauser: Pauser, limits: Limits
    ) -> None:
        super().__init__(relay, wire, chain, transport, pauser, limits, CLIENT)
        self._requests = wire

    def inspect(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        """Ask the guards; where its text may not be read as it was, read it again first."""
        if isinstance(frame, Statement) and self._requests.unsure(frame):
            return self._read_again(frame).addCallback(lambda _: self._chain.inspect(frame))
        return self._chain.inspect(frame)

    def apply(self, frame: Frame, verdict: Verdict) -> bytes | Deferred[bytes]:
        """Forward, hold or refuse."""
        if verdict is _ALLOW:
            data = self._requests.forward(frame)
            if isinstance(frame, Control) and data[:1] == b"X" and not self._relay.goodbye():
                return b""
            return data
        if isinstance(verdict, Rewrite):
            if isinstance(frame, Statement) and isinstance(verdict.frame, Statement):
                verdict.frame.number = frame.number
            return self._requests.forward(verdict.frame)
        if isinstance(frame, Input | InputEnd) and isinstance(verdict, Block):
            return self._requests.refuse_input(frame, self._refusal(verdict, {"phase": "copy"}), verdict.rule)
        if not isinstance(frame, Statement):
            raise HoopgateError(f"{verdict!r} for a frame that is no statement")
        if isinstance(verdict, Hold):
            return self._hold(frame, verdict)
        if isinstance(verdict, Block):
            return self._refuse(frame, verdict)
        raise HoopgateError(f"{verdict!r} for a statement")

    def redacted(self, frame: Frame, data: bytes) -> bytes:
        """Without password literals, and without what columns under masks are compared with, where that is wanted."""
        printed = self._relay.session.printed
        if printed is not None and printed.recorded:
            data = printed.wire(frame, data, self._relay.client_encoding)
        if isinstance(frame, Statement):
            if frame.phase is SIMPLE and data is frame.raw:
                return recordable_query(data, frame.text)
            if frame.phase is SIMPLE or frame.phase is PREPARE:
                return recordable(data)
        return data

    def failed(self, failure: Failure) -> None:
        """The session ends."""
        self._relay.broken(failure, "the client broke the protocol")

    def moved(self) -> None:
        """Nobody waits for the client but here."""

    def _read_again(self, frame: Statement) -> Deferred[None]:
        def failed(failure: Failure) -> None:
            failure.trap(QuestionError)
            self._requests.read_again(frame, ())

        return self._relay.ask(READING).addCallbacks(lambda rows: self._requests.read_again(frame, rows[0]), failed)

    def _hold(self, frame: Statement, hold: Hold) -> Deferred[bytes]:
        rewritten = hold.frame if isinstance(hold.frame, Statement) else frame
        rewritten.number = frame.number

        def ended(verdict: Verdict | None) -> Any:
            if verdict is not None and verdict is not ALLOW:
                return self.apply(rewritten, verdict)
            # The policy changed meanwhile, or what names mean: all is asked again, and the approval goes with it.
            frame.released = rewritten.released
            approved = None if verdict is None else rewritten.ran
            again = self.inspect(frame)
            if isinstance(again, Deferred):
                return again.addCallback(lambda answer: self._approved(frame, answer, approved))
            return self._approved(frame, again, approved)

        return self._relay.hold(rewritten, hold).addCallback(ended)

    def _approved(self, frame: Statement, verdict: Verdict, approved: str | None) -> bytes | Deferred[bytes]:
        """``approved``: the words that people agreed to, where they did; no others run."""
        if approved is not None and not isinstance(verdict, Block | Hold):
            runs = verdict.frame if isinstance(verdict, Rewrite) else frame
            if not isinstance(runs, Statement) or runs.ran != approved:
                return self.apply(frame, CHANGED)
        return self.apply(frame, verdict)

    def _refuse(self, frame: Statement, block: Block) -> bytes:
        fields = {"phase": frame.phase.value}
        if frame.fault is not None or frame.phase is PREPARE:  # no `statement` event tells of it
            printed = self._relay.session.printed
            hides = printed is not None and printed.recorded
            fields["text"] = redact_statement(printed.text(frame.text) if hides else frame.text)
        return self._requests.refuse(frame, self._refusal(block, fields), block.rule)

    def _refusal(self, block: Block, fields: dict[str, str]) -> bytes:
        """The client's ErrorResponse; the refusal is told of with these ``fields``."""
        self._relay.session.event("refused", rule=block.rule, reason=block.reason, **fields)
        return messages.error_response(
            sqlstate=block.sqlstate,
            message=block.reason,
            detail="" if block.foretold else f'Refused by rule "{block.rule}".',
            hint=block.hint,
            encoding=self._relay.client_encoding,
        )


class AnswersLane(Direction):
    """From the target; ``transport`` is the client's."""

    __slots__ = ("_answers",)

    def __init__(
        self, relay: Relay, wire: Answers, chain: Chain, transport: Any, pauser: Pauser, limits: Limits
    ) -> None:
        super().__init__(relay, wire, chain, transport, pauser, limits, TARGET)
        self._answers = wire

    def apply(self, frame: Frame, verdict: Verdict) -> bytes:
        """Let it pass, and mask the rows that follow."""
        if isinstance(frame, Columns):
            self._open(frame, verdict)
        elif isinstance(frame, Notice) and frame.error and frame.fields.get("V") in FATAL:
            self._relay.fatal = frame.fields.get("C", "?")
        if verdict is _ALLOW or isinstance(verdict, Mask):
            return frame.raw
        if isinstance(verdict, Rewrite):
            return verdict.frame.raw
        reason = verdict.reason if isinstance(verdict, Block) else "an answer cannot be held"
        raise HoopgateError(reason)

    def failed(self, failure: Failure) -> None:
        """The session ends."""
        self._relay.broken(failure, "the target broke the protocol")

    def moved(self) -> None:
        """Requests may have waited for it."""
        self._relay.answers_moved()

    def _open(self, frame: Columns, verdict: Verdict) -> None:
        if isinstance(verdict, Mask):
            self._answers.judged(splicer(verdict.plan, frame, self._relay.session.config.limits.row))
        elif verdict is _ALLOW or isinstance(verdict, Rewrite):
            self._answers.judged(None)
