"""One run's stage: the server with its data, and the peers, each started when it is first asked for."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import define, evolve, field

from hoopgate.development.accounts import unprivileged
from hoopgate.development.certificates import Authority
from hoopgate.development.postgres import HBA, Options, PostgresServer, ServerTls
from hoopgate.development.processes import Kept, StartError, free_port
from tests.bench import data, gateways
from tests.bench.gateways import SOURCE, Gateway, Kind, Site
from tests.bench.peers import DATABASE, PASSWORD, USER, Peer, filled, place, up
from tests.bench.programs import compiled_core, has_tls, program, servers, version
from tests.installs import CACHE, MissingError

Making = Callable[["Stage"], Peer]


@define
class Stage:
    """``rows`` are those of the larger tables, ``trees`` further checkouts of the gateway to measure.

    ``missing`` says who is not here, and why.
    ``core`` is the compiled copy, None where ``not_compiled`` says why there is none.
    """

    server: PostgresServer
    site: Site
    stack: ExitStack
    rows: int
    trees: dict[str, Path] = field(factory=dict)
    core: Path | None = None
    not_compiled: str = ""
    peers: dict[str, Peer] = field(factory=dict)
    missing: dict[str, str] = field(factory=dict)
    _gateways: dict[Kind, Gateway] = field(factory=dict)

    def peer(self, name: str) -> Peer | None:
        """The running peer of that name; None where it cannot be had."""
        if name not in self.peers and name not in self.missing:
            try:
                self.peers[name] = _MAKING[name](self) if name in _MAKING else _tree(self, name)
            except MissingError as reason:
                self.missing[name] = str(reason)
            except StartError as reason:
                self.missing[name] = str(reason).splitlines()[-1]
        return self.peers.get(name)

    def gateway(self, kind: Kind) -> Gateway:
        if kind not in self._gateways:
            site = evolve(self.site, upstream=self._replaying()) if kind.replayed else self.site
            made = gateways.start(site, kind, f"hoopgate-{len(self._gateways)}")
            self.stack.callback(made.kept.stop)
            self._gateways[kind] = made
        return self._gateways[kind]

    def _replaying(self) -> int:
        """The port of a target that answers scans out of memory."""
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.replay", str(port), str(self.server.port)]
        log = self.site.directory / f"replay-{port}.log"
        self.stack.callback(up(Kept(command, log=log, directory=SOURCE), port, "the replaying target").stop)
        return port

    @property
    def tree(self) -> Path:
        """Where the main figures come from: the compiled copy, where there is one."""
        return self.core or SOURCE


@contextmanager
def staged(directory: Path, *, rows: int, trees: dict[str, Path], compiled: bool = True) -> Iterator[Stage]:
    """Start the server, with ``rows`` rows in its larger tables; stop everything at the end."""
    with ExitStack() as stack:
        (directory / "tls").mkdir()
        certificate, key = Authority().server().write(directory / "tls", "server")
        programs = servers()
        tls = ServerTls(certificate, key, certificate) if has_tls(programs) else None
        server = PostgresServer(programs, options=Options(settings=data.SETTINGS, hba=HBA, tls=tls)).start()
        stack.callback(server.stop)
        data.load(server, accounts=rows, people=rows)
        issuer, port = gateways.start_issuer(directory)
        stack.callback(issuer.stop)
        site = Site(directory, server.port, port, gateways.fetch_token(port), certificate, key)
        stage = Stage(server, site, stack, rows, trees)
        if compiled:
            _compile(stage)
        else:
            stage.not_compiled = "--no-compile"
        yield stage


def _compile(stage: Stage) -> None:
    core = CACHE / f"core-{hashlib.sha256(bytes(SOURCE)).hexdigest()[:8]}"  # a checkout's own: builds are incremental
    stage.not_compiled = compiled_core(SOURCE, core)
    stage.core = None if stage.not_compiled else core


# --- who there is


def _direct(stage: Stage) -> Peer:
    number = stage.server.execute("SHOW server_version").split()[0]
    port = stage.server.port
    return Peer("direct", port, f"PostgreSQL {number}", tls_port=port if stage.server.options.tls else 0)


def _pgbouncer(stage: Stage) -> Peer:
    found, port, account = program("pgbouncer"), free_port(), unprivileged()
    where = place(stage.site.directory, "pgbouncer", account)
    # What pgbouncer keeps best: the server's own verifier, by which it need not stretch the password at each login.
    secret = stage.server.execute(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{USER}'").strip()
    users = where / "users.txt"
    users.write_text(f'"{USER}" "{secret}"\n')
    certificate, key = (where / one.name for one in (stage.site.certificate, stage.site.key))
    for path, source in ((users, None), (certificate, stage.site.certificate), (key, stage.site.key)):
        if source is not None:
            path.write_bytes(source.read_bytes())
        path.chmod(0o600)
        if account is not None:
            os.chown(path, account.uid, account.gid)
    config = filled(
        "pgbouncer.ini", where / "pgbouncer.ini", port=port, upstream=stage.server.port, database=DATABASE,
        users=users, certificate=certificate, key=key,
    )  # fmt: skip
    kept = Kept([found, str(config)], log=where / "log", account=account, directory=where)
    stage.stack.callback(up(kept, port, "pgbouncer").stop)
    number = version(found, "--version")
    return Peer("pgbouncer", port, number, tls_port=port, log=where / "log", pids=lambda: [kept.pid])


def _haproxy(stage: Stage) -> Peer:
    found, port, tls_port, account = program("haproxy"), free_port(), free_port(), unprivileged()
    where = place(stage.site.directory, "haproxy", account)
    bundle = where / "bundle.pem"
    bundle.write_bytes(stage.site.certificate.read_bytes() + stage.site.key.read_bytes())
    bundle.chmod(0o600)
    if account is not None:
        os.chown(bundle, account.uid, account.gid)
    config = filled(
        "haproxy.cfg", where / "haproxy.cfg",
        port=port, tls_port=tls_port, upstream=stage.server.port, bundle=bundle,
    )  # fmt: skip
    kept = Kept([found, "-db", "-f", str(config)], log=where / "log", account=account, directory=where)
    stage.stack.callback(up(kept, port, "haproxy").stop)
    return Peer(
        "haproxy", port, re.sub(r"^(HA-?Proxy version \S+).*", r"\1", version(found, "-v")), tls_port=tls_port,
        tls_direct=True, log=where / "log", pids=lambda: [kept.pid],
    )  # fmt: skip


def _relay(stage: Stage, name: str, *more: str) -> Peer:
    """What a proxy in this interpreter costs that looks at nothing: on the gateway's transport, and without."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(stage.server.port), *more]
    path = os.pathsep.join([str(stage.tree), str(SOURCE)])
    environment = {**gateways.environment(stage.tree), "PYTHONPATH": path}
    log = stage.site.directory / f"relay-{port}.log"
    kept = Kept(command, log=log, directory=stage.site.directory, environment=environment)
    stage.stack.callback(up(kept, port, name).stop)
    return Peer(name, port, "", log=log, pids=lambda: [kept.pid])


