"""What the guards of files need of a session: the policy's word, and somebody who is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from hoopgate.codecs.ssh.transfers import Transfer
from hoopgate.errors import RecordingError
from hoopgate.frames import SIMPLE, Channel, Statement
from hoopgate.policy import files
from hoopgate.policy.engine import Decision, Engine, Subject
from hoopgate.policy.files import Wish
from hoopgate.policy.operations import Object
from hoopgate.verdicts import Block, Hold, told

log = Logger()
MOST_WORDS: Final = 100  # lines on a channel's stderr: what is told beyond is in the answers alone


class Judge:
    """Of one channel. ``via`` is the protocol's name, in events."""

    def __init__(self, session: Any, channel: Channel, via: str) -> None:
        self.session = session
        self.channel = channel
        self.via = via
        self._recording = session.recording  # a session that ends lets go of it, while transfers are to be told yet
        self._said = 0
        self._known: tuple[Engine, Subject, bool] | None = None

    @property
    def subject(self) -> Subject:
        session = self.session
        return Subject(session.identity, session.target, session.role, session.grants, None, ())

    @property
    def by_path(self) -> bool:
        """Whether names of files decide."""
        engine, subject, known = self.session.engine, self.subject, self._known
        if known is None or known[0] is not engine or known[1] != subject:
            known = self._known = (engine, subject, files.by_path(engine, subject))
        return known[2]

    def decide(self, wish: Wish, *, released: bool) -> Decision:
        """Judge it, and tell the recording, but of those that merely look and may. ``released``: people agreed."""
        session = self.session
        decision = files.decide(session.engine, self.subject, wish)
        effects = sorted({operation.name for operation in wish.operations})
        if wish.quiet and decision.then == "allow":
            counts = session.gateway.metrics.statements
            for place in counts.places({operation.effect for operation in wish.operations}, "allow"):
                counts.counts[place] += 1
            return decision
        if released and decision.then == "hold":
            return decision  # it was told as it was held, and that people agreed
        fields: dict[str, Any] = {"risk": decision.risk} if decision.risk else {}
        session.event(
            "statement", text=wish.text, phase="file", number=0, verdict=decision.then, rule=decision.rule,
            effects=effects, channel=self.channel.number, **fields,
        )  # fmt: skip
        return decision

    def most(self, verb: str, thing: Object) -> tuple[int | None, str]:
        """How large the file may be, and by which rule."""
        return files.most(self.session.engine, self.subject, verb, thing)

    def hold(self, decision: Decision, wish: Wish, otherwise: Callable[[Block], Any]) -> Hold:
        """What people are asked; ``otherwise`` is called with their refusal."""
        return Hold(
            decision.reason,
            rule=decision.rule,
            approvers=decision.approvers,
            timeout=decision.timeout,
            operation=", ".join(dict.fromkeys(operation.command for operation in decision.operations)),
            risk=decision.risk,
            reasons=decision.risk_reasons,
            frame=Statement(b"", wish.text, SIMPLE),
            otherwise=otherwise,
        )

    # --- words

    def refuse(self, decision: Decision) -> str:
        return self.refusal(Block(decision.reason, rule=decision.rule, hint=decision.hint))

    def refusal(self, block: Block) -> str:
        """The words of a refusal, which are said on stderr too: clients show a message of their own."""
        words = f"hoopgate: {told(block.reason, block.rule, block.hint)}"
        if self._said < MOST_WORDS:
            self._said += 1
            self.channel.inject("target", f"{words}\r\n".encode("utf-8", "backslashreplace"), error=True)
        return words

    def too_large(self, transfer: Transfer) -> str:
        """The words for what is over its size; said on stderr once for each file."""
        reason = f"{transfer.path} is over the {transfer.most} bytes that a file may have"
        if transfer.errors:
            return f"hoopgate: {told(reason, transfer.rule)}"
        self.session.event(
            "refused",
            rule=transfer.rule,
            reason=reason,
            what=f"{self.via} {transfer.path}",
            channel=self.channel.number,
        )
        return self.refusal(Block(reason, rule=transfer.rule))

    # --- transfers

    def tell(self, done: list[Transfer]) -> None:
        """Tell of those that are at their end; the list is emptied."""
        for transfer in done:
            self.told(**transfer.fields())
        done.clear()

    def told(self, **fields: Any) -> None:
        """One ``transfer`` event."""
        fields = {"via": self.via, "channel": self.channel.number, **fields}
        if self.session.recording is not None:
            self.session.event("transfer", **fields)
            return
        try:
            self._recording.event("transfer", fields)
        except RecordingError as error:
            log.error(
                "a transfer of session {session} is not recorded: {error}", session=self.session.id, error=str(error)
            )
