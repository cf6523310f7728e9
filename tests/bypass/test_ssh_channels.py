"""Ways round the rules in the channels of SSH: in each the bytes must not reach the target."""

from __future__ import annotations

from typing import Any

import pytest

from hoopgate.codecs.ssh import messages as m
from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.channels import CLIENT, TARGET
from hoopgate.codecs.ssh.sftp_packets import packet, string, uint32
from hoopgate.config.model import Limits, What
from hoopgate.frames import Request
from hoopgate.guards.files import FilesGuard
from hoopgate.verdicts import ALLOW, Block
from tests.guards import test_commands as commands
from tests.guards.file_flow import Session
from tests.policy.samples import config, rule
from tests.policy.shell.test_evasions import policy
from tests.protocols.ssh.test_relay import Rig

INIT = packets.init(3)
REMOVE = packet(packets.REMOVE, uint32(1) + string(b"/srv/data"))
SFTP = m.request(0, "subsystem", m.string(b"sftp"), wants_reply=True)
READ_ONLY = (rule("look", "allow", what=What(effect=("read", "transfer.out", "session"))),)


def rig() -> Rig:
    files = FilesGuard(Session(config(*READ_ONLY)))
    made = Rig(lambda frame: files.inspect(frame))
    made.open()
    return made


def reached(found: Rig) -> bytes:
    return b"".join(found.heard(TARGET))


def test_data_ahead_of_a_subsystem_is_not_served_by_it() -> None:
    """Servers that keep it (Go's, asyncssh) would take unjudged requests of SFTP for the subsystem's first."""
    found = rig()
    found.say(CLIENT, m.data(0, INIT + REMOVE), SFTP)
    assert b"subsystem" not in reached(found)
    assert found.session.ended == (
        "the client broke the protocol: data of a channel before its program",
        "08P01",
        "protocol",
    )


@pytest.mark.parametrize("answered", [b"", m.bare(m.SUCCESS, 0)])
@pytest.mark.parametrize("second", ["rsync --server --sender -r . /srv", "scp -f /srv/a", "git-upload-pack a"])
def test_a_second_program_does_not_change_how_the_first_ones_data_is_judged(second: str, answered: bytes) -> None:
    """sshd refuses the second, and the first one goes on: but whose protocol is looked for then?"""
    found = rig()
    found.say(CLIENT, SFTP)
    if answered:
        found.say(TARGET, answered)
    found.say(CLIENT, m.exec_request(0, second, wants_reply=True), m.data(0, INIT + REMOVE))
    assert b"/srv/data" not in reached(found)
    assert found.session.ended is not None
    assert "a second program in one channel" in found.session.ended[0]


def test_data_behind_a_program_that_failed_is_not_the_next_ones() -> None:
    found = rig()
    found.say(CLIENT, m.exec_request(0, "true", wants_reply=True), m.data(0, INIT + REMOVE))
    found.say(TARGET, m.bare(m.FAILURE, 0))
    found.say(CLIENT, SFTP)
    assert b"subsystem" not in reached(found)
    assert found.session.ended is not None


def test_another_program_may_be_tried_where_one_has_failed() -> None:
    """As PuTTY's psftp and pscp do."""
    found = rig()
    found.say(CLIENT, m.request(0, "env", m.string(b"LANG") + m.string(b"C"), wants_reply=True), SFTP)
    found.say(TARGET, m.bare(m.FAILURE, 0), m.bare(m.FAILURE, 0))
    found.heard(TARGET)
    asked = m.exec_request(0, "scp -f /srv/a", wants_reply=True)
    found.say(CLIENT, asked)
    assert found.heard(TARGET) == [asked]
    found.say(TARGET, m.bare(m.SUCCESS, 0))
    found.say(CLIENT, SFTP)
    assert found.session.ended is not None


def test_a_failure_of_another_request_lets_no_second_program_in() -> None:
    found = rig()
    found.say(CLIENT, SFTP, m.request(0, "env", m.string(b"LANG") + m.string(b"C"), wants_reply=True))
    found.say(TARGET, m.bare(m.SUCCESS, 0), m.bare(m.FAILURE, 0))
    found.say(CLIENT, m.exec_request(0, "rsync --server . /srv", wants_reply=True))
    assert found.session.ended is not None


# --- what a hostile target opens and asks

