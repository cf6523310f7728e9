"""Holding what a client asks on its live connection, until people approve exactly what will run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred

from hoopgate.approvals import ApprovalRequest, Outcome, Ticket, binding
from hoopgate.errors import LimitError, PolicyError, QuestionError
from hoopgate.frames import Parameter, Phase, Statement
from hoopgate.recorders.redact import redact_statement
from hoopgate.stores.records import StoreError
from hoopgate.verdicts import ALLOW, Block, Hold, Verdict

if TYPE_CHECKING:
    from hoopgate.session import Session

CANCELED = "canceled by the client"
SHOWN = 2000  # characters of one parameter that an approver sees; the digest covers all of it


class Live(Protocol):
    """What a hold needs of the connection it keeps waiting."""

    def settle_batch(self) -> Deferred[bool]:
        """Bring to an end what need not stay open meanwhile. False: a transaction does."""

    def context(self) -> Deferred[tuple[str, str]]:
        """The search path ("" for none), and as whom the target runs what comes. Fails with QuestionError."""

    def locks(self) -> Deferred[tuple[str, ...]]:
        """What the open transaction keeps from others. Fails with QuestionError."""

    def notice(self, text: str, hint: str) -> None:
        """Tell the client what is waited for."""


class Holding:
    """The holds of one session, one at a time (limits.holds_per_session)."""

    def __init__(self, session: Session, live: Live) -> None:
        self._session = session
        self._live = live
        self._ticket: Ticket | None = None
        self._held = False
        self._withdrawn = ""  # why, if that was before there was a ticket

    @property
    def pending(self) -> bool:
        """A statement is waiting for people."""
        return self._held

    def cancel(self) -> bool:
        """The client asked to cancel. False: nothing is held here, so that the target must be asked."""
        if not self._held:
            return False
        self.withdraw(CANCELED)
        return True

    def withdraw(self, reason: str) -> None:
        """End the pending request, visibly to its approvers; one that is yet to be made ends as it is made."""
        self._withdrawn = reason
        if self._ticket is not None:
            ticket, self._ticket = self._ticket, None
            self._session.gateway.approvals.withdraw(ticket.id, reason)

    def hold(self, frame: Statement, hold: Hold) -> Deferred[Verdict | None]:
        """ALLOW once approved, a Block once refused; None if the policy changed, so that all must be asked again."""
        return Deferred.fromCoroutine(self._hold(frame, hold))

    async def _hold(self, frame: Statement, hold: Hold) -> Verdict | None:
        unfit = _unfit(frame)
        if unfit is not None:
            return unfit
        self._held, self._withdrawn = True, ""
        try:
            return await self._wait(frame, hold)
        except StoreError as error:
            return Block(f"approval cannot be asked for: {error}", rule=hold.rule, sqlstate="57P03")
        except QuestionError as error:
            return _aborted(hold) if error.aborted else Block(str(error), rule=hold.rule, sqlstate="57014")
        except LimitError as error:
            return Block(str(error), rule=error.limit, sqlstate="54000")
        except PolicyError as error:
            return Block(str(error), rule=error.rule)
        finally:
            self._held, self._ticket = False, None

    async def _wait(self, frame: Statement, hold: Hold) -> Verdict | None:
        session = self._session
        outside = await self._live.settle_batch()
        request = await self._request(frame, hold, in_transaction=not outside)
        ticket: Ticket = await session.gateway.approvals.open(request)
        self._ticket = ticket
        if self._withdrawn:
            self.withdraw(self._withdrawn)
        waited = session.gateway.clock.seconds()
        session.event("held", id=ticket.id, rule=hold.rule, digest=request.digest, timeout=request.timeout)
        self._live.notice(
            f"held for approval as {ticket.id} (rule {hold.rule}): {hold.reason}",
            f"{_who(hold)} can run: hoopgate approvals approve {ticket.id}. "
            f"It expires in {request.timeout:.0f} s; Ctrl-C withdraws it.{_where(session.config.api.url)}",
        )
        outcome: Outcome = await ticket.outcome
        self._ticket = None
        session.event(
            "decided", id=ticket.id, status=outcome.status, by=list(outcome.by), reason=outcome.reason,
            waited=round(session.gateway.clock.seconds() - waited, 3),
        )  # fmt: skip
        if outcome.status == "stale" or (outcome.status == "approved" and not self._current(request)):
            return None
        return self._verdict(frame, hold, ticket, outcome)

    def _current(self, request: ApprovalRequest) -> bool:
        """An approval is one under the rules that it was asked for."""
        return request.policy_version == self._session.config.version

    async def _request(self, frame: Statement, hold: Hold, *, in_transaction: bool) -> ApprovalRequest:
        session = self._session
        path, user = await self._live.context()
        locks = await self._live.locks() if in_transaction else ()
        text = frame.ran.encode("utf-8", "surrogateescape")
        printed = session.printed
        parameters = frame.parameters if printed is None else printed.statement(frame)[1]
        version = session.config.version
        limits = session.config.limits
        timeout = min(hold.timeout, limits.hold_in_transaction) if in_transaction else hold.timeout
        known = next((each.user for each in session.target.roles if each.name == session.role), session.role)
        role = session.role if user == known else f"{session.role} (as {user})"
        return ApprovalRequest(
            session=session.id,
            requester=session.identity,
            target=session.target.name,
            role=role,
            statement=_written(frame, printed),  # the digest is of the text and the parameters themselves
            parameters=tuple(shown(parameter) for parameter in parameters or ()),
            digest=binding(text, frame.parameters, session.target.name, role, path, version),
            search_path=path,
            policy_version=version,
            rule=hold.rule,
            reason=hold.reason,
            approvers=hold.approvers,
            timeout=timeout,
            risk=hold.risk,
            risk_reasons=hold.reasons,
            locks=locks,
            in_transaction=in_transaction,
        )

    def _verdict(self, frame: Statement, hold: Hold, ticket: Ticket, outcome: Outcome) -> Verdict:
        if outcome.status == "approved":
            frame.released = self._session.config.version
            return ALLOW
        by = f" by {', '.join(outcome.by)}" if outcome.by else ""
        because = f": {outcome.reason}" if outcome.reason else ""
        ended = f"{'has' if outcome.status == 'expired' else 'was'} {outcome.status}"
        cancelled = outcome.status == "withdrawn"
        return Block(
            "canceling statement due to user request" if cancelled else f"approval {ticket.id} {ended}{by}{because}",
            rule=hold.rule,
            hint="" if cancelled else "Run it again to ask once more.",
            sqlstate="57014" if cancelled or outcome.status == "expired" else "42501",
        )


def shown(parameter: Parameter) -> str:
    """One parameter as an approver sees it."""
    value = parameter.value
    if value is None:
        return "NULL"
    text = "\\x" + value.hex() if parameter.format else value.decode("utf-8", "replace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(value)} bytes)"


def _written(frame: Statement, printed: Any) -> str:
    """What was asked for, and, where it runs in other words, these; literals beside masked columns are masked."""

    def of(text: str) -> str:
        readable = text.encode("utf-8", "backslashreplace").decode()  # a shell's may hold any bytes
        return redact_statement(readable if printed is None else printed.text(readable))

    if frame.respelled is None:
        return of(frame.text)
    return f"{of(frame.text)}\n-- Runs on masks, as:\n{of(frame.respelled.text)}"


def _aborted(hold: Hold) -> Block:
    return Block(
        "current transaction is aborted, commands ignored until end of transaction block",
        rule=hold.rule,
        sqlstate="25P02",
    )


def _who(hold: Hold) -> str:
    count, groups = hold.approvers.count, ", ".join(hold.approvers.groups)
    return f"{count} of {groups}" if count > 1 else f"A member of {groups}"


def _where(url: str) -> str:
    """The rest of a hint: what ``hoopgate`` needs to find this gateway's API."""
    return f" The gateway's API is {url} (HOOPGATE_API)." if url else ""


def _unfit(frame: Statement) -> Block | None:
    bound = frame.phase in (Phase.BIND, Phase.EXECUTE)
    if frame.partial or (bound and frame.parameters is None):
        return Block(
            "the parameters are too large for an approval to be bound to them",
            rule="limits.statement",
            sqlstate="54000",
        )
    return None
