"""Users' certificates over the API: for whom, for what, for how long."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred

from hoopgate.conch.certificates import parse_text, text_of
from hoopgate.config.load import loads
from hoopgate.console.call import Answer, Call
from hoopgate.console.problems import Problem
from hoopgate.console.reach import Reach
from hoopgate.console.ssh import issue_certificate
from hoopgate.identity.ssh_certificates import UserCertificates
from hoopgate.identity.ssh_restrictions import EXTENSIONS, Restrictions
from hoopgate.interfaces import Identity
from tests.console.api import OPERATOR, Server, server
from tests.identity.issuers import NOW, MemoryStore, clock_at, result
from tests.protocols.ssh.door import ADA, CONFIG

__all__ = ["server"]

BLOB = Key(Ed25519PrivateKey.generate().public_key()).blob()
LINE = text_of(BLOB, "ada@laptop").decode()


class Office:
    """Where certificates are issued; ada may open web as root."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = clock_at()
        key = Ed25519PrivateKey.generate()
        self.certificates = UserCertificates(self.store, bytes(32), key, self.clock, lambda: 3600.0)
        may_open = lambda identity, target, role: role == "root"  # noqa: E731
        self.reach = Reach(may_open, lambda listener: 22, lambda listener: ())

    def ask(self, identity: Identity = ADA, **body: Any) -> Any:
        call = Call({}, "", "application/json", json.dumps({"public_key": LINE, **body}).encode(), identity)
        done = issue_certificate(call, self.certificates, loads(CONFIG), self.reach)
        answer: Answer = result(Deferred.fromCoroutine(done))
        assert answer.status == 201
        return answer.body

    def refuses(self, identity: Identity = ADA, **body: Any) -> str:
        with pytest.raises(Problem) as caught:
            self.ask(identity, **body)
        return f"{caught.value.status} {caught.value.detail}"


def test_a_certificate_is_good_for_the_holder_of_the_token() -> None:
    office = Office()
    answer = office.ask()
    made = parse_text(answer["certificate"].encode())
    assert (made.kind, made.key, made.principals) == ("user", BLOB, ("%",))
    assert made.key_id == f"{answer['id']} {ADA.key}"
    assert (made.valid_after, made.valid_before) == (NOW - 60, NOW + 3600)
    assert set(made.extensions) == set(EXTENSIONS)
    assert answer["authority"].encode() == text_of(made.authority)
    presented = office.certificates.read(made.blob, {"%"}, "192.0.2.1")
    identity = result(office.certificates.identify(presented))
    assert evolve(identity, expires=None, token_id="") == ADA
    assert (identity.token_id, identity.expires) == (answer["id"], NOW + 3600)


def test_it_lives_no_longer_than_the_token_that_asked_for_it() -> None:
    office = Office()
    assert office.ask(evolve(ADA, claims={"exp": NOW + 300}))["expires"] == NOW + 300
    assert office.ask(lifetime=60)["expires"] == NOW + 60
    assert office.ask(lifetime=1e9)["expires"] == NOW + 3600
    assert "has expired" in office.refuses(evolve(ADA, claims={"exp": NOW}))


def test_targets_are_its_principals_and_bind_it() -> None:
    office = Office()
    assert office.ask(targets=["web", "root%web", "web"])["principals"] == ["%web", "root%web"]
    (record,) = office.store.records.values()
    assert record.targets == ("web",)
    for name in ("shop", "nil", "deploy%web", "root%web%x", "web,shop", "", "../web"):
        assert office.refuses(targets=[name]).startswith("422"), name
    assert "is empty" in office.refuses(targets=[])


def test_it_may_be_restricted() -> None:
    office = Office()
    answer = office.ask(force_command="uptime", source_addresses=["10.0.0.0/8", "::1"], extensions=["permit-pty"])
    made = parse_text(answer["certificate"].encode())
    assert Restrictions.of(made) == Restrictions("uptime", ("10.0.0.0/8", "::1/128"), frozenset({"permit-pty"}))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"public_key": "ssh-ed25519"}, "public_key is one line"),
        ({"public_key": LINE + "\n" + LINE}, "public_key is one line"),
        ({"public_key": LINE.replace("ssh-ed25519", "ssh-rsa", 1)}, "public_key is one line"),
        ({"public_key": 7}, "must be a string"),
        ({"lifetime": 0}, "above 0"),
        ({"lifetime": "1h"}, "must be a number"),
        ({"force_command": ""}, "force_command"),
        ({"force_command": "x" * 5000}, "force_command"),
        ({"source_addresses": ["10.0.0.1/8"]}, "no network"),
        ({"source_addresses": "10.0.0.0/8"}, "array of strings"),
        ({"extensions": ["permit-everything"]}, "unknown extension"),
        ({"principals": ["root"]}, "unknown member"),
    ],
)
def test_what_is_not_understood_is_refused(body: dict[str, Any], says: str) -> None:
    assert says in Office().refuses(**body)


def test_a_short_key_and_a_certificate_are_no_keys_to_certify() -> None:
    office = Office()
    short = Key(generate_private_key(65537, 1024).public_key()).blob()
    assert "public_key is one line" in office.refuses(public_key=text_of(short).decode())
    made = office.ask()["certificate"]
    assert "public_key is one line" in office.refuses(public_key=made)


def test_a_gateway_token_begets_no_certificate() -> None:
    assert Office().refuses(evolve(ADA, token_id="tok_1")).startswith("403")


@pytest_twisted.ensureDeferred
async def test_the_route_wants_an_issuers_token(server: Server) -> None:
    assert (await server.post(None, "/v1/ssh/certificate", {"public_key": LINE})).status == 401
    reply = await server.post(OPERATOR, "/v1/ssh/certificate", {"public_key": LINE})
    assert (reply.status, reply.json["type"]) == (403, "urn:hoopgate:problem:gateway-token")
