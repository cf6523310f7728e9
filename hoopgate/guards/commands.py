"""The policy's word on what a client of SSH asks for: commands, shells, subsystems, variables, forwards, agents.

What runs in an interactive shell is typed there, and nobody can tell what a shell makes of keystrokes: shells are
recorded and not restricted, and their event says so. Where rules deny ``execute.shell`` there are commands alone, which
are judged.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from zope.interface import classImplements

from hoopgate.codecs.ssh.file_commands import recognised
from hoopgate.frames import Channel, Command, Frame, Opened, Parameter, Request
from hoopgate.interfaces import IGuard, IGuardFactory
from hoopgate.policy.engine import Decision, Standing, Subject
from hoopgate.policy.files import FILE_BY_FILE
from hoopgate.policy.operations import Operation
from hoopgate.policy.shell import effects
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Block, Hold, Verdict

NOTE: Final = "environment"
"""The note on a channel in which its variables are kept."""

VARIABLES: Final = 64
"""Variables of one channel."""

UNJUDGED: Final = "recorded, and not restricted: what is typed is not judged"

# requests that ask for nothing: how a terminal looks, what happened to a program, that somebody is there
_HARMLESS: Final = frozenset({
    "pty-req", "window-change", "xon-xoff", "signal", "break", "eow@openssh.com", "exit-status", "exit-signal",
    "keepalive@openssh.com", "keepalive@golang.org", "winadj@putty.projects.tartarus.org", "cancel-tcpip-forward",
    "cancel-streamlocal-forward@openssh.com", "no-more-sessions@openssh.com", "simple@putty.projects.tartarus.org",
    "hostkeys-00@openssh.com", "hostkeys-prove-00@openssh.com",
})  # fmt: skip
_FORWARDS: Final = frozenset({"direct-tcpip", "direct-streamlocal@openssh.com"})
_FILES: Final = "sftp"


class Commands:
    """Every session with an SSH target has one."""

    def open(self, session: Any) -> CommandsGuard | None:
        return CommandsGuard(session) if session.target.protocol == "ssh" else None


class CommandsGuard:
    """Asks the engine as each request comes; a channel that a rule does not cover is never opened.

    Files that move by the subsystem sftp or by scp are judged one by one, by another guard (``guards.files``).
    """

    wants: ClassVar[frozenset[type[Frame]]] = frozenset({Command, Request, Opened})

    def __init__(self, session: Any) -> None:
        self._session = session
        self._engine: Any = None
        self._standing: Standing | None = None

    def inspect(self, frame: Frame) -> Verdict:
        if isinstance(frame, Command):
            return self._command(frame)
        if isinstance(frame, Opened):
            return self._opened(frame)
        assert isinstance(frame, Request)
        return self._request(frame)

    def closed(self, reason: str) -> None:
        """Nothing is kept."""

    # --- what is asked

    def _command(self, frame: Command) -> Verdict:
        """An approval is bound to the command and to each variable of its channel."""
        standing = self._stand()
        frame.parameters = tuple(
            Parameter(f"{name}={value}".encode("utf-8", "surrogateescape")) for name, value in _variables(frame.channel)
        )
        found = recognised(frame.text)
        if found is not None and found.program == "scp":
            decision = self._decide(FILE_BY_FILE)
        else:
            decision = self._engine.rule(standing, frame.text).decision
        return self._verdict(frame, decision, "exec", frame.text, frame.channel)

    def _opened(self, frame: Opened) -> Verdict:
        """Channels that the target opens answer a request that was judged as it came."""
        kind = frame.channel.kind
        if frame.channel.opened_by == "target" or kind == "session":
            return ALLOW
        operation = effects.forward(frame.host, frame.port) if kind in _FORWARDS else effects.strange(kind)
        where = operation.objects[0].name
        return self._verdict(frame, self._decide(operation), kind, where, frame.channel)

    def _request(self, frame: Request) -> Verdict:
        if frame.by == "target" or frame.name in _HARMLESS:
            return ALLOW
        if frame.name == "env":
            return self._environment(frame)
        if frame.name == "subsystem" and frame.fields["name"] == _FILES:
            return ALLOW
        operation = asked(frame)
        shown = str(operation.objects[0]) if operation.objects else ""
        return self._verdict(frame, self._decide(operation), frame.name, shown, frame.channel)

    def _environment(self, frame: Request) -> Verdict:
        """A variable that is not allowed is refused alone, as servers do: the command runs without it."""
        name, value = frame.fields["name"], frame.fields["value"]
        decision = self._decide(effects.environment(name, value))
        if decision.then == "hold":
            reason = "a variable cannot wait for an approval"
            decision = Decision("deny", decision.rule, reason, operations=decision.operations)
        kept = _variables(frame.channel)
        if decision.then == "allow" and len(kept) >= VARIABLES:
            return Block(f"a channel may have {VARIABLES} variables", rule="limits")
        if decision.then == "allow" and frame.channel is not None:
            frame.channel.notes[NOTE] = (*kept, (name, value))
        return self._verdict(frame, decision, "env", name, frame.channel)

    # --- the answer

    def _stand(self) -> Standing:
        """The session's standing now; the same object until what it was worked out of is another."""
        session, standing = self._session, self._standing
        engine, grants = session.gateway.engine, session.gateway.grants_of(session.identity)
        if standing is not None and engine is self._engine:
            subject = standing.subject
            if subject.target is session.target and subject.grants == grants:
                return standing
        self._engine = engine
        made: Standing = engine.standing(Subject(session.identity, session.target, session.role, grants, None, ()))
        self._standing = made
        return made

    def _decide(self, operation: Operation) -> Decision:
        standing = self._stand()
        decision: Decision = self._engine.decide_operation(standing.subject, operation)
        return decision

    def _verdict(
        self, frame: Command | Request | Opened, decision: Decision, what: str, text: str, channel: Channel | None
    ) -> Verdict:
        session = self._session
        session.decision = decision
        released = frame.released == session.config.version  # approved: it comes again
        if not released or decision.then == "deny":
            self._tell(decision, what, text, channel)
        if decision.then == "deny":
            return Block(decision.reason, rule=decision.rule, hint=decision.hint)
        if decision.then == "hold" and not released:
            return _hold(decision)
        return ALLOW

    def _tell(self, decision: Decision, what: str, text: str, channel: Channel | None) -> None:
        """Record and count it. Of variables only the names are told: values may be secrets."""
        session = self._session
        found = sorted({operation.effect for operation in decision.operations})
        counts = session.gateway.metrics.statements
        for place in counts.places(found, decision.then):
            counts.counts[place] += 1
        fields: dict[str, Any] = {
            "text": redact_statement(text.encode("utf-8", "backslashreplace").decode()),
            "request": what,
            "verdict": decision.then,
            "rule": decision.rule,
            "effects": sorted({operation.name for operation in decision.operations}),
        }
        if channel is not None:
            fields["channel"] = channel.number
        if decision.risk:
            fields["risk"] = decision.risk
        if what == "shell" and decision.then != "deny":
            fields["restricted"] = UNJUDGED
        session.event("statement", **fields)


def asked(frame: Request) -> Operation:
    """What a request of the client is, if it is no variable."""
    name, fields = frame.name, frame.fields
    if name == "shell":
        return effects.SHELL
    if name == "subsystem":
        return effects.subsystem(fields["name"])
    if name == "auth-agent-req@openssh.com":
        return effects.named("agent", "agent")
    if name == "x11-req":
        return effects.named("x11", "display")
    if name == "tcpip-forward":
        return effects.listen(fields["host"], fields["port"])
    if name == "streamlocal-forward@openssh.com":
        return effects.listen(fields["path"], 0)
    return effects.strange(name)


def _variables(channel: Channel | None) -> tuple[tuple[str, str], ...]:
    found: tuple[tuple[str, str], ...] = channel.notes.get(NOTE, ()) if channel is not None else ()
    return found


def _hold(decision: Decision) -> Hold:
    return Hold(
        decision.reason,
        rule=decision.rule,
        approvers=decision.approvers,
        timeout=decision.timeout,
        operation=", ".join(dict.fromkeys(operation.command for operation in decision.operations)),
        risk=decision.risk,
        reasons=decision.risk_reasons,
    )


classImplements(Commands, IGuardFactory)
classImplements(CommandsGuard, IGuard)
