"""Ways past the policy that other gates of SSH left open. Each stays here for good, named after what it prevents."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hoopgate.approvals import Outcome
from hoopgate.codecs.ssh import messages as m
from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.channels import CLIENT, TARGET
from hoopgate.codecs.ssh.sftp_packets import packet, string, uint32
from hoopgate.conch import MODERN, PQ
from hoopgate.conch.negotiation import Offer, kexinit
from hoopgate.config.model import What
from hoopgate.frames import Frame, Request
from hoopgate.guards.commands import CommandsGuard
from hoopgate.guards.files import FilesGuard
from hoopgate.verdicts import ALLOW, Block, Verdict
from tests.conch.wire import Wire
from tests.guards import test_commands as commands
from tests.guards.file_flow import Session as FileSession
from tests.policy.samples import config, rule
from tests.policy.shell.test_evasions import decide, policy
from tests.protocols.ssh.test_relay import Rig

ALL = rule("all", "allow")
LOOKS = rule("looks", "allow", what=What(effect=("read", "session")))
FORWARDS = rule("forwards", "allow", what=What(effect=("transfer.forward",)))
INIT = packets.init(3)
REMOVE = packet(packets.REMOVE, uint32(1) + string(b"/srv/data"))
PUT = packet(
    packets.OPEN, uint32(1) + string(b"/srv/data") + uint32(packets.FOR_WRITING | packets.CREATING) + uint32(0)
)


def guarded(*rules: Any) -> Rig:
    """A session channel, open, under the guards that sessions of SSH have for commands and files."""
    session = commands.Session(policy(*rules))
    session.guard = CommandsGuard(session)
    files = FilesGuard(FileSession(config(*rules)))

    def judge(frame: Frame) -> Any:
        if type(frame) in session.guard.wants:
            verdict: Verdict = session.guard.inspect(frame)
            if verdict is not ALLOW:
                return verdict
        return files.inspect(frame) if type(frame) in files.wants else ALLOW

    made = Rig(judge)
    made.open()
    made.heard(TARGET)
    made.heard(CLIENT)
    return made


def reached(rig: Rig) -> bytes:
    return b"".join(rig.heard(TARGET))


# --- each type of channel, each request


DIRECT = m.string(b"db") + m.uint32(5432) + m.string(b"127.0.0.1") + m.uint32(40_000)
LOCAL = m.string(b"/run/docker.sock") + m.string(b"") + m.uint32(0)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("direct-tcpip", DIRECT), ("direct-streamlocal@openssh.com", LOCAL), ("tun@openssh.com", m.uint32(1) * 2),
     ("x11", m.string(b"h") + m.uint32(1)), ("auth-agent@openssh.com", b""), ("what@example.com", b"")],
)  # fmt: skip
def test_a_channel_of_another_type_asks_the_policy_too(kind: str, fields: bytes) -> None:
    """Teleport: direct-tcpip skipped the roles. A rule for everything names no forward."""
    rig = guarded(ALL if kind.startswith("direct-") else LOOKS)
    rig.say(CLIENT, m.open_message(kind, 1, 1 << 20, 32_768, fields))
    assert rig.heard(TARGET) == []
    [answer] = rig.heard(CLIENT)
    assert answer[0] == m.OPEN_FAILURE


@pytest.mark.parametrize("name", ["auth-agent-req@openssh.com", "what@example.com", "setuid@example.com"])
def test_a_request_that_nobody_knows_or_names_reaches_no_target(name: str) -> None:
    rig = guarded(LOOKS)
    rig.say(CLIENT, m.request(0, name, b"", wants_reply=True))
    assert rig.heard(TARGET) == []
    assert rig.heard(CLIENT)[0][0] == m.FAILURE


@pytest.mark.parametrize("name", ["tcpip-forward", "streamlocal-forward@openssh.com", "what@example.com"])
def test_a_request_of_the_connection_asks_the_policy_too(name: str) -> None:
    session = commands.Session(policy(LOOKS))
    fields = {"host": "", "port": 0, "path": "/tmp/x"}
    assert isinstance(session.ask(name, **fields), Block)


@pytest.mark.parametrize("name", ["netconf", "sftp-server", "SFTP", "sftp ", "hoopgate", "", "a\0sftp"])
def test_an_unknown_subsystem_is_refused(name: str) -> None:
    rig = guarded(LOOKS)
    rig.say(CLIENT, m.request(0, "subsystem", m.string(name.encode()), wants_reply=True), m.data(0, INIT + REMOVE))
    assert reached(rig) in (b"", m.bare(m.CLOSE, 0))
    assert rig.session.ended is not None or m.request(0, "exit-status", m.uint32(126)) in rig.heard(CLIENT)


# --- while an approval is pending


@pytest.mark.parametrize("denied", [True, False])
def test_a_forward_that_is_opened_while_an_approval_is_pending_waits_too(denied: bool) -> None:
    """Warpgate let it through, unrecorded: here nothing of it goes anywhere until people have spoken."""
    rig = guarded(rule("ask", "hold", what=What(effect=("execute.shell", "transfer.forward"))))
    rig.session.config.version = "v"  # as the guard's
    rig.say(CLIENT, m.request(0, "shell", b"", wants_reply=True))
    rig.session.outcome = Deferred()
    rig.say(CLIENT, m.open_message("direct-tcpip", 5, 1 << 20, 32_768, DIRECT))
    rig.say(CLIENT, m.data(0, b"rm a\n"))
    assert rig.heard(TARGET) == []
    assert rig.session.recording.messages(CLIENT) == [m.open_message("session", 0, 2 << 20, 32_768, b"")]
    assert len(rig.session.requests) == 2
    rig.session.outcome.callback(Outcome("denied" if denied else "approved"))
    opened = [message for message in rig.heard(TARGET) if message[0] == m.OPEN]
    recorded = [message for message in rig.session.recording.messages(CLIENT) if b"direct-tcpip" in message]
    assert len(opened) == len(recorded) == (0 if denied else 1)


# --- files under a rule for commands


def test_sftp_does_not_slip_past_a_rule_for_commands() -> None:
    rig = guarded(LOOKS)
    rig.say(CLIENT, m.request(0, "subsystem", m.string(b"sftp"), wants_reply=True), m.data(0, INIT + REMOVE + PUT))
    assert b"/srv/data" not in reached(rig)


@pytest.mark.parametrize(
    "command",
    ["scp -t /srv/data", "/usr/bin/scp -t /srv", "scp -r -p -t -- /srv/data", "/usr/lib/openssh/sftp-server",
     "rsync --server . /srv", "git-receive-pack '/srv/data'", "scp -t /srv; rm x", "s'c'p -t /srv",
     "sftp-server; rm x"],
)  # fmt: skip
def test_no_program_of_files_slips_past_a_rule_for_commands(command: str) -> None:
    rig = guarded(LOOKS)
    rig.say(CLIENT, m.exec_request(0, command, wants_reply=True))
    rig.say(TARGET, m.bare(m.SUCCESS, 0))
    rig.say(CLIENT, m.data(0, INIT + REMOVE), m.data(0, b"C0644 5 data\nhello\0"))
    out = reached(rig)
    assert b"/srv/data" not in out or b"scp" in out
    assert b"hello" not in out
    assert b"C0644" not in out
    assert REMOVE not in out


# --- filters walked round


@pytest.mark.parametrize(
    "text",
    ["ls;rm a", "ls\nrm a", "ls&rm a", "ls|rm a", "rm$IFS-rf${IFS}a", "r\\m a", "r''m a", "$(echo rm) a", "`echo rm` a",
     "echo cm0gYQ== | base64 -d | sh", "sh -c 'rm a'", "bash script.sh", "./script.sh", ". ./script.sh", "env rm a",
     "xargs rm < list", "find . -delete", "find . -exec rm {} +", "eval rm a", "python3 -c 'import os; os.remove(1)'",
     "vi -c ':!rm a'", "ssh other rm a", "cat <(rm a)", "echo ${x:-$(rm a)}", "ls $((`rm a`))", "alias ls=rm; ls a",
     "PATH=.:$PATH ls", "LD_PRELOAD=./x.so ls", "ls () { rm a; }; ls", "trap 'rm a' EXIT", "ls\0rm", "\x1b[200~rm a",
     "\x03rm a", "ls \u2028rm a #\rrm a"],
)  # fmt: skip
def test_a_denied_command_does_not_come_in_another_guise(text: str) -> None:
    """JumpServer's filters were expressions over the text."""
    some = rule("some", "allow", what=What(effect=("session", "read", "write")))
    assert decide("ls; cat a > b", some).then == "allow"
    assert decide(text, some).then == "deny"


