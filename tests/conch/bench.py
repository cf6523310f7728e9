"""``python -m tests.conch.bench [MIB] [CIPHER ...]``: what a gigabyte costs us, with OpenSSH on both sides.

A client's ``head``/``cat`` through the relay (both our transports, nothing in between) to an sshd, each way, runs
interleaved. Printed are user and system seconds of the relay's process per GiB: medians, then all runs. A cipher
"default" leaves the choice to the client; "A/B" takes A on the client's side and B on the server's. CONCH_RUNS says how
often each runs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.conch.peers import Relay, keygen, relay, ssh_command, sshd

DEFAULT = ("default", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")


def spent(through: Relay) -> tuple[float, float]:
    fields = Path(f"/proc/{through.process.pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def run(through: Relay, cipher: str, way: str, mebibytes: int) -> tuple[float, float]:
    """User and system seconds for a GiB."""
    command = [*ssh_command(through.port), *(["-c", cipher] if cipher != "default" else [])]
    before = spent(through)
    if way == "down":
        subprocess.run(
            [*command, f"head -c {mebibytes}M /dev/zero"], stdout=subprocess.DEVNULL, check=True, timeout=300
        )
    else:
        with subprocess.Popen(["head", "-c", f"{mebibytes}M", "/dev/zero"], stdout=subprocess.PIPE) as source:
            subprocess.run([*command, "cat >/dev/null"], stdin=source.stdout, check=True, timeout=300)
    after = spent(through)
    return tuple((late - early) * 1024 / mebibytes for early, late in zip(before, after, strict=True))  # type: ignore[return-value]


def main() -> None:
    words = sys.argv[1:]
    mebibytes = int(words.pop(0)) if words and words[0].isdigit() else 512
    seen: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key = keygen(folder / "id")
        target = stack.enter_context(sshd(folder, key))
        relays = {}
        for pair in words or DEFAULT:
            _, _, out = pair.partition("/")
            wanted = {"out": {"ciphers": [out]}} if out else {}
            relays[pair] = stack.enter_context(relay(folder, target, key, **wanted))
        for _ in range(int(os.environ.get("CONCH_RUNS", "3"))):
            for pair, through in relays.items():
                for way in ("down", "up"):
                    found = run(through, pair.partition("/")[0], way, mebibytes)
                    seen.setdefault((pair, way), []).append(found)
    for (pair, way), runs in seen.items():
        user, system = (statistics.median(column) for column in zip(*runs, strict=True))
        total = statistics.median(map(sum, runs))
        every = " ".join(f"{sum(one):.2f}" for one in runs)
        print(f"{pair:48} {way:5} user {user:.2f} system {system:.2f} both {total:.2f} s/GiB  ({every})")


if __name__ == "__main__":
    main()
