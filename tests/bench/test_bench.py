"""The harness measures what it says it does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.bench.measure import Result, cpu_seconds, percentile
from tests.bench.peers import family
from tests.bench.report import spread
from tests.bench.run import main


def test_percentile_reads_pgbenchs_log(tmp_path: Path) -> None:
    lines = [f"0 {number} {number * 1000} 0 1700000000 0" for number in range(1, 101)]
    (tmp_path / "pgbench_log.1").write_text("\n".join(lines[:60]) + "\n")
    (tmp_path / "pgbench_log.1.1").write_text("\n".join(lines[60:]) + "\n")
    assert percentile(tmp_path) == 100.0
    assert percentile(tmp_path, 0.5) == 51.0


def test_cpu_of_a_process_grows_as_it_works() -> None:
    before = cpu_seconds([os.getpid()])
    end = time.process_time() + 0.15
    while time.process_time() < end:
        sum(range(1000))
    used = cpu_seconds([os.getpid()]) - before
    assert 0.1 <= used <= 0.5


def test_a_family_begins_with_the_parent() -> None:
    assert family(os.getpid())[0] == os.getpid()


def test_spread_is_median_least_and_greatest() -> None:
    assert spread([3.0, 1.0, 2.0], "{:.0f}") == "2 (1…3)"
    assert spread([1.5], "{:.1f}") == "1.5"
    assert spread([], "{}") == "-"
    assert Result(1.0, 2.0).p99 == -1.0


@pytest.mark.long
def test_a_short_run_has_figures_of_everybody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rounds", "1", "--seconds", "1", "--rows", "20000", "--clients", "2", "--out", str(tmp_path)])
    figures = json.loads((tmp_path / "results.json").read_text())
    assert {"direct", "hoopgate", "hoopgate, masking"} <= set(figures["peers"])
    for workload, peers in figures["results"].items():
        for peer, rounds in peers.items():
            assert all(one["per_second"] > 0 for one in rounds), (workload, peer)
    assert "| hoopgate |" in capsys.readouterr().out
