"""``hoopgate reload`` against a real process that keeps the service's side of the agreement."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from hoopgate.cli.main import main
from hoopgate.config.load import load
from hoopgate.config.status import PID
from tests.config.files import MINIMAL

# The service's side: handler first, then the pid file, so that no SIGHUP meets the default action.
SERVICE = """
import os, signal, sys, time
from pathlib import Path
from hoopgate.config.load import ConfigErrors, load
from hoopgate.config.status import PidFile, Reload, Status, write_status
path, state, mood = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
version = "at-start"
def hangup(*_):
    global version
    errors = ()
    try:
        if mood == "refuses":
            raise ConfigErrors([ValueError("hosts: the recorder cannot be changed at run time")])
        version = load(path).version
    except ConfigErrors as error:
        errors = tuple(map(str, error.errors))
    if mood != "silent":
        write_status(state, Status(os.getpid(), version, Reload(time.time(), not errors, errors)))
signal.signal(signal.SIGHUP, hangup)
PidFile(state).acquire()
write_status(state, Status(os.getpid(), version))
print("up", flush=True)
while True:
    time.sleep(60)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hoopgate.toml"
    path.write_text(MINIMAL + f'[gateway]\nstate = "{tmp_path}"\n')
    return path


@pytest.fixture
def service(tmp_path):
    running = []

    def start(path, mood=""):
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(path), str(tmp_path), mood], stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def run(path, *more):
    return CliRunner().invoke(main, ["reload", "-c", str(path), *more])


def test_taken_twice(file, service):
    process = service(file)
    done = run(file)
    assert done.exit_code == 0, done.output
    assert f"Reloaded: policy version {load(file).version[:12]} is in force." in done.output
    file.write_text(file.read_text() + '[[rule]]\nname = "r"\nthen = "allow"\n')
    done = run(file)
    assert done.exit_code == 0, done.output
    assert load(file).version[:12] in done.output
    assert process.poll() is None


def test_a_bad_file_is_never_signalled(file, service, tmp_path):
    service(file)
    before = (tmp_path / "status.json").read_bytes()
    file.write_text(file.read_text() + "[limits]\nsession = 0\n")
    done = run(file)
    assert done.exit_code == 1
    assert "limits.session: this duration is out of range" in done.output
    assert "goes on with the policy that it has" in done.output
    assert (tmp_path / "status.json").read_bytes() == before


def test_the_service_refuses(file, service):
    service(file, "refuses")
    done = run(file)
    assert done.exit_code == 1
    assert "the recorder cannot be changed at run time" in done.output
    assert "goes on with policy version at-start" in done.output


def test_the_service_runs_on_another_file(file, service, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(file.read_text() + "[risk]\nunbounded = 1\n")
    service(other)
    done = run(file)
    assert done.exit_code == 1
    assert "it was started with another file" in done.output


def test_no_service_runs(file, tmp_path):
    done = run(file)
    assert done.exit_code == 2
    assert "No service runs on" in done.output
    innocent = subprocess.Popen(["sleep", "60"])  # its number was once the service's; SIGHUP would end it
    with innocent:
        (tmp_path / PID).write_text(f"{innocent.pid}\n")
        assert run(file).exit_code == 2
        assert innocent.poll() is None
        innocent.kill()


def test_no_answer(file, service):
    service(file, "silent")
    done = run(file, "--wait", "0.3")
    assert done.exit_code == 2
    assert "did not answer within 0.3 seconds" in done.output