ALL = rule("all", "allow")
PARTS = ("transfer.agent", "transfer.display", "transfer.listen")
NAMED = rule("named", "allow", what=What(effect=PARTS))
X11 = {"single": False, "protocol": "", "cookie": "", "screen": 0}
HERE = {"host": "localhost", "port": 8080}
ASKED: list[tuple[str, dict[str, Any], str, tuple[str, int]]] = [
    ("auth-agent-req@openssh.com", {}, "auth-agent@openssh.com", ("", 0)),
    ("x11-req", X11, "x11", ("", 0)),
    ("tcpip-forward", HERE, "forwarded-tcpip", ("127.0.0.1", 8080)),
    ("tcpip-forward", {"host": "", "port": 0}, "forwarded-tcpip", ("", 40_123)),
    ("streamlocal-forward@openssh.com", {"path": "/tmp/x"}, "forwarded-streamlocal@openssh.com", ("/tmp/x", 0)),
]


@pytest.mark.parametrize(("request_", "fields", "kind", "where"), ASKED)
def test_a_target_does_not_reach_what_the_client_was_refused(
    request_: str, fields: dict[str, Any], kind: str, where: tuple[str, int]
) -> None:
    """``ssh -A``: the client would serve its agent to whoever opens the channel, although its request failed."""
    session = commands.Session(policy(ALL))
    assert isinstance(session.ask(request_, **fields), Block)
    assert isinstance(session.open(kind, *where, by="target"), Block)


@pytest.mark.parametrize(("request_", "fields", "kind", "where"), ASKED)
def test_a_target_opens_only_what_it_was_asked_for_as_long_as_that_is_allowed(
    request_: str, fields: dict[str, Any], kind: str, where: tuple[str, int]
) -> None:
    session = commands.Session(policy(NAMED))
    assert isinstance(session.open(kind, *where, by="target"), Block)
    assert session.ask(request_, **fields) is ALLOW
    assert session.open(kind, *where, by="target") is ALLOW
    for other in {each[2] for each in ASKED} - {kind}:
        assert isinstance(session.open(other, *where, by="target"), Block)
    session.reload(policy(ALL))  # as where a grant has ended
    assert isinstance(session.open(kind, *where, by="target"), Block)


def test_a_target_opens_no_port_that_was_not_asked_for_or_is_not_wanted_any_more() -> None:
    session = commands.Session(policy(NAMED))
    assert session.ask("tcpip-forward", **HERE) is ALLOW
    assert isinstance(session.open("forwarded-tcpip", "localhost", 22, by="target"), Block)
    assert session.ask("cancel-tcpip-forward", **HERE) is ALLOW
    assert isinstance(session.open("forwarded-tcpip", "localhost", 8080, by="target"), Block)


def test_what_waits_for_an_approval_invites_nobody_yet() -> None:
    session = commands.Session(policy(rule("ask", "hold", what=What(effect=PARTS))))
    frame = Request(b"", session.channel, "auth-agent-req@openssh.com", {})
    assert not isinstance(session.guard.inspect(frame), Block)
    assert isinstance(session.open("auth-agent@openssh.com", by="target"), Block)
    frame.released = session.config.version
    assert session.guard.inspect(frame) is ALLOW
    assert session.open("auth-agent@openssh.com", by="target") is ALLOW


@pytest.mark.parametrize("kind", ["session", "direct-tcpip", "direct-streamlocal@openssh.com", "tun@openssh.com"])
def test_a_target_opens_nothing_at_the_client_that_servers_do(kind: str) -> None:
    assert isinstance(commands.Session(policy(ALL, NAMED)).open(kind, "127.0.0.1", 22, by="target"), Block)


@pytest.mark.parametrize("name", ["exec", "shell", "subsystem", "tcpip-forward", "what@example.com", "env"])
def test_a_target_asks_nothing_of_the_client_that_servers_do(name: str) -> None:
    session = commands.Session(policy(ALL, NAMED))
    assert isinstance(session.guard.inspect(Request(b"", session.channel, name, {}, "target")), Block)
    for told in ("exit-status", "exit-signal", "keepalive@openssh.com"):
        assert session.guard.inspect(Request(b"", session.channel, told, {}, "target")) is ALLOW


def test_a_session_has_so_many_forwards() -> None:
    session = commands.Session(policy(NAMED))
    for port in range(1, Limits().ssh_forwards + 1):
        assert session.ask("tcpip-forward", host="", port=port) is ALLOW
    assert session.ask("tcpip-forward", host="", port=Limits().ssh_forwards + 1).rule == "limits.ssh_forwards"
