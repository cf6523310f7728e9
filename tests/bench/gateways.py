"""Our own gateway as a peer: any checkout or compiled copy of it, with any of the policies, and several workers."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from string import Template

from attrs import frozen

from hoopgate.development.processes import Kept, free_port
from tests.bench.peers import DATABASE, PASSWORD, TEMPLATES, USER, Peer, place, up
from tests.bench.processes import family

SOURCE = Path(__file__).parents[2]
TARGETS = ("bench", "ruled", "masked", "hashed")  # all the same database: which masks are in force differs
TWISTD = "from twisted.scripts.twistd import run; run()"


@frozen
class Site:
    """What all gateways of a run share. ``upstream`` is the server's port, ``token`` what clients log in with."""

    directory: Path
    upstream: int
    issuer: int
    token: str
    certificate: Path
    key: Path


@frozen
class Kind:
    """Which gateway: ``tree`` is what goes before everything else on Python's path, ``policy`` a template's name.

    ``replayed``: its target is one that costs nothing (see replay.py).
    """

    tree: Path = SOURCE
    policy: str = "allow"
    workers: int = 1
    replayed: bool = False


@frozen
class Gateway:
    """A gateway that runs. ``kept.pid`` is twistd's first process."""

    kept: Kept
    port: int
    tls_port: int
    directory: Path

    def pids(self) -> list[int]:
        return family(self.kept.pid)

    def peer(self, name: str, target: str, version: str, token: str) -> Peer:
        return Peer(
            name, self.port, version, target, token, self.tls_port,
            log=self.kept.log, recordings=self.directory / "recordings", pids=self.pids,
        )  # fmt: skip


def environment(tree: Path) -> dict[str, str]:
    """Python takes hoopgate from ``tree``, whatever is installed."""
    return {**os.environ, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": ""}


def configuration(site: Site, kind: Kind, directory: Path, ports: dict[str, int]) -> Path:
    """Write all that a gateway reads; returns the file to start it with."""
    for path in (directory / "state", directory / "recordings"):
        path.mkdir(mode=0o700)
    secret, mask_key = directory / "password", directory / "mask-key"
    for path, text in ((secret, PASSWORD), (mask_key, os.urandom(32).hex())):
        path.touch(mode=0o600)
        path.write_text(text)
    values = {
        "directory": directory, "issuer": site.issuer, "certificate": site.certificate, "key": site.key,
        "upstream": site.upstream, "database": DATABASE, "user": USER, "secret": secret, "mask_key": mask_key,
        "workers": f"workers = {kind.workers}" if kind.workers > 1 else "", **ports,
    }  # fmt: skip
    parts = [_part("hoopgate", values), *(_part("target", {**values, "name": name}) for name in TARGETS)]
    config = directory / "hoopgate.toml"
    config.write_text("".join([*parts, _part(kind.policy, values)]))
    return config


def _part(name: str, values: dict[str, object]) -> str:
    return Template((TEMPLATES / f"{name}.toml").read_text()).substitute(values)


def start(site: Site, kind: Kind, name: str) -> Gateway:
    """Start one and wait until it listens. Raises StartError."""
    directory = place(site.directory, name)
    ports = {"port": free_port(), "tls_port": free_port(), "api": free_port(), "admin": free_port()}
    config = configuration(site, kind, directory, ports)
    command = [sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile=", "hoopgate", "-c", str(config)]
    kept = Kept(command, log=directory / "log", directory=directory, environment=environment(kind.tree))
    return Gateway(up(kept, ports["port"], name), ports["port"], ports["tls_port"], directory)


def start_issuer(directory: Path) -> tuple[Kept, int]:
    """The development identity provider, in a process of its own, and its port."""
    port = free_port()
    command = [sys.executable, "-m", "hoopgate.development.serve_issuer", str(port)]
    kept = Kept(command, log=directory / "issuer.log", directory=directory, environment=environment(SOURCE))
    return up(kept, port, "the issuer"), port


def fetch_token(issuer: int) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{issuer}/persona/ada", data=b"", timeout=10) as answer:
        return str(json.load(answer)["access_token"])
