"""What a certificate leaves out is refused; what it forces runs in place of anything else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hoopgate.chain import Chain
from hoopgate.codecs.ssh import messages
from hoopgate.codecs.ssh.channels import CLIENT, TARGET
from hoopgate.frames import Channel, Command, Opened, Request
from hoopgate.guards.certificate import CertificateLimits
from hoopgate.identity.ssh_restrictions import EXTENSIONS, Restrictions
from hoopgate.protocols.ssh.wires import StreamWire
from hoopgate.verdicts import ALLOW, Block


def guard(*permitted: str):
    return CertificateLimits().open(SimpleNamespace(restrictions=Restrictions(permitted=frozenset(permitted))))


def test_a_session_without_a_certificate_or_with_a_whole_one_has_no_such_guard():
    assert CertificateLimits().open(SimpleNamespace(restrictions=None)) is None
    assert guard(*EXTENSIONS) is None


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("pty-req", "permit-pty"),
        ("auth-agent-req@openssh.com", "permit-agent-forwarding"),
        ("x11-req", "permit-X11-forwarding"),
        ("tcpip-forward", "permit-port-forwarding"),
        ("streamlocal-forward@openssh.com", "permit-port-forwarding"),
        ("shell", None),
        ("env", None),
    ],
)
def test_a_request_needs_its_extension(name, extension):
    frame = Request(b"", Channel(0, "session"), name, {})
    refused = guard().inspect(frame)
    assert refused is ALLOW if extension is None else isinstance(refused, Block)
    if isinstance(refused, Block):
        assert refused.rule == "certificate"
        assert extension in refused.reason
        others = set(EXTENSIONS) - {extension}
        assert isinstance(guard(*others).inspect(frame), Block)
        assert guard(extension).inspect(frame) is ALLOW


@pytest.mark.parametrize(
    ("kind", "by", "opens"),
    [
        ("session", "client", True),
        ("direct-tcpip", "client", False),
        ("direct-streamlocal@openssh.com", "client", False),
        ("tun@openssh.com", "client", False),
        ("forwarded-tcpip", "target", False),
        ("forwarded-streamlocal@openssh.com", "target", False),
        ("auth-agent@openssh.com", "target", False),
        ("x11", "target", False),
    ],
)
def test_a_channel_needs_its_extension_whoever_opens_it(kind, by, opens):
    frame = Opened(b"", Channel(0, kind, by))
    assert (guard().inspect(frame) is ALLOW) is opens


def wire(side, forced):
    stream = SimpleNamespace(channel=Channel(0, "session"))
    return StreamWire(stream, side, Chain(()), 10, forced)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("exec", messages.string(b"rm -rf /")),
        ("shell", b""),
        ("subsystem", messages.string(b"sftp")),
    ],
)
def test_a_forced_command_takes_the_place_of_whatever_is_asked_for(name, rest):
    """Before any guard sees it: what is judged, approved and recorded is what runs."""
    forcing = wire(CLIENT, "uptime")
    forcing.receive(messages.request(7, name, rest, wants_reply=True))
    frame = forcing.next_frame()
    assert isinstance(frame, Command)
    assert frame.text == "uptime"
    request = messages.RequestMessage(frame.raw)
    assert (request.name, request.wants_reply, request.fields()) == ("exec", True, {"command": "uptime"})


def test_other_requests_are_what_they_are():
    for side, forced, name in ((CLIENT, "uptime", "env"), (CLIENT, "", "shell"), (TARGET, "uptime", "shell")):
        free = wire(side, forced)
        rest = messages.string(b"A") * 2 if name == "env" else b""
        free.receive(messages.request(7, name, rest, wants_reply=False))
        frame = free.next_frame()
        assert isinstance(frame, Request)
        assert frame.name == name