def test_what_is_typed_in_a_shell_is_said_to_be_unrestricted() -> None:
    """A filter over keystrokes restricts nobody; that there is none is in the audit record."""
    session = commands.Session(policy(ALL))
    assert session.guard.inspect(Request(b"", session.channel, "shell", {})) is ALLOW
    assert "not restricted" in session.events[0]["restricted"]


# --- the transport


def test_no_compression_is_offered_or_taken() -> None:
    """Conch offers zlib ahead of authentication, and inflates without an end."""
    for algorithms in (MODERN, PQ):
        for client in (True, False):
            message = kexinit(algorithms, algorithms.host_keys, client=client, first=True)
            assert b"zlib" not in message
            assert Offer.parse(message).compressions == ([b"none"], [b"none"])
    wire = Wire().connect()
    wire.step(wire.client, wire.server, None)
    offered = bytes(wire.client.transport.sent) + bytes(wire.server.transport.sent)
    assert b"zlib" not in offered
    assert b"none" in offered


@pytest.mark.parametrize("name", [b"zlib", b"zlib@openssh.com"])
def test_a_client_that_wants_compression_alone_gets_nothing(name: bytes) -> None:
    message = kexinit(MODERN, MODERN.host_keys, client=True, first=True)
    wanted = message.replace(string(b"none") * 2, string(name) * 2)
    assert wanted != message
    wire = Wire().connect()
    pipe: Any = wire.client.transport
    assert pipe.sent.count(message[17:]) == 1
    pipe.sent[:] = _repacked(bytes(pipe.sent), wanted[17:])
    wire.pump()
    assert wire.server.finished is not None
    assert "no common compression" in wire.server.finished[1]


def _repacked(sent: bytes, rest: bytes) -> bytes:
    """The client's first bytes with another KEXINIT behind its cookie."""
    version, _, packet_ = sent.partition(b"\r\n")
    cookie = packet_[5:22]  # with the message's number
    padding = 8 + -(5 + len(cookie) + len(rest) + 8) % 8
    size = 1 + len(cookie) + len(rest) + padding
    return b"%s\r\n%s%c%s%s%s" % (version, size.to_bytes(4, "big"), padding, cookie, rest, bytes(padding))
