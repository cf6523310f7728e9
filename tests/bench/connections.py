"""New connections per second, and what each costs: ``python -m tests.bench.connections``.

A client of our own connects, logs in, asks ``SELECT 1`` and leaves, over and over: libpq, and so ``pgbench -C``, never
resumes a TLS session. The peers are the server itself, pgbouncer (session mode, SCRAM, its server connections used
again after ``DISCARD ALL``) and hoopgate (a token, a server connection of its own for each session, recorded).
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import ssl
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template
from typing import Any

from attrs import field, frozen

from hoopgate.codecs.postgresql import messages
from hoopgate.codecs.postgresql.startup import ClientStartup, Derive, Failed, Ready, Send
from hoopgate.development.accounts import fresh_directory, unprivileged
from hoopgate.development.certificates import Authority
from hoopgate.development.postgres import EmbeddedPostgres, Options, PostgresServer
from hoopgate.development.processes import Kept, free_port, listening

USER, PASSWORD, DATABASE = "bench", "bench-password", "bench"
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("plain", "tls", "resumed")

PGBOUNCER = """
[databases]
$database = host=127.0.0.1 port=$upstream dbname=$database
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $directory/users.txt
pool_mode = session
default_pool_size = 50
max_client_conn = 500
server_reset_query = DISCARD ALL
client_tls_sslmode = allow
client_tls_cert_file = $directory/server.crt
client_tls_key_file = $directory/server.key
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
"""
HOOPGATE = """
[gateway]
name = "bench"
state = "$directory/state"
[[issuer]]
name = "development"
url = "http://127.0.0.1:$issuer"
audience = ["hoopgate"]
development = true
[[listener]]
name = "client"
protocol = "postgresql"
port = $port
plaintext = true
tls = { certificate = "file:$directory/server.crt", key = "file:$directory/server.key" }
[[target]]
name = "$database"
protocol = "postgresql"
hosts = ["127.0.0.1:$upstream"]
tls = "disable"
$target
[target.role.bench]
password = "file:$directory/password"
[[rule]]
name = "everything"
then = "allow"
[recorder]
kind = "file"
directory = "$directory/recordings"
[api]
port = $api
plaintext = true
[admin]
port = $admin
"""


@frozen
class Peer:
    """Where a client connects. ``pid`` is the process between it and the server, None for the server itself."""

    name: str
    port: int
    password: str
    pid: int | None = None
    tls: bool = True


@frozen
class Run:
    """``rate`` connections a second; CPU in microseconds for each, of what stands between and of the server."""

    rate: float
    cpu: float
    server: float
    median: float  # milliseconds from connect to ReadyForQuery


@frozen
class Stage:
    server: PostgresServer
    peers: list[Peer] = field(factory=list)


# --- the client


class Client:
    """Connects again and again. ``kind``: ``plain``, ``tls`` (a whole handshake each time) or ``resumed``."""

    def __init__(self, peer: Peer, kind: str) -> None:
        self._peer = peer
        self._kind = kind
        self._session: Any = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self.resumed = 0

    def once(self) -> float:
        """One connection from the start to its end; returns the seconds until ReadyForQuery."""
        began = time.perf_counter()
        raw = socket.create_connection(("127.0.0.1", self._peer.port), 30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection: Any = raw if self._kind == "plain" else self._encrypted(raw)
        try:
            self._log_in(connection)
            took = time.perf_counter() - began
            connection.sendall(messages.query("SELECT 1"))
            self._until_ready(connection)
            if self._kind == "resumed":
                self.resumed += connection.session_reused
                self._session = self._session or connection.session
            connection.sendall(messages.terminate())
        finally:
            connection.close()
        return took

    def _encrypted(self, raw: socket.socket) -> ssl.SSLSocket:
        raw.sendall(SSL_REQUEST)
        if raw.recv(1) != b"S":
            raise SystemExit(f"{self._peer.name} offers no TLS")
        return self._context.wrap_socket(raw, session=self._session)

    def _log_in(self, connection: Any) -> None:
        startup = ClientStartup(
            {"user": USER, "database": DATABASE}, credential=self._peer.password.encode(), tls_active=True
        )
        while True:
            event = startup.next_event()
            if event is None:
                startup.feed(connection.recv(65536) or self._closed())
            elif isinstance(event, Send):
                connection.sendall(event.data)
            elif isinstance(event, Derive):
                startup.derived(event.derivation.keys())
            elif isinstance(event, Failed):
                raise SystemExit(f"{self._peer.name}: {event.message}")
            else:
                assert isinstance(event, Ready)
                return

    def _until_ready(self, connection: Any) -> None:
        answer = b""
        while answer[-6:-1] != b"Z\0\0\0\5":
            answer += connection.recv(65536) or self._closed()

    def _closed(self) -> bytes:
        raise SystemExit(f"{self._peer.name} closed the connection")


def _client_process(peer: Peer, kind: str, seconds: float, tell: Any) -> None:
    client = Client(peer, kind)
    client.once()
    tell.send(None)
    tell.recv()  # all begin at once
    end, times = time.perf_counter() + seconds, []
    while time.perf_counter() < end:
        times.append(client.once())
    if kind == "resumed" and client.resumed < len(times):
        print(f"{peer.name}: {client.resumed} of {len(times)} TLS sessions were resumed", file=sys.stderr)
    tell.send(times)


def measure(stage: Stage, peer: Peer, kind: str, *, clients: int, seconds: float) -> Run:
    """``clients`` processes connect for ``seconds``."""
    forked = multiprocessing.get_context("fork")
    channels, processes = [], []
    for _ in range(clients):
        ours, theirs = forked.Pipe()
        process = forked.Process(target=_client_process, args=(peer, kind, seconds, theirs), daemon=True)
        process.start()
        channels.append(ours)
        processes.append(process)
    for channel in channels:
        channel.recv()
    before = (cpu(peer.pid), server_cpu(stage.server.pid))
    for channel in channels:
        channel.send(None)
    times = [took for channel in channels for took in channel.recv()]
    for process in processes:
        process.join()
    count = len(times)
    mine, servers = cpu(peer.pid) - before[0], server_cpu(stage.server.pid) - before[1]
    return Run(count / seconds, mine / count * 1e6, servers / count * 1e6, statistics.median(times) * 1e3)


def cpu(pid: int | None) -> float:
    """User and system seconds of a process so far (proc(5), stat, fields 14 and 15)."""
    return 0.0 if pid is None else sum(_stat(pid)[11:13]) / TICKS


def server_cpu(pid: int) -> float:
    """The same of PostgreSQL: the postmaster, its children that have ended, and those that live."""
    total = sum(_stat(pid)[11:15])
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            total += sum(_stat(int(child))[11:13])
        except OSError:
            continue  # it ended meanwhile; the next look finds it with its parent
    return total / TICKS


def _stat(pid: int) -> list[int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]


# --- the stage


@contextmanager
def staged(directory: Path, target: str) -> Iterator[Stage]:
    """The server and what stands before it; ``target`` is TOML of the gateway's target, for trying settings."""
    with ExitStack() as stack:
        server = EmbeddedPostgres(options=Options(settings={"max_connections": "200"})).start()
        stack.callback(server.stop)
        server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE {DATABASE} OWNER {USER};")
        stage = Stage(server, [Peer("direct", server.port, PASSWORD, tls=False)])
        secret = server.execute(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{USER}'").strip()
        for name, known in (("pgbouncer", secret), ("pgbouncer, plain secret", PASSWORD)):
            stage.peers.append(_pgbouncer(name, known, server, directory, stack))
        stage.peers.append(_hoopgate(server, directory / "hoopgate", stack, target))
        yield stage


def _place(directory: Path) -> Path:
    directory.mkdir(mode=0o700)
    Authority().server().write(directory, "server")
    return directory


def _filled(template: str, path: Path, **values: object) -> Path:
    path.write_text(Template(template).substitute(values, directory=path.parent, database=DATABASE))
    return path


def _up(kept: Kept, port: int, what: str, stack: ExitStack) -> Kept:
    stack.callback(kept.stop)
    kept.wait_until(lambda: listening(port), what, 60)
    return kept


def _pgbouncer(name: str, secret: str, server: PostgresServer, directory: Path, stack: ExitStack) -> Peer:
    """``secret`` is what it knows of the user: the server's SCRAM secret, or the password, which costs it PBKDF2."""
    port, place, account = free_port(), _place(directory / name.replace(", ", "-").replace(" ", "-")), unprivileged()
    (place / "users.txt").write_text(f'"{USER}" "{secret}"\n')
    config = _filled(PGBOUNCER, place / "pgbouncer.ini", port=port, upstream=server.port)
    if account is not None:
        for path in (place, *place.iterdir()):
            os.chown(path, account.uid, account.gid)
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "pgbouncer"
    kept = Kept([program, str(config)], log=place / "log", account=account, directory=place)
    return Peer(name, port, PASSWORD, _up(kept, port, name, stack).pid)


def _hoopgate(server: PostgresServer, directory: Path, stack: ExitStack, target: str) -> Peer:
    place, root = _place(directory), Path(__file__).parents[2]
    for name in ("state", "recordings"):
        (place / name).mkdir(mode=0o700)
    secret = place / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    issuer, port = free_port(), free_port()
    command = [sys.executable, "-m", "hoopgate.development.serve_issuer", str(issuer)]
    _up(Kept(command, log=place / "issuer.log", directory=root), issuer, "the issuer", stack)
    config = _filled(
        HOOPGATE, place / "hoopgate.toml",
        issuer=issuer, port=port, upstream=server.port, api=free_port(), admin=free_port(), target=target,
    )  # fmt: skip
    start = "from tests.bench.connections import sampled; sampled()\n" if "HOOPGATE_BENCH_PROFILE" in os.environ else ""
    start += "from twisted.scripts.twistd import run; run()"
    twistd = [sys.executable, "-c", start, "--nodaemon", "--pidfile="]
    kept = Kept([*twistd, "hoopgate", "-c", str(config)], log=place / "log", directory=root)
    pid = _up(kept, port, "hoopgate", stack).pid
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{issuer}/persona/ada", data=b"", timeout=10) as answer:
        return Peer("hoopgate", port, str(json.load(answer)["access_token"]), pid)


# --- the report


def sampled() -> None:
    """Run in the gateway: after each millisecond of CPU, note where its main thread is; write it all on SIGUSR2.

    A tracer from outside would stop the process at each look, and there is more of the kernel in a connection than
    of anything else.
    """
    counts: collections.Counter[str] = collections.Counter()

    def look(number: int, frame: Any) -> None:
        names = []
        while frame is not None:
            code = frame.f_code
            names.append(f"{Path(code.co_filename).stem}.{code.co_qualname}:{frame.f_lineno}")
            frame = frame.f_back
        counts[";".join(reversed(names))] += 1

    def write(number: int, frame: Any) -> None:
        lines = [f"{stack} {count}\n" for stack, count in counts.items()]
        Path(os.environ["HOOPGATE_BENCH_PROFILE"]).write_text("".join(lines))

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    signal.signal(signal.SIGUSR2, write)


def _rounds(stage: Stage, options: argparse.Namespace, say: Callable[[str], None]) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = {}
    lot = random.Random(1)
    for number in range(options.rounds):
        for kind in options.kinds:
            able = [peer for peer in stage.peers if (peer.tls or kind == "plain") and peer.name in options.peers]
            for peer in lot.sample(able, len(able)):
                run = measure(stage, peer, kind, clients=options.clients, seconds=options.seconds)
                found.setdefault((kind, peer.name), []).append(run)
                say(f"round {number + 1}: {kind}, {peer.name}: {run.rate:.0f}/s, {run.cpu:.0f} us")
    return found


def _table(found: dict[tuple[str, str], list[Run]]) -> str:
    lines = [
        "| connections | peer | per second | CPU each, us | server's, us | login, ms |",
        "|---|---|---|---|---|---|",
    ]
    for (kind, name), runs in sorted(found.items()):
        rate, mine, servers, median = (
            statistics.median(getattr(run, part) for run in runs) for part in ("rate", "cpu", "server", "median")
        )
        lines.append(f"| {kind} | {name} | {rate:.0f} | {mine:.0f} | {servers:.0f} | {median:.1f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.connections", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--peers", nargs="+", default=["direct", "pgbouncer", "pgbouncer, plain secret", "hoopgate"])
    parser.add_argument("--target", default="", help="TOML of the gateway's target")
    parser.add_argument("--profile", type=Path, help="write collapsed stacks of the gateway's CPU time there")
    options = parser.parse_args(arguments)
    directory = fresh_directory(None, "hoopgate-connections-")
    directory.chmod(0o755)  # ours, and fresh: the peers run as another user
    if options.profile:
        options.peers = ["hoopgate"]
        os.environ["HOOPGATE_BENCH_PROFILE"] = str(options.profile.absolute())
    try:
        with staged(directory, options.target.replace("\\n", "\n")) as stage:
            print(_table(_rounds(stage, options, lambda text: print(text, file=sys.stderr))))
            if options.profile:
                os.kill(next(peer.pid for peer in stage.peers if peer.name == "hoopgate" and peer.pid), signal.SIGUSR2)
                time.sleep(1)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
