"""Which targets the API tells of, to whom, and where the gateway is reached."""

from __future__ import annotations

import pytest_twisted
from attrs import evolve

from hoopgate.config.model import Host, Listener, Role, Target
from tests.console.api import CONFIG, Server, server
from tests.stores.parts import ALICE, person

__all__ = ["server"]

# In these tests whoever is of a group may use the role of its name.
TARGETS = (
    Target("shop", "postgresql", (Host("db"),), roles=(Role("dev", "app"), Role("dba", "owner"))),
    Target("web", "ssh", (Host("web"),), roles=(Role("dba", "root"),)),
)
LISTENERS = (Listener("pg", "postgresql", 5432), Listener("gate", "connect", 0, plaintext=True))


@pytest_twisted.ensureDeferred
async def test_everybody_is_told_of_what_they_may_open_alone(server: Server) -> None:
    server.config = evolve(CONFIG, targets=TARGETS, listeners=LISTENERS)
    told = (await server.get(ALICE, "/v1/targets")).json
    assert told["targets"] == [{"name": "shop", "protocol": "postgresql", "roles": ["dev"]}]
    told = (await server.get(person("both", "dev", "dba"), "/v1/targets")).json
    assert [(each["name"], each["roles"]) for each in told["targets"]] == [("shop", ["dev", "dba"]), ("web", ["dba"])]
    told = (await server.get(person("nobody"), "/v1/targets")).json
    assert told["targets"] == []


@pytest_twisted.ensureDeferred
async def test_a_token_bound_to_targets_is_told_of_those(server: Server) -> None:
    server.config = evolve(CONFIG, targets=TARGETS, listeners=LISTENERS)
    token = await server.token(person("both", "dev", "dba"), ("web",))
    told = (await server.get(token, "/v1/targets")).json
    assert [each["name"] for each in told["targets"]] == ["web"]


@pytest_twisted.ensureDeferred
async def test_listeners_are_told_with_the_ports_and_keys_that_they_have(server: Server) -> None:
    server.config = evolve(CONFIG, targets=TARGETS, listeners=LISTENERS)
    told = (await server.get(ALICE, "/v1/targets")).json["listeners"]
    common = {"name": "gate", "protocol": "connect", "plaintext": True}
    assert told == [
        {"name": "pg", "protocol": "postgresql", "port": 5432, "plaintext": False, "host_keys": []},
        {**common, "port": 4321, "host_keys": ["ssh-ed25519 AAAA"]},
    ]


@pytest_twisted.ensureDeferred
async def test_nobody_else_is_told_anything(server: Server) -> None:
    assert (await server.get(None, "/v1/targets")).status == 401
    assert (await server.get(ALICE, "/v1/targets?x=1")).status == 400
