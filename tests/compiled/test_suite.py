"""The tests of the core, and some against real servers and clients, once more: with the core compiled."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import builds

SELECTIONS = {
    "codecs": ["tests/codecs", "tests/test_lane.py", "tests/test_chain.py", "tests/bypass",
               "tests/house/test_compiled.py"],
    "guards": ["tests/masks/test_guard.py", "tests/masks/test_kinds.py", "tests/masks/test_notices.py", "tests/policy"],
    "transport": ["tests/transport"],
    "recorders": ["tests/recorders", "tests/test_service.py", "tests/cli/test_version.py"],
    "ssh": ["tests/protocols/ssh", "tests/conch", "--ignore=tests/conch/test_interop.py"],
    "live": ["tests/live/test_core.py", "tests/live/test_masks.py", "tests/live/test_holds.py",
             "tests/live/test_endings.py", "tests/live/test_clients.py", "tests/live/test_replication.py"],
}  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.skipif(builds.WANTED == "compiled", reason="these tests run compiled already")
@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_suite_passes_compiled(compiled_copy: str, selection: str) -> None:
    environment = builds.environment_of("compiled", compiled_copy)
    environment = {key: value for key, value in environment.items() if not key.startswith("PYTEST_")}
    environment |= {"HOOPGATE_CORE": "compiled", "HOOPGATE_COMPILED": compiled_copy}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SELECTIONS[selection]]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment,
        cwd=builds.ROOT,
    )
    assert done.returncode == 0, done.stdout[-12_000:]
    assert "passed" in done.stdout
