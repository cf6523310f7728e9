"""The port for every protocol, over a string transport and a clock that stands still until it is told."""

from __future__ import annotations

import json
from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from hoopgate.config.limits import Limits
from hoopgate.config.model import Host, Issuer, Listener, Role, Target
from hoopgate.doors import Doors
from hoopgate.errors import AuthenticationError, SecretError
from hoopgate.interfaces import Identity
from hoopgate.policy.verdict import Decision
from hoopgate.protocols.connect.client import ConnectConnection, named
from hoopgate.tunnel import Tunnel

LISTENER = Listener("gate", "connect", 443)
ISSUER = Issuer("people", "https://id.example.com", ("hoopgate",), client_id="cli")
ADA = Identity("https://id.example.com", "ada")
TOKENS = {
    "ada": ADA,
    "own": evolve(ADA, token_id="tok_1"),
    "bound": evolve(ADA, targets=("other",)),
    "stranger": Identity("https://id.example.com", "stranger"),
}


def target(name: str, protocol: str = "inner") -> Target:
    return Target(name, protocol, (Host("db"),), roles=(Role("app", "app"), Role("owner", "owner")))


class Inner(Protocol):
    """What speaks inside: keeps what it hears."""

    def __init__(self, listener: Listener, tunnel: Tunnel) -> None:
        self.tunnel = tunnel
        self.heard = b""
        self.greeting = b"hello "
        self.lost: list[Any] = []

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.greeting)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.append(reason)


class Wire(StringTransport):
    """A transport that knows its end, and tells of it at once."""

    def __init__(self, protocol: Any, address: str = "10.0.0.1") -> None:
        super().__init__(peerAddress=SimpleNamespace(host=address, port=4711))
        self.of = protocol
        self.secured: list[Any] = []
        self.aborted = False

    def startTLS(self, context: Any) -> None:
        self.secured.append(context)

    def abortConnection(self) -> None:
        self.aborted = True
        self.drop()

    def drop(self) -> None:
        if self.connected:
            self.connected = False
            self.of.connectionLost(Failure(ConnectionDone()))


@define
class House:
    """A gateway as far as tunnels need it."""

    clock: Clock = field(factory=Clock)
    limits: Limits = field(factory=Limits)
    targets: tuple[Target, ...] = (target("shop"), target("other"), target("weird", "other"))
    closing: bool = False
    blind: bool = False
    late: Deferred[Identity] | None = None
    failing: Exception | None = None
    failed: list[str] = field(factory=list)
    denied: list[str] = field(factory=list)
    inner: list[Inner] = field(factory=list)
    sessions: dict[str, Any] = field(factory=dict)
    tunnels: set[Any] = field(factory=set)
    doors: Doors = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.doors = Doors(lambda: self.limits)

    @property
    def config(self) -> Any:
        return SimpleNamespace(limits=self.limits, targets=self.targets, issuers=(ISSUER,))

    def login_issuer(self, listener: Listener) -> Issuer:
        return ISSUER

    @property
    def feed(self) -> Any:
        return SimpleNamespace(blind=self.blind)

    @property
    def authenticator(self) -> Any:
        return SimpleNamespace(authenticate=self._authenticate)

    @property
    def engine(self) -> Any:
        return SimpleNamespace(access=self._access)

    def grants_of(self, identity: Identity) -> frozenset[str]:
        return frozenset()

    def login_failed(self, address: str, error: Exception) -> None:
        self.failed.append(address)

    def access_denied(self, identity: Identity, target: Target, role: Role, decision: Decision) -> None:
        self.denied.append(target.name)

    def _authenticate(self, token: str) -> Deferred[Identity]:
        if self.failing is not None:
            return fail(self.failing)
        if self.late is not None:
            return self.late
        return succeed(TOKENS[token]) if token in TOKENS else fail(AuthenticationError("no such token"))

    def _access(self, identity: Identity, target: Target, role: str, grants: frozenset[str]) -> Any:
        allowed = identity.subject == "ada" and role == "owner"
        hint = "Ask." if role == "owner" else ""
        return SimpleNamespace(then="allow" if allowed else "deny", reason="not you", rule="strangers", hint=hint)

    def client(self, *, address: str = "10.0.0.1", tls: Any = None) -> tuple[ConnectConnection, Wire]:
        def make(listener: Listener, tunnel: Tunnel) -> Inner:
            self.inner.append(Inner(listener, tunnel))
            return self.inner[-1]

        gateway: Any = self
        connection = ConnectConnection(gateway, LISTENER, tls, {"inner": make})
        wire = Wire(connection, address)
        connection.makeConnection(wire)
        return connection, wire


