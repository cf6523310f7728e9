"""A channel in which files move: the guard, a target in a few lines, and what each of both sides gets to see."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from hoopgate.codecs.ssh import paths
from hoopgate.codecs.ssh import sftp_packets as packets
from hoopgate.codecs.ssh.paths import raw, shown
from hoopgate.codecs.ssh.sftp_packets import packet, parse_request, status, string, uint32
from hoopgate.config.model import Config, Host, Role, Target
from hoopgate.frames import Channel, ChannelEnd, ChannelInput, ChannelOutput, Command, Request
from hoopgate.guards.files import FilesGuard
from hoopgate.metrics import Metrics
from hoopgate.policy.operations import Object
from hoopgate.verdicts import ALLOW, Block, Hold, Rewrite
from tests.policy.samples import config, engine, person

BOX = Target("box", "ssh", (Host("box", 22),), roles=(Role("dev", "dev"),))
HOME = "/home/ada"
NO_ATTRIBUTES = uint32(0)


class Recorder:
    """A recording that has gone on after the session let go of it."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def event(self, kind: str, fields: dict[str, Any]) -> None:
        self.events.append({"event": kind, **fields})


class Session:
    """As the guard sees it."""

    def __init__(self, found: Config) -> None:
        found = evolve(found, targets=(BOX,))
        self.config = found
        self.engine = engine(found)
        self.gateway = SimpleNamespace(metrics=Metrics())
        self.identity, self.target, self.role = person(), BOX, "dev"
        self.grants: frozenset[str] = frozenset()
        self.recorder = Recorder()
        self.recording: Any = self.recorder
        self.id = "s"

    def event(self, kind: str, **fields: Any) -> None:
        self.recorder.event(kind, fields)


