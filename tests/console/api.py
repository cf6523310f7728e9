"""A running API over loopback TLS for tests: real TLS, real store, gateway tokens of people made on the spot."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest_twisted
import treq
from attrs import define, evolve, field
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from treq.client import HTTPClient
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred, succeed
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool

from hoopgate.config import model
from hoopgate.config.model import Api as ApiConfig
from hoopgate.config.model import Config, Host, Rule, Target, What, Who
from hoopgate.console.api import Api
from hoopgate.console.reach import Reach
from hoopgate.console.site import listen
from hoopgate.console.views import Rooms
from hoopgate.console.watch import Watch
from hoopgate.development.certificates import Authority
from hoopgate.grants import Grants
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.ssh_certificates import UserCertificates
from hoopgate.identity.tokens import GatewayTokens
from hoopgate.interfaces import Identity
from hoopgate.verdicts import Approvers
from tests.stores.parts import ISSUER, Node, person, start_node

DIGEST = "d" * 64
OPERATOR = person("olga", "operators")
CERTIFICATE, KEY = model.SecretRef("test", "certificate"), model.SecretRef("test", "key")
DEV = Who(groups=("dev",))
CONFIG = Config(
    path=Path("hoopgate.toml"),
    version="v1",
    issuers=(model.Issuer("id", ISSUER, ("hoopgate",)),),
    targets=(Target("shop", "postgresql", (Host("db"),)),),
    rules=(
        Rule("fix-data", "allow", DEV, What(target=("shop",)), approvers=Approvers(("dba",)), grant=True),
    ),
    api=ApiConfig(port=0, operators=("operators",), tls=model.ServerTls(CERTIFICATE, KEY)),
)  # fmt: skip


def concerns(rule: Rule, identity: Identity, target: Target) -> bool:
    who = not rule.who.groups or bool(identity.groups & set(rule.who.groups))
    return who and any(fnmatchcase(target.name, glob) for glob in rule.what.target)


async def no_fetch(url: str) -> bytes:
    raise AssertionError(f"nothing may be fetched, but {url} was asked for")


@define
class Reply:
    status: int
    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@define
class Server:
    """``config`` may be replaced, as a reload does; ``tokens`` holds a token for each name of PEOPLE."""

    node: Node
    grants: Grants
    gateway_tokens: GatewayTokens
    http: HTTPClient
    ca: bytes
    config: Config = CONFIG
    port: int = 0
    tokens: dict[str, str] = field(factory=dict)

    async def token(self, identity: Identity, targets: tuple[str, ...] = ()) -> str:
        bare = evolve(identity, token_id="", targets=())
        token, _ = await self.gateway_tokens.issue(bare, 600, targets)
        return token

    async def call(self, who: Identity | str | None, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        headers = dict(more.pop("headers", {}))
        if isinstance(who, Identity):
            name = "|".join((who.key, *who.chain))
            who = self.tokens.get(name) or self.tokens.setdefault(name, await self.token(who))
        if who is not None:
            headers["Authorization"] = f"Bearer {who}"
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            more["data"] = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await self.http.request(
            method, f"https://localhost:{self.port}{path}", headers=headers, timeout=20, **more
        )
        return Reply(response.code, response.headers, await treq.content(response))

    async def get(self, who: Identity | str | None, path: str, **more: Any) -> Reply:
        return await self.call(who, "GET", path, **more)

    async def post(self, who: Identity | str | None, path: str, body: Any = None, **more: Any) -> Reply:
        return await self.call(who, "POST", path, {} if body is None else body, **more)


@pytest_twisted.async_yield_fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """The API on a free port, over a store of its own and the real clock."""
    authority = Authority("tests of the API")
    pair = authority.server()
    secrets = {CERTIFICATE: pair.certificate, KEY: pair.key}
    node = await start_node(tmp_path, reactor)
    tokens = GatewayTokens(node.store, b"k" * 32, reactor)
    pool = HTTPConnectionPool(reactor, persistent=False)
    trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(authority.pem)])
    client = HTTPClient(Agent(reactor, BrowserLikePolicyForHTTPS(trust), pool=pool))
    known: Server
    grants = Grants(node.store, node.feed, reactor, lambda: known.config, concerns)
    known = Server(node, grants, tokens, client, authority.pem)
    await grants.start()
    issuers = [evolve(each) for each in CONFIG.issuers]
    rooms = Rooms(
        store=node.store,
        approvals=node.approvals,
        grants=grants,
        authenticator=Authenticator(issuers, no_fetch, tokens, reactor),
        tokens=tokens,
        watch=Watch(node.store, node.feed, reactor),
        clock=reactor,
        config=lambda: known.config,
        reach=Reach(
            lambda identity, target, role: role in identity.groups,
            lambda listener: listener.port or 4321,
            lambda listener: ("ssh-ed25519 AAAA",) if listener.protocol == "connect" else (),
        ),
        certificates=UserCertificates(
            node.store, b"k" * 32, Ed25519PrivateKey.generate(), reactor, lambda: known.config.ssh.certificate_lifetime
        ),
    )

    def secret(ref: model.SecretRef) -> Deferred[bytes]:
        return succeed(secrets[ref])

    port = await listen(reactor, lambda: known.config, secret, Api(rooms))
    known.port = port.getHost().port
    yield known
    await port.stopListening()
    grants.stop()
    await pool.closeCachedConnections()
    await node.stop()
