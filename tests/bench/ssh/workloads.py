"""What is done through each peer: bulk both ways, a keystroke and its echo, setting up."""

from __future__ import annotations

import os
import pty
import select
import statistics
import subprocess
import time
import tty

from attrs import frozen

from tests.bench.result import FailedRunError
from tests.bench.ssh.stage import Peer

GIB = 1 << 30
WARMING = 20  # keystrokes before the first that counts


@frozen
class Figure:
    """``value`` in ``unit``; ``cpu``: the peer's seconds for each GiB, where that means something."""

    value: float
    unit: str
    cpu: float = 0.0


def run(
    peer: Peer, *command: str, options: tuple[str, ...] = (), **pipes: object
) -> subprocess.CompletedProcess[bytes]:
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        ["ssh", *options, *peer.arguments, *command], stderr=subprocess.PIPE, check=False, **pipes,  # type: ignore[call-overload]
    )  # fmt: skip
    if done.returncode:
        raise FailedRunError(f"{peer.name}: {done.stderr.decode(errors='replace')}")
    return done


def download(peer: Peer, size: int, cipher: str) -> Figure:
    """``size`` bytes from the server."""
    return _bulk(peer, size, cipher, f"head -c {size} /dev/zero", subprocess.DEVNULL)


def upload(peer: Peer, size: int, cipher: str) -> Figure:
    """``size`` bytes to the server."""
    with subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE) as source:
        return _bulk(peer, size, cipher, "cat > /dev/null", source.stdout)


def _bulk(peer: Peer, size: int, cipher: str, command: str, stdin: object) -> Figure:
    options = ("-c", cipher) if cipher else ()
    before, began = peer.cpu(), time.perf_counter()
    run(peer, command, options=options, stdin=stdin, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    cpu = (peer.cpu() - before) * GIB / size
    peer.tidy()
    return Figure(size / took / 1e6, "MB/s", cpu)


def setup(peer: Peer, times: int) -> Figure:
    """The median of ``ssh host true``, in ms."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        run(peer, "true", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        found.append((time.perf_counter() - began) * 1e3)
    return Figure(statistics.median(found), "ms")


def keystroke(peer: Peer, times: int) -> Figure:
    """The median time from a byte typed into a terminal to its echo by ``cat`` at the server, in ms."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    command = ["ssh", "-tt", *peer.arguments, "stty raw -echo; echo ready; cat"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as client:
        os.close(theirs)
        try:
            _expect(ours, b"ready", peer)
            found = [_echo(ours, peer) for _ in range(times + WARMING)][WARMING:]
        finally:
            client.kill()
            os.close(ours)
    return Figure(statistics.median(found) * 1e3, "ms")


def _expect(terminal: int, word: bytes, peer: Peer) -> None:
    seen = b""
    while word not in seen:
        if not select.select([terminal], [], [], 20)[0]:
            raise FailedRunError(f"{peer.name}: no terminal came up")
        seen += os.read(terminal, 4096)
    while select.select([terminal], [], [], 0.2)[0]:
        os.read(terminal, 4096)


def _echo(terminal: int, peer: Peer) -> float:
    time.sleep(0.002)
    began = time.perf_counter()
    os.write(terminal, b"x")
    if not select.select([terminal], [], [], 20)[0]:
        raise FailedRunError(f"{peer.name}: no echo")
    os.read(terminal, 4096)
    return time.perf_counter() - began
