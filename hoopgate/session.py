"""A session: one client connection to one target by one identity, from admission to its end with a reason.

    OPENING --admitted--> OPEN --end(reason)--> ENDED
       \\--------------end(reason)----------------^

Its lanes, guards and recording live exactly as long as it does.
"""

from __future__ import annotations

import enum
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.config.model import Config, Listener, Target
from hoopgate.errors import LimitError, QuestionError, RecordingError, RemoteProtocolError
from hoopgate.interfaces import Identity

if TYPE_CHECKING:
    from hoopgate.gateway import Gateway
    from hoopgate.identity.ssh_restrictions import Restrictions
    from hoopgate.interfaces import IRecording
    from hoopgate.policy.engine import Decision, Engine

log = Logger()
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
Rows = list[tuple[str | None, ...]]


class Live(Protocol):
    """The connection behind an open session."""

    @property
    def pending(self) -> bool: ...

    @property
    def at_rest(self) -> bool: ...

    @property
    def rested(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def running(self) -> bool: ...

    @property
    def transaction(self) -> str: ...

    @property
    def client_encoding(self) -> str: ...

    @property
    def tentative(self) -> bool: ...

    def cancel_held(self) -> bool: ...

    def ask(self, sql: str) -> Deferred[Rows]: ...

    def prepared(self, name: str) -> str | None: ...

    def forget_statement(self, name: str | None) -> None: ...

    def forget_portal(self, name: str | None) -> None: ...

    def policy_changed(self) -> None: ...

    def close(self, reason: str, sqlstate: str, rule: str) -> None: ...


class State(enum.Enum):
    OPENING = "opening"
    OPEN = "open"
    ENDED = "ended"


def new_id(now: float | None = None) -> str:
    """26 characters that sort by time: 48 bits of milliseconds, 80 of chance (as a ULID)."""
    moment = time.time() if now is None else now
    number = (int(moment * 1000) & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


class Session:
    """What guards and recorders see of a connection. ``client`` is ``address:port``.

    ``active``: the client sent something since the gateway last looked, which then sets ``last_activity``.
    """

    __slots__ = (
        "_live", "active", "application", "client", "database", "decision", "ended_by", "gateway", "id",
        "identity", "last_activity", "listener", "places", "printed", "reason", "recording", "replication",
        "restrictions", "role", "started", "state", "target",
    )  # fmt: skip

    def __init__(
        self, gateway: Gateway, *, listener: Listener, identity: Identity, target: Target, role: str, client: str
    ) -> None:
        self.gateway = gateway
        self.started = gateway.clock.seconds()
        self.id = new_id(self.started)
        self.listener = listener
        self.identity = identity
        self.target = target
        self.role = role
        self.database = target.database
        self.restrictions: Restrictions | None = None  # of the certificate that it was opened with
        self.replication = False  # a replication connection, which has commands that are no SQL
        self.client = client
        self.application = ""
        self.state = State.OPENING
        self.decision: Decision | None = None
        self.places: Any = None  # where it looks for names (guards.places), once a guard asks
        self.printed: Any = None  # what may be shown of its statements (guards.printed), where masks may be in force
        self.recording: IRecording | None = None
        self.last_activity = self.started
        self.active = False
        self.reason = ""
        self.ended_by = ""
        self._live: Live | None = None

    @property
    def config(self) -> Config:
        """The configuration in force now."""
        return self.gateway.config

    @property
    def engine(self) -> Engine:
        """The policy in force now."""
        return self.gateway.engine

    @property
    def grants(self) -> frozenset[str]:
        """The identity's just-in-time grants that are in force now."""
        return self.gateway.grants_of(self.identity)

    @property
    def catalogue(self) -> Any:
        """What the gateway knows of the target's relations."""
        return self.gateway.catalogue(self.target, self.database)

    @property
    def parser(self) -> Any:
        return self.gateway.parser

    @property
    def transaction(self) -> str:
        """The target's last word on it: "I" for none, "T" for an open one, "E" for a failed one."""
        return "I" if self._live is None else self._live.transaction

    @property
    def client_encoding(self) -> str:
        """The client's encoding, by Python's name."""
        return "utf-8" if self._live is None else self._live.client_encoding

    @property
    def tentative(self) -> bool:
        """What the session answers now may be undone without any statement: the client's batch is not at its end."""
        return self._live is not None and self._live.tentative

    def ask(self, sql: str) -> Deferred[Rows]:
        """Ask on the client's own session, between its messages; only while one of its statements is inspected.

        Fails with QuestionError.
        """
        if self._live is None:
            return fail(QuestionError("the session cannot be asked"))
        return self._live.ask(sql)

    def prepared(self, name: str) -> str | None:
        """The text that the protocol (not SQL) prepared under this name; None for none that is known."""
        return None if self._live is None else self._live.prepared(name)

    def forget_statement(self, name: str | None) -> None:
        """SQL changed the meaning of a prepared statement's name; None: of all."""
        if self._live is not None:
            self._live.forget_statement(name)

    def forget_portal(self, name: str | None) -> None:
        """SQL changed the meaning of a cursor's name; None: of all."""
        if self._live is not None:
            self._live.forget_portal(name)

    @property
    def holding(self) -> bool:
        """A statement waits for people."""
        return self._live is not None and self._live.pending

    @property
    def at_rest(self) -> bool:
        """No transaction is open and nothing is under way."""
        return self._live is None or self._live.at_rest

    @property
    def rested(self) -> int:
        """The last of the batches, which count from 0 on, at whose end no transaction was open; the last that ever
        could be, once the session has ended."""
        return sys.maxsize if self._live is None else self._live.rested

    @property
    def batch(self) -> int:
        """The batch of what is sent now."""
        return 0 if self._live is None else self._live.batch

    @property
    def running(self) -> bool:
        """The target works on something, or its answers are on their way."""
        return self._live is not None and self._live.running

    def cancel_held(self) -> bool:
        """Withdraw what is held. False: nothing is."""
        return self._live is not None and self._live.cancel_held()

    def policy_changed(self) -> None:
        """The policy or the identity's grants are others now."""
        if self._live is not None:
            self._live.policy_changed()

    def attach(self, live: Live) -> None:
        """Traffic begins."""
        self._live = live
        self.state = State.OPEN

    def event(self, kind: str, **fields: Any) -> None:
        """Tell recording, metrics and log. A recorder that cannot write ends the session."""
        self.gateway.observe(self, kind, fields)
        if self.recording is None:
            return
        try:
            self.recording.event(kind, fields)
        except RecordingError as error:
            self.unrecorded(error)

    def later(self, payload: bytes) -> None:
        """Tell the recording alone, of an event that is encoded already (:mod:`hoopgate.recorders.events`)."""
        recording = self.recording
        if recording is None:
            return
        try:
            recording.later(payload)
        except RecordingError as error:
            self.unrecorded(error)

    def unrecorded(self, error: RecordingError) -> None:
        """The recording cannot go on, and so neither can this."""
        self.end(f"the recording failed: {error}", sqlstate="58030", rule="recorder")

    def end(self, reason: str, *, sqlstate: str = "57P01", rule: str = "") -> None:
        """End the session once; the client gets ``reason`` as its last error, unless ``sqlstate`` is empty."""
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        self.reason = reason
        self.ended_by = rule
        recording, self.recording = self.recording, None
        live, self._live = self._live, None
        steps: list[Callable[[], object]] = []
        if live is not None:
            if sqlstate and not live.at_rest:
                # or it would run on, to its end, for somebody who may no longer
                steps.append(partial(self.gateway.cancel_running, self))
            steps.append(partial(live.close, reason, sqlstate, rule))
        if recording is not None:
            steps.append(partial(recording.close, reason))
        steps.append(partial(self.gateway.ended, self))
        for step in steps:
            try:
                step()
            except RecordingError as error:
                log.error("the end of session {session} is not recorded: {error}", session=self.id, error=str(error))
            except Exception:  # what is left to be done is done all the same
                log.failure("session {session} did not end cleanly", session=self.id)


def end_broken(session: Any, failure: Failure, whose: str) -> None:
    """End a session in which something died of ``failure``; ``whose`` fault it is, if it was the protocol."""
    error = failure.value
    if isinstance(error, RemoteProtocolError):
        session.end(f"{whose}: {error}", sqlstate=error.sqlstate, rule="protocol")
    elif isinstance(error, LimitError):
        session.end(str(error), sqlstate="54000", rule=error.limit)
    else:
        log.failure("session {session} failed", failure, session=session.id)
        session.end("the gateway failed", sqlstate="XX000", rule="internal")
