"""``hoopgate status``: what the gateway of this machine is doing, from its state directory and its admin listener."""

from __future__ import annotations

import json
import re
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NoReturn

import click
from attrs import asdict, fields
from prometheus_client.parser import text_string_to_metric_families

from hoopgate._version import __version__
from hoopgate.cli import shown
from hoopgate.cli.check import config_option
from hoopgate.compiled import core
from hoopgate.config.load import load
from hoopgate.config.mistakes import ConfigErrors
from hoopgate.config.model import Admin, Config, Listener
from hoopgate.config.status import Status, StatusError, WorkerStatus, read_status, running_pid

_TIMEOUT = 3.0
_LONGEST = 4 * 1024 * 1024
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to call where it listens everywhere


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(path: Path, as_json: bool) -> None:
    """Say whether the gateway runs here, under which policy, and how it is.

    \b
    hoopgate status -c /etc/hoopgate/hoopgate.toml
    hoopgate status --json | jq .sessions

    Exit status: 0 when it runs and is well, 1 when it does not or is not, 2 when that cannot be found out.
    """
    try:
        config = load(path)
        found = report(config)
    except ConfigErrors as error:
        fail(f"{path} has {len(error.errors)} mistakes. Run: hoopgate check -c {path}")
    except OSError as error:
        fail(f"{error.filename or path} cannot be read: {error.strerror or error}")
    except StatusError as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps(found))
    else:
        tell(found)
    sys.exit(0 if found["health"] == "ok" else 1)


def fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)


def report(config: Config) -> dict[str, Any]:
    """Everything there is to say, as JSON values; what is not known is null. Raises OSError and StatusError."""
    pid = running_pid(config.gateway.state)
    said = read_status(config.gateway.state) if pid is not None else None
    health, checks = _health(config.admin) if pid is not None else ("not running", {})
    measured = _measured(config.admin) if pid is not None else {}
    return {
        "version": __version__,
        "core": core(),
        "pid": pid,
        "health": health,
        "checks": checks,
        "config": str(config.path),
        "config_version": config.version,
        "policy_in_force": said.config_version if said else None,
        "reload": _reload(said),
        "listeners": _listeners(config),
        "sessions": measured.get("hoopgate_sessions_open"),
        "holds": measured.get("hoopgate_holds_pending"),
        "workers": _workers(said, config.admin),
    }


def _workers(said: Status | None, admin: Admin) -> list[dict[str, Any]]:
    """Each process: as the gateway says now, else as it last wrote; its memory as the kernel says."""
    if said is None:
        return []
    try:
        told = [_worker(each) for each in json.loads(_fetch(admin, "/workers") or b"[]")]
    except (ValueError, KeyError, TypeError):
        told = []
    first = WorkerStatus(0, said.pid, said.config_version, "serving")
    rows = told or [{**asdict(each), "sessions": None} for each in (first, *said.workers)]
    return [{**row, **_memory(row["pid"])} for row in rows]


def _worker(value: Any) -> dict[str, Any]:
    kinds = {"number": int, "pid": int, "sessions": int, "deaths": int}
    return {each.name: kinds.get(each.name, str)(value[each.name]) for each in fields(WorkerStatus)}