def _ours(stage: Stage, name: str, kind: Kind, target: str) -> Peer:
    build = "compiled" if kind.tree == stage.core else "interpreted"
    return stage.gateway(kind).peer(name, target, f"hoopgate, {build}", stage.site.token)


def _tree(stage: Stage, name: str) -> Peer:
    """A checkout that was named on the command line: ``before`` with rules is ``before, rules``."""
    first, _, variant = name.partition(", ")
    if first not in stage.trees or variant not in TREE_VARIANTS:
        raise MissingError(f"no peer {name!r}; a tree is named by --tree {first}=DIRECTORY")
    policy, target = TREE_VARIANTS[variant]
    kind = Kind(stage.trees[first], policy)
    return stage.gateway(kind).peer(name, target, str(stage.trees[first]), stage.site.token)


TREE_VARIANTS = {"": ("allow", "bench"), "rules": ("policy", "ruled"), "masking": ("policy", "masked")}
_MAKING: dict[str, Making] = {
    "direct": _direct,
    "pgbouncer": _pgbouncer,
    "haproxy": _haproxy,
    "hoopgate": lambda stage: _ours(stage, "hoopgate", Kind(stage.tree), "bench"),
    "hoopgate, rules": lambda stage: _ours(stage, "hoopgate, rules", Kind(stage.tree, "policy"), "ruled"),
    "hoopgate, masking": lambda stage: _ours(stage, "hoopgate, masking", Kind(stage.tree, "policy"), "masked"),
    "hoopgate, one worker": lambda stage: _ours(
        stage, "hoopgate, one worker", Kind(stage.tree, "policy", 1, replayed=True), "hashed"
    ),
    "hoopgate, two workers": lambda stage: _ours(
        stage, "hoopgate, two workers", Kind(stage.tree, "policy", 2, replayed=True), "hashed"
    ),
    "relay": lambda stage: _relay(stage, "relay"),
    "relay, bare": lambda stage: _relay(stage, "relay, bare", "--bare"),
    "hoopgate, interpreted": lambda stage: _ours(stage, "hoopgate, interpreted", Kind(), "bench"),
    "hoopgate, interpreted, masking": lambda stage: _ours(
        stage, "hoopgate, interpreted, masking", Kind(policy="policy"), "masked"
    ),
}
NAMES = tuple(_MAKING)

__all__ = ["NAMES", "PASSWORD", "Stage", "staged"]
