"""An SSH session as the relay records it: a terminal, a command, and a channel that the target opened."""

from __future__ import annotations

import struct
from pathlib import Path

from attrs import evolve
from twisted.internet.task import Clock

from hoopgate.codecs.ssh import messages as m
from hoopgate.recorders.spool import FileRecorder
from tests.recorders.fakes import SHOP, FakeSession, make_recorder

CLIENT, TARGET = 0, 1
PTY = m.string(b"xterm-256color") + struct.pack(">IIII", 132, 43, 0, 0) + m.string(b"\0")


def run(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


def confirmed(channel: int) -> bytes:
    return m.open_confirmation(channel, 70 + channel, 1 << 21, 32768, b"")


class Story:
    """Writes one recording; each step takes half a second."""

    def __init__(self, directory: Path) -> None:
        self._recorder: FileRecorder = make_recorder(directory)
        session = FakeSession(target=evolve(SHOP, name="web1", protocol="ssh"), role="deploy")
        self._recording = self._recorder.open(session)
        self.path = self._recording.path

    def say(self, side: int, *messages: bytes) -> None:
        clock = self._recorder.clock
        assert isinstance(clock, Clock)
        self._recording.data(side, b"".join(run(message) for message in messages))

    def event(self, kind: str, **fields: object) -> None:
        self._recording.event(kind, fields)

    def end(self) -> Path:
        self._recording.close("client left")
        return self.path


def told(directory: Path) -> Path:
    story = Story(directory)
    story.say(CLIENT, m.open_message("session", 0, 1 << 21, 32768, b""))
    story.say(TARGET, confirmed(0))
    story.say(CLIENT, m.request(0, "pty-req", PTY), m.request(0, "shell", b""))
    story.say(TARGET, m.data(0, b"$ \x1b[1mcaf\xc3"), m.data(0, b"\xa9\x1b[0m\r\n\x1b]52;c;aGk=\x07"))
    story.say(CLIENT, m.data(0, b"exit\r"), m.request(0, "window-change", struct.pack(">IIII", 80, 24, 0, 0)))
    story.say(CLIENT, m.open_message("session", 1, 1 << 21, 32768, b""))
    story.say(TARGET, confirmed(1))
    story.say(CLIENT, m.exec_request(1, "wc -l", wants_reply=True), m.data(1, b"one\ntwo\n"), m.bare(m.EOF, 1))
    story.say(TARGET, m.data(1, b"2\n"), m.extended_data(1, b"odd\n"), m.bare(m.REQUEST, 1) + m.exit_status(3))
    story.say(TARGET, m.bare(m.CLOSE, 1))
    story.say(CLIENT, m.bare(m.CLOSE, 1))
    story.say(TARGET, m.open_message("auth-agent@openssh.com", 9, 1 << 21, 32768, b""))
    story.say(CLIENT, m.open_confirmation(9, 1, 1 << 21, 32768, b""))
    story.say(CLIENT, m.data(1, b"agent's"))
    story.say(TARGET, m.bare(m.CLOSE, 1))
    story.say(CLIENT, m.bare(m.CLOSE, 1))
    return story.end()
