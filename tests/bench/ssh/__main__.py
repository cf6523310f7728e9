"""``python -m tests.bench.ssh``: rounds of everything through everybody, interleaved; medians and ratios."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import asdict

from hoopgate.development.accounts import fresh_directory
from hoopgate.development.ssh_target import sshd
from tests.bench.gateways import SOURCE
from tests.bench.programs import compiled_core, install_extra
from tests.bench.report import machine
from tests.bench.ssh import workloads
from tests.bench.ssh.stage import Peer, Stage, staged
from tests.bench.ssh.workloads import GIB, Figure
from tests.installs import CACHE

Results = dict[str, dict[str, list[Figure]]]
Work = dict[str, Callable[[Peer], Figure]]
AES = "aes256-gcm@openssh.com"


def work(size: int) -> Work:
    return {
        "download, default cipher": lambda peer: workloads.download(peer, size, ""),
        "upload, default cipher": lambda peer: workloads.upload(peer, size, ""),
        "download, AES-GCM": lambda peer: workloads.download(peer, size, AES),
        "upload, AES-GCM": lambda peer: workloads.upload(peer, size, AES),
        "keystroke": lambda peer: workloads.keystroke(peer, 200),
        "setting up": lambda peer: workloads.setup(peer, 10),
    }


def measured(stage: Stage, chosen: Work, rounds: int) -> Results:
    results: Results = {name: {} for name in chosen}
    for number in range(rounds):
        for name, do in chosen.items():
            for peer in stage.peers:
                print(f"round {number + 1}: {name}, {peer.name}", file=sys.stderr)
                results[name].setdefault(peer.name, []).append(do(peer))
    return results


def lines(results: Results, idled: tuple[int, float, float] | None, stage: Stage, build: str) -> Iterator[str]:
    where = machine()
    yield f"{where['cores']} cores, {where['processor']}, Linux {where['kernel']}, Python {where['python']}, {build}."
    yield f"{_version()} on both sides; asyncssh's proxy records nothing and asks nobody; the gateway records.\n"
    for name, why in stage.missing.items():
        yield f"**{name} is missing**: {why}\n"
    yield "| | through | median | of direct | of ProxyJump | CPU, s/GiB |"
    yield "|---|---|---|---|---|---|"
    for name, peers in results.items():
        for peer, found in peers.items():
            yield _row(name, peer, found, peers)
    if idled is not None:
        count, each, busy = idled
        yield f"\n{count} idle sessions: {each / 1024:.1f} KB each, {busy * 100:.1f} % of a processor for all."


def _row(name: str, peer: str, found: list[Figure], peers: dict[str, list[Figure]]) -> str:
    cells = [name, peer, f"{_median(found):,.2f} {found[0].unit}"]
    for other in ("direct", "ProxyJump"):
        cells.append(f"{_median(found) / _median(peers[other]):.2f}" if other in peers else "")
    cpu = statistics.median([one.cpu for one in found])
    return f"| {' | '.join([*cells, f'{cpu:.2f}' if cpu else ''])} |"


def _median(found: list[Figure]) -> float:
    return statistics.median([one.value for one in found])


def _version() -> str:
    return subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr.split(",")[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ssh", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=GIB, help="bytes of a bulk transfer (default: a GiB)")
    parser.add_argument("--idle", type=int, default=1000, metavar="N", help="idle sessions; 0: not measured")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--peers", default="", help="names, separated by commas")
    parser.add_argument("--no-compile", action="store_true", help="measure the interpreted core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--publish", action="store_true", help="write docs/performance/ssh.inc and ssh.json")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if sshd() is None:
        sys.exit("there is no sshd here (Debian: openssh-server)")
    lacking = install_extra(SOURCE)
    if lacking:
        sys.exit(lacking)
    from tests.bench.ssh.idle import idle  # which needs asyncssh

    core = CACHE / f"core-{hashlib.sha256(bytes(SOURCE)).hexdigest()[:8]}"
    problem = "--no-compile" if options.no_compile else compiled_core(SOURCE, core)
    directory = fresh_directory(None, "hoopgate-bench-")
    os.environ.pop("SSH_AUTH_SOCK", None)
    with staged(directory, SOURCE if problem else core) as stage:
        if options.peers:
            stage.peers = [peer for peer in stage.peers if peer.name in options.peers.split(",")]
        chosen = {name: do for name, do in work(options.size).items() if options.only in name}
        results = measured(stage, chosen, options.rounds)
        ours = next((peer for peer in stage.peers if peer.name == "hoopgate"), None)
        idled = None
        if options.idle and ours is not None and not stage.missing:
            idled = (options.idle, *idle(stage, ours, options.idle))
        build = f"interpreted core ({problem})" if problem else "compiled core"
        text = "\n".join(lines(results, idled, stage, build)) + "\n"
    sys.stdout.write(text)
    figures = {
        "machine": machine(), "idle": idled,
        "results": {name: {peer: [asdict(one) for one in found] for peer, found in peers.items()}
                    for name, peers in results.items()},
    }  # fmt: skip
    for path in [options.json] if options.json else []:
        path.write_text(json.dumps(figures, indent=1) + "\n")
    if options.publish:
        docs = SOURCE / "docs" / "performance"
        (docs / "ssh.inc").write_text(text)
        (docs / "ssh.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
