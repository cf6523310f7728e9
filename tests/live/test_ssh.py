"""SSH end to end: OpenSSH's clients, the gateway, OpenSSH's server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopgate.development.ssh_target import SshTarget
from tests.live.conftest import Make
from tests.live.ssh import NO_SSH, Clients, clients, started_server

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("ssh") is None, reason=NO_SSH)]


@pytest.fixture(scope="module")
def server() -> Iterator[SshTarget]:
    running = started_server()
    yield running
    running.stop()


@pytest.fixture
def box(make_gate: Make, server: SshTarget, tmp_path: Path) -> Clients:
    return clients(make_gate, server, tmp_path / "client")


def test_a_command_runs_with_its_input_output_and_status(box: Clients) -> None:
    done = box.ssh("cat; echo problem >&2; exit 7", input="through\n")
    assert (done.code, done.out, done.err) == (7, "through\n", "problem\n")