def _memory(pid: int) -> dict[str, int | None]:
    """Bytes of memory: all that is mapped (``rss``), and with what is shared divided by those that share it (``pss``).

    None where the kernel does not tell us.
    """
    found: dict[str, int | None] = {"rss": None, "pss": None}
    try:
        text = Path(f"/proc/{pid:d}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return found
    for name in found:
        line = re.search(rf"^{name}: +(\d+) kB$", text, re.IGNORECASE | re.MULTILINE)
        found[name] = int(line[1]) * 1024 if line else None
    return found


def _reload(said: Status | None) -> dict[str, Any] | None:
    if said is None or said.reload is None:
        return None
    return {"at": said.reload.at, "ok": said.reload.ok, "errors": list(said.reload.errors)}


def _login(listener: Listener) -> str:
    """How clients show who they are there."""
    if listener.protocol == "ssh":
        return ", ".join(listener.logins)
    return "bearer" if listener.protocol == "connect" else listener.login


def _listeners(config: Config) -> list[dict[str, Any]]:
    clients = [
        {"name": each.name, "protocol": each.protocol, "address": each.address, "port": each.port,
         "login": _login(each), "tls": each.tls is not None}
        for each in config.listeners
    ]  # fmt: skip
    api = {"name": "api", "protocol": "https" if config.api.tls else "http", "address": config.api.address,
           "port": config.api.port, "login": "bearer", "tls": config.api.tls is not None}  # fmt: skip
    return [*clients, api]


def _health(admin: Admin) -> tuple[str, dict[str, str]]:
    """``ok``, ``unavailable``, or why nobody says; and the outcome of each check."""
    body = _fetch(admin, "/healthz")
    if body is None:
        return "unknown: the admin listener does not answer" if admin.enabled else "unknown: admin is disabled", {}
    try:
        told = json.loads(body)
        return str(told["status"]), {str(name): str(outcome) for name, outcome in told["checks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return "unknown: the admin listener is not a gateway's", {}


def _measured(admin: Admin) -> dict[str, int]:
    """Gauges by name, summed over their labels."""
    body = _fetch(admin, "/metrics")
    totals: dict[str, int] = {}
    try:
        for family in text_string_to_metric_families((body or b"").decode("utf-8", "replace")):
            if family.type == "gauge":
                totals[family.name] = int(sum(sample.value for sample in family.samples))
    except ValueError:
        return {}
    if body and "hoopgate_holds_pending" in totals:
        totals.setdefault("hoopgate_sessions_open", 0)  # no target has had a session yet
    return totals


def _fetch(admin: Admin, path: str) -> bytes | None:
    if not admin.enabled or not admin.port:
        return None
    connection = HTTPConnection(_EVERYWHERE.get(admin.address, admin.address), admin.port, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().read(_LONGEST)
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def tell(found: dict[str, Any]) -> None:
    """The same for people."""
    in_force, on_disk = found["policy_in_force"], found["config_version"]
    differs = " (the file differs: hoopgate reload)" if in_force not in (None, on_disk) else ""
    reload = found["reload"]
    shown.facts(
        (
            ("hoopgate", f"{found['version']}, core {found['core']}"),
            ("health", found["health"] + (f", process {found['pid']}" if found["pid"] else "")),
            *((f"check {name}", outcome) for name, outcome in found["checks"].items()),
            ("policy", f"{in_force[:12]}{differs}" if in_force else ""),
            ("configuration", f"{found['config']}, version {on_disk[:12]}"),
            ("last reload", "" if reload is None else _said(reload)),
            ("sessions", "" if found["sessions"] is None else str(found["sessions"])),
            ("held", "" if found["holds"] is None else str(found["holds"])),
        )
    )
    if found["workers"]:
        _tell_workers(found["workers"])
    shown.table(
        ("LISTENER", "PROTOCOL", "ADDRESS", "LOGIN", "TLS"),
        [
            (each["name"], each["protocol"], f"{each['address']}:{each['port']}", each["login"],
             "its own" if each["protocol"] == "ssh" else "yes" if each["tls"] else "no")
            for each in found["listeners"]
        ],
    )  # fmt: skip


def _said(reload: dict[str, Any]) -> str:
    return f"{shown.moment(reload['at'])}, " + ("taken" if reload["ok"] else "refused: " + "; ".join(reload["errors"]))


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _size(value: int | None) -> str:
    return "" if value is None else f"{value / 1024 / 1024:.0f} MiB"


def _tell_workers(workers: list[dict[str, Any]]) -> None:
    shown.table(
        ("WORKER", "PROCESS", "STATE", "SESSIONS", "POLICY", "MEMORY (PSS)", "CORE"),
        [
            (str(each["number"]), str(each["pid"]), each["state"], _number(each["sessions"]),
             each["config_version"][:12], _size(each["pss"]), each["core"].partition(" ")[0])
            for each in workers
        ],
    )  # fmt: skip
