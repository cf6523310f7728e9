"""Idle sessions: what each costs the gateway in memory, and all of them together in processor time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncssh

from tests.bench.processes import cpu_seconds, memory
from tests.bench.ssh.stage import Peer, Stage

TOGETHER = 8  # logins under way at once
PATIENCE = 5.0  # seconds until what logins left behind is gone
WATCHED = 10.0


async def _open(peer: Peer, key: str, door: asyncio.Semaphore) -> Any:
    async with door:
        connection = await asyncssh.connect(
            "127.0.0.1", peer.port, username=peer.user, client_keys=[key], known_hosts=None, config=None,
            login_timeout=120, connect_timeout=120,
        )  # fmt: skip
        await connection.create_process("cat", stdin=asyncssh.PIPE)
        return connection


async def _measure(stage: Stage, peer: Peer, count: int) -> tuple[float, float]:
    door = asyncio.Semaphore(TOGETHER)
    first = [await _open(peer, str(stage.key), door) for _ in range(5)]  # whatever is made once is made
    before = sum(memory(pid).pss for pid in peer.pids())
    opened = await asyncio.gather(*(_open(peer, str(stage.key), door) for _ in range(count)))
    await asyncio.sleep(PATIENCE)
    each = (sum(memory(pid).pss for pid in peer.pids()) - before) / count
    began = cpu_seconds(peer.pids())
    at = time.monotonic()
    await asyncio.sleep(WATCHED)
    busy = (cpu_seconds(peer.pids()) - began) / (time.monotonic() - at)
    for connection in (*first, *opened):
        connection.abort()
    return each, busy


def idle(stage: Stage, peer: Peer, count: int) -> tuple[float, float]:
    """(bytes for each of ``count`` sessions with a command that waits, share of a processor that all use)."""
    return asyncio.run(_measure(stage, peer, count))
