"""``twistd hoopgate`` as a process: how it starts, how it says why it does not, and what its log is like."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogLevel, capturedLogs, formatEvent

from hoopgate.config.model import Config
from hoopgate.config.status import read_status
from hoopgate.development.processes import free_port
from hoopgate.service import GatewayService

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile="]
STOPPED = (0, -signal.SIGTERM)  # newer Twisted ends by the signal itself
CONFIG = """
[gateway]
state = "{folder}/state"
[[issuer]]
name = "staff"
url = "https://id.example.com"
audience = ["hoopgate"]
[[listener]]
name = "api"  # as another listener is called elsewhere
protocol = "postgresql"
port = {port}
plaintext = true
[[target]]
name = "shop"
protocol = "postgresql"
hosts = ["127.0.0.1:1"]
tls = "disable"
[target.role.app]
password = "env:SHOP_APP"
[api]
port = 0
plaintext = true
[admin]
port = 0
"""


class Started:
    """A twistd of the test's own. ``folder`` is where it runs."""

    def __init__(self, folder: Path, *arguments: str, options: tuple[str, ...] = (), **environ: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [*TWISTD, *options, "hoopgate", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, **environ},
        )  # fmt: skip

    def ended(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=30)
        return self.process.returncode, out

    def ready(self) -> None:
        end = time.monotonic() + 30
        while not (self.folder / "state/status.json").exists():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.05)

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        return self.ended()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hoopgate.toml").write_text(CONFIG.format(folder=tmp_path, port=free_port()))
    return tmp_path


def test_without_a_configuration_it_says_what_it_needs(tmp_path: Path) -> None:
    code, out = Started(tmp_path).ended()
    assert code != 0
    assert "Traceback" not in out
    assert "/etc/hoopgate/hoopgate.toml cannot be read: No such file or directory. Give one with -c FILE." in out


def test_a_mistake_is_named_and_nothing_starts(folder: Path) -> None:
    config = folder / "hoopgate.toml"
    config.write_text(config.read_text().replace('protocol = "postgresql"\nhosts', 'protocol = "mysql"\nhosts'))
    code, out = Started(folder, "-c", str(config)).ended()
    assert code != 0
    assert "Traceback" not in out
    assert f"{config}:15: target[shop].protocol" in out
    assert not (folder / "state").exists()


