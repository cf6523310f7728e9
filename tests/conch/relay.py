"""A relay between any SSH client and a server, in a process of its own: both our transports, and nothing in between.

``python -m tests.conch.relay '{"target": 22, ...}'`` prints its port, then a line of JSON for each connection when it
is over. It lets everybody in. Messages of the connection protocol pass as they are: the numbers of channels agree on
both sides, as each side has one peer.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.internet import defer, protocol

from hoopgate.conch import MODERN, PQ, Algorithms, ClientTransport, HostKey, Limits, ServerTransport
from hoopgate.conch.fields import Fields, string
from hoopgate.conch.login import Identity, Login


class Passing(SSHService):
    """The connection protocol of one side: all to the other."""

    name = b"ssh-connection"
    transport: Any

    def __init__(self) -> None:
        self.other: Any = None
        self.waiting: list[bytes] = []

    def serviceStarted(self) -> None:
        if self.other is not None:
            self.join(self.other)

    def join(self, other: Any) -> None:
        self.other = other
        waiting, self.waiting = self.waiting, []
        for message in waiting:
            other.sendMessage(message)

    def messageReceived(self, packet: bytes, start: int, end: int) -> None:
        if self.other is None:
            self.waiting.append(packet[start:end])
        elif start == 1 and packet[1] == 94:
            self.other.sendMessage(packet[1:6], memoryview(packet)[6:end])
        else:
            self.other.sendMessage(packet[start:end])

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        self.messageReceived(bytes((messageNum,)) + packet, 0, len(packet) + 1)


class Anybody(SSHService):
    name = b"ssh-userauth"
    transport: Any

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        fields = Fields(packet)
        fields.string(), fields.string()
        method = fields.string()
        if method == b"none" and not self.transport.factory.options.get("none", True):
            self.transport.sendPacket(51, string(b"password") + b"\0")
            return
        self.transport.sendPacket(52, b"")
        self.transport.authenticated()


class In(ServerTransport):
    out: Any = None

    def authenticated(self) -> None:
        self.passing = Passing()
        self.setService(self.passing)
        options = self.factory.options  # type: ignore[attr-defined]
        factory = protocol.ClientFactory()
        factory.buildProtocol = lambda address: Out(self, options)  # type: ignore[method-assign]
        options["network"].connectTCP("127.0.0.1", options["target"], factory)

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        if self.out is not None:
            self.out.loseConnection()
        report = {"in": told(self), "out": told(self.out) if self.out is not None else None}
        print(json.dumps(report), flush=True)


class Out(ClientTransport):
    def __init__(self, source: In, options: dict[str, Any]) -> None:
        super().__init__(
            clock=options["clock"],
            algorithms=chosen(options.get("out", {})),
            limits=Limits(**options.get("limits", {})),
        )
        self.source = source
        self.options = options
        source.out = self

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        return defer.succeed(True)

    def connectionSecure(self) -> None:
        self.passing = Passing()
        self.passing.other = self.source
        certificate = self.options.get("certificate")
        key = Identity(Key.fromFile(self.options["key"]), certificate and Path(certificate).read_bytes())
        self.requestService(Login(self.options["user"].encode(), self.passing, identities=(key,)))

    def setService(self, service: Any) -> None:
        super().setService(service)
        if service.name == b"ssh-connection":
            self.source.passing.join(self)
            self.source.registerProducer(self, True)
            self.registerProducer(self.source, True)

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.source.loseConnection()


def told(transport: Any) -> dict[str, Any]:
    agreed = transport.agreed
    return {
        "finished": transport.finished,
        "strict": transport.strict,
        "exchanges": transport.exchanges,
        "agreed": None
        if agreed is None
        else [agreed.key_exchange.decode(), agreed.cipher_out.decode(), agreed.mac_out.decode()],
    }


def chosen(wanted: Any) -> Algorithms:
    if wanted == "pq":
        return PQ
    return replace(MODERN, **{name: tuple([value.encode() for value in values]) for name, values in wanted.items()})


def main() -> None:
    options: dict[str, Any] = json.loads(sys.argv[1])
    from twisted.internet import reactor

    if options.get("own", True):
        from hoopgate.transport.network import Network

        network: Any = Network(reactor)
    else:
        network = reactor
    options |= {"network": network, "clock": reactor}
    host_keys = [
        HostKey(Key.fromFile(path), certificate and Path(certificate).read_bytes())
        for path, certificate in options["host_keys"]
    ]
    factory: Any = protocol.Factory()
    factory.options = options
    factory.getService = lambda transport, name: Anybody

    def build(address: Any) -> In:
        limits = Limits(**options.get("limits", {}))
        made = In(clock=reactor, host_keys=host_keys, algorithms=chosen(options.get("in", {})), limits=limits)
        made.factory = factory
        return made

    factory.buildProtocol = build
    port = network.listenTCP(0, factory, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    if profile := os.environ.get("CONCH_PROFILE"):
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
        reactor.addSystemEventTrigger("after", "shutdown", lambda: (profiler.disable(), profiler.dump_stats(profile)))  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
