"""The benchmark itself: all peers, all workloads, in rounds, so that a noisy machine is noisy for all."""

from __future__ import annotations

import argparse
import functools
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from hoopgate.development.accounts import fresh_directory
from tests.bench.measure import FailedRunError, Result, copy_in, copy_out, point_select, scan
from tests.bench.peers import Bench, Peer, bench
from tests.bench.report import Results, as_json, as_markdown

Workload = Callable[[Peer], Result]
OUT = Path("bench-results")


def workloads(options: argparse.Namespace) -> dict[str, Workload]:
    found: dict[str, Workload] = {}
    for mode in options.modes:
        for clients in options.clients:
            run = functools.partial(point_select, clients=clients, seconds=options.seconds, mode=mode)
            found[f"point select, {mode}, {clients} client{'s' * (clients > 1)}"] = run
    found["scan, rows"] = functools.partial(scan, rows=options.rows)
    found["COPY OUT, rows"] = functools.partial(copy_out, rows=options.rows)
    found["COPY IN, rows"] = functools.partial(copy_in, rows=options.rows // 5)
    return {name: work for name, work in found.items() if options.only.lower() in name.lower()}


def measure(made: Bench, work: dict[str, Workload], rounds: int, say: Callable[[str], None]) -> Results:
    """``rounds`` rounds; in each, every workload meets every peer, in an order drawn by lot."""
    results: Results = {name: {peer.name: [] for peer in made.peers} for name in work}
    lot = random.Random(1)
    for number in range(rounds):
        for name, run in work.items():
            for peer in lot.sample(made.peers, len(made.peers)):
                if "masking" in peer.name and "COPY IN" in name:
                    continue
                result = run(peer)
                results[name][peer.name].append(result)
                say(f"round {number + 1}: {name}: {peer.name}: {result.per_second:,.0f}/s, {result.cpu:.2f} µs")
                _tidy(made.directory)
    return {name: {peer: found for peer, found in peers.items() if found} for name, peers in results.items()}


def _tidy(directory: Path) -> None:
    """Recordings of a scan are as large as the scan: away with those that ended."""
    for path in (directory / "hoopgate" / "recordings").rglob("*.hgr"):
        path.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each pgbench run")
    parser.add_argument("--rows", type=int, default=500_000, help="in pgbench_accounts")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument(
        "--modes", nargs="+", default=["prepared", "simple"], choices=["simple", "extended", "prepared"]
    )
    parser.add_argument("--only", default="", help="workloads whose name holds this text")
    parser.add_argument("--out", type=Path, default=OUT, help="directory for results.json and results.md")
    options = parser.parse_args(arguments)
    directory = fresh_directory(None, "hoopgate-bench-")
    directory.chmod(0o755)  # ours, and fresh: the peers run as another user
    try:
        with bench(directory, options.rows) as made:
            for name, reason in made.missing.items():
                print(f"without {name}: {reason}", file=sys.stderr)
            results = measure(made, workloads(options), options.rounds, lambda text: print(text, file=sys.stderr))
            options.out.mkdir(parents=True, exist_ok=True)
            settings = {key: value for key, value in vars(options).items() if key != "out"}
            (options.out / "results.json").write_text(json.dumps(as_json(made, results, settings), indent=1) + "\n")
            table = as_markdown(made, results)
            (options.out / "results.md").write_text(table)
            print(table)
    except FailedRunError as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
