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
from hoopgate.codecs.postgresql.requests import Requests
from hoopgate.errors import QuestionError, RecordingError
from hoopgate.frames import Reply, Statement
from hoopgate.guards.approval import Holding
from hoopgate.pauser import Pauser, Throttle
from hoopgate.protocols.postgresql.lanes import AnswersLane, RequestsLane
from hoopgate.protocols.postgresql.target import TargetConnection
from hoopgate.session import Rows, Session, end_broken
from hoopgate.verdicts import Hold, Verdict

log = Logger()
GOODBYE = "the client ended the session"
CONTEXT = "SELECT pg_catalog.current_setting('search_path'), current_user::text"
LOCKS = (
    "SELECT l.mode || ' on ' || coalesce(n.nspname || '.' || c.relname, l.locktype) FROM pg_catalog.pg_locks l "
    "LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation "
    "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE l.pid = pg_catalog.pg_backend_pid() AND l.granted AND l.locktype <> 'virtualxid' "
    "AND coalesce(n.nspname, '') <> 'pg_catalog' ORDER BY 1 LIMIT 50"
)


class Relay:
    """Ties a client's transport to a target's connection until either leaves or the session ends.

    ``leave`` closes the client's connection.
    """

    __slots__ = (
        "_chain", "_client", "_holding", "_idle_waiters", "_leave", "_leaving", "_moved", "_requests_wire", "_target",
        "answers", "conversation", "fatal", "requests", "session",
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
        self.session = session
        self._client = client
        self._target = target
        self._chain = requests_chain
        self._leave = leave
        limits = session.config.limits
        self._moved: list[int] = session.gateway.metrics.bytes.moved
        self.conversation = Conversation(target.login.parameters, target.login.status, watching=watching)
        transport: Any = target.transport
        client_pauser, target_pauser = Pauser(client), Pauser(transport)
        self._requests_wire = Requests(self.conversation, limits)
        self.requests = RequestsLane(self, self._requests_wire, requests_chain, transport, client_pauser, limits)
        wire = Answers(self.conversation, limits, hint=hint, replies=bool(answers_chain.wanted(Reply)))
        self.answers = AnswersLane(self, wire, answers_chain, client, target_pauser, limits)
        client.registerProducer(Throttle(target_pauser, "client is slow"), True)
        transport.registerProducer(Throttle(client_pauser, "target is slow"), True)
        self._idle_waiters: tuple[Callable[[], None], ...] = ()
        self._leaving = False  # the client has said goodbye; the target answers what came before
        self.fatal = ""  # the SQLSTATE with which the target has ended the session
        self._holding: Holding | None = None  # made for the first hold
        session.attach(self)

    def tell_of_login(self) -> None:
        """Pass on what the target said during its login, judged like any other notice."""
        login = self._target.login
        assert login is not None
        if login.notices:
            self.answers.receive(login.notices)

    def start(self, early: bytes) -> None:
        """Begin, with what the client sent behind its login."""
        self._target.take_over(self.answers.receive, self._target_lost)
        if early:
            self.client_received(early)

    def client_received(self, data: bytes) -> None:
        self.session.active = True
        self.requests.receive(data)

    def client_lost(self) -> None:
        self.session.end(GOODBYE if self._leaving else "the client disconnected", sqlstate="")

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
        if self._requests_wire.querying and conversation.unsynced and not conversation.executed:
            # An Execute of ours would make the client's Query, which ends its batch, a part of that: it would not be
            # committed before the next Sync (PostgreSQL, start_xact_command with XACT_FLAGS_PIPELINING).
            self._end_batch()
        answer: Deferred[Rows] = Deferred()
        clock = self.session.gateway.clock

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
        if not conversation.acted:
            self._end_batch()
        settled: Deferred[bool] = Deferred()

        def idle() -> None:
            if not settled.called:
                settled.callback(conversation.transaction == b"I" and not conversation.unsynced)

        if conversation.idle or conversation.unsynced:
            idle()
        else:
            self._idle_waiters += (idle,)
        return settled

    def context(self) -> Deferred[tuple[str, str]]:
        """The session's search path, and the role that it has now. Fails with QuestionError."""
        return self.ask(CONTEXT).addCallback(lambda rows: (rows[0][0] or "", rows[0][1] or ""))

    def locks(self) -> Deferred[tuple[str, ...]]:
        """What its transaction locks. Fails with QuestionError."""
        return self.ask(LOCKS).addCallback(lambda rows: tuple([lock or "" for (lock,) in rows]))

    def _end_batch(self) -> None:
        """End the client's batch by a Sync of our own, outside an explicit block."""
        conversation = self.conversation
        if conversation.unsynced and conversation.transaction == b"I":
            self.requests.send(self._requests_wire.end_batch())

    @property
    def running(self) -> bool:
        """Answers are awaited."""
        return not self.conversation.idle

    @property
    def at_rest(self) -> bool:
        """No transaction is open and nothing is under way."""
        conversation = self.conversation
        return conversation.idle and conversation.transaction == b"I" and not self.requests.waiting

    @property
    def rested(self) -> int:
        """The last batch at whose end no transaction was open; they count from 0 on."""
        return self.conversation.rested

    @property
    def batch(self) -> int:
        """The batch of what is sent now."""
        return self.conversation.batch

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
        """From the next result on, rows are watched if a mask, detector or canary is in force now."""
        session = self.session
        self.conversation.watching = session.engine.watches(session.identity, session.target)

    @property
    def pending(self) -> bool:
        """A statement waits for people."""
        return self._holding is not None and self._holding.pending

    def cancel_held(self) -> bool:
        """Withdraw what is held. False: nothing is."""
        return self._holding is not None and self._holding.cancel()

    def goodbye(self) -> bool:
        """The client leaves. True if something is still to be answered, after which the target closes."""
        self._leaving = True
        if not self.conversation.idle:
            return True
        self.session.gateway.clock.callLater(0, self.session.end, GOODBYE, sqlstate="")
        return False

    def hold(self, frame: Statement, hold: Hold) -> Deferred[Verdict | None]:
        """Wait for people: a verdict, or None where all must be asked again."""
        if self._holding is None:
            self._holding = Holding(self.session, self)
        return self._holding.hold(frame, hold)

    def answers_moved(self) -> None:
        """What waited for the target may go on. Also after a late verdict: its answers move without new bytes."""
        if self._idle_waiters and self.conversation.idle:
            waiters, self._idle_waiters = self._idle_waiters, ()
            for waiter in waiters:
                waiter()
        if self.requests.wire.waiting:
            self.requests.pump()

    # --- the end

    def record(self, direction: int, data: bytes) -> bool:
        """Append what is about to be forwarded. False: it must not be."""
        recording = self.session.recording
        if recording is None:
            return False
        try:
            recording.data(direction, data)
        except RecordingError as error:
            self.session.unrecorded(error)
            return False
        self._moved[direction] += len(data)
        return True

    def broken(self, failure: Failure, whose: str) -> None:
        """A lane died of ``failure``, so the session ends; ``whose`` fault it is, if it was the protocol."""
        end_broken(self.session, failure, whose)

    def _target_lost(self, reason: Failure) -> None:
        if self._leaving:
            self.session.end(GOODBYE, sqlstate="")
        elif self.fatal:  # its own words have reached the client
            self.session.end(f"the target ended the session (SQLSTATE {self.fatal})", sqlstate="")
        else:
            self.session.end("the target closed the connection", sqlstate="08006")

    def close(self, reason: str, sqlstate: str, rule: str) -> None:
        """Let go of everything; no step's fault keeps the others from being done."""
        whole = self.answers.between
        last_words = partial(self._say, reason, sqlstate, rule) if whole and sqlstate else _nothing
        for step in (
            self.requests.stop,
            self.answers.stop,
            partial(self._withdraw, reason),
            partial(self._chain.closed, reason),
            partial(self._target.terminate, self.session.gateway.clock),
            self._unregister,
            last_words,
            self._leave,
        ):
            try:
                step()
            except Exception:
                log.failure("session {session} did not end cleanly", session=self.session.id)

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
