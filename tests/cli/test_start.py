"""The command's first steps: ``hoopgate connect`` must be quick, for it runs with every ssh."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from hoopgate.cli.tunnel import Asked, plain

# What alone takes longer to import than the rest of the command together.
SLOW = ("click", "attr", "rich", "twisted", "cryptography", "urllib.request", "http.client", "tempfile", "asyncio")


def test_connect_imports_nothing_slow() -> None:
    code = (
        "import sys; from hoopgate.cli import start, tunnel, relay, link, bearer; "
        "assert tunnel.plain(['shop', '22']); print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & set(SLOW) == set()


def test_how_long_connect_takes_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    """Up to its first try to reach the gateway; printed, for machines differ."""
    command = [sys.executable, "-m", "hoopgate.cli", "connect", "shop", "22", "--gate", "http://127.0.0.1:1"]
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run(command, env={"HOOPGATE_TOKEN": "x", "PATH": ""}, capture_output=True, text=True,
                              check=False)  # fmt: skip
        seconds.append(time.perf_counter() - began)
        assert done.returncode == 5, done.stderr
        assert "127.0.0.1:1 does not answer" in done.stderr
    with capsys.disabled():
        print(f"\nhoopgate connect: {min(seconds) * 1000:.0f} ms to its first packet")


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["shop"], Asked("shop")),
        (["shop", "22"], Asked("shop", 22)),
        (["--gate", "g:1", "shop", "22"], Asked("shop", 22, "g:1")),
        (["shop", "--gate=g:1", "--ca=c"], Asked("shop", gate="g:1", ca="c")),
        ([], None),
        (["shop", "ssh"], None),
        (["shop", "0"], None),
        (["shop", "22", "23"], None),
        (["--help"], None),
        (["shop", "--gate"], None),
        (["shop", "--listen", "127.0.0.1:0"], None),
        (["sh\r\nop"], None),
        (["shöp"], None),
        (["-x"], None),
    ],
)
def test_what_the_quick_way_takes(arguments: list[str], asked: Asked | None) -> None:
    assert plain(arguments) == asked
