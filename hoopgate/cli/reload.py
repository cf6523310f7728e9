"""``hoopgate reload``: check the file first, then let the running service take it, and say whether it did."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from hoopgate.cli.check import config_option, examine, tell
from hoopgate.config.model import Config
from hoopgate.config.status import Reload, Status, StatusError, read_status, running_pid

STEP = 0.05  # seconds between two looks at status.json


@click.command()
@config_option
@click.option("--wait", default=10.0, show_default=True, help="Seconds to wait for the service's answer.")
def reload(path: Path, wait: float) -> None:
    """Check the configuration file, then let the running service take it.

    Exit status: 0 when the service took this policy, 1 when the file has mistakes or the service refused it, 2 when
    no service runs here or none answered.
    """
    config, errors = examine(path)
    if config is None:
        tell(path, None, errors)
        click.echo("The service was not told; it goes on with the policy that it has.", err=True)
        sys.exit(1)
    try:
        answer = signal_and_wait(config.gateway.state, wait)
    except (OSError, StatusError) as error:
        fail(2, str(error))
    judge(config, answer)


def signal_and_wait(state: Path, wait: float) -> Status:
    """Send SIGHUP, then wait for the service's word on it; exits with 2 where there is none."""
    pid = running_pid(state)
    if pid is None:
        fail(2, f"No service runs on {state}.")
    before = _last(state)
    os.kill(pid, signal.SIGHUP)
    status = _answer(state, pid, before, wait)
    if status is None:
        fail(2, f"The service (process {pid}) did not answer within {wait:g} seconds; see its log.")
    return status


def _answer(state: Path, pid: int, before: Reload | None, wait: float) -> Status | None:
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        time.sleep(STEP)
        status = read_status(state)
        if status is not None and status.pid == pid and status.reload is not None and status.reload != before:
            return status
    return None


def _last(state: Path) -> Reload | None:
    status = read_status(state)
    return status.reload if status else None


def judge(config: Config, status: Status) -> None:
    """Say what came of it, and exit accordingly."""
    assert status.reload is not None
    if not status.reload.ok:
        for error in status.reload.errors:
            click.echo(click.style(error, fg="red"), err=True)
        fail(1, f"The service refused the file and goes on with policy version {status.config_version[:12]}.")
    if status.config_version != config.version:
        theirs, ours = status.config_version[:12], config.version[:12]
        why = "it was started with another file, or this one has changed since"
        fail(1, f"The service took policy version {theirs}, but {config.path} has {ours}: {why}.")
    click.echo(f"{click.style('Reloaded', fg='green')}: policy version {config.version[:12]} is in force.")


def fail(code: int, text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(code)
