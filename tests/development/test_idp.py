"""The development provider: real protocol, loopback alone, and marked wherever it shows."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher

from hoopgate.config.model import Issuer
from hoopgate.development.idp import DevelopmentIssuer, Person
from hoopgate.development.idp_grants import GrantError, Grants
from hoopgate.errors import ConfigError
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.fetch import Fetcher
from tests.peers.browser import be_person

ROBOT = Person("robot", groups=("agents",), scopes=("sql",), secret="only for tests")


@pytest.fixture
def provider() -> Iterator[DevelopmentIssuer]:
    made = DevelopmentIssuer(reactor, [Person("ada", email="ada@example.com", groups=("analysts",)), ROBOT])  # type: ignore[arg-type]
    port = made.listen(reactor)  # type: ignore[arg-type]
    yield made
    pytest_twisted.blockon(port.stopListening())


def call(url: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, Any, str]:
    """Status, headers and text of an answer."""
    data = None if form is None else urlencode(form).encode()
    request = Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10) as response:
            return response.status, response.headers, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


async def ask(url: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, Any, str]:
    found: tuple[int, Any, str] = await deferToThread(call, url, form, **headers)
    return found


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.0.2.1", "example.com", "localhost.example.com"])
def test_it_listens_on_loopback_alone(address: str) -> None:
    with pytest.raises(ConfigError, match=r"may not listen"):
        DevelopmentIssuer(reactor, []).listen(reactor, address=address)  # type: ignore[arg-type]


@pytest_twisted.ensureDeferred
async def test_it_says_what_it_is_wherever_it_shows(provider: DevelopmentIssuer) -> None:
    pages = ["/", "/device", "/device?user_code=AAAA-BBBB", "/jwks", "/.well-known/openid-configuration"]
    for page in pages:
        status, headers, text = await ask(provider.url + page)
        assert status == 200
        assert "DEVELOPMENT" in headers["X-Hoopgate-Development"]
        if headers["Content-Type"].startswith("text/html"):
            assert text.count("DEVELOPMENT - whoever reaches") == 2


@pytest_twisted.ensureDeferred
async def test_it_says_so_in_the_log() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        port = DevelopmentIssuer(reactor, []).listen(reactor)  # type: ignore[arg-type]
    finally:
        globalLogPublisher.removeObserver(events.append)
    await port.stopListening()
    assert any("DEVELOPMENT" in event.get("log_format", "") for event in events if event.get("log_format"))


@pytest_twisted.ensureDeferred
async def test_its_tokens_verify_and_are_marked(provider: DevelopmentIssuer) -> None:
    issuer = Issuer("development", provider.url, (provider.audience,), development=True)
    who = Authenticator([issuer], Fetcher(reactor), None, reactor)  # type: ignore[arg-type]
    _, _, text = await ask(provider.url + "/persona/ada", {})
    for token in (provider.token("ada"), json.loads(text)["access_token"]):
        found = await who.authenticate(token)
        assert (found.subject, found.person, found.groups) == ("ada", "ada@example.com", {"analysts"})
        assert found.claims["development"] is True
    with pytest.raises(KeyError):
        provider.token("nobody")


@pytest_twisted.ensureDeferred
async def test_client_credentials(provider: DevelopmentIssuer) -> None:
    form = {"grant_type": "client_credentials", "client_id": "robot", "client_secret": "only for tests"}
    status, _, text = await ask(provider.url + "/token", form)
    assert (status, json.loads(text)["token_type"]) == (200, "Bearer")
    assert "refresh_token" not in json.loads(text)
    basic = {"Authorization": "Basic cm9ib3Q6b25seStmb3IrdGVzdHM="}
    status, _, _ = await ask(provider.url + "/token", {"grant_type": "client_credentials"}, **basic)
    assert status == 200
    for changes in ({"client_secret": "wrong"}, {"client_id": "ada", "client_secret": ""}, {"client_id": "nobody"}):
        status, _, text = await ask(provider.url + "/token", form | changes)
        assert (status, json.loads(text)) == (401, {"error": "invalid_client"})
    status, _, _ = await ask(provider.url + "/token", {"grant_type": "client_credentials"}, Authorization="Basic !")
    assert status == 401


@pytest_twisted.ensureDeferred
async def test_the_device_flow_end_to_end(provider: DevelopmentIssuer) -> None:
    _, _, text = await ask(provider.url + "/device_authorization", {"client_id": "hoopgate", "scope": "openid"})
    started = json.loads(text)
    form = {"grant_type": provider.grants.DEVICE_CODE, "client_id": "hoopgate", "device_code": started["device_code"]}
    status, _, text = await ask(provider.url + "/token", form)
    assert (status, json.loads(text)) == (400, {"error": "authorization_pending"})
    assert "Signed in" in await deferToThread(be_person, started["verification_uri_complete"], "ada")
    status, _, _ = await ask(started["verification_uri"], {"user_code": started["user_code"], "person": "robot"})
    assert status == 400  # decided once
    provider.grants._devices[started["device_code"]].polled = None  # not a matter of this test's speed
    status, _, text = await ask(provider.url + "/token", form)
    assert status == 200
    refresh = {
        "grant_type": "refresh_token",
        "client_id": "hoopgate",
        "refresh_token": json.loads(text)["refresh_token"],
    }
    assert (await ask(provider.url + "/token", refresh))[0] == 200
    assert (await ask(provider.url + "/token", refresh))[0] == 400  # spent
    assert (await ask(provider.url + "/token", form))[0] == 400  # spent too


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},  # DNS rebinding
        {"Host": "evil.example.com:80"},
        {"Origin": "https://evil.example.com"},  # a form on another page
        {"Origin": "null"},
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_foreign_page_cannot_use_it(provider: DevelopmentIssuer, headers: dict[str, str]) -> None:
    status, _, text = await ask(provider.url + "/persona/ada", {}, **headers)
    assert status == 403
    assert "access_token" not in text


@pytest_twisted.ensureDeferred
async def test_its_pages_escape_what_they_are_given(provider: DevelopmentIssuer) -> None:
    _, _, text = await ask(provider.url + "/device?user_code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>" not in text


@pytest_twisted.ensureDeferred
async def test_it_cannot_be_reached_by_another_address(provider: DevelopmentIssuer) -> None:
    port = int(provider.url.rpartition(":")[2])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match=r"."):
            await deferToThread(socket.create_connection, (address, port), 1)


def test_device_codes_expire_slow_down_and_are_bounded() -> None:
    clock = Clock()
    grants = Grants(clock, 5.0)
    code, user_code, lifetime, interval = grants.start()

    def error() -> str:
        with pytest.raises(GrantError) as caught:
            grants.poll(code)
        return str(caught.value)

    assert interval == 5.0
    assert [error(), error()] == ["authorization_pending", "slow_down"]
    clock.advance(9.0)
    assert error() == "authorization_pending"
    clock.advance(lifetime)
    assert error() == "expired_token"
    assert grants.decide(user_code, "ada") is False
    assert error() == "invalid_grant"
    for _ in range(1000):
        grants.start()
    with pytest.raises(GrantError, match="temporarily"):
        grants.start()
    clock.advance(lifetime + 61)
    grants.start()


def test_refresh_tokens_are_bounded() -> None:
    grants = Grants(Clock(), 5.0)
    first = grants.new_refresh("ada")
    for _ in range(1000):
        grants.new_refresh("ada")
    with pytest.raises(GrantError):
        grants.use_refresh(first)