def head(host: str = "shop", token: str = "ada", *fields: str, name: str = "Proxy-Authorization") -> bytes:
    own = [f"{name}: Bearer {token}"] if token else []
    return "\r\n".join([f"CONNECT {host}:22 HTTP/1.1", f"Host: {host}", *own, *fields, "", ""]).encode()


def said(wire: Wire) -> tuple[int, dict[str, Any]]:
    """The refusal that was sent, and that the connection is closed behind it."""
    start, _, body = wire.value().partition(b"\r\n\r\n")
    assert wire.disconnecting or wire.aborted
    return int(start.split(b" ")[1]), json.loads(body)


OPEN = b"HTTP/1.1 200 Connection established\r\n\r\nhello "


def test_the_same_transport_is_handed_over_with_what_came_early() -> None:
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head() + b"SSH-2.0-early\r\n")
    assert wire.value() == OPEN
    (inner,) = house.inner
    assert inner.transport is wire
    assert inner.tunnel == Tunnel(ADA, "shop")
    assert inner.heard == b"SSH-2.0-early\r\n"
    connection.dataReceived(b"more")
    assert inner.heard.endswith(b"more")
    assert wire.producerState == "producing"
    wire.drop()
    assert len(inner.lost) == 1


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_a_head_may_come_in_pieces(size: int) -> None:
    house = House()
    connection, wire = house.client()
    data = head() + b"inside"
    for start in range(0, len(data), size):
        connection.dataReceived(data[start : start + size])
    assert wire.value() == OPEN
    assert house.inner[0].heard == b"inside"


def test_tls_comes_first_and_once() -> None:
    house = House()
    _, wire = house.client(tls="context")
    assert wire.secured == ["context"]


# --- who


def test_nobody_without_a_token_gets_in() -> None:
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head(token="") + b"smuggled")
    status, problem = said(wire)
    assert (status, problem["rule"]) == (407, "login")
    assert house.inner == []


@pytest.mark.parametrize(("name", "status"), [("Authorization", 401), ("Proxy-Authorization", 407)])
def test_a_wrong_token_is_counted_and_told(name: str, status: int) -> None:
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head(token="mallory", name=name))
    assert said(wire)[0] == status
    assert "mallory" not in wire.value().decode()
    assert "hoopgate login --issuer https://id.example.com --client-id cli" in said(wire)[1]["hint"]
    assert house.failed == ["10.0.0.1"]


def test_a_token_may_be_the_password_of_basic() -> None:
    house = House()
    connection, wire = house.client()
    value = b64encode(b"whoever:ada").decode()
    connection.dataReceived(head("shop", "", f"Proxy-Authorization: Basic {value}"))
    assert wire.value() == OPEN


# --- where to


@pytest.mark.parametrize(
    ("host", "token", "status", "rule"),
    [
        ("nowhere", "ada", 404, "target"),
        ("weird", "ada", 404, "target"),  # a protocol that is not spoken inside
        ("shop", "bound", 404, "target"),  # a token that is good for another target
        ("shop", "stranger", 403, "strangers"),
    ],
)
def test_only_what_is_open_to_somebody_is_opened(host: str, token: str, status: int, rule: str) -> None:
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head(host, token))
    found, problem = said(wire)
    assert (found, problem["rule"]) == (status, rule)
    assert problem["hint"]
    assert house.inner == []
    assert house.denied == (["shop"] if status == 403 else [])


def test_names_are_found_in_any_case_where_only_one_is_meant() -> None:
    targets = (target("Shop"), target("DB"), target("db"))
    assert named(targets, "shop") is targets[0]
    assert named(targets, "db") is targets[2]
    assert named(targets, "DB") is targets[1]
    assert named(targets, "Db") is None
    assert named(targets, "") is None


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"closing": True}, "shutdown"),
        ({"blind": True}, "store"),
        ({"limits": Limits(sessions=1), "sessions": {"one": None}}, "limits.sessions"),
        ({"failing": SecretError("file:/x cannot be read")}, "gateway"),
    ],
)
def test_a_gateway_that_cannot_serve_says_so(changes: dict[str, Any], rule: str) -> None:
    house = House(**changes)
    connection, wire = house.client()
    connection.dataReceived(head())
    status, problem = said(wire)
    assert (status, problem["rule"]) == (503, rule)


