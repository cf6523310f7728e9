"""The README's first two fenced blocks are the two commands, each one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.house.places import ROOT, run

README = (ROOT / "README.md").read_text()
BLOCKS = [match.strip() for match in re.findall(r"^```[a-z]*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]


def test_the_first_two_blocks_are_single_commands() -> None:
    assert BLOCKS[:2] == ["python3 etc/bootstrap.py demo", "python3 etc/bootstrap.py test"]


def test_ci_runs_the_readmes_command() -> None:
    script = ROOT / ".ci" / "run"
    lines = [line.strip() for line in script.read_text().splitlines()]
    assert BLOCKS[1] in lines
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_the_bootstrap_knows_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "etc" / "bootstrap.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    for command in ("demo [--tour]", "test", "long", "run COMMAND"):
        assert command in done.stderr


def test_the_command_line_answers() -> None:
    done = run("hoopgate.cli", "--help")
    assert done.returncode == 0, done.stderr
    for command in ("approvals", "check", "demo", "login", "policy", "sessions", "token"):
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
