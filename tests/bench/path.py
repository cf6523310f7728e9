"""What a transaction costs without the kernel: codec, lanes, guards and recording, fed from memory.

``python -m tests.bench.path [--cold] [--sessions N] [--mode simple|prepared] [--policy allow|rules|masking] [--without
recording --without guards]``: microseconds of the request and of the answer, the time that three in ten stay below.
``rules`` are twenty rules and five masks, none of which touches what is read; with ``masking`` one does. With
``--cold`` other memory goes through the caches before each, as client, server and kernel do between two events of a
gateway that shares processors with them. Put a compiled copy before the sources in PYTHONPATH to measure that one.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from hoopgate import lane
from hoopgate.chain import Chain
from hoopgate.codecs.postgresql import messages as m
from hoopgate.config.model import Limits, Mask
from hoopgate.guards.mask import Masks
from hoopgate.guards.record import Record
from hoopgate.guards.statements import Statements
from hoopgate.inference import Inference
from hoopgate.interfaces import Identity
from hoopgate.protocols.postgresql.relay import Relay
from hoopgate.recorders.spool import FileRecorder
from hoopgate.session import Session
from tests.bench import codec, guards
from tests.bench.codec import Exchange

OTHERS = bytearray(6 << 20)  # bytes, several times the caches of one core
COUNT = 2000  # transactions in a round
POLICIES = {
    "allow": (guards.ALLOW_ALL, ()),
    "rules": (guards.TWENTY, guards.FIVE),
    "masking": (guards.TWENTY, (*guards.FIVE[1:], Mask("balances", ("*.*.abalance",), kind="fixed"))),
}
SHARE = 0.3  # of the times, from the least on, below which the figure lies: what disturbs the machine lies above


class Rig:
    """Several sessions of one gateway that records everything."""

    def __init__(self, directory: Path, sessions: int, without: list[str], policy: str = "allow") -> None:
        gateway: Any = guards.Gateway(guards.config(*POLICIES[policy]))
        gateway.clock = Clock()
        gateway.clock.advance(time.time())
        directory.chmod(0o700)
        self._gateway = gateway
        self._without = without
        self._recorder = FileRecorder(directory / "r", Ed25519PrivateKey.generate(), gateway.clock, Limits())
        self._masks = Masks(lambda reference: succeed(b"k" * 32), Inference(gateway.clock))
        self.pairs = [self._pair() for _ in range(sessions)]

    def _pair(self) -> tuple[Relay, codec.Target]:
        gateway = self._gateway
        who = Identity("https://id.example.com", "ann", frozenset({"dev"}))
        target, nobody = gateway.config.targets[0], None
        session = Session(gateway, listener=nobody, identity=who, target=target, role="bench", client="x")  # type: ignore[arg-type]
        recording: Any = codec.Recording() if "recording" in self._without else self._recorder.open(session)
        session.recording = recording
        made: tuple[Any, ...] = ()
        if "guards" not in self._without:
            statements = Statements().open(session)
            assert statements is not None
            statements._places.schemas = ("public",)  # or the session would be asked first
            made = (statements, self._masks.open(session), Record().open(session))
        chain, connection = Chain(made), codec.Target()
        upstream: Any = connection
        watching = gateway.engine.watches(who, target) and bool(made)
        relay = Relay(session, codec.Peer(), upstream, chain, chain, watching=watching, hint="", leave=lambda: None)
        relay.start(b"")
        relay.client_received(codec.PREPARE[0])
        connection.received(codec.PREPARE[1])
        return relay, connection


def exchanges(mode: str) -> list[Exchange]:
    """Each with another number, as pgbench has it."""
    lot = random.Random(1)
    numbers = [str(lot.randint(1, 100_000)) for _ in range(COUNT)]
    if mode == "simple":
        return [(m.query(codec.SELECT % number), codec.SIMPLE[1]) for number in numbers]
    rest = m.describe(b"P") + m.execute() + m.sync()
    return [(m.bind("", "P0_1", (0,), (number.encode(),), (0,)) + rest, codec.PREPARED[1]) for number in numbers]


def measured(rig: Rig, work: list[Exchange], cold: bool) -> tuple[float, float]:
    """Microseconds of the request and of the answer."""
    there: list[int] = []
    back: list[int] = []
    for at, (request, answer) in enumerate(work):
        relay, target = rig.pairs[at % len(rig.pairs)]
        for times, call, data in ((there, relay.client_received, request), (back, target.received, answer)):
            if cold:
                bytes(OTHERS)
            began = time.perf_counter_ns()
            call(data)
            times.append(time.perf_counter_ns() - began)
        if not relay.conversation.idle:
            raise AssertionError(f"it was not answered: {relay.session.reason}")
    low, high = (sorted(times)[int(len(times) * SHARE)] / 1000 for times in (there, back))
    return low, high


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.path", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--mode", choices=("simple", "prepared"), default="simple")
    parser.add_argument("--cold", action="store_true", help="others use the caches, too")
    parser.add_argument("--policy", choices=tuple(POLICIES), default="allow")
    parser.add_argument("--without", action="append", choices=("guards", "recording"), default=[])
    options = parser.parse_args()
    build = "interpreted" if str(lane.__file__).endswith(".py") else "compiled"
    work = exchanges(options.mode)
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(Path(directory), options.sessions, options.without, options.policy)
        found = [measured(rig, work, options.cold) for _ in range(options.rounds)]
    there, back = min(found, key=sum)
    took = f"{there:.2f} there + {back:.2f} back = {there + back:.2f} µs a transaction"
    print(f"{build}, {options.mode}, {options.policy}: {took}")


if __name__ == "__main__":
    main()