def test_a_fault_of_ours_is_told_as_one_and_nothing_more() -> None:
    house = House(failing=ZeroDivisionError("secret detail"))
    seen: list[Any] = []
    globalLogPublisher.addObserver(seen.append)
    try:
        connection, wire = house.client()
        connection.dataReceived(head())
    finally:
        globalLogPublisher.removeObserver(seen.append)
    assert said(wire)[0] == 500
    assert b"secret detail" not in wire.value()
    assert any("a tunnel failed" in str(event.get("log_format")) for event in seen)


# --- the door


def test_slow_heads_come_to_an_end() -> None:
    house = House()
    connection, wire = house.client()
    for byte in head()[:14]:
        connection.dataReceived(bytes([byte]))
        house.clock.advance(1)
    assert not wire.disconnecting
    house.clock.advance(1)
    status, problem = said(wire)
    assert (status, problem["rule"]) == (408, "limits.handshake")
    assert house.doors.open == 0
    connection.dataReceived(head())  # too late
    assert house.inner == []
    house.clock.advance(15)
    assert wire.aborted
    assert house.clock.getDelayedCalls() == []


def test_who_knocks_without_end_makes_room_for_others() -> None:
    house = House(limits=Limits(half_open=3, half_open_per_address=3))
    wires = [house.client()[1] for _ in range(10)]
    assert house.doors.open == 3
    assert [wire.disconnecting for wire in wires] == [True] * 7 + [False] * 3
    assert said(wires[0])[1]["rule"] == "limits.half_open_per_address"
    connection, wire = house.client(address="10.0.0.2")
    connection.dataReceived(head())
    assert wire.value() == OPEN


def test_who_is_in_holds_no_place_at_the_door() -> None:
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head())
    assert house.doors.open == 0
    house.clock.advance(100)
    assert not wire.disconnecting
    assert house.clock.getDelayedCalls() == []


def test_what_is_said_ahead_of_the_answer_waits_in_the_kernel() -> None:
    """A flood behind the head takes no memory of ours while it is open who it comes from."""
    house = House(late=Deferred())
    connection, wire = house.client()
    connection.dataReceived(head() + b"a")
    assert wire.producerState == "paused"
    connection.dataReceived(b"b")  # what the transport had decrypted already
    assert house.late is not None
    house.late.callback(ADA)
    assert wire.producerState == "producing"
    assert house.inner[0].heard == b"ab"


def test_a_second_request_on_a_refused_connection_is_nobodys() -> None:
    """Bytes behind a refused head are neither read as a request nor passed on."""
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head("nowhere") + head())
    before = wire.value()
    connection.dataReceived(head())
    assert wire.value() == before
    assert said(wire)[0] == 404
    assert house.inner == []


def test_who_leaves_while_its_token_is_looked_at_opens_nothing() -> None:
    cancelled: list[Any] = []
    house = House(late=Deferred(cancelled.append))
    connection, wire = house.client()
    connection.dataReceived(head())
    wire.drop()
    assert len(cancelled) == 1
    assert house.inner == []
    assert house.doors.open == 0
    assert house.clock.getDelayedCalls() == []


# --- what ends it


def test_a_revoked_token_ends_what_is_still_on_its_way_in() -> None:
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head(token="own"))
    assert house.tunnels == {connection}
    connection.revoked("tok_2")
    assert not wire.disconnecting
    connection.revoked("tok_1")
    assert wire.disconnecting
    wire.drop()
    assert house.tunnels == set()


def test_when_revocations_were_missed_nothing_of_ours_goes_on() -> None:
    house = House()
    connection, wire = house.client()
    connection.dataReceived(head(token="own"))
    connection.revoked("")
    assert wire.disconnecting


def test_a_protocol_that_refuses_at_once_is_not_fed() -> None:
    house = House()
    connection, wire = house.client()

    class Gone(Inner):
        def connectionMade(self) -> None:
            wire.drop()

    connection._making = {"inner": Gone}
    connection.dataReceived(head() + b"early")
    assert not wire.connected