def test_the_log_is_json_lines(folder: Path) -> None:
    started = Started(folder, "-c", "hoopgate.toml")
    started.ready()
    code, out = started.stop()
    assert code in STOPPED, out
    lines = [json.loads(line) for line in out.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert not any("Unable to format" in line["message"] for line in lines)
    assert any(line["message"].startswith("hoopgate is ready") and line["version"] for line in lines)


def test_a_log_file_is_json_lines_too_and_private(folder: Path) -> None:
    started = Started(folder, "-c", "hoopgate.toml", options=("--logfile", "gate.log"))
    started.ready()
    code, out = started.stop()
    assert (code in STOPPED, out) == (True, "")
    lines = (folder / "gate.log").read_text().splitlines()
    assert any("hoopgate is ready" in json.loads(line)["message"] for line in lines)
    assert (folder / "gate.log").stat().st_mode & 0o777 == 0o600


def test_a_port_in_use_is_an_error_that_supervisors_see(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (folder / "hoopgate.toml").write_text(CONFIG.format(folder=folder, port=taken.getsockname()[1]))
        code, out = Started(folder, "-c", "hoopgate.toml").ended()
    assert code == 1
    assert "hoopgate cannot start" in out
    assert "in use" in out


MODULE = """
class Half:
    def __init__(self, options): pass
def broken(options): raise RuntimeError("the oracle is silent")
"""


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        ("broken", "RuntimeError: the oracle is silent"),
        ("Half", "IGuardFactory"),
        ("missing", "cannot load"),
    ],
)
def test_a_plugin_that_fails_stops_the_start_and_says_which(folder: Path, factory: str, why: str) -> None:
    site = folder / "site"
    info = site / "bad_guards-1.dist-info"
    info.mkdir(parents=True)
    (site / "bad_guards.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-guards\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[hoopgate.guards]\nbad = bad_guards:{factory}\n")
    config = folder / "hoopgate.toml"
    config.write_text(config.read_text() + '[guards]\nenabled = ["bad"]\n')
    path = os.pathsep.join(filter(None, (str(site), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    code, out = Started(folder, "-c", "hoopgate.toml", PYTHONPATH=path).ended()
    assert code == 1, out
    said = next(line for line in map(json.loads, out.splitlines()) if line["level"] == "critical")
    assert "hoopgate.guards: 'bad'" in said["message"]
    assert why in said["message"]
    assert "ready" not in out.replace("already", "")


def spoil_store(folder: Path) -> str:
    (folder / "state").mkdir(mode=0o700)
    path = folder / "state/hoopgate.sqlite3"
    path.write_bytes(b"this is no database" * 500)
    path.chmod(0o600)
    return "hoopgate.sqlite3 cannot be used: the store failed: file is not a database"


def open_store(folder: Path) -> str:
    (folder / "state").mkdir(mode=0o700)
    (folder / "state/hoopgate.sqlite3").touch(0o644)
    (folder / "state/hoopgate.sqlite3").chmod(0o644)
    return "is open to others: run chmod 600"


def open_state(folder: Path) -> str:
    (folder / "state").mkdir()
    (folder / "state").chmod(0o777)
    return "has mode 0777 and others may write it"


def cut_key(folder: Path) -> str:
    (folder / "state").mkdir(mode=0o700)
    (folder / "state/token-key").touch(0o600)
    return "token-key has 0 bytes"


@pytest.mark.parametrize("spoil", [spoil_store, open_store, open_state, cut_key])
def test_what_lies_in_its_state_is_looked_at_before_it_serves(folder: Path, spoil: Any) -> None:
    why = spoil(folder)
    code, out = Started(folder, "-c", "hoopgate.toml").ended()
    assert code == 1, out
    said = next(line for line in map(json.loads, out.splitlines()) if line["level"] == "critical")
    assert said["message"].startswith("hoopgate cannot start")
    assert why in said["message"]


def test_systemd_hears_of_readiness_reload_and_stop(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(folder / "notify"))
        channel.settimeout(30)
        started = Started(folder, "-c", "hoopgate.toml", NOTIFY_SOCKET=str(folder / "notify"))
        assert channel.recv(4096).startswith(b"READY=1\n")
        started.process.send_signal(signal.SIGHUP)
        assert channel.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert channel.recv(4096) == b"READY=1\nSTATUS=reloaded"
        (folder / "hoopgate.toml").write_text("nonsense")
        started.process.send_signal(signal.SIGHUP)
        assert channel.recv(4096).startswith(b"RELOADING=1")
        assert channel.recv(4096) == b"READY=1\nSTATUS=the new configuration was refused"
        started.process.send_signal(signal.SIGTERM)
        assert channel.recv(4096) == b"STOPPING=1"
        assert started.ended()[0] in STOPPED


def test_it_serves_with_workers_as_a_daemon(folder: Path) -> None:
    """twistd goes to the background before it starts us; all that workers log is in the one file."""
    config = folder / "hoopgate.toml"
    config.write_text(config.read_text().replace("[gateway]", "[gateway]\nworkers = 3"))
    command = [*TWISTD[:3], "--pidfile=twistd.pid", "--logfile=gate.log", "hoopgate", "-c", "hoopgate.toml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    pid = int((folder / "twistd.pid").read_text())
    try:
        wait_until(lambda: (folder / "state/status.json").exists())
        status = read_status(folder / "state")
        assert status is not None
        assert status.pid == pid
        assert [each.state for each in status.workers] == ["serving"] * 2
        os.kill(status.workers[0].pid, signal.SIGKILL)
        wait_until(lambda: (told := read_status(folder / "state")) and told.workers[0].pid != status.workers[0].pid)
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not (folder / "twistd.pid").exists())
    lines = [json.loads(line) for line in (folder / "gate.log").read_text().splitlines()]
    assert {line.get("worker") for line in lines if line["message"].startswith("listener api")} == {None, 1, 2}
    assert any("has died" in line["message"] for line in lines)
    assert not any("Traceback" in str(line) for line in lines)
    assert (folder / "state/hoopgate.pid").read_text() == ""


def test_a_worker_that_cannot_start_fails_the_start(folder: Path) -> None:
    """Only workers load this guard in vain: the supervisor's own start is not enough."""
    site = folder / "site"
    info = site / "bad_guards-1.dist-info"
    info.mkdir(parents=True)
    (site / "bad_guards.py").write_text(ELSEWHERE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-guards\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hoopgate.guards]\nbad = bad_guards:make\n")
    config = folder / "hoopgate.toml"
    text = config.read_text().replace("[gateway]", "[gateway]\nworkers = 2")
    config.write_text(text + '[guards]\nenabled = ["bad"]\n')
    path = os.pathsep.join(filter(None, (str(site), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    code, out = Started(folder, "-c", "hoopgate.toml", PYTHONPATH=path).ended()
    assert code == 1, out
    said = [json.loads(line) for line in out.splitlines()]
    assert any(line.get("worker") == 1 and "no oracle here" in line["message"] for line in said)
    assert any("hoopgate cannot start: worker 1 did not come up" in line["message"] for line in said)
    assert "ready" not in out.replace("already", "")


ELSEWHERE = """
from pathlib import Path
from hoopgate.interfaces import IGuardFactory
from zope.interface import implementer
@implementer(IGuardFactory)
class Guards:
    def open(self, session): return None
def make(options):
    if Path("/proc/self/comm").read_text().startswith("hoopgate-"): raise RuntimeError("no oracle here")
    return Guards()
"""


def wait_until(true: Any) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_workers_log_goes_where_twistd_was_told_to_log() -> None:
    """With --syslog or --logger the form is another's; the line is told as an event then."""
    service = GatewayService(Config(Path("hoopgate.toml"), "v1"))
    line = json.dumps({"level": "warn", "message": "{odd} things", "worker": 2})
    with capturedLogs() as events:
        service._write_log(line + "\n")
    assert [(event["log_level"], formatEvent(event)) for event in events] == [
        (LogLevel.warn, "worker 2: {odd} things"),
    ]
