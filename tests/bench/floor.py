"""Why a point select costs what it costs: who does how much for it, and what would be left under the bar.

``python -m tests.bench.floor``: measures a point select through proxies that look at nothing, pgbouncer, haproxy and
the gateway, in rounds, and the gateway's own work fed from memory; prints both as Markdown.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen

from hoopgate.development.accounts import fresh_directory
from tests.bench.bars import Results, bars
from tests.bench.gateways import SOURCE, environment
from tests.bench.report import spread
from tests.bench.result import FailedRunError, Result
from tests.bench.rounds import measure
from tests.bench.stage import staged
from tests.bench.workloads import Sizes, workloads

WORKLOAD = "point select, simple, 8 clients"
PEERS = ("pgbouncer", "haproxy", "relay, bare", "relay", "hoopgate")
WHAT = {
    "pgbouncer": "pgbouncer",
    "haproxy": "haproxy, TCP mode",
    "relay, bare": "a relay that looks at nothing: `recv` and `send` around `epoll_wait`, in Python",
    "relay": "the same on the gateway's transport",
    "hoopgate": "the gateway: all of it read, judged and recorded",
}
PARTS = {
    "codec and lanes": ("--without", "guards", "--without", "recording"),
    "with guards": ("--without", "recording"),
    "with recording: all of it": (),
}
TOOK = re.compile(r"= ([\d.]+) µs a transaction")


@frozen
class Own:
    """Microseconds of the gateway's own work on a transaction: with caches as it left them, and as others do."""

    what: str
    warm: float
    cold: float


def own_work(tree: Path) -> list[Own]:
    """Of the gateway in ``tree``. Raises FailedRunError."""
    return [Own(what, _took(tree, *options), _took(tree, *options, "--cold")) for what, options in PARTS.items()]


def _took(tree: Path, *options: str) -> float:
    command = [sys.executable, "-m", "tests.bench.path", "--rounds", "3", *options]
    paths = {**environment(tree), "PYTHONPATH": os.pathsep.join([str(tree), str(SOURCE)])}
    done = subprocess.run(command, capture_output=True, text=True, env=paths, cwd=tree, check=False)
    found = TOOK.search(done.stdout)
    if found is None:
        raise FailedRunError(f"tests.bench.path: {done.stderr[-300:]}")
    return float(found[1])


def as_markdown(results: Results, own: list[Own]) -> str:
    return "\n".join(_lines(results.get(WORKLOAD, {}), own)) + "\n"


def _lines(peers: dict[str, list[Result]], own: list[Own]) -> Iterator[str]:
    spent = {name: [one.cpu for one in peers[name]] for name in PEERS if peers.get(name)}
    yield "| 8 clients, simple protocol | CPU, µs a transaction | of pgbouncer's |"
    yield "|---|---|---|"
    for name, values in spent.items():
        ratios = [one / other for one, other in zip(values, spent.get("pgbouncer", []), strict=False)]
        yield f"| {WHAT[name]} | {spread(values, '{:.1f}')} | {spread(ratios, '{:.2f}')} |"
    if not own:
        return
    yield ""
    yield "| the gateway's own work, fed from memory | µs a transaction | where others use the caches, too |"
    yield "|---|---|---|"
    for part in own:
        yield f"| {part.what} | {part.warm:.1f} | {part.cold:.1f} |"
    if {"pgbouncer", "relay"} <= spent.keys():
        yield ""
        yield _reckoned(statistics.median(spent["pgbouncer"]), statistics.median(spent["relay"]), own[-1])


def _reckoned(bouncer: float, relay: float, own: Own) -> str:
    bound = next(bar.bound for bar in bars() if (bar.workload, bar.measure) == (WORKLOAD, "CPU"))
    left = bound * bouncer - relay
    said = (
        f"The bar is {bound:g} times pgbouncer's CPU: {bound * bouncer:.1f} µs. The relay takes {relay:.1f} of them, "
        f"so that {max(left, 0):.1f} µs are left for what takes the gateway {own.warm:.1f} with warm caches and "
        f"{own.cold:.1f} with cold ones: "
    )
    if left >= own.cold:
        return said + "enough."
    if left >= own.warm:
        return said + "enough only where everything stays in the caches from one transaction to the next."
    return said + "too little, whatever the caches hold."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.floor", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    directory = fresh_directory(None, "hoopgate-floor-")
    directory.chmod(0o755)
    try:
        with staged(directory, rows=100_000, trees={}) as stage:
            (work,) = (each for each in workloads(Sizes(options.seconds)) if each.name == WORKLOAD)
            results, failed = measure(
                stage, [evolve(work, peers=PEERS)], options.rounds, lambda text: print(text, file=sys.stderr)
            )
            print(as_markdown(results, own_work(stage.tree)), end="")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit("\n".join(failed) or 0)


if __name__ == "__main__":
    main()
