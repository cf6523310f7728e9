"""``hoopgate login`` and ``hoopgate token`` as processes, against the development provider and a real exchange."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import field, frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from hoopgate.config.model import Issuer
from hoopgate.development.idp import DevelopmentIssuer
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.exchange import OAuthError, exchange
from hoopgate.identity.fetch import Fetcher
from hoopgate.identity.tokens import GatewayTokens
from tests.identity.issuers import MemoryStore
from tests.peers.browser import be_person

pytestmark = pytest.mark.live


class Api(Resource):
    """``/v1/token`` over the real exchange."""

    def __init__(self, who: Authenticator, tokens: GatewayTokens) -> None:
        super().__init__()
        self._who, self._tokens = who, tokens
        version = Resource()
        version.putChild(b"token", self)
        self.root = Resource()
        self.root.putChild(b"v1", version)

    def render_POST(self, request: Request) -> Any:
        def answer(status: int, body: dict[str, Any]) -> None:
            request.setResponseCode(status)
            request.write(json.dumps(body).encode())
            request.finish()

        def refused(failure: Any) -> None:
            failure.trap(OAuthError)
            answer(failure.value.status, failure.value.body())

        asked = exchange(request.args or {}, self._who, self._tokens, known_targets={"shop"})
        asked.addCallbacks(lambda body: answer(200, body), refused)
        return NOT_DONE_YET


@frozen
class Done:
    status: int
    out: str
    err: str


class Command(ProcessProtocol):
    def __init__(self) -> None:
        self.out, self.err = b"", b""
        self.ended: Deferred[Done] = Deferred()
        self.said: Deferred[str] = Deferred()  # the address to open, once it is shown

    def outReceived(self, data: bytes) -> None:
        self.out += data

    def errReceived(self, data: bytes) -> None:
        self.err += data
        found = re.search(rb"(http\S+user_code=\S+)\s", self.err)
        if found and not self.said.called:
            self.said.callback(found[1].decode())

    def processEnded(self, reason: Any) -> None:
        self.ended.callback(Done(reason.value.exitCode, self.out.decode(), self.err.decode()))


@frozen
class World:
    provider: DevelopmentIssuer
    who: Authenticator
    store: MemoryStore
    home: Path
    environ: dict[str, str] = field(factory=dict)

    def command(self, *arguments: str, **environ: str) -> Command:
        started = Command()
        source = "from hoopgate.cli.main import main; main(prog_name='hoopgate')"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)} | self.environ | environ
        reactor.spawnProcess(  # type: ignore[attr-defined]
            started, sys.executable, [sys.executable, "-c", source, *arguments], env=environment
        )
        return started

    async def run(self, *arguments: str, **environ: str) -> Done:
        return await self.command(*arguments, **environ).ended

    async def log_in(self, person: str) -> Done:
        started = self.command("login", "--issuer", self.provider.url, "--client-id", "hoopgate")
        await deferToThread(be_person, await started.said, person)
        return await started.ended


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    provider = DevelopmentIssuer(reactor, interval=0.1, lifetime=600.0)  # type: ignore[arg-type]
    ports = [provider.listen(reactor)]  # type: ignore[arg-type]
    store = MemoryStore()
    tokens = GatewayTokens(store, bytes(32), reactor)  # type: ignore[arg-type]
    issuer = Issuer("development", provider.url, ("hoopgate",), development=True)
    who = Authenticator([issuer], Fetcher(reactor), tokens, reactor)  # type: ignore[arg-type]
    ports.append(reactor.listenTCP(0, Site(Api(who, tokens).root), interface="127.0.0.1"))  # type: ignore[attr-defined]
    api = f"http://127.0.0.1:{ports[1].getHost().port}"
    yield World(provider, who, store, tmp_path, {"XDG_CONFIG_HOME": str(tmp_path), "HOOPGATE_API": api})
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


@pytest_twisted.ensureDeferred
async def test_from_login_to_a_gateway_token(world: World) -> None:
    done = await world.log_in("ada")
    assert done.status == 0, done.err
    assert "ada@example.com" in done.err
    assert "DEVELOPMENT" in done.err
    cache = world.home / "hoopgate" / "credentials.json"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.parent.stat().st_mode) == 0o700

    done = await world.run("token")
    assert done.status == 0, done.err
    assert (await world.who.authenticate(done.out.strip())).subject == "ada"

    done = await world.run("token", "--gateway", "--json", "--target", "shop", "--lifetime", "30")
    answer = json.loads(done.out)
    found = await world.who.authenticate(answer["token"])
    assert (found.subject, found.targets, answer["expires_in"]) == ("ada", ("shop",), 30)
    assert answer["token_id"] in world.store.records


def connect_at_a_terminal(world: World, person: str) -> tuple[int, str]:
    """``hoopgate connect`` as ssh starts it in a terminal: standard error is one. Its status and what it showed."""
    master, slave = pty.openpty()
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "HOOPGATE_ISSUER": world.provider.url,
        "HOOPGATE_CLIENT_ID": "hoopgate", "COLUMNS": "300", **world.environ,
    }  # fmt: skip
    command = [sys.executable, "-m", "hoopgate.cli", "connect", "web", "22", "--gate", "http://127.0.0.1:1"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave
    ) as process:
        os.close(slave)
        shown = ""
        while (address := re.search(r"Open\s+(?:\x1b[^ ]*?)?(http\S+?user_code=[A-Z0-9-]+)", shown)) is None:
            shown += os.read(master, 65536).decode()
        be_person(address[1], person)
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while part := os.read(master, 65536):
                shown += part.decode()
        os.close(master)
        return process.wait(20), shown


@pytest_twisted.ensureDeferred
async def test_connect_logs_in_where_there_is_a_terminal_and_never_elsewhere(world: World) -> None:
    status, shown = await deferToThread(connect_at_a_terminal, world, "ada")
    assert (status, "127.0.0.1:1 does not answer" in shown) == (5, True), shown
    assert "ada@example.com" in shown
    cache = world.home / "hoopgate" / "credentials.json"
    assert json.loads(cache.read_text())["logins"][0]["issuer"] == world.provider.url
    cache.unlink()
    issuer = {"HOOPGATE_ISSUER": world.provider.url, "HOOPGATE_CLIENT_ID": "hoopgate"}
    done = await world.run("connect", "web", "--gate", "http://127.0.0.1:1", **issuer)
    assert (done.status, "hoopgate login" in done.err) == (3, True)


@pytest_twisted.ensureDeferred
async def test_a_token_at_its_end_is_refreshed_and_the_new_refresh_token_kept(world: World) -> None:
    await world.log_in("ada")
    cache = world.home / "hoopgate" / "credentials.json"
    before = json.loads(cache.read_text())
    before["logins"][0]["expires"] = time.time() + 30
    cache.write_text(json.dumps(before))
    first, second = world.command("token", "--json"), world.command("token", "--json")
    answers = [json.loads((await one.ended).out) for one in (first, second)]
    assert answers[0]["token"] == answers[1]["token"] != before["logins"][0]["token"]  # one refresh served both
    after = json.loads(cache.read_text())["logins"][0]
    assert after["refresh_token"] != before["logins"][0]["refresh_token"]
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600


@pytest_twisted.ensureDeferred
async def test_a_login_that_ended_asks_for_another(world: World) -> None:
    await world.log_in("ada")
    cache = world.home / "hoopgate" / "credentials.json"
    content = json.loads(cache.read_text())
    content["logins"][0] |= {"expires": 1.0, "refresh_token": "spent"}
    cache.write_text(json.dumps(content))
    done = await world.run("token")
    assert (done.status, done.out) == (3, "")
    assert "hoopgate login" in done.err
    assert json.loads(cache.read_text())["logins"] == []


@pytest_twisted.ensureDeferred
async def test_a_refused_login(world: World) -> None:
    done = await world.log_in("")
    assert done.status == 4
    assert "refused in the browser" in done.err
    assert not (world.home / "hoopgate" / "credentials.json").exists()


@pytest_twisted.ensureDeferred
async def test_a_workloads_token_is_exchanged_without_any_login(world: World) -> None:
    token = world.provider.token("scout")
    done = await world.run("token", "--gateway", HOOPGATE_TOKEN=token)
    found = await world.who.authenticate(done.out.strip())
    assert (found.subject, found.chain) == ("ada", (f"{world.provider.url}|scout",))


@pytest_twisted.ensureDeferred
async def test_each_trouble_has_its_exit_code_and_its_remedy(world: World) -> None:
    token, gone = world.provider.token("ada"), "http://127.0.0.1:1"
    cases = [
        (("token",), {}, 3, "hoopgate login"),
        (("token",), {"HOOPGATE_TOKEN_FILE": "/nonexistent"}, 3, "HOOPGATE_TOKEN_FILE"),
        (("token", "--target", "shop"), {"HOOPGATE_TOKEN": token}, 2, "--gateway"),
        (("token", "--gateway"), {"HOOPGATE_TOKEN": "rubbish"}, 4, "refuses"),
        (("token", "--gateway", "--target", "nowhere"), {"HOOPGATE_TOKEN": token}, 4, "no target nowhere"),
        (("token", "--gateway"), {"HOOPGATE_TOKEN": token, "HOOPGATE_API": gone}, 5, "does not answer"),
        (("token", "--gateway"), {"HOOPGATE_TOKEN": token, "HOOPGATE_API": "http://gw.example.com"}, 2, "https"),
        (("token", "--gateway"), {"HOOPGATE_TOKEN": token, "HOOPGATE_CA": "/nonexistent"}, 2, "PEM"),
        (("login",), {}, 2, "--issuer"),
        (("login", "--issuer", gone, "--client-id", "hoopgate"), {}, 5, "does not answer"),
        (("login", "--issuer", world.provider.url + "/", "--client-id", "hoopgate"), {}, 2, "calls itself"),
        (("login", "--issuer", world.provider.url, "--client-id", "stranger"), {}, 4, "invalid_client"),
    ]
    for arguments, environ, status, remedy in cases:
        done = await world.run(*arguments, **environ)
        assert (done.status, done.out) == (status, ""), (arguments, done)
        assert remedy in done.err, done.err
        assert "Traceback" not in done.err
        assert token.split(".")[2] not in done.err
    (world.home / "hoopgate").chmod(0o777)
    done = await world.run("login", "--issuer", world.provider.url, "--client-id", "hoopgate")
    assert (done.status, "chmod 700" in done.err) == (6, True)
