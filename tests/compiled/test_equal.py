"""The core gives the same, compiled and interpreted, for random input."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import builds
from tests.compiled.outcomes import ROOMS

SEED = "2026"


def outcomes(build: str, copy: str, room: str, seed: str, count: int) -> list[str]:
    environment = builds.environment_of(build, copy)
    command = [sys.executable, "-m", "tests.compiled.outcomes", room, seed, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=builds.ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.startswith(build), done.stderr
    return done.stdout.splitlines()


def compare(copy: str, room: str, seed: str, count: int) -> None:
    interpreted = outcomes("interpreted", copy, room, seed, count)
    compiled = outcomes("compiled", copy, room, seed, count)
    different = [pair for pair in zip(interpreted, compiled, strict=False) if pair[0] != pair[1]]
    assert different[:1] == [], f"first of {len(different)} differences; seed {seed}"
    assert len(interpreted) == len(compiled) >= count


@pytest.mark.timeout(900)  # the first of them compiles
@pytest.mark.parametrize("room", sorted(ROOMS))
def test_both_builds_give_the_same(compiled_copy: str, room: str) -> None:
    compare(compiled_copy, room, SEED, 700)


@pytest.mark.long
@pytest.mark.parametrize("room", sorted(ROOMS))
@pytest.mark.parametrize("seed", range(10))
def test_both_builds_give_the_same_for_long(compiled_copy: str, room: str, seed: int) -> None:
    compare(compiled_copy, room, str(seed), 10_000)
