"""What the gateway itself costs for each transaction: both lanes of a relay between transports that do nothing.

``python -m tests.bench.codec``: CPU microseconds for both directions together, the best of the rounds. Guards,
recorder, transports and the kernel are left out. Which build runs depends on what ``hoopgate`` Python finds: put a
compiled copy before it in PYTHONPATH to measure that one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock

from hoopgate import lane
from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.startup import Ready
from hoopgate.config.model import Limits
from hoopgate.frames import Column
from hoopgate.protocols.postgresql.relay import Relay
from hoopgate.session import Session

SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = %s;"
COLUMNS = m.row_description([Column("abalance", 16400, 3, 23, 4, -1, 0)])
ROW = m.data_row([b"0"])
DONE = m.command_complete("SELECT 1") + m.ready_for_query(b"I")

Exchange = tuple[bytes, bytes]  # what the client sends, and the target's answer
SIMPLE: Exchange = (m.query(SELECT % "76543"), COLUMNS + ROW + DONE)
EXTENDED: Exchange = (
    m.parse_message("", SELECT % "$1") + m.bind("", "", (0,), (b"76543",), (0,)) + m.describe(b"P") + m.execute()
    + m.sync(),
    m.parse_complete() + m.bind_complete() + COLUMNS + ROW + DONE,
)  # fmt: skip
PREPARE: Exchange = (m.parse_message("P0_1", SELECT % "$1") + m.sync(), m.parse_complete() + m.ready_for_query(b"I"))
PREPARED: Exchange = (
    m.bind("", "P0_1", (0,), (b"76543",), (0,)) + m.describe(b"P") + m.execute() + m.sync(),
    m.bind_complete() + COLUMNS + ROW + DONE,
)


class Peer:
    """A transport that counts, and does nothing else."""

    connected = True
    disconnecting = False

    def __init__(self) -> None:
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Nobody is ever asked to wait."""

    def unregisterProducer(self) -> None:
        """See above."""

    def pauseProducing(self) -> None:
        """See above."""

    def resumeProducing(self) -> None:
        """See above."""

    def loseConnection(self) -> None:
        self.connected = False


class Recording:
    """Keeps nothing."""

    def data(self, direction: int, data: bytes) -> None:
        """Appended."""

    def later(self, payload: bytes) -> None:
        """Appended with what comes next."""

    def event(self, kind: str, fields: dict[str, Any]) -> None:
        """Appended."""

    def close(self, reason: str) -> None:
        """Signed."""


class Target:
    """A connection that is logged in."""

    def __init__(self) -> None:
        self.login = Ready({"client_encoding": "UTF8", "standard_conforming_strings": "on"}, 1, b"1234", b"I")
        self.transport = Peer()
        self.received: Callable[[bytes], None] = lambda data: None

    def take_over(self, received: Callable[[bytes], None], lost: Callable[[Any], None]) -> None:
        self.received = received

    def terminate(self, clock: Any) -> None:
        """Over."""


class Rig:
    """One session, through which exchanges go as they would from transport to transport."""

    def __init__(self, guards: tuple[Any, ...] = (), *, watching: bool = False) -> None:
        config = SimpleNamespace(limits=Limits(), version="1", target=lambda name: None)
        gateway: Any = SimpleNamespace(
            clock=Clock(), config=config, metrics=SimpleNamespace(bytes=SimpleNamespace(moved=[0, 0])),
            observe=lambda *a: None, ended=lambda *a: None,
        )  # fmt: skip
        target: Any = SimpleNamespace(name="t", database="d")
        nobody: Any = None
        self.session = Session(gateway, listener=nobody, identity=nobody, target=target, role="r", client="c")
        recording: Any = Recording()
        self.session.recording = recording
        self.client, self.target = Peer(), Target()
        made = tuple(guard(self.session) for guard in guards)
        chain = Chain(made)
        connection: Any = self.target
        self.relay = Relay(
            self.session, self.client, connection, chain, chain, watching=watching, hint="", leave=lambda: None
        )
        self.relay.start(b"")

    def exchange(self, exchange: Exchange) -> None:
        """There and back, checked."""
        before = self.target.transport.written, self.client.written
        self.relay.client_received(exchange[0])
        self.target.received(exchange[1])
        sent = self.target.transport.written - before[0], self.client.written - before[1]
        if sent != (len(exchange[0]), len(exchange[1])):
            raise AssertionError(f"{sent} bytes left: {self.session.reason}")

    def repeat(self, exchange: Exchange, times: int) -> float:
        """CPU microseconds for one."""
        request, answer = exchange
        there, back = self.relay.client_received, self.target.received
        began = time.process_time_ns()
        for _ in range(times):
            there(request)
            back(answer)
        return (time.process_time_ns() - began) / times / 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.codec", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--transactions", type=int, default=5000, help="in each round")
    options = parser.parse_args()
    build = "interpreted" if str(lane.__file__).endswith(".py") else "compiled"
    for name, exchange in (("simple", SIMPLE), ("extended", EXTENDED), ("prepared", PREPARED)):
        rig = Rig()
        rig.exchange(PREPARE)
        rig.exchange(exchange)
        best = min(rig.repeat(exchange, options.transactions) for _ in range(options.rounds))
        print(f"{build}, {name}: {best:.2f} µs a transaction")


if __name__ == "__main__":
    main()
