"""The systemd unit is as tight as we say."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.house.places import ROOT

UNIT = ROOT / "etc" / "hoopgate.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_the_sandbox_is_rated_below_two() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    rated = re.search(r"Overall exposure level for hoopgate.service: (\d+\.\d)", done.stdout)
    assert rated is not None, done.stderr
    assert float(rated.group(1)) <= 2.0
    assert done.returncode == 0


def test_it_reloads_by_hangup_and_tells_when_it_is_ready() -> None:
    lines = UNIT.read_text().splitlines()
    assert "Type=notify" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert any(line.lstrip("#").startswith("LoadCredential=") for line in lines)


def test_one_worker_does_not_end_the_others() -> None:
    """systemd's own ways are to signal all processes at once, and to stop the service where one runs out of memory."""
    lines = UNIT.read_text().splitlines()
    assert "KillMode=mixed" in lines
    assert "OOMPolicy=continue" in lines
    assert "NotifyAccess=main" in lines


def test_no_secret_is_in_the_environment() -> None:
    assert "Environment" not in UNIT.read_text()
