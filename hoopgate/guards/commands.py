"""The policy's word on what a client of SSH asks for: commands, shells, subsystems, variables, forwards, agents.

What runs in an interactive shell is typed there, and nobody can tell what a shell makes of keystrokes: shells are
recorded and not restricted, and their event says so. Where rules deny ``execute.shell`` there are commands alone, which
are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from zope.interface import classImplements

from hoopgate.codecs.ssh.file_commands import recognised
from hoopgate.frames import Channel, Command, Frame, Opened, Parameter, Request
from hoopgate.interfaces import IGuardFactory, IReviewingGuard
from hoopgate.policy.engine import Decision, Standing, Subject
from hoopgate.policy.files import FILE_BY_FILE
from hoopgate.policy.operations import Operation
from hoopgate.policy.shell import effects
from hoopgate.recorders.redact import redact_statement
from hoopgate.verdicts import ALLOW, Block, Hold, Verdict

NOTE: Final = "environment"
"""The note on a channel in which its variables are kept."""

RUNS: Final = "runs"
"""The note on a channel of what was let begin in it, and is asked about again when the policy changes."""

UNJUDGED: Final = "recorded, and not restricted: what is typed is not judged"

# requests that ask for nothing: how a terminal looks, what happened to a program, that somebody is there
_HARMLESS: Final = frozenset({
    "pty-req", "window-change", "xon-xoff", "signal", "break", "eow@openssh.com", "exit-status", "exit-signal",
    "keepalive@openssh.com", "keepalive@golang.org", "winadj@putty.projects.tartarus.org", "cancel-tcpip-forward",
    "cancel-streamlocal-forward@openssh.com", "no-more-sessions@openssh.com", "simple@putty.projects.tartarus.org",
    "hostkeys-00@openssh.com", "hostkeys-prove-00@openssh.com",
})  # fmt: skip
_FORWARDS: Final = frozenset({"direct-tcpip", "direct-streamlocal@openssh.com"})
# what a target says of its own accord; the rest of what it could ask is for servers to answer
_TOLD: Final = frozenset({
    "exit-status", "exit-signal", "xon-xoff", "signal", "eow@openssh.com", "keepalive@openssh.com",
    "keepalive@golang.org", "winadj@putty.projects.tartarus.org",
})  # fmt: skip
_FILES: Final = "sftp"
# what goes on after it was asked for, and its place among what runs in a channel
_LASTING: Final = {"shell": "", "subsystem": "", "auth-agent-req@openssh.com": "agent", "x11-req": "display"}


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
        self._invited = Invited()

    def inspect(self, frame: Frame) -> Verdict:
        if isinstance(frame, Command):
            return self._command(frame)
        if isinstance(frame, Opened):
            return self._opened(frame)
        assert isinstance(frame, Request)
        return self._request(frame)

    def review(self, channels: Sequence[Channel]) -> Block | None:
        """A grant that has ended ends what it let begin: a shell, a program, a forwarded port."""
        for channel in channels:
            for what in channel.notes.get(RUNS, {}).values():
                decision = self._decide(what) if isinstance(what, Operation) else self._ruled(what)
                if decision.then == "deny":
                    return Block(f"what runs is not allowed any more: {decision.reason}", rule=decision.rule)
        return None

    def closed(self, reason: str) -> None:
        """Nothing is kept."""

    # --- what is asked

    def _command(self, frame: Command) -> Verdict:
        """An approval is bound to the command and to each variable of its channel."""
        frame.parameters = tuple(
            Parameter(f"{name}={value}".encode("utf-8", "surrogateescape")) for name, value in _variables(frame.channel)
        )
        verdict = self._verdict(frame, self._ruled(frame.text), "exec", frame.text, frame.channel)
        return _begun(verdict, frame.channel, "", frame.text)

    def _ruled(self, text: str) -> Decision:
        """The decision on a command."""
        found = recognised(text)
        if found is not None and found.program == "scp":
            return self._decide(FILE_BY_FILE)
        standing = self._stand()
        decision: Decision = self._engine.rule(standing, text).decision
        return decision

    def _opened(self, frame: Opened) -> Verdict:
        kind = frame.channel.kind
        if frame.channel.opened_by == "target":
            return self._invites(frame)
        if kind == "session":
            return ALLOW
        operation = effects.forward(frame.host, frame.port) if kind in _FORWARDS else effects.strange(kind)
        where = operation.objects[0].name
        verdict = self._verdict(frame, self._decide(operation), kind, where, frame.channel)
        return _begun(verdict, frame.channel, "", operation)

    def _invites(self, frame: Opened) -> Verdict:
        """What the target opens answers a request that was judged as it came, and is judged again: a grant may have
        ended. Clients do not all remember whether their agent was refused, and a target may be anybody's."""
        operation = self._invited.by(frame.channel.kind, frame.host, frame.port)
        if operation is None:
            return Block("the target may not open that: nobody asked it to, or it was refused", rule="channels")
        decision = self._decide(operation)
        if decision.then == "deny":
            return Block(decision.reason, rule=decision.rule, hint=decision.hint)
        return _begun(ALLOW, frame.channel, "", operation)

    def _request(self, frame: Request) -> Verdict:
        if frame.by == "target":
            if frame.name in _TOLD:
                return ALLOW
            return Block(f"targets do not ask for {frame.name}", rule="channels")
        if frame.name in _HARMLESS:
            self._invited.cancelled(frame)
            return ALLOW
        if frame.name == "env":
            return self._environment(frame)
        if frame.name == "subsystem" and frame.fields["name"] == _FILES:
            return ALLOW
        operation = asked(frame)
        shown = str(operation.objects[0]) if operation.objects else ""
        verdict = self._verdict(frame, self._decide(operation), frame.name, shown, frame.channel)
        most = self._session.config.limits.ssh_forwards
        if verdict is ALLOW and not self._invited.asked(frame, operation, most):
            return Block(
                f"a session may have {most} ports and sockets at the target", rule="limits.ssh_forwards",
                hint="Cancel one first, or connect once more.",
            )  # fmt: skip
        if frame.channel is None or frame.name not in _LASTING:
            return verdict
        return _begun(verdict, frame.channel, _LASTING[frame.name], operation)

    def _environment(self, frame: Request) -> Verdict:
        """A variable that is not allowed is refused alone, as servers do: the command runs without it."""
        name, value = frame.fields["name"], frame.fields["value"]
        decision = self._decide(effects.environment(name, value))
        if decision.then == "hold":
            reason = "a variable cannot wait for an approval"
            decision = Decision("deny", decision.rule, reason, operations=decision.operations)
        kept = _variables(frame.channel)
        most = self._session.config.limits.ssh_variables
        if decision.then == "allow" and len(kept) >= most:
            return Block(
                f"a channel may have {most} variables",
                rule="limits.ssh_variables",
                hint="Send fewer (SendEnv, SetEnv).",
            )
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