class Flow:
    """``links`` are the target's: what a name really is; ``lost`` are names for which REALPATH fails."""

    def __init__(self, *rules: Any, command: str = "", sftp: bool = True, **more: Any) -> None:
        self.session = Session(config(*rules, **more))
        self.guard = FilesGuard(self.session)
        self.channel = Channel(0, "session")
        self.channel.stream = self
        self.to_target = self.to_client = self.stderr = b""
        self.links: dict[str, str] = {}
        self.lost: set[str] = set()
        self.directories: set[str] = {"/", HOME}
        self.served: list[Any] = []
        self.held: tuple[Any, Hold] | None = None
        self.blocked: Block | None = None
        self.waiting: Deferred[Any] | None = None
        self._next = 0
        if command:
            self.guard.inspect(Command(b"", self.channel, command))
        elif sftp:
            self.guard.inspect(Request(b"", self.channel, "subsystem", {"name": "sftp"}))
            self.client(packets.init(3))
            self.target(packets.version_reply(3, []))
            self.to_target = self.to_client = b""

    # --- what the relay does

    def inject(self, channel: Channel, by: str, data: bytes, error: bool) -> None:
        assert channel is self.channel
        if by == "client":
            self.to_target += data
        elif error:
            self.stderr += data
        else:
            self.to_client += data

    def client(self, data: bytes) -> None:
        self._judge(ChannelInput(data, self.channel, data))

    def target(self, data: bytes) -> None:
        self._judge(ChannelOutput(data, self.channel, data))

    def end(self, by: str = "target", *, closed: bool = True) -> None:
        assert self.guard.inspect(ChannelEnd(b"", self.channel, by, closed)) is ALLOW

    def approve(self) -> None:
        assert self.held is not None
        frame, self.held = self.held[0], None
        frame.released = self.session.config.version
        self._judge(frame)

    def changed(self) -> None:
        """The policy is another, so all is asked again."""
        assert self.held is not None
        frame, self.held = self.held[0], None
        self._judge(frame)

    def deny(self) -> None:
        assert self.held is not None
        (frame, hold), self.held = self.held, None
        assert hold.otherwise is not None
        self._answer(frame, hold.otherwise(Block("approval 7 was denied by grace", rule=hold.rule)))

    def _judge(self, frame: ChannelInput | ChannelOutput) -> None:
        self._answer(frame, self.guard.inspect(frame))

    def _answer(self, frame: ChannelInput | ChannelOutput, verdict: Any) -> None:
        if isinstance(verdict, Deferred):
            self.waiting = verdict
            verdict.addCallback(lambda late: self._answer(frame, late))
            return
        self.waiting = None
        if isinstance(verdict, Hold):
            self.held = frame, verdict
        elif isinstance(verdict, Block):
            self.blocked = verdict
        else:
            seen = verdict.frame if isinstance(verdict, Rewrite) else frame
            assert isinstance(seen, type(frame))
            if isinstance(seen, ChannelInput):
                self.to_target += seen.data
            else:
                self.to_client += seen.data

    # --- a client's requests

    def number(self) -> int:
        self._next += 1
        return self._next

    def ask(self, kind: int | str, *fields: bytes) -> int:
        """Send a request and let the target answer whatever comes of it."""
        number = self.number()
        if isinstance(kind, str):
            self.client(packet(packets.EXTENDED, uint32(number), string(kind.encode()), *fields))
        else:
            self.client(packet(kind, uint32(number), *fields))
        self.serve()
        return number

    def open(self, path: str, flags: int) -> int:
        return self.ask(packets.OPEN, string(raw(path)), uint32(flags), NO_ATTRIBUTES)

    def get(self, path: str) -> int:
        return self.open(path, packets.FOR_READING)

    def put(self, path: str) -> int:
        return self.open(path, packets.FOR_WRITING | packets.CREATING | packets.TRUNCATING)

    def about(self, kind: int, *names: str) -> int:
        return self.ask(kind, *(string(raw(name)) for name in names))

    def answers(self) -> dict[int, tuple[int, str]]:
        """The statuses that the client got, by request: code (-1 for what is none) and message."""
        found = {}
        data, self.to_client = self.to_client, b""
        while data:
            size = int.from_bytes(data[:4], "big")
            body, data = data[4 : 4 + size], data[4 + size :]
            number = int.from_bytes(body[1:5], "big")
            found[number] = packets.parse_status(body) if body[0] == packets.STATUS else (-1, "")
        return found

    def code(self, number: int) -> int:
        return self.answers()[number][0]

    # --- a target

    def serve(self) -> None:
        """Answer all requests that the target has."""
        while self.to_target:
            size = int.from_bytes(self.to_target[:4], "big")
            body, self.to_target = self.to_target[4 : 4 + size], self.to_target[4 + size :]
            self.target(self._reply(body))

    def _reply(self, body: bytes) -> bytes:
        if body[0] == packets.WRITE:
            return status(int.from_bytes(body[1:5], "big"), packets.OK, "")
        request = parse_request(body)
        number = uint32(request.id)
        name = paths.normal(shown(request.path), HOME)
        if request.name == "realpath":
            if name in self.lost:
                return status(request.id, packets.NO_SUCH_FILE, "No such file")
            return packet(packets.NAME, number, uint32(1), string(raw(self.real(name))), string(b""), NO_ATTRIBUTES)
        if request.name == "lstat" and request.id >= 0xFFFF0000:
            mode = 0o040755 if name in self.directories else 0o100644
            return packet(packets.ATTRS, number, uint32(4), uint32(mode))
        self.served.append(request)
        if request.name in ("open", "opendir"):
            return packet(packets.HANDLE, number, string(raw(f"h{request.id}")))
        return status(request.id, packets.OK, "")

    def real(self, name: str) -> str:
        for link, leads in self.links.items():
            if name == link or name.startswith(f"{link}/"):
                return leads + name[len(link) :]
        return name

    # --- what was told

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.session.recorder.events if event["event"] == kind]


def write(number: int, name: str, offset: int, data: bytes) -> bytes:
    return packet(packets.WRITE, uint32(number), string(raw(name)), struct.pack(">Q", offset), string(data))


def files(*names: str) -> tuple[Object, ...]:
    return tuple(Object("", name, "path") for name in names)
