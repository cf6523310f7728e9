"""Draws the main figures, by matplotlib: ``python -m tests.bench.plots [RESULTS.json [DIRECTORY]]``."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.bench.bars import Results
from tests.bench.gateways import SOURCE
from tests.bench.report import read_results
from tests.bench.result import Result

COLOURS = {
    "direct": "#9a9a9a",
    "pgbouncer": "#4c78a8",
    "haproxy": "#72b7b2",
    "hoopgate": "#e45756",
    "hoopgate, rules": "#f58518",
    "hoopgate, masking": "#b279a2",
    "hoopgate, interpreted": "#ff9da6",
    "hoopgate, interpreted, masking": "#d8b5d0",
}
Pick = Callable[[Result], float | None]


@frozen
class Plot:
    """``groups`` are labels and the workloads they stand for; each has a bar for every peer that was measured."""

    name: str
    title: str
    axis: str
    pick: Pick
    groups: dict[str, str]


def _modes(clients: str) -> dict[str, str]:
    return {mode: f"point select, {mode}, {clients}" for mode in ("simple", "extended", "prepared")}


BULK = {
    "scan": "scan, text",
    "scan, binary": "scan, binary",
    "COPY OUT": "COPY OUT, text",
    "COPY OUT, binary": "COPY OUT, binary",
    "TLS: scan": "TLS: scan, text",
}
CLIENTS = {clients: f"point select, simple, {clients}" for clients in ("1 client", "8 clients", "64 clients")}
LOGINS = {
    "pgbench -C": "connections, pgbench -C",
    "own client": "connections",
    "TLS": "TLS: connections",
    "TLS, resumed": "TLS: connections, resumed",
    "handshakes": "TLS: handshakes",
    "handshakes,\nresumed": "TLS: handshakes, resumed",
}
PLOTS = (
    Plot("select-cpu", "Point select, 8 clients", "CPU, µs for each", lambda one: one.cpu or None, _modes("8 clients")),
    Plot("select-rate", "Point select, simple protocol", "transactions a second", lambda one: one.per_second, CLIENTS),
    Plot("select-p99", "Point select, simple protocol", "p99, ms", lambda one: one.p99, CLIENTS),
    Plot("bulk-cpu", "Many rows", "CPU, µs for each row", lambda one: one.cpu or None, BULK),
    Plot("bulk-rate", "Many rows", "rows a second", lambda one: one.per_second, BULK),
    Plot("logins", "New connections", "a second", lambda one: one.per_second, LOGINS),
)


def heights(plot: Plot, results: Results) -> dict[str, dict[str, tuple[float, float, float]]]:
    """peer -> label -> median, least and greatest; what was not measured is left out."""
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for label, workload in plot.groups.items():
        for peer, rounds in results.get(workload, {}).items():
            values = [value for value in map(plot.pick, rounds) if value is not None]
            if values and peer in COLOURS:
                found.setdefault(peer, {})[label] = (statistics.median(values), min(values), max(values))
    return {peer: found[peer] for peer in COLOURS if peer in found}


def draw(results: Results, directory: Path) -> list[Path]:
    """Write an SVG for each plot that has figures; returns their paths. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and the same figures give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "hoopgate", "font.size": 9})
    return [_drawn(plot, found, directory) for plot in PLOTS if (found := heights(plot, results))]


def _drawn(plot: Plot, found: dict[str, dict[str, tuple[float, float, float]]], directory: Path) -> Path:
    from matplotlib import pyplot

    labels = [label for label in plot.groups if any(label in values for values in found.values())]
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    width = 0.84 / len(found)
    for number, (peer, values) in enumerate(found.items()):
        _bars(axes, labels, values, peer, (number - (len(found) - 1) / 2) * width, width)
    axes.set_xticks(range(len(labels)), labels)
    axes.set(title=plot.title, ylabel=plot.axis)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    path = directory / f"{plot.name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return path


def _bars(
    axes: Any, labels: Sequence[str], values: dict[str, tuple[float, float, float]], peer: str, at: float, width: float
) -> None:
    places = [number for number, label in enumerate(labels) if label in values]
    middles = [values[labels[number]] for number in places]
    errors = [[one[0] - one[1] for one in middles], [one[2] - one[0] for one in middles]]
    axes.bar(
        [place + at for place in places], [one[0] for one in middles], width * 0.92,
        label=peer, color=COLOURS[peer], yerr=errors, error_kw={"elinewidth": 0.8, "ecolor": "#444444"},
    )  # fmt: skip


if __name__ == "__main__":
    default = SOURCE / "docs" / "performance" / "results.json"
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    into = Path(sys.argv[2]) if len(sys.argv) > 2 else source.parent
    for written in draw(read_results(json.loads(source.read_text()))[0], into):
        print(written)
