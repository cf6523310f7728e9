"""Workloads of connections: a client process that connects, logs in and leaves, or that only shakes hands."""

from __future__ import annotations

import multiprocessing
import ssl
import time
from collections.abc import Callable
from typing import Any

from tests.bench.peers import USER, Peer
from tests.bench.pgbench import percentile
from tests.bench.processes import cpu_seconds
from tests.bench.result import FailedRunError, Result
from tests.bench.wire import RefusedError, Wire, connected, encrypted, tls_context

CLIENTS = 4  # processes: each waits most of the time
Once = Callable[[], None]


class Login:
    """Connect, log in, ``SELECT 1``, leave. ``kind``: ``plain``, ``tls`` or ``resumed``."""

    def __init__(self, peer: Peer, kind: str) -> None:
        self._peer = peer
        self._kind = kind
        self._context = tls_context()
        self._session: ssl.SSLSession | None = None

    def __call__(self) -> None:
        peer, tls = self._peer, self._kind != "plain"
        connection: Any = connected(peer.tls_port if tls else peer.port)
        if tls:
            connection = encrypted(connection, self._context, direct=peer.tls_direct, session=self._session)
        with Wire(connection, USER, peer.database, peer.password) as wire:
            wire.query("SELECT 1")
            if self._kind == "resumed" and self._session is None:
                self._session = connection.session  # its ticket came before the answers


class Handshake:
    """A TLS handshake and nothing behind it."""

    def __init__(self, peer: Peer, resumed: bool) -> None:
        self._peer = peer
        self._context = tls_context()
        self._session: ssl.SSLSession | None = None
        if resumed:
            connection = encrypted(connected(peer.tls_port), self._context, direct=peer.tls_direct)
            Wire(connection, USER, peer.database, peer.password).query("SELECT 1")
            self._session = connection.session
            connection.close()

    def __call__(self) -> None:
        direct = self._peer.tls_direct
        connection = encrypted(connected(self._peer.tls_port), self._context, direct=direct, session=self._session)
        if self._session is not None and not connection.session_reused:
            raise RefusedError("the TLS session was not resumed")
        connection.close()


def connections(peer: Peer, *, kind: str, seconds: float) -> Result:
    """New sessions by several clients at once; p50 and p99 are until ``SELECT 1`` was answered."""
    return _repeated(peer, lambda: Login(peer, kind), seconds)


def handshakes(peer: Peer, *, resumed: bool, seconds: float) -> Result:
    """TLS handshakes alone."""
    return _repeated(peer, lambda: Handshake(peer, resumed), seconds)


def _repeated(peer: Peer, make: Callable[[], Once], seconds: float) -> Result:
    forked = multiprocessing.get_context("fork")
    pairs = [forked.Pipe() for _ in range(CLIENTS)]
    clients = [forked.Process(target=_client, args=(make, seconds, theirs), daemon=True) for _, theirs in pairs]
    for client in clients:
        client.start()
    for _, theirs in pairs:
        theirs.close()
    try:
        for ours, _ in pairs:
            _heard(peer, ours)
        pids = peer.pids()
        before, began = cpu_seconds(pids), time.perf_counter()
        for ours, _ in pairs:
            ours.send(None)
        times = sorted(took for ours, _ in pairs for took in _heard(peer, ours))
        lasted, used = time.perf_counter() - began, cpu_seconds(pids) - before
    finally:
        for client in clients:
            client.kill()
            client.join()
    return Result(
        len(times) / lasted, used / len(times) * 1e6, percentile(times, 0.5), percentile(times, 0.99)
    )  # fmt: skip


def _heard(peer: Peer, ours: Any) -> list[float]:
    try:
        found: list[float] | str = ours.recv()
    except EOFError:
        found = "a client ended"
    if isinstance(found, str):
        raise FailedRunError(f"{peer.name}: {found}")
    return found


def _client(make: Callable[[], Once], seconds: float, tell: Any) -> None:
    """One is done before the time begins: what is made once is made."""
    try:
        once, times = make(), []
        once()
        tell.send([])
        tell.recv()
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            once()
            times.append((time.perf_counter() - began) * 1000)
        tell.send(times)
    except (OSError, RefusedError) as error:
        tell.send(str(error))
