"""The README's first command: its whole story with real clients, and that nothing is left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "hoopgate.cli", "demo"]
STEPS = 12


def processes_of(directory: Path) -> list[str]:
    """Command lines of all that runs with something of that directory open or named."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                where = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(directory) in command or where.startswith(str(directory)):
                found.append(command)
    return found


def settled(directory: Path, seconds: float = 15) -> list[str]:
    """What still runs after a while."""
    end = time.monotonic() + seconds
    while (left := processes_of(directory)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


@pytest.mark.timeout(240)
def test_the_tour(tmp_path: Path) -> None:
    done = subprocess.run([*DEMO, "--tour"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=230)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert done.stdout.count("✓ as it should be") == STEPS
    assert f"{STEPS} of {STEPS} steps did what they should" in done.stdout
    assert settled(tmp_path) == []


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        DEMO, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def shown(process: subprocess.Popen[str]) -> str:
    """What it prints until it waits."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if "Ctrl-C stops everything" in line:
            return text
    raise AssertionError(f"the demo ended: {text}")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running(demo: subprocess.Popen[str], number: signal.Signals, tmp_path: Path) -> None:
    shown(demo)
    assert len(processes_of(tmp_path)) >= 4
    demo.send_signal(number)
    demo.wait(30)
    assert settled(tmp_path) == []


@pytest.mark.timeout(120)
def test_its_lines_can_be_pasted(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    text = shown(demo)
    lines = [line for line in text.splitlines() if line.startswith("( . ")]
    queries = [line for line in lines if "dbname=shop" in line]
    assert queries
    for line in queries:
        pasted = re.sub(r" \)$", ' -X -A -t -c "SELECT count(*) FROM customers" )', line)
        done = subprocess.run(["bash", "-c", pasted], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "2000", f"{line}\n{done.stderr}"
    for line in lines:
        if line.endswith((" approvals list )", " sessions list )")):
            done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.timeout(120)
def test_two_at_once(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    """The usual ports and the usual directory are taken by the first."""
    shown(demo)
    other = subprocess.Popen(DEMO, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert "demo-2" in shown(other)
        assert demo.poll() is None
    finally:
        other.terminate()
        other.wait(30)
        assert other.stdout is not None
        other.stdout.close()
