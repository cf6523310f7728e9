"""Against a real OpenID provider: discovery, signatures, rotation, an outage, and a whole device flow."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import pytest_twisted
from twisted.internet import reactor

from hoopgate.cli.provider import credentials_of, discover, refreshed
from hoopgate.cli.web import Web
from hoopgate.config.model import Issuer
from hoopgate.errors import AuthenticationError
from hoopgate.identity.authenticator import Authenticator
from hoopgate.identity.device import DeviceFlow, DeviceFlowError
from hoopgate.identity.fetch import Fetcher
from hoopgate.identity.keys import UnreachableIssuerError
from tests.installs import MissingError
from tests.peers.oidc_provider import OidcProvider, oidc_provider

__all__ = ["oidc_provider"]
pytestmark = pytest.mark.live


def gateway(provider: OidcProvider, **settings: Any) -> Authenticator:
    issuer = Issuer("peer", provider.url, ("hoopgate",), development=True, **settings)
    return Authenticator([issuer], Fetcher(reactor), None, reactor)  # type: ignore[arg-type]


def post(url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(url, urlencode(form).encode(), timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest_twisted.ensureDeferred
async def test_a_workloads_token_is_verified(oidc_provider: OidcProvider) -> None:
    found = await gateway(oidc_provider).authenticate(oidc_provider.robot_token())
    assert (found.issuer, found.subject, found.scopes) == (oidc_provider.url, "robot", {"sql"})


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
@pytest_twisted.ensureDeferred
async def test_other_algorithms_are_verified(algorithm: str) -> None:
    try:
        provider = OidcProvider(algorithm)
    except MissingError as missing:
        pytest.skip(str(missing))
    provider.start()
    try:
        found = await gateway(provider).authenticate(provider.robot_token())
        assert found.subject == "robot"
        with pytest.raises(AuthenticationError):
            await gateway(provider, algorithms=("RS256",)).authenticate(provider.robot_token())
    finally:
        provider.stop()


@pytest_twisted.ensureDeferred
async def test_a_rotation_is_followed_and_an_outage_outlived(oidc_provider: OidcProvider) -> None:
    who = gateway(oidc_provider, keys_ttl=0.0)  # every login asks anew, so the outage is felt at once
    token = oidc_provider.robot_token()
    await who.authenticate(token)
    oidc_provider.rotate()
    assert (await who.authenticate(oidc_provider.robot_token())).subject == "robot"
    last = oidc_provider.robot_token()
    oidc_provider.stop()
    try:
        assert (await who.authenticate(last)).subject == "robot"
        with pytest.raises(UnreachableIssuerError):
            await gateway(oidc_provider).authenticate(last)
    finally:
        oidc_provider.start()


@pytest_twisted.ensureDeferred
async def test_a_whole_device_flow_and_a_refresh(oidc_provider: OidcProvider) -> None:
    endpoints = discover(Web(), oidc_provider.url)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:  # the first poll finds the login still pending
            oidc_provider.approve(code.whole_uri, "ada")

    flow = DeviceFlow("hoopgate", post, sleep, time.monotonic)
    code = flow.start(endpoints.device, "openid email groups offline_access")
    credentials = credentials_of(flow.wait(endpoints.token, code), oidc_provider.url, "hoopgate", "id_token")
    assert len(waits) >= 2
    found = await gateway(oidc_provider).authenticate(credentials.token)
    assert (found.subject, found.person, found.groups) == ("ada", "ada@example.com", {"analysts"})

    fresh = refreshed(Web(), credentials, "id_token")
    assert fresh.refresh_token not in ("", credentials.refresh_token)
    assert (await gateway(oidc_provider).authenticate(fresh.token)).subject == "ada"


def test_a_client_that_the_provider_does_not_know(oidc_provider: OidcProvider) -> None:
    flow = DeviceFlow("stranger", post, time.sleep, time.monotonic)
    with pytest.raises(DeviceFlowError) as caught:
        flow.start(discover(Web(), oidc_provider.url).device, "openid")
    assert caught.value.code == "invalid_client"
