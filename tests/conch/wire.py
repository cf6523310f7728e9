"""Two transports joined in memory; what each sends is delivered by ``Wire.pump``, so tests may change it on its way."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.internet import defer
from twisted.internet.task import Clock

from hoopgate.conch import ClientTransport, HostKey, ServerTransport

HOST = Key(Ed25519PrivateKey.generate())


class Pipe:
    """An ITransport whose output is kept in ``sent``."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.reading = True
        self.disconnecting = self.disconnected = self.aborted = False
        self.producer: Any = None

    def write(self, data: bytes) -> None:
        assert type(data) is bytes
        if not self.disconnecting:
            self.sent += data

    def pauseProducing(self) -> None:
        assert self.reading
        self.reading = False

    def resumeProducing(self) -> None:
        assert not self.reading
        self.reading = True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.aborted = True


class Noting(SSHService):
    """A service that keeps what it gets."""

    transport: Any

    def __init__(self, name: bytes = b"ssh-userauth") -> None:
        self.name = name
        self.got: list[bytes] = []

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        self.got.append(bytes((messageNum,)) + packet)


class FastNoting(Noting):
    def messageReceived(self, packet: bytes, start: int, end: int) -> None:
        self.got.append(packet[start:end])


class Server(ServerTransport):
    lost = False

    def raw(self, *message: int | bytes) -> None:
        """Send any message, whether it may be or not."""
        self._outgoing.send(tuple([bytes((part,)) if isinstance(part, int) else part for part in message]))


class Client(ClientTransport):
    seen: bytes = b""
    secure = False
    verdict: Any = None

    raw = Server.raw

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        self.seen = hostKey
        return self.verdict if self.verdict is not None else defer.succeed(True)

    def connectionSecure(self) -> None:
        self.secure = True


class Services:
    """What stands for Conch's factory."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def getService(self, transport: Any, name: bytes) -> Any:
        self.asked.append(name)
        return Noting


class Wire:
    """``server`` and ``client``, not connected yet: ``connect``, then ``pump``."""

    def __init__(self, *, server: dict[str, Any] | None = None, client: dict[str, Any] | None = None) -> None:
        self.clock = Clock()
        self.server = Server(clock=self.clock, **{"host_keys": [HostKey(HOST)], **(server or {})})
        self.server.factory = Services()  # type: ignore[assignment]
        self.client = Client(clock=self.clock, **(client or {}))

    def connect(self) -> Wire:
        for side in (self.server, self.client):
            side.makeConnection(Pipe())  # type: ignore[arg-type]
        return self

    def step(self, source: Any, target: Any, size: int | None = None) -> bool:
        """Deliver what ``source`` has sent so far, or ``size`` bytes of it."""
        sent = source.transport.sent
        if not sent or not target.transport.reading:
            return False
        data = bytes(sent[:size])
        del sent[: len(data)]
        target.dataReceived(data)
        return True

    def pump(self) -> Wire:
        """Deliver until nobody has anything to say."""
        while self.step(self.client, self.server) | self.step(self.server, self.client):
            pass
        return self

    def established(self) -> Wire:
        """Keys both ways."""
        self.connect().pump()
        assert self.client.secure
        assert self.server.finished is None
        return self

    def running(self, kind: type[Noting] = Noting) -> Wire:
        """The connection protocol runs on both sides."""
        self.established()
        for side in (self.server, self.client):
            side.setService(kind(b"ssh-connection"))
        return self
