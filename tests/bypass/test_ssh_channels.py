"""Ways round the rules in the channels of SSH: in each the bytes must not reach the target."""

from __future__ import annotations

import pytest

from hoopgate.codecs.ssh import messages as m
from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.channels import CLIENT, TARGET
from hoopgate.codecs.ssh.sftp_packets import packet, string, uint32
from hoopgate.config.model import What
from hoopgate.guards.files import FilesGuard
from tests.guards.file_flow import Session
from tests.policy.samples import config, rule
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
