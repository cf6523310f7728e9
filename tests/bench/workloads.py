"""What is measured, through whom: every row of the table of results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from attrs import frozen

from tests.bench import bulk, logins, pgbench
from tests.bench.peers import Peer
from tests.bench.pgbench import Shape
from tests.bench.result import Result

PLAIN = ("direct", "pgbouncer", "haproxy", "hoopgate")
FLOOR = ("relay", "relay, bare")  # proxies in Python that look at nothing: what nobody who looks can undercut
RULED = (*PLAIN, "hoopgate, rules", "hoopgate, masking")
INTERPRETED = ("hoopgate, interpreted", "hoopgate, interpreted, masking")
MODES = ("simple", "extended", "prepared")


@frozen
class Workload:
    """``unit`` is what is counted; ``peers`` are the names of those who can do it."""

    name: str
    unit: str
    peers: tuple[str, ...]
    run: Callable[[Peer], Result]


@frozen
class Sizes:
    """How much: seconds of a pgbench run, rows of the tables, bytes of a COPY IN."""

    seconds: float = 3.0
    rows: int = 1_000_000
    copy_in: int = 1 << 30


def workloads(sizes: Sizes) -> Iterator[Workload]:
    yield from _point_selects(sizes)
    yield from _writes(sizes)
    yield from _bulk(sizes)
    yield from _encrypted(sizes)
    yield from _connections(sizes)
    yield from _workers(sizes)


def _pgbench(name: str, shape: Shape, peers: tuple[str, ...]) -> Workload:
    return Workload(name, "transaction", peers, functools.partial(pgbench.steady, shape=shape))


def _point_selects(sizes: Sizes) -> Iterator[Workload]:
    for mode in MODES:
        for clients in (1, 8, 64):
            name = f"point select, {mode}, {clients} client{'s' * (clients > 1)}"
            shape = Shape(("-S",), mode, clients, sizes.seconds)
            peers = (*RULED, INTERPRETED[0]) if clients == 8 else RULED
            peers = (*peers, *FLOOR) if mode == "simple" else (*peers, FLOOR[0])
            yield _pgbench(name, shape, peers)
    unseen = Shape((), "simple", 8, sizes.seconds, script=pgbench.UNSEEN)
    yield _pgbench("statements never seen, simple, 8 clients", unseen, RULED)


def _writes(sizes: Sizes) -> Iterator[Workload]:
    # No masks here: a statement that computes with a masked column is refused.
    peers = (*PLAIN, "hoopgate, rules", FLOOR[0])
    yield _pgbench("TPC-B, simple, 8 clients", Shape(("-b", "tpcb-like"), "simple", 8, sizes.seconds), peers)
    yield _pgbench("TPC-B, prepared, 8 clients", Shape(("-b", "tpcb-like"), "prepared", 8, sizes.seconds), peers)


def _bulk(sizes: Sizes) -> Iterator[Workload]:
    for binary in (False, True):
        form = "binary" if binary else "text"
        peers = RULED if binary else (*RULED, *INTERPRETED)
        work = functools.partial(bulk.scan, rows=sizes.rows, binary=binary)
        yield Workload(f"scan, {form}", "row", peers, work)
        copy = functools.partial(bulk.copy_out, rows=sizes.rows, binary=binary)
        yield Workload(f"COPY OUT, {form}", "row", peers, copy)
    yield Workload("COPY IN", "MB", (*PLAIN, "hoopgate, rules"), functools.partial(bulk.copy_in, size=sizes.copy_in))


def _encrypted(sizes: Sizes) -> Iterator[Workload]:
    # pgbench and haproxy have no way of TLS in common.
    pooled = ("direct", "pgbouncer", "hoopgate")
    for clients in (1, 8, 64):
        shape = Shape(("-S",), "prepared", clients, sizes.seconds, tls=True)
        yield _pgbench(f"TLS: point select, prepared, {clients} client{'s' * (clients > 1)}", shape, pooled)
    everybody = (*PLAIN, "hoopgate, masking")
    scan = functools.partial(bulk.scan, rows=sizes.rows, binary=False, tls=True)
    yield Workload("TLS: scan, text", "row", everybody, scan)
    copy = functools.partial(bulk.copy_out, rows=sizes.rows, binary=False, tls=True)
    yield Workload("TLS: COPY OUT, text", "row", everybody, copy)
    into = functools.partial(bulk.copy_in, size=sizes.copy_in // 4, tls=True)
    yield Workload("TLS: COPY IN", "MB", PLAIN, into)


def _connections(sizes: Sizes) -> Iterator[Workload]:
    pooled = ("direct", "pgbouncer", "hoopgate")
    for tls in (False, True):
        again = functools.partial(pgbench.reconnecting, clients=8, seconds=sizes.seconds, tls=tls)
        yield Workload(f"{'TLS: ' * tls}connections, pgbench -C", "connection", pooled, again)
    for name, kind in (("connections", "plain"), ("TLS: connections", "tls"), ("TLS: connections, resumed", "resumed")):
        work = functools.partial(logins.connections, kind=kind, seconds=sizes.seconds)
        yield Workload(name, "connection", pooled, work)
    for name, resumed in (("TLS: handshakes", False), ("TLS: handshakes, resumed", True)):
        shake = functools.partial(logins.handshakes, resumed=resumed, seconds=sizes.seconds)
        # The server itself gives out no tickets.
        yield Workload(name, "handshake", PLAIN[resumed:], shake)


def _workers(sizes: Sizes) -> Iterator[Workload]:
    work = functools.partial(bulk.several_scans, rows=20_000, clients=16, seconds=2 * sizes.seconds)
    peers = ("hoopgate, one worker", "hoopgate, two workers")
    yield Workload("scan with four columns hashed, the gateway as bottleneck", "row", peers, work)
