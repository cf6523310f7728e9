"""The guard over what SSH clients ask for: each request is judged, told, and held for what exactly runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.task import Clock
from zope.interface.verify import verifyClass

from hoopgate.config.model import Config, Limits, What
from hoopgate.frames import Channel, Command, Opened, Request
from hoopgate.guards.commands import UNJUDGED, Commands, CommandsGuard
from hoopgate.guards.statements import Statements
from hoopgate.interfaces import IGuardFactory, IReviewingGuard
from hoopgate.metrics import Metrics
from hoopgate.policy.engine import Engine
from hoopgate.policy.sql.parser import Parser
from hoopgate.verdicts import ALLOW, Block, Hold
from tests.policy.samples import SHOP, person, rule
from tests.policy.shell.test_evasions import SERVER, policy

LOOKS = rule("looks", "allow", what=What(effect=("read", "session")))
ALL = rule("all", "allow")


class Session:
    """A session under a real policy."""

    def __init__(self, found: Config) -> None:
        self.gateway = SimpleNamespace(metrics=Metrics(), grants_of=lambda identity: frozenset())
        self.identity, self.target, self.role = person(), SERVER, "app"
        self.decision: Any = None
        self.events: list[dict[str, Any]] = []
        self.reload(found)
        self.guard = CommandsGuard(self)
        self.channel = Channel(0, "session")

    @property
    def config(self) -> Config:
        found: Config = self.gateway.config
        return found

    def reload(self, found: Config) -> None:
        self.gateway.config = found
        self.gateway.engine = Engine(found, Parser(None, Limits()), Clock())

    def event(self, kind: str, **fields: Any) -> None:
        assert kind == "statement"
        self.events.append(fields)

    def run(self, text: str) -> Any:
        return self.guard.inspect(Command(b"", self.channel, text))

    def ask(self, request: str, /, **fields: Any) -> Any:
        alone = request in ("tcpip-forward", "streamlocal-forward@openssh.com", "what@example.com")
        return self.guard.inspect(Request(b"", None if alone else self.channel, request, fields))

    def open(self, kind: str, host: str = "", port: int = 0, by: str = "client") -> Any:
        return self.guard.inspect(Opened(b"", Channel(1, kind, by), host, port))


def test_provides_the_interfaces() -> None:
    verifyClass(IReviewingGuard, CommandsGuard)
    verifyClass(IGuardFactory, Commands)


def test_each_protocol_has_its_own_guard() -> None:
    ssh, postgresql = SimpleNamespace(target=SERVER), SimpleNamespace(target=SHOP)
    assert Commands().open(postgresql) is None
    assert Statements().open(ssh) is None
    assert isinstance(Commands().open(ssh), CommandsGuard)


def test_commands_are_judged_and_told() -> None:
    session = Session(policy(LOOKS))
    assert session.run("cat a") is ALLOW
    refused = session.run("cat a; rm b")
    assert isinstance(refused, Block)
    assert (refused.rule, refused.reason) == ("default-deny", "no rule allows RM on ~/b")
    assert [(one["text"], one["verdict"], one["effects"], one["channel"]) for one in session.events] == [
        ("cat a", "allow", ["read"], 0),
        ("cat a; rm b", "deny", ["delete", "read"], 0),
    ]
    assert session.gateway.metrics.statements.counts


def test_bytes_that_are_no_text_are_refused_and_told() -> None:
    session = Session(policy(LOOKS))
    assert isinstance(session.run("cat \udcff"), Block)
    assert session.events[0]["text"] == "cat \\udcff"


def test_a_reload_governs_the_next_command() -> None:
    session = Session(policy(LOOKS))
    assert session.run("cat a") is ALLOW
    session.reload(policy(rule("no", "deny")))
    assert isinstance(session.run("cat a"), Block)


def test_a_shell_is_told_to_be_unrestricted_and_can_be_denied() -> None:
    session = Session(policy(ALL))
    assert session.ask("shell") is ALLOW
    assert session.events[0]["restricted"] == UNJUDGED
    session = Session(policy(rule("exec-only", "deny", what=What(effect=("execute.shell",))), ALL))
    assert session.ask("shell").rule == "exec-only"
    assert "restricted" not in session.events[0]
    assert session.run("ls") is ALLOW


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("auth-agent-req@openssh.com", {}),
        ("x11-req", {"single": False, "protocol": "", "cookie": "", "screen": 0}),
        ("tcpip-forward", {"host": "", "port": 8080}),
        ("streamlocal-forward@openssh.com", {"path": "/tmp/x"}),
    ],
)
def test_what_leads_elsewhere_is_denied_unless_it_is_named(name: str, fields: dict[str, Any]) -> None:
    assert isinstance(Session(policy(ALL)).ask(name, **fields), Block)
    part = {"auth": "agent", "x11-": "display"}.get(name[:4], "listen")
    named = rule("named", "allow", what=What(effect=(f"transfer.{part}",)))
    assert Session(policy(named)).ask(name, **fields) is ALLOW


@pytest.mark.parametrize(
    ("kind", "host", "port"), [("direct-tcpip", "db", 5432), ("direct-streamlocal@openssh.com", "/run/x", 0)]
)
def test_forwards_are_judged_by_where_they_lead(kind: str, host: str, port: int) -> None:
    assert isinstance(Session(policy(ALL)).open(kind, host, port), Block)
    here = rule("here", "allow", what=What(effect=("transfer.forward",), object=(f"{host}:{port}" if port else host,)))
    assert Session(policy(here)).open(kind, host, port) is ALLOW
    assert isinstance(Session(policy(here)).open(kind, "elsewhere", port), Block)


def test_unheard_of_channels_requests_and_subsystems_are_unknown() -> None:
    known = policy(
        rule("most", "allow", what=What(effect=("session", "read", "write", "execute", "transfer", "admin")))
    )
    session = Session(known)
    for answer in (
        session.open("tun@openssh.com"),
        session.ask("what@example.com", data=b""),
        session.ask("subsystem", name="netconf"),
        session.ask("subsystem", name="SFTP"),
    ):
        assert isinstance(answer, Block)
    assert session.open("session") is ALLOW
    assert session.ask("pty-req", term="xterm") is ALLOW
    assert session.ask("subsystem", name="sftp") is ALLOW  # each of its requests is judged by another guard


def test_variables_pass_one_by_one() -> None:
    session = Session(policy(LOOKS))
    assert session.ask("env", name="LANG", value="C.UTF-8") is ALLOW
    for name, value in (
        ("LD_PRELOAD", "/x"),
        ("PATH", "/x"),
        ("BASH_ENV", "/x"),
        ("LC_ALL", "zh_CN.GBK"),
        ("X", "secret"),
    ):
        assert isinstance(session.ask("env", name=name, value=value), Block), name
    assert "secret" not in str(session.events)
    held = Session(policy(rule("ask", "hold"), ALL))
    assert "cannot wait" in held.ask("env", name="X", value="y").reason


def test_a_channel_has_so_many_variables() -> None:
    session = Session(policy(ALL))
    answers = [session.ask("env", name=f"V{number}", value="x") for number in range(65)]
    assert [isinstance(answer, Block) for answer in answers] == [False] * 64 + [True]
    assert answers[-1].rule == "limits.ssh_variables"


def test_a_hold_is_for_the_command_and_its_variables() -> None:
    found = policy(rule("ask", "hold", what=What(effect=("delete",))), ALL)
    session = Session(found)
    session.ask("env", name="APP_MODE", value="live")
    frame = Command(b"", session.channel, "rm a")
    hold = session.guard.inspect(frame)
    assert isinstance(hold, Hold)
    assert (hold.rule, hold.operation) == ("ask", "RM")
    assert [each.value for each in frame.parameters or ()] == [b"APP_MODE=live"]
    frame.released = found.version
    told = len(session.events)
    assert session.guard.inspect(frame) is ALLOW
    assert len(session.events) == told
    session.reload(evolve(found, version="another"))
    assert isinstance(session.guard.inspect(frame), Hold)
    session.reload(evolve(found, rules=(rule("no", "deny"),)))
    assert isinstance(session.guard.inspect(frame), Block)


def test_what_was_released_runs_no_other_way() -> None:
    found = policy(rule("ask", "hold", what=What(effect=("execute.shell", "transfer.forward"))), ALL)
    session = Session(found)
    assert isinstance(session.ask("shell"), Hold)
    assert isinstance(session.open("direct-tcpip", "db", 1), Hold)


NAMED = rule("named", "allow", what=What(effect=("transfer.agent", "transfer.display", "transfer.forward")))


@pytest.mark.parametrize("begin", [
    lambda session: session.run("tail -f a"),
    lambda session: session.ask("shell"),
    lambda session: session.ask("auth-agent-req@openssh.com"),
])  # fmt: skip
def test_what_runs_ends_when_it_is_not_allowed_any_more(begin: Any) -> None:
    """As where the grant that allowed it has ended, while another rule still opens the target."""
    session = Session(policy(ALL, NAMED))
    assert begin(session) is ALLOW
    assert session.guard.review([session.channel]) is None
    session.reload(policy(rule("other", "allow", what=What(effect=("write",)))))
    block = session.guard.review([session.channel])
    assert isinstance(block, Block)
    assert "is not allowed any more" in block.reason
    assert session.guard.review([]) is None  # its channel is closed


def test_a_forwarded_port_ends_when_it_is_not_allowed_any_more() -> None:
    session = Session(policy(ALL, NAMED))
    channel = Channel(1, "direct-tcpip")
    assert session.guard.inspect(Opened(b"", channel, "db", 5432)) is ALLOW
    assert session.guard.review([channel]) is None
    session.reload(policy(ALL))
    assert isinstance(session.guard.review([channel]), Block)


def test_what_was_approved_goes_on_and_what_was_refused_never_ran() -> None:
    session = Session(policy(rule("ask", "hold", what=What(effect=("execute.shell",))), ALL))
    frame = Request(b"", session.channel, "shell", {})
    assert isinstance(session.guard.inspect(frame), Hold)
    frame.released = session.config.version
    assert session.guard.inspect(frame) is ALLOW
    assert session.guard.review([session.channel]) is None
    refused = Session(policy(rule("no", "deny")))
    assert isinstance(refused.run("ls"), Block)
    assert refused.guard.review([refused.channel]) is None
