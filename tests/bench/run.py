"""The benchmark itself: all peers, all workloads, in rounds, so that a noisy machine is noisy for all."""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hoopgate.development.accounts import fresh_directory
from tests.bench import baseline, flame, floor, plots
from tests.bench.bars import Results, judge, needed
from tests.bench.gateways import SOURCE
from tests.bench.programs import install_extra
from tests.bench.report import Figures, as_markdown, figures, read_results
from tests.bench.rest import SESSIONS, facts
from tests.bench.rounds import measure
from tests.bench.stage import staged
from tests.bench.workloads import Sizes, Workload, workloads

OUT = Path("bench-results")
PUBLISHED = SOURCE / "docs" / "performance"
FLAMES = 6.0  # seconds of sampling for each flame graph
PUBLISHING = 20.0  # minutes that a run may take which is published
BEHIND = 5.5  # minutes of them for what comes behind the rounds: memory, flame graphs
QUICK = (
    "point select, simple, 8 clients",
    "point select, prepared, 8 clients",
    "point select, simple, 1 client",
    "TPC-B, simple",
    "scan, text",
    "COPY OUT, text",
    "COPY IN",
)


def chosen(options: argparse.Namespace) -> list[Workload]:
    """The workloads whose name begins with one of the wanted texts, with the peers that are wanted."""
    sizes = Sizes(options.seconds, options.rows, options.copy_in << 20)
    wanted = options.only or (QUICK if options.quick else [""])
    found = [each for each in workloads(sizes) if any(fnmatch(each.name.lower(), f"{one.lower()}*") for one in wanted)]
    return [Workload(each.name, each.unit, _peers(each, options), each.run) for each in found]


def _peers(workload: Workload, options: argparse.Namespace) -> tuple[str, ...]:
    """Those of the workload that are wanted, and the further trees in the place of our own."""
    trees = [
        name.replace("hoopgate", tree, 1)
        for tree in options.tree
        for name in workload.peers
        if name in ("hoopgate", "hoopgate, rules", "hoopgate, masking")
    ]
    found = [*workload.peers, *trees]
    return tuple(name for name in found if not options.peers or name in options.peers)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main workloads alone, about three minutes")
    parser.add_argument("--rounds", type=int, help="3, or 2 with --quick")
    parser.add_argument("--minutes", type=float, help="that all may take: fewer rounds then, and fewer peers in them")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each run that lasts as long as it is let")
    parser.add_argument("--rows", type=int, default=1_000_000, help="in the larger tables")
    parser.add_argument("--copy-in", type=int, metavar="MB", help="1024, or 128 with --quick")
    parser.add_argument("--only", action="append", default=[], help="names that begin so (* fits all), or: rest")
    parser.add_argument("--peers", action="append", default=[], help="this peer; repeatable")
    parser.add_argument("--tree", action="append", default=[], metavar="NAME=DIR", help="another checkout to compare")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="that sit idle")
    parser.add_argument("--no-compile", action="store_true", help="measure the interpreted core as the main one")
    parser.add_argument("--list", action="store_true", help="say which workloads there are, with their peers")
    parser.add_argument("--check", action="store_true", help="fail where ratios are worse than the kept baseline's")
    parser.add_argument("--keep", action="store_true", help="keep this run's ratios as the baseline")
    parser.add_argument("--publish", action="store_true", help="write to docs/performance, with flame graphs, and keep")
    parser.add_argument("--out", type=Path, default=OUT, help="directory for results.json and results.md")
    options = parser.parse_args(arguments)
    options.tree = dict(text.partition("=")[::2] for text in options.tree)
    options.rounds = options.rounds or (2 if options.quick else 3)
    if options.publish:
        options.out, options.keep = PUBLISHED if options.out is OUT else options.out, True
        options.minutes = options.minutes or PUBLISHING
    options.copy_in = options.copy_in or (128 if options.quick else 1024)
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    work = chosen(options)
    if options.list:
        print("\n".join(f"{each.name}: {'; '.join(each.peers)}" for each in work))
        return
    lacking = install_extra(SOURCE)
    if lacking:
        _say(f"without a part of the extra bench: {lacking}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    directory = fresh_directory(None, "hoopgate-bench-")
    directory.chmod(0o755)  # ours, and fresh: the peers run as another user
    try:
        sys.exit(_run(options, work, directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(options: argparse.Namespace, work: list[Workload], directory: Path) -> int:
    until = None if options.minutes is None else time.monotonic() + 60 * (options.minutes - BEHIND)
    trees = {name: Path(path).resolve() for name, path in options.tree.items()}
    with staged(directory, rows=options.rows, trees=trees, compiled=not options.no_compile) as stage:
        results, failed = measure(stage, work, options.rounds, _say, until, _compared_with())
        found, more = facts(stage, _say, sessions=options.sessions) if _wants_facts(options) else ([], [])
        settings: dict[str, Any] = {"rounds": options.rounds, "seconds": options.seconds, "rows": options.rows}
        given = figures(stage, work, results, found, settings)
        options.out.mkdir(parents=True, exist_ok=True)
        print(_written(given, results, options.out, "inc" if options.publish else "md"))
        if options.publish:
            (options.out / "floor.inc").write_text(floor.as_markdown(results, floor.own_work(stage.tree)))
            flame.pictures(stage, flame.SHOWN, options.out, seconds=FLAMES)
    wrong = [f"failed: {line}" for line in failed + more] + _compared(given, options)
    for line in [*(f"without {name}: {reason}" for name, reason in stage.missing.items()), *wrong]:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _compared_with() -> dict[str, set[str]]:
    """By workload, whose figures count in more than one round."""
    found = needed()
    found.setdefault(floor.WORKLOAD, set()).update(floor.PEERS)
    return found


def _written(given: Figures, results: Results, out: Path, ending: str) -> str:
    """Write the figures, the tables and the plots; returns the tables."""
    (out / "results.json").write_text(json.dumps(given, indent=1) + "\n")
    table = as_markdown(given)
    (out / f"results.{ending}").write_text(table)
    try:
        plots.draw(results, out)
    except ImportError as error:
        _say(f"without plots: {error}")
    return table


def _compared(given: Figures, options: argparse.Namespace) -> list[str]:
    """What is worse than the baseline, if that was asked for; then the figures are kept, if that was."""
    judged = judge(*read_results(given))
    worse = [f"worse: {one}" for one in baseline.compare(judged, baseline.read())] if options.check else []
    if options.keep:
        baseline.keep(judged, given["commit"], options.out / baseline.KEPT.name if options.publish else baseline.KEPT)
    return worse


def _wants_facts(options: argparse.Namespace) -> bool:
    """What the gateway needs at rest: part of a whole run, and a thing of its own by ``--only rest``."""
    return "rest" in options.only or not (options.only or options.quick)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
