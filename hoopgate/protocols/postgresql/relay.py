"""Traffic: two connections back to back, a lane each way, one conversation between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.answers import Answers
from hoopgate.codecs.postgresql.conversation import Conversation
from hoopgate.codecs.postgresql.question import ABORTED, Question
from hoopgate.codecs.postgresql.requests import Control, Requests
from hoopgate.codecs.postgresql.rows import splicer
from hoopgate.errors import HoopgateError, LimitError, QuestionError, RecordingError, RemoteProtocolError
from hoopgate.frames import PREPARE, SIMPLE, Columns, Frame, Notice, Opaque, Reply, Statement
from hoopgate.guards.approval import Holding
from hoopgate.lane import Lane
from hoopgate.pauser import Pauser, Throttle
from hoopgate.protocols.postgresql.target import TargetConnection
from hoopgate.recorders.events import recordable_query
from hoopgate.recorders.redact import recordable, redact_statement
from hoopgate.session import Rows, Session
from hoopgate.verdicts import ALLOW, Block, Hold, Mask, Rewrite, Verdict

log = Logger()
READING = (
    "SELECT pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('standard_conforming_strings')"
)
FATAL = ("FATAL", "PANIC")  # severities after which the target closes
GOODBYE = "the client ended the session"
CLIENT, TARGET = 0, 1  # directions in a recording: from the client, from the target


class Relay:
    """Ties a client's transport to a target's connection until either leaves or the session ends.

    ``leave`` closes the client's connection.
    """

    __slots__ = (
        "_answers_wire", "_chain", "_client", "_fatal", "_holding", "_idle_waiters", "_leave", "_leaving", "_moved",
        "_requests_wire", "_session", "_target", "answers", "conversation", "requests",
    )  # fmt: skip

    def __init__(
        self,
        session: Session,
        client: Any,
        target: TargetConnection,
        requests_chain: Chain,
        answers_chain: Chain,
        *,
        watching: bool,
        hint: str,
        leave: Callable[[], None],
    ) -> None:
        assert target.login is not None
        self._session = session
        self._client = client
        self._target = target
        self._chain = requests_chain
        self._leave = leave
        limits = session.config.limits
        self._moved: list[int] = session.gateway.metrics.bytes.moved
        login = target.login
        self.conversation = Conversation(login.parameters, login.status, watching=watching)
        requests = Requests(self.conversation, limits)
        replies = bool(answers_chain.wanted(Reply))
        answers = Answers(self.conversation, limits, hint=hint, replies=replies)
        self._requests_wire, self._answers_wire = requests, answers
        transport: Any = target.transport
        client_pauser, target_pauser = Pauser(client), Pauser(transport)
        self.requests = Lane(
            requests,
            inspect=self._inspect_request,
            apply=self._apply_request,
            deliver=self._to_target,
            failed=self._client_failed,
            pauser=client_pauser,
            limit=limits.buffer,
            clock=session.gateway.clock,
            turn=limits.turn,
            redact=_redact,
        )
        self.answers = Lane(
            answers,
            inspect=answers_chain.inspect,
            apply=self._apply_answer,
            deliver=self._to_client,
            failed=self._target_failed,
            pauser=target_pauser,
            limit=limits.buffer,
            clock=session.gateway.clock,
            turn=limits.turn,
            moved=self._answers_moved,
        )
        client.registerProducer(Throttle(target_pauser, "client is slow"), True)
        transport.registerProducer(Throttle(client_pauser, "target is slow"), True)
        self._idle_waiters: list[Callable[[], None]] = []
        self._leaving = False  # the client has said goodbye; the target answers what came before
        self._fatal = ""  # the SQLSTATE with which the target has ended the session
        self._holding: Holding | None = None  # made for the first hold
        session.attach(self)

    def start(self, early: bytes) -> None:
        """Begin, with what the client sent behind its login."""
        self._target.take_over(self.answers.receive, self._target_lost)
        if early:
            self.client_received(early)

    def client_received(self, data: bytes) -> None:
        self._session.active = True
        self.requests.receive(data)

    def client_lost(self) -> None:
        self._session.end(GOODBYE if self._leaving else "the client disconnected", sqlstate="")

    def notice(self, text: str, hint: str) -> None:
        """Tell the client something, between two of the target's messages."""
        encoding = self.client_encoding
        self.answers.inject(messages.notice_response(message=text, hint=hint, sqlstate="01000", encoding=encoding))

    @property
    def transaction(self) -> str:
        """The target's last word on it: "I" for none, "T" for an open one, "E" for a failed one."""
        return self.conversation.transaction.decode()

    @property
    def client_encoding(self) -> str:
        """Python's name of it."""
        return self.conversation.encoding

    @property
    def tentative(self) -> bool:
        """The client's batch ran something that its failure would undo, settings included."""
        return self.conversation.unsynced and self.conversation.executed

    def ask(self, sql: str) -> Deferred[Rows]:
        """A question of the gateway's on this session. Fails with QuestionError."""
        conversation = self.conversation
        aborted = conversation.skipping or conversation.aborted
        if self.requests.dead or conversation.copy_in or aborted:
            return fail(QuestionError("the session cannot be asked in its present state", aborted=aborted))
        answer: Deferred[Rows] = Deferred()
        clock = self._session.gateway.clock

        def fire(result: Any) -> None:
            if not answer.called:
                answer.callback(result)

        def later(result: Any) -> None:
            clock.callLater(0, fire, result)  # never inside the answers' turn: what follows may send and inject

        def failed(text: str, sqlstate: str) -> None:
            later(Failure(QuestionError(f"the session could not be asked: {text}", aborted=sqlstate == ABORTED)))

        question = Question(sql, done=later, failed=failed)
        try:
            data = question.send(conversation, sync=not conversation.unsynced)
        except UnicodeEncodeError:
            return fail(QuestionError("the session's client_encoding has no such names"))
        self.requests.send(data)
        return answer

    def settle_batch(self) -> Deferred[bool]:
        """Before a long hold: end the client's batch early if nothing in it had an effect, and await all answers.

        True: no transaction is open. False: the hold keeps one open.
        """
        conversation = self.conversation
        if conversation.unsynced and not conversation.acted and conversation.transaction == b"I":
            self.requests.send(self._requests_wire.end_batch())
        settled: Deferred[bool] = Deferred()

        def idle() -> None:
            if not settled.called:
                settled.callback(conversation.transaction == b"I" and not conversation.unsynced)

        if conversation.idle or conversation.unsynced:
            idle()
        else:
            self._idle_waiters.append(idle)
        return settled

    @property
    def running(self) -> bool:
        """Answers are awaited."""
        return not self.conversation.idle

    @property
    def at_rest(self) -> bool:
        """No transaction is open and nothing is under way."""
        conversation = self.conversation
        return conversation.idle and conversation.transaction == b"I" and not self.requests.waiting

    def prepared(self, name: str) -> str | None:
        """The text that the protocol prepared as ``name``; None for none that is known."""
        prepared = self.conversation.prepared.get(name.encode())
        return None if prepared is None else prepared.text

    def forget_statement(self, name: str | None) -> None:
        """SQL changed what a prepared statement's name means (None: all names)."""
        self.conversation.forget_statement(name)

    def forget_portal(self, name: str | None) -> None:
        """SQL changed what a cursor's name means (None: all names)."""
        self.conversation.forget_portal(name)

    def policy_changed(self) -> None:
        """From the next result on, rows are watched if any mask is in force now."""
        session = self._session
        self.conversation.watching = bool(session.engine.masks(session.identity, session.target))

    @property
    def pending(self) -> bool:
        """A statement waits for people."""
        return self._holding is not None and self._holding.pending

    def cancel_held(self) -> bool:
        """Withdraw what is held. False: nothing is."""
        return self._holding is not None and self._holding.cancel()

    # --- requests

    def _inspect_request(self, frame: Frame) -> Verdict | Deferred[Verdict]:
        if isinstance(frame, Statement) and self._requests_wire.unsure(frame):
            return self._read_again(frame).addCallback(lambda _: self._chain.inspect(frame))
        return self._chain.inspect(frame)

    def _read_again(self, frame: Statement) -> Deferred[None]:
        def failed(failure: Failure) -> None:
            failure.trap(QuestionError)
            self._requests_wire.read_again(frame, ())

        return self.ask(READING).addCallbacks(lambda rows: self._requests_wire.read_again(frame, rows[0]), failed)

    def _apply_request(self, frame: Frame, verdict: Verdict) -> bytes | Deferred[bytes]:
        if verdict is ALLOW:
            data = self._requests_wire.forward(frame)
            return self._goodbye(data) if data[:1] == b"X" and isinstance(frame, Control) else data
        if isinstance(verdict, Rewrite):
            if isinstance(frame, Statement) and isinstance(verdict.frame, Statement):
                verdict.frame.number = frame.number
            return self._requests_wire.forward(verdict.frame)
        if not isinstance(frame, Statement):
            raise HoopgateError(f"{verdict!r} for a frame that is no statement")
        if isinstance(verdict, Hold):
            return self._hold(frame, verdict)
        if isinstance(verdict, Block):
            return self._refuse(frame, verdict)
        raise HoopgateError(f"{verdict!r} for a statement")

    def _goodbye(self, data: bytes) -> bytes:
        """Terminate. What the client sent before it is still answered; the target closes after that."""
        self._leaving = True
        if not self.conversation.idle:
            return data
        self._session.gateway.clock.callLater(0, self._session.end, GOODBYE, sqlstate="")
        return b""

    def _hold(self, frame: Statement, hold: Hold) -> Deferred[bytes]:
        rewritten = hold.frame if isinstance(hold.frame, Statement) else frame

        def ended(verdict: Verdict | None) -> Any:
            if verdict is not None:
                return self._apply_request(rewritten, verdict)
            again = self._inspect_request(frame)  # the policy changed meanwhile, so all is asked again
            if isinstance(again, Deferred):
                return again.addCallback(lambda answer: self._apply_request(frame, answer))
            return self._apply_request(frame, again)

        if self._holding is None:
            self._holding = Holding(self._session, self)
        return self._holding.hold(rewritten, hold).addCallback(ended)

    def _refuse(self, frame: Statement, block: Block) -> bytes:
        fields = {"rule": block.rule, "reason": block.reason, "phase": frame.phase.value}
        if frame.fault is not None or frame.phase is PREPARE:  # no `statement` event tells of it
            fields["text"] = redact_statement(frame.text)
        self._session.event("refused", **fields)
        error = messages.error_response(
            sqlstate=block.sqlstate,
            message=block.reason,
            detail=f'Refused by rule "{block.rule}".',
            hint=block.hint,
            encoding=self.client_encoding,
        )
        return self._requests_wire.refuse(frame, error, block.rule)

    def _to_target(self, data: bytes, witnessed: bytes) -> None:
        if self._record(CLIENT, witnessed):
            self._target.transport.write(data)  # type: ignore[union-attr]

    # --- answers

    def _apply_answer(self, frame: Frame, verdict: Verdict) -> bytes:
        if isinstance(frame, (Opaque, Reply)) and verdict is ALLOW:
            return frame.raw
        if isinstance(frame, Columns):
            if isinstance(verdict, Mask):
                self._answers_wire.judged(splicer(verdict.plan, frame, self._session.config.limits.row))
            elif verdict is ALLOW or isinstance(verdict, Rewrite):
                self._answers_wire.judged(None)
        elif isinstance(frame, Notice) and frame.error and frame.fields.get("V") in FATAL:
            self._fatal = frame.fields.get("C", "?")
        if verdict is ALLOW or isinstance(verdict, Mask):
            return frame.raw
        if isinstance(verdict, Rewrite):
            return verdict.frame.raw
        reason = verdict.reason if isinstance(verdict, Block) else "an answer cannot be held"
        raise HoopgateError(reason)

    def _answers_moved(self) -> None:
        """What waited for the target may go on. Also after a late verdict: its answers move without new bytes."""
        if self._idle_waiters and self.conversation.idle:
            waiters, self._idle_waiters = self._idle_waiters, []
            for waiter in waiters:
                waiter()
        if self._requests_wire.waiting:
            self.requests.pump()

    def _to_client(self, data: bytes, witnessed: bytes) -> None:
        if self._record(TARGET, witnessed):
            self._client.write(data)

    # --- the end

    def _record(self, direction: int, data: bytes) -> bool:
        recording = self._session.recording
        if recording is None:
            return False
        try:
            recording.data(direction, data)
        except RecordingError as error:
            self._session.unrecorded(error)
            return False
        self._moved[direction] += len(data)
        return True

    def _client_failed(self, failure: Failure) -> None:
        self._broken(failure, "the client broke the protocol")

    def _target_failed(self, failure: Failure) -> None:
        self._broken(failure, "the target broke the protocol")

    def _broken(self, failure: Failure, whose: str) -> None:
        error = failure.value
        if isinstance(error, RemoteProtocolError):
            self._session.end(f"{whose}: {error}", sqlstate=error.sqlstate, rule="protocol")
        elif isinstance(error, LimitError):
            self._session.end(str(error), sqlstate="54000", rule=error.limit)
        else:
            log.failure("session {session} failed", failure, session=self._session.id)
            self._session.end("the gateway failed", sqlstate="XX000", rule="internal")

    def _target_lost(self, reason: Failure) -> None:
        if self._leaving:
            self._session.end(GOODBYE, sqlstate="")
        elif self._fatal:  # its own words have reached the client
            self._session.end(f"the target ended the session (SQLSTATE {self._fatal})", sqlstate="")
        else:
            self._session.end("the target closed the connection", sqlstate="08006")

    def close(self, reason: str, sqlstate: str, rule: str) -> None:
        """Let go of everything; no step's fault keeps the others from being done."""
        whole = self.answers.between
        last_words = partial(self._say, reason, sqlstate, rule) if whole and sqlstate else _nothing
        for step in (
            self.requests.stop,
            self.answers.stop,
            partial(self._withdraw, reason),
            partial(self._chain.closed, reason),
            partial(self._target.terminate, self._session.gateway.clock),
            self._unregister,
            last_words,
            self._leave,
        ):
            try:
                step()
            except Exception:
                log.failure("session {session} did not end cleanly", session=self._session.id)

    def _withdraw(self, reason: str) -> None:
        if self._holding is not None:
            self._holding.withdraw(reason)

    def _unregister(self) -> None:
        """Of a connection that is lost, nothing is left to do so with (where it had TLS, Twisted would raise)."""
        if getattr(self._client, "connected", True):
            self._client.unregisterProducer()

    def _say(self, reason: str, sqlstate: str, rule: str) -> None:
        if not self._client.disconnecting:
            self._client.write(
                messages.error_response(
                    severity="FATAL",
                    sqlstate=sqlstate,
                    message=f"terminating connection: {reason}",
                    detail=f'Ended by "{rule}".' if rule else "",
                    encoding=self.client_encoding,
                )
            )


def _nothing() -> None:
    """Nothing can be said in the middle of a message."""


def _redact(frame: Frame, data: bytes) -> bytes:
    if isinstance(frame, Statement):
        if frame.phase is SIMPLE and data is frame.raw:
            return recordable_query(data, frame.text)
        if frame.phase is SIMPLE or frame.phase is PREPARE:
            return recordable(data)
    return data
