"""The bootstrap on awkward machines: no pip, a private index, a Python that is too old."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.house.places import ROOT

SCRIPT = ROOT / "etc" / "bootstrap.py"
WHEEL = b"not really a wheel, but these are its bytes"
DIGEST = hashlib.sha256(WHEEL).hexdigest()


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Index(ThreadingHTTPServer):
    """A package index on loopback; ``page`` is its answer for pip, ``asked`` the Authorization headers it saw."""

    page: tuple[str, bytes] = ("text/html", b"")
    asked: list[tuple[str, str | None]]


@pytest.fixture
def index() -> Iterator[Index]:
    class Request(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers["Authorization"]))
            kind, body = server.page if self.path == "/simple/pip/" else ("application/octet-stream", WHEEL)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = Index(("127.0.0.1", 0), Request)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def files(*entries: dict[str, Any]) -> tuple[str, bytes]:
    return "application/vnd.pypi.simple.v1+json", json.dumps({"files": entries}).encode()


def entry(version: str, digest: str = DIGEST, **more: Any) -> dict[str, Any]:
    name = f"pip-{version}-py3-none-any.whl"
    return {"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}} | more


def address(index: Index, login: str = "") -> str:
    return f"http://{login}127.0.0.1:{index.server_port}/simple/"


def test_pip_from_an_index_is_the_newest_that_fits(
    bootstrap: ModuleType, index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", address(index, "me:s%2Fecret@"))
    index.page = files(
        entry("9.0"),
        entry("26.3"),
        entry("27.0b1"),
        entry("28.0", yanked="broken"),
        entry("29.0", **{"requires-python": ">=3.15"}),
    )
    wheel = bootstrap.from_index(sys.executable, tmp_path)
    assert wheel.name == "pip-26.3-py3-none-any.whl"
    assert wheel.read_bytes() == WHEEL
    assert {header for _, header in index.asked} == {"Basic bWU6cy9lY3JldA=="}


def test_pip_from_an_index_of_plain_html(bootstrap: ModuleType, index: Index, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {address(index)}\n")
    index.page = ("text/html", f'<a href="/f/pip-26.3-py3-none-any.whl#sha256={DIGEST}">pip</a>'.encode())
    assert bootstrap.from_index(sys.executable, tmp_path).read_bytes() == WHEEL


@pytest.mark.parametrize("digest", ["0" * 64, ""])
def test_what_does_not_match_its_hash_is_not_used(
    bootstrap: ModuleType, index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digest: str
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", address(index))
    index.page = files(entry("26.3", digest))
    with pytest.raises(ValueError, match="SHA-256"):
        bootstrap.from_index(sys.executable, tmp_path)
    assert list(tmp_path.glob("*.whl")) == []


def test_an_index_without_tls_is_not_used(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.example/simple")
    with pytest.raises(ValueError, match="https"):
        bootstrap.from_index(sys.executable, tmp_path)


def test_credentials_stay_with_the_index(
    bootstrap: ModuleType, index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", address(index, "me:secret@"))
    other = f"http://localhost:{index.server_port}/files/pip-26.3-py3-none-any.whl"
    index.page = files(entry("26.3", url=other))
    bootstrap.from_index(sys.executable, tmp_path)
    assert [bool(header) for _, header in index.asked] == [True, False]


def test_a_python_that_is_too_old_is_told(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST", (9, 1))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    with pytest.raises(bootstrap.SetupError, match=r"needs 3\.11 or newer; install one"):
        bootstrap.choose_python()


def test_a_newer_python_on_the_path_is_found(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 8, 1))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: sys.executable if name == "python3.11" else None)
    monkeypatch.setattr(bootstrap, "version_of", lambda python: (3, 11))
    assert bootstrap.choose_python() == sys.executable


def test_no_pip_anywhere_names_the_remedy(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "PIP_SOURCES", [("nowhere", lambda python, directory: None)])
    monkeypatch.setattr(bootstrap, "runs", lambda command: False)
    with pytest.raises(bootstrap.SetupError, match="apt-get install python3-venv"):
        bootstrap.give_pip(sys.executable, tmp_path / "python", tmp_path)


def test_an_environment_that_fits_is_left_alone(bootstrap: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    wanted = bootstrap.stamp(sys.executable, editable=True)
    assert not bootstrap.ready(tmp_path, wanted, ["demo"])
    (tmp_path / "made.json").write_text(json.dumps(wanted | {"extras": ["demo", "test"]}))
    assert bootstrap.ready(tmp_path, wanted, ["demo"])
    assert not bootstrap.ready(tmp_path, wanted, ["docs"])
    assert not bootstrap.ready(tmp_path, wanted | {"from": "another"}, ["demo"])


@pytest.mark.long
@pytest.mark.parametrize("python", sorted({shutil.which("python3") or "", "/usr/bin/python3"} - {""}))
def test_from_nothing_to_the_command(python: str, tmp_path: Path) -> None:
    """The whole way, from the registry; the second start takes no more than a second."""
    checkout = tmp_path / "hoopgate"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv", "*.egg-info", ".hoopgate"))
    command = [python, str(checkout / "etc" / "bootstrap.py"), "run", "hoopgate", "--version"]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr[-2000:]
    assert "[1/3] making the environment" in first.stderr
    second = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    assert second.stderr == ""
    assert second.stdout == first.stdout