class Invited:
    """What the target may open in one session, since the client was let ask for it.

    A listening port is known by its number alone, since servers name the address that they listen at in their own way;
    by 0 where the target was to choose it.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, int | str], Operation] = {}

    def asked(self, frame: Request, operation: Operation, most: int) -> bool:
        """The request goes on. False: there are ``most`` of them already."""
        key = _opens(frame.name, frame.fields)
        if key is None:
            return True
        if key not in self._open and len(self._open) >= most:
            return False
        self._open[key] = operation
        return True

    def cancelled(self, frame: Request) -> None:
        """It may be that the client wants no more of it."""
        if frame.name.startswith("cancel-"):
            key = _opens(frame.name.removeprefix("cancel-"), frame.fields)
            if key is not None:
                self._open.pop(key, None)

    def by(self, kind: str, host: str, port: int) -> Operation | None:
        """The request that a channel of the target's answers."""
        if kind == "forwarded-tcpip":
            return self._open.get((kind, port)) or self._open.get((kind, 0))
        return self._open.get((kind, host if kind == "forwarded-streamlocal@openssh.com" else ""))


def _opens(name: str, fields: dict[str, Any]) -> tuple[str, int | str] | None:
    """By which channels of the target's such a request is answered."""
    if name == "auth-agent-req@openssh.com":
        return "auth-agent@openssh.com", ""
    if name == "x11-req":
        return "x11", ""
    if name == "tcpip-forward":
        return "forwarded-tcpip", fields["port"]
    if name == "streamlocal-forward@openssh.com":
        return "forwarded-streamlocal@openssh.com", fields["path"]
    return None


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


def _begun(verdict: Verdict, channel: Channel, place: str, what: Operation | str) -> Verdict:
    """Note what begins (an operation, or a command), if it does. What a channel is for has the place ""."""
    if verdict is ALLOW:
        channel.notes.setdefault(RUNS, {})[place] = what
    return verdict


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
classImplements(CommandsGuard, IReviewingGuard)
