"""``hoopgate status`` over real state directories and a real admin listener."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from hoopgate.admin import Health, admin_site
from hoopgate.cli.status import core
from hoopgate.config.load import load
from hoopgate.config.status import PidFile, Reload, Status, write_status
from hoopgate.metrics import Metrics

CONFIG = """
[gateway]
state = "{state}"

[api]
plaintext = true
port = 18443

[admin]
port = {admin}

[[issuer]]
name = "dev"
url = "http://127.0.0.1:9"
audience = ["hoopgate"]
client_id = "hoopgate"
development = true

[[listener]]
name = "local"
protocol = "postgresql"
port = 15432
plaintext = true

[[listener]]
name = "ssh"
protocol = "ssh"
port = 15422
logins = ["password", "certificate"]

[[target]]
name = "shop"
protocol = "postgresql"
hosts = ["127.0.0.1:5432"]
tls = "disable"

[target.role.app]
password = "env:APP"

[[rule]]
name = "all"
then = "allow"
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "APP": "x"}
    command = [sys.executable, "-m", "hoopgate.cli", "status", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def write(folder: Path, admin: int = 1) -> Path:
    path = folder / "hoopgate.toml"
    path.write_text(CONFIG.format(state=folder, admin=admin))
    return path


def test_not_running(tmp_path: Path) -> None:
    done = run("-c", str(write(tmp_path)), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["health"], found["pid"], found["sessions"]) == (1, "not running", None, None)
    assert [(each["name"], each["login"]) for each in found["listeners"]] == [
        ("local", "password"), ("ssh", "password, certificate"), ("api", "bearer"),
    ]  # fmt: skip
    assert found["core"] == core()


@pytest.mark.parametrize("text", [None, "[gateway]\nnonsense = 1\n"])
def test_what_cannot_be_found_out(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "hoopgate.toml").write_text(text)
    done = run("-c", str(tmp_path / "hoopgate.toml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "hoopgate.toml" in done.stderr


@pytest_twisted.ensureDeferred
async def test_running(tmp_path: Path) -> None:
    metrics, health = Metrics(["shop"]), Health(ready=True)
    port = reactor.listenTCP(0, admin_site(metrics, health), interface="127.0.0.1")
    path = write(tmp_path, port.getHost().port)
    version = load(path).version
    pid = PidFile(tmp_path)
    pid.acquire()
    metrics.sessions_open.labels("shop").set(3)
    metrics.holds_pending.set(1)
    write_status(tmp_path, Status(os.getpid(), version, Reload(1_800_000_000.0, False, ("line 3: no",))))
    done: Any = await deferToThread(run, "-c", str(path), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["health"], found["pid"]) == (0, "ok", os.getpid())
    assert (found["sessions"], found["holds"], found["policy_in_force"]) == (3, 1, version)
    health.checks["store"] = lambda: "the store does not answer"
    write_status(tmp_path, Status(os.getpid(), "f" * 64, None))
    told: Any = await deferToThread(run, "-c", str(path))
    assert told.returncode == 1
    assert all(
        word in told.stdout for word in ("unavailable", "the store does not answer", "the file differs", "15432")
    )
    pid.release()
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_an_admin_listener_that_is_somebody_elses(tmp_path: Path) -> None:
    pid = PidFile(tmp_path)
    pid.acquire()
    done: Any = await deferToThread(run, "-c", str(write(tmp_path)), "--json")
    assert json.loads(done.stdout)["health"].startswith("unknown")
    assert done.returncode == 1
    pid.release()
