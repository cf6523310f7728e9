"""The harness measures what it says it does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench import floor
from tests.bench.bars import Bar, Fact, judge
from tests.bench.pgbench import _entries, _newest, percentile
from tests.bench.processes import cpu_seconds, descriptors, family, memory, threads
from tests.bench.report import as_markdown, spread
from tests.bench.result import Result
from tests.bench.rounds import measure
from tests.bench.run import chosen, main, parsed
from tests.bench.wire import RefusedError, Scram, Wire, message
from tests.bench.workloads import Sizes, Workload, workloads


def test_pgbenchs_log_is_read_up_to_a_line_that_is_cut_off(tmp_path: Path) -> None:
    lines = [f"0 {number} {number * 1000} 0 1700000000 {number}" for number in range(1, 101)]
    (tmp_path / "pgbench_log.1").write_text("\n".join(lines[:60]) + "\n")
    (tmp_path / "pgbench_log.1.1").write_text("\n".join(lines[60:]) + "\n0 101 10")
    entries = sorted(_entries(tmp_path), key=lambda entry: entry.ended)
    assert [entry.took for entry in entries] == [float(number) for number in range(1, 101)]
    assert entries[0].ended == pytest.approx(1700000000.000001)
    assert _newest(tmp_path) == pytest.approx(1700000000.0001)


def test_a_percentile_is_one_of_the_times() -> None:
    times = [float(number) for number in range(1, 101)]
    assert percentile(times, 0.99) == 100.0
    assert percentile(times, 0.5) == 51.0
    assert percentile([7.0], 0.99) == 7.0


def test_cpu_of_a_process_grows_as_it_works() -> None:
    before = cpu_seconds([os.getpid()])
    end = time.process_time() + 0.15
    while time.process_time() < end:
        sum(range(1000))
    used = cpu_seconds([os.getpid()]) - before
    assert 0.1 <= used <= 0.5
    assert cpu_seconds([2**22 + 1]) == 0.0, "what ended has no more"


def test_what_a_process_holds() -> None:
    held = memory(os.getpid())
    assert 0 < held.pss <= held.rss <= held.peak
    assert family(os.getpid())[0] == os.getpid()
    with Path("/dev/null").open() as first:
        before = descriptors(os.getpid())
        with Path("/dev/null").open():
            assert descriptors(os.getpid()) == before + 1
    assert first.closed
    assert threads(os.getpid()) >= 1


def test_spread_is_median_least_and_greatest() -> None:
    assert spread([3.0, 1.0, 2.0], "{:.0f}") == "2 (1…3)"
    assert spread([1.5], "{:.1f}") == "1.5"
    assert spread([], "{}") == "-"


def test_the_clients_proof_is_what_a_server_checks() -> None:
    """As in RFC 5802, section 3: the stored key is the hash of the proof, undone by the signature."""
    scram = Scram("pencil")
    first = scram.answer(10, b"SCRAM-SHA-256\0\0").partition(b"n,,")[2].decode()
    salt = base64.b64encode(b"0123456789abcdef").decode()
    challenge = f"r={first.partition('r=')[2]}server,s={salt},i=4096"
    final = scram.answer(11, challenge.encode()).decode()
    without, _, proof = final.partition(",p=")
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", b"0123456789abcdef", 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    signature = hmac.digest(stored, f"{first},{challenge},{without}".encode(), "sha256")
    key = bytes(one ^ two for one, two in zip(base64.b64decode(proof), signature, strict=True))
    assert hashlib.sha256(key).digest() == stored


OK = message(b"R", b"\0\0\0\0") + message(b"Z", b"I")


def answered(*answers: bytes) -> tuple[Wire, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.sendall(OK)
    wire = Wire(ours, "u", "d", "p")  # type: ignore[arg-type]
    for answer in answers:
        theirs.sendall(answer)
    return wire, theirs


def test_what_comes_is_read_up_to_ready_for_query() -> None:
    rows = message(b"D", b"Z\0\0\0\5I" * 20) * 10
    wire, theirs = answered(rows, message(b"C", b"SELECT 10\0") + message(b"Z", b"T"))
    with theirs:
        assert wire.query("SELECT") == len(rows) + 15 + 6
        wire.socket.close()


def test_ready_for_query_may_come_in_pieces() -> None:
    wire, theirs = answered()
    whole = message(b"C", b"SELECT 0\0") + message(b"Z", b"I")

    def trickle() -> None:
        for byte in whole:
            theirs.sendall(bytes([byte]))

    thread = threading.Thread(target=trickle)
    thread.start()
    with theirs:
        assert wire.query("SELECT") == len(whole)
        thread.join()
        wire.socket.close()


def test_an_error_is_not_a_result() -> None:
    wire, theirs = answered(message(b"E", b"SERROR\0\0") + message(b"Z", b"I"))
    with theirs:
        with pytest.raises(RefusedError, match="SERROR"):
            wire.query("SELECT")
        wire.socket.close()


def test_every_bar_has_its_workload_and_its_peers() -> None:
    known = {each.name: each.peers for each in workloads(Sizes())}
    from tests.bench.bars import bars

    for bar in bars():
        assert {bar.peer, bar.reference} <= set(known[bar.workload]), bar


def test_ratios_are_taken_round_by_round() -> None:
    name = "point select, simple, 8 clients"
    peers = {
        "direct": [Result(300, 0, 0.1, 0.5), Result(100, 0, 0.1, 0.5)],
        "pgbouncer": [Result(200, 20, 0.2, 1.0), Result(50, 40, 0.2, 1.0)],
        "hoopgate": [Result(100, 20, 0.2, 1.5), Result(50, 20, 0.2, 2.0)],
    }
    found = {one.name: one for one in judge({name: peers}, [Fact("at rest", "MB", (80.0, 90.0, 100.0), 90)])}
    rate = found[Bar(name, "hoopgate", "rate", "pgbouncer", 0.85).name]
    assert (rate.least, rate.value, rate.greatest, rate.met) == (0.5, 0.75, 1.0, False)
    assert found[Bar(name, "hoopgate", "CPU", "pgbouncer", 1.4).name].value == 0.75
    added = found[Bar(name, "hoopgate", "added p99", "pgbouncer", 2.0).name]
    assert (added.value, added.met) == (2.5, False)
    assert found["at rest, MB"].met


def test_what_runs_is_chosen_by_name() -> None:
    work = chosen(parsed(["--only", "scan, t", "--only", "*COPY IN", "--peers", "direct", "--peers", "old, masking",
                          "--tree", "old=/nowhere"]))  # fmt: skip
    assert [(each.name, each.peers) for each in work] == [
        ("scan, text", ("direct", "old, masking")),
        ("COPY IN", ("direct",)),
        ("TLS: COPY IN", ("direct",)),
    ]


@pytest.mark.long
def test_a_short_run_has_figures_of_everybody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--only", "point select, simple, 8", "--only", "scan, text", "--only", "COPY IN", "--only", "TLS: hand"]
    short = ["--rounds", "1", "--seconds", "1", "--rows", "20000", "--copy-in", "8"]
    with pytest.raises(SystemExit) as ended:
        main([*short, *only, "--out", str(tmp_path)])
    assert ended.value.code == 0
    given = json.loads((tmp_path / "results.json").read_text())
    assert {"direct", "hoopgate", "hoopgate, masking", "hoopgate, interpreted"} <= set(given["peers"])
    for workload, peers in given["results"].items():
        for peer, rounds in peers.items():
            assert all(one["per_second"] > 0 for one in rounds), (workload, peer)
    assert as_markdown(given) in capsys.readouterr().out


def test_beside_a_bar_stands_what_who_does_least_reaches() -> None:
    name = "point select, simple, 8 clients"
    peers = {
        "direct": [Result(300, 0, 0.1, 0.5)],
        "pgbouncer": [Result(200, 20, 0.2, 1.0)],
        "relay": [Result(160, 25, 0.2, 1.0)],
        "hoopgate": [Result(100, 40, 0.2, 1.5)],
        "hoopgate, rules": [Result(95, 42, 0.2, 1.5)],
    }
    logins = {"direct": [Result(20, 0)], "pgbouncer": [Result(100, 10)], "hoopgate": [Result(10, 90)]}
    found = {one.name: one.floor for one in judge({name: peers, "TLS: connections, resumed": logins}, [])}
    assert found == {
        f"{name}: rate of hoopgate / pgbouncer": "relay: 0.80",
        f"{name}: CPU of hoopgate / pgbouncer": "relay: 1.25",
        f"{name}: added p99 of hoopgate / pgbouncer": "",
        f"{name}: rate of hoopgate, rules / hoopgate": "",
        "TLS: connections, resumed: rate of hoopgate / pgbouncer": "direct: 0.20",
    }


@pytest.mark.parametrize(
    ("relay", "warm", "cold", "words"),
    [
        (
            35.0,
            7.0,
            24.0,
            "0.0 µs are left for what takes the gateway 7.0 with warm caches and 24.0 with cold ones: too",
        ),
        (
            24.0,
            7.0,
            24.0,
            "4.0 µs are left for what takes the gateway 7.0 with warm caches and 24.0 with cold ones: too",
        ),
        (20.0, 7.0, 24.0, "only where everything stays in the caches"),
        (20.0, 7.0, 8.0, ": enough."),
    ],
)
def test_what_the_bar_leaves_is_reckoned_from_the_figures(relay: float, warm: float, cold: float, words: str) -> None:
    peers = {"pgbouncer": [Result(200, 20.0)], "relay": [Result(150, relay)], "hoopgate": [Result(100, 45.0)]}
    said = floor.as_markdown({floor.WORKLOAD: peers}, [floor.Own("all of it", warm, cold)])
    assert words in said
    assert "28.0 µs" in said
    assert f"| {relay:.1f} | {relay / 20:.2f} |" in said


def test_a_round_that_would_end_too_late_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tests.bench.rounds.time.monotonic", lambda: now[0])

    def run(peer: SimpleNamespace) -> Result:
        now[0] += 1.0
        return Result(1, 1)

    stage: Any = SimpleNamespace(peer=lambda name: SimpleNamespace(name=name, tidy=lambda: None))
    work = [Workload("w", "row", ("pgbouncer", "haproxy", "hoopgate"), run)]
    wanted = {"w": {"pgbouncer", "hoopgate"}}
    for until, rounds in ((3.0, 1), (6.0, 2), (8.0, 3), (None, 4)):
        now[0] = 0.0
        results, failed = measure(stage, work, 4, lambda text: None, until, wanted)
        assert not failed
        assert len(results["w"]["hoopgate"]) == rounds
        assert len(results["w"]["haproxy"]) == (1 if until else 4), "it is no part of what is judged"
